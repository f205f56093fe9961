"""Freqtrade's exchange object, which its data provider holds for itself.

A strategy is given a data provider and no exchange. The guards need one: the account, the resting
orders and the margin tiers are the exchange's alone.
"""

from __future__ import annotations

from freqtrade.data.dataprovider import DataProvider
from freqtrade.exchange import Exchange

from strategies.seams.record import Library, Seam, lacks_attributes


def exchange_of(dp: DataProvider) -> Exchange:
    """Return the exchange behind a data provider; a backtest's may have none."""
    return dp._exchange


def exchange_if_any(dp: DataProvider) -> Exchange | None:
    """Return the exchange behind a data provider, None where there is none."""
    return getattr(dp, "_exchange", None)


def _probe() -> str:
    return lacks_attributes(DataProvider, "_exchange")


EXCHANGE_OBJECT = Seam(
    name="DataProvider._exchange",
    what="read",
    why="account, orders and margin tiers are asked of the exchange",
    since="freqtrade 2021.4",
    without="no guard knows the account",
    probe=_probe,
    library=Library.EXCHANGE,
    safety=True,
)
