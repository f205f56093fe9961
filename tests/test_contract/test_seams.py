"""Private things of Freqtrade, FreqAI and ccxt are touched in strategies/seams, nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
from freqtrade.strategy import IStrategy

from strategies.seams.catalog import files_of_seams, seams_in
from tests.places import ROOT
from tests.test_contract import seam_rules
from tests.test_contract.import_rules import sources, tree
from tests.test_contract.seam_rules import inherited_touches, private_touches

# What a seam file is not: records, checks, lists, and what only reads public things.
NO_SEAM = {
    "__init__",
    "record",
    "catalog",
    "check",
    "shadowed",
    "fast_mode",
    "later",
    "frames",
    "kept_answers",
    "training_place",
}


def test_pack_when_its_source_is_read_then_private_things_are_touched_in_seams_only() -> None:
    assert private_touches(ROOT) == []


@pytest.mark.parametrize(
    "module",
    [
        source.name
        for source in sources(ROOT)
        if source.name.split(".")[0] in ("strategies", "freqaimodels")
        and not source.name.startswith("strategies.seams")
        and "class " in source.text
        and "desk" not in source.name
    ],
)
def test_class_when_its_base_is_a_librarys_then_it_uses_no_private_name_of_it(module: str) -> None:
    assert inherited_touches(module) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def f(dp):\n    return dp._exchange", "dp._exchange"),
        ("class A:\n    def f(self):\n        return self.dp._exchange._api", "self.dp._exchange"),
        ("def f(dp):\n    return getattr(dp, '_exchange', None)", "dp._exchange"),
        ("def f(x):\n    setattr(x, '_params', {})", "x._params"),
        ("from freqtrade.rpc import telegram\ntelegram.Telegram = int", "telegram.Telegram"),
        ("import ccxt\nccxt.binance.request = None", "ccxt.binance.request"),
        (
            "from freqtrade.wallets import Wallets as W\nW.update, x = None, 1",
            "W.update replaced",
        ),
        ("class A: ...\nA.f.__qualname__ = 'IStrategy.f'", "A.f.__qualname__"),
    ],
)
def test_reader_when_a_file_touches_a_private_thing_then_it_is_caught(
    tmp_path: Path, text: str, found: str
) -> None:
    lines = private_touches(tree(tmp_path, strategies__guard__x=text))
    assert lines
    assert any(found in line for line in lines)


def test_reader_when_a_file_touches_its_own_or_is_a_seam_then_nothing_is_said(
    tmp_path: Path,
) -> None:
    text = (
        "class A:\n    def f(self):\n        self._x = self._y()\n        return self._x._asdict()"
    )
    root = tree(tmp_path, strategies__guard__x=text, strategies__seams__y="dp._exchange")
    assert private_touches(root) == []


class Overriding(IStrategy):
    """Breaks the rule: the name is Freqtrade's."""

    def _adjust_trade_position_internal(self) -> None: ...


class Reading(IStrategy):
    """Breaks the rule: the attribute is Freqtrade's."""

    def custom(self) -> object:
        return self._ft_params_from_file


class Harmless(IStrategy):
    """Keeps it: the names are its own."""

    def _own(self) -> object:
        return self._also_own


@pytest.mark.parametrize(
    ("cls", "name"),
    [(Overriding, "_adjust_trade_position_internal"), (Reading, "_ft_params_from_file")],
)
def test_reader_when_a_class_uses_a_private_name_of_its_base_then_it_is_caught(
    cls: type, name: str
) -> None:
    assert f"{__name__}.{cls.__name__}: {name}" in inherited_touches(__name__)


def test_reader_when_a_class_has_names_of_its_own_then_nothing_is_said() -> None:
    assert not [line for line in inherited_touches(__name__) if "Harmless" in line]
    assert seam_rules._is_private("_x")
    assert not seam_rules._is_private("__init__")


def test_catalogue_when_the_folder_is_read_then_every_seam_file_is_in_it() -> None:
    files = {path.stem for path in (ROOT / "strategies" / "seams").glob("*.py")}
    assert files - NO_SEAM == files_of_seams()


def test_catalogue_when_it_is_loaded_then_each_seam_says_what_why_and_since_when() -> None:
    seams = seams_in()
    assert len({seam.name for seam in seams}) == len(seams) > 20
    for seam in seams:
        assert seam.what, seam.name
        assert seam.why, seam.name
        assert seam.without, seam.name
        assert seam.since.split()[0] in ("freqtrade", "ccxt"), seam.name
        assert (ROOT / seam.file).is_file()
