"""The tests' own files keep to the house's order; each rule has a tree that breaks it."""

from __future__ import annotations

import ast
import gc
import sys
import traceback
from pathlib import Path

import pytest

from tests.places import ROOT
from tests.syntax import parse
from tests.test_contract.file_rules import borrowed, own_parsing, own_places, unmirrored


def write(root: Path, name: str, text: str) -> Path:
    """Write the module of this dotted name under `root` and return `root`."""
    path = root.joinpath(*name.split(".")).with_suffix(".py")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return root


def test_test_files_when_read_then_none_is_imported_by_another() -> None:
    assert borrowed(ROOT) == []


@pytest.mark.parametrize(
    "text",
    [
        "from tests.test_models.trade.test_world import LIMITS",
        "from tests.test_models.trade import test_world",
        "def f():\n    import tests.test_models.trade.test_world",
    ],
)
def test_test_file_when_another_imports_it_then_it_is_caught(tmp_path: Path, text: str) -> None:
    write(tmp_path, "tests.test_models.trade.test_world", "LIMITS = 1")
    write(tmp_path, "tests.test_models.trade.worlds", "LIMITS = 1")
    write(tmp_path, "tests.benchmarks.live", "from tests.test_models.trade.worlds import LIMITS")
    assert borrowed(tmp_path) == []
    write(tmp_path, "tests.benchmarks.live", text)
    assert borrowed(tmp_path) == [
        "tests.benchmarks.live: imports tests.test_models.trade.test_world"
    ]


def test_places_when_tests_look_for_the_checkout_then_one_file_knows_it(tmp_path: Path) -> None:
    assert own_places(ROOT) == []
    here = "from pathlib import Path\nROOT = Path(__file__).resolve().parents[2]"
    write(tmp_path, "tests.places", here)
    assert own_places(tmp_path) == []
    assert own_places(write(tmp_path, "tests.exchange.market", here)) == ["tests.exchange.market"]


class Leftover:
    """What only the garbage collector clears away, with an error."""

    def __init__(self) -> None:
        self.me = self

    def __del__(self) -> None:
        raise RuntimeError("the event loop is closed")


def test_source_when_parsed_beside_garbage_then_the_tree_is_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, thresholds = Path(__file__).read_text(encoding="utf-8"), gc.get_threshold()
    printed: list[list[str]] = []
    monkeypatch.setattr(
        sys, "unraisablehook", lambda raised: printed.append(traceback.format_exception(raised[1]))
    )
    gc.set_threshold(50)
    try:
        for _ in range(20):
            for _ in range(20):
                Leftover()
            assert ast.unparse(parse(source)).startswith('"""The tests')
    finally:
        gc.set_threshold(*thresholds)
    gc.collect()
    assert printed
    assert gc.isenabled()


def test_source_when_tests_parse_it_then_by_one_function(tmp_path: Path) -> None:
    assert own_parsing(ROOT) == []
    write(tmp_path, "tests.syntax", "import ast\ntree = ast.parse('1')")
    assert own_parsing(tmp_path) == []
    write(tmp_path, "tests.mutation.mutants", "import ast\ntree = ast.parse('1')")
    assert own_parsing(tmp_path) == ["tests.mutation.mutants"]


def test_rooms_when_they_have_code_then_a_folder_of_tests_mirrors_them(tmp_path: Path) -> None:
    assert unmirrored(ROOT) == []
    write(tmp_path, "models.trade.risk.margin", "x = 1")
    write(tmp_path, "models.trade.__init__", "")
    assert unmirrored(tmp_path) == ["models/trade/risk"]
    write(tmp_path, "tests.test_models.trade.risk.test_margin", "x = 1")
    assert unmirrored(tmp_path) == []
