"""What the shocks' process answers: the engine's own figures, of what was known, a line a pair."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.base.types import Candles
from models.base.units import HOUR_MS
from models.operate.control.shocks import PairShock, Unforeseen
from models.scenarios.candle_ahead import candle_shocks
from models.scenarios.catalog import scenario_engine
from models.scenarios.history import gather_history
from strategies.bot.market_data import load_checked
from strategies.bot.outlook_request import (
    LEAST_SPAN_MS,
    TOO_FEW,
    ShockRequest,
    write_request,
)
from strategies.bot.shock_worker import SHOCK_PATHS, compute_shocks
from strategies.bot.shocks import launch_shock_worker
from tests.places import ROOT
from tests.test_strategies.bot.outlook_world import BTC, FEW, LTC, write_market

TOLD = 300.0  # seconds a loaded machine may take
HOURS = LEAST_SPAN_MS // HOUR_MS


@pytest.fixture(scope="module")
def years(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_market(tmp_path_factory.mktemp("years") / "simulated", days=1_100)


@pytest.fixture(scope="module")
def whole(years: Path) -> dict[str, Candles]:
    return {pair: load_checked(years, pair, "1h") for pair in (BTC, LTC)}


def request(candles: Candles, *pairs: str, **changed: Any) -> ShockRequest:
    """Return a request for pairs after these candles' end, with nothing on disk."""
    made = ShockRequest(
        asked=FEW, until_ms=int(candles.time_ms[-1]) + HOUR_MS, candle_ms=HOUR_MS,
        datadir="/nonexistent", timeframe="1h", pairs=pairs,
    )  # fmt: skip
    return replace(made, **changed)


def test_shocks_when_asked_then_they_are_the_engines_own_and_know_no_later_candle(
    whole: dict[str, Candles],
) -> None:
    ltc = whole[LTC]
    early = request(ltc, LTC, until_ms=int(ltc.time_ms[-48]))
    history = gather_history({LTC: ltc.cut(ltc.time_ms < early.until_ms)}, HOUR_MS).history
    drawn = scenario_engine("bootstrap").fit(history).given(history)
    (found,) = compute_shocks(early, {LTC: ltc})
    assert isinstance(found, PairShock)
    assert found.until_ms == early.until_ms
    expected = candle_shocks(drawn, SHOCK_PATHS, FEW.seed)[LTC]
    assert (found.fall_frac, found.rise_frac) == (expected.fall_frac, expected.rise_frac)
    before = ltc.time_ms < early.until_ms
    torn = replace(ltc, low=np.where(before, ltc.low, ltc.low / 9))
    assert list(compute_shocks(early, {LTC: torn})) == [found]
    known = replace(ltc, low=np.where(before, ltc.low * 0.9, ltc.low))
    assert list(compute_shocks(early, {LTC: known})) != [found]


def test_shocks_when_older_candles_are_on_disk_then_the_bots_own_go_on_from_there(
    years: Path, whole: dict[str, Candles]
) -> None:
    asked = request(whole[LTC], LTC)
    (alone,) = compute_shocks(asked, whole)
    joined = compute_shocks(
        replace(asked, datadir=str(years)), {LTC: whole[LTC].cut(slice(-9, None))}
    )
    assert list(joined) == [alone]


def test_shocks_when_one_pair_fails_then_the_others_have_theirs(
    whole: dict[str, Candles],
) -> None:
    short = whole[LTC].cut(slice(-HOURS, None))  # the first close has none before it: no row
    asked = request(whole[BTC], LTC, "NEW/USDT:USDT", BTC)
    few, nothing, known = compute_shocks(asked, whole | {LTC: short})
    assert few == Unforeseen(
        pair=LTC, why=f"{TOO_FEW}: {HOURS:,} hours are needed, {HOURS - 1:,} are there"
    )
    assert isinstance(nothing, Unforeseen)
    assert isinstance(known, PairShock)
    assert known.pair == BTC
    enough = whole[LTC].cut(slice(-1 - HOURS, None))
    assert all(isinstance(one, PairShock) for one in compute_shocks(
        replace(asked, pairs=(LTC, BTC)), whole | {LTC: enough}
    ))  # fmt: skip
    bad = replace(whole[LTC], low=whole[LTC].low * np.nan)
    wrong, right = compute_shocks(replace(asked, pairs=(LTC, BTC)), whole | {LTC: bad})
    assert isinstance(wrong, Unforeseen)
    assert right == known


def test_shocks_when_the_engine_follows_volatility_then_a_wild_day_makes_them_larger(
    whole: dict[str, Candles],
) -> None:
    calm = whole[BTC]
    wide = np.where(np.arange(len(calm)) < len(calm) - 24, 1.0, 1.1)
    wild = replace(calm, high=calm.high * wide, low=calm.low / wide)
    asked = request(calm, BTC, asked=replace(FEW, engine="har"))
    (before,), (after,) = (list(compute_shocks(asked, {BTC: c})) for c in (calm, wild))
    assert isinstance(before, PairShock)
    assert isinstance(after, PairShock)
    assert after.fall_frac > 2 * before.fall_frac
    assert after.rise_frac > 2 * before.rise_frac


# -- as a process ---------------------------------------------------------------------------


def test_process_when_it_is_asked_then_it_answers_a_line_a_pair_as_the_function_does(
    years: Path, whole: dict[str, Candles]
) -> None:
    asked = request(whole[BTC], LTC, "NEW/USDT:USDT", datadir=str(years))
    with tempfile.TemporaryFile() as asks, tempfile.TemporaryFile() as answers:
        write_request(asks, asked, {})
        asks.seek(0)
        status = launch_shock_worker(asks, answers).wait(TOLD)
        answers.seek(0)
        lines = [json.loads(line) for line in answers]
    assert status == 0
    assert lines == [asdict(one) for one in compute_shocks(asked, {})]


def test_process_when_the_engine_is_not_installed_then_it_says_what_to_install(
    years: Path, whole: dict[str, Candles]
) -> None:
    code = (
        "import sys, importlib.abc\n"
        "class Missing(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name.partition('.')[0] == 'arch':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "from strategies.bot.shock_worker import run_shock_worker\n"
        "run_shock_worker()\n"
    )
    asked = request(whole[BTC], LTC, datadir=str(years), asked=replace(FEW, engine="filtered"))
    with tempfile.TemporaryFile() as asks:
        write_request(asks, asked, {})
        asks.seek(0)
        done = subprocess.run([sys.executable, "-c", code], stdin=asks, capture_output=True,
                              cwd=ROOT, check=False, timeout=TOLD)  # fmt: skip
    assert done.returncode == 0
    assert json.loads(done.stdout) == {
        "pair": LTC,
        "why": "it needs arch, which is not installed: pip install 'breakwater[tails]', or "
        "breakwater.outlook.engine: bootstrap",
    }
