"""Levels chosen on rows left out of the fit: nothing of the block, or of the test, reaches them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from models.base.types import BoolArray, FloatArray
from models.base.units import DAY_MS, HOUR_MS
from models.studies.cascades.baselines import BASELINES, Hazard
from models.studies.cascades.chosen import chosen_rates, hour_by_hour, left_out, measure_chosen
from models.studies.cascades.panel import Coin
from tests.test_models.studies.cascades.worlds import EDGES, ROWS, coin

HIGH = BASELINES["High volatility"]
CUT = 3500


@pytest.fixture(scope="module")
def coins() -> list[Coin]:
    return [coin("A", 0), coin("B", 1)]


@pytest.fixture(scope="module")
def rates(coins: list[Coin]) -> dict[str, FloatArray]:
    train = {c.name: np.arange(ROWS) < CUT for c in coins}
    return chosen_rates(HIGH, HIGH(coins, train, EDGES), coins, train, EDGES)


def scored(coins: list[Coin]) -> dict[str, dict[str, FloatArray]]:
    """The hazard of the tested rows, by one name."""
    train = {c.name: np.arange(ROWS) < CUT for c in coins}
    hazard = HIGH(coins, train, EDGES)
    tested = np.arange(ROWS)[:, None, None] >= CUT + 25
    return {"High": {c.name: np.where(tested, hazard(c), np.nan) for c in coins}}


def test_left_out_when_a_block_is_answered_then_its_fit_saw_no_row_whose_label_reaches_it(
    coins: list[Coin],
) -> None:
    fitted: list[dict[str, BoolArray]] = []

    def number(of: list[Coin], kept: dict[str, BoolArray], edges: tuple[int, ...]) -> Hazard:
        fitted.append(kept)
        said = float(len(fitted))
        return lambda c: np.full((len(c), 2, len(edges)), said)

    train = {c.name: np.arange(ROWS) < CUT for c in coins}
    out = left_out(number, coins, train, EDGES)
    reach = EDGES[-1] + 1
    for c in coins:
        block = out[c.name][:, 0, 0]
        assert np.isnan(block[CUT:]).all()
        assert np.isfinite(block[:CUT]).all()
        for i, kept in enumerate(fitted):
            answered, seen = np.flatnonzero(block == i + 1), np.flatnonzero(kept[c.name])
            assert len(answered) > 800
            assert np.abs(answered[:, None] - seen[None]).min() >= reach
            assert len(seen) > CUT - len(answered) - 3 * reach
            assert seen.max() < CUT


def test_rates_when_volatility_foretells_then_false_alarms_come_about_as_chosen(
    coins: list[Coin], rates: dict[str, FloatArray]
) -> None:
    rows = measure_chosen(coins, scored(coins), {"High": rates}, EDGES)
    assert {(r["side"], r["chosen"]) for r in rows} == {(s, c) for s in (-1, 1) for c in (1, 0.25)}
    for r in rows:
        assert r["fired"]["low"] <= r["fired"]["value"] <= r["fired"]["high"]
        weeks = r["false"] / r["fired"]["value"] if r["false"] else 0.0
        assert weeks == 0 or abs(r["false"] - r["chosen"] * weeks) < 4 * np.sqrt(
            2 * r["chosen"] * weeks
        )
    often = [r for r in rows if r["chosen"] == 1]
    assert all(r["recall"]["value"] > 1.5 * r["chance"] for r in often)
    assert all(1 <= r["lead_h"] <= EDGES[-1] for r in often)


def test_rates_when_candles_of_the_test_change_then_those_before_them_do_not(
    coins: list[Coin], rates: dict[str, FloatArray]
) -> None:
    late = CUT + 500
    markets = [
        dataclasses.replace(c.candles, **{
            k: np.where(np.arange(ROWS) < late, getattr(c.candles, k),
                        1.2 * getattr(c.candles, k)[::-1])
            for k in ("open", "high", "low", "close", "volume")
        })
        for c in coins
    ]  # fmt: skip
    others = [coin(c.name, 0, m) for c, m in zip(coins, markets, strict=True)]
    train = {c.name: np.arange(ROWS) < CUT for c in others}
    again = chosen_rates(HIGH, HIGH(others, train, EDGES), others, train, EDGES)
    for name, values in rates.items():
        np.testing.assert_array_equal(values[:late], again[name][:late])
        assert (values[late:] != again[name][late:]).any()


def test_chosen_when_worked_by_hand_then_alarms_over_asked_weeks_are_counted(
    coins: list[Coin],
) -> None:
    a = coins[0]
    score = scored([a])
    tested = np.flatnonzero(np.isfinite(score["High"]["A"][:, 0, 0]) & a.usable(0))
    onset = next(t for t in np.flatnonzero(a.onset[:, 0]) if t > tested[0] + 100)
    rate = np.full((ROWS, 2), 5.0)
    rate[onset - 3] = 0.25  # right, at both rates
    far = next(t for t in tested if np.abs(t - np.flatnonzero(a.onset[:, 0])).min() > 60)
    rate[far] = 1.0  # false, at one of them
    found = measure_chosen([a], score, {"High": {"A": rate}}, EDGES)
    weeks = len(tested) / 168
    for r in (r for r in found if r["side"] == -1):
        false = 1 if r["chosen"] == 1 else 0
        assert (r["caught"], r["false"], r["lead_h"]) == (1, false, 3)
        assert r["fired"]["value"] == pytest.approx(false / weeks)
        assert r["recall"]["value"] == pytest.approx(1 / r["events"])
        assert r["chance"] == pytest.approx((1 + false) * 24 / len(tested))


def test_hours_when_a_day_is_told_then_each_row_is_its_candles(
    coins: list[Coin], rates: dict[str, FloatArray]
) -> None:
    a = coins[0]
    onset = int(np.flatnonzero(a.onset[:, 0])[-1])
    day_ms = int(a.time_ms[onset] // DAY_MS * DAY_MS)
    rows = hour_by_hour([a], scored(coins), {"High": rates}, day_ms)
    assert [r["time_ms"] for r in rows] == list(range(day_ms, day_ms + DAY_MS, HOUR_MS))
    (fall,) = [r for r in rows if r["onset"][0]]
    assert fall["time_ms"] == a.time_ms[onset]
    assert fall["low_frac"] == pytest.approx(a.candles.low[onset] / a.candles.close[onset - 1] - 1)
    assert fall["close_frac"] >= fall["low_frac"]
    assert fall["said"]["High"]["per_week"] == rates["A"][onset].tolist()
