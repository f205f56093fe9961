"""An exit Freqtrade wrote down without telling the trade is booked again, and nothing else is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from freqtrade.persistence import Trade

from strategies.guard.adoption import reopen_exit


@pytest.fixture(autouse=True)
def commits(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    done: list[bool] = []
    monkeypatch.setattr(Trade, "commit", lambda: done.append(True))
    return done


def order(side: str, filled: float, *, waits: bool = False) -> SimpleNamespace:
    return SimpleNamespace(
        order_id=f"{side}-{filled:g}", ft_order_side=side, safe_filled=filled, ft_is_open=waits
    )


def trade(amount: float, *orders: SimpleNamespace) -> Any:
    return SimpleNamespace(
        pair="BTC", amount=amount, entry_side="buy", exit_side="sell", orders=list(orders)
    )


@pytest.mark.parametrize("left", [0.0, 6.0])
def test_exit_when_the_trade_has_not_heard_of_it_then_it_is_booked_once_more(
    left: float, commits: list[bool]
) -> None:
    exit_ = order("sell", 10.0 - left)
    held = trade(10.0, order("buy", 10.0), order("stoploss", 0.0, waits=True), exit_)
    assert reopen_exit(held, 10.0 - left) == [
        f"BTC: sell-{10.0 - left:g} had not reached its trade"
    ]
    assert exit_.ft_is_open
    assert commits == [True]
    assert reopen_exit(held, 10.0 - left) == []  # it waits to be booked


def test_exit_when_an_earlier_one_was_heard_of_then_the_last_is_booked_once_more() -> None:
    orders = (order("buy", 10.0), order("sell", 4.0), order("sell", 2.0))
    held = trade(6.0, *orders)
    assert reopen_exit(held, 2.0) == ["BTC: sell-2 had not reached its trade"]
    assert [o.ft_is_open for o in orders] == [False, False, True]


@pytest.mark.parametrize(
    ("held", "missing"),
    [
        (trade(6.0, order("buy", 10.0), order("sell", 4.0)), 4.0),  # heard of; this is another
        (trade(10.0, order("buy", 10.0)), 4.0),
        (trade(10.0, order("buy", 10.0), order("sell", 4.0, waits=True)), 4.0),
        (trade(10.0, order("buy", 10.0), order("sell", 4.0)), 5.0),
        (trade(10.0, order("buy", 10.0), order("sell", 2.0), order("sell", 2.0)), 4.0),
    ],
    ids=["booked", "none", "waits", "another-amount", "two"],
)
def test_exit_when_it_does_not_explain_what_is_missing_then_it_stays(
    held: Any, missing: float, commits: list[bool]
) -> None:
    assert reopen_exit(held, missing) == []
    assert commits == []


def test_exit_when_a_later_one_was_cancelled_unfilled_then_the_filled_one_is_booked() -> None:
    held = trade(10.0, order("buy", 10.0), order("sell", 4.0), order("sell", 0.0))
    assert reopen_exit(held, 4.0) == ["BTC: sell-4 had not reached its trade"]
