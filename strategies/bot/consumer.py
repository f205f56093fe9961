"""ConsumerStrategy: trades another bot's forecasts behind this bot's own guards."""

from __future__ import annotations

import logging
import time
from typing import Any, Final

from freqtrade.enums import TRADE_MODES
from pandas import DataFrame

from models.base.errors import ConfigError
from strategies.bot.config import PackConfig
from strategies.bot.consumed import tells_newest, with_told
from strategies.bot.forecast import ForecastStrategy
from strategies.bot.frames import restore_missing_forecasts, with_interval_prices

logger = logging.getLogger(__name__)

_LOOK_S: Final = 0.05  # between two looks for the producer's row


class ConsumerStrategy(ForecastStrategy):
    """Takes its forecast columns from the one producer of `external_message_consumer`.

    Freqtrade would have a strategy look again in every loop; stops and guards would wait for it.
    Here each candle is analysed once, as everywhere in the pack, and what waits, for a bounded
    time, is the analysis. No row of this very candle by then is no forecast, until the next.
    """

    def _read_settings(self, config: dict[str, Any], pack: PackConfig) -> None:
        super()._read_settings(config, pack)
        self._wait_s = pack.consumer.wait_s
        self._producer = _producer(config)

    def with_forecasts(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        """Add the columns the producer has told; none where it has not told of this candle."""
        told = self._told(metadata["pair"], dataframe)
        frame, why = with_told(dataframe, told)
        if why:
            logger.warning(
                "%s: no forecast by producer %r for the candle of %s: %s",
                metadata["pair"], self._producer, dataframe["date"].iloc[-1], why,
            )  # fmt: skip
        return with_interval_prices(restore_missing_forecasts(frame))

    def _told(self, pair: str, candles: DataFrame) -> DataFrame:
        """Return the producer's frame, waiting for the row of the newest candle."""
        deadline = time.monotonic() + self._wait_s
        told: DataFrame
        while True:
            told, _ = self.dp.get_producer_df(pair, producer_name=self._producer)
            if tells_newest(told, candles) or time.monotonic() >= deadline:
                return told
            time.sleep(_LOOK_S)


def _producer(config: dict[str, Any]) -> str:
    """Return the name of the one producer; a run that does not trade needs none.

    Raises
    ------
    ConfigError
        If there is none or several, or this bot has a model of its own.
    """
    if config.get("runmode") not in TRADE_MODES:
        return ""
    consumer = config.get("external_message_consumer") or {}
    names = [str(one["name"]) for one in consumer.get("producers") or ()]
    if len(names) != 1 or not consumer.get("enabled"):
        raise ConfigError(
            f"expected one producer of forecasts, got {names if consumer.get('enabled') else []}",
            where="external_message_consumer",
            cure="name one, and enable it; see user_data/docs/deploy.md",
        )
    if (config.get("freqai") or {}).get("enabled"):
        raise ConfigError(
            "expected a bot without a model of its own", where="freqai.enabled",
            cure="set it to false, or trade with BitcoinCrossMargin",
        )  # fmt: skip
    return names[0]
