"""Bot and watchdog read the same positions, orders and margin from an exchange's answers."""

from __future__ import annotations

import math
from typing import Any

import pytest

from models.base.errors import InputError
from strategies.account.exchange_answers import (
    WATCHDOG,
    liquidation_distances,
    margin_ratio_of,
    open_positions,
    resting_of,
    signed_amount,
    watched_position,
)
from strategies.seams.rest_client import BOT_ORDER_PREFIX

BTC = "BTC/USDT:USDT"


def position(**more: Any) -> dict[str, Any]:
    row = {"symbol": BTC, "side": "short", "contracts": 3.0, "contractSize": 0.01}
    return {**row, "markPrice": 100.0, "liquidationPrice": 150.0, **more}


def order(**more: Any) -> dict[str, Any]:
    row = {"id": 7, "symbol": BTC, "side": "buy", "amount": 2.0, "remaining": 1.5}
    return {**row, "reduceOnly": True, "info": {}, **more}


def test_position_when_counted_in_contracts_then_both_ways_give_the_same_signed_amount() -> None:
    row = position()
    assert signed_amount(row) == pytest.approx(-0.03)
    assert signed_amount(row, lambda symbol, contracts: contracts * 0.01) == signed_amount(row)
    assert watched_position(row).mark == 100.0
    assert signed_amount(position(side="long", contractSize=None)) == 3.0


def test_positions_when_some_are_empty_then_only_open_ones_are_left() -> None:
    rows = [position(), position(contracts=0.0)]
    assert open_positions(rows) == [position()]
    with pytest.raises(InputError, match=f"the size of a position in {BTC}, got none"):
        open_positions([*rows, position(contracts=None)])
    assert list(liquidation_distances([position(), position(liquidationPrice=None)])) == [0.5]


@pytest.mark.parametrize(
    ("info", "ratio"),
    [
        ({"totalMaintMargin": "5", "totalMarginBalance": "20"}, 0.25),
        ({"totalMaintMargin": "5", "totalMarginBalance": "0"}, 1.0),  # nothing is left
        ({}, None),
        ([], None),
    ],
)
def test_margin_ratio_when_the_exchange_names_none_then_it_is_not_known(
    info: Any, ratio: float | None
) -> None:
    assert margin_ratio_of({"info": info}) == ratio


def test_order_when_it_closes_everything_then_it_has_no_size_and_reduces_only() -> None:
    stop = resting_of(order(info={"closePosition": "true"}, reduceOnly=False, stopPrice=90))
    assert (stop.amount, stop.reduce_only, stop.trigger) == (math.inf, True, 90.0)
    plain = resting_of(order(remaining=None))
    assert (plain.amount, plain.side, plain.trigger) == (2.0, 1, None)


@pytest.mark.parametrize(
    ("client_id", "own", "bot"),
    [
        (f"{WATCHDOG}1-0", True, False),
        (f"{BOT_ORDER_PREFIX}abc", False, True),
        (None, False, False),
    ],
)
def test_order_when_somebody_has_sent_it_then_its_client_id_tells_who(
    client_id: str | None, own: bool, bot: bool
) -> None:
    found = resting_of(order(clientOrderId=client_id))
    assert (found.own, found.bot) == (own, bot)
