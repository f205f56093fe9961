"""Who forces an entry and gets none hears why, whichever hook refused it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from freqtrade.rpc import RPC, RPCException

from models.operate.control.state import Person
from strategies.BitcoinCrossMargin import BitcoinCrossMargin
from strategies.guard.gate import OrderRefusedError
from strategies.seams import force_entry
from tests.test_strategies.worlds import (
    NOW,
    PAIR,
    RATE,
    Provider,
    Wallets,
    analysed,
    config,
    running,
)

pytestmark = pytest.mark.usefixtures("open_trades")

ANN = Person("ann", "command line")


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setattr(RPC, "_rpc_force_entry", RPC._rpc_force_entry)  # put back at the end

    def made(kind: type[BitcoinCrossMargin] = BitcoinCrossMargin, **frame: Any) -> Any:
        s = kind(config(user_data_dir=tmp_path))
        s.dp, s.wallets = Provider(analysed(**{"sigma": 0.001} | frame)), Wallets(10_000.0)
        return running(s)

    return made


def forced(s: Any, monkeypatch: pytest.MonkeyPatch, **more: Any) -> str:
    """Return what an API caller hears; Freqtrade asks for a stake, then for a confirmation."""

    def freqtrade(rpc: Any, pair: str, price: float | None, **_: Any) -> str:
        stake = s.custom_stake_amount(
            pair=pair, current_time=NOW, current_rate=RATE, proposed_stake=500.0, leverage=2.0,
            max_stake=9000.0, entry_tag="force_entry", side="long", **{"min_stake": 10.0} | more,
        )  # fmt: skip
        if stake and s.confirm_trade_entry(
            pair=pair, order_type="market", amount=stake * 2.0 / RATE, rate=RATE,
            time_in_force="GTC", current_time=NOW, entry_tag="force_entry", side="long",
        ):  # fmt: skip
            return "entered"
        raise RPCException(f"Failed to enter position for {pair}.")

    monkeypatch.setattr(force_entry, "_FORCE", freqtrade)
    try:
        return str(RPC._rpc_force_entry(SimpleNamespace(), PAIR, None))
    except RPCException as error:
        return str(error)


def test_forced_entry_when_it_is_made_then_the_answer_is_freqtrades(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert forced(make(), monkeypatch) == "entered"


def test_forced_entry_when_halted_then_the_caller_hears_who_said_so(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = make()
    s.control.store.halt(ANN, "storm ahead")
    assert forced(s, monkeypatch) == (
        f"Failed to enter position for {PAIR}. control is HALTED: storm ahead"
    )


def test_forced_entry_when_smaller_than_the_exchange_takes_then_both_sizes_are_told(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = forced(make(), monkeypatch, min_stake=800.0)
    assert "the smallest order is 1600.00" in said


def test_forced_entry_when_there_is_no_forecast_then_that_is_told(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no trusted forecast" in forced(make(do_predict=0), monkeypatch)


def test_forced_entry_when_no_edge_pays_for_it_then_that_is_told(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "lower bound does not pay the cost" in forced(make(edge_low=0.0), monkeypatch)


def test_forced_entry_when_a_hook_breaks_then_its_error_is_told(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = make()
    monkeypatch.setattr(s.guarding, "decide", lambda *_: 1 / 0)
    assert "ZeroDivisionError" in forced(s, monkeypatch)


def test_forced_entry_when_an_earlier_one_was_refused_then_its_reason_is_not_told_again(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = make()
    s.control.reasons[PAIR] = "an old reason"
    assert forced(s, monkeypatch) == "entered"
    assert s.control.reasons == {}


def test_refusal_of_the_gate_when_it_reaches_the_caller_then_it_is_said_once(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = make()

    def gate(rpc: Any, pair: str, price: float | None) -> Any:
        s.control.reasons[pair] = "no guard has been asked for it"
        raise OrderRefusedError("Refused at the order gate: no guard has been asked for it.")

    monkeypatch.setattr(force_entry, "_FORCE", gate)
    with pytest.raises(OrderRefusedError, match=r"gate: no guard has been asked for it\.$"):
        RPC._rpc_force_entry(SimpleNamespace(), PAIR, None)
