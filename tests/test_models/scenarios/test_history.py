"""Candles become one history: log differences of neighbours, and nothing filled in silence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.base.errors import InputError
from models.base.types import Candles
from models.base.units import HOUR_MS
from models.scenarios.history import FundingRows, coarser, gather_history
from tests.test_models.scenarios.histories import START_MS, candles_of


def walk(rows: int, seed: int) -> Candles:
    """Return candles with wicks around a random walk."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(0.01 * rng.standard_normal(rows)))
    c = candles_of(close)
    opened = np.concatenate(([100.0], close[:-1]))
    top, bottom = np.maximum(opened, close), np.minimum(opened, close)
    return replace(c, open=opened, high=1.01 * top, low=0.98 * bottom)


def without(c: Candles, *rows: int) -> Candles:
    names = ("time_ms", "open", "high", "low", "close", "volume")
    return Candles(**{n: np.delete(getattr(c, n), rows) for n in names})


def test_gather_when_candles_are_whole_then_prices_come_back() -> None:
    a, b = walk(50, 1), walk(50, 2)
    got = gather_history({"A": a, "B": b}, HOUR_MS, least_rows=10)
    h = got.history
    assert h.coins == ("A", "B")
    assert got.left_out == {}
    for i, c in enumerate((a, b)):
        np.testing.assert_allclose(c.close[0] * np.exp(h.close[:, i].cumsum()), c.close[1:])
        np.testing.assert_allclose(c.close[:-1] * np.exp(h.low[:, i]), c.low[1:])
        np.testing.assert_allclose(c.close[:-1] * np.exp(h.high[:, i]), c.high[1:])
    assert (h.time_ms == a.time_ms[1:]).all()


def test_gather_when_a_candle_opens_away_from_the_close_before_then_the_way_counts() -> None:
    c = candles_of(np.array([100.0, 120.0, 90.0]))
    h = gather_history({"A": c}, HOUR_MS, least_rows=1).history
    assert h.low[0, 0] == 0.0
    assert h.high[1, 0] == 0.0


def test_gather_when_one_coin_has_a_gap_then_no_row_reaches_over_it() -> None:
    a, b = walk(50, 1), walk(50, 2)
    got = gather_history({"A": a, "B": without(b, 20, 21)}, HOUR_MS, least_rows=10)
    kept = (got.history.time_ms - START_MS) // HOUR_MS
    assert kept.tolist() == [*range(1, 20), *range(23, 50)]
    assert got.notes[0] == "1 gaps, 3 candles left out"


def test_gather_when_a_coin_is_short_then_it_is_left_out_and_said() -> None:
    candles = {"A": walk(50, 1), "B": walk(20, 2)}
    got = gather_history(candles, HOUR_MS, least_rows=10, asked=["A"])
    assert got.history.coins == ("A",)
    assert "at least 25 candles of B, got 20" in got.left_out["B"]
    with pytest.raises(InputError, match="at least 25 candles of B, got 20"):
        gather_history(candles, HOUR_MS, least_rows=10)


@pytest.mark.parametrize(
    ("column", "row", "value", "says"),
    [
        ("close", 7, np.nan, "row 7 .* close is nan"),
        ("low", 7, 0.0, "row 7 .* low is 0"),
        ("open", 7, -1.0, "row 7 .* open is -1"),
        ("time_ms", 7, START_MS + 6 * HOUR_MS, "row 7 .* duplicate"),
        ("time_ms", 7, START_MS + 3 * HOUR_MS, "row 7 .* unsorted"),
        ("time_ms", 49, START_MS + 49 * HOUR_MS + 1, "row 49 .* off the 60-minute grid"),
    ],
)
def test_gather_when_a_coin_is_unsound_then_it_says_where(
    column: str, row: int, value: float, says: str
) -> None:
    bad = walk(50, 2)
    getattr(bad, column)[row] = value
    candles = {"A": walk(50, 1), "B": bad}
    with pytest.raises(InputError, match=says):
        gather_history(candles, HOUR_MS, least_rows=10)
    assert set(gather_history(candles, HOUR_MS, least_rows=10, asked=["A"]).left_out) == {"B"}


def test_gather_when_nothing_is_common_then_spans_are_named() -> None:
    late = candles_of(np.full(50, 9.0), START_MS + 45 * HOUR_MS)
    with pytest.raises(InputError, match="common to all coins, got 4") as refused:
        gather_history({"A": walk(50, 1), "B": late}, HOUR_MS, least_rows=10)
    assert "A 2020-09-13" in refused.value.where


def test_gather_when_an_unknown_coin_is_asked_for_then_it_is_named() -> None:
    with pytest.raises(InputError, match="expected candles of C, got none"):
        gather_history({"A": walk(50, 1)}, HOUR_MS, asked=["C"])


def test_gather_when_funding_is_paid_then_in_the_candle_it_falls_into() -> None:
    paid = FundingRows(time_ms=START_MS + HOUR_MS * np.array([8, 16]), rate=np.array([1e-4, -2e-4]))
    got = gather_history(
        {"A": walk(50, 1), "B": walk(50, 2)}, HOUR_MS, funding={"A": paid}, least_rows=10
    )
    row = {int(t - START_MS) // HOUR_MS: i for i, t in enumerate(got.history.time_ms)}
    assert got.history.funding[[row[8], row[16]], 0].tolist() == [1e-4, -2e-4]
    assert np.count_nonzero(got.history.funding) == 2
    assert got.notes == (
        "A: no funding known before 2020-09-13T16:00Z, 7 rows without",
        "B: no funding known, taken as none paid",
    )


def test_gather_when_funding_is_a_percentage_then_it_is_refused() -> None:
    paid = FundingRows(time_ms=START_MS + HOUR_MS * np.array([8, 16]), rate=np.array([0.01, 0.2]))
    with pytest.raises(InputError, match="not a percentage"):
        gather_history({"A": walk(50, 1)}, HOUR_MS, funding={"A": paid}, least_rows=10)


def test_coarser_when_there_is_a_gap_then_only_whole_candles_are_made() -> None:
    c = without(walk(24, 3), 9)
    four = coarser(c, HOUR_MS, 4 * HOUR_MS)
    first = -START_MS % (4 * HOUR_MS) // HOUR_MS
    whole = [k for k in range(first, 21, 4) if not k <= 9 < k + 4]
    assert ((four.time_ms - START_MS) // HOUR_MS).tolist() == whole
    same = walk(24, 3)
    assert four.low.tolist() == [same.low[k : k + 4].min() for k in whole]
    assert four.close.tolist() == [same.close[k + 3] for k in whole]
    with pytest.raises(InputError, match="multiple"):
        coarser(c, HOUR_MS, 5_400_000)
    with pytest.raises(InputError, match="in a row"):
        coarser(without(walk(6, 3), 2, 4), HOUR_MS, 4 * HOUR_MS)
