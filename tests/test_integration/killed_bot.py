"""kill -9 of the real running bot, again and again, at random and at the worst moments.

Each life of the bot begins with what the last one has left, is looked at, and then driven to where
it is to die. No watchdog helps. Where the books of bot and exchange have come apart the bot must
halt; a person would look now, and here an empty folder and a new account take over.

    python -m tests.test_integration.killed_bot --kills 100 --seed 0
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import psycopg2

from models.base.files import wall_clock_ms
from models.operate.control.commands import Commands
from models.operate.control.heartbeat import last_beat
from models.operate.control.state import ControlMode, Person
from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.replay import ReplayedMarket, scripted_feed
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.faults import Latency
from tests.exchange.server import running_exchange
from tests.exchange.state import ExchangeState
from tests.postgres import running_server
from tests.test_integration import guarded_bot
from tests.test_integration.controlled_bot import commands, unprotected
from tests.test_integration.forked import Forked
from tests.test_integration.live_bot import LiveBot, running_bot
from tests.test_integration.running import PATIENCE_S, SECRET, write_strategy

ANN = Person("ann", "telegram")
SYMBOL, PRICE = "BTCUSDT", 60_000.0
START_S, LIFE_S = 8.0, 4.0  # within which a random kill falls
LOOPS: Final = 1  # within which every position has its stop

STRATEGY = (
    guarded_bot.STRATEGY.replace("GuardedSignals", "KilledSignals")
    .replace("enter_long=1", 'enter_long=int(wanted() == "enter")')
    .replace("current_rate > 1.005 * trade.open_rate", 'wanted() == "shed"')
    + '''
    def custom_exit(self, pair, trade, current_time, current_rate, current_profit, **kwargs):
        return "wanted" if wanted() == "leave" else None


def wanted():
    """Return what the test wants the strategy to do."""
    try:
        with open("wanted") as file:
            return file.read()
    except FileNotFoundError:
        return ""
'''
)


class Phase(StrEnum):
    """Where the bot dies."""

    START = "while it starts"
    ANY = "any moment"
    ENTRY_SENT = "entry on its way"
    ENTRY_DONE = "entry executed, not answered"
    STOP_SENT = "stop on its way"
    STOP_DONE = "stop placed, not answered"
    PARTIAL_SENT = "partial exit on its way"
    PARTIAL_DONE = "partial exit executed, not answered"
    RESIZE = "old stop cancelled, not answered"
    EXIT_SENT = "exit on its way"
    EXIT_DONE = "exit executed, not answered"
    STATE = "control state being written"
    JOURNAL = "journal being written"
    DATABASE = "trades being written"


_ORDER, _STOP = "POST /fapi/v1/order", "POST /fapi/v1/algoOrder"
# What the strategy is told to do, the request it dies of, and whether the exchange has done it.
REQUESTS: Final = {
    Phase.ENTRY_SENT: ("enter", _ORDER, False),
    Phase.ENTRY_DONE: ("enter", _ORDER, True),
    Phase.STOP_SENT: ("enter", _STOP, False),
    Phase.STOP_DONE: ("enter", _STOP, True),
    Phase.PARTIAL_SENT: ("shed", _ORDER, False),
    Phase.PARTIAL_DONE: ("shed", _ORDER, True),
    Phase.RESIZE: ("shed", "DELETE /fapi/v1/algoOrder", True),
    Phase.EXIT_SENT: ("leave", _ORDER, False),
    Phase.EXIT_DONE: ("leave", _ORDER, True),
}
ACTIONS: Final = {phase: action for phase, (action, _, _) in REQUESTS.items()}


@dataclass(frozen=True)
class Finding:
    """One kill, what the next life made of it, and what must not be."""

    phase: Phase
    outcome: str
    wrong: tuple[str, ...] = ()


@dataclass
class Story:
    """One account and one folder, over several lives of the bot."""

    folder: Path
    account: Customer
    hedge: float | None = None  # what a person set last before a kill
    lines: int = 0  # of the journal, then
    pending: list[Phase] = field(default_factory=list)  # kills nobody has looked at yet
    database: str = ""  # address of its trades; empty: a file in the folder

    @property
    def desk(self) -> Commands:
        """Control and journal of the bot."""
        return commands(self.folder)

    def want(self, what: str) -> None:
        """Tell the strategy what to do."""
        (self.folder / "wanted").write_text(what, encoding="utf-8")

    def remember(self, ratio: float) -> None:
        """Let a person change the state; it must be there after the kill.

        A hedge's ratio is a number that nothing here acts on; the word is another bot's.
        """
        self.desk.store.set_hedge(ANN, ratio)
        self.hedge, self.lines = ratio, self.desk.journal.verify().lines

    def held(self) -> float:
        """Return the position on the exchange."""
        return float(self.account.position(SYMBOL).amount)

    def booked(self, bot: LiveBot) -> float:
        """Return the position in the bot's books."""
        return sum(trade["amount"] for trade in bot.trades().values() if trade["is_open"])

    def stops(self) -> list[float]:
        """Return the sizes of the stops on the exchange."""
        return [float(algo.quantity) for algo in self.account.open_algos()]

    def protected(self, bot: LiveBot) -> bool:
        """Whether there is a position, in the bot's books, and one stop, as large as it is."""
        return self.stops() == [self.held()] == [self.booked(bot)] and self.held() > 0

    def loops(self, bot: LiveBot) -> int:
        """Return how many loops this very bot has begun."""
        beat = last_beat(self.desk.store.folder)
        return beat.loop if beat is not None and beat.pid == bot.process.pid else 0


class Killer:
    """The exchange, the bot's lives on it, and what came of each kill."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        say: Callable[[str], object],
        database: Callable[[], str] = str,
    ) -> None:
        self._folder, self._random, self._say = folder, random.Random(seed), say
        self._database = database
        feeds = {SYMBOL: scripted_feed(PRICE, wall_clock_ms())}
        self._venue = LoopbackVenue(market=ReplayedMarket(feeds=feeds), clock=wall_clock_ms)
        self.state = ExchangeState(venue=self._venue)
        self.findings: list[Finding] = []
        self._stories = 0

    def run(self, kills: int) -> list[Finding]:
        """Kill that many times, every phase about equally often."""
        left = [*Phase] * (kills // len(Phase)) + self._random.sample([*Phase], kills % len(Phase))
        with running_exchange(self.state, tls=True) as url:
            story = self._story()
            while left:
                story = self._life(url, story, left)
            self._life(url, story, left)
        return self.findings

    def _story(self) -> Story:
        self._stories += 1
        name = f"story-{self._stories}"
        (self._folder / name).mkdir(parents=True)
        account = self._venue.open_account(name, SECRET)
        return Story(self._folder / name, account, database=self._database())

    def _life(self, url: str, story: Story, left: list[Phase]) -> Story:
        """Start the bot, look at what the last kill has left, and kill it in a phase of `left`."""
        with self._bot(url, story) as bot:
            if left and (phase := self._random.choice(left)) is Phase.START:
                left.remove(phase)
                if not story.pending:
                    story.remember(round(self._random.random(), 6))
                time.sleep(self._random.uniform(0.0, START_S))
                bot.kill()
                story.pending.append(phase)
                return story
            if story.pending and not self._look(story, bot):
                bot.kill()
                return self._story()
            if left:
                self._die(story, bot, left)
            else:
                bot.kill()
            return story

    def _bot(self, url: str, story: Story) -> Any:
        config = guarded_bot.configuration(url)
        config["db_url"] = story.database or config["db_url"]
        config["breakwater"]["pacing"] = {"tick_s": 0.5, "look_s": 0.1}
        config["breakwater"]["guards"] = {"max_repeats": 1000}  # a person would not resume so often
        arguments = write_strategy(story.folder, STRATEGY)
        return running_bot(
            story.folder, config, *arguments, key=story.account.key, secret=SECRET, launch=Forked
        )

    # -- killing ------------------------------------------------------------------------------

    def _die(self, story: Story, bot: LiveBot, left: list[Phase]) -> None:
        """Bring the bot to where it is to die, and let it."""
        story.desk.resume(ANN)
        story.remember(round(self._random.random(), 6))
        able = self._able(story, bot)
        running = [phase for phase in left if phase is not Phase.START]
        fitting = [phase for phase in running if ACTIONS.get(phase, able[0]) in able]
        phase = self._random.choice(fitting or running)
        left.remove(phase)
        if phase not in REQUESTS:  # a request comes with the first loop already
            bot.wait_for(lambda: story.loops(bot) >= 1, "a first loop")
        action = ACTIONS.get(phase) or self._random.choice(able)
        if action not in able:
            self._prepare(story, bot, action)
        with self._armed(story, bot, phase):
            story.want(action)
            try:
                bot.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                raise AssertionError(f"nothing to die of: {phase}\n{bot.log()[-6000:]}") from None
        story.want("")
        story.pending.append(phase)

    def _able(self, story: Story, bot: LiveBot) -> tuple[str, ...]:
        """Return what the bot can be told to do as it stands."""
        if not story.held():
            return ("enter",)
        return ("leave",) if _reduced(bot) else ("shed", "leave")

    def _prepare(self, story: Story, bot: LiveBot, action: str) -> None:
        """Make the bot flat, or hold a whole position with its stop, as the action needs it."""
        if story.held():
            story.want("leave")
            bot.wait_for(lambda: not story.held() and not story.booked(bot), "a flat bot")
            bot.wait_for(lambda: not story.stops(), "its stop taken back")
        if action != "enter":
            story.want("enter")
            bot.wait_for(lambda: story.stops() == [story.held()] == [story.booked(bot)], "a stop")
        story.want("")

    @contextmanager
    def _armed(self, story: Story, bot: LiveBot, phase: Phase) -> Iterator[None]:
        """Kill the bot when `phase` comes."""
        pid, random_ = bot.process.pid, self._random

        def die(_: object = None) -> float:
            os.kill(pid, signal.SIGKILL)
            return random_.uniform(0.0, 0.3)  # a request on its way arrives a little later

        if phase in REQUESTS:
            _, line, done = REQUESTS[phase]
            waits = {"after_s": die} if done else {"before_s": die}
            self.state.faults.add(Latency(on=line, times=1, **waits))
            yield
            self.state.faults.clear()
            return
        moment = threading.Thread(target=lambda: (_await(story, phase, random_), die()))
        moment.start()
        yield
        moment.join()

    # -- looking ------------------------------------------------------------------------------

    def _look(self, story: Story, bot: LiveBot) -> bool:
        """Note what the new life makes of the last kill; return whether it can go on."""
        bot.wait_for(lambda: story.loops(bot) >= 1, "a first loop")
        bot.wait_for(
            lambda: self._bare(story) == "" or story.loops(bot) > LOOPS, "a stop, or a second loop"
        )
        bare = self._bare(story)
        bot.wait_for(lambda: self._agree(story, bot) or self._halted(story), "books that agree")
        agree = self._agree(story, bot)
        wrong = tuple(text for text in (bare, *self._wrong(story, halted=not agree)) if text)
        outcome = "goes on" if agree else "halted, books differ"
        for phase in story.pending:
            self.findings.append(Finding(phase, outcome, wrong))
            left = f"holds {story.held():g}, stops {story.stops()}"
            self._say(f"{len(self.findings):4}  {phase:36} {outcome:22}{left} {'; '.join(wrong)}")
        story.pending = []
        return agree and not wrong

    def _bare(self, story: Story) -> str:
        bare = unprotected(self.state, story.account)
        return f"without a stop after the first loop: {bare}" if bare else ""

    def _agree(self, story: Story, bot: LiveBot) -> bool:
        """Whether the books agree, and there is one stop, exactly as large as the position."""
        with self._venue.lock:
            held, stops = story.held(), story.stops()
        return held == story.booked(bot) and stops == ([held] if held else [])

    def _halted(self, story: Story) -> bool:
        return story.desk.store.read().mode is ControlMode.HALTED

    def _wrong(self, story: Story, *, halted: bool) -> Iterator[str]:
        """Say what must not be after a restart."""
        state, journal = story.desk.store.read(), story.desk.journal
        if state.hedge is None or state.hedge.ratio != story.hedge:
            yield f"control state lost: {state.reason or state.hedge}"
        found = journal.verify()
        if found.fault or found.lines < story.lines:
            yield f"journal: {found.fault or 'lines lost'}"
        if halted and "the exchange holds" not in state.reason:
            yield f"halted for another reason: {state.reason}"
        sent = [o for o in story.account.orders.values() if not o.reduce_only]
        if len(sent) > len(journal.entries(kind="entry.accepted")):
            yield f"{len(sent)} entries sent, fewer decided"
        if story.held() > max((float(o.quantity) for o in sent), default=0.0):
            yield f"more held than one entry: {story.held():g}"


def _reduced(bot: LiveBot) -> bool:
    """Whether part of the open position has been closed."""
    open_ = {trade["id"] for trade in bot.trades().values() if trade["is_open"]}
    closed = [o for o in bot.orders() if o["status"] == "closed" and o["ft_order_side"] == "sell"]
    return any(order["ft_trade_id"] in open_ for order in closed)


def _await(story: Story, phase: Phase, random_: random.Random) -> None:
    """Return as soon as the bot writes what the phase is about; of any moment, at random."""
    if phase is Phase.ANY:
        time.sleep(random_.uniform(0.0, LIFE_S))
        return
    userdir = story.folder / "user_data"
    written = {
        Phase.STATE: userdir / "control",  # a folder changes with every file begun in it
        Phase.JOURNAL: max((userdir / "journal").glob("*.jsonl")),
        Phase.DATABASE: story.folder / "trades.sqlite-wal",
    }[phase]
    if phase is Phase.DATABASE and story.database:
        _await_server(story.database)
        return
    before = written.stat().st_mtime_ns
    while written.stat().st_mtime_ns == before:
        pass


def _await_server(url: str) -> None:
    """Return as soon as a server writes to its log of what is to be in its tables."""
    with closing(psycopg2.connect(url.replace("+psycopg2", ""))) as made, made.cursor() as cursor:
        made.autocommit = True
        at = "SELECT pg_current_wal_insert_lsn()"
        cursor.execute(at)
        before = cursor.fetchone()
        while cursor.execute(at) or cursor.fetchone() == before:
            pass


def table(findings: Sequence[Finding]) -> str:
    """Return the kills by phase and outcome."""
    counts = Counter((f.phase, f.outcome if not f.wrong else "WRONG") for f in findings)
    outcomes = sorted({outcome for _, outcome in counts})
    rows = [["killed", *outcomes]]
    rows += [[phase, *(str(counts[phase, o]) for o in outcomes)] for phase in Phase]
    rows += [["all", *(str(sum(counts[p, o] for p in Phase)) for o in outcomes)]]
    return "\n".join(f"{row[0]:38}" + "".join(f"{cell:>22}" for cell in row[1:]) for row in rows)


def say(line: str) -> None:
    """Print at once: a hundred kills take their time."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill, print the table, and return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="keep what the bots leave there")
    parser.add_argument("--postgres", action="store_true", help="trades on a server, not in files")
    asked = parser.parse_args(arguments)
    logging.disable(logging.INFO)  # of the configs that Freqtrade reads here, too
    with (
        tempfile.TemporaryDirectory() as scratch,
        running_server() if asked.postgres else nullcontext() as server,
    ):
        database = str if server is None else server.database
        folder = asked.folder or Path(scratch)
        findings = Killer(folder, asked.seed, say, database).run(asked.kills)
    say(table(findings))
    return int(any(f.wrong for f in findings))


if __name__ == "__main__":
    sys.exit(main())
