"""Whether a scenario engine has ever held a worse hour possible than the worst on record.

`python -m tests.benchmarks.scenario_shocks --data DATA`: the engine `har`, fitted at the start of
each year on all hours before it, a coin at a time; of every hour the shock that a bot would have
known an hour before. Held against the shipped record, which knows all years, and against the record
as it stood then. The draws of a bot are replaced by all rows that they are drawn from, a share of
the tail each; what that changes is printed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from models.base.types import BoolArray, FloatArray, IntArray
from models.base.units import HOUR_MS
from models.scenarios.candle_ahead import SHOCK_LEVEL, candle_shocks
from models.scenarios.catalog import scenario_engine
from models.scenarios.filtered import FittedFilter
from models.scenarios.history import gather_history
from models.scenarios.paths import CoinHistory
from models.trade.risk.worst_hours import hourly_moves, recorded
from strategies.bot.market_data import load_checked
from strategies.bot.outlook_request import LEAST_SPAN_MS

COINS: Final = ("BTC", "ETH", "LTC", "BCH", "XRP")
YEARS: Final = range(2021, 2026)
LEVELS: Final = (SHOCK_LEVEL, 1e-4)
STOP_MS: Final = int(datetime(2025, 10, 1, tzinfo=UTC).timestamp()) * 1000
_SHARES: Final = 64  # places within each part of a tail
_PLACES: Final = 400  # of volatility at which the rows around are looked at
_CHECKED: Final = 20  # hours a year that are drawn as a bot would
_DRAWS: Final = 1_000_000


def shortfalls(fitted: FittedFilter, side: int) -> dict[float, FloatArray]:
    """Return by level the mean of the worst residuals of the rows around each place, (_PLACES,).

    Of a history of one coin; side +1 takes lows, as a long does.
    """
    z, tails, near = fitted.residuals, fitted.tails, fitted.neighbours
    assert tails is not None
    assert near is not None
    rows = near.row
    values = np.repeat((z.low if side > 0 else z.high)[rows], _SHARES, axis=1)
    share = np.broadcast_to((np.arange(_SHARES) + 0.5) / _SHARES, values.shape)
    places = np.broadcast_to(rows[:, None], values.shape)
    (tails.low if side > 0 else tails.high)[0].replace(places, values, share)
    adverse = -side * values
    out: dict[float, list[float]] = {level: [] for level in LEVELS}
    for first in place_starts(fitted):
        around = adverse[first : first + near.count].ravel()
        for level, means in out.items():
            worst = round(level * len(around))
            means.append(float(np.partition(around, -worst)[-worst:].mean()))
    return {level: np.array(means) for level, means in out.items()}


def place_starts(fitted: FittedFilter) -> IntArray:
    """Return where the rows around each place begin, in the order of volatility."""
    near = fitted.neighbours
    assert near is not None
    return np.linspace(0, len(near.row) - near.count, _PLACES).round().astype(np.int64)


def moves_ahead(
    fitted: FittedFilter, sigma: FloatArray, side: int, by_place: FloatArray
) -> FloatArray:
    """Return the shock at each sigma (T,), as a fraction of the price."""
    near = fitted.neighbours
    assert near is not None
    at = np.searchsorted(near.level, np.log(sigma)) - near.count // 2
    z = np.interp(np.clip(at, 0, len(near.row) - near.count), place_starts(fitted), by_place)
    return np.asarray(-np.expm1(-sigma * z) if side > 0 else np.expm1(sigma * z))


def foreseen(
    history: CoinHistory,
) -> tuple[IntArray, BoolArray, dict[tuple[int, float], FloatArray]]:
    """Return of one coin the hours' opens (T,), whether a bot would tell of them, and the shocks.

    Shocks (T,) are by side and level; a bot tells of them once enough candles lie behind its fit.
    """
    times: list[IntArray] = []
    told: list[BoolArray] = []
    found: dict[tuple[int, float], list[FloatArray]] = {}
    for year in YEARS:
        start, stop = _new_year_ms(year), min(_new_year_ms(year + 1), STOP_MS)
        fitted = scenario_engine("har").fit(history.until(start))
        assert isinstance(fitted, FittedFilter)
        rows = np.flatnonzero((history.time_ms >= start) & (history.time_ms < stop))
        sigma = np.sqrt(fitted.volatility.variances(history)[:-1, 0])[rows]
        times.append(history.time_ms[rows])
        told.append(np.full(len(rows), _fitted_on(history, start) * HOUR_MS >= LEAST_SPAN_MS))
        for side in (1, -1):
            for level, by_place in shortfalls(fitted, side).items():
                moves = moves_ahead(fitted, sigma, side, by_place)
                found.setdefault((side, level), []).append(moves)
        apart = list(_apart(fitted, history, rows, {k: v[-1] for k, v in found.items()}))
        print(
            f"{history.coins[0]} {year}: fitted on {_fitted_on(history, start):,} hours; "
            f"what a bot would draw is larger by {np.median(apart):+.1%} "
            f"({min(apart):+.1%} to {max(apart):+.1%})",
            flush=True,
        )
    shocks = {k: np.concatenate(v) for k, v in found.items()}
    return np.concatenate(times), np.concatenate(told), shocks


def _fitted_on(history: CoinHistory, start_ms: int) -> int:
    return len(history.until(start_ms).time_ms)


def _apart(
    fitted: FittedFilter, history: CoinHistory, rows: IntArray,
    shocks: dict[tuple[int, float], FloatArray],
) -> Iterator[float]:  # fmt: skip
    """Yield how much larger the shocks are that a bot draws, at some hours of the year."""
    for k in np.linspace(0, len(rows) - 1, _CHECKED).astype(int):
        before = history.until(int(history.time_ms[rows[k]]))
        (drawn,) = candle_shocks(fitted.given(before), _DRAWS, seed=0).values()
        yield drawn.fall_frac / shocks[1, SHOCK_LEVEL][k] - 1
        yield drawn.rise_frac / shocks[-1, SHOCK_LEVEL][k] - 1


def _new_year_ms(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * 1000


def lines_of(
    pair: str, data: Path, times: IntArray, told: BoolArray,
    by_level: dict[tuple[int, float], FloatArray],
) -> list[str]:  # fmt: skip
    """Return the table's lines of one coin; `by_level` has its shocks, (T,)."""
    c = load_checked(data, pair, "1h")
    fall, rise, opens = hourly_moves(c.time_ms, c.high, c.low, c.close, HOUR_MS)
    lines = []
    for (side, level), shock in by_level.items():
        moves = fall if side > 0 else rise
        before = np.concatenate([[0.0], np.maximum.accumulate(moves)[:-1]])
        at = np.searchsorted(opens, times)
        known, came = before[at], moves[at]
        record = recorded(pair).against(side)
        over, then = shock > record, shock > known
        late = np.append(np.inf, shock[:-1])  # as known at a close: of the hour before it
        new = came > known
        worst = int(shock.argmax())
        held = ", ".join(f"{x:.1%} came, {k:.1%} on record, {s:.1%} foreseen" for x, k, s in
                         zip(came[new], known[new], shock[new], strict=True))  # fmt: skip
        lines.append(
            f"| {pair.partition('/')[0]} {'fall' if side > 0 else 'rise'}, {level:.2%} | "
            f"{record:.1%} | {np.median(shock):.1%} | {shock[worst]:.1%} "
            f"({datetime.fromtimestamp(int(times[worst]) / 1000, UTC):%Y-%m-%d %H:%M}) | "
            f"{over.sum()} h ({over.mean():.3%}), {_excess(shock[over], record)} | "
            f"{over[told].sum()} h ({over[told].mean():.3%}) | "
            f"{then.sum()} h ({then.mean():.3%}) | "
            f"{(came > shock).sum()}, told {(came > shock)[told].sum()} | "
            f"{(came > late)[told].sum()} of {told.sum():,} | {held or 'none'} |"
        )
    return lines


def _excess(shock: FloatArray, record: float) -> str:
    return f"{np.mean(shock / record):.2f}-fold on average" if len(shock) else "never"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    lines = []
    for coin in COINS:
        pair = f"{coin}/USDT:USDT"
        history = gather_history({pair: load_checked(data, pair, "1h")}, HOUR_MS).history
        lines += lines_of(pair, data, *foreseen(history))
    print(
        "| coin, side, level | shipped record | median hour | worst hour foreseen | beyond the "
        "shipped record | of those a bot tells | beyond the record of then | hours that went "
        "further | of those a bot tells, known an hour late | hours that broke the record of then "
        "|\n" + "|---" * 10 + "|"
    )
    print("\n".join(lines))


if __name__ == "__main__":
    main()
