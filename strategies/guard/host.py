"""What the guards read of the strategy they guard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from freqtrade.data.dataprovider import DataProvider
from freqtrade.wallets import Wallets

from models.data.labels.settings import LabelSettings
from models.trade.decision.signals import DecisionConfig
from models.trade.decision.sizing import SizingConfig
from strategies.guard.second_source import SecondSource


class Host(Protocol):
    """A strategy as its guards see it; Freqtrade provides `dp` and `wallets` after construction."""

    @property
    def config(self) -> Mapping[str, Any]:
        """Freqtrade's config."""

    @property
    def timeframe(self) -> str:
        """Freqtrade's name of a candle's length, "1h"."""

    @property
    def candle_ms(self) -> int:
        """Length of a candle."""

    @property
    def dp(self) -> DataProvider:
        """Analysed candles, order books, funding rates, and the exchange behind them."""

    @property
    def wallets(self) -> Wallets | None:
        """Balances; None until Freqtrade has provided them."""

    @property
    def order_types(self) -> Mapping[str, Any]:
        """Freqtrade's block, with `stoploss_on_exchange`."""

    @property
    def has_stops(self) -> bool:
        """Whether positions have stops, which a traded price sets off; else only marks count."""

    @property
    def labels(self) -> LabelSettings:
        """What the forecasts answer."""

    @property
    def decision(self) -> DecisionConfig:
        """Which heads a person has waived."""

    @property
    def sizing(self) -> SizingConfig:
        """How far away a stop may be."""

    @property
    def second_source(self) -> SecondSource | None:
        """A second venue's candles, where one is configured."""

    def latency_p99_ms(self) -> float | None:
        """Return the 99th percentile from a candle's close to its order; None if not measured."""
