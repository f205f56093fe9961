"""The live bot through simulated days with random faults: its memory, its books, its stops.

``python -m tests.test_integration.soak --days 7 --seed 1`` takes one bot through a week of hourly
candles on a clock that skips its sleeps, prints a line a day, and writes the table to
``user_data/reports/soak-<time>/table.md``. Faults, how long they stay and the market are drawn from
the seed. A person looks in now and then: resumes after a halt, and closes what only the exchange
knows of.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import psutil

from models.base.types import Candles
from models.base.units import HOUR_MS
from models.operate.control.state import ControlMode
from models.operate.control.state_file import HALT_FILE
from strategies.desk.loopback.replay import PriceFeed, candle_feed
from tests.places import USER_DATA
from tests.test_integration.fault_matrix import CASES
from tests.test_integration.fault_rounds import (
    ANN,
    MAX_BARE_S,
    MAX_GROSS,
    SETTLES_S,
    SYMBOL,
    Case,
    Rounds,
    running_rounds,
)

# A look at open trades a minute: rarer ones than every ten seconds are refused for the watchdog's
# sake, which does not run here.
_SLOW_LOOKS: Final = """
    def bot_start(self, **kwargs):
        super().bot_start(**kwargs)
        pacer = self.lane.current.watch.pacer
        pacer.config = type(pacer.config)(tick_s=60.0, look_s=1.0)
"""
WARM_HOURS: Final = 6  # until caches are full; what grows later grows for ever
# Of resident memory after `WARM_HOURS`: the most a run may gain in all, and in a day by the line
# through its second half. A TLS context held by each failed connection took 40 MB in one outage,
# kept exceptions as much in each. A frame of 200 kB kept at each close would gain 5 MB a day.
MAX_GAIN_MB: Final = 20.0
MAX_SLOPE_MB_A_DAY: Final = 3.0
_STEP_MS: Final = 300_000
_SIGMA: Final = 0.003  # of the walk, each step: 1 % an hour


@dataclass(kw_only=True)
class Soak:
    """What a run has seen."""

    seed: int
    hours: list[float] = field(default_factory=list)  # since the start, on the exchange's clock
    rss_mb: list[float] = field(default_factory=list)
    struck: list[tuple[float, str]] = field(default_factory=list)  # hour and case switched on
    resumed: Counter[str] = field(default_factory=Counter)  # reason of a halt -> times
    entries: int = 0
    exits: int = 0
    bare_s: float = 0.0
    bare_free_s: float = 0.0
    gross: float = 0.0
    wall_s: float = 0.0
    problems: list[str] = field(default_factory=list)

    def gain_mb(self) -> float:
        """Return the last quarter of a day's median memory less that after warming up."""
        warm = [m for h, m in zip(self.hours, self.rss_mb, strict=True) if h >= WARM_HOURS]
        return float(np.median(warm[-6:]) - np.median(warm[:6])) if len(warm) > 6 else 0.0

    def slope_mb_a_day(self) -> float:
        """Return the slope of memory over the second half of the run."""
        half = len(self.hours) // 2
        return float(24 * np.polyfit(self.hours[half:], self.rss_mb[half:], 1)[0])


def walk(now_ms: int, hours: int, seed: int) -> PriceFeed:
    """Return a random walk of two days before `now_ms` and `hours` and a day after it."""
    steps = (48 + hours + 24) * HOUR_MS // _STEP_MS
    moves = np.random.default_rng(seed).normal(0.0, _SIGMA, steps)
    close = 60_000.0 * np.exp(np.cumsum(moves))
    opened = np.concatenate([[60_000.0], close[:-1]])
    first = (now_ms // HOUR_MS - 48) * HOUR_MS
    return candle_feed(
        Candles(
            time_ms=first + _STEP_MS * np.arange(steps, dtype=np.int64), open=opened, close=close,
            high=np.maximum(opened, close), low=np.minimum(opened, close),
            volume=np.full(steps, 300.0),
        ),
        _STEP_MS,
    )  # fmt: skip


def run(folder: Path, hours: int, seed: int) -> Soak:
    """Take one bot through `hours` of the exchange's clock."""
    soak, draw, began = Soak(seed=seed), random.Random(seed), time.monotonic()
    feed = partial(walk, hours=hours, seed=seed)
    with running_rounds(folder, feed, _SLOW_LOOKS, timeframe="1h") as rounds:
        rounds.desk.resume(ANN)
        process = psutil.Process(rounds.bot.process.pid)
        start_ms = rounds.clock()
        faulty: list[tuple[int, int]] = []
        next_ms, stop_ms, active = start_ms + HOUR_MS, 0, False
        while (now := rounds.clock()) < start_ms + hours * HOUR_MS:
            if rounds.bot.process.poll() is not None:
                soak.problems.append(f"the bot ended with {rounds.bot.process.poll()}")
                return soak
            if active and now >= stop_ms:
                rounds.state.faults.clear()
                faulty[-1] = (faulty[-1][0], now)
                active, next_ms = False, now + round(draw.uniform(0.2, 3.0) * HOUR_MS)
            elif not active and now >= next_ms:
                case = draw.choice(CASES[1:])
                stop_ms = now + round(1000 * _stays_s(case, draw))
                rounds.state.faults.add(*case.faults(rounds.venue))
                soak.struck.append(((now - start_ms) / HOUR_MS, case.name))
                faulty.append((now, stop_ms))
                active = True
            elif not active:
                _look_after(rounds, soak)
            if len(soak.hours) <= (now - start_ms) / HOUR_MS:
                soak.hours.append((now - start_ms) / HOUR_MS)
                soak.rss_mb.append(process.memory_info().rss / 2**20)
                if len(soak.hours) % 24 == 1:
                    print(_line(soak, rounds, began), file=sys.stderr, flush=True)
            time.sleep(0.02)
        rounds.state.faults.clear()
        _end(rounds, soak, faulty)
        soak.wall_s = time.monotonic() - began
    return soak


def _stays_s(case: Case, draw: random.Random) -> float:
    """Return how long a fault stays: as in the matrix, or until it is likely to have struck."""
    return case.lasts_s * draw.uniform(0.5, 2.0) if case.lasts_s else draw.uniform(60, 7200)


def _look_after(rounds: Rounds, soak: Soak) -> None:
    """Do what a person does who finds the bot halted."""
    state = rounds.desk.store.read()
    if state.mode is ControlMode.ACTIVE:
        return
    soak.resumed["".join(c for c in state.reason if not c.isdigit())[:60]] += 1
    rounds.waited(lambda: rounds.stopped() >= rounds.held(), SETTLES_S)
    if rounds.open_trade() is None and rounds.held():
        rounds.person_closes()
    beside = rounds.desk.store.folder / HALT_FILE
    if beside.exists():  # the state's lock was held for too long; resuming names it
        soak.resumed[f"file {HALT_FILE}"] += 1
        beside.unlink()
    rounds.desk.resume(ANN)


def _end(rounds: Rounds, soak: Soak, faulty: Sequence[tuple[int, int]]) -> None:
    """Let the bot leave its position with nothing wrong any more, and judge."""
    venue, account = rounds.venue, rounds.account
    _look_after(rounds, soak)
    rounds.desk.reduce(ANN, "the end of the run")
    loop = rounds.loop()
    agree = rounds.waited(lambda: _agree(rounds), SETTLES_S)
    if not agree:
        soak.problems.append(f"{rounds.held():g} at the exchange, {rounds.open_trade()}")
    venue.move(SYMBOL, float(venue.price(SYMBOL)) * 1.1)
    if not rounds.waited(lambda: not rounds.held() and rounds.open_trade() is None, SETTLES_S):
        soak.problems.append(f"no exit: {rounds.held():g} held, {rounds.open_trade()}")
    if not rounds.waited(lambda: rounds.loop() > loop + 2, SETTLES_S):
        soak.problems.append("the loop stands")
    orders = [o for o in account.orders.values() if o.filled]
    soak.entries = sum(not o.reduce_only for o in orders)
    soak.exits = sum(o.reduce_only for o in orders)
    soak.bare_s, soak.bare_free_s = rounds.witness.longest_bare_s(faulty)
    soak.gross = rounds.witness.gross
    checks = (
        (rounds.duplicates(), "duplicate"),
        (rounds.desk.journal.verify().fault, "journal"),
        ("Fatal exception" in rounds.bot.log() and "there is one", "fatal exception"),
        (soak.bare_free_s > MAX_BARE_S and f"{soak.bare_free_s:.0f} s", "without a stop"),
        (soak.gross > MAX_GROSS and f"{soak.gross:.2f} x equity", "exposure"),
        (soak.gain_mb() > MAX_GAIN_MB and f"{soak.gain_mb():.1f} MB", "memory gained"),
        (soak.slope_mb_a_day() > MAX_SLOPE_MB_A_DAY and f"{soak.slope_mb_a_day():.1f} MB a day",
         "memory grows"),
    )  # fmt: skip
    soak.problems += [f"{what}: {wrong}" for wrong, what in checks if wrong]


def _agree(rounds: Rounds) -> bool:
    trade, held = rounds.open_trade(), rounds.held()
    return held == (0.0 if trade is None else trade["amount"]) == rounds.stopped()


def _line(soak: Soak, rounds: Rounds, began: float) -> str:
    return (
        f"{time.monotonic() - began:6.0f} s: hour {soak.hours[-1]:5.1f}, "
        f"{soak.rss_mb[-1]:.1f} MB, {len(rounds.account.orders)} orders, "
        f"{len(soak.struck)} faults, {soak.resumed.total()} resumed"
    )


def table(soak: Soak) -> str:
    """Return the run as Markdown: memory by hour, faults, what a person did, problems."""
    lines = [
        f"{soak.hours[-1]:.0f} hours, seed {soak.seed}, {soak.wall_s:.0f} s on the machine's clock",
        f"memory after {WARM_HOURS} h gained {soak.gain_mb():.1f} MB, second half "
        f"{soak.slope_mb_a_day():+.2f} MB a day",
        f"{soak.entries} entries, {soak.exits} exits, most gross {soak.gross:.2f} x equity",
        f"longest without a stop {soak.bare_s:.1f} s, {soak.bare_free_s:.1f} s without a fault",
        f"problems: {'; '.join(soak.problems) or 'none'}",
    ]
    count = Counter(name for _, name in soak.struck)
    by_hour = [", ".join(n for at, n in soak.struck if h <= at < h + 1) for h in soak.hours]
    memory = zip(soak.hours, soak.rss_mb, by_hour, strict=True)
    sections = [
        ("hour | resident memory, MB; faults begun",
         [f"{h:.0f} | {m:.1f}  {what}" for h, m, what in memory]),
        ("fault | times", [f"{name} | {n}" for name, n in count.most_common()]),
        ("a person resumed after | times", [f"{why} | {n}" for why, n in soak.resumed.items()]),
    ]  # fmt: skip
    for head, rows in sections:
        lines += ["", f"| {head} |", "| --- | --- |", *(f"| {row} |" for row in rows)]
    return "\n".join(lines) + "\n"


def write(soak: Soak) -> Path:
    """Write the table and return its file."""
    folder = USER_DATA / "reports" / f"soak-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    folder.mkdir(parents=True)
    (folder / "table.md").write_text(table(soak), encoding="utf-8")
    return folder / "table.md"


def main() -> int:
    """Run as long as asked for and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=float, default=7.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="an empty folder for the bot, kept afterwards")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        soak = run(options.keep or Path(scratch), round(24 * options.days), options.seed)
    print(write(soak).read_text(encoding="utf-8"))
    return bool(soak.problems)


if __name__ == "__main__":
    sys.exit(main())
