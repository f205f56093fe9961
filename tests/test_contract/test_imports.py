"""Who may import whom, read from the source; each rule has a tree that breaks it and is caught."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.learn import catalog
from tests.places import ROOT
from tests.test_contract.import_rules import (
    circles,
    class_attribute,
    scanned_files,
    scanned_violations,
    sources,
    tree,
    violations,
)
from tests.test_contract.known_violations import (
    KNOWN_FUNCTION_LINES_P95,
    KNOWN_IMPORTS,
    KNOWN_LONG_FILES,
    KNOWN_NAMES_TWICE,
)
from tests.test_contract.source_rules import (
    LONGEST_FILE,
    function_lines_p95,
    long_files,
    names_defined_twice,
)


def test_imports_when_the_pack_is_read_then_no_rule_is_broken() -> None:
    assert sorted(violations(ROOT)) == sorted(KNOWN_IMPORTS)


def test_files_when_the_pack_is_read_then_none_is_longer_than_a_reader_has_patience() -> None:
    assert sorted(long_files(ROOT)) == sorted(KNOWN_LONG_FILES)


def test_functions_when_the_pack_is_read_then_nearly_all_fit_a_screen() -> None:
    assert function_lines_p95(ROOT) <= KNOWN_FUNCTION_LINES_P95


def test_names_when_the_pack_is_read_then_each_stands_for_one_thing() -> None:
    assert sorted(names_defined_twice(ROOT)) == sorted(KNOWN_NAMES_TWICE)


def test_scanned_folders_when_the_pack_is_read_then_each_file_holds_its_one_class() -> None:
    assert scanned_violations(ROOT) == []


def test_reader_when_the_pack_is_read_then_it_sees_the_files_and_imports_that_are_there() -> None:
    by_name = {source.name: source for source in sources(ROOT)}
    assert "torch" in by_name["models.learn.nets.base"].imports
    assert (
        "models.learn.jobs.pipeline" in by_name["models.learn.jobs.executor"].runs
    )  # in a function
    assert {"BitcoinCrossMargin.py", "LSTMForecaster.py"} <= {p.name for p in scanned_files(ROOT)}


def test_reader_when_an_import_is_for_annotations_only_then_it_counts_and_does_not_run(
    tmp_path: Path,
) -> None:
    text = "if TYPE_CHECKING:\n    import json\ndef f():\n    import csv"
    (source,) = sources(tree(tmp_path, models__a=text))
    assert source.imports == {"json", "csv"}
    assert source.runs == {"csv"}


@pytest.mark.parametrize(
    ("module", "text", "found"),
    [
        ("models__data__labels__x", "import freqtrade.enums", "freqtrade.enums"),
        ("models__data__labels__x", "from strategies.bot import frames", "strategies.bot"),
        ("models__data__labels__x", "def f():\n    import freqaimodels", "freqaimodels"),
        ("models__data__labels__x", "import tests.exchange", "tests.exchange"),
        ("strategies__Foo", "from freqaimodels.base import settings", "freqaimodels.base"),
        ("strategies__guard__x", "import freqaimodels", "freqaimodels"),
        ("freqaimodels__base__x", "from strategies.bot.stages import timed", "strategies.bot"),
        ("models__serve__x", "import torch", "torch"),
        ("models__base__heads", "from torch import nn", "torch"),
        ("models__base__heads", "if True:\n    from torch.nn import functional", "torch.nn"),
        ("strategies__guard__x", "import torch.nn as nn", "torch.nn"),
        ("freqaimodels__x", "import torch", "torch"),
        ("models__trade__x", "from models.evaluate import metrics", "models.evaluate"),
        ("models__trade__x", "from models import evaluate", "models.evaluate"),
        ("models__trade__x", "from ..evaluate import metrics", "models.evaluate"),
        ("strategies__guard__x", "import models.evaluate.metrics", "models.evaluate"),
        ("strategies__Foo", "import models.evaluate", "models.evaluate"),
        ("freqaimodels__x", "from models.evaluate.metrics import f", "models.evaluate"),
        ("models__serve__x", "import pandas", "pandas"),
        ("models__serve__x", "import scipy.stats", "scipy.stats"),
        ("models__serve__x", "def f():\n    import joblib", "joblib"),
        ("models__operate__x", "import numpy", "numpy"),
        ("models__operate__x", "import pandas", "pandas"),
        # Upward, whenever the line runs.
        ("models__base__x", "from models.data.labels import targets", "models.data"),
        ("models__data__labels__x", "from models.learn.training import settings", "models.learn"),
        ("models__serve__x", "def f():\n    from models.learn import nets", "models.learn"),
        (
            "models__base__x",
            "if TYPE_CHECKING:\n    from models.learn.training.prepare import Prepared",
            "models.learn",
        ),
        ("models__studies__x", "from models.reports import page", "models.reports"),
        ("strategies__guard__x", "import models.simulate", "models.simulate"),
        ("models__placed_nowhere__x", "import models.base.errors", "models.base"),
        ("strategies__seams__x", "from strategies.account import tiers", "strategies.account"),
        ("strategies__human__x", "from strategies.guard import entries", "strategies.guard"),
        (
            "strategies__bot__x",
            "def f():\n    import strategies.desk.backtests.data",
            "strategies.desk",
        ),
        ("strategies__bot__x", "from strategies.LitecoinHedge import LitecoinHedge", "Litecoin"),
        ("freqaimodels__base__x", "import freqaimodels.LSTMForecaster", "LSTMForecaster"),
        # Neighbours do not know each other.
        ("models__learn__x", "from models.trade.risk import limits", "models.trade"),
        ("strategies__guard__x", "from strategies.fast import pacing", "strategies.fast"),
        ("strategies__fast__x", "from strategies.guard import entries", "strategies.guard"),
    ],
)
def test_imports_when_a_file_breaks_a_rule_then_it_is_caught(
    tmp_path: Path, module: str, text: str, found: str
) -> None:
    lines = violations(tree(tmp_path, **{module: text}))
    assert lines
    assert all(found in line for line in lines)


def test_runtime_when_a_module_it_reaches_imports_more_then_it_is_caught(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        models__serve__a="from models.b import thing",
        models__b="from models import c",
        models__c="import pandas",
    )
    assert violations(root) == ["models.serve reaches models.c: imports pandas"]


def test_control_when_a_module_it_reaches_needs_a_library_then_it_is_caught(tmp_path: Path) -> None:
    root = tree(
        tmp_path, models__operate__a="from models import trade", models__trade="import numpy"
    )
    assert violations(root) == [
        "models.operate.a: imports models.trade",
        "models.operate reaches models.trade: imports numpy",
    ]


def test_runtime_when_a_package_on_the_way_imports_more_then_it_is_caught(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        models__serve__a="from models.deep.b import thing",
        models__deep__b="",
    )
    (root / "models" / "deep" / "__init__.py").write_text("import pandas", encoding="utf-8")
    assert violations(root) == ["models.serve reaches models.deep: imports pandas"]


def test_imports_when_every_import_is_allowed_then_nothing_is_said(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        models__learn__nets__x="import torch\nfrom models.base.heads import HeadLayout",
        models__base__heads="import numpy",
        models__serve__x="import onnxruntime\nfrom models.base import catalog, heads",
        models__base__catalog="",
        models__learn__gan__x="from models.learn.nets import x",
        models__evaluate__x="from models.evaluate import y",
        strategies__desk__x="import models.evaluate",
        strategies__guard__x="import freqtrade\nimport models.base.heads",
        strategies__bot__x="from strategies.guard import x\nfrom strategies.fast import y",
        strategies__Foo="from strategies.bot import x",
        strategies__desk__y="from strategies.Foo import Foo\nfrom strategies.desk import x",
        strategies__seams__x="import freqtrade",
        freqaimodels__base__x="import freqtrade\nimport models.base.heads\n"
        "from strategies.seams import x",
        freqaimodels__Foo="from freqaimodels.base import x",
    )
    assert violations(root) == []


@pytest.mark.parametrize(
    "back",
    [
        "from models.base import a",
        "def f():\n    from models.base.a import thing",
        "if TYPE_CHECKING:\n    from models.base.a import Thing",
        "from .a import thing",
        "class C:\n    def f(self):\n        import models.base.a",
    ],
)
def test_modules_when_they_import_each_other_then_the_circle_is_caught(
    tmp_path: Path, back: str
) -> None:
    root = tree(tmp_path, models__base__a="from models.base.b import thing", models__base__b=back)
    assert violations(root) == ["circle: models.base.a models.base.b"]


def test_rooms_when_no_modules_but_their_folders_go_in_a_circle_then_it_is_caught(
    tmp_path: Path,
) -> None:
    root = tree(
        tmp_path,
        models__data__feeds__a="from models.data.labels.b import thing",
        models__data__labels__b="",
        models__data__labels__c="from models.data.feeds.d import thing",
        models__data__feeds__d="",
    )
    assert violations(root) == ["circle of rooms: models.data.feeds models.data.labels"]


def test_circles_when_a_graph_has_two_and_a_way_between_them_then_both_are_told_apart() -> None:
    graph = {"a": ["b"], "b": ["a", "c"], "c": ["d"], "d": ["e"], "e": ["c", "f"], "f": ["f"]}
    assert circles(graph) == [["a", "b"], ["c", "d", "e"]]


def test_files_when_one_is_a_line_too_long_then_it_is_caught(tmp_path: Path) -> None:
    fits, long = "x = 1\n" * LONGEST_FILE, "x = 1\n" * (LONGEST_FILE + 1)
    assert long_files(tree(tmp_path, models__a=fits, models__b=long)) == ["models.b"]


def test_functions_when_one_in_twenty_is_long_then_the_others_are_counted(tmp_path: Path) -> None:
    short, long = "def f():\n" + "    g()\n" * 4, "def f():\n" + "    g()\n" * 99
    assert function_lines_p95(tree(tmp_path, models__a=short * 95 + long * 5)) == 5
    assert function_lines_p95(tree(tmp_path, models__a=short * 90 + long * 10)) == 100


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ("def render(): ...", "class render: ...", ["render: models.a strategies.b"]),
        ("DAY: int = 1", "DAY = 1", ["DAY: models.a strategies.b"]),
        ("def _f(): ...\nlogger = 1", "def _f(): ...\nlogger = 2", []),
        ("class C:\n    x = 1", "x = 1", []),
        ("def f(): ...", "from models.a import f", []),
    ],
)
def test_names_when_two_modules_define_one_then_it_is_caught(
    tmp_path: Path, one: str, other: str, found: list[str]
) -> None:
    assert names_defined_twice(tree(tmp_path, models__a=one, strategies__b=other)) == found


@pytest.mark.parametrize(
    ("module", "text", "said"),
    [
        ("strategies__Foo", "class Bar: ...", "Foo.py: classes ['Bar']"),
        ("strategies__Foo", "class Foo: ...\nclass Bar: ...", "Foo.py: classes ['Foo', 'Bar']"),
        ("freqaimodels__Foo", "x = 1", "Foo.py: classes []"),
        ("strategies__models", "class models: ...", "models.py: named like a package"),
        ("freqaimodels__json", "class json: ...", "json.py: named like a package"),
        (
            "strategies__Foo",
            "from __future__ import annotations\n@dataclass\nclass Foo: ...",
            "Foo.py: dataclass with postponed annotations",
        ),
    ],
)
def test_scanned_folders_when_a_file_would_mislead_freqtrade_then_it_is_caught(
    tmp_path: Path, module: str, text: str, said: str
) -> None:
    assert scanned_violations(tree(tmp_path, **{module: text})) == [said]


@pytest.mark.parametrize("network", catalog.names())
def test_network_when_listed_then_its_forecaster_file_serves_it(network: str) -> None:
    path = ROOT / "freqaimodels" / f"{catalog.load(network).forecaster}.py"
    assert class_attribute(path, "network") == network


def test_forecasters_when_they_name_a_network_then_the_network_names_them() -> None:
    named = {
        path.stem: class_attribute(path, "network")
        for path in scanned_files(ROOT)
        if path.parent.name == "freqaimodels" and "network = " in path.read_text(encoding="utf-8")
    }
    listed = {catalog.load(name).forecaster: name for name in catalog.names()}
    assert {k: v for k, v in named.items() if v in catalog.names()} == listed
    assert len(listed) == len(catalog.names())
