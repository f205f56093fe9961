"""The account as the guards see it, read from Freqtrade's wallets and open trades."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from models.errors import InputError
from models.risk.limits import AccountState


def account_state(
    wallet_quote: float, trades: Iterable[Any], prices: Mapping[str, float]
) -> AccountState:
    """Return the marked account.

    Parameters
    ----------
    wallet_quote
        Wallet balance: deposits and realised profit, without open profit.
    trades
        Freqtrade's open trades.
    prices
        Current price of every pair with an open trade.

    Raises
    ------
    InputError
        If an open trade's pair has no price: an unmarked leg must not count as zero.
    """
    equity, gross, net = wallet_quote, 0.0, 0.0
    for trade in trades:
        if trade.pair not in prices:
            raise InputError(f"no price for the open position in {trade.pair}")
        price = prices[trade.pair]
        side = -1 if trade.is_short else 1
        notional = trade.amount * price
        equity += side * trade.amount * (price - trade.open_rate)
        gross += notional
        net += side * notional
    return AccountState(equity_quote=equity, gross_notional_quote=gross, net_notional_quote=net)
