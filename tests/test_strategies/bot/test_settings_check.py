"""Settings that switch the safety off are refused, overridden, or held while a position is open."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from freqtrade.enums import RunMode
from freqtrade.exceptions import OperationalException
from freqtrade.resolvers.strategy_resolver import StrategyResolver

from models.base.errors import ConfigError
from strategies.account.acknowledgement import leverage_digest
from strategies.account.safety_rules import Purpose
from strategies.account.safety_table import SETTINGS
from strategies.BitcoinCrossMargin import BitcoinCrossMargin
from strategies.bot.settings_check import refuse_unsafe
from strategies.LitecoinHedge import LitecoinHedge
from strategies.VolatilityTarget import VolatilityTarget
from tests.places import ROOT
from tests.test_strategies import hedges
from tests.test_strategies.fakes import LiveProvider
from tests.test_strategies.worlds import NOW, PAIR, Wallets, analysed, config, confirm, position

PASSING: dict[str, Any] = {
    "margin_mode": "cross", "initial_state": "running",
    "unfilledtimeout": {"entry": 5, "exit": 5, "unit": "minutes"}, "max_open_trades": 3,
    "runmode": RunMode.DRY_RUN, "stake_amount": "unlimited", "tradable_balance_ratio": 0.9,
}  # fmt: skip


class Provider:
    """Freqtrade's data provider, as far as words to people go."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send_msg(self, message: str, *, always_send: bool = False) -> None:
        assert always_send
        self.sent.append(message)


def resolved(name: str, settings: dict[str, Any]) -> Any:
    """Return the strategy as Freqtrade's resolver makes it, config over attributes."""
    settings |= {"strategy": name, "strategy_path": str(ROOT / "strategies")}
    strategy = StrategyResolver.load_strategy(settings)
    strategy.dp = Provider()
    return strategy


@pytest.fixture
def bitcoin(tmp_path: Path, open_trades: list[Any]) -> Any:
    def made(**blocks: Any) -> Any:
        exchange = {"name": "binance", "pair_whitelist": [PAIR], **blocks.pop("exchange", {})}
        base = config(
            user_data_dir=tmp_path / "bitcoin", **{**PASSING, "exchange": exchange, **blocks}
        )
        return resolved("BitcoinCrossMargin", base)

    return made


@pytest.fixture
def litecoin(tmp_path: Path, open_trades: list[Any]) -> Any:
    def made(**blocks: Any) -> Any:
        base = hedges.config(hedges.ELSEWHERE, tmp_path / "litecoin", **{**PASSING, **blocks})
        base["exchange"]["name"] = "binance"
        return resolved("LitecoinHedge", base)

    return made


@pytest.fixture
def volatility(tmp_path: Path, open_trades: list[Any]) -> Any:
    def made(**blocks: Any) -> Any:
        exchange = {"name": "binance", "pair_whitelist": [PAIR]}
        settings = {**PASSING, "exchange": exchange, **blocks}
        return resolved("VolatilityTarget", config(user_data_dir=tmp_path / "target", **settings))

    return made


@pytest.fixture
def agent(tmp_path: Path, open_trades: list[Any]) -> Any:
    def made(**blocks: Any) -> Any:
        exchange = {"name": "binance", "pair_whitelist": [PAIR]}
        settings = {**PASSING, "exchange": exchange, **blocks}
        return resolved("BitcoinAgent", config(user_data_dir=tmp_path / "agent", **settings))

    return made


@pytest.mark.parametrize("mode", [RunMode.DRY_RUN, RunMode.BACKTEST])
def test_start_when_the_shipped_strategies_meet_sound_settings_then_they_start_with_nothing_said(
    bitcoin: Any, litecoin: Any, volatility: Any, agent: Any, mode: RunMode
) -> None:
    for made in (bitcoin, litecoin, volatility, agent):
        strategy = made(runmode=mode)
        strategy._settings.start()
        strategy._settings.loop()
        assert strategy.dp.sent == []
        if strategy.control is not None:
            assert "unsafe" not in strategy.control.refusal()


def wrong() -> Iterator[Any]:
    for mode in (RunMode.DRY_RUN, RunMode.BACKTEST):
        yield mode, {"use_custom_stoploss": False}, "use_custom_stoploss"
        yield mode, {"stoploss": -0.99}, "stoploss"
        yield mode, {"position_adjustment_enable": False}, "position_adjustment_enable"
        yield mode, {"use_exit_signal": False}, "use_exit_signal"
    orders = {"entry": "market", "exit": "market", "stoploss": "market"}
    yield (
        RunMode.DRY_RUN,
        {"order_types": {**orders, "stoploss_on_exchange": False}},
        ("order_types.stoploss_on_exchange"),
    )
    yield RunMode.DRY_RUN, {"margin_mode": ""}, "margin_mode"
    yield (
        RunMode.DRY_RUN,
        {"exchange": {"ccxt_config": {"options": {"portfolioMargin": True}}}},
        ("exchange.ccxt_config"),
    )


@pytest.mark.parametrize(("mode", "settings", "name"), list(wrong()))
def test_start_when_a_setting_switches_safety_off_and_nothing_is_open_then_it_is_refused_by_name(
    bitcoin: Any, mode: RunMode, settings: dict[str, Any], name: str
) -> None:
    strategy = bitcoin(runmode=mode, **settings)
    with pytest.raises(OperationalException, match="the bot does not start") as refused:
        strategy.ft_bot_start()
    (line,) = [line for line in str(refused.value).splitlines() if line.startswith(f"- {name}: ")]
    assert "expected" in line
    assert "got" in line
    assert "cure:" in str(refused.value)
    (setting,) = [s for s in SETTINGS if s.name == name]
    assert setting.why in line


def test_start_when_a_hedge_is_given_the_stops_of_a_forecast_then_it_is_refused(
    litecoin: Any,
) -> None:
    with pytest.raises(OperationalException, match=r"- use_custom_stoploss: expected false"):
        litecoin(use_custom_stoploss=True).ft_bot_start()
    with pytest.raises(OperationalException, match=r"- max_open_trades: expected at least") as told:
        litecoin(max_open_trades=1).ft_bot_start()
    assert "set max_open_trades to the number of pairs, or more, in " in str(told.value)
    assert "-1" not in str(told.value)  # Freqtrade refuses it beside an unlimited stake


def test_start_when_a_position_is_open_then_the_safe_values_hold_and_nothing_is_opened(
    bitcoin: Any, open_trades: list[Any]
) -> None:
    open_trades.append(position())
    strategy = bitcoin(
        use_custom_stoploss=False, stoploss=-0.99, position_adjustment_enable=False, margin_mode="",
        order_types={"entry": "limit", "exit": "limit", "stoploss": "limit",
                     "stoploss_on_exchange": False},
    )  # fmt: skip
    strategy._settings.start()
    assert (strategy.use_custom_stoploss, strategy.stoploss) == (True, -0.5)
    assert strategy.position_adjustment_enable is strategy.config["use_custom_stoploss"] is True
    assert strategy.order_types == strategy.config["order_types"] == {
        "entry": "limit", "exit": "market", "stoploss": "market", "stoploss_on_exchange": True,
        **{k: v for k, v in strategy.order_types.items() if k.endswith("_exit")},
    }  # fmt: skip
    why = strategy.control.refusal()
    for name in ("use_custom_stoploss", "stoploss", "order_types.stoploss_on_exchange"):
        assert f"{name}: expected" in why
    assert "more, in the log" in why  # a message of Telegram's is 4,096 characters at most
    assert len(why) < 2000
    strategy._settings.loop()  # and it stays so: a person mends it and starts again
    assert strategy.control.refusal() == why
    assert "unsafe settings" in strategy.control.commands.risk().text
    open_trades.clear()  # what is closed meanwhile opens nothing either
    strategy._settings.loop()
    assert "stoploss: expected" in strategy.control.refusal()


def test_start_when_a_setting_may_be_overridden_then_it_is_and_that_is_said(bitcoin: Any) -> None:
    strategy = bitcoin(initial_state="stopped", unfilledtimeout={"entry": 5})
    assert strategy.config["initial_state"] == "paused"  # read before a strategy starts
    strategy._settings.start()
    assert strategy.config["unfilledtimeout"] == {"entry": 5, "exit": 5, "unit": "minutes"}
    for name in ("initial_state", "unfilledtimeout"):
        assert any(name in said for said in strategy.dp.sent)
        assert any(
            name in e.record["what"] for e in strategy.control.journal.entries(kind="setting")
        )
    assert "unsafe" not in strategy.control.refusal()


def test_loop_when_something_sets_an_attribute_after_the_start_then_it_is_put_back_and_said_once(
    bitcoin: Any,
) -> None:
    strategy = bitcoin()
    strategy._settings.start()
    strategy.use_custom_stoploss = False
    strategy.order_types["stoploss_on_exchange"] = False
    strategy._settings.loop()
    assert strategy.use_custom_stoploss is strategy.order_types["stoploss_on_exchange"] is True
    assert "unsafe" not in strategy.control.refusal()
    assert len(strategy.dp.sent) == 2
    strategy.use_custom_stoploss = False  # whatever does so does it in every loop
    strategy._settings.loop()
    assert "use_custom_stoploss: expected true" in strategy.control.refusal()
    assert strategy.use_custom_stoploss is True
    assert len(strategy.dp.sent) == 2
    strategy._settings.loop()
    assert "unsafe" not in strategy.control.refusal()


@pytest.mark.parametrize("enabled", [True, False])
def test_loop_when_freqtrade_has_hung_its_model_on_the_strategy_then_its_settings_are_the_configs(
    bitcoin: Any, monkeypatch: pytest.MonkeyPatch, enabled: bool
) -> None:
    model = SimpleNamespace(shutdown=lambda: None)
    monkeypatch.setattr(
        "freqtrade.resolvers.freqaimodel_resolver.FreqaiModelResolver.load_freqaimodel",
        lambda config: model,
    )
    monkeypatch.setattr(
        "freqtrade.freqai.utils.download_all_data_for_training", lambda provider, config: None
    )
    strategy = bitcoin(freqai={"enabled": enabled, "expiration_hours": 72})
    strategy._settings.start()
    strategy.load_freqAI_model()  # as Freqtrade does after the start, under a block's name
    assert (strategy.freqai is model) is enabled
    strategy._settings.loop()
    assert "unsafe" not in strategy.control.refusal()
    strategy.config["freqai"] = {"enabled": True, "expiration_hours": 0}
    strategy._settings.loop()
    assert "freqai.expiration_hours: expected more than 0" in strategy.control.refusal()


def test_loop_when_a_subclass_answers_by_a_property_then_nothing_is_opened(
    bitcoin: Any, tmp_path: Path
) -> None:
    strategy = bitcoin()
    strategy._settings.start()
    made = type(strategy)
    loose = type("Loose", (made,), {"position_adjustment_enable": property(lambda self: False)})
    strategy.__class__ = loose
    strategy._settings.loop()
    assert "position_adjustment_enable: expected true" in strategy.control.refusal()


def test_start_when_a_subclass_forgets_its_base_at_the_start_then_settings_are_refused_all_the_same(
    bitcoin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    strategy = bitcoin(trailing_stop=True)
    monkeypatch.setattr(type(strategy), "bot_start", lambda self, **kwargs: None)
    with pytest.raises(OperationalException, match="trailing_stop"):
        strategy.ft_bot_start()


def test_start_when_the_strategy_itself_sets_what_is_acknowledged_then_it_is_refused(
    bitcoin: Any,
) -> None:
    strategy = bitcoin()
    strategy.config["max_open_trades"] = 7  # as a property of a subclass would
    with pytest.raises(OperationalException, match="max_open_trades: the strategy sets it, 7"):
        strategy.ft_bot_start()


def test_classes_when_a_backtest_writes_into_its_order_types_then_no_later_bot_sees_it(
    bitcoin: Any,
) -> None:
    strategy = bitcoin(runmode=RunMode.BACKTEST)
    strategy.order_types["stoploss_on_exchange"] = False  # as Freqtrade's backtest does
    assert BitcoinCrossMargin.order_types["stoploss_on_exchange"] is True
    assert (BitcoinCrossMargin.kind, LitecoinHedge.kind) == (Purpose.FORECAST, Purpose.HEDGE)
    assert VolatilityTarget.kind is Purpose.FORECAST
    assert VolatilityTarget.order_types["stoploss_on_exchange"] is True


def test_entry_when_settings_are_unsafe_with_a_position_open_then_the_hook_refuses(
    bitcoin: Any, open_trades: list[Any]
) -> None:
    strategy = bitcoin()
    strategy.dp = LiveProvider(analysed())
    strategy.wallets = Wallets(10_000.0)
    strategy.guarding.leverage[PAIR] = 2.0
    strategy.guarding.loop(NOW)
    assert confirm(strategy) is True
    strategy.control.forbid("settings", "unsafe settings: x")
    assert confirm(strategy) is False


# -- acknowledgement ----------------------------------------------------------------------------


LOOSER = [
    {"breakwater": {"guards": {"false_alarms_per_week": 0.05}}},
    {"breakwater": {"hedge": {"mode": "own", "primary": {}, "instruments": [PAIR]}}},
    {"breakwater": {"limits": {"max_leverage": 5.0}}},
    {"breakwater": {"sizing": {"risk_per_trade_frac": 0.05}}},
    {"max_open_trades": 9}, {"stake_amount": 5000}, {"tradable_balance_ratio": 0.99},
    {"margin_mode": "isolated"}, {"available_capital": 1e6},
]  # fmt: skip
HARMLESS_CHANGES = [
    {"breakwater": {"guards": {}, "limits": {"max_leverage": 3.0}}},  # its default, written down
    {"breakwater": {"second_source": {"exchange": "okx"}, "pacing": {"tick_s": 1.0}}},
    {"timeframe": "4h"}, {"fee": 0.1}, {"telegram": {"enabled": True}}, {"bot_name": "b"},
    {"unfilledtimeout": {"exit": 1}}, {"internals": {"process_throttle_secs": 2}},
]  # fmt: skip


@pytest.mark.parametrize("change", LOOSER)
def test_acknowledgement_when_a_setting_that_bears_on_risk_changes_then_it_asks_again(
    change: dict[str, Any],
) -> None:
    assert leverage_digest({**PASSING, **change}) != leverage_digest(PASSING)


@pytest.mark.parametrize("change", HARMLESS_CHANGES)
def test_acknowledgement_when_a_harmless_setting_changes_then_it_does_not_ask_again(
    change: dict[str, Any],
) -> None:
    assert leverage_digest({**PASSING, **change}) == leverage_digest(PASSING)


def test_acknowledgement_when_it_was_given_to_an_older_version_then_it_does_not_count() -> None:
    names = ("trading_mode", "margin_mode", "stake_amount", "tradable_balance_ratio")
    old = {**{n: PASSING.get(n) for n in names}, "limits": {}, "sizing": {}, "max_open_trades": 3}
    text = json.dumps(old, sort_keys=True, default=str)  # as 0.2.0 had it
    assert leverage_digest(PASSING) != hashlib.sha256(text.encode()).hexdigest()[:16]


def test_reload_when_a_bot_would_not_start_with_it_then_it_is_refused_and_every_reason_named(
    bitcoin: Any,
) -> None:
    running = bitcoin()
    config_ = {**running.config, "runmode": RunMode.LIVE}
    refuse_unsafe(running.kind, config_, running)
    unsafe = {"stoploss_on_exchange": False, "stoploss": "limit", "entry": "market",
              "exit": "market", "emergency_exit": "market"}  # fmt: skip
    other = bitcoin(order_types=unsafe, margin_mode="isolated")
    with pytest.raises(ConfigError, match="stops and closing could not rely on") as refused:
        refuse_unsafe(other.kind, {**other.config, "runmode": RunMode.LIVE}, other)
    assert "stoploss_on_exchange" in str(refused.value)
    assert "\n" not in refused.value.problem
