"""The outlook of the account a bot holds, computed beside it and kept up to date.

The bot starts a process when a candle has closed or the account has changed, looks in each loop
whether it has answered, and never waits for it. Nothing decides by an outlook here: it is shown.
"""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

from freqtrade.data.dataprovider import DataProvider
from freqtrade.exchange import timeframe_to_msecs

from models.base.files import Clock
from models.base.types import Candles
from models.base.units import HOUR_MS, Seconds
from models.operate.control.outlook import (
    OUTLOOK_FILE,
    OutlookPosition,
    outlook_from,
    write_outlook,
)
from models.trade.risk.snapshot import Exposure
from strategies.bot.outlook_request import OutlookConfig, OutlookRequest, write_request
from strategies.guard.guarding import Guarding
from strategies.human.control import Control
from strategies.seams.frames import candles

PAUSE_S: Final = 60.0  # between two starts: fills come one after the other
MOVED_FRAC: Final = 0.05  # of the equity: beyond, it is another account
_SAME_FRAC: Final = 1e-9
_LONGEST: Final = 1 << 20  # bytes of an answer
_ROOT: Final = Path(__file__).resolve().parents[2]
_CALL: Final = (
    f"import sys; sys.path.insert(0, {str(_ROOT)!r}); "
    "from strategies.bot.outlook_worker import run_worker; run_worker()"
)
_THREADS: Final = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Working(Protocol):
    """The process, as `subprocess.Popen` has it."""

    def poll(self) -> int | None: ...
    def kill(self) -> None: ...
    def wait(self, timeout: float | None = None) -> int: ...


Launch = Callable[[BinaryIO, BinaryIO], Working]  # reads the one, writes the other
# By control folder: a reload of the configuration makes a new strategy, and one process works.
_WORKING: Final[dict[Path, Working]] = {}


def launch_worker(asks: BinaryIO, answers: BinaryIO) -> Working:
    """Start the process; it gets nothing of the bot's environment, keys least of all."""
    return subprocess.Popen(
        [sys.executable, "-I", "-c", _CALL],
        stdin=asks, stdout=answers, stderr=subprocess.DEVNULL, env=dict(_THREADS), cwd="/",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Held:
    """What an outlook is of, to tell whether it still is."""

    until_ms: int
    equity: float
    amounts: Mapping[str, float]

    def same_account(self, other: _Held) -> bool:
        return (
            self.amounts.keys() == other.amounts.keys()
            and all(
                math.isclose(amount, other.amounts[pair], rel_tol=_SAME_FRAC)
                for pair, amount in self.amounts.items()
            )
            and abs(self.equity - other.equity) <= MOVED_FRAC * abs(other.equity)
        )


@dataclass(frozen=True, kw_only=True)
class _Run:
    """A process at work, and what for."""

    held: _Held
    process: Working
    answers: BinaryIO
    begun_s: float


class OutlookKeeper:
    """Keeps one bot's outlook.

    Parameters
    ----------
    folder
        The bot's control folder, where the file belongs.
    datadir, timeframe, candle_ms
        Of the bot's candles; the outlook's are an hour long at least.
    """

    def __init__(
        self,
        config: OutlookConfig,
        folder: Path,
        *,
        datadir: Path,
        timeframe: str,
        candle_ms: int,
        clock: Clock,
        monotonic: Seconds = time.monotonic,
        launch: Launch = launch_worker,
    ) -> None:
        self._config, self._folder = config, folder
        self._datadir, self._timeframe, self._own_ms = datadir, timeframe, candle_ms
        self._candle_ms = max(candle_ms, HOUR_MS)
        self._clock, self._monotonic, self._launch = clock, monotonic, launch
        self._run: _Run | None = None
        self._known: _Held | None = None  # what the file is of; None: of nothing this bot asked
        self._asked: _Held | None = None
        self._begun_s = -math.inf
        self._failed = ""
        _end(_WORKING.pop(folder, None))

    def look(self, exposure: Exposure, candles: Callable[[str], Candles | None]) -> str:
        """Have the outlook computed where it is due; return why none is to be shown, or nothing.

        Parameters
        ----------
        exposure
            The account at its newest marks.
        candles
            Those the bot has of a pair, closed ones, oldest first.
        """
        if not self._config.enabled:
            return "it is switched off (breakwater.outlook.enabled)"
        if exposure.isolated:
            return "positions may be isolated, and it is told of cross margin only"
        if not exposure.account.positions:
            self._drop()
            return "nothing is held"
        newest = {p.pair: candles(p.pair) for p in exposure.account.positions}
        held = self._held(exposure, newest)
        self._reap()
        if self._run is not None and not self._run.held.same_account(held):
            self._stop()
        if self._due(held):
            self._start(held, exposure, newest)
        return self._words(held)

    def _held(self, exposure: Exposure, newest: Mapping[str, Candles | None]) -> _Held:
        closes = [int(c.time_ms[-1]) + self._own_ms for c in newest.values() if c and len(c)]
        until_ms = min([*closes, self._clock()])
        return _Held(
            until_ms=until_ms // self._candle_ms * self._candle_ms,
            equity=exposure.equity_quote,
            amounts={p.pair: p.amount_base for p in exposure.account.positions},
        )

    def _due(self, held: _Held) -> bool:
        if self._run is not None or self._monotonic() - self._begun_s < PAUSE_S:
            return False
        asked = self._asked
        return asked is None or held.until_ms > asked.until_ms or not asked.same_account(held)

    def _words(self, held: _Held) -> str:
        if self._failed:
            return self._failed
        if self._known is None:
            return "it is being computed"
        if not self._known.same_account(held):
            return "the account has changed since; it is being computed anew"
        return ""

    # -- the process --------------------------------------------------------------------------

    def _start(self, held: _Held, exposure: Exposure, newest: Mapping[str, Candles | None]) -> None:
        self._asked, self._begun_s = held, self._monotonic()
        answers: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - read when it has ended
        try:
            with tempfile.TemporaryFile() as asks:
                request = self._request(held, exposure)
                write_request(asks, request, {p: c for p, c in newest.items() if c is not None})
                asks.seek(0)
                process = self._launch(asks, answers)
        except OSError as error:
            answers.close()
            self._failed = f"its process cannot be started: {error.strerror or error}"
            return
        _WORKING[self._folder] = process
        self._run = _Run(held=held, process=process, answers=answers, begun_s=self._begun_s)

    def _request(self, held: _Held, exposure: Exposure) -> OutlookRequest:
        account = exposure.account
        return OutlookRequest(
            asked=self._config, time_ms=self._clock(), until_ms=held.until_ms,
            candle_ms=self._candle_ms, datadir=str(self._datadir), timeframe=self._timeframe,
            equity_quote=held.equity,
            positions=tuple(
                OutlookPosition(
                    pair=p.pair, amount_base=p.amount_base, mark=float(exposure.marks[p.pair])
                )
                for p in account.positions
            ),
            tiers={p.pair: account.tiers[p.pair].tiers for p in account.positions},
        )  # fmt: skip

    def _reap(self) -> None:
        """Take the answer of a process that has ended; end one that takes too long."""
        run = self._run
        if run is None:
            return
        status = run.process.poll()
        if status is None:
            if self._monotonic() - run.begun_s > self._config.limit_s:
                self._stop()
                self._failed = f"it took more than {self._config.limit_s:g} s and was ended"
            return
        self._forget(run)
        try:
            self._take(run, status)
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._failed = f"its answer cannot be kept: {error}"

    def _take(self, run: _Run, status: int) -> None:
        """Keep an answer; nothing but a whole one becomes the bot's file."""
        with run.answers as file:
            file.seek(0)
            data = file.read(_LONGEST)
        if status != 0:
            self._failed = _reason(status, data)
            return
        write_outlook(self._folder, outlook_from(json.loads(data)))
        self._known, self._failed = run.held, ""

    def _stop(self) -> None:
        """End the process at work, if there is one; its answer is of no use."""
        if self._run is not None:
            _end(self._run.process)
            self._run.answers.close()
            self._forget(self._run)

    def _forget(self, run: _Run) -> None:
        self._run = None
        if _WORKING.get(self._folder) is run.process:
            del _WORKING[self._folder]

    def _drop(self) -> None:
        """Leave nothing of an account that is closed."""
        self._stop()
        if self._asked is not None or self._known is None:
            (self._folder / OUTLOOK_FILE).unlink(missing_ok=True)
        self._known = self._asked = None
        self._failed = ""


class OutlookHost(Protocol):
    """A strategy as its outlook sees it."""

    @property
    def config(self) -> Mapping[str, Any]: ...
    @property
    def timeframe(self) -> str: ...
    @property
    def dp(self) -> DataProvider: ...
    @property
    def control(self) -> Control | None: ...
    @property
    def guarding(self) -> Guarding: ...


class BotOutlook:
    """The outlook of a strategy's account; `words` is asked for in each loop."""

    def __init__(self, host: OutlookHost, keeper: OutlookKeeper) -> None:
        self._host, self._keeper = host, keeper

    def words(self) -> str:
        """Have it computed where it is due; return why none is to be shown, or nothing."""
        try:
            account = self._host.guarding.exposure()
        except Exception as error:  # noqa: BLE001 - shown, never decided on
            return f"the account cannot be valued now: {error}"
        return self._keeper.look(account, self._candles)

    def _candles(self, pair: str) -> Candles | None:
        frame, _ = self._host.dp.get_analyzed_dataframe(pair, self._host.timeframe)
        return None if frame.empty else candles(frame)


def keep_outlook(host: OutlookHost, config: OutlookConfig) -> BotOutlook | None:
    """Return who has the account's outlook computed; a backtest has nobody to show it to."""
    if host.control is None:
        return None
    timeframe = host.config.get("timeframe") or host.timeframe
    keeper = OutlookKeeper(
        config, host.control.store.folder, datadir=_datadir(host.config),
        timeframe=timeframe, candle_ms=int(timeframe_to_msecs(timeframe)),
        clock=host.control.clock,
    )  # fmt: skip
    return BotOutlook(host, keeper)


def _datadir(config: Mapping[str, Any]) -> Path:
    """Return where Freqtrade keeps candles, which every bot that it starts is told."""
    told = config.get("datadir")
    return Path(config["user_data_dir"]) / "data" if told is None else Path(told)


def _end(process: Working | None) -> None:
    if process is not None and process.poll() is None:
        process.kill()
        with suppress(subprocess.TimeoutExpired):  # one that hangs in the kernel is not waited for
            process.wait(timeout=1.0)


def _reason(status: int, data: bytes) -> str:
    """Return why there is no outlook: what the process said, or how it ended."""
    try:
        said: Any = json.loads(data)
        return str(said["problem"])
    except (ValueError, KeyError, TypeError):
        pass
    if status < 0:
        name = signal.Signals(-status).name if -status in list(signal.Signals) else str(-status)
        return f"its process was ended by {name}: too much memory or time, or by hand"
    return f"its process ended with status {status}"
