"""The outlook of the account a bot holds, computed beside it and kept up to date.

The bot starts a process when a candle has closed or the account has changed, looks in each loop
whether it has answered, and never waits for it. An outlook is shown, and nothing decides by it. The
shocks that come with it are for the guards (`strategies.guard.foresight`).
"""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

from freqtrade.enums import CandleType

from models.base.files import Clock
from models.base.types import Candles
from models.base.units import HOUR_MS, Seconds
from models.operate.control.outlook import (
    OUTLOOK_FILE,
    OutlookPosition,
    outlook_from,
    write_outlook,
)
from models.trade.account.cross import Position
from models.trade.risk.snapshot import Exposure
from strategies.bot.data_files import DataFile
from strategies.bot.outlook_request import (
    LEAST_SPAN_MS,
    OutlookConfig,
    OutlookRequest,
    write_request,
)
from strategies.guard.foresight import Foresight

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
    foresight
        Who is told of shocks; None: they are not asked for.
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
        foresight: Foresight | None = None,
        launch: Launch = launch_worker,
    ) -> None:
        self._config, self._folder, self._foresight = config, folder, foresight
        self._datadir, self._timeframe, self._own_ms = datadir, timeframe, candle_ms
        self._candle_ms = max(candle_ms, HOUR_MS)
        self._clock, self._monotonic, self._launch = clock, monotonic, launch
        self._run: _Run | None = None
        self._known: _Held | None = None  # what the file is of; None: of nothing this bot asked
        self._left = True  # whether there may be a file: a life before may have left one
        self._asked: _Held | None = None
        self._begun_s = -math.inf
        self._failed = ""
        _end(_WORKING.pop(folder, None))

    def look(
        self,
        exposure: Exposure,
        pairs: Sequence[str],
        candles: Callable[[str], Candles | None],
    ) -> str:
        """Have the outlook computed where it is due; return why none is to be shown, or nothing.

        Parameters
        ----------
        exposure
            The account at its newest marks.
        pairs
            In which something may be opened.
        candles
            Those the bot has of a pair, closed ones, oldest first.
        """
        if not self._config.enabled:
            return "it is switched off (breakwater.outlook.enabled)"
        positions = () if exposure.isolated else exposure.account.positions
        names = dict.fromkeys([*(p.pair for p in exposure.account.positions), *pairs])
        newest = {pair: candles(pair) for pair in names}
        asked = tuple(pair for pair in newest if self._can_ask(pair, newest[pair]))
        held = self._held(exposure.equity_quote, positions, newest)
        self._reap()
        if not positions:
            self._drop()
        if self._run is not None and not self._run.held.same_account(held):
            self._stop()
        if (positions or asked) and self._due(held):
            self._start(held, self._request(held, exposure, positions, asked), newest)
        if exposure.isolated:
            return "positions may be isolated, and it is told of cross margin only"
        if not positions:
            return f"nothing is held{self._failed and f'; sizes lack it: {self._failed}'}"
        return self._words(held)

    def _can_ask(self, pair: str, newest: Candles | None) -> bool:
        """Whether shocks of a pair can be asked for: enough candles may be there."""
        if self._foresight is None:
            return False
        known = 0 if newest is None else len(newest)
        return known * self._own_ms >= LEAST_SPAN_MS or self._file_of(pair).is_file()

    def _file_of(self, pair: str) -> Path:
        return DataFile(
            datadir=self._datadir, pair=pair, timeframe=self._timeframe,
            candle_type=CandleType.FUTURES,
        ).path  # fmt: skip

    def _held(
        self, equity: float, positions: Sequence[Position], newest: Mapping[str, Candles | None]
    ) -> _Held:
        """Return what is held, and the close until which candles count."""
        closes = {p: int(c.time_ms[-1]) + self._own_ms for p, c in newest.items() if c and len(c)}
        until_ms = self._clock()
        if held := [closes[p.pair] for p in positions if p.pair in closes]:
            until_ms = min(until_ms, *held)
        elif closes:
            until_ms = min(until_ms, max(closes.values()))
        return _Held(
            until_ms=until_ms // self._candle_ms * self._candle_ms,
            equity=equity,
            amounts={p.pair: p.amount_base for p in positions},
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

    def _start(
        self, held: _Held, request: OutlookRequest, newest: Mapping[str, Candles | None]
    ) -> None:
        self._asked = held
        if held.amounts:  # an entry does not wait for what was asked while nothing was held
            self._begun_s = self._monotonic()
        answers: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - read when it has ended
        try:
            with tempfile.TemporaryFile() as asks:
                write_request(asks, request, {p: c for p, c in newest.items() if c is not None})
                asks.seek(0)
                process = self._launch(asks, answers)
        except OSError as error:
            answers.close()
            self._failed = f"its process cannot be started: {error.strerror or error}"
            return
        _WORKING[self._folder] = process
        self._run = _Run(held=held, process=process, answers=answers, begun_s=self._monotonic())

    def _request(
        self, held: _Held, exposure: Exposure, positions: Sequence[Position], pairs: tuple[str, ...]
    ) -> OutlookRequest:
        tiers = exposure.account.tiers
        return OutlookRequest(
            asked=self._config, time_ms=self._clock(), until_ms=held.until_ms,
            candle_ms=self._candle_ms, datadir=str(self._datadir), timeframe=self._timeframe,
            equity_quote=held.equity,
            positions=tuple(
                OutlookPosition(
                    pair=p.pair, amount_base=p.amount_base, mark=float(exposure.marks[p.pair])
                )
                for p in positions
            ),
            pairs=pairs,
            tiers={p.pair: tiers[p.pair].tiers for p in positions},
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
        """Keep an answer; nothing but a whole outlook, or shocks, becomes the bot's file."""
        with run.answers as file:
            file.seek(0)
            data = file.read(_LONGEST)
        if status != 0:
            self._failed = _reason(status, data)
            return
        answer = json.loads(data)
        self._failed = str(answer["problem"])
        if answer["shocks"] is not None and self._foresight is not None:
            self._foresight.take(answer["shocks"])
        if answer["outlook"] is not None:
            write_outlook(self._folder, outlook_from(answer["outlook"]))
            self._known, self._left = run.held, True

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
        if self._left:
            (self._folder / OUTLOOK_FILE).unlink(missing_ok=True)
        self._known, self._left = None, False


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
