"""The outlook of the account a bot holds, computed beside it and kept up to date.

The bot starts a process when a candle has closed or the account has changed, looks in each loop
whether it has answered, and never waits for it. Nothing decides by an outlook: it is shown. Shocks
(`shocks.py`) are another process's, which the same loop looks after.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from freqtrade.data.dataprovider import DataProvider
from freqtrade.exchange import timeframe_to_msecs
from freqtrade.persistence import Trade

from models.base.files import Clock
from models.base.types import Candles
from models.base.units import HOUR_MS, Seconds
from models.operate.control.outlook import (
    OUTLOOK_FILE,
    OutlookPosition,
    outlook_from,
    write_outlook,
)
from models.operate.control.shocks import SHOCKS_FILE
from models.operate.journal.records import Incident
from models.trade.risk.snapshot import Exposure
from strategies.bot.child import PAUSE_S, AnsweringProcess, Launch, launcher
from strategies.bot.outlook_request import OutlookConfig, OutlookRequest, write_request
from strategies.bot.shocks import ShockKeeper
from strategies.guard.foresight import Foresight
from strategies.guard.guarding import Guarding
from strategies.human.control import Control
from strategies.seams.frames import candles

MOVED_FRAC: Final = 0.05  # of the equity: beyond, it is another account
_SAME_FRAC: Final = 1e-9
launch_worker: Final = launcher("strategies.bot.outlook_worker", "run_worker")


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
        self._clock, self._monotonic = clock, monotonic
        self._child = AnsweringProcess(folder, "outlook", launch, monotonic, config.limit_s)
        self._working: _Held | None = None  # what the process at work was asked about
        self._known: _Held | None = None  # what the file is of; None: of nothing this bot asked
        self._asked: _Held | None = None
        self._begun_s = -math.inf
        self._failed = ""

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
        if self._working is not None and not self._working.same_account(held):
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
        if self._child.works or self._monotonic() - self._begun_s < PAUSE_S:
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
        request = self._request(held, exposure)
        known = {pair: c for pair, c in newest.items() if c is not None}
        problem = self._child.start(lambda file: write_request(file, request, known))
        if problem:
            self._failed = problem
        else:
            self._working = held

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
        """Take the answer of a process that has ended; nothing but a whole one becomes the file."""
        ended, held = self._child.ended(), self._working
        if ended is None:
            return
        self._working, self._failed = None, ended.problem
        if ended.problem:
            return
        try:
            write_outlook(self._folder, outlook_from(json.loads(ended.data)))
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._failed = f"its answer cannot be kept: {error}"
        else:
            self._known = held

    def _stop(self) -> None:
        """End the process at work, if there is one; its answer is of no use."""
        self._child.stop()
        self._working = None

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
    """The outlook of a strategy's account, and its pairs' shocks; `words` is asked in each loop."""

    def __init__(
        self, host: OutlookHost, keeper: OutlookKeeper, shocks: ShockKeeper | None
    ) -> None:
        self._host, self._keeper, self._shocks = host, keeper, shocks
        self._read: dict[str, tuple[Any, Candles]] = {}  # pair -> (date of the newest, candles)
        self._told = ""

    def words(self) -> str:
        """Have both computed where they are due; return why no outlook is to be shown, or "".

        Neither waits for the other: shocks need no account that can be valued.
        """
        trouble = self._look_at_shocks()
        try:
            account = self._host.guarding.exposure()
        except Exception as error:  # noqa: BLE001 - shown, never decided on
            return f"the account cannot be valued now: {error}"
        why = self._keeper.look(account, self._candles)
        return f"{why}; of the hour to come: {trouble}" if why and trouble else why

    def _look_at_shocks(self) -> str:
        """Return what is wrong with the shocks; each trouble goes to the journal once."""
        if self._shocks is None:
            return ""
        try:
            held = (trade.pair for trade in Trade.get_open_trades())
            pairs = dict.fromkeys([*self._host.dp.current_whitelist(), *held])
            self._read = {pair: read for pair, read in self._read.items() if pair in pairs}
            trouble = self._shocks.look(list(pairs), self._candles)
        except Exception as error:  # noqa: BLE001 - the outlook does not wait for it
            trouble = f"they cannot be looked after: {error}"
        if trouble and trouble != self._told and self._host.control is not None:
            done = "entries are sized by what was said last, else by the record"
            self._host.control.record("shocks.none", Incident(what=trouble, done=done))
        self._told = trouble
        return trouble

    def _candles(self, pair: str) -> Candles | None:
        """Return what the bot has of a pair, read from its frame once a candle."""
        frame, _ = self._host.dp.get_analyzed_dataframe(pair, self._host.timeframe)
        if frame.empty:
            return None
        newest, known = frame["date"].iloc[-1], self._read.get(pair)
        if known is None or known[0] != newest:
            known = self._read[pair] = newest, candles(frame)
        return known[1]


def keep_outlook(host: OutlookHost, config: OutlookConfig) -> BotOutlook | None:
    """Return who has the account's outlook computed; a backtest has nobody to show it to."""
    if host.control is None:
        return None
    timeframe = host.config.get("timeframe") or host.timeframe
    folder, candle_ms = host.control.store.folder, int(timeframe_to_msecs(timeframe))
    datadir, clock = _datadir(host.config), host.control.clock
    keeper = OutlookKeeper(
        config, folder, datadir=datadir, timeframe=timeframe, candle_ms=candle_ms, clock=clock
    )
    if not config.enabled or candle_ms > HOUR_MS:  # a longer candle's shock is no hour's
        (folder / SHOCKS_FILE).unlink(missing_ok=True)
        return BotOutlook(host, keeper, None)
    foresight = Foresight(folder, clock)
    host.guarding.size_by(foresight)
    shocks = ShockKeeper(
        config, foresight, folder, datadir=datadir, timeframe=timeframe, candle_ms=candle_ms,
        clock=clock,
    )  # fmt: skip
    return BotOutlook(host, keeper, shocks)


def _datadir(config: Mapping[str, Any]) -> Path:
    """Return where Freqtrade keeps candles, which every bot that it starts is told."""
    told = config.get("datadir")
    return Path(config["user_data_dir"]) / "data" if told is None else Path(told)
