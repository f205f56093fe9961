"""Each setting safety leans on, both ways; and that no setting of Freqtrade's is left unjudged."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from freqtrade.config_schema.config_schema import CONF_SCHEMA
from freqtrade.configuration import Configuration
from freqtrade.enums import RunMode
from freqtrade.resolvers.strategy_resolver import StrategyResolver
from freqtrade.strategy import IStrategy

from strategies.account.acknowledgement import DEFAULTS, FREQTRADE_SETTINGS
from strategies.account.safety_rules import ANYTHING, Judged, Purpose, Setting, Where
from strategies.account.safety_table import SETTINGS
from tests.places import USER_DATA
from tests.syntax import parse
from tests.test_integration.live_bot import settings as live_settings

FORECAST, HEDGE = Purpose.FORECAST, Purpose.HEDGE
BY_NAME = {setting.name: setting for setting in SETTINGS}
LOCAL = dict.fromkeys(
    ("fapiPublic", "fapiPrivate", "fapiPrivateV2", "fapiPrivateV3"),
    "https://demo-fapi@127.0.0.1:1/x",
)
API = {"enabled": True, "username": "ann", "password": "long", "jwt_secret_key": "my own"}
PAIRS = {"exchange": {"pair_whitelist": ["LTC/USDT:USDT", "BTC/USDT:USDT"]}}
CLIENT = (
    [{}, {"enableRateLimit": False, "timeout": 10_000}, {"options": {"defaultType": "swap"}},
     {"options": {"fetchMarkets": {"types": ["linear"]}, "recvWindow": 5000}}, {"verify": True},
     {"verify": False, "urls": {"api": LOCAL}}, {"options": {"fetchMarkets": ["linear"]}}],
    [{"options": {"portfolioMargin": True}}, {"options": {"hedged": True}}, {"sandbox": True},
     {"options": {"defaultType": "spot"}}, {"options": {"recvWindow": 1}}, {"timeout": 0},
     {"verify": False}, {"verify": False, "urls": {"api": {**LOCAL, "sapi": "https://x.com"}}},
     {"verify": False, "urls": {"api": {"fapiPublic": "https://127.0.0.1"}}}, {"verify": 0},
     {"timeout": "long"}, "none", {"options": ""}, {"options": []}, {"options": None},
     *({"options": {"fetchMarkets": kinds}} for kinds in (
         "linear", {"types": ["x"]}, {"types": ["spot"]}, {"types": [{}]}, {"types": []}))],
)  # fmt: skip

# name -> values that will do, values that will not; by kind where the kinds differ.
CASES: dict[str, Any] = {
    "use_custom_stoploss": {FORECAST: ([True], [False, None, 1]),
                            HEDGE: ([False, None], [True, 0])},
    "stoploss": {FORECAST: ([-0.5, -0.3, -0.02], [-0.99, -0.51, -0.01, 0, 0.1, None, "-0.5"]),
                 HEDGE: ([-10.0, -10], [-0.5, -0.1, -9.99, None])},
    "trailing_stop": ([False, None], [True]),
    "order_types.stoploss_on_exchange": {FORECAST: ([True], [False, None]),
                                         HEDGE: ([False, None], [True])},
    "order_types.stoploss": (["market", None], ["limit"]),
    "order_types.stoploss_price_type": (["last", "mark", None], ["index", 3]),
    "order_types.stoploss_on_exchange_interval": ([1, 60, None], [0, 61, 86_400, "60"]),
    "position_adjustment_enable": ([True], [False, None]),
    "max_entry_position_adjustment": {FORECAST: ([-1, 0, 3], []), HEDGE: ([-1, None], [0, 3])},
    "order_types.exit": (["market", None], ["limit"]),
    "order_types.force_exit": (["market", None], ["limit"]),
    "order_types.emergency_exit": (["market", None], ["limit"]),
    "order_time_in_force.exit": (["GTC", "gtc", None], ["FOK", "ioc", "PO"]),
    "use_exit_signal": {FORECAST: ([True, None], [False]), HEDGE: ([True, False], [])},
    "exit_profit_only": ([False, None], [True]),
    "minimal_roi": {FORECAST: ([{0: 100.0}, {"0": 0.02, "60": 0}, {}], [{0: -1}, {"60": -0.1}, 3]),
                    HEDGE: ([{0: 100.0}, {}], [{0: 0.02}, {"0": 100.0, "60": 0.0}])},
    "use_custom_roi": {FORECAST: ([True, False], []), HEDGE: ([False, None], [True])},
    "unfilledtimeout": (
        [{"exit": 5}, {"exit": 600, "unit": "seconds"}, {"exit": 10, "entry": 1}],
        [None, {"exit": 11}, {"entry": 5}, {"exit": 0}, {"exit": 601, "unit": "seconds"},
         {"exit": 5, "unit": "days"}, {"exit": float("nan")}],
    ),
    "ignore_buying_expired_candle_after": {FORECAST: ([0, 30], []), HEDGE: ([0, None], [1, 300])},
    "protections": {FORECAST: ([[], [{"method": "CooldownPeriod"}]], []),
                    HEDGE: ([[], None], [[{"method": "CooldownPeriod"}]])},
    "max_open_trades": {FORECAST: ([0, 1, -1], []),
                        HEDGE: ([2, 3, -1, float("inf"), None], [0, 1])},
    "can_short": ([True], [False, None]),
    "initial_state": (["running", "Running", "paused"], ["stopped", None]),
    "internals.process_throttle_secs": ([0, 1, 5, None], [6, 600, "1"]),
    "process_only_new_candles": ([True, None], [False]),
    "disable_dataframe_checks": ([False, None], [True]),
    "reduce_df_footprint": ([False, None], [True]),
    "dataformat_ohlcv": (["feather", None], ["json", "parquet"]),
    "position_stacking": ([False, None], [True]),
    "trading_mode": (["futures"], ["spot", "margin", None]),
    "margin_mode": {FORECAST: (["cross", "isolated"], ["", None]),
                    HEDGE: (["cross"], ["isolated", "", None])},
    "liquidation_buffer": ([0.05, 0.2, None], [0.0, 0.01, 0.99]),
    "db_url": (["sqlite:///trades.sqlite", None],
               ["sqlite://", "sqlite:///:memory:", "text", 3, [], {}]),
    "exchange.name": (["binance"], ["bybit", None]),
    "exchange.skip_open_order_update": ([False, None], [True]),
    "exchange.markets_refresh_interval": ([60, None], [0, 100_000]),
    "exchange._ft_has_params": ([{}, None, {"ohlcv_candle_limit": 99}],
                                [{"stoploss_on_exchange": False}, {"stop_price_prop": "x"}]),
    "exchange.ccxt_config": CLIENT,
    "exchange.ccxt_sync_config": CLIENT,
    "exchange.ccxt_async_config": CLIENT,
    "api_server": ([{}, {"enabled": False}, API],
                   [{**API, "password": ""}, {**API, "username": " "},
                    {**API, "jwt_secret_key": "super-secret"}, {"enabled": True}, "on", [API],
                    *({**API, "listen_ip_address": ip} for ip in ("text", "", None, 3, []))]),
    "telegram": ([{}, {"enabled": False}, {"enabled": True, "token": "1:a", "chat_id": "-1"}],
                 [{"enabled": True, "token": "", "chat_id": "1"}, {"enabled": True, "token": "1:a"},
                  "on", [{}]]),
    "telegram.allow_custom_messages": {FORECAST: ([False], []), HEDGE: ([True, None], [False])},
    "telegram.notification_settings.strategy_msg": {
        FORECAST: (["off"], []), HEDGE: (["on", "silent", None], ["off"])},
}  # fmt: skip
ON_STRATEGY = {"protections", "can_short", "use_custom_roi"}  # that Freqtrade's schema knows not


def resolved() -> list[str]:
    """Return the attributes a config can override, as Freqtrade's resolver lists them."""
    tree = parse(textwrap.dedent(inspect.getsource(StrategyResolver.load_strategy)))
    (names,) = (
        node.value for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "attributes"
    )  # fmt: skip
    assert isinstance(names, ast.List)
    pairs = [row for row in names.elts if isinstance(row, ast.Tuple)]
    assert len(pairs) == len(names.elts)
    return [ast.literal_eval(pair.elts[0]) for pair in pairs]


def nested(name: str, value: Any) -> dict[str, Any]:
    """Return a config with one setting; None is one that nobody sets."""
    *blocks, last = name.split(".")
    config = {} if value is None else {last: value}
    for block in reversed(blocks):
        config = {block: config}
    return config


def fault(
    setting: Setting, kind: Purpose, strategy: Mapping[str, Any], config: Mapping[str, Any]
) -> bool:
    mode = RunMode.BACKTEST if setting.where is Where.BACKTEST else RunMode.LIVE
    exchange = {**PAIRS["exchange"], **config.get("exchange", {})}
    judged = Judged(
        kind=kind, strategy=SimpleNamespace(**strategy),
        config={**config, "exchange": exchange, "runmode": mode},
    )  # fmt: skip
    return bool(judged.faults([setting]))


def cases() -> Iterator[Any]:
    for name, by_kind in CASES.items():
        for kind in Purpose:
            good, bad = by_kind[kind] if isinstance(by_kind, dict) else by_kind
            yield pytest.param(name, kind, good, bad, id=f"{name}-{kind}")


@pytest.mark.parametrize(("name", "kind", "good", "bad"), [*cases()])
def test_table_when_a_setting_is_wrong_then_it_is_found_in_config_and_strategy_and_else_passes(
    name: str, kind: Purpose, good: list[Any], bad: list[Any]
) -> None:
    setting = BY_NAME[name]
    for value in good:
        assert not fault(setting, kind, {}, nested(name, value)), value
        assert not fault(setting, kind, nested(name, value), nested(name, value)), value
    for value in bad:
        assert fault(setting, kind, {}, nested(name, value)), value
        if value is not None:
            # Freqtrade reads now the strategy, now the config: one of them is enough.
            assert fault(setting, kind, nested(name, value), nested(name, good[0])), value
            assert fault(setting, kind, nested(name, good[0]), nested(name, value)), value


@pytest.mark.parametrize("mode", [RunMode.LIVE, RunMode.DRY_RUN, RunMode.BACKTEST])
@pytest.mark.parametrize("style", ["maker", "taker", "Maker", None, {}])
def test_exit_when_it_is_a_limit_order_then_only_a_backtest_of_the_maker_style_may(
    mode: RunMode, style: Any
) -> None:
    """A bot that trades has market orders in every style: what is quoted passes the order gate."""
    config = {"runmode": mode, "breakwater": {"execution": {"style": style}}}
    rule = BY_NAME["order_types.exit"]
    tested = mode is RunMode.BACKTEST and style == "maker"
    assert rule.forecast.holds("limit", config) is tested
    assert rule.forecast.holds("market", config)
    assert not rule.hedge.holds("limit", config)
    for other in ("order_types.force_exit", "order_types.emergency_exit", "order_types.stoploss"):
        assert not BY_NAME[other].forecast.holds("limit", config)


@pytest.mark.parametrize("kind", list(Purpose))
def test_table_when_a_safe_value_stands_in_then_it_passes_itself(kind: Purpose) -> None:
    for setting in SETTINGS:
        rule = setting.rule(kind)
        if rule.instead is not None:
            assert rule.holds(rule.instead, PAIRS), setting.name


def test_table_when_a_row_is_not_harmless_then_it_is_tried_both_ways() -> None:
    asked = {s.name for s in SETTINGS if not (s.forecast is ANYTHING and s.hedge is ANYTHING)}
    assert asked == {*CASES, "freqai.expiration_hours"}
    assert len(BY_NAME) == len(SETTINGS)
    assert all(len(setting.why) > 8 for setting in SETTINGS)


@pytest.mark.parametrize(
    ("freqai", "sound"),
    [
        ({}, True), ({"enabled": False}, True), ({"enabled": True}, False),
        ({"enabled": True, "expiration_hours": 0}, False),
        ({"enabled": True, "expiration_hours": 72}, True),
        ({"enabled": True, "expiration_hours": 1e9}, False),
    ],
)  # fmt: skip
def test_table_when_a_model_never_expires_then_it_is_found(
    freqai: dict[str, Any], sound: bool
) -> None:
    found = fault(BY_NAME["freqai.expiration_hours"], FORECAST, {}, {"freqai": freqai})
    assert found is not sound


# -- nothing of Freqtrade's left unjudged ----------------------------------------------------------

# Blocks with settings of their own, each of which is judged; and what no trading bot reads.
BLOCKS = ("order_types", "order_time_in_force", "internals", "unfilledtimeout", "exchange")
ELSEWHERE = {
    # hyperopt, backtest tables, analyses, files and folders, what is loaded from where
    "minimum_trade_amount", "targeted_trade_amount", "lookahead_analysis_exportfilename",
    "startup_candle", "hyperopt_path", "epochs", "early_stop", "spaces", "analyze_per_epoch",
    "print_all", "hyperopt_jobs", "hyperopt_random_state", "hyperopt_min_trades", "hyperopt_loss",
    "skip_wallet_history_migration", "disableparamexport", "recursive_strategy_search", "strategy",
    "strategy_path", "user_data_dir", "freqaimodel", "freqaimodel_path", "add_config_files",
    "log_config", "experimental",
    # the pack's own checks: `ModelSettings` and `PackModel`
    "freqai",
}  # fmt: skip
OWNER = {  # of the exchange's block: who trades, not how
    "api_key", "key", "secret", "password", "uid", "account_id", "wallet_address", "private_key",
}  # fmt: skip


def unjudged(names: Iterator[str] | list[str]) -> set[str]:
    tops = {setting.name.split(".")[0] for setting in SETTINGS}
    return {n for n in names if n not in BY_NAME and n not in tops}


def test_table_when_freqtrade_lets_a_config_override_an_attribute_then_a_row_judges_it() -> None:
    assert len(resolved()) >= 24
    assert unjudged(resolved()) == set()


def test_table_when_freqtrade_has_a_setting_then_a_row_judges_it_or_it_is_elsewhere() -> None:
    assert unjudged(list(CONF_SCHEMA["properties"])) - ELSEWHERE == set()
    for block in BLOCKS:
        schema = CONF_SCHEMA["properties"][block]
        if "$ref" in schema:
            schema = CONF_SCHEMA["definitions"][block]
        names = {f"{block}.{name}" for name in schema["properties"] if name not in OWNER}
        assert names - set(BY_NAME) == set()


def test_table_when_a_strategy_of_freqtrade_has_an_attribute_then_a_row_judges_it() -> None:
    plain = {
        name for name, value in vars(IStrategy).items()
        if not name.startswith("_") and not callable(value)
        and not isinstance(value, property | staticmethod | classmethod)
    } | set(IStrategy.__annotations__)  # fmt: skip
    known = {"INTERFACE_VERSION", "config", "dp", "wallets", "freqai", "freqai_info", "lock",
             "market_direction", "plot_config", "params_file", "stake_currency",
             "custom_info"}  # fmt: skip
    names = {name for name in plain if not name.startswith("_")}
    assert unjudged(sorted(names)) - known == set()


def test_table_when_an_unknown_setting_is_planted_then_it_is_unjudged() -> None:
    assert unjudged(["stoploss", "sleep_through_stops"]) == {"sleep_through_stops"}


def test_table_when_a_setting_is_acknowledged_then_its_row_says_so_or_requires_a_value() -> None:
    for name, value in DEFAULTS.items():
        assert CONF_SCHEMA["properties"][name]["default"] == value
    for name in FREQTRADE_SETTINGS:
        assert name in DEFAULTS or "default" not in CONF_SCHEMA["properties"][name]
        setting = BY_NAME[name]
        assert "acknowledge" in setting.why or setting.forecast is not ANYTHING


# -- what is shipped -------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [RunMode.LIVE, RunMode.DRY_RUN, RunMode.BACKTEST])
@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["config_bitcoin.json"], FORECAST),
        (["config_bitcoin.json", "config_low_latency.json"], FORECAST),
        (["config_bitcoin.json", "config_second_source.json"], FORECAST),
        (["config_bitcoin.json", "config_loopback.json"], FORECAST),
        (["config_bitcoin.json", "config_loopback_live.json"], FORECAST),
        (["config_litecoin_hedge.json"], HEDGE),
        (["config_litecoin_hedge_model.json"], HEDGE),
    ],
)
def test_table_when_a_shipped_config_is_judged_then_it_passes(
    names: list[str], kind: Purpose, mode: RunMode
) -> None:
    config = Configuration.from_files([str(USER_DATA / name) for name in names])
    on_strategy = [s for s in SETTINGS if not fault_free(config, s, kind, mode)]
    # What the configs leave to the strategies is judged with them, in test_settings_check.
    assert {s.name.split(".")[0] for s in on_strategy} <= {
        "use_custom_stoploss", "stoploss", "order_types", "position_adjustment_enable",
        "can_short", "db_url",
    }  # fmt: skip


def fault_free(config: dict[str, Any], setting: Setting, kind: Purpose, mode: RunMode) -> bool:
    judged = Judged(kind=kind, strategy=None, config={**config, "runmode": mode})
    return not judged.faults([setting])


def test_table_when_the_live_suites_bots_are_judged_then_they_are_sound_but_for_the_timeout() -> (
    None
):
    config = live_settings("https://127.0.0.1:1", ["BTC/USDT:USDT"], dry_run=False)
    wrong = {s.name for s in SETTINGS if not fault_free(json.loads(json.dumps(config)), s,
                                                        FORECAST, RunMode.LIVE)}  # fmt: skip
    assert "unfilledtimeout" in wrong
    assert not {name for name in wrong if name.startswith(("exchange", "internals"))}


def test_table_when_the_shipped_base_is_read_then_a_bot_starts_running() -> None:
    shipped = json.loads((Path(USER_DATA) / "config_base.json").read_text(encoding="utf-8"))
    assert shipped["initial_state"] == "running"
