"""What the guards demand is done, and what they only warn of is said once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from freqtrade.enums import RunMode

from models.operate.control.state import ControlMode
from models.trade.risk.limits import GuardConfig
from models.trade.risk.verdict import Demand, RiskDecision, Verdict
from strategies.BitcoinCrossMargin import BitcoinCrossMargin
from strategies.guard.consequences import Consequences
from strategies.guard.unknowns import Unknowns
from tests.test_strategies.worlds import config


@pytest.fixture
def s(tmp_path: Path) -> Any:
    return BitcoinCrossMargin(config(user_data_dir=tmp_path, runmode=RunMode.DRY_RUN))


def found(demand: Demand, reason: str = "why", guard: str = "margin_ratio") -> RiskDecision:
    verdict = Verdict(limit_quote=0.0, reason=reason, demand=demand, guard=guard)
    return RiskDecision(notional_quote=0.0, findings=(verdict,), demand=demand)


@pytest.mark.parametrize(
    ("demand", "mode"),
    [(Demand.NONE, ControlMode.ACTIVE), (Demand.WARN, ControlMode.ACTIVE),
     (Demand.REDUCING, ControlMode.REDUCING), (Demand.HALTED, ControlMode.HALTED)],
)  # fmt: skip
def test_finding_when_it_demands_something_then_that_is_done_and_no_more(
    s: Any, demand: Demand, mode: ControlMode
) -> None:
    s.guarding.consequences.obey(found(demand))
    state = s.control.store.read()
    assert state.mode is mode
    assert (state.reason == "why") is (mode is not ControlMode.ACTIVE)
    warned = s.control.journal.entries(kind="guard.warned")
    assert len(warned) == (1 if demand is Demand.WARN else 0)


def test_warning_when_only_its_numbers_change_then_it_is_said_once(s: Any) -> None:
    def warn(reason: str, pair: str = "", guard: str = "margin_ratio") -> None:
        s.guarding.consequences.obey(found(Demand.WARN, reason, guard), pair)

    for reason in ("60 s old", "65 s old", "60 s late", "60 s old"):
        warn(reason)
    warn("60 s old", "BTC")
    warn("60 s old", "BTC")
    warn("60 s old", "BTC", "model_fresh")
    said = [entry.record["what"] for entry in s.control.journal.entries(kind="guard.warned")]
    assert said == [
        "margin_ratio: 60 s old", "margin_ratio: 60 s late", "margin_ratio: 60 s old",
        "margin_ratio BTC: 60 s old", "model_fresh BTC: 60 s old",
    ]  # fmt: skip


def test_backtest_when_guards_demand_anything_then_nothing_follows() -> None:
    quiet = Consequences(None, Unknowns(None, GuardConfig()))
    quiet.obey(found(Demand.HALTED))
    quiet.obey(found(Demand.WARN))
    assert quiet.warned == {}
