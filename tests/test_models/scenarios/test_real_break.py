"""2025-10-10, when LTC fell by 59 % and BTC by 17: held possible by who knew only what was before.

Real candles, so it runs only where they lie beside the checkout.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.base.types import Candles, FloatArray, IntArray
from models.base.units import DAY_MS, HOUR_MS
from models.scenarios.catalog import scenario_engine
from models.scenarios.history import FundingRows, gather_history
from models.scenarios.paths import CHUNK, CoinHistory
from tests.places import SHARED

BEFORE = SHARED / "data" / "binance" / "futures"
EVENT = SHARED / "data" / "events" / "2025-10-10_tariff" / "futures"
COINS = ("BTC", "ETH", "LTC", "XRP", "BCH")
DAY = 1_760_054_400_000  # 2025-10-10, 00:00 UTC
PATHS = 200 * CHUNK

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not EVENT.is_dir(), reason="no real candles of 2025-10-10 beside the checkout"
    ),
]


def times(frame: pd.DataFrame) -> IntArray:
    return frame["date"].dt.as_unit("ms").astype("int64").to_numpy()


def read(folder: Path, coin: str, kind: str) -> pd.DataFrame:
    return pd.read_feather(folder / f"{coin}_USDT_USDT-1h-{kind}.feather")


def candles(coin: str) -> Candles:
    old, new = read(BEFORE, coin, "futures"), read(EVENT, coin, "futures")
    whole = pd.concat((old, new[new["date"] > old["date"].iloc[-1]]))
    columns = {n: whole[n].to_numpy(float) for n in ("open", "high", "low", "close", "volume")}
    return Candles(time_ms=times(whole), **columns)


@cache
def history() -> CoinHistory:
    pairs = {f"{coin}/USDT:USDT": candles(coin) for coin in COINS}
    rates = {f"{coin}/USDT:USDT": read(BEFORE, coin, "funding_rate") for coin in COINS}
    funding = {
        pair: FundingRows(time_ms=times(f), rate=f["open"].to_numpy(float))
        for pair, f in rates.items()
    }
    return gather_history(pairs, HOUR_MS, funding=funding).history


def lowest(close: FloatArray, low: FloatArray) -> FloatArray:
    """Return the lowest low over the start, (..., T, A) -> (..., A)."""
    return np.asarray((np.cumsum(close, axis=-2) - close + low).min(axis=-2))


def came() -> FloatArray:
    h = history()
    day = (h.time_ms >= DAY) & (h.time_ms < DAY + DAY_MS)
    return lowest(h.close[day], h.low[day])


@cache
def drawn(engine: str) -> FloatArray:
    known = history().until(DAY)
    scenarios = scenario_engine(engine).fit(known).given(known)
    return np.concatenate([lowest(b.close, b.low) for b in scenarios.draw(PATHS, 24, 11)])


def test_mixture_when_fitted_before_then_the_day_is_inside_its_envelope_coin_by_coin() -> None:
    assert np.expm1(came()).round(2).tolist() == [-0.17, -0.22, -0.59, -0.58, -0.21]
    envelope = np.quantile(drawn("mixture"), 1e-4, axis=0)
    assert (came() > envelope).all(), np.expm1(envelope)


def test_mixture_when_fitted_before_then_the_day_is_inside_its_envelope_jointly() -> None:
    lows = drawn("mixture")
    # The rarest coin's level: how often is any coin so far out in its own distribution?
    rank = np.argsort(np.argsort(lows, axis=0), axis=0) / PATHS
    as_rare = rank.min(axis=1) <= (lows <= came()).mean(axis=0).min()
    assert as_rare.mean() > 1e-4
    assert (lows <= came()).all(axis=1).mean() > 1e-4  # all five as deep, on one path
    gap = lows[:, 2] - lows[:, 0]
    assert (gap <= came()[2] - came()[0]).mean() > 1e-4  # Litecoin as far below Bitcoin


def test_jumps_when_fitted_before_then_the_day_is_outside_its_envelope() -> None:
    assert (drawn("jumps")[:, 2:4] > came()[2:4]).all()
