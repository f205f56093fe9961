"""The shocks of the pairs a bot may trade, computed beside it once a candle.

A process of its own, apart from the outlook's: no fill and no pair without candles holds it up.
What it says is for the guards (`strategies.guard.foresight`), which never wait for it.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from freqtrade.enums import CandleType

from models.base.files import Clock
from models.base.types import Candles
from models.base.units import HOUR_MS, Seconds
from models.operate.control.shocks import PairShock, Unforeseen
from strategies.bot.child import PAUSE_S, AnsweringProcess, Launch, launcher
from strategies.bot.data_files import DataFile
from strategies.bot.outlook_request import (
    LEAST_SPAN_MS,
    TOO_FEW,
    OutlookConfig,
    ShockRequest,
    write_request,
)
from strategies.guard.foresight import Foresight

AGAIN_S: Final = 600.0  # after one that failed
launch_shock_worker: Final = launcher("strategies.bot.shock_worker", "run_shock_worker")


class ShockKeeper:
    """Has one bot's shocks computed.

    Parameters
    ----------
    foresight
        Who is told.
    folder
        The bot's control folder.
    datadir, timeframe, candle_ms
        Of the bot's candles, of an hour at most.
    """

    def __init__(
        self,
        config: OutlookConfig,
        foresight: Foresight,
        folder: Path,
        *,
        datadir: Path,
        timeframe: str,
        candle_ms: int,
        clock: Clock,
        monotonic: Seconds = time.monotonic,
        launch: Launch = launch_shock_worker,
    ) -> None:
        self._config, self._foresight = config, foresight
        self._datadir, self._timeframe, self._own_ms = datadir, timeframe, candle_ms
        self._clock, self._monotonic = clock, monotonic
        self._child = AnsweringProcess(folder, "shocks", launch, monotonic, config.limit_s)
        self._begun_s = -math.inf
        self._looked: tuple[int, frozenset[str]] = (0, frozenset())  # until when, and whose
        self._failed = ""

    def look(self, pairs: Sequence[str], candles: Callable[[str], Candles | None]) -> str:
        """Have shocks computed where they are due; return what is wrong with them, or nothing.

        Parameters
        ----------
        pairs
            In which something is held or may be opened.
        candles
            Those the bot has of a pair, closed ones, oldest first.
        """
        self._reap()
        newest = {pair: candles(pair) for pair in dict.fromkeys(pairs)}
        closes = [int(c.time_ms[-1]) + self._own_ms for c in newest.values() if c and len(c)]
        until_ms = min([max(closes, default=self._clock()), self._clock()]) // HOUR_MS * HOUR_MS
        if self._due(until_ms, frozenset(newest)):
            self._start(until_ms, newest)
        return self._failed or self._foresight.unread

    def _due(self, until_ms: int, pairs: frozenset[str]) -> bool:
        pause_s = AGAIN_S if self._failed else PAUSE_S
        if self._child.works or self._monotonic() - self._begun_s < pause_s:
            return False
        looked_ms, looked = self._looked
        return bool(self._failed) or until_ms > looked_ms or not pairs <= looked

    def _start(self, until_ms: int, newest: Mapping[str, Candles | None]) -> None:
        self._begun_s, self._looked = self._monotonic(), (until_ms, frozenset(newest))
        pairs = tuple(pair for pair, c in newest.items() if self._can_be_told(pair, c))
        known = {pair: c for pair in pairs if (c := newest[pair]) is not None}
        request = ShockRequest(
            asked=self._config, until_ms=until_ms, candle_ms=HOUR_MS, datadir=str(self._datadir),
            timeframe=self._timeframe, pairs=pairs,
        )  # fmt: skip
        if pairs:  # what failed last is told until there is an answer
            problem = self._child.start(lambda file: write_request(file, request, known))
            self._failed = problem or self._failed
        self._tell([], [Unforeseen(pair=pair, why=TOO_FEW) for pair in newest if pair not in pairs])

    def _can_be_told(self, pair: str, newest: Candles | None) -> bool:
        """Whether enough candles may be there: what is on disk the process reads."""
        known = 0 if newest is None else len(newest)
        return known * self._own_ms >= LEAST_SPAN_MS or self._file_of(pair).is_file()

    def _file_of(self, pair: str) -> Path:
        return DataFile(
            datadir=self._datadir, pair=pair, timeframe=self._timeframe,
            candle_type=CandleType.FUTURES,
        ).path  # fmt: skip

    def _reap(self) -> None:
        """Take the lines of a process that has ended, as far as they are whole."""
        ended = self._child.ended()
        if ended is None:
            return
        self._failed = ended.problem
        if ended.problem:
            self._begun_s = self._monotonic()  # the pause counts from here
        known, missing = [], []
        for line in ended.data.splitlines():
            try:
                values = json.loads(line)
                if "why" in values:
                    missing.append(Unforeseen(**values))
                else:
                    known.append(PairShock(**values))
            except (ValueError, TypeError) as error:
                self._failed = self._failed or f"its answer is no shock: {error}"
        self._tell(known, missing)

    def _tell(self, known: Sequence[PairShock], missing: Sequence[Unforeseen]) -> None:
        try:
            self._foresight.take(known, missing)
        except OSError as error:
            self._failed = f"its answer cannot be kept: {error}"
