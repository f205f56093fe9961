"""Every Freqtrade setting that safety could lean on, judged.

A row for each: what it has to be in a forecasting strategy and in a hedge, and why. Rows that may
be anything are here too, so that a new Freqtrade with a setting nobody has judged is noticed
(`tests/test_strategies/account/test_safety_table.py`). What orders may risk is not a setting of
Freqtrade: see `models.trade.risk.limits`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from freqtrade.enums import TRADE_MODES
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from strategies.account.safety_client import (
    CLIENT_RULE,
    closed_api,
    known_abilities,
    reachable_chat,
)
from strategies.account.safety_rules import (
    ANYTHING,
    Cure,
    Need,
    Setting,
    Where,
    dig,
    exactly,
    in_config,
    one_of,
    within,
)

_NEVER: Final = 10.0  # of stake: a profit or a loss no leg reaches
_EXIT_S: Final = 600.0  # the longest an exit may lie unfilled
_UNITS: Final = {"minutes": 60.0, "seconds": 1.0}


def _both(name: str, rule: Need, why: str, **more: Any) -> Setting:
    return Setting(name=name, why=why, forecast=rule, hedge=rule, **more)


def _hedge(name: str, rule: Need, why: str, **more: Any) -> Setting:
    return Setting(name=name, why=why, forecast=ANYTHING, hedge=rule, **more)


def _forecast(name: str, rule: Need, why: str, **more: Any) -> Setting:
    return Setting(name=name, why=why, forecast=rule, hedge=ANYTHING, **more)


def _free(why: str, *names: str) -> tuple[Setting, ...]:
    return tuple(_both(name, ANYTHING, why) for name in names)


def _exit_in_time(block: Any, _: Mapping[str, Any]) -> bool:
    """Whether an exit that is not filled is sent again within minutes."""
    return 0 < float(block["exit"]) * _UNITS[block.get("unit", "minutes")] <= _EXIT_S


def _exit_type(value: Any, config: Mapping[str, Any]) -> bool:
    """Whether exits are filled: at market; in a backtest quoted, with a time to go to market.

    A bot that trades has market orders always: what is quoted is named to the order gate, one
    order at a time.
    """
    if str(value).lower() == "market":  # a text, or a member of an enum of them
        return True
    style = dig(config, ("breakwater", "execution", "style"), "taker")
    return bool(value == "limit" and style == "maker" and config["runmode"] not in TRADE_MODES)


def _all_at_least(least: float) -> Need:
    def holds(table: Any, _: Mapping[str, Any]) -> bool:
        return all(type(v) in (int, float) and v >= least for v in table.values())

    words = f"every return at least {least:g}"
    return Need(words, holds, {0: 100.0})


def _at_least_the_pairs(value: Any, config: Mapping[str, Any]) -> bool:
    slots, pairs = float(value), config["exchange"].get("pair_whitelist") or []
    return slots < 0 or slots >= len(pairs)


def _on_disk(url: Any, _: Mapping[str, Any]) -> bool:
    try:
        make_url(url)
    except ArgumentError:
        return False
    return url != "sqlite://" and ":memory:" not in url


_STOPS = (
    Setting(
        name="use_custom_stoploss",
        why="the working stop is the strategy's own (a hedge's legs have none)",
        forecast=exactly(True),
        hedge=exactly(False),
        absent=False,
    ),
    Setting(
        name="stoploss",
        why="the last resort behind the working stop, in units of stake; nearer than 2 % it would "
        "close every entry at once (a hedge that stops out leaves the position naked)",
        forecast=within(-0.5, -0.02, instead=-0.5),
        hedge=exactly(-_NEVER),
    ),
    _both("trailing_stop", exactly(False), "a second hand on the stop of one position",
          absent=False),
    *_free("nothing without trailing_stop, which is off", "trailing_stop_positive",
           "trailing_stop_positive_offset", "trailing_only_offset_is_reached"),
    Setting(
        name="order_types.stoploss_on_exchange",
        why="a stop on the exchange holds while the bot is dead (a hedge's legs have none)",
        forecast=exactly(True),
        hedge=exactly(False),
        absent=False,
        where=Where.TRADING,  # a backtest fills stops itself and has switched it off
    ),
    _both("order_types.stoploss", exactly("market"),
          "a limit stop is jumped over when it is needed", absent="market"),
    _both("order_types.stoploss_price_type", one_of(None, "last", "mark", instead="last"),
          "stops are measured on these two prices"),
    _both("order_types.stoploss_on_exchange_interval", within(1, 60, instead=60),
          "a stop that has to move must not wait", absent=60),
    *_free("only a limit stop has a limit, and stops are market orders",
           "order_types.stoploss_on_exchange_limit_ratio"),
)  # fmt: skip

_CLOSING = (
    _both("position_adjustment_enable", exactly(True),
          "/flatten, staged closing and a hedge's changes are position adjustments", absent=False),
    _hedge("max_entry_position_adjustment", exactly(-1),
           "a hedge that may not grow falls behind its position (reductions are not counted)",
           absent=-1),
    Setting(
        name="order_types.exit",
        why="what must be closed must be filled; breakwater.execution is the one way to quote "
        "ordinary exits",
        forecast=Need(in_config("market"), _exit_type, "market"),
        hedge=exactly("market"),
        absent="market",
    ),
    _both("order_types.force_exit", exactly("market"), "what must be closed must be filled",
          absent="market"),
    _both("order_types.emergency_exit", exactly("market"), "what must be closed must be filled",
          absent="market"),
    _both("order_time_in_force.exit", one_of("GTC", instead="GTC"),
          "an exit that may be refused or cancelled unfilled is none", absent="GTC"),
    _forecast("use_exit_signal", exactly(True),
              "without it neither the exit signal nor the longest holding time closes anything",
              absent=True),
    _both("exit_profit_only", exactly(False), "it holds on to whatever loses", absent=False),
    *_free("nothing without exit_profit_only, which is off", "exit_profit_offset"),
    Setting(
        name="minimal_roi",
        why="a return below 0 closes every entry for its fees (a leg that takes profit leaves the "
        "position naked)",
        forecast=_all_at_least(0.0),
        hedge=_all_at_least(_NEVER),
        absent={},
    ),
    *_free("it only holds back the profit taking of minimal_roi, which is never a stop",
           "ignore_roi_if_entry_signal"),
    _hedge("use_custom_roi", exactly(False), "a leg that takes profit leaves the position naked",
           absent=False),
    _both("unfilledtimeout",
          Need(f"an exit sent again within {_EXIT_S / 60:g} minutes", _exit_in_time,
               {"entry": 5, "exit": 5, "unit": "minutes"}),
          "an exit that nobody fills must not lie for ever", where=Where.TRADING, absent={},
          cure=Cure.OVERRIDE),
    *_free("more attempts, then an emergency exit at market",
           "unfilledtimeout.exit_timeout_count"),
    *_free("an entry that waits is taken back as soon as no risk may be added, and the guards "
           "count it", "unfilledtimeout.entry", "order_types.entry", "order_types.force_entry",
           "order_time_in_force.entry"),
    *_free("exits are market orders: the price asked for is a reading", "unfilledtimeout.exit",
           "unfilledtimeout.unit", "exit_pricing"),
    *_free("shutting down takes entries and exits back, never stops", "cancel_open_orders_on_exit"),
)  # fmt: skip

_ENTRIES = (
    _hedge("ignore_buying_expired_candle_after", exactly(0), "a leg that may not be opened late is "
           "not opened", absent=0),
    _hedge("protections", Need("none", lambda value, _: not value, []),
           "a lock keeps a leg from being opened while its position is", absent=[]),
    # Beside an unlimited stake Freqtrade refuses -1, which stands in for it once it has started.
    _hedge("max_open_trades", Need("at least as many as pairs", _at_least_the_pairs, -1,
                                   "set max_open_trades to the number of pairs, or more"),
           "without a slot a leg is not opened", absent=-1),
    _both("can_short", exactly(True), "a short that is forecast or hedges has to be sold",
          absent=False),
    *_free("the order gate asks for a permit, whoever orders", "force_entry_enable",
           "external_message_consumer"),
    *_free("the guards decide how large an order is, on the account's equity; part of the "
           "acknowledgement", "stake_amount", "tradable_balance_ratio", "available_capital"),
    *_free("the guards decide how large an order is", "amend_last_stake_amount",
           "last_stake_amount_min_ratio", "amount_reserve_percent", "dry_run_wallet"),
    *_free("orders leave only near the mark: a guard", "entry_pricing",
           "custom_price_max_distance_ratio"),
    *_free("guards know each pair's own market", "pairlists", "exchange.pair_whitelist",
           "exchange.pair_blacklist", "stake_currency"),
)  # fmt: skip

_LOOP = (
    _both("initial_state", one_of("running", "paused", instead="paused"),
          "a stopped bot looks after nothing: no stop, no guard, no sign of life. Paused, it opens "
          "nothing until /start and looks after all there is", cure=Cure.OVERRIDE,
          where=Where.TRADING, early=True),
    _both("internals.process_throttle_secs", within(0, 5),
          "stops, guards and a halt wait for the loop", absent=5, where=Where.TRADING),
    *_free("a line in the log, or a word to systemd", "internals.heartbeat_interval",
           "internals.sd_notify", "internals.interval"),
    _both("process_only_new_candles", exactly(True),
          "a forecast in every loop makes guards and stops wait", absent=True),
    _both("disable_dataframe_checks", exactly(False),
          "a frame that lost its last candle would be traded on", absent=False),
    _both("reduce_df_footprint", exactly(False), "features in other precision than in training",
          absent=False),
    *_free("too few candles are no forecast, and nothing is opened on none",
           "startup_candle_count"),
    *_free("thresholds and labels count in candles", "timeframe"),
    _both("dataformat_ohlcv", exactly("feather"), "the candles checked must be the candles read",
          absent="feather", where=Where.BACKTEST),
    _both("position_stacking", exactly(False), "a live bot has one trade a pair", absent=False,
          where=Where.BACKTEST),
    *_free("the data of a run without orders, or of reports", "dataformat_trades", "datadir",
           "new_pairs_days", "download_trades", "orderflow", "export", "backtest_cache",
           "backtest_breakdown", "fee"),
)  # fmt: skip

_ACCOUNT = (
    _both("trading_mode", exactly("futures"), "the account model is that of futures"),
    Setting(
        name="margin_mode",
        why="the account model is that of one account (a hedge must share it with its position)",
        forecast=one_of("cross", "isolated"),
        hedge=one_of("cross"),
    ),
    _both("liquidation_buffer", within(0.05, 0.25),
          "Freqtrade leaves so far before a liquidation; further away it leaves at once",
          absent=0.05),
    *_free("a message", "liquidation_warn_ratio", "fiat_display_currency", "bot_name"),
    *_free("read where the account is read", "proxy_coin", "dry_run"),
    _both("db_url", Need("a database on disk", _on_disk),
          "after a restart nobody would know the open trades", where=Where.LIVE,
          absent="sqlite:///tradesv3.sqlite"),
    _both("exchange.name", one_of("binance"), "cross margin, stops and tiers are Binance's"),
    _both("exchange.skip_open_order_update", exactly(False),
          "after a restart the exchange is asked what became of orders", absent=False),
    _both("exchange.markets_refresh_interval", within(1, 240),
          "minutes; listings, filters and tiers grow old", absent=60),
    _both("exchange._ft_has_params",
          Need("ohlcv_candle_limit and nothing else", known_abilities),
          "it tells Freqtrade what the exchange can do, stops among it", absent={}),
    *(_both(f"exchange.{block}", CLIENT_RULE,
            "an option of the client sends orders elsewhere, or trusts anybody", absent={})
      for block in ("ccxt_config", "ccxt_sync_config", "ccxt_async_config")),
    *_free("how candles come, or what is logged", "exchange.enable_ws",
           "exchange.only_from_ccxt", "exchange.log_responses", "exchange.unknown_fee_rate",
           "exchange.demo_trading", "exchange.outdated_offset"),
    _both("freqai.expiration_hours",
          Need("more than 0 hours", lambda value, config: not (config.get("freqai") or {}).get(
              "enabled") or (type(value) in (int, float) and 0 < value < 24 * 100)),
          "with 0 a model never grows too old to trade on", absent=0, where=Where.TRADING),
)  # fmt: skip

_PEOPLE = (
    _both("api_server",
          Need("an address, a user name, a password and a jwt_secret_key of its own", closed_api),
          "whoever reaches it can close and open", absent={}, where=Where.TRADING),
    _hedge("telegram.allow_custom_messages", exactly(True),
           "what a person has to transfer or order is told so", absent=True, where=Where.TRADING),
    _hedge("telegram.notification_settings.strategy_msg",
           Need("on or silent", lambda value, _: value != "off"),
           "what a person has to transfer or order is told so", where=Where.TRADING),
    _both("telegram", Need("a token and a chat_id", reachable_chat),
          "a bot whose Telegram client cannot be made does not start", absent={},
          where=Where.TRADING),
    *_free("outgoing, and the pack's own words do not pass through it", "webhook", "discord",
           "coingecko"),
)  # fmt: skip

SETTINGS: Final[tuple[Setting, ...]] = (
    *_STOPS, *_CLOSING, *_ENTRIES, *_LOOP, *_ACCOUNT, *_PEOPLE,
)  # fmt: skip
