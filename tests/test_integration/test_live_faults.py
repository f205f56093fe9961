"""The live bot under every fault switch of the exchange: `tests.test_integration.fault_matrix`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_integration.fault_matrix import CASES, run, table, write
from tests.test_integration.fault_rounds import Case, Outcome

# One of each kind that has its own way through the bot; seconds each.
FEW = (
    "429 with Retry-After on everything",
    "half answers, 3 of 10 reads",
    "orders rejected, -2019, twice",
    "stop rejected, -2021, once",
    "order executed, connection reset: entry",
    "order executed, connection reset: partial exit",
    "order executed, connection reset: exit",
    "stop placed, connection reset",
)
FROZEN = "mark price frozen"  # belongs to the market: no request is struck


def check(outcomes: list[Outcome], cases: list[Case]) -> None:
    assert [o.problems for o in outcomes] == [{}] * len(cases), table(outcomes)
    silent = [o.case for o in outcomes if not o.struck and o.case not in ("none", FROZEN)]
    assert silent == []


def test_live_run_when_requests_fail_then_no_fault_costs_an_order_a_stop_or_the_books(
    tmp_path: Path,
) -> None:
    cases = [case for case in CASES if case.name in FEW]
    assert len(cases) == len(FEW)
    check(run(tmp_path, cases), cases)


@pytest.mark.slow
def test_live_run_when_every_fault_strikes_in_turn_then_the_table_has_no_failure(
    tmp_path: Path,
) -> None:
    outcomes = run(tmp_path, CASES)
    print(write(outcomes).read_text(encoding="utf-8"))  # noqa: T201 - for whoever ran it
    check(outcomes, list(CASES))
