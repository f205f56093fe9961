"""All seams, by the library they are in; only what is asked for is imported.

A bot without Telegram imports no Telegram client, one without forecasts no FreqAI.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from freqtrade.enums import TRADE_MODES

from strategies.seams.record import Library, Seam

_FOLDER: Final = __name__.rpartition(".")[0]
_FILES: Final[Mapping[Library, tuple[str, ...]]] = {
    Library.EXCHANGE: (
        "data_provider", "rest_client", "contract_sizes", "margin_tiers", "reopened_orders",
        "async_client", "kept_candles", "websocket", "order_parameters", "order_setup",
        "wallet_refresh", "http_session", "tls_context", "log_buffer", "hook_copies", "raw_answers",
        "json_answers", "throttle", "bot_end", "order_methods", "order_requests",
        "worker", "resolvers", "force_entry", "trade_deletion", "moved_orders",
        "quiet_log", "strategy_messages",
    ),
    Library.FREQAI: (
        "freqai_model", "freqai_trained_time", "freqai_tensorboard", "freqai_context",
        "freqai_booking", "freqai_drawer", "freqai_imports", "candle_reading",
    ),
    Library.TELEGRAM: ("telegram_client",),
}  # fmt: skip


def seams_in(libraries: Iterable[Library] = tuple(Library)) -> tuple[Seam, ...]:
    """Return every seam in `libraries`, which are imported to look."""
    found: list[Seam] = []
    for library in libraries:
        for name in _FILES[library]:
            try:
                module = importlib.import_module(f"{_FOLDER}.{name}")
            except (ImportError, AttributeError, TypeError) as error:
                found.append(_unreadable(name, library, f"{type(error).__name__}: {error}"))
                continue
            found += [thing for thing in vars(module).values() if isinstance(thing, Seam)]
    return tuple(found)


def _unreadable(name: str, library: Library, why: str) -> Seam:
    """Return the stand-in for a file that cannot be imported; it may hold what safety needs."""

    def probe() -> str:
        return why

    probe.__module__ = f"{_FOLDER}.{name}"  # where the person who is to mend it looks
    return Seam(
        name=probe.__module__, what="", why="", since="", without="all that needs it is off",
        probe=probe, library=library, safety=True,
    )  # fmt: skip


def files_of_seams() -> frozenset[str]:
    """Return the names of the files that hold seams."""
    return frozenset(name for names in _FILES.values() for name in names)


def libraries_of(config: Mapping[str, Any]) -> tuple[Library, ...]:
    """Return what a bot of this config uses: a backtest sends no orders and no messages."""
    trades = config["runmode"] in TRADE_MODES
    used = [Library.EXCHANGE]
    if (config.get("freqai") or {}).get("enabled"):
        used.append(Library.FREQAI)
    if trades and (config.get("telegram") or {}).get("enabled"):
        used.append(Library.TELEGRAM)
    return tuple(used)
