"""The account is marked at current prices, leg by leg."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InputError
from strategies.base.snapshot import account_state

price = st.floats(0.1, 1e5)


def trade(pair: str, amount: float, open_rate: float, is_short: bool = False) -> Any:
    return SimpleNamespace(pair=pair, amount=amount, open_rate=open_rate, is_short=is_short)


def test_account_when_worked_by_hand_then_profit_and_exposure_have_their_signs() -> None:
    trades = [trade("BTC", 2.0, 100.0), trade("LTC", 5.0, 40.0, is_short=True)]
    state = account_state(1000.0, trades, {"BTC": 110.0, "LTC": 44.0})
    assert state.equity_quote == 1000.0 + 2 * 10.0 - 5 * 4.0
    assert state.gross_notional_quote == 220.0 + 220.0
    assert state.net_notional_quote == 0.0


def test_account_when_nothing_is_open_then_equity_is_the_wallet() -> None:
    state = account_state(1000.0, [], {})
    assert (state.equity_quote, state.gross_notional_quote, state.net_notional_quote) == (
        1000.0, 0.0, 0.0,
    )  # fmt: skip


def test_account_when_a_leg_has_no_price_then_it_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="no price for the open position in LTC"):
        account_state(1000.0, [trade("BTC", 1, 1), trade("LTC", 1, 1)], {"BTC": 1.0})


@given(amount=st.floats(0.01, 1e3), opened=price, now=price, wallet=st.floats(0, 1e6))
def test_account_when_long_and_short_are_equal_then_equity_is_the_wallet_at_any_price(
    amount: float, opened: float, now: float, wallet: float
) -> None:
    both = [trade("BTC", amount, opened), trade("BTC", amount, opened, is_short=True)]
    state = account_state(wallet, both, {"BTC": now})
    assert state.equity_quote == pytest.approx(
        wallet, abs=1e-9 * (wallet + amount * (opened + now))
    )
    assert state.net_notional_quote == 0.0
    assert state.gross_notional_quote == 2 * (amount * now)
    long_only = account_state(wallet, both[:1], {"BTC": now})
    assert (long_only.equity_quote > wallet) == (wallet + amount * (now - opened) > wallet)
