"""What was paid, in money: the parts of the hedge's result add up to it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from models.reports.hedge.build import paid_lines


def account(end: float, fees: float, slippage: float, funding: float) -> Any:
    return SimpleNamespace(
        equity_close=np.array([1_000.0, end]), start_wallet_quote=1_000.0, fees_quote=fees,
        slippage_quote=slippage, funding_quote=funding,
    )  # fmt: skip


def test_paid_when_the_hedge_lost_then_fees_funding_and_prices_add_up_to_it() -> None:
    run: Any = SimpleNamespace(
        both=account(700.0, 30.0, 5.0, 90.0), alone=account(800.0, 10.0, 1.0, -20.0)
    )
    lines = paid_lines(run, {"cost_year": 0.0092, "funding_year": 0.132})
    assert [(money, share) for _, money, share in lines] == [
        ("−24 USDT", "−0.92 %"), ("+110 USDT", "+13.20 %"), ("−186 USDT", "–"), ("−100 USDT", "–"),
    ]  # fmt: skip
    assert -24 + 110 - 186 == -100
