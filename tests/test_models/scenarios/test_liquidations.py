"""Liquidations against a loop over single positions, and against the law itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.base.errors import ConfigError
from models.base.types import FloatArray
from models.base.units import HOUR_MS
from models.scenarios.liquidations import LiquidationFeedback, Positions

ONE = LiquidationFeedback(leverages=(10.0,), shares=(1.0,), maintenance=0.0)


def fresh(rules: LiquidationFeedback, paths: int, coins: int = 2) -> Positions:
    """Return positions that were all opened at the price of now."""
    nothing = np.zeros((1, coins))
    return rules.positions(paths, HOUR_MS, nothing, nothing, nothing)


def test_impact_when_one_leverage_is_reached_then_it_is_the_square_root_law() -> None:
    positions = fresh(ONE, 2, 1)
    low = np.array([[np.log(0.901)], [np.log(0.899)]])
    close, deeper, high = positions.through(low, low, np.zeros((2, 1)), np.array([0.04]))
    impact = 0.04 * np.sqrt(0.5 / 0.3)
    np.testing.assert_allclose(deeper - low, [[0.0], [-impact]])
    np.testing.assert_allclose(close - low, [[0.0], [-2 / 3 * impact]])
    assert (high == 0).all()
    # Those who are gone are not forced out again; a twenty-fourth of them is back an hour later.
    back = 1 - np.exp(-1 / 24)
    assert positions.longs.alive[:, 0, 0] == pytest.approx([1.0, back])
    assert positions.shorts.alive.min() == 1.0
    again = np.full((2, 1), -0.5)
    _, deeper, _ = positions.through(again, again, np.zeros((2, 1)), np.array([0.04]))
    np.testing.assert_allclose(deeper - again, [[-impact], [-impact * np.sqrt(back)]])


def one_position_at_a_time(
    rules: LiquidationFeedback, candles: FloatArray, sigma_day: float
) -> list[tuple[float, float, float]]:
    """Return the same for one coin, (T, 3) close, low and high, in prices and plain loops."""
    price, count = 100.0, len(rules.leverages)
    left = [[1.0] * count for _ in range(2)]
    entry = [[price] * count for _ in range(2)]
    turn, out = 1 - np.exp(-1 / 24 / rules.turnover_days), []
    for c, lo, hi in candles:
        extremes = []
        for side, sign, start in ((0, 1, price * np.exp(lo)), (1, -1, price * np.exp(hi))):
            reach, gone = start, set()
            while True:
                new = {
                    k for k, lever in enumerate(rules.leverages) if k not in gone
                    and sign * (entry[side][k] * (1 - sign * (1 / lever - rules.maintenance))
                                - reach) >= 0
                }  # fmt: skip
                if not new:
                    break
                gone |= new
                forced = sum(rules.shares[k] * left[side][k] for k in gone)
                move = sigma_day * np.sqrt(forced * rules.open_interest_days / rules.depth_left)
                reach = start * np.exp(-sign * rules.impact * move)
            left[side] = [0.0 if k in gone else x for k, x in enumerate(left[side])]
            extremes.append((start, reach))
        moved = sum(np.log(reach / start) for start, reach in extremes)
        close = price * np.exp(c + rules.permanent * moved)
        low = min(extremes[0][1], close, price)
        high = max(extremes[1][1], close, price)
        out.append((np.log(close / price), np.log(low / price), np.log(high / price)))
        for side in range(2):
            for k in range(count):
                stay, new = left[side][k] * (1 - turn), turn  # of the renewed, all open now
                mean = (stay * np.log(entry[side][k]) + new * np.log(close)) / (stay + new)
                entry[side][k], left[side][k] = np.exp(mean), stay + new
        price = close
    return out


def test_candles_when_followed_position_by_position_then_they_are_the_same() -> None:
    rng = np.random.default_rng(0)
    rules, paths, steps = LiquidationFeedback(), 20, 60
    close = 0.03 * rng.standard_normal((paths, steps, 2))
    low = np.minimum(close, 0) - 0.02 * rng.random(close.shape)
    high = np.maximum(close, 0) + 0.02 * rng.random(close.shape)
    positions = fresh(rules, paths)
    sigma = np.array([0.05, 0.08])
    got = [positions.through(close[:, t], low[:, t], high[:, t], sigma) for t in range(steps)]
    for p in range(paths):
        for i in range(2):
            candles = np.column_stack((close[p, :, i], low[p, :, i], high[p, :, i]))
            expected = one_position_at_a_time(rules, candles, sigma[i])
            ours = [[part[p, i] for part in candle] for candle in got]
            np.testing.assert_allclose(ours, expected, atol=1e-9)
    assert min(positions.longs.alive.min(), positions.shorts.alive.min()) < 0.2


def test_positions_when_candles_were_seen_then_who_they_reached_is_gone_already() -> None:
    rng = np.random.default_rng(0)
    close = 0.02 * rng.standard_normal((240, 2))
    low, high = np.minimum(close, 0) - 0.01, np.maximum(close, 0) + 0.01
    rules = LiquidationFeedback()
    told = replace(rules, impact=0.0)
    seen = rules.positions(3, HOUR_MS, close, low, high)
    lived = fresh(told, 3)
    for t in range(240):
        candle = (np.repeat(x[None, t], 3, axis=0) for x in (close, low, high))
        lived.through(*candle, np.ones(2))
    for ours, theirs in ((seen.longs, lived.longs), (seen.shorts, lived.shorts)):
        np.testing.assert_allclose(ours.entry, theirs.entry)
        np.testing.assert_allclose(ours.alive, theirs.alive)
        assert ours.alive.min() < 0.5
    turn, price, entry = 1 - np.exp(-1 / 24), np.zeros(2), np.zeros(2)
    for r in close:
        price = price + r
        entry = (1 - turn) * entry + turn * price
    np.testing.assert_allclose(seen.longs.entry[0, :, 0], entry - price)  # 3x: nobody was reached


def test_candles_when_nobody_is_leveraged_enough_then_nothing_changes() -> None:
    close, low, high = np.full((3, 2), -0.01), np.full((3, 2), -0.012), np.zeros((3, 2))
    positions = fresh(LiquidationFeedback(open_interest_days=0.0), 3)
    for a, b in zip(positions.through(close, 9 * low, high, np.ones(2)), (close, 9 * low, high),
                    strict=True):  # fmt: skip
        np.testing.assert_array_equal(a, b)
    positions = fresh(LiquidationFeedback(), 3)  # 50x is at -0.0101
    assert positions.through(close, np.full((3, 2), -0.009), high, np.ones(2))[1].min() == -0.01


@pytest.mark.parametrize(
    "wrong", [{"shares": (1.0,)}, {"maintenance": 0.03}, {"permanent": 1.5}, {"depth_left": 0.0}]
)
def test_feedback_when_settings_are_impossible_then_they_are_refused(
    wrong: dict[str, float],
) -> None:
    with pytest.raises(ConfigError, match="adding up to 1"):
        LiquidationFeedback(**wrong)
