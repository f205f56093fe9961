"""What a finished backtest left behind is read back with its signs, times and gaps intact."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.base import columns
from models.base.errors import InputError
from models.base.units import HOUR_MS
from models.data.labels.settings import LabelSettings
from strategies.desk.backtests import results
from strategies.desk.backtests.data import MARKER, DataSummary, write_simulated
from tests.test_strategies.desk.exported import BTC, START, exported

LTC = "LTC/USDT:USDT"
START_MS = 1_704_067_200_000  # 2024-01-01 00:00 UTC
DAYS = 3


def signed(trades: list[dict[str, Any]]) -> list[tuple[float, float]]:
    return [(f.amount_base, f.price_quote) for f in results.fills(trades)]


# -- fills ----------------------------------------------------------------------------------------


def test_fills_when_a_long_is_read_then_it_buys_and_sells() -> None:
    trade = exported(BTC, ("buy", 1, 2.0, 100.0), ("sell", 3, 2.0, 110.0))
    assert signed([trade]) == [(2.0, 100.0), (-2.0, 110.0)]


def test_fills_when_a_short_is_read_then_it_sells_and_buys_back() -> None:
    trade = exported(BTC, ("sell", 1, 2.0, 100.0), ("buy", 3, 2.0, 90.0), short=True)
    assert signed([trade]) == [(-2.0, 100.0), (2.0, 90.0)]


@pytest.mark.parametrize("short", [False, True])
def test_fills_when_all_are_added_up_then_nothing_is_left_open(short: bool) -> None:
    entry, leave = ("sell", "buy") if short else ("buy", "sell")
    trade = exported(
        BTC, (entry, 1, 2.0, 100.0), (entry, 2, 1.0, 95.0), (leave, 3, 0.5, 105.0),
        (leave, 4, 2.5, 90.0), short=short,
    )  # fmt: skip
    amounts = [f.amount_base for f in results.fills([trade])]
    assert sum(amounts) == 0
    assert np.sign(amounts).tolist() == ([-1, -1, 1, 1] if short else [1, 1, -1, -1])


def test_fills_when_read_then_fees_are_those_of_their_own_side_on_the_notional() -> None:
    trade = exported(BTC, ("buy", 1, 2.0, 100.0), ("sell", 3, 2.0, 110.0))
    fees = [f.fee_quote for f in results.fills([trade])]
    # 2 * 100 * 0.0005 at entry, 2 * 110 * 0.001 at exit: of the notional, not of the stake
    assert fees == [pytest.approx(0.1), pytest.approx(0.22)]


@pytest.mark.parametrize(
    ("reason", "late_ms"),
    [
        ("stop_loss", 1),
        ("trailing_stop_loss", 1),
        ("stoploss_on_exchange", 1),
        ("liquidation", 1),
        ("roi", 1),
        ("exit_signal", 0),
        ("max_hold", 0),
        ("force_exit", 0),
    ],
)
@pytest.mark.parametrize("short", [False, True])
def test_fills_when_the_exit_is_inside_a_candle_then_it_is_a_millisecond_past_the_open(
    reason: str, late_ms: int, short: bool
) -> None:
    entry, leave = ("sell", "buy") if short else ("buy", "sell")
    trade = exported(BTC, (entry, 1, 2.0, 100.0), (leave, 3, 2.0, 90.0), short=short, reason=reason)
    times = [f.time_ms - START_MS for f in results.fills([trade])]
    assert times == [HOUR_MS, 3 * HOUR_MS + late_ms]  # an entry is always at its open


def test_fills_when_stopped_in_the_candle_of_the_entry_then_the_entry_still_comes_first() -> None:
    trade = exported(
        BTC, ("buy", 1, 2.0, 100.0), ("sell", 1, 2.0, 94.0), reason="trailing_stop_loss"
    )
    assert signed([trade]) == [(2.0, 100.0), (-2.0, 94.0)]


def test_fills_when_a_pair_is_entered_again_in_the_candle_of_its_stop_then_the_stop_is_first() -> (
    None
):
    long = exported(BTC, ("buy", 1, 2.0, 100.0), ("sell", 3, 2.0, 94.0), reason="stop_loss")
    short = exported(BTC, ("sell", 3, 5.0, 95.0), ("buy", 6, 5.0, 90.0), short=True)
    read = results.fills([long, short])
    assert [f.amount_base for f in read] == [2.0, -2.0, -5.0, 5.0]
    late = [f.time_ms - START_MS - 3 * HOUR_MS for f in read[1:3]]
    assert late == [1, 2]


def test_fills_when_trades_overlap_then_all_orders_are_oldest_first() -> None:
    slow = exported(BTC, ("buy", 1, 1.0, 100.0), ("sell", 5, 1.0, 110.0))
    quick = exported(LTC, ("sell", 2, 3.0, 50.0), ("buy", 4, 3.0, 55.0), short=True)
    read = results.fills([slow, quick])
    assert [f.pair for f in read] == [BTC, LTC, LTC, BTC]
    assert [f.time_ms for f in read] == sorted(f.time_ms for f in read)
    assert results.fills([]) == []


# -- marks, funding, account ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def datadir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("market")
    write_simulated(folder, start=START, days=DAYS)
    (folder / MARKER).unlink()
    return folder


def hours(n: float) -> int:
    return START_MS + int(n * HOUR_MS)


def test_market_path_when_read_then_the_engines_last_candle_is_part_of_it(datadir: Path) -> None:
    path = results.market_path(datadir, BTC, hours(2), hours(20))
    assert path.time_ms.tolist() == [hours(i) for i in range(2, 21)]
    assert path.pair == BTC


def test_market_path_when_read_then_funding_stands_at_the_hour_it_is_paid(datadir: Path) -> None:
    stored = pd.read_feather(datadir / "futures" / "BTC_USDT_USDT-1h-funding_rate.feather")
    paid = dict(zip(stored["date"].to_numpy("datetime64[ms]").astype(int), stored["funding_rate"],
                    strict=True))  # fmt: skip
    path = results.market_path(datadir, BTC, hours(2), hours(20))
    at = np.flatnonzero(np.isfinite(path.funding_rate))
    assert path.time_ms[at].tolist() == [hours(8), hours(16)]
    assert path.funding_rate[at].tolist() == [paid[hours(8)], paid[hours(16)]]


def run(datadir: Path, slippage_frac: float = 0.0) -> results.Run:
    return results.Run(
        strategy="S", model="M", config={"exchange": {"pair_whitelist": [BTC]}},
        results_dir=datadir, model_dir=datadir,
        data=DataSummary(source="real", datadir=datadir, files=(), sha256=""),
        labels=LabelSettings(), slippage_frac=slippage_frac, command="", created_ms=0, failures=(),
    )  # fmt: skip


def test_audit_when_a_trade_was_exported_then_its_fees_and_funding_end_in_the_wallet(
    datadir: Path,
) -> None:
    mark = results.market_path(datadir, BTC, hours(0), hours(24))
    entry, leave = float(mark.open[6]), float(mark.open[10])
    trade = exported(BTC, ("sell", 6, 0.1, entry), ("buy", 10, 0.1, leave), short=True)
    a = results.audit([trade], [BTC], datadir, (hours(0), hours(24)), 10_000.0, 0.001)
    # A short of 0.1: its price profit, its funding of 08:00 at that hour's mark, its two fees.
    price = 0.1 * (entry - leave)
    funding = 0.1 * mark.open[8] * mark.funding_rate[8]
    fees = 0.1 * (entry * 0.0005 + leave * 0.001)
    assert a.realised_quote == pytest.approx(price)
    assert a.funding_quote == pytest.approx(funding)
    assert a.fees_quote == pytest.approx(fees)
    assert a.slippage_quote == pytest.approx(0.001 * 0.1 * (entry + leave))
    assert a.reconcile(10_000 + price + funding - fees) == pytest.approx(0, abs=1e-9)
    assert abs(a.reconcile(10_000 + price - fees)) > 1e-6  # control: funding forgotten


# -- forecasts and trainings ----------------------------------------------------------------------


def stored(folder: Path, name: str, first: int, p_up: list[float]) -> None:
    """Forecasts as FreqAI stores them, from hour `first` on; 0 stands for "none"."""
    rows = len(p_up)
    frame = pd.DataFrame(dict.fromkeys(columns.FORECAST, 0.0), index=range(rows)).assign(
        p_up=p_up, p_down=[1 - p if p else 0.0 for p in p_up], do_predict=1,
        date=pd.date_range(START + timedelta(hours=first), periods=rows, freq="1h"),
    )  # fmt: skip
    (folder / "backtesting_predictions").mkdir(exist_ok=True)
    frame.to_feather(folder / "backtesting_predictions" / f"cb_{name}_prediction.feather")


def test_predictions_when_windows_overlap_then_the_later_training_answers(tmp_path: Path) -> None:
    stored(tmp_path, "btc_1704070000", 2, [0.7, 0.0, 0.8])
    stored(tmp_path, "btc_1704060000", 0, [0.5, 0.6, 0.1])
    stored(tmp_path, "ltc_1704060000", 0, [0.9])
    frame = results.predictions(tmp_path, BTC)
    assert frame["date"].is_monotonic_increasing
    assert frame["date"].is_unique
    np.testing.assert_array_equal(frame["p_up"], [0.5, 0.6, 0.7, np.nan, 0.8])
    assert frame["do_predict"].tolist() == [1, 1, 1, 0, 1]  # the row of zeros was no forecast


def test_predictions_when_there_are_none_then_pair_and_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"no stored forecasts for {LTC}") as error:
        results.predictions(tmp_path, LTC)
    assert str(tmp_path) in error.value.where


def test_trainings_when_read_then_only_the_packs_own_and_oldest_first(tmp_path: Path) -> None:
    for name, data in (
        ("sub-train-BTC_1704153600", {"breakwater_manifest": {"best_step": 2}}),
        ("sub-train-BTC_1704067200", {"breakwater_manifest": {"best_step": 1}}),
        ("sub-train-ETH_1704067200", {"somebody": "else"}),
    ):
        (tmp_path / name).mkdir()
        text = json.dumps(data)
        (tmp_path / name / "cb_x_metadata.json").write_text(text, encoding="utf-8")
    read = results.trainings(tmp_path)
    assert [(t.pair, t.trained_until_ms, t.manifest["best_step"]) for t in read] == [
        ("BTC", START_MS, 1), ("BTC", START_MS + 24 * HOUR_MS, 2),
    ]  # fmt: skip
