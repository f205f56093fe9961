"""Several bots, a watchdog each: a process of its own, with that bot's heartbeat and account.

None waits for another's exchange, none dies of another's fault, and the death of one bot is seen
however alive the other is.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from models.base.errors import ConfigError
from models.operate.control.owner import BotStage
from strategies.account.config_files import config_of_files
from strategies.account.identity import bot_identity

logger = logging.getLogger(__name__)

_LOOK_S: Final = 0.5
_PAUSE_S: Final = 5.0  # before a watchdog that has ended is started again
_WRONG_SETTINGS: Final = 2  # exit status of a command that was refused
_AT_START_S: Final = 60.0
_END_S: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class WatchedBot:
    """One bot to watch: its config files, and its user directory if not as configured."""

    configs: tuple[Path, ...]
    userdir: Path | None = None

    @property
    def name(self) -> str:
        """What a person is told it is."""
        return str(self.configs[0] if self.userdir is None else self.userdir)

    def arguments(self) -> list[str]:
        """Return the options that watch this bot alone."""
        words = [word for path in self.configs for word in ("--config", str(path))]
        words += [] if self.userdir is None else ["--userdir", str(self.userdir)]
        return [*words, "--name", self.name]


def watched_bot(paths: Sequence[Path]) -> WatchedBot:
    """Return the bot of one `--bot`: config files, and perhaps its user directory among them.

    Raises
    ------
    ConfigError
        If it names no config file, or two directories.
    """
    folders = [path for path in paths if path.is_dir()]
    configs = tuple(path for path in paths if not path.is_dir())
    if not configs or len(folders) > 1:
        raise ConfigError(
            "expected config files and at most one user directory, got "
            + " ".join(map(str, paths)),
            where="--bot",
            cure="as `--bot config_a.json user_data_a --bot config_b.json user_data_b`",
        )
    return WatchedBot(configs=configs, userdir=folders[0] if folders else None)


def refuse_one_account(bots: Iterable[WatchedBot]) -> None:
    """Refuse two bots of one exchange account; live, the exchange is asked once for each.

    The watchdog of the dead one would cancel the entries of the other, and perhaps sell what it
    holds.

    Raises
    ------
    ConfigError
        If there are two; names them.
    """
    known: dict[tuple[str, str, str], WatchedBot] = {}
    for bot in bots:
        found = bot_identity(config_of_files(bot.configs))
        account = (found.exchange, found.where, found.uid or found.key)
        if found.stage is BotStage.DRY_RUN or not account[-1]:
            continue
        other = known.setdefault(account, bot)
        if other is not bot:
            raise ConfigError(
                f"expected bots of different accounts; {other.name} and {bot.name} are of one",
                where="--bot", cure="watch the one that trades it; give each bot a sub-account",
            )  # fmt: skip


def watch_each(
    bots: Sequence[WatchedBot],
    more: Sequence[str] = (),
    *,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Run a watchdog for each bot until a person ends this process.

    Parameters
    ----------
    more
        Options every watchdog gets.

    Returns
    -------
    int
        The exit status: that of a watchdog whose settings were refused at the start.
    """
    command = [sys.executable, "-m", "strategies.desk.cli", "watchdog", *more]

    def start(bot: WatchedBot) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*command, *bot.arguments()])

    signal.signal(signal.SIGTERM, _as_interrupt)
    begun_s = monotonic()
    running = {bot: start(bot) for bot in bots}
    due_s: dict[WatchedBot, float] = {}  # when one that has ended is started again
    try:
        while True:
            for bot, process in list(running.items()):
                status = process.poll()
                if status is None:
                    continue
                if status == _WRONG_SETTINGS and monotonic() - begun_s < _AT_START_S:
                    return status
                if bot not in due_s:
                    due_s[bot] = monotonic() + _PAUSE_S
                    logger.error("the watchdog of %s ended with status %s; it is started again",
                                 bot.name, status)  # fmt: skip
                elif monotonic() >= due_s[bot]:
                    del due_s[bot]
                    running[bot] = start(bot)
            sleep(_LOOK_S)
    except KeyboardInterrupt:
        return 0
    finally:
        _end(running.values())


def _end(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(timeout=_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _as_interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
