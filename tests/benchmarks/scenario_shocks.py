"""Whether a scenario engine has ever held a worse hour possible than the worst on record.

`python -m tests.benchmarks.scenario_shocks --data DATA`: the engine `extreme`, fitted at the start
of each year on all hours before it; of every hour what it held possible an hour before: the mean of
the worst lows (for shorts, highs) of one candle, at a level, sigma as of then. Held against the
shipped record, which knows all years, and against the record as it stood then.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from models.base.types import FloatArray, IntArray
from models.base.units import HOUR_MS
from models.scenarios.extreme import ExtremeValues
from models.scenarios.filtered import FittedFilter
from models.scenarios.history import gather_history
from models.trade.risk.worst_hours import hourly_moves, recorded
from strategies.bot.market_data import load_checked

COINS: Final = ("BTC", "ETH", "LTC", "BCH", "XRP")
DRAWS: Final = 2_000_000
YEARS: Final = range(2021, 2026)
LEVELS: Final = (1e-3, 1e-4)
STOP_MS: Final = int(datetime(2025, 10, 1, tzinfo=UTC).timestamp()) * 1000
_HOURS: Final = 2_000  # looked at together


def residual_tail(
    fitted: FittedFilter, side: int, worst: int, rng: np.random.Generator
) -> FloatArray:
    """Return the worst of `DRAWS` one-candle residuals of each coin, (worst, A), adverse > 0.

    Side +1 takes lows, as a long does.
    """
    z, tails = fitted.residuals, fitted.tails
    assert tails is not None
    rows = rng.integers(len(z.close), size=(DRAWS, 1))
    share = 1.0 - rng.random(rows.shape)
    out = []
    for i in range(len(fitted.coins)):
        x = (z.low if side > 0 else z.high)[rows, i]
        (tails.low if side > 0 else tails.high)[i].replace(rows, x, share)
        out.append(np.sort(-side * x[:, 0])[-worst:])
    return np.column_stack(out)


def expected_shocks(sigma: FloatArray, tail: FloatArray, side: int) -> FloatArray:
    """Return the mean adverse move beyond the tail's first value, (T,), as a price fraction.

    Of rises it need not exist: the exponential of a Pareto tail has no mean, and what is printed is
    then the draws' own.
    """
    parts = []
    for k in range(0, len(sigma), _HOURS):
        moves = sigma[k : k + _HOURS, None] * tail
        moves = -np.expm1(-moves) if side > 0 else np.expm1(np.minimum(moves, 50.0))
        parts.append(moves.mean(axis=1))
    return np.concatenate(parts)


def foreseen(data: Path) -> tuple[list[str], IntArray, dict[tuple[int, float], FloatArray]]:
    """Return the pairs, the hours' opens (T,), and by side and level the shocks (T, A)."""
    pairs = [f"{coin}/USDT:USDT" for coin in COINS]
    candles = {pair: load_checked(data, pair, "1h") for pair in pairs}
    history = gather_history(candles, HOUR_MS).history
    times: list[IntArray] = []
    found: dict[tuple[int, float], list[FloatArray]] = {}
    for year in YEARS:
        start, stop = (
            int(datetime(y, 1, 1, tzinfo=UTC).timestamp()) * 1000 for y in (year, year + 1)
        )
        fitted = ExtremeValues().fit(history.until(start))
        rows = (history.time_ms >= start) & (history.time_ms < min(stop, STOP_MS))
        sigma = np.sqrt(fitted.volatility.variances(history)[:-1][rows])
        times.append(history.time_ms[rows])
        rng = np.random.default_rng(year)
        for side in (1, -1):
            tail = residual_tail(fitted, side, round(max(LEVELS) * DRAWS), rng)
            for level in LEVELS:
                part = tail[-round(level * DRAWS) :]
                columns = [
                    expected_shocks(sigma[:, a], part[:, a], side) for a in range(len(pairs))
                ]
                found.setdefault((side, level), []).append(np.column_stack(columns))
        print(f"{year}: fitted on {len(history.until(start).time_ms):,} hours", flush=True)
    return pairs, np.concatenate(times), {k: np.concatenate(v) for k, v in found.items()}


def _new_year_ms(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * 1000


def lines_of(
    pair: str, data: Path, times: IntArray, by_level: dict[tuple[int, float], FloatArray]
) -> list[str]:
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
        new = came > known
        worst = int(shock.argmax())
        held = ", ".join(f"{x:.1%} came, {k:.1%} on record, {s:.1%} foreseen" for x, k, s in
                         zip(came[new], known[new], shock[new], strict=True))  # fmt: skip
        lines.append(
            f"| {pair.partition('/')[0]} {'fall' if side > 0 else 'rise'}, {level:.2%} | "
            f"{record:.1%} | {np.median(shock):.1%} | {shock[worst]:.1%} "
            f"({datetime.fromtimestamp(int(times[worst]) / 1000, UTC):%Y-%m-%d %H:%M}) | "
            f"{over.sum()} h ({over.mean():.3%}), {_excess(shock[over], record)} | "
            f"{then.sum()} h ({then.mean():.3%}) | {held or 'none'} |"
        )
    return lines


def _excess(shock: FloatArray, record: float) -> str:
    return f"{np.mean(shock / record):.2f}-fold on average" if len(shock) else "never"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    pairs, times, found = foreseen(data)
    print(
        "| coin, side, level | shipped record | median hour | worst hour foreseen | beyond the "
        "shipped record | beyond the record of then | hours that broke the record of then |\n"
        "|---|---|---|---|---|---|---|"
    )
    for a, pair in enumerate(pairs):
        print("\n".join(lines_of(pair, data, times, {k: v[:, a] for k, v in found.items()})))


if __name__ == "__main__":
    main()
