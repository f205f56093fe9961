"""Words, halts, answers, outages and kills in every order: nothing is lifted unseen or lost untold.

The client is the pack's, on a bot whose messages take as long as other things need to happen; the
state is on disk. What a person may lift is what his message showed, judged by its text.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from telegram.error import NetworkError

from models.base.errors import ControlError
from models.operate.control import news as news_module
from models.operate.control import state_file
from models.operate.control.commands import Commands
from models.operate.control.state import ControlMode, ControlState, GuardActor, Person
from models.operate.control.store import HALT_FILE, ControlStore
from models.operate.control.text import mode_lines
from strategies.human.messages import Reply
from strategies.human.telegram import PackTelegram, _carried_out
from strategies.human.telling import TellingClient

ANN, BOB = Person("ann", "Telegram"), Person("bob", "Telegram")
DESK = Person("carl", "command line")
QUICK, MANY = 120, 4000


class Killed(BaseException):
    """The process ends here and now."""


@dataclass
class Quiet:
    """A strategy's control; the client asks for no more."""

    commands: Commands
    has_looped: bool = True


class Silent(PackTelegram):
    """The pack's client without a thread: messages go to the test's bot."""

    bot: Any

    def _init(self) -> None:
        self._ready.set()

    @property
    def app(self) -> Any:
        return SimpleNamespace(bot=self.bot, updater=SimpleNamespace(running=True))


@dataclass
class World:
    """One bot, its people and its disk, and what has to be true of them."""

    userdir: Path
    rng: random.Random
    accepted: list[str] = field(default_factory=list)
    standing: dict[str, ControlMode] = field(default_factory=dict)  # word -> what it asked for
    said: list[str] = field(default_factory=list)  # every word that must be told
    disk_full: bool = False
    down: bool = False  # Telegram
    now: int = 1_000_000
    depth: int = 0

    def __post_init__(self) -> None:
        self.words = map("".join, itertools.product("bcdfghjklm", repeat=3))
        self.questions: list[tuple[str, Person, set[str]]] = []  # token, asker, words displayed
        self.start()

    def clock(self) -> int:
        self.now += 1
        return self.now

    def start(self) -> None:
        """Start the bot, anew after a kill: what was in memory only is gone."""
        commands = Commands(self.userdir, self.clock)
        bot = SimpleNamespace(strategy=SimpleNamespace(control=Quiet(commands)))
        settings = {"telegram": {"token": "1:a", "chat_id": "1", "keyboard": [["/status"]]}}
        self.client = Silent(SimpleNamespace(_freqtrade=bot), settings, self.clock)
        self.client.bot = SimpleNamespace(send_message=self.send_message)
        self.store = commands.store

    async def send_message(self, _: object, text: str, *__: object, **___: object) -> None:
        """Take as long as it takes for other things to happen; then accept, fail, or be killed."""
        self.depth += 1
        if self.depth <= 2:
            for _i in range(self.rng.randrange(3)):
                self.meanwhile()
        self.depth -= 1
        fate = self.rng.random()
        if self.down or fate < 0.2:
            raise NetworkError("bad gateway")
        if fate < 0.24:
            raise Killed
        self.accepted.append(text)
        if fate < 0.28:
            raise Killed  # accepted, and the bot never knew
        if fate < 0.32:
            raise NetworkError("the answer was lost")

    # -- what can happen ------------------------------------------------------------------------

    def meanwhile(self) -> None:
        """One thing that needs no message: a guard, the desk, the file HALT, the disk."""
        self.rng.choice([
            self.guard, self.guard, self.desk, self.drop_file, self.remove_file, self.disk,
            self.network,
        ])()  # fmt: skip
        self.check()

    def guard(self) -> None:
        word, mode = next(self.words), self.rng.choice([ControlMode.REDUCING, ControlMode.HALTED])
        actor = GuardActor(f"guard{len(self.said) % 9}")
        act = self.store.halt if mode is ControlMode.HALTED else self.store.reduce
        act(actor, f"because {word}")
        self._stands(word, mode)

    def desk(self) -> None:
        """Somebody on the machine lifts what he was shown some time ago, or just now."""
        other = ControlStore(self.userdir / "control", self.clock)
        shown, displayed = self._displayed(other.read())
        if self.rng.random() < 0.5 and self.depth <= 2:
            self.depth += 1
            self.meanwhile()
            self.depth -= 1
        with suppress(ControlError, OSError):
            other.resume(DESK, shown=shown)
            self._lifted(displayed)

    def drop_file(self) -> None:
        word, path = next(self.words), self.userdir / "control" / HALT_FILE
        if path.exists():
            return
        path.write_text(word, encoding="utf-8")
        self.standing[word] = ControlMode.HALTED

    def remove_file(self) -> None:
        path = self.userdir / "control" / HALT_FILE
        if path.exists():
            held = path.read_text(encoding="utf-8")
            path.unlink()
            self.standing = {w: m for w, m in self.standing.items() if w not in held}

    def disk(self) -> None:
        self.disk_full = not self.disk_full and self.rng.random() < 0.3
        self.store.settle()

    def network(self) -> None:
        self.down = not self.down and self.rng.random() < 0.5

    async def say(self, by: Person) -> None:
        """A person halts, reduces or asks for something by Telegram."""
        kind = self.rng.choice(["halt", "reduce", "risk", "resume", "resume", "flatten"])
        word = next(self.words)
        command = getattr(self.client, f"_{kind}")
        words = [word] if kind in ("halt", "reduce", "flatten") else []
        reply = _carried_out(command, by, words)
        if kind in ("halt", "reduce") and "Not done" not in reply.text:
            modes = {"halt": ControlMode.HALTED, "reduce": ControlMode.REDUCING}
            self._stands(word, modes[kind])
        if kind in ("resume", "flatten") and reply.rows:
            token = reply.rows[0][0][1].split(" ")[1]
            self.questions.append((token, by, self._words_in(reply.text)))
        await self.client.answer(reply, partial(self.client.send, reply))

    async def press(self) -> None:
        """Somebody presses a Yes, be it an old one, or of another's question."""
        if not self.questions:
            return
        token, asker, displayed = self.rng.choice(self.questions)
        by = asker if self.rng.random() < 0.9 else BOB
        before = self.store.read()
        reply = _carried_out(partial(self.client._press, "yes"), by, [token])
        after = self.store.read()
        if after.armed_ms != before.armed_ms:
            self._lifted(displayed)
        elif after.flatten is not None and before.flatten is None:
            self.standing[f"flatten{after.changes}"] = ControlMode.HALTED
        if reply.rows:  # asked anew
            fresh = reply.rows[0][0][1].split(" ")[1]
            self.questions.append((fresh, by, self._words_in(reply.text)))
        await self.client.answer(reply, partial(self.client.send, reply))

    async def step(self) -> None:
        act = self.rng.choice([self.tell, self.tell, partial(self.say, ANN),
                               partial(self.say, BOB), self.press, self.press, None])  # fmt: skip
        try:
            if act is None:
                self.meanwhile()
            else:
                await act()
        except Killed:
            self.kill()
        self.check()

    async def tell(self) -> None:
        await self.client._tell()

    def kill(self) -> None:
        memory = " ".join(self.store.unwritten)
        self.standing = {w: m for w, m in self.standing.items() if w not in memory}
        self.said = [w for w in self.said if w not in memory]
        self.questions = [q for q in self.questions if self.rng.random() < 0.5]  # old buttons too
        self.start()

    # -- what must hold -------------------------------------------------------------------------

    def check(self) -> None:
        """Never less strict than the strictest reason; never told without being sent."""
        state = self.store.read()
        strictest = max((m.severity for m in self.standing.values()), default=0)
        assert state.mode.severity >= strictest, (state.mode, self.standing)
        sent = " ".join(self.accepted)
        news = self.client.news
        for notice in state.notices:
            for word in self.said:
                if notice.n and word in notice.reason and news._is_told(notice.n):
                    assert word in sent, f"told and never sent: {notice}"

    async def end(self) -> None:
        """Let everything work again; then everything must have been told."""
        self.disk_full = self.down = False
        self.store.settle()
        for _ in range(200):
            with suppress(Killed):
                if await self.client._tell() and not self.client.news.look(self.store.read()).lines:
                    break
        sent = " ".join(self.accepted)
        missing = [word for word in self.said if word not in sent]
        assert not missing, f"never told: {missing}"

    def _stands(self, word: str, mode: ControlMode) -> None:
        self.standing[word] = mode
        self.said.append(word)

    def _lifted(self, displayed: set[str]) -> None:
        self.standing = {w: m for w, m in self.standing.items() if w not in displayed}

    def _displayed(self, state: ControlState) -> tuple[ControlState, set[str]]:
        return state, self._words_in("\n".join(mode_lines(state)))

    def _words_in(self, text: str) -> set[str]:
        words = {word for word in self.standing if word in text}
        flattens = {w for w in self.standing if w.startswith("flatten")}
        return words | flattens if "every position is to be closed" in text else words


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[World], None]:
    """Let the disk of a world be full when the world says so; nothing waits for a disk."""
    current: list[World] = []
    real_open, real_write = state_file.open_regular, state_file.write_atomic

    def full() -> None:
        if current and current[-1].disk_full:
            raise OSError(errno.ENOSPC, "No space left on device")

    def write(path: Path, data: bytes, **options: Any) -> None:
        full()
        real_write(path, data, **options)

    def opened(path: Path, flags: int, mode: int) -> int:
        full()  # it is opened to append to HALT only
        return real_open(path, flags, mode)

    monkeypatch.setattr(state_file, "write_atomic", write)
    monkeypatch.setattr(news_module, "write_atomic", write)
    monkeypatch.setattr(state_file, "open_regular", opened)
    monkeypatch.setattr("os.fsync", lambda _: None)
    monkeypatch.setattr("strategies.human.telegram._held", dict)  # there is no database
    return current.append


def played(userdir: Path, seeds: Iterator[int], attach: Callable[[World], None]) -> int:
    """Play a sequence for each seed; return how many messages were accepted."""
    accepted = 0
    for seed in seeds:
        world = World(userdir / f"{seed}", random.Random(seed))
        attach(world)

        async def play(world: World = world) -> None:
            for _ in range(25):
                await world.step()
            await world.end()

        try:
            asyncio.run(play())
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        accepted += len(world.accepted)
    return accepted


def test_words_when_everything_comes_in_between_then_nothing_is_lifted_unseen_or_lost_untold(
    tmp_path: Path, full_disk: Callable[[World], None]
) -> None:
    assert played(tmp_path, iter(range(QUICK)), full_disk) > QUICK


@pytest.mark.slow
def test_words_when_thousands_of_sequences_are_played_then_nothing_is_lifted_unseen_or_lost_untold(
    tmp_path: Path, full_disk: Callable[[World], None]
) -> None:
    assert played(tmp_path, iter(range(QUICK, MANY)), full_disk) > MANY


async def _marks_what_holds_now(self: TellingClient, reply: Reply, *ways: Any) -> None:
    for way in ways:
        if await way():
            standing = {n.n for n in self.operations.store.read().standing}
            return self.news.told(news_module.Untold(numbers=frozenset(standing)))
    return None


async def _marks_before_it_is_sent(self: TellingClient, state: Any, untold: Any) -> bool:
    self.news.told(untold)
    for page in untold.lines[:1] and ["\n".join(untold.lines)]:
        await self.send(Reply(text=page))
    return True


def _lifts_all(self: ControlStore, by: Person, **options: Any) -> ControlState:
    options.pop("shown", None)
    return REAL_RESUME(self, by, **options)


def _forgets_the_others(self: ControlState, what: str, mode: ControlMode, **more: Any) -> Any:
    if self.mode.severity >= mode.severity:
        return self
    return REAL_DOWN(self, what, mode, **more)


REAL_RESUME, REAL_DOWN = ControlStore.resume, ControlState.down


@pytest.mark.parametrize(
    ("owner", "name", "mistake"),
    [
        (TellingClient, "answer", _marks_what_holds_now),
        (TellingClient, "_tell_news", _marks_before_it_is_sent),
        (ControlStore, "resume", _lifts_all),
        (ControlState, "down", _forgets_the_others),
    ],
    ids=["marks-what-holds-now", "marks-before-sending", "lifts-unseen", "keeps-one-reason"],
)
def test_words_when_a_mistake_is_planted_then_a_sequence_convicts_it(
    tmp_path: Path, full_disk: Callable[[World], None], monkeypatch: pytest.MonkeyPatch,
    owner: type, name: str, mistake: Any,
) -> None:  # fmt: skip
    monkeypatch.setattr(owner, name, mistake)
    with pytest.raises(AssertionError, match="seed"):
        played(tmp_path, iter(range(QUICK)), full_disk)
