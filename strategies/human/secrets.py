"""The texts of a configuration that must not be repeated: all but those known to be harmless.

A list of what is secret is never complete: exchanges, notifiers, proxies and databases each bring
names of their own. What a name below does not vouch for is kept out of journal and log.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from models.operate.journal.records import masked

_SHORTEST: Final = 8  # characters; masking a shorter text would eat words
_PAIR: Final = re.compile(r"[A-Z0-9]{1,20}/[A-Z0-9]{1,10}(:[A-Z0-9]{1,10})?")  # under any name
# Whose text is a key whatever its length.
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "exchange": ("key", "secret", "password", "uid", "walletAddress", "privateKey"),
    "telegram": ("token",),
    "api_server": ("password", "jwt_secret_key", "ws_token"),
}
# Names whose texts people are meant to read: words of a choice, coins, files and folders.
_HARMLESS: Final = frozenset({
    "$schema", "add_config_files", "backtest_cache", "bot_name", "candle_type_def", "command",
    "config", "config_files", "dataformat_ohlcv", "dataformat_trades", "datadir", "entry",
    "exchange_name", "exit", "export", "exportdirectory", "exportfilename", "fast",
    "fiat_display_currency", "force_entry", "force_exit", "freqaimodel", "freqaimodel_path",
    "hyperopt", "hyperopt_path", "identifier", "include_corr_pairlist", "include_timeframes",
    "initial_state", "listen_ip_address", "logfile", "margin_mode", "method", "mode", "name",
    "on_silence", "pair",
    "pair_blacklist", "pair_whitelist", "pairs", "price_side", "runmode", "side", "sort_key",
    "stake_amount", "stake_currency", "stoploss_price_type", "strategy", "strategy_path",
    "style", "without", "executor", "ray_address", "training", "verbosity",
    "timeframe", "timeframe_detail", "timerange", "trading_mode", "unit", "user_data_dir",
    "coins", "pool", "emergency_exit", "stoploss", "model_save_type", "network",
    "class", "format", "formatter",  # of `log_config`
})  # fmt: skip


def secrets_of(config: Mapping[str, Any]) -> list[str]:
    """Return the texts of a Freqtrade config that nobody but their owner may read.

    Of an address, its name, password, long parts of the path and values of the query also by
    themselves: errors often repeat only a part.
    """
    # The bot wipes the exchange's keys from the config before it loads the strategy.
    config = config.get("original_config") or config
    found: dict[str, None] = {}
    for block, names in _KEYS.items():
        values = config.get(block)
        if isinstance(values, Mapping):
            for name in names:
                found |= dict.fromkeys(_texts(values.get(name)))
    for text in _texts(config):
        found |= dict.fromkeys(part for part in (text, *_parts(text)) if len(part) >= _SHORTEST)
    return [secret for secret in found if secret]


_unsaid: Final[list[str]] = []  # what no log record of this process may hold
_made = logging.getLogRecordFactory()
_trace: Final = logging.Formatter().formatException


def keep_out_of_log(secrets: Sequence[str]) -> None:
    """Have no log record show these texts, nor those of earlier calls, whoever writes it."""
    _unsaid[:] = dict.fromkeys([*_unsaid, *secrets])
    logging.setLogRecordFactory(_masked_record)


def _masked_record(*args: Any, **fields: Any) -> logging.LogRecord:
    """Return a log record whose text, trace included, shows no secret."""
    record = _made(*args, **fields)
    try:
        text = record.getMessage()
    except Exception:  # noqa: BLE001 - of any kind: who handles the record says so
        return record
    if (shown := masked(text, _unsaid)) != text:
        record.msg, record.args = shown, None
    if record.exc_info and record.exc_info[0] is not None:
        text = _trace(record.exc_info)
        if (shown := masked(text, _unsaid)) != text:
            record.exc_text, record.exc_info = shown, None
    return record


def _texts(value: object, name: str = "") -> Iterator[str]:
    """Yield every text below `value` whose name does not vouch for it."""
    if isinstance(value, Mapping):
        for inner, part in value.items():
            yield from _texts(part, str(inner))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part, name)
    elif type(value) is str and name not in _HARMLESS and not _PAIR.fullmatch(value):
        yield value  # an enum is a word of a choice


def _parts(text: str) -> Iterator[str]:
    """Yield what of an address is secret by itself."""
    if "://" not in text:
        return
    try:
        address = urlsplit(text)
    except ValueError:
        return
    for part in (address.username, address.password):
        if part:
            yield from (part, unquote(part))
    yield from (part for part in address.path.split("/") if len(part) >= 2 * _SHORTEST)
    yield from (value for _, value in parse_qsl(address.query))
