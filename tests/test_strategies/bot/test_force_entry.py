"""Who forces an entry and gets none hears why, whichever hook refused it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from freqtrade.persistence import Trade
from freqtrade.rpc import RPC, RPCException

from models.base.errors import NoForecastError
from models.operate.control.state import Person
from strategies.BitcoinCrossMargin import BitcoinCrossMargin
from strategies.bot.guarded import GuardedStrategy
from strategies.guard.gate import OrderRefusedError
from strategies.LitecoinHedge import LitecoinHedge
from strategies.seams import force_entry
from strategies.VolatilityTarget import VolatilityTarget
from tests.test_strategies import hedges
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

    def made(kind: type[GuardedStrategy] = BitcoinCrossMargin, **frame: Any) -> Any:
        if kind is LitecoinHedge:
            s: Any = kind(hedges.config(hedges.ELSEWHERE, tmp_path))
            s.dp, s.wallets = hedges.Provider(**frame), hedges.Wallets()
            return running(s)
        s = kind(config(user_data_dir=tmp_path))
        s.dp, s.wallets = Provider(analysed(**{"sigma": 0.001} | frame)), Wallets(10_000.0)
        return running(s)

    return made


@pytest.fixture(autouse=True)
def _no_trades(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trade, "get_trades_proxy", staticmethod(lambda **_: []))


def refusals(s: Any) -> list[str]:
    """Return why entries were refused, as the journal has it."""
    return [e.record["rules"][-1] for e in s.control.journal.entries(kind="entry.refused")]


SIDES = {BitcoinCrossMargin: "long", VolatilityTarget: "long", LitecoinHedge: "short"}
each = pytest.mark.parametrize("kind", SIDES)


def forced(s: Any, monkeypatch: pytest.MonkeyPatch, **more: Any) -> str:
    """Return what an API caller hears; Freqtrade asks for a stake, then for a confirmation."""

    def freqtrade(rpc: Any, pair: str, price: float | None, **_: Any) -> str:
        stake = s.custom_stake_amount(
            pair=pair, current_time=NOW, proposed_stake=500.0, leverage=2.0, max_stake=9000.0,
            entry_tag="force_entry",
            **{"min_stake": 10.0, "current_rate": RATE, "side": "long"} | more,
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


@each
def test_forced_entry_when_a_guard_refuses_it_then_its_reason_is_told_and_written_down(
    make: Any, monkeypatch: pytest.MonkeyPatch, kind: type[GuardedStrategy]
) -> None:
    s = make(kind)
    said = forced(s, monkeypatch, current_rate=1_000_000.0, side=SIDES[kind], min_stake=75.0)
    assert "0.00 is allowed, the smallest order is 150.00: " in said
    assert "price_collar: " in said
    (written,) = refusals(s)
    assert said.endswith(written)


@each
def test_forced_entry_when_a_hook_has_no_forecast_then_that_is_written_down_once_a_candle(
    make: Any, monkeypatch: pytest.MonkeyPatch, kind: type[GuardedStrategy]
) -> None:
    s = make(kind)

    def none(*_: Any, **__: Any) -> Any:
        raise NoForecastError(f"no trusted forecast for {PAIR}")

    for name in ("_sigma", "plan"):
        monkeypatch.setattr(s, name, none, raising=False)
    for _ in range(3):
        assert "no trusted forecast" in forced(s, monkeypatch, side=SIDES[kind])
    assert refusals(s) == [f"no trusted forecast for {PAIR}"]


def test_refusal_when_only_its_numbers_move_then_it_is_written_down_once_a_candle(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = make(VolatilityTarget)
    for rate in (1_000_000.0, 1_000_100.0):
        assert "price_collar" in forced(s, monkeypatch, current_rate=rate)
    assert len(refusals(s)) == 1
    s.dp.frame["date"] += timedelta(hours=1)
    forced(s, monkeypatch, current_rate=1_000_000.0)
    assert len(refusals(s)) == 2


def test_forced_leg_when_the_hedge_wants_none_then_who_asked_hears_it_and_the_bot_itself_does_not(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = make(LitecoinHedge, hedge_target_0=0.0)
    assert hedges.stake(s, entry_tag="hedge") == 0.0
    assert refusals(s) == []
    assert "no position in BTC/USDT:USDT is wanted now" in forced(s, monkeypatch, side="short")
    assert len(refusals(s)) == 1


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
