"""The hedge's bot and the collector beside it, taken through a crash hour by hour on one clock.

Both are the real programs in their own processes. The clock stands still, or rather runs at the
machine's pace, until this moves it; it goes on only when bot and collector have done what was due.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from models.base.units import DAY_MS
from models.data.feeds.catalog import STATUS, CollectConfig, FeedReport, collect_config, freshness
from models.operate.control.commands import Commands
from models.operate.control.heartbeat import Heartbeat, last_beat
from models.operate.control.home import DRY_RUN_HOME
from strategies.desk.loopback.replay import read_market
from strategies.desk.loopback.symbols import BTC, ETH, LTC
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.clock import SkippedClock
from tests.exchange.server import running_exchange
from tests.exchange.state import ExchangeState
from tests.feeds.history import write_history
from tests.feeds.server import FeedsState, collect_block, running_feeds
from tests.places import ROOT, SHARED, USER_DATA
from tests.test_integration.live_bot import LiveBot, running_bot, settings
from tests.test_integration.running import (
    KEY,
    PATIENCE_S,
    SECRET,
    RunningProcess,
    running,
    write_strategy,
)

CANDLES: Final = SHARED / "data" / "binance"
PAIRS: Final = ("LTC/USDT:USDT", "BTC/USDT:USDT", "ETH/USDT:USDT")
STEP_S: Final = 600.0  # longest jump of the clock
QUIET_S: Final = 0.15  # on the machine's clock, without a request: the collector has asked them all
BEFORE_S: Final = 20.0  # last jump before a close: what the feeds then say is fresh at it

_CRASH_MS: Final = int(pd.Timestamp("2021-05-19", tz="UTC").timestamp() * 1000)

# The shipped strategy, with a witness of what reached its model, what that answered, and the plan.
STRATEGY: Final = """
import json
from pathlib import Path

from models.base import columns
from strategies.LitecoinHedge import LitecoinHedge


class WitnessedHedge(LitecoinHedge):
    timeframe = "1h"

    def _seen(self, kind, date, **what):
        line = {"kind": kind, "close_ms": int(date.timestamp() * 1000) + self.candle_ms, **what}
        with Path("seen.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\\n")

    def feature_engineering_standard(self, dataframe, metadata, **kwargs):
        frame = super().feature_engineering_standard(dataframe, metadata, **kwargs)
        row = frame.iloc[-1]
        fed = {n: float(row[n]) for n in frame if n.startswith(columns.FEED)}
        if metadata["pair"].startswith("LTC"):
            self._seen("feeds", row["date"], **fed)
        return frame

    def populate_indicators(self, dataframe, metadata):
        frame = super().populate_indicators(dataframe, metadata)
        if metadata["pair"].startswith("LTC"):
            row = frame.iloc[-1]
            names = ["do_predict", columns.ABSTAIN, columns.P_UP, columns.P_DOWN,
                     columns.FALSE_ALARMS_DOWN, columns.NOVELTY]
            self._seen("forecast", row["date"], **{n: float(row[n]) for n in names})
        return frame

    def plan(self, pair, current_time):
        plan = super().plan(pair, current_time)
        date = self._row(pair, current_time)["date"]
        step = plan.step and {"ratio": plan.step.ratio, "source": plan.step.source,
                              "lean": plan.step.lean}
        self._seen("plan", date, pair=pair, held=plan.held, wanted=plan.wanted,
                   reason=plan.reason, step=step)
        return plan
"""


def crash_ahead_ms(now_ms: int) -> int:
    """Return how far ahead of its own time the crash is replayed: its day begins at midnight."""
    return (now_ms // DAY_MS + 1) * DAY_MS - _CRASH_MS


def of_may(told: str) -> int:
    """Return a time of May 2021, "19 13:00" for example, in UTC milliseconds."""
    return int(pd.Timestamp(f"2021-05-{told}", tz="UTC").timestamp() * 1000)


def fed(feeds_url: str) -> dict[str, Any]:
    """Return a `breakwater.collect` block that reads the loopback providers on a jumping clock."""
    shipped = CollectConfig()
    block = collect_block(
        feeds_url, features=True, timeout_s=60.0,
        first_pause_s=shipped.first_pause_s, longest_pause_s=shipped.longest_pause_s,
    )  # fmt: skip
    for name in ("binance", "bybit"):
        # ccxt ends a stream whose pong is late, by a clock that jumps.
        block["exchanges"][name]["streaming"] = {"keepAlive": DAY_MS}
    return block


def configuration(url: str, feeds_url: str) -> dict[str, Any]:
    """Return the shipped configuration of the hedge with its model, fed, for a position elsewhere.

    Trained on less, and for less long, than a person would.
    """
    return {
        **settings(url, list(PAIRS), dry_run=True),
        "add_config_files": [str(USER_DATA / "config_litecoin_hedge_model.json")],
        "freqaimodel": "HedgeForecaster",
        "freqaimodel_path": str(ROOT / "freqaimodels"),
        "timeframe": "1h",
        "stake_amount": "unlimited",
        "dry_run_wallet": 30_000,
        "max_open_trades": 3,
        "freqai": {
            "train_period_days": 270,
            "model_training_parameters": {"training": {"max_steps": 40}},
        },
        "breakwater": {
            "collect": fed(feeds_url),
            "hedge": {
                "mode": "elsewhere",
                "open_primary": False,
                "primary": {"pair": PAIRS[0], "side": "long", "amount_base": 30.0},
                # One day is all there is: as many changes as it has hours.
                "policy": {"max_ratio": 1.0, "max_changes_day": 24},
            },
        },
    }


@dataclass(kw_only=True)
class Desk:
    """Bot, collector and their clock; `ahead_ms` is from the crash's own time to the clock's."""

    folder: Path
    clock: SkippedClock
    ahead_ms: int
    feeds: FeedsState
    config: dict[str, Any]
    collect: CollectConfig
    collector: RunningProcess
    bot: LiveBot | None = None

    @property
    def userdir(self) -> Path:
        return self.folder / "user_data"

    @property
    def records(self) -> Path:
        return self.collect.root(self.userdir)

    def at(self, told: str) -> int:
        """Return a time of May 2021 on the clock."""
        return of_may(told) + self.ahead_ms

    # -- time -------------------------------------------------------------------------------------

    def until(self, time_ms: int) -> None:
        """Move the clock there; each jump is heard by all before the next."""
        while (left_ms := time_ms - self.clock()) > 0:
            self.clock.skip(min(left_ms / 1000, STEP_S))
            self.heard(self.clock())

    def close(self, told: str) -> int:
        """Go to a candle's close and let it be decided; return it."""
        close_ms = self.at(told)
        self.until(close_ms - round(1000 * BEFORE_S))
        self.until(close_ms)
        self.wait(lambda: self.bot is None or len(
            {plan["pair"] for plan in self.seen("plan", close_ms)}) == len(PAIRS) - 1
        )  # fmt: skip
        return close_ms

    def heard(self, time_ms: int) -> None:
        """Wait until the collector has told its state, and the bot come round, after `time_ms`."""
        self.wait(lambda: self._collected() > time_ms and self._looped() > time_ms)
        self.wait(self._quiet)

    def _quiet(self) -> bool:
        """Whether the collector has asked all it had to: an answer may lead to a next question."""
        asked = len(self.feeds.requests)
        time.sleep(QUIET_S)
        return asked == len(self.feeds.requests)

    def wait(self, happens: Callable[[], bool]) -> None:
        """Wait for it on the machine's clock; fail if bot or collector ends meanwhile."""
        deadline = time.monotonic() + PATIENCE_S
        while not happens():
            self.living()
            assert time.monotonic() < deadline, self._tail()
            time.sleep(0.02)

    def living(self) -> None:
        """Fail if one of the two has ended by itself."""
        for one in (self.collector, self.bot):
            assert one is None or one.process.poll() is None, self._tail()

    def beat(self) -> Heartbeat:
        beat = last_beat(Commands(self.userdir / DRY_RUN_HOME).store.folder)
        assert beat is not None
        return beat

    def _looped(self) -> float:
        if self.bot is None:
            return float("inf")
        return self.beat().time_ms

    def _collected(self) -> float:
        try:
            return float(json.loads((self.records / STATUS).read_bytes())["time_ms"])
        except FileNotFoundError:
            return 0.0

    def _tail(self) -> str:
        logs = [one.log()[-4000:] for one in (self.collector, self.bot) if one is not None]
        return "\n== collector, bot ==\n".join(logs)

    # -- what is seen -----------------------------------------------------------------------------

    def feed_states(self) -> FeedReport:
        """Return the feeds as the collector's report has them now."""
        return freshness(self.collect, self.records, self.clock())

    def seen(self, kind: str, close_ms: int | None = None) -> list[dict[str, Any]]:
        """Return what the witness has written down, at one close or at all."""
        path = self.folder / "seen.jsonl"
        whole = path.read_text().rpartition("\n")[0] if path.is_file() else ""
        lines = whole.splitlines()
        found = [line for line in map(json.loads, lines) if line["kind"] == kind]
        return [line for line in found if close_ms in (None, line["close_ms"])]


@contextmanager
def crashing(clock: SkippedClock) -> Iterator[tuple[ExchangeState, str, int]]:
    """Serve an exchange that will see the crash; yield it, its address, and how far ahead it is."""
    market = read_market(
        CANDLES, (LTC, BTC, ETH), interval="1h",
        start_ms=_CRASH_MS - 400 * DAY_MS, stop_ms=_CRASH_MS + 4 * DAY_MS,
    )  # fmt: skip
    ahead_ms = crash_ahead_ms(clock())
    venue = LoopbackVenue(market=market.shifted(ahead_ms), clock=clock)
    venue.open_account(KEY, SECRET)
    exchange = ExchangeState(venue=venue)
    with running_exchange(exchange, tls=True) as url:
        yield exchange, url, ahead_ms


@contextmanager
def collecting(
    folder: Path,
    clock: SkippedClock,
    ahead_ms: int,
    start: str,
    days: int,
    configured: Callable[[str], dict[str, Any]],
) -> Iterator[Desk]:
    """Collect from `start` on, after `days` of it, as `configured` for the feeds' address."""
    feeds = FeedsState(clock=clock)
    with running_feeds(feeds) as feeds_url:
        config = configured(feeds_url)
        (folder / "user_data").mkdir()
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        collect = collect_config(config["breakwater"]["collect"])
        start_ms = of_may(start) + ahead_ms
        write_history(collect.root(folder / "user_data"), "LTC", start_ms, days)
        clock.skip((start_ms - clock()) / 1000)
        module = ("tests.exchange.conducted", str(clock.path), "strategies.desk.cli", "collect",
                  "--config", "config.json", "--userdir", "user_data")  # fmt: skip
        with running(RunningProcess, folder, "collector", module) as collector:
            yield Desk(
                folder=folder, clock=clock, ahead_ms=ahead_ms, feeds=feeds, config=config,
                collect=collect, collector=collector,
            )  # fmt: skip


@contextmanager
def hedging(desk: Desk, **freqai: Any) -> Iterator[LiveBot]:
    """Run the bot beside the collector, until the block ends; it has a trained model."""
    config = {**desk.config, "freqai": {**desk.config["freqai"], **freqai}}
    runner = ("tests.exchange.conducted", str(desk.clock.path), "freqtrade")
    arguments = write_strategy(desk.folder, STRATEGY)
    with running_bot(desk.folder, config, *arguments, runner=runner) as bot:
        bot.wait_for(lambda: "validation gain" in bot.log(), "a trained model")
        desk.bot = bot
        try:
            yield bot
        finally:
            desk.bot = None


def stopped(process: RunningProcess) -> int:
    """Tell a process to stop; return how it ended."""
    process.process.send_signal(signal.SIGTERM)
    return process.process.wait(30)
