"""What the fast lane reads of the bot it hurries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from freqtrade.data.dataprovider import DataProvider
from freqtrade.wallets import Wallets

from strategies.seams.kept_candles import Market


class LaneHost(Protocol):
    """A strategy, with what Freqtrade provides after construction."""

    @property
    def config(self) -> Mapping[str, Any]:
        """Freqtrade's config."""

    @property
    def timeframe(self) -> str:
        """Freqtrade's name of a candle's length, "1h"."""

    @property
    def dp(self) -> DataProvider:
        """Candles and pairs."""

    @property
    def wallets(self) -> Wallets | None:
        """Balances; None until Freqtrade has provided them."""

    def gather_informative_pairs(self) -> Sequence[Market]:
        """Return the markets that are fetched and not traded."""

    def look_ahead(self, pairs: Sequence[str]) -> None:
        """Ask for what the guards will want to know of an order in `pairs`."""
