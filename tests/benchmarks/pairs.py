"""What a bot costs with 1, 10 and 50 pairs: memory, CPU at a candle's close, training, disk.

``python -m tests.benchmarks.pairs``: for each number of pairs the real `freqtrade trade`, live on
the loopback exchange with signed orders, hourly candles of coins simulated from different seeds,
and shipped settings but for these: 180 days of candles (shipped: 1460) and five optimiser steps
(600), so that fifty first trainings fit into minutes, no veto of quantiles and hazard, and an entry
wanted wherever there is a forecast. Hours are not waited for: once every pair has a model, the
clock of bot and exchange is moved to just before the next full hour, and what the close costs is
measured.

What a training costs is measured apart, by the training worker itself: one whole training with
shipped settings on four years of hourly candles. The minutes a day are its CPU time, which is what
it takes on a core of its own, times the pairs: the bot trains one pair after the other, each once a
day. Those alone are computed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from models.base.files import wall_clock_ms
from models.base.units import HOUR_MS, MINUTE_MS
from models.learn.jobs.executor import ProcessExecutor
from strategies.desk.backtests.simulated_data import write_simulated
from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.replay import starting_now
from strategies.desk.loopback.venue import LoopbackVenue
from strategies.desk.studies.compare import CompareOptions, walk_forward_jobs
from tests.benchmarks import pairs_bot
from tests.exchange.clock import SkippedClock
from tests.exchange.server import running_exchange
from tests.exchange.state import ExchangeState
from tests.test_integration.live_bot import LiveBot, running_bot
from tests.test_integration.running import KEY, SECRET, write_strategy

MAX_GROSS: Final = 3.0  # x equity: the shipped limits of config_bitcoin.json
_MIB: Final = 2**20
_BEFORE_MS: Final = 8_000  # of a close the clock is moved to
_QUIET_S: Final = 10.0  # between closes, to see what waiting costs
_TRAINS_S: Final = 900.0  # at most, until every pair has a model


@dataclass(frozen=True, kw_only=True)
class PairsCost:
    """What one bot cost."""

    pairs: int
    memory_mib: float  # resident, of the bot's process after the last close
    worker_mib: float  # the most its training worker had
    close_cpu_s: float  # of the bot's process, from a close until the last pair was answered
    close_s: float  # the same by the clock
    idle_cpu_frac: float  # of one core, between closes
    weight: int  # of requests, in the half minute after a close; the exchange allows 2400 a minute
    models_mib: float  # on disk, one model a pair
    held: int  # positions after the last close
    gross: float  # the most they and pending entries came to, x equity
    load: float  # of the machine over the last minute, when it was measured


@dataclass(frozen=True, kw_only=True)
class TrainingCost:
    """What one training with shipped settings cost."""

    rows: int
    minutes: float
    cpu_minutes: float
    worker_mib: float
    model_mib: float


@dataclass
class Exposure:
    """Looks at the account after every request."""

    venue: LoopbackVenue
    account: Customer
    gross: float = 0.0

    def look(self) -> None:
        """Note what is held, x equity."""
        marks = self.venue.marks()
        notional = sum(abs(p.amount) * marks[s] for s, p in self.account.open_positions().items())
        equity = self.account.wallet + self.account.unrealised(marks)
        self.gross = max(self.gross, float(notional / equity))


# -- a bot ----------------------------------------------------------------------------------------


def cost(folder: Path, number: int, closes: int) -> PairsCost:
    """Run a bot of that many pairs through its first trainings and some closes."""
    folder.mkdir(parents=True)
    symbols = pairs_bot.coins(number)
    pairs = [f"{symbol.base}/USDT:USDT" for symbol in symbols]
    clock = SkippedClock(folder / "clock")
    market = pairs_bot.simulated(folder / "market", symbols)
    start_ms = market.span_ms()[0] + (pairs_bot.DAYS - 10) * 24 * HOUR_MS
    market = starting_now(market, start_ms, wall_clock_ms())
    venue = LoopbackVenue(market=market, clock=clock, symbols=tuple(symbols))
    seen = Exposure(venue, venue.open_account(KEY, SECRET))
    state = ExchangeState(venue=venue)
    state.watchers.append(seen.look)
    arguments = write_strategy(folder, pairs_bot.STRATEGY)
    runner = ("tests.benchmarks.pairs_bot", str(clock.path))
    clock.skip((HOUR_MS - clock() % HOUR_MS + 120_000) / 1000)  # trainings end within an hour
    with running_exchange(state, tls=True) as url:
        config = pairs_bot.configuration(url, pairs)
        with running_bot(folder, config, *arguments, runner=runner) as bot:
            watched = Watched(bot, psutil.Process(bot.process.pid), clock, state, number)
            with _peak_of_workers(watched.process) as worker:
                bot.wait_for(lambda: trained(bot) >= number, "a model for every pair", _TRAINS_S)
            found = [watched.close() for _ in range(closes)]
            return PairsCost(
                pairs=number,
                memory_mib=watched.process.memory_info().rss / _MIB,
                worker_mib=worker[0] / _MIB,
                close_cpu_s=_median([one.cpu_s for one in found]),
                close_s=_median([one.wall_s for one in found]),
                idle_cpu_frac=_median([one.idle_frac for one in found]),
                weight=max(one.weight for one in found),
                models_mib=_bytes(folder / "user_data" / "models") / _MIB,
                held=len(seen.account.open_positions()),
                gross=seen.gross,
                load=os.getloadavg()[0],
            )


@dataclass(frozen=True, kw_only=True)
class Close:
    """What one close cost the bot, and the waiting before it."""

    cpu_s: float
    wall_s: float
    idle_frac: float
    weight: int


@dataclass(frozen=True)
class Watched:
    """A bot on a clock that is moved on from close to close."""

    bot: LiveBot
    process: psutil.Process
    clock: SkippedClock
    state: ExchangeState
    pairs: int

    def close(self) -> Close:
        """Move to the next full hour, and look at what the bot makes of it."""
        before, begun = self._cpu_s(), time.monotonic()
        time.sleep(_QUIET_S)
        idle = (self._cpu_s() - before) / (time.monotonic() - begun)
        close_ms = (self.clock() // HOUR_MS + 1) * HOUR_MS
        self.clock.skip(max(close_ms - self.clock() - _BEFORE_MS, 0) / 1000)
        read, arrived = len(self.bot.log()), len(self.state.arrivals)
        self.bot.wait_for(lambda: self.clock() >= close_ms, "the close")
        before, begun = self._cpu_s(), time.monotonic()
        self.bot.wait_for(lambda: answered(self.bot.log()[read:]) >= self.pairs, "every pair")
        cpu, wall = self._cpu_s() - before, time.monotonic() - begun
        self.bot.wait_for(lambda: self.clock() >= close_ms + MINUTE_MS // 2, "half a minute")
        weight = sum(arrival.weight for arrival in self.state.arrivals[arrived:])
        return Close(cpu_s=cpu, wall_s=wall, idle_frac=idle, weight=weight)

    def _cpu_s(self) -> float:
        return _cpu_s(self.process)


def trained(bot: LiveBot) -> int:
    """Return how many trainings its log tells of."""
    return bot.log().count("validation gain")


def answered(log: str) -> int:
    """Return of how many pairs a log has the forecast.

    Examples
    --------
    >>> answered("forecast of A at 1: 1\\nforecast of B at 1: 0\\nforecast of A at 2: 1")
    2
    """
    return len({line.split(" at ")[0] for line in log.split("forecast of ")[1:]})


def _cpu_s(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)


@contextmanager
def _peak_of_workers(process: psutil.Process) -> Iterator[list[int]]:
    """Give what the largest of its worker processes has had, resident, until the block ends."""
    peak, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.2):
            for child in process.children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    peak[0] = max(peak[0], child.memory_info().rss)

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield peak
    finally:
        done.set()
        watching.join()


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


# -- a training -----------------------------------------------------------------------------------


def training_cost(folder: Path, train_days: int, settings: dict[str, Any]) -> TrainingCost:
    """Train one LSTM in a worker of its own, as a bot's executor does, and look at the worker."""
    datadir = write_simulated(folder / "years", seed=11, days=train_days + 90)
    options = CompareOptions(
        data=datadir, train_days=train_days, folds=1, test_days=60, userdir=folder,
        settings=settings,
    )  # fmt: skip
    (job,) = walk_forward_jobs(options, ["lstm"])
    begun = time.monotonic()
    with _peak_of_workers(psutil.Process()) as peak, _cpu_of_workers() as cpu:
        artifact = ProcessExecutor(own=True).run(job)
        minutes = (time.monotonic() - begun) / 60
    size = len(artifact.onnx) + len(json.dumps(artifact.manifest)) + len(artifact.weights)
    return TrainingCost(
        rows=len(job.time_ms), minutes=minutes, cpu_minutes=cpu() / 60, worker_mib=peak[0] / _MIB,
        model_mib=size / _MIB,
    )  # fmt: skip


@contextmanager
def _cpu_of_workers() -> Iterator[Callable[[], float]]:
    """Give the CPU seconds of the largest user of them among this process's children."""
    most, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.2):
            for child in psutil.Process().children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    most[0] = max(most[0], _cpu_s(child))

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield lambda: most[0]
    finally:
        done.set()
        watching.join()


# -- the table ------------------------------------------------------------------------------------


def table(costs: Sequence[PairsCost]) -> str:
    """Return the costs as a table in Markdown."""
    head = (
        "pairs", "bot, MiB", "training worker, MiB", "CPU at a close, s", "last pair after, s",
        "between closes, % of a core", "request weight", "models, MiB", "held", "gross, x equity",
    )  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for one in costs:
        cells = (
            one.pairs, f"{one.memory_mib:.0f}", f"{one.worker_mib:.0f}", f"{one.close_cpu_s:.2f}",
            f"{one.close_s:.1f}", f"{100 * one.idle_cpu_frac:.1f}", one.weight,
            f"{one.models_mib:.1f}", one.held, f"{one.gross:.2f}",
        )  # fmt: skip
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    loads = ", ".join(f"{one.load:.1f}" for one in costs)
    lines += ["", f"Load of the machine when measured: {loads}."]
    return "\n".join(lines)


def daily(training: TrainingCost, pairs: Sequence[int]) -> str:
    """Return what one training cost, and what that comes to for so many pairs."""
    minutes = ", ".join(f"{n} pairs {n * training.cpu_minutes:.1f}" for n in pairs)
    return (
        f"One training on {training.rows} rows: {training.cpu_minutes:.2f} minutes of CPU "
        f"({training.minutes:.2f} by the clock), worker {training.worker_mib:.0f} MiB, model "
        f"{training.model_mib:.2f} MiB. CPU minutes a day, computed: {minutes}."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and return 1 if the limits were ever passed."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks.pairs", description=__doc__)
    parser.add_argument("--pairs", type=int, nargs="+", default=[1, 10, 50])
    parser.add_argument("--closes", type=int, default=3, help="watched with each number of pairs")
    parser.add_argument("--only", choices=("bots", "training"), help="leave the other out")
    parser.add_argument("--train-days", type=int, default=1460, help="of the training timed apart")
    parser.add_argument("--max-steps", type=int, default=600, help="of the training timed apart")
    parser.add_argument("--json", type=Path, help="write the numbers there as well")
    options = parser.parse_args(arguments)
    settings = {"training": {"max_steps": options.max_steps}}
    costs, report = list[PairsCost](), dict[str, Any]()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        if options.only != "bots":
            training = training_cost(root / "training", options.train_days, settings)
            print(daily(training, options.pairs), flush=True)
            report["training"] = asdict(training)
        for number in options.pairs if options.only != "training" else ():
            print(f"{number} pairs", file=sys.stderr, flush=True)
            costs.append(cost(root / f"{number}", number, options.closes))
            print(costs[-1], file=sys.stderr, flush=True)
    if costs:
        print(table(costs))
    report["costs"] = [asdict(one) for one in costs]
    if options.json:
        options.json.write_text(json.dumps(report, indent=1), encoding="utf-8")
    beyond = [one for one in costs if one.gross > MAX_GROSS]
    for one in beyond:
        print(f"{one.pairs} pairs held {one.gross:.2f} x equity, over {MAX_GROSS:g}")
    return int(bool(beyond))


if __name__ == "__main__":
    sys.exit(main())
