"""What a bot's outlook is made of: its account, its pairs, its candles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from freqtrade.data.dataprovider import DataProvider
from freqtrade.exchange import timeframe_to_msecs

from models.base.types import Candles
from models.base.units import HOUR_MS
from strategies.bot.outlook import OutlookKeeper
from strategies.bot.outlook_request import OutlookConfig
from strategies.guard.foresight import Foresight
from strategies.guard.guarding import Guarding
from strategies.human.control import Control
from strategies.seams.frames import candles


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
        self._read: dict[str, tuple[Any, Candles]] = {}  # pair -> (date of the newest, candles)

    def words(self) -> str:
        """Have it computed where it is due; return why none is to be shown, or nothing."""
        try:
            account = self._host.guarding.exposure()
        except Exception as error:  # noqa: BLE001 - shown, never decided on
            return f"the account cannot be valued now: {error}"
        return self._keeper.look(account, self._host.dp.current_whitelist(), self._candles)

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
    candle_ms, folder = int(timeframe_to_msecs(timeframe)), host.control.store.folder
    foresight = None
    if config.enabled and candle_ms <= HOUR_MS:  # a longer candle's shock is no hour's
        foresight = Foresight(folder, host.control.clock)
        host.guarding.size_by(foresight)
    keeper = OutlookKeeper(
        config, folder, datadir=_datadir(host.config), timeframe=timeframe, candle_ms=candle_ms,
        clock=host.control.clock, foresight=foresight,
    )  # fmt: skip
    return BotOutlook(host, keeper)


def _datadir(config: Mapping[str, Any]) -> Path:
    """Return where Freqtrade keeps candles, which every bot that it starts is told."""
    told = config.get("datadir")
    return Path(config["user_data_dir"]) / "data" if told is None else Path(told)
