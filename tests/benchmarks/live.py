"""How long from a candle's close to the order: this pack and stock Freqtrade, in one run.

``python -m tests.benchmarks.live``: both bots are the real `freqtrade trade`, live, with three
pairs and their models trained by themselves, each on a loopback exchange of its own. They take
turns: one runs for some candles while the other is stopped (SIGSTOP), so neither is in the other's
way and both meet the same neighbours on the machine. Candles are one minute long and close in real
time. Times are those at which an order reaches the exchange.

The stock bot is Freqtrade as it comes: FreqAI with `LightGBMRegressor`, a strategy with the
features of Freqtrade's FreqAI example, and Freqtrade's own throttle and rate limiter.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psutil

from models.base.files import wall_clock_ms
from models.base.units import MINUTE_MS
from models.operate.control.commands import Commands
from models.serve.latency import CandleLatency, LatencySummary, percentiles
from strategies.desk.backtests.simulated_data import write_simulated
from strategies.desk.loopback.replay import read_market, starting_now
from strategies.desk.loopback.symbols import LISTED
from strategies.desk.loopback.venue import LoopbackVenue
from tests.benchmarks.live_bots import PACK, STOCK, configuration, write_strategy
from tests.benchmarks.live_memory import month_in_memory
from tests.exchange.server import running_exchange
from tests.exchange.state import ExchangeState
from tests.test_integration.live_bot import LiveBot, running_bot
from tests.test_integration.running import KEY, SECRET

_START, _TODAY = datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 3, 8, tzinfo=UTC)
_ORDER: Final = "POST /fapi/v1/order"
_WATCHED_S: Final = 20.0  # after a close; what comes later belongs to no candle
_QUIET_S: Final = (25.0, 55.0)  # of a minute: nothing but waiting


@dataclass
class Contender:
    """One bot on its own exchange."""

    name: str
    training: bool
    bot: LiveBot
    state: ExchangeState
    entries_ms: list[float] = field(default_factory=list)  # close -> order, every entry
    firsts_ms: list[float] = field(default_factory=list)  # the first of each candle
    exits_ms: list[float] = field(default_factory=list)
    cpu_frac: list[float] = field(default_factory=list)  # of one core, between candles
    weights: list[int] = field(default_factory=list)  # request weight per minute
    load: list[float] = field(default_factory=list)  # of the machine, at each close
    closes_ms: set[int] = field(default_factory=set)  # watched; between turns the bot is frozen

    @property
    def title(self) -> str:
        return f"{self.name}{', training' if self.training else ''}"

    def processes(self) -> list[psutil.Process]:
        process = psutil.Process(self.bot.process.pid)
        return [process, *process.children(recursive=True)]

    def stop(self, *, go_on: bool = False) -> None:
        """Freeze the bot and its workers, or let them go on."""
        for process in self.processes():
            os.kill(process.pid, signal.SIGCONT if go_on else signal.SIGSTOP)

    def count(self, closed_ms: int) -> None:
        """Note what happened after a close; odd candles close into entries, even into exits."""
        self.closes_ms.add(closed_ms)
        times = [
            a.time_ms - closed_ms
            for a in self.state.arrivals
            if a.line == _ORDER and 0 <= a.time_ms - closed_ms <= 1000 * _WATCHED_S
        ]
        entering = closed_ms // MINUTE_MS % 2 == 0
        (self.entries_ms if entering else self.exits_ms).extend(times)
        if entering and times:
            self.firsts_ms.append(min(times))
        used = [a.weight for a in self.state.arrivals if 0 <= a.time_ms - closed_ms < MINUTE_MS]
        self.weights.append(sum(used))


@contextmanager
def contender(
    folder: Path, market_dir: Path, name: str, pairs: Sequence[str], *, training: bool
) -> Iterator[Contender]:
    """Start a bot and wait until it forecasts for every pair."""
    folder.mkdir(parents=True)
    now = wall_clock_ms()
    market = starting_now(read_market(market_dir, LISTED), int(_TODAY.timestamp() * 1000), now)
    venue = LoopbackVenue(market=market, clock=wall_clock_ms)
    venue.open_account(KEY, SECRET)
    state = ExchangeState(venue=venue)
    arguments = write_strategy(folder, name)
    with running_exchange(state, tls=True) as url:
        config = configuration(name, url, pairs, training=training)
        with running_bot(folder, config, *arguments) as bot:
            one = Contender(name, training, bot, state)
            bot.wait_for(lambda: forecasting(bot, pairs), "forecasts of every pair", 900)
            try:
                yield one
            finally:
                if bot.process.poll() is None:  # a frozen bot would not hear that it should stop
                    one.stop(go_on=True)


def forecasting(bot: LiveBot, pairs: Sequence[str], since: int = 0) -> bool:
    """Return whether every pair has had a forecast, by the log from character `since` on."""
    log = bot.log()[since:]
    return all(f"forecast of {pair}" in log for pair in pairs)


def measure(one: Contender, candles: int) -> None:
    """Let the bot run and watch this many closes."""
    one.stop(go_on=True)
    for _ in range(candles):
        closed_s = (time.time() // 60 + 1) * 60
        time.sleep(max(closed_s - time.time(), 0))
        one.load.append(os.getloadavg()[0])
        before, begin = _sleep_until(closed_s + _QUIET_S[0]) or _cpu_s(one), time.monotonic()
        _sleep_until(closed_s + _QUIET_S[1])
        one.cpu_frac.append((_cpu_s(one) - before) / (time.monotonic() - begin))
        one.count(int(closed_s * 1000))
    one.stop()


def _sleep_until(instant_s: float) -> None:
    time.sleep(max(instant_s - time.time(), 0))


def _cpu_s(one: Contender) -> float:
    """Return the CPU time of the bot's own process; its workers train on purpose."""
    used = psutil.Process(one.bot.process.pid).cpu_times()
    return float(used.user + used.system)


# -- start, restart -------------------------------------------------------------------------------


def startup(folder: Path, market_dir: Path, pairs: Sequence[str]) -> dict[str, float]:
    """Return seconds to the first forecast: of a new bot that has to train, and after a kill -9."""
    begun = time.monotonic()
    with contender(folder, market_dir, PACK, pairs, training=False) as one:
        first = time.monotonic() - begun
        seen = len(one.bot.log())
        one.bot.kill()
        url = re.search(r"https://[^@]*@?(127\.0\.0\.1:\d+)", (folder / "config.json").read_text())
        assert url is not None
        begun = time.monotonic()
        config = configuration(PACK, f"https://{url.group(1)}", pairs, training=False)
        with running_bot(folder, config, *write_strategy(folder, PACK)) as again:
            again.wait_for(lambda: forecasting(again, pairs, seen), "forecasts again", 300)
            back = time.monotonic() - begun
    return {"first_forecast_s": first, "forecast_after_kill_s": back}


# -- the report -----------------------------------------------------------------------------------


def latencies(one: Contender) -> list[CandleLatency]:
    """Return the pack's own account of the closes that were watched, from its journal."""
    entries = Commands(one.bot.folder / "user_data").journal.entries(kind="latency")
    seen = [CandleLatency(**entry.record) for entry in entries]
    return [latency for latency in seen if latency.candle_ms + MINUTE_MS in one.closes_ms]


def stages(one: Contender) -> LatencySummary:
    """Return percentiles of the pack's stages."""
    summary = LatencySummary()
    for latency in latencies(one):
        summary.add(latency)
    return summary


def extra_pair_ms(one: Contender) -> list[float]:
    """Return what each pair after the first added to its candle's close -> decision."""
    candles: dict[int, list[float]] = {}
    for latency in latencies(one):
        if "decision" in latency.at_ms:
            candles.setdefault(latency.candle_ms, []).append(latency.at_ms["decision"])
    return [(max(ends) - min(ends)) / (len(ends) - 1) for ends in candles.values() if len(ends) > 1]


COLUMNS: Final = (
    "n", "entry p50", "p95", "p99", "first p50", "p99", "exit p50", "p99", "CPU %", "weight/min",
    "load",
)  # fmt: skip


def header() -> str:
    """Return the head of the table of contenders."""
    return "close to order, ms".ljust(20) + "".join(f"{name:>11}" for name in COLUMNS)


def line(one: Contender) -> str:
    """Return the contender's row of the table."""
    entry, first, exit_ = (percentiles(v) for v in (one.entries_ms, one.firsts_ms, one.exits_ms))
    cpu, load = percentiles(one.cpu_frac), percentiles(one.load)
    times = (entry.p50, entry.p95, entry.p99, first.p50, first.p99, exit_.p50, exit_.p99)
    cells = [f"{entry.count}", *(f"{ms:.0f}" for ms in times), f"{100 * cpu.p50:.1f}",
             f"{max(one.weights, default=0)}", f"{load.p50:.1f}"]  # fmt: skip
    return one.title.ljust(20) + "".join(f"{cell:>11}" for cell in cells)


def stage_table(summary: LatencySummary) -> list[str]:
    """Return the rows of the pack's stages."""
    rows = [
        f"{'the pack, by stage, ms':24} {'n':>4} {'p50':>8} {'p95':>7} {'p99':>7} {'budget':>8}"
    ]
    for name, p in summary.table().items():
        mark = " over" if p.over_budget else ""
        rows.append(
            f"{name:24} {p.count:4d} {p.p50:8.1f} {p.p95:7.1f} {p.p99:7.1f} {p.budget:8.0f}{mark}"
        )
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the contenders in turn and print the tables."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks.live", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="turns of every contender")
    parser.add_argument("--candles", type=int, default=4, help="watched in each turn")
    parser.add_argument("--pairs", type=int, default=3, choices=range(1, 6))
    parser.add_argument("--only", choices=(PACK, STOCK), help="run one of the two")
    parser.add_argument("--no-training", action="store_true", help="leave these contenders out")
    parser.add_argument("--no-startup", action="store_true", help="leave start and restart out")
    parser.add_argument("--memory-candles", type=int, default=720, help="hours simulated")
    parser.add_argument("--json", type=Path, help="write the numbers there as well")
    options = parser.parse_args(arguments)
    pairs = [f"{symbol.base}/USDT:USDT" for symbol in LISTED[: options.pairs]]
    names = [options.only] if options.only else [PACK, STOCK]
    phases = [False] if options.no_training else [False, True]
    report: dict[str, Any] = {"pairs": pairs}
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        root = Path(scratch)
        market_dir = write_simulated(
            root / "simulated", seed=11, start=_START, days=38, timeframe="1m"
        )
        bots: list[Contender] = []
        for training in phases:
            for name in names:
                folder = root / f"{name}-{training}"
                print(f"starting {folder.name}", file=sys.stderr, flush=True)
                one = stack.enter_context(
                    contender(folder, market_dir, name, pairs, training=training)
                )
                one.stop()
                bots.append(one)
        for _ in range(options.rounds):
            for one in bots:
                measure(one, options.candles)
                print(line(one), file=sys.stderr, flush=True)
        print(header(), *(line(one) for one in bots), sep="\n")
        report["latency"] = [_numbers(one) for one in bots]
        for one in bots:
            if one.name == PACK:
                summary = stages(one)
                print("", one.title, *stage_table(summary), sep="\n")
                extra = percentiles(extra_pair_ms(one))
                print(f"each further pair adds {extra.p50:.1f} ms (p99 {extra.p99:.1f})")
                report[one.title] = {
                    "stages": {name: asdict(p) for name, p in summary.table().items()},
                    "extra_pair_ms": asdict(extra),
                }
        stack.close()  # the rest is measured alone
        if not options.no_startup:
            report["startup"] = startup(root / "startup", market_dir, pairs)
            print("", *(f"{n} {v:.1f}" for n, v in report["startup"].items()), sep="\n")
        report["memory"] = month_in_memory(root / "memory", options.memory_candles)
        print(*(f"{n} {v:.1f}" for n, v in report["memory"].items()), sep="\n")
    if options.json:
        options.json.write_text(json.dumps(report, indent=1), encoding="utf-8")


def _numbers(one: Contender) -> dict[str, Any]:
    return {
        "who": one.title, "entries_ms": one.entries_ms, "firsts_ms": one.firsts_ms,
        "exits_ms": one.exits_ms, "cpu_frac": one.cpu_frac, "weights": one.weights,
        "load": one.load,
    }  # fmt: skip


if __name__ == "__main__":
    main()
