"""Random sequences of orders from all sides never pass a hard limit; planted gates are convicted.

`BREAKWATER_TEST_STORMS=100000` runs as many sequences as it says.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from strategies.guard import gate, guarding
from strategies.guard.permits import NewRisk, Permits
from tests.test_strategies.bot.order_storm import Storm
from tests.test_strategies.bot.storm_market import Beyond

SEQUENCES: Final = int(os.environ.get("BREAKWATER_TEST_STORMS", "1500"))
PLANTED: Final = 3_000  # sequences within which a planted mistake has to show


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)  # refusals by the thousand
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def storm(
    tmp_path: Path, open_trades: list[Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Storm]:
    # Read from the source anew for each exchange object, and tried where the seams are.
    for seam in ("ORDER_METHODS", "ORDER_REQUESTS"):
        monkeypatch.setattr(gate, seam, SimpleNamespace(missing=str))
    monkeypatch.setattr(os, "fsync", lambda fd: None)

    def made() -> Storm:
        one = Storm(tmp_path)
        one.trades = open_trades
        return one

    return made


def test_orders_when_they_come_from_all_sides_in_any_sequence_then_no_hard_limit_is_passed(
    storm: Callable[[], Storm],
) -> None:
    world = storm()
    for seed in range(SEQUENCES):
        world.run(seed)
    # The storm is one: orders did leave, and orders were stopped.
    assert world.sent > 0.5 * SEQUENCES
    assert world.stopped > 0.1 * SEQUENCES


class UsedTwice(Permits):
    """A permit that stays after it was used."""

    def take(self, order: NewRisk) -> str:
        return self.why_not(order)


class NothingPending(Permits):
    """Permits that count for nothing while they are out."""

    def pending_quote(self, side: int) -> float:
        return 0.0


class ForEver(Permits):
    """Permits without an end."""

    def issue(self, allowed: NewRisk) -> None:
        self._clock_s, clock = (lambda: 1e12), self._clock_s
        super().issue(allowed)
        self._clock_s = clock


@pytest.mark.parametrize("permits", [UsedTwice, NothingPending, ForEver])
def test_storm_when_permits_are_planted_wrong_then_a_limit_is_seen_passed(
    storm: Callable[[], Storm], monkeypatch: pytest.MonkeyPatch, permits: type[Permits]
) -> None:
    monkeypatch.setattr(guarding, "Permits", permits)
    assert convicted(storm())


def _as_they_are(self: Any, order: NewRisk) -> float:
    return order.amount_base


def _nothing_beyond(self: NewRisk, permitted: NewRisk) -> str:
    return ""


@pytest.mark.parametrize(
    ("where", "name", "planted"),
    [
        (gate.OrderGate, "_reducing", _as_they_are),  # believes what claims to reduce
        (gate.OrderGate, "_let_through", lambda self, order: self.permits.take(order)),
        (NewRisk, "excess_over", _nothing_beyond),
    ],
    ids=["claims_are_believed", "nothing_is_refused", "any_size_is_permitted"],
)
def test_storm_when_the_gate_is_planted_wrong_then_a_limit_is_seen_passed(
    storm: Callable[[], Storm], monkeypatch: pytest.MonkeyPatch, where: Any, name: str, planted: Any
) -> None:
    monkeypatch.setattr(where, name, planted)
    assert convicted(storm())


def test_storm_when_a_halt_is_not_looked_at_by_the_gate_then_an_order_is_seen_to_leave(
    storm: Callable[[], Storm],
) -> None:
    world = storm()
    world.strategy.gate._refusal = lambda: ""
    assert "although halted" in convicted(world)


def convicted(world: Storm) -> str:
    """Return what was seen of a planted mistake."""
    for seed in range(PLANTED):
        try:
            world.run(seed)
        except Beyond as error:
            return str(error)
    return ""
