"""One answer of the exchange that is no answer, for minutes: nothing is sold or believed of it.

One bot holds two pairs with their stops and serves all of it; each test leaves it as it found it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from models.operate.control.state import ControlMode
from tests.exchange.faults import Altered, Fault, Page
from tests.test_integration.fault_rounds import ANN, Rounds, running_rounds
from tests.test_integration.live_bot import ETH

POSITIONS, ACCOUNT, MARK = "GET /fapi/v3/positionRisk", "GET /fapi/v3/account", "premiumIndex"


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rounds]:
    """A bot with a long and its stop in each of two pairs."""
    with running_rounds(tmp_path_factory.mktemp("bot"), also={ETH: 3_000.0}) as made:
        made.desk.resume(ANN)
        made.bot.wait_for(lambda: len(stops(made)) == 2, "two entries and their stops")
        made.bot.wait_for(made.bot.both_open, "two trades")
        yield made


def stops(rounds: Rounds) -> dict[str, float]:
    with rounds.venue.lock:
        return {a.symbol: float(a.quantity) for a in rounds.account.open_algos()}


def held(rounds: Rounds) -> dict[str, float]:
    with rounds.venue.lock:
        return {s: float(p.amount) for s, p in rounds.account.open_positions().items()}


def of_eth(change: Callable[[dict[str, Any]], object]) -> Callable[[Any], Any]:
    """Change the row of ETH, and leave the others as they are."""

    def changed(rows: Any) -> Any:
        for row in rows if isinstance(rows, list) else [rows]:
            if row["symbol"] == "ETHUSDT":
                change(row)
        return rows

    return changed


def no_size(row: dict[str, Any]) -> None:
    del row["positionAmt"], row["notional"]  # from the second the client makes up the first


def no_mark(row: dict[str, Any]) -> None:
    row["markPrice"] = "0"


def no_balance(answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "assets": []}


WRONG: dict[str, tuple[list[Callable[[], Fault]], str]] = {
    "a position without a size": (
        [lambda: Altered(on=POSITIONS, change=of_eth(no_size))],
        "expected the size of a position in ETH/USDT:USDT, got none",
    ),
    "a size of the wrong type": (
        [lambda: Altered(on=POSITIONS, change=of_eth(lambda r: r.update(positionAmt="much")))],
        "the exchange's positions",
    ),
    "a mark of 0": (
        [lambda: Altered(on=POSITIONS, change=of_eth(no_mark)),
         lambda: Altered(on=MARK, change=of_eth(no_mark))],
        "expected a mark price > 0 for ETH/USDT:USDT",
    ),
    "a page instead of positions": ([lambda: Page(on=POSITIONS, status=200)], "expected JSON"),
    "a page instead of the account": ([lambda: Page(on=ACCOUNT, status=200)], "expected JSON"),
    "an account without assets": (
        [lambda: Altered(on=ACCOUNT, change=no_balance)],
        "the exchange's answer names no balance in USDT",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", list(WRONG))
def test_answer_when_it_is_none_for_minutes_then_the_bot_says_so_and_both_positions_stay_stopped(
    rounds: Rounds, what: str
) -> None:
    before, faults = held(rounds), [made() for made in WRONG[what][0]]
    ordered, told = len(rounds.account.orders), rounds.desk.store.read().next_notice
    assert set(before) == {"BTCUSDT", "ETHUSDT"}
    rounds.state.faults.add(*faults)
    rounds.bot.wait_for(
        lambda: rounds.desk.store.read().mode is not ControlMode.ACTIVE, "what is unknown to count"
    )
    loop = rounds.loop()
    rounds.bot.wait_for(lambda: rounds.loop() > loop + 12, "loops in which it could be believed")
    state = rounds.desk.store.read()
    assert (state.mode, state.reason.partition(":")[0]) == (ControlMode.REDUCING, "unknown")
    assert WRONG[what][1] in rounds.desk.risk().text
    assert any(n.n >= told and WRONG[what][1] in n.reason for n in state.notices)
    assert stops(rounds) == held(rounds) == before
    rounds.state.faults.clear()
    rounds.bot.wait_for(
        lambda: rounds.desk.store.read().mode is ControlMode.ACTIVE, "all as it was before"
    )
    assert (held(rounds), len(rounds.account.orders)) == (before, ordered)
    assert rounds.bot.process.poll() is None
