"""What an agent trades in Freqtrade's backtest is what it traded in its market, fill by fill."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.base.policy import AgentPositions
from models.learn.agents.account import AccountRules
from tests.places import ROOT
from tests.test_integration.agent_world import (
    PAIR,
    Backtested,
    backtested,
    differences,
    market_of,
    replayed,
)
from tests.test_integration.running import write_strategy

SPAN = "20240301-20240501"

# All of the pack's hooks; only the agent's answers are given: tables that keep what is held mostly.
STRATEGY = '''
import numpy as np
import torch

from models.base import columns
from models.base.policy import packed_policy
from models.learn.agents.policy import consistent
from strategies.bot.agent import AgentStrategy


class GivenAgent(AgentStrategy):
    """An agent that answers by dice, and sometimes not at all."""

    timeframe = "1h"
    startup_candle_count = 48

    def populate_indicators(self, dataframe, metadata):
        rng, rows = np.random.default_rng(5), len(dataframe)
        positions = len(self.positions.targets)
        keeps = rng.random((rows, positions)) < 0.85
        dice = rng.integers(positions, size=(rows, positions))
        table = np.where(keeps, np.arange(positions), dice)
        table = consistent(torch.from_numpy(table)).numpy().astype(float)
        given = dict.fromkeys(columns.FORECAST, 0.0)
        given |= {columns.NOVELTY: 0.5, columns.DRIFT: 0.5, columns.POLICY: packed_policy(table)}
        moves = np.log(dataframe["close"]).diff()
        given[columns.SIGMA] = 2 * moves.ewm(halflife=24).std().fillna(0.005)
        given[columns.ABSTAIN] = (rng.random(rows) < 0.03).astype(float)
        return dataframe.assign(do_predict=1, **given)
'''


def run_of(folder: Path, datadir: Path, source: str = STRATEGY, **changes: Any) -> Backtested:
    write_strategy(folder, source)
    return backtested(
        folder, datadir, SPAN,
        **{"freqai": {"enabled": False}, "strategy": "GivenAgent",
           "strategy_path": str(folder / "strategies"), **changes},
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, simulated_datadir: Path) -> Backtested:
    return run_of(tmp_path_factory.mktemp("agent"), simulated_datadir)


def test_backtest_when_an_agent_trades_then_each_fill_is_the_one_of_its_market(
    run: Backtested,
) -> None:
    account = replayed(run)
    assert differences(run, account) == []
    kinds = Counter(fill.reason for fill in run.fills)
    assert min(kinds[k] for k in ("entry", "growth", "reduction", "exit", "stop")) >= 10
    turned = [a for a, b in itertools.pairwise(run.fills) if (a.row, a.side) == (b.row, b.side)]
    assert len(turned) >= 10
    assert sum(fill.funding_quote != 0 for fill in run.fills) > 20
    assert not run.barred
    # Nothing is left open at the end of this span: also the money is the same.
    assert account.fills[-1].row < len(run.frame) - 1
    assert account.wallet_quote == pytest.approx(run.final_quote, abs=1e-6)
    assert not any("liquidation" in str(trade.exit_reason) for trade in run.trades)


def test_comparison_when_a_rule_of_the_market_is_changed_then_it_convicts(run: Backtested) -> None:
    rules, market = AccountRules(cost_frac=run.fee), market_of(run)
    far = AgentPositions(stop_sigmas=(4.0 * 1.01, 2.0))
    planted: dict[str, dict[str, Any]] = {
        "fee": {"rules": dataclasses.replace(rules, cost_frac=1.01 * run.fee)},
        "fill price": {"open": market.close},
        "stop distance": {"rules": dataclasses.replace(rules, positions=far)},
        "funding sign": {"funding": -market.funding},
        "funding left out": {"funding": 0 * market.funding},
        "stop by the close only": {"low": market.close, "high": market.close},
        "a candle late": {"funding": np.roll(market.funding, 1)},
    }
    assert [
        what for what, rule in planted.items() if not differences(run, replayed(run, **rule))
    ] == []
    assert differences(run, replayed(run, rules=rules)) == []


CHANGED = {
    "fee": ("", {"fee": 0.000501}),
    "stop distance": (
        """
    def custom_stoploss(self, **asked):
        told = super().custom_stoploss(**asked)
        return told and told * 1.01
""",
        {},
    ),
    "size": (
        """
    def custom_stake_amount(self, **asked):
        return super().custom_stake_amount(**asked) * 0.99
""",
        {},
    ),
    "stop after a reduction": (
        """
    def custom_stoploss(self, **asked):
        reduced = asked["trade"].nr_of_successful_exits > 0
        return None if reduced else super().custom_stoploss(**asked)
""",
        {},
    ),
    "entered again after a stop": (
        """
    def _held_before(self, pair, row):
        held = super()._held_before(pair, row)
        return self.positions.flat if held is None else held
""",
        {},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("rule", CHANGED)
def test_comparison_when_a_rule_of_the_strategy_is_changed_then_it_convicts(
    rule: str, tmp_path: Path, simulated_datadir: Path
) -> None:
    code, changes = CHANGED[rule]
    run = run_of(tmp_path, simulated_datadir, STRATEGY + code, **changes)
    fair = dataclasses.replace(run, fee=0.0005)
    assert differences(run, replayed(fair))


@pytest.mark.slow
@pytest.mark.parametrize("model", ["PPOForecaster", "A2CForecaster"])
def test_agent_when_trained_by_freqai_then_it_trades_its_own_market(
    model: str, tmp_path: Path, simulated_datadir: Path
) -> None:
    training = {"network": {"steps": 8192, "evaluations": 2}}
    run = backtested(
        tmp_path, simulated_datadir, "20240401-20240501",
        freqaimodel=model, strategy_path=str(ROOT / "strategies"),
        freqaimodel_path=str(ROOT / "freqaimodels"),
        freqai={"train_period_days": 300, "backtest_period_days": 15,
                "model_training_parameters": training},
    )  # fmt: skip
    assert len(run.fills) > 10
    assert differences(run, replayed(run)) == []
    told = run.strategy.freqai.dd.model_dictionary[PAIR].manifest["agent"]
    assert told["funding_known"] > 0.99
