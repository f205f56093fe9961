"""The bot says which one rule keeps each pair from being entered, and answers whatever breaks."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from freqtrade.enums import RunMode
from freqtrade.freqai.data_drawer import FreqaiDataDrawer
from freqtrade.persistence import PairLocks

from models.base import columns
from models.base.entry import EntryRule
from models.operate.control.heartbeat import last_beat
from models.operate.control.state import Person
from strategies.BitcoinAgent import BitcoinAgent
from strategies.BitcoinCrossMargin import BitcoinCrossMargin
from strategies.bot.forecast import ForecastStrategy
from strategies.VolatilityTarget import VolatilityTarget
from tests.test_strategies.worlds import (
    NOW,
    OPENED,
    PAIR,
    Provider,
    Wallets,
    analysed,
    config,
    confirm,
    position,
    running,
    stake,
)

DAY = {"model_training_parameters": {"labels": {"horizon_candles": 24}}}
AGENT = {"decision": {"without": ["quantiles", "hazard"]}}
LONG, FLAT = 55555.0, 33333.0  # an agent's tables


@pytest.fixture(autouse=True)
def world(monkeypatch: pytest.MonkeyPatch, open_trades: list[Any]) -> list[Any]:
    """No pair is locked, and what is open is in the list."""
    monkeypatch.setattr(PairLocks, "is_pair_locked", staticmethod(lambda *_, **__: False))
    return open_trades


class Followed(Provider):
    """A provider that names the pair that is followed."""

    def current_whitelist(self) -> list[str]:
        return [PAIR]


def made(
    kind: type[ForecastStrategy], folder: Path, frame: pd.DataFrame, **blocks: Any
) -> ForecastStrategy:
    strategy = kind(config(user_data_dir=folder, **blocks))
    strategy.dp = Followed(frame)
    strategy.wallets = Wallets(10_000.0)
    return running(strategy)


def entered(**changes: Any) -> pd.DataFrame:
    return analysed(enter_long=1, enter_short=0, exit_long=0, exit_short=0, **changes)


def answer(strategy: ForecastStrategy) -> Any:
    [found] = strategy._answers({}, NOW)
    return found


def edgeless(**changes: Any) -> pd.DataFrame:
    """A forecast that claims 3.1 bp, of which 1.2 are sure."""
    claim = dict.fromkeys(columns.RETURN_QUANTILES, 0.00031) | {columns.EDGE_LOW: 0.00012}
    return analysed(**{columns.P_UP: 0.6, columns.P_DOWN: 0.3, **claim, **changes})


def test_answer_when_the_edge_does_not_pay_then_it_says_so_with_its_numbers_candle_and_model(
    tmp_path: Path,
) -> None:
    strategy = made(BitcoinCrossMargin, tmp_path, edgeless())
    drawer = object.__new__(FreqaiDataDrawer)
    drawer.pair_dict = {PAIR: {"model_filename": "m", "trained_timestamp": 1_704_100_000}}
    strategy.freqai = SimpleNamespace(dd=drawer)
    found = answer(strategy)
    assert found.rule == EntryRule.EDGE
    assert "claims +3.1 bp for up, of which +1.2 bp is sure" in found.why
    assert "an entry needs 14 bp" in found.why
    assert "14 bp" in found.change
    assert "up 60%" in found.forecast
    opened = int(OPENED.timestamp() * 1000)
    assert (found.candle_ms, found.closed_ms) == (opened, opened + 3_600_000)
    assert found.trained_ms == 1_704_100_000_000


@pytest.mark.parametrize(
    ("frame", "rule", "said"),
    [
        (edgeless(do_predict=0), EntryRule.TRUSTED, "no trusted forecast"),
        (edgeless(do_predict=2), EntryRule.TRUSTED, "freqai.expiration_hours"),
        (edgeless(**{columns.P_UP: np.nan}), EntryRule.FORECAST, "no model yet"),
        (edgeless(**{columns.P_UP: 0.31}), EntryRule.DIRECTION, "up leads by 1.0 points"),
        (edgeless(**{columns.EDGE_LOW: 0.01, columns.FALSE_ALARMS_DOWN: 0.1}), EntryRule.HAZARD,
         "a cascade against up is near"),
        (entered(), EntryRule.NOTHING, "no rule says no"),
        (entered().assign(exit_long=1), EntryRule.DIRECTION, "and against it"),
        (entered().assign(exit_short=1), EntryRule.NOTHING, "no rule says no"),
        (entered().assign(enter_short=1), EntryRule.DIRECTION, "and against it"),
    ],
)  # fmt: skip
def test_answer_when_a_forecast_is_stopped_then_the_first_rule_that_says_no_is_named(
    tmp_path: Path, frame: pd.DataFrame, rule: EntryRule, said: str
) -> None:
    found = answer(made(BitcoinCrossMargin, tmp_path, frame))
    assert (found.rule, said in found.why) == (rule, True), found


def test_answer_when_a_hook_refused_the_candles_entry_then_its_reason_is_given_until_it_is_over(
    tmp_path: Path,
) -> None:
    strategy: Any = made(BitcoinCrossMargin, tmp_path, entered(**{columns.EDGE_LOW: 0.0}))
    assert stake(strategy) == 0.0
    found = answer(strategy)
    assert (found.rule, found.why) == (
        EntryRule.EDGE, "the edge's lower bound does not pay the cost",
    )  # fmt: skip
    strategy.dp.frame = entered(date=OPENED.replace(hour=13))  # another candle, nothing refused yet
    assert answer(strategy).rule == EntryRule.NOTHING
    strategy.dp.frame = entered()
    assert stake(strategy, min_stake=1e6) == 0.0
    found = answer(strategy)
    assert found.rule == EntryRule.STAKE
    assert "the smallest order is" in found.why
    strategy.limits = strategy.guarding.limits.hard
    assert not confirm(strategy, amount=1e6)
    assert answer(strategy).rule == EntryRule.GUARDS
    assert confirm(strategy)
    assert answer(strategy).rule == EntryRule.NOTHING


def test_answer_when_an_entry_waits_for_a_person_then_review_is_the_rule(tmp_path: Path) -> None:
    blocks = {"limits": {"max_order_equity_frac": 2.0}, "review": {"enabled": True}}
    strategy = made(BitcoinCrossMargin, tmp_path, entered(), breakwater=blocks)
    assert not confirm(strategy)
    found = answer(strategy)
    assert (found.rule, found.why) == (EntryRule.REVIEW, "proposal r1 is waiting")
    assert "approve" in found.change


def test_answer_when_the_pair_is_locked_held_or_lost_then_that_comes_before_any_forecast(
    tmp_path: Path, world: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    strategy = made(BitcoinCrossMargin, tmp_path, entered(), max_open_trades=1)
    world[:] = [position(pair="ETH/USDT:USDT")]
    assert answer(strategy).why == "1 trades are open, max_open_trades is 1"
    world[:] = [position()]
    assert answer(strategy).rule == EntryRule.HELD
    lock = SimpleNamespace(lock_end_time=datetime(2024, 1, 2, tzinfo=UTC), reason="Auto lock")
    monkeypatch.setattr(PairLocks, "is_pair_locked", staticmethod(lambda *_, **__: True))
    monkeypatch.setattr(PairLocks, "get_pair_longest_lock", staticmethod(lambda *_: lock))
    found = answer(strategy)
    assert (found.rule, found.why) == (
        EntryRule.PAIR, "Freqtrade has locked the pair until 2024-01-02 00:00 UTC: Auto lock",
    )  # fmt: skip
    answers = strategy._answers({"XYZ/USDT:USDT": "it is not followed"}, NOW)
    assert [(a.pair, a.why) for a in answers if a.pair != PAIR] == [
        ("XYZ/USDT:USDT", "it is not followed")
    ]


@pytest.mark.parametrize(
    ("lock", "said"),
    [(None, "Freqtrade has locked the pair"),
     (SimpleNamespace(lock_end_time=datetime(2024, 1, 2, tzinfo=UTC), reason=None),
      "Freqtrade has locked the pair until 2024-01-02 00:00 UTC")],
)  # fmt: skip
def test_answer_when_freqtrade_says_no_more_of_a_lock_then_nothing_is_made_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lock: Any, said: str
) -> None:
    monkeypatch.setattr(PairLocks, "is_pair_locked", staticmethod(lambda *_, **__: True))
    monkeypatch.setattr(PairLocks, "get_pair_longest_lock", staticmethod(lambda *_: lock))
    assert answer(made(BitcoinCrossMargin, tmp_path, entered())).why == said


@pytest.mark.parametrize(
    ("limit", "is_held"),
    [({}, False), ({"max_open_trades": -1}, False), ({"max_open_trades": float("inf")}, False),
     ({"max_open_trades": 2}, False), ({"max_open_trades": 1}, True),
     ({"max_open_trades": 0}, True)],
)  # fmt: skip
def test_answer_when_another_pair_is_held_then_only_a_limit_of_trades_stops_this_one(
    tmp_path: Path, world: list[Any], limit: dict[str, Any], is_held: bool
) -> None:
    strategy = made(BitcoinCrossMargin, tmp_path, entered(), **limit)
    world[:] = [position(pair="ETH/USDT:USDT")]
    assert (answer(strategy).rule == EntryRule.HELD) is is_held
    world[:] = []
    assert (answer(strategy).rule == EntryRule.HELD) is (limit.get("max_open_trades") == 0)


@pytest.mark.parametrize(("trained_s", "known_ms"), [(0, None), (1, 1000)])
def test_answer_when_no_model_was_trained_yet_then_no_time_of_it_is_told(
    tmp_path: Path, trained_s: int, known_ms: int | None
) -> None:
    strategy = made(BitcoinCrossMargin, tmp_path, entered())
    assert answer(strategy).trained_ms is None  # no FreqAI at all
    drawer = object.__new__(FreqaiDataDrawer)
    drawer.pair_dict = {PAIR: {"model_filename": "", "trained_timestamp": trained_s}}
    strategy.freqai = SimpleNamespace(dd=drawer)
    assert answer(strategy).trained_ms == known_ms


def test_answer_when_no_candle_was_analysed_then_it_does_not_say_that_all_is_well(
    tmp_path: Path,
) -> None:
    found = answer(made(BitcoinCrossMargin, tmp_path, entered().iloc[:0]))
    assert (found.rule, found.why) == ("forecast", "no candle of it has been analysed yet")


def test_answer_when_the_candle_is_old_then_that_comes_before_what_its_forecast_says(
    tmp_path: Path, world: list[Any]
) -> None:
    old = "the last analysed candle opened 9999 s ago"
    for frame in (edgeless(), entered()):
        strategy = made(BitcoinCrossMargin, tmp_path, frame)
        [found] = strategy._answers({PAIR: old}, NOW)
        assert (found.rule, found.why) == ("trusted", old)
    world[:] = [position()]
    [found] = strategy._answers({PAIR: old}, NOW)
    assert found.rule == EntryRule.HELD


def test_answer_when_a_volatility_target_is_held_then_its_own_rules_are_told(
    tmp_path: Path, world: list[Any]
) -> None:
    strategy: Any = made(VolatilityTarget, tmp_path, analysed(), freqai=DAY)
    assert answer(strategy).rule == EntryRule.NOTHING
    assert answer(strategy).forecast == "volatility 2.00% a day"
    world[:] = [position(amount=50.0, orders=[], is_open=True)]
    found = answer(strategy)
    assert found.rule == EntryRule.HELD
    assert "0.500 of equity is held" in found.why
    strategy.dp.frame = analysed(**{columns.FALSE_ALARMS_DOWN: 0.1})
    assert answer(strategy).rule == EntryRule.HAZARD
    strategy.dp.frame = analysed(do_predict=0)
    assert answer(strategy).rule == EntryRule.TRUSTED


def test_answer_when_an_agent_names_flat_then_it_says_what_it_holds_and_names(
    tmp_path: Path,
) -> None:
    strategy: Any = made(
        BitcoinAgent, tmp_path, analysed(**{columns.POLICY: FLAT}), breakwater=AGENT
    )
    found = answer(strategy)
    assert (found.rule, found.why) == (
        EntryRule.DIRECTION, "the agent holds +0 of equity and names +0",
    )  # fmt: skip
    strategy.dp.frame = analysed(**{columns.POLICY: LONG})
    assert answer(strategy).rule == EntryRule.NOTHING
    strategy.dp.frame = analysed(**{columns.POLICY: LONG, columns.ABSTAIN: 1.0})
    assert answer(strategy).rule == EntryRule.TRUSTED


def test_loop_when_nothing_can_be_answered_then_the_sign_of_life_is_left_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strategy: Any = made(BitcoinCrossMargin, tmp_path, analysed())

    def broken(*_: Any, **__: Any) -> None:
        raise ConnectionError("database is locked")

    monkeypatch.setattr(PairLocks, "is_pair_locked", staticmethod(broken))
    strategy.bot_loop_start(NOW)
    life = last_beat(strategy.control.store.folder)
    assert life is not None
    assert [(a["pair"], a["why"]) for a in life.answers] == [
        (PAIR, "ConnectionError: database is locked")
    ]
    del strategy.dp.frame
    strategy.bot_loop_start(NOW)
    after = last_beat(strategy.control.store.folder)
    assert after is not None
    assert after.loop == life.loop + 1


def test_loop_when_it_runs_then_why_says_what_the_bot_says_unless_a_person_has_halted_it(
    tmp_path: Path,
) -> None:
    strategy: Any = made(BitcoinCrossMargin, tmp_path, edgeless())
    strategy.bot_loop_start(NOW)
    commands = strategy.control.commands
    assert "claims +3.1 bp for up" in commands.why_now()
    assert f"nothing is opened in {PAIR}: claims" in commands.risk().text
    commands.halt(Person("ann", "test"), "storm")
    said = commands.why_now()
    assert f"nothing is opened in {PAIR}: control is HALTED, by ann by test: storm" in said
    assert "claims +3.1 bp" not in said
    assert "last forecast: up 60%" in said


# -- what is known of its models ------------------------------------------------------------------


def test_models_when_the_bot_trades_then_what_becomes_of_them_is_kept_beside_its_state(
    tmp_path: Path,
) -> None:
    s = made(BitcoinCrossMargin, tmp_path, entered())
    assert s.control is not None
    assert s.models_folder == s.control.store.folder
    s.note_models("promoted", "model 2 serves", "better on new candles")
    [entry] = s.control.journal.entries(kind="model")
    assert entry.kind == "model.promoted"
    assert (entry.record["what"], entry.record["done"]) == (
        "model 2 serves", "better on new candles",
    )  # fmt: skip


def test_models_when_it_is_a_backtest_then_nothing_is_kept(tmp_path: Path) -> None:
    s = made(BitcoinCrossMargin, tmp_path, entered(), runmode=RunMode.BACKTEST)
    assert s.models_folder is None
    s.note_models("promoted", "model 2 serves", "better on new candles")
    assert list(tmp_path.rglob("*.jsonl")) == []
