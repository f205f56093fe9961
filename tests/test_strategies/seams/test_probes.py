"""Each probe passes on the installed versions, and convicts when its private thing is gone."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable
from typing import Any

import ccxt
import pytest
from freqtrade import loggers
from freqtrade.data.dataprovider import DataProvider
from freqtrade.data.history.datahandlers.arrowdatahandler import ArrowDataHandler
from freqtrade.exchange import Exchange
from freqtrade.freqai import freqai_interface
from freqtrade.freqai.data_drawer import FreqaiDataDrawer
from freqtrade.freqai.freqai_interface import IFreqaiModel
from freqtrade.freqtradebot import FreqtradeBot
from freqtrade.persistence import Order
from freqtrade.resolvers.iresolver import IResolver
from freqtrade.rpc import RPC, rpc_manager
from freqtrade.rpc import telegram as freqtrade_telegram
from freqtrade.strategy import strategy_wrapper
from freqtrade.wallets import Wallets
from freqtrade.worker import Worker
from requests.adapters import HTTPAdapter
from urllib3 import HTTPSConnectionPool

from strategies.seams import (
    async_client,
    bot_end,
    candle_reading,
    contract_sizes,
    data_provider,
    force_entry,
    freqai_booking,
    freqai_context,
    freqai_drawer,
    freqai_imports,
    freqai_model,
    freqai_tensorboard,
    freqai_trained_time,
    hook_copies,
    http_session,
    json_answers,
    kept_candles,
    later,
    log_buffer,
    margin_tiers,
    moved_orders,
    order_methods,
    order_parameters,
    order_requests,
    order_setup,
    quiet_log,
    raw_answers,
    reopened_orders,
    resolvers,
    rest_client,
    strategy_messages,
    telegram_client,
    throttle,
    tls_context,
    trade_deletion,
    wallet_refresh,
    websocket,
)
from strategies.seams import worker as worker_seam
from strategies.seams.catalog import seams_in
from strategies.seams.record import Seam
from tests.syntax import parse

Breaks = Callable[[pytest.MonkeyPatch], None]
STOCK = telegram_client.TelegramClient.__mro__[1]


def without(owner: Any, name: str) -> Breaks:
    """Take a method or attribute away."""
    return lambda patch: patch.delattr(owner, name)


def other_source(text: str) -> Breaks:
    """Have the modules that stand-ins are put under be something else."""
    return lambda patch: patch.setattr(later, "source_of", lambda name: parse(text))


def changed(owner: Any, name: str) -> Breaks:
    """Put something in a method's place that does nothing of what it did."""

    def other(self: object) -> None: ...

    return lambda patch: patch.setattr(owner, name, other)


GONE: list[tuple[Seam, Breaks]] = [
    (data_provider.EXCHANGE_OBJECT, changed(DataProvider, "__init__")),
    (strategy_messages.STRATEGY_MESSAGES, without(DataProvider, "send_msg")),
    (rest_client.REST_CLIENT, changed(Exchange, "__init__")),
    (rest_client.REST_CLIENT, lambda patch: patch.setattr(
        ccxt, "binanceusdm", type("Other", (ccxt.binanceusdm,), {"__init__": _no_ledger}))),
    (rest_client.REST_CLIENT, lambda patch: patch.setattr(
        ccxt, "binanceusdm", type("Other", (ccxt.binanceusdm,), {"__init__": _other_broker}))),
    (contract_sizes.CONTRACT_SIZES, without(Exchange, "_contracts_to_amount")),
    (contract_sizes.CONTRACT_SIZES, without(Exchange, "_order_contracts_to_amount")),
    (contract_sizes.CONTRACT_SIZES, changed(Exchange, "_trades_contracts_to_amount")),
    (margin_tiers.MARGIN_TIERS, changed(Exchange, "__init__")),
    (margin_tiers.MARGIN_TIERS, changed(Exchange, "parse_leverage_tier")),
    (reopened_orders.REOPENED_ORDERS, without(Order, "parse_from_ccxt_object")),
    (reopened_orders.REOPENED_ORDERS, changed(FreqtradeBot, "manage_open_orders")),
    (async_client.ASYNC_CLIENT, changed(Exchange, "__init__")),
    (freqai_imports.PIPELINE_LIBRARIES, other_source("import sklearn.preprocessing")),
    (freqai_imports.PIPELINE_LIBRARIES, other_source(
        "from sklearn.preprocessing import MinMaxScaler\nfrom sklearn.model_selection import f\n"
        "import datasieve.transforms as ds\nscaled = isinstance(ds.made(), MinMaxScaler)")),
    (freqai_imports.PIPELINE_LIBRARIES, other_source(
        "from sklearn.preprocessing import MinMaxScaler\nfrom sklearn.model_selection import f\n"
        "import datasieve.transforms as ds\nclass Mine(ds.PCA): ...")),
    (candle_reading.CANDLE_READING, other_source("from pyarrow import ArrowException")),
    (candle_reading.CANDLE_READING, other_source(
        "from pyarrow import dataset\ndef f(x):\n    return isinstance(x, dataset.Dataset)")),
    (candle_reading.CANDLE_READING, without(ArrowDataHandler, "_load_dataframe")),
    (candle_reading.CANDLE_READING, changed(ArrowDataHandler, "_ohlcv_load")),
    (kept_candles.KEPT_CANDLES, changed(Exchange, "__init__")),
    (kept_candles.KEPT_CANDLES, changed(Exchange, "_set_startup_candle_count")),
    (websocket.WEBSOCKET, changed(Exchange, "__init__")),
    (order_parameters.ORDER_PARAMETERS, without(Exchange, "_params")),
    (order_parameters.ORDER_PARAMETERS, changed(Exchange, "_get_params")),
    (order_setup.ORDER_SETUP, without(Exchange, "_lev_prep")),
    (order_setup.ORDER_SETUP, changed(Exchange, "create_order")),
    (wallet_refresh.WALLET_REFRESH, changed(Wallets, "__init__")),
    (wallet_refresh.WALLET_REFRESH, changed(Wallets, "get_trade_stake_amount")),
    (http_session.HTTP_SESSION, changed(ccxt.binanceusdm, "__init__")),
    (tls_context.TLS_CONTEXT, changed(ccxt.binanceusdm, "__init__")),
    (tls_context.TLS_CONTEXT, without(HTTPAdapter, "cert_verify")),
    (tls_context.TLS_CONTEXT, changed(HTTPSConnectionPool, "_new_conn")),
    (log_buffer.LOG_BUFFER, without(loggers, "bufferHandler")),
    (quiet_log.QUIET_LOG, without(loggers, "error_console")),
    (raw_answers.RAW_ANSWERS, changed(ccxt.Exchange, "request")),
    (raw_answers.RAW_ANSWERS, changed(ccxt.binanceusdm, "parse_market")),
    (raw_answers.RAW_ANSWERS, changed(ccxt.Exchange, "parse_precision")),
    (raw_answers.RAW_ANSWERS, lambda patch: patch.setattr(
        ccxt, "binanceusdm", type("Other", (ccxt.binanceusdm,), {"__init__": _own_request}))),
    (json_answers.JSON_ANSWERS, changed(ccxt.binance, "handle_errors")),
    (json_answers.JSON_ANSWERS, changed(ccxt.Exchange, "fetch")),
    (json_answers.JSON_ANSWERS, changed(ccxt.async_support.Exchange, "fetch")),
    (throttle.THROTTLE, changed(ccxt.Exchange, "throttle")),
    (throttle.THROTTLE, changed(ccxt.Exchange, "fetch2")),
    (throttle.THROTTLE, changed(throttle.throttler.Throttler, "leaky_bucket_loop")),
    (throttle.THROTTLE, without(Worker, "_sleep")),
    (throttle.THROTTLE, changed(Worker, "_throttle")),
    (bot_end.BOT_END, without(RPC, "_rpc_stop")),
    (bot_end.BOT_END, without(FreqtradeBot, "process_stopped")),
    (bot_end.BOT_END, without(FreqtradeBot, "cleanup")),
    (bot_end.BOT_END, changed(Worker, "_process_stopped")),
    (bot_end.BOT_END, changed(Worker, "exit")),
    (hook_copies.HOOK_COPIES, lambda patch: patch.setattr(
        hook_copies, "strategy_safe_wrapper", _copying)),
    (order_methods.ORDER_METHODS, changed(Exchange, "create_order")),
    (order_methods.ORDER_METHODS, changed(Exchange, "create_stoploss")),
    (order_methods.ORDER_METHODS, without(Exchange, "cancel_order")),
    (order_methods.ORDER_METHODS, changed(Exchange, "cancel_stoploss_order")),
    (order_methods.ORDER_METHODS, changed(Exchange, "_get_params")),
    (order_methods.ORDER_METHODS, changed(FreqtradeBot, "execute_entry")),
    (order_methods.ORDER_METHODS, changed(FreqtradeBot, "execute_trade_exit")),
    (order_methods.ORDER_METHODS, without(FreqtradeBot, "create_stoploss_order")),
    (order_methods.ORDER_METHODS, lambda patch: patch.setattr(
        order_methods, "Binance", _AnotherWay)),
    (order_requests.ORDER_REQUESTS, changed(Exchange, "__init__")),
    (order_requests.ORDER_REQUESTS, changed(ccxt.Exchange, "fetch2")),
    (order_requests.ORDER_REQUESTS, changed(ccxt.async_support.Exchange, "fetch2")),
    (order_requests.ORDER_REQUESTS, changed(ccxt.binance, "sign")),
    (order_requests.ORDER_REQUESTS, changed(ccxt.binance, "create_order_request")),
    (force_entry.FORCE_ENTRY, changed(RPC, "_rpc_force_entry")),
    (force_entry.FORCE_ENTRY, without(FreqtradeBot, "execute_entry")),
    (trade_deletion.TRADE_DELETION, changed(RPC, "_rpc_delete")),
    (moved_orders.MOVED_ORDERS, changed(FreqtradeBot, "manage_open_orders")),
    (moved_orders.MOVED_ORDERS, changed(FreqtradeBot, "handle_replace_order")),
    (moved_orders.MOVED_ORDERS, without(FreqtradeBot, "replace_order")),
    (resolvers.RESOLVERS, changed(FreqtradeBot, "__init__")),
    (resolvers.RESOLVERS, without(IResolver, "_search_object")),
    (resolvers.RESOLVERS, changed(IResolver, "_get_valid_object")),
    (resolvers.RESOLVERS, without(IResolver, "build_search_paths")),
    (worker_seam.WORKER, changed(Worker, "__init__")),
    (worker_seam.WORKER, changed(Worker, "_init")),
    (worker_seam.WORKER, without(Worker, "_worker")),
    (worker_seam.WORKER, changed(Worker, "run")),
    (worker_seam.WORKER, without(Worker, "_reconfigure")),
    (worker_seam.WORKER, without(RPC, "_rpc_reload_config")),
    (freqai_model.TRAIN_QUEUE, without(IFreqaiModel, "_set_train_queue")),
    (freqai_model.TRAIN_QUEUE, changed(IFreqaiModel, "_start_scanning")),
    (freqai_model.BACKTEST_FAILURE, without(
        IFreqaiModel, "_append_null_backtesting_predictions")),
    (freqai_model.BACKTEST_FAILURE, changed(IFreqaiModel, "start_backtesting")),
    (freqai_model.TRAINING_THREAD, changed(IFreqaiModel, "start_scanning")),
    (freqai_model.TRAINING_THREAD, changed(IFreqaiModel, "__init__")),
    (freqai_model.LAST_SAVE, without(IFreqaiModel, "_on_stop")),
    (freqai_model.LAST_SAVE, changed(IFreqaiModel, "shutdown")),
    (freqai_trained_time.TRAINED_TIME, without(FreqaiDataDrawer, "get_pair_dict_info")),
    (freqai_trained_time.TRAINED_TIME, changed(IFreqaiModel, "_start_scanning")),
    (freqai_tensorboard.TENSORBOARD, without(freqai_interface, "get_tb_logger")),
    (freqai_tensorboard.TENSORBOARD, changed(IFreqaiModel, "extract_data_and_train_model")),
    (freqai_context.LIVE_CONTEXT, changed(IFreqaiModel, "build_strategy_return_arrays")),
    (freqai_booking.ANSWER_BOOKING, without(FreqaiDataDrawer, "append_model_predictions")),
    (freqai_booking.ANSWER_BOOKING, changed(FreqaiDataDrawer, "update_historic_data")),
    (freqai_drawer.PLAIN_DRAWER, changed(IFreqaiModel, "__init__")),
    (freqai_drawer.PLAIN_DRAWER, without(FreqaiDataDrawer, "save_data")),
    (freqai_drawer.PLAIN_DRAWER, without(FreqaiDataDrawer, "load_historic_predictions_from_disk")),
    (freqai_drawer.PLAIN_DRAWER, lambda patch: patch.setattr(
        FreqaiDataDrawer, "recall", _unpickles, raising=False)),
    (telegram_client.TELEGRAM_COMMANDS, without(STOCK, "_init_telegram_app")),
    (telegram_client.TELEGRAM_COMMANDS, without(STOCK, "_startup_telegram")),
    (telegram_client.TELEGRAM_COMMANDS, changed(STOCK, "_init")),
    (telegram_client.TELEGRAM_COMMANDS, changed(STOCK, "_start_thread")),
    (telegram_client.TELEGRAM_COMMANDS, changed(RPC, "__init__")),
    (telegram_client.TELEGRAM_COMMANDS, without(freqtrade_telegram, "authorized_only")),
    (telegram_client.TELEGRAM_COMMANDS, lambda patch: patch.setattr(
        telegram_client, "rpc_manager", inspect)),
    (telegram_client.TELEGRAM_MANNER, without(STOCK, "_force_enter_inline")),
    (telegram_client.TELEGRAM_MANNER, changed(STOCK, "_init_keyboard")),
]  # fmt: skip


def _unpickles(self: object, path: str) -> object:
    with open(path, "rb") as file:
        return pickle.load(file)


def _no_ledger(self: ccxt.Exchange, *_: Any) -> None:
    ccxt.binance.__init__(self)
    self.has["fetchLedger"] = False


def _own_request(self: ccxt.Exchange, *_: Any) -> None:
    ccxt.binance.__init__(self)
    vars(self)["request"] = print


def _other_broker(self: ccxt.Exchange, *_: Any) -> None:
    ccxt.binance.__init__(self)
    self.options["broker"] = {"future": "y-1", "swap": "y-2"}


class _AnotherWay:
    """An exchange that sends an order itself."""

    _api: Any

    def hurry(self) -> None:
        self._api.create_order("BTC/USDT:USDT", "market", "buy", 1.0)


def _copying(hook: Callable[..., Any], **_: Any) -> Callable[..., Any]:
    assert strategy_wrapper.strategy_safe_wrapper(hook) is not hook
    return lambda trade: hook(object())


@pytest.mark.parametrize("seam", seams_in(), ids=lambda seam: seam.name.split(",")[0])
def test_probe_when_the_installed_versions_are_read_then_nothing_is_missing(seam: Seam) -> None:
    assert seam.missing() == ""


@pytest.mark.parametrize(("seam", "breaks"), GONE)
def test_probe_when_the_private_thing_is_gone_then_it_says_what(
    seam: Seam, breaks: Breaks, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        breaks(patch)
        missing = seam.missing()
    assert missing
    assert seam.missing() == ""


def test_probes_when_all_are_tried_then_each_seam_has_been_seen_gone() -> None:
    assert {seam.name for seam, _ in GONE} == {seam.name for seam in seams_in()}
    assert inspect.getsource(rpc_manager)
