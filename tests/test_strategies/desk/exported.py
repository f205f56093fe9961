"""Trades as Freqtrade's own records write them into a backtest's result."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from freqtrade.persistence import LocalTrade, Order

BTC = "BTC/USDT:USDT"
START = datetime(2024, 1, 1, tzinfo=UTC)


def exported(
    pair: str = BTC, *orders: tuple[str, float, float, float], short: bool = False,
    reason: str = "exit_signal",
) -> dict[str, Any]:  # fmt: skip
    """One closed trade as Freqtrade exports it; orders are (side, hour, amount, price)."""
    trade = LocalTrade(
        id=1, pair=pair, base_currency=pair[:3], stake_currency="USDT", is_short=short,
        stake_amount=100.0, amount=orders[0][2], open_rate=orders[0][3], leverage=2.0,
        open_date=START + timedelta(hours=orders[0][1]), close_date=START + timedelta(hours=9),
        close_rate=orders[-1][3], close_profit=0.0, close_profit_abs=0.0, exit_reason=reason,
        fee_open=0.0005, fee_close=0.001, is_open=False, exchange="binance",
    )  # fmt: skip
    for i, (side, hour, amount, price) in enumerate(orders):
        when = START + timedelta(hours=hour)
        trade.orders.append(Order(
            id=i, ft_trade_id=1, ft_order_side=side, ft_pair=pair, ft_is_open=False, side=side,
            ft_amount=amount, ft_price=price, order_id=str(i), status="closed", symbol=pair,
            order_type="market", price=price, average=price, amount=amount, filled=amount,
            remaining=0.0, cost=amount * price, order_date=when, order_filled_date=when,
        ))  # fmt: skip
    return trade.to_json(minified=True)
