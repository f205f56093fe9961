"""`breakwater what-if`: what it says, in words and in JSON, and what it refuses."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.scenarios import catalog
from models.trade.account.scenario_scale import LEVERAGES
from strategies.desk.backtests.simulated_data import write_simulated
from strategies.desk.cli import main
from strategies.desk.studies.coin_candles import gather_coins, pair_in
from strategies.desk.studies.what_if_words import WhatIfOptions
from tests.places import ROOT

BTC, LTC = "BTC/USDT:USDT", "LTC/USDT:USDT"


@pytest.fixture(scope="module")
def datadir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("market") / "simulated"
    return write_simulated(folder, seed=3, start=datetime(2022, 4, 1, tzinfo=UTC), days=60)


@pytest.fixture
def ask(
    datadir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    def asked(*words: str, data: Path = datadir) -> tuple[int, str, str]:
        try:
            code = main(["what-if", "--data", str(data), "--userdir", str(tmp_path),
                         "--engine", "bootstrap", *words])  # fmt: skip
        except SystemExit as left:
            code = int(str(left.code))
        said = capsys.readouterr()
        return code, said.out, said.err

    return asked


def test_answer_when_a_hedge_is_asked_for_then_both_accounts_stand_side_by_side(ask: Any) -> None:
    code, said, _ = ask("--open", "LTC long 2x", "--hedge", "0.5", "--paths", "4000", "--days", "3")
    assert code == 1  # the gap limit would not have it
    first = said.splitlines()
    assert first[0].startswith("Cannot be opened: a repeat of the worst hour would cost 115.1% of")
    assert first[1] == "The largest that can: LTC long 0.39x."
    assert first[2] == (
        "A repeat of the coin's worst day would cost LTC long 2x 122.9% of equity; a hedge with "
        "other coins is credited nothing for it."
    )
    assert "LTC long 2x: in 3 days an account of 1,000 is probably worth" in said
    assert "\nWith BTC short 1x: in 3 days" in said
    assert "\nWith it, never taken away: in 3 days" in said
    assert "|  | alone | with BTC short 1x | with it, never taken away |" in said
    assert "| worst named crash, replayed | Terra, May 2022: lowest" in said
    assert "| liquidated within 1 d |" in said
    assert "| liquidated within 3 d |" in said
    assert "4,000 paths of the engine 'bootstrap' (seed 0), fitted on 1h candles of" in said
    assert "SIMULATED candles" in said


def test_answer_when_the_engine_passed_or_not_then_that_is_said(
    ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--open", "LTC long 0.2x", "--paths", "200", "--days", "1")
    assert WhatIfOptions.engine in catalog.PASSING_ENGINES
    assert "has not passed the rule of `breakwater scenarios`" in ask(*words)[1]  # the bootstrap
    monkeypatch.setattr(catalog, "PASSING_ENGINES", frozenset({"bootstrap"}))
    assert "is the default by the rule of `breakwater scenarios`" in ask(*words)[1]


def test_answer_when_it_can_be_opened_then_it_says_so_and_ends_with_0(ask: Any) -> None:
    code, said, _ = ask("--open", "LTC long 0.2x", "--paths", "500", "--days", "1")
    assert code == 0
    assert said.startswith("Can be opened: a repeat of the worst hour would cost 11.5%")
    assert "expected at least 3688 paths" in said  # of the largest position, in its place
    assert "not told by so few paths" in said


def test_gap_limit_when_the_hedge_costs_more_than_what_it_hedges_then_that_is_said_too(
    ask: Any,
) -> None:
    words = ("--open", "ETH long 0.5x", "--hedge", "1.5", "--paths", "100", "--days", "1")
    code, said, _ = ask(*words)
    first = said.splitlines()
    assert code == 1
    assert first[0].startswith("Can be opened: a repeat of the worst hour would cost 20.0% of")
    assert first[1].startswith("With the hedge, BTC short 0.75x: Cannot be opened: a repeat of")
    assert first[2] == "The largest that can: ETH long 0.48x, BTC short 0.72x."


def test_json_when_asked_for_then_one_line_has_all_of_it(ask: Any) -> None:
    words = ("--open", "LTC long 2x", "--hedge", "0.5", "--paths", "4000", "--json")
    code, said, _ = ask(*words)
    (line,) = said.splitlines()
    got = json.loads(line)
    assert code == 1
    assert got["pairs"] == [LTC, BTC]
    assert got["simulated"]
    assert got["horizons_days"] == [1, 3, 7]
    alone, hedged, kept = got["accounts"]
    assert [one["deleveraging_frac"] for one in got["accounts"]] == [0.1, 0.1, None]
    assert hedged["openings"] == kept["openings"]
    assert [o["pair"] for o in hedged["openings"]] == [LTC, BTC]
    assert not alone["gap"]["allowed"]
    assert len(alone["first_passage"]) == 168
    for one in got["accounts"]:
        shares = np.array([[c["share"] for c in row] for row in one["by_leverage"]])
        assert shares.shape == (len(LEVERAGES), 3)
        assert (np.diff(shares, axis=0) >= 0).all()
        assert (np.diff(shares, axis=1) >= 0).all()
        # The table's 2x is the account itself.
        assert shares[1].tolist() == [c["share"] for c in one["liquidated"]]
        assert one["liquidated"][-1]["share"] >= one["liquidated_at_closes"][-1]["share"]
        assert sum(one["first_passage"]) == pytest.approx(one["liquidated"][-1]["share"])
    assert ask(*words)[1] == said  # the same seed, the same answer
    assert ask(*words, "--seed", "1")[1] != said


def test_answer_when_the_newest_candles_are_cut_then_it_begins_before_them(
    ask: Any, datadir: Path, tmp_path: Path
) -> None:
    older = tmp_path / "older"
    shutil.copytree(datadir, older)
    for file in (older / "futures").glob("*.feather"):
        frame = pd.read_feather(file)
        frame[frame["date"] < pd.Timestamp("2022-05-20", tz="UTC")].to_feather(file)
    _, said, _ = ask("--open", "LTC long 1x", "--paths", "200", "--days", "1", data=older)
    assert "to 2022-05-20T00:00Z, and begun there" in said
    coins = gather_coins([older], [LTC], "1h")
    assert f"LTC {coins.marks[LTC]:g}" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--open", "LTC 2x long"], r'did you mean "LTC long 2x"\?'),
        (["--open", "LCT long 2x"], r"no 1h futures candles of LCT; did you mean LTC\?"),
        (["--open", "LTC long 200x"], "grants 25x at most"),
        (["--open", "LTC long 1x", "--open", "LTC short 1x"], "LTC is opened twice"),
        (["--open", "LTC long 1x", "--hedge", "1.6"], r"a ratio from 0 to 1\.5"),
        (["--open", "BTC long 1x", "--hedge", "0.5"], "BTC is opened already"),
        (["--open", "LTC short 1x", "--hedge", "0.5"], "net -1x"),
        (["--open", "LTC long 1x", "--engine", "bootsrap"], "did you mean 'bootstrap'"),
        (["--open", "LTC long 1x", "--paths", "999999999"], "GiB for their outcomes"),
        (["--open", "LTC long 1x", "--days", "900000"], "expected blocks within"),
        (["--open", "LTC long 1x", "--equity", "nan"], "expected a number > 0"),
        ([], "required: --open"),
    ],
)
def test_request_when_it_is_wrong_then_it_is_said_and_nothing_is_drawn(
    ask: Any, words: list[str], said: str
) -> None:
    code, _, error = ask(*words)
    assert code == 2
    assert re.search(said, error)
    assert "Traceback" not in error


def test_hedge_when_its_coin_has_no_candles_then_it_says_which(
    ask: Any, datadir: Path, tmp_path: Path
) -> None:
    lone = tmp_path / "lone"
    shutil.copytree(datadir, lone)
    for file in (lone / "futures").glob("BTC_*"):
        file.unlink()
    code, _, error = ask("--open", "LTC long 1x", "--hedge", "0.5", data=lone)
    assert code == 2
    assert "no 1h futures candles of BTC" in error
    assert "--pairs BTC/USDT:USDT" in error


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: frame.iloc[-200:], "expected at least 1001 candles of LTC"),
        (lambda frame: frame.assign(low=np.nan), "low"),
    ],
)
def test_candles_when_short_or_unsound_then_they_are_refused(
    ask: Any, datadir: Path, tmp_path: Path, change: Any, said: str
) -> None:
    other = tmp_path / "other"
    shutil.copytree(datadir, other)
    file = other / "futures" / "LTC_USDT_USDT-1h-futures.feather"
    change(pd.read_feather(file)).reset_index(drop=True).to_feather(file)
    code, _, error = ask("--open", "LTC long 1x", data=other)
    assert code == 2
    assert said in error


def test_funding_when_a_file_is_missing_then_a_note_says_that_none_is_counted(
    datadir: Path, tmp_path: Path
) -> None:
    lone = tmp_path / "lone"
    shutil.copytree(datadir, lone)
    (lone / "futures" / "LTC_USDT_USDT-1h-funding_rate.feather").unlink()
    coins = gather_coins([lone], [LTC, BTC], "1h")
    assert any("LTC/USDT:USDT: no funding known" in note for note in coins.gathered.notes)
    assert (coins.gathered.history.funding[:, 0] == 0).all()
    assert (coins.gathered.history.funding[:, 1] != 0).any()


def test_engine_when_its_library_is_missing_then_the_cure_is_named(
    ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Needy:
        name = "needy"

        def fit(self, history: object) -> object:
            raise ModuleNotFoundError("No module named 'arch'", name="arch")

    monkeypatch.setitem(catalog.ENGINES, "needy", Needy)  # type: ignore[arg-type]
    code, _, error = ask("--open", "LTC long 0.1x", "--engine", "needy")
    assert code == 2
    assert "the engine 'needy' needs arch, which is not installed" in error
    assert "pip install 'breakwater[tails]'" in error


def test_engine_when_it_needs_no_library_then_it_answers_without_those_of_others(
    datadir: Path, tmp_path: Path
) -> None:
    words = ["what-if", "--data", str(datadir), "--userdir", str(tmp_path), "--paths", "100",
             "--open", "LTC long 0.1x"]  # fmt: skip
    said = {}
    for engine in ("bootstrap", "filtered"):
        program = (
            "import sys\n"
            "sys.modules.update(dict.fromkeys(['arch', 'pyextremes', 'statsmodels']))\n"
            "from strategies.desk.cli import main\n"
            f"sys.exit(main({[*words, '--engine', engine]!r}))"
        )
        said[engine] = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
        )
    assert said["bootstrap"].returncode == 0, said["bootstrap"].stderr
    assert said["filtered"].returncode == 2
    assert "the engine 'filtered' needs arch" in said["filtered"].stderr


def test_pair_when_named_in_full_then_it_is_found_too(datadir: Path) -> None:
    assert pair_in(datadir, "1h", LTC) == pair_in(datadir, "1h", "LTC") == LTC
