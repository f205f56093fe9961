"""The shocks of the pairs a bot may trade, computed beside it once a candle.

A process of its own, apart from the outlook's: no fill and no pair without candles holds it up.
What it says is for the guards (`strategies.guard.foresight`), which never wait for it.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
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
        self._answered: dict[str, int] = {}  # pair -> close of the newest hour it was asked about
        self._asked: dict[str, int] = {}  # the same of the process at work
        self._failed = ""

    def look(self, pairs: Sequence[str], candles: Callable[[str], Candles | None]) -> str:
        """Have shocks computed where they are due; return what is wrong with them, or nothing.

        A pair is due when an hour of the candles that the bot has of it is over and nothing was
        said of it since; of one without candles, as each is in a bot's first loop, nothing is.

        Parameters
        ----------
        pairs
            In which something is held or may be opened.
        candles
            Those the bot has of a pair, closed ones, oldest first.
        """
        known = {p: c for p in dict.fromkeys(pairs) if (c := candles(p)) is not None and len(c)}
        ended = self._reap(known)
        due = {pair: close for pair, c in known.items() if self._due(pair, close := self._close(c))}
        if not (due or ended or self._child.works):
            self._failed = ""  # it was told, and nothing is left to be asked again
        pause_s = AGAIN_S if self._failed else PAUSE_S
        if due and not self._child.works and self._monotonic() - self._begun_s >= pause_s:
            self._start(due, known)
        return self._failed or self._foresight.unread

    def _close(self, newest: Candles) -> int:
        """Return the close of the newest whole hour."""
        close = min(int(newest.time_ms[-1]) + self._own_ms, self._clock())
        return close // HOUR_MS * HOUR_MS

    def _due(self, pair: str, close_ms: int) -> bool:
        said_ms = max(self._foresight.until(pair), self._answered.get(pair, 0))
        return said_ms < close_ms

    def _start(self, due: Mapping[str, int], newest: Mapping[str, Candles]) -> None:
        """Start a process; first come those that nothing was said of for longest."""
        self._begun_s = self._monotonic()
        asked = [pair for pair in due if self._can_be_told(pair, newest[pair])]
        asked.sort(key=self._foresight.until)
        few = [Unforeseen(pair=pair, why=TOO_FEW) for pair in due if pair not in asked]
        self._answered |= {one.pair: due[one.pair] for one in few}
        self._tell([], few, newest)
        if not asked:
            return
        self._asked = {pair: due[pair] for pair in asked}
        request = ShockRequest(
            asked=self._config, until_ms=max(self._asked.values()), candle_ms=HOUR_MS,
            datadir=str(self._datadir), timeframe=self._timeframe, pairs=tuple(asked),
        )  # fmt: skip
        known = {pair: newest[pair] for pair in asked}
        problem = self._child.start(lambda file: write_request(file, request, known))
        self._failed = problem or self._failed  # what failed last is told until there is an answer

    def _can_be_told(self, pair: str, newest: Candles) -> bool:
        """Whether enough candles may be there: what is on disk the process reads."""
        file = DataFile(
            datadir=self._datadir, pair=pair, timeframe=self._timeframe,
            candle_type=CandleType.FUTURES,
        )  # fmt: skip
        return len(newest) * self._own_ms >= LEAST_SPAN_MS or file.path.is_file()

    def _reap(self, followed: Collection[str]) -> bool:
        """Take the whole lines of a process that has ended; return whether one has."""
        ended = self._child.ended()
        if ended is None:
            return False
        self._failed = ended.problem
        known: list[PairShock] = []
        missing: list[Unforeseen] = []
        for line in ended.data.splitlines():
            try:
                values = json.loads(line)
                if "why" in values:
                    missing.append(Unforeseen(**values))
                else:
                    known.append(PairShock(**values))
            except (ValueError, TypeError) as error:
                self._failed = self._failed or f"its answer is no shock: {error}"
        said = {one.pair for one in known} | {one.pair for one in missing}
        self._answered |= {pair: close for pair, close in self._asked.items() if pair in said}
        if not self._asked.keys() <= said:
            self._failed = self._failed or "it has not answered for every pair"
        if self._failed:
            self._begun_s = self._monotonic()  # the pause counts from here
        self._tell(known, missing, followed)
        return True

    def _tell(
        self, known: Sequence[PairShock], missing: Sequence[Unforeseen], followed: Collection[str]
    ) -> None:
        try:
            self._foresight.take(known, missing, followed)
        except OSError as error:
            self._failed = f"its answer cannot be kept: {error}"
