"""What of a configuration a report may show: what is known to be harmless, and nothing else.

A list of what is secret is never complete: every exchange, notifier and proxy brings names of its
own. Here a setting is shown only if its name stands below and its value is of the kind that stands
beside it: a number, a yes or no, one of a few words, a pair. No free text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

Rule: TypeAlias = "Callable[[object], bool] | Mapping[str, Rule]"

REMOVED: Final = "(removed)"  # in place of a value
LEFT_OUT: Final = "(settings left out)"  # how many, their names included

_LARGEST: Final = 1e12  # numbers beyond are no settings
_TIMEFRAME: Final = re.compile(r"\d{1,3}[smhdwM]")
_PAIR: Final = re.compile(r"[A-Z0-9]{1,12}/[A-Z0-9]{1,8}(:[A-Z0-9]{1,8})?")
_COIN: Final = re.compile(r"[A-Z]{2,6}")
_TIMERANGE: Final = re.compile(r"(\d{8})?-(\d{8})?")
_NAME: Final = re.compile(r"[a-z][a-z_]{0,39}(_\d{1,3})?")
_MINUTES: Final = re.compile(r"\d{1,6}")


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not abs(value) > _LARGEST  # NaN, yes and no too


def _like(pattern: re.Pattern[str]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _word(*words: str) -> Callable[[object], bool]:
    return lambda value: value in words or _number(value)


def _list(of: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list | tuple) and all(map(of, value))


def _numbers(value: object) -> bool:
    """Return whether a block has plain names and numbers only, at any depth."""
    if isinstance(value, Mapping):
        return all(_like(_NAME)(name) and _numbers(part) for name, part in value.items())
    return _number(value) or _list(_number)(value)


def _rungs(value: object) -> bool:
    """Return whether a block says what holds after so many minutes."""
    return isinstance(value, Mapping) and all(
        _like(_MINUTES)(minutes) and _number(part) for minutes, part in value.items()
    )


_ORDER: Final = _word("market", "limit")
_PRICES: Final[Mapping[str, Rule]] = {
    "price_side": _word("ask", "bid", "same", "other"),
    **dict.fromkeys(("price_last_balance", "use_order_book", "order_book_top"), _number),
    "check_depth_of_market": {"enabled": _number, "bids_to_ask_delta": _number},
}
_MODEL: Final[Mapping[str, Rule]] = dict.fromkeys(("labels", "training", "network"), _numbers)
HARMLESS: Final[Mapping[str, Rule]] = {
    **dict.fromkeys(
        (
            "max_open_trades", "tradable_balance_ratio", "available_capital",
            "amend_last_stake_amount", "last_stake_amount_min_ratio", "dry_run", "dry_run_wallet",
            "fee", "stoploss", "trailing_stop", "trailing_stop_positive",
            "trailing_stop_positive_offset", "trailing_only_offset_is_reached", "use_exit_signal",
            "exit_profit_only", "exit_profit_offset", "ignore_roi_if_entry_signal",
            "ignore_buying_expired_candle_after", "process_only_new_candles",
            "startup_candle_count", "liquidation_buffer", "position_adjustment_enable",
            "max_entry_position_adjustment", "use_custom_stoploss", "amount_reserve_percent",
            "force_entry_enable", "cancel_open_orders_on_exit", "custom_price_max_distance_ratio",
            "futures_funding_rate", "position_stacking", "enable_protections",
        ),
        _number,
    ),
    "stake_amount": _word("unlimited"),
    "stake_currency": _like(_COIN),
    "timeframe": _like(_TIMEFRAME),
    "timeframe_detail": _like(_TIMEFRAME),
    "timerange": _like(_TIMERANGE),
    "trading_mode": _word("spot", "margin", "futures"),
    "margin_mode": _word("cross", "isolated", ""),
    "minimal_roi": _rungs,
    "unfilledtimeout": {
        **dict.fromkeys(("entry", "exit", "exit_timeout_count"), _number),
        "unit": _word("minutes", "seconds"),
    },
    "entry_pricing": _PRICES,
    "exit_pricing": _PRICES,
    "order_types": {
        **dict.fromkeys(("entry", "exit", "force_exit", "force_entry", "emergency_exit",
                         "stoploss"), _ORDER),
        **dict.fromkeys(("stoploss_on_exchange", "stoploss_on_exchange_interval",
                         "stoploss_on_exchange_limit_ratio"), _number),
        "stoploss_price_type": _word("last", "mark", "index"),
    },
    "order_time_in_force": dict.fromkeys(
        ("entry", "exit"), _word("GTC", "FOK", "IOC", "PO", "gtc", "fok", "ioc", "po")
    ),
    "exchange": {
        "name": _word("binance", "hyperliquid", "bybit", "okx", "gate", "kraken"),
        "pair_whitelist": _list(_like(_PAIR)),
        "pair_blacklist": _list(_like(_PAIR)),
    },
    "freqai": {
        **dict.fromkeys(
            (
                "enabled", "train_period_days", "backtest_period_days", "live_retrain_hours",
                "expiration_hours", "purge_old_models", "save_backtest_models", "seed",
                "fit_live_predictions_candles", "activate_tensorboard", "continual_learning",
                "wait_for_training_iteration_on_reload", "write_metrics_to_disk",
            ),
            _number,
        ),
        "feature_parameters": {
            "include_timeframes": _list(_like(_TIMEFRAME)),
            "include_corr_pairlist": _list(_like(_PAIR)),
            "indicator_periods_candles": _list(_number),
            **dict.fromkeys(
                (
                    "label_period_candles", "include_shifted_candles", "DI_threshold",
                    "weight_factor", "principal_component_analysis", "noise_standard_deviation",
                    "plot_feature_importances", "buffer_train_data_candles",
                    "use_SVM_to_remove_outliers", "use_DBSCAN_to_remove_outliers",
                    "shuffle_after_split",
                ),
                _number,
            ),
        },
        "data_split_parameters": dict.fromkeys(("test_size", "shuffle", "random_state"), _number),
        "model_training_parameters": _MODEL,
    },
    "breakwater": dict.fromkeys(("limits", "decision", "sizing", "labels"), _numbers),
}  # fmt: skip


def redacted(
    config: Mapping[str, object], rules: Mapping[str, Rule] = HARMLESS
) -> dict[str, object]:
    """Return what of `config` may be shown.

    Parameters
    ----------
    rules
        By name: which values are harmless, or the rules of the block.
    """
    out: dict[str, object] = {}
    unknown = 0
    for name, value in config.items():
        rule = rules.get(name)
        if rule is None:
            unknown += 1
        elif isinstance(rule, Mapping):
            out[name] = redacted(value, rule) if isinstance(value, Mapping) else REMOVED
        else:
            out[name] = value if rule(value) else REMOVED
    return {**out, LEFT_OUT: unknown} if unknown else out
