"""The trades database of a bot, as something that belongs to one bot only.

Freqtrade manages every open trade it finds in there, whoever opened it: another bot's, or a dry
run's, would be closed on the exchange, or waited for.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Final

from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from models.base.errors import ConfigError
from models.operate.control.owner import BotIdentity, BotPlace, BotStage, OwnedPlace
from strategies.account.trades_server import server_place

logger = logging.getLogger(__name__)

_SQLITE: Final = "sqlite:///"
MADE_UP: Final = "dry_run_"  # Freqtrade's orders that no exchange has heard of begin so
_OPEN: Final = """
    SELECT DISTINCT t.strategy, t.exchange, substr(o.order_id, 1, 8) AS begins
    FROM trades t JOIN orders o ON o.ft_trade_id = t.id WHERE t.is_open{}
"""
_TABLES: Final = "SELECT to_regclass('trades') IS NOT NULL AND to_regclass('orders') IS NOT NULL"


def trades_place(
    config: Mapping[str, Any], bot: BotIdentity, *, missing: bool = True
) -> BotPlace | None:
    """Return the trades database of a config as a place of `bot`; None for one in memory.

    Parameters
    ----------
    missing
        Whether a file that is not there yet counts.

    Raises
    ------
    ConfigError
        If its address is none, or names a server whose driver is missing.
    """
    if (file := database_file(config)) is not None:
        return database_place(file, bot) if missing or file.exists() else None
    text = str(config.get("db_url") or "")
    if not text or text.startswith("sqlite"):
        return None
    try:
        url = make_url(text)
        url.get_dialect()
    except (SQLAlchemyError, ImportError):
        # What the library says of it has the address in it, with its password.
        raise ConfigError(
            "expected db_url to be the address of a database that Freqtrade can open",
            where="db_url",
            cure="sqlite:///trades.sqlite, or postgresql+psycopg2://user:password@host/database",
        ) from None
    if url.get_backend_name() == "postgresql":
        return server_place(url, partial(_others_on_server, bot))
    logger.warning(
        "this database server keeps no lock for one bot: give each bot a database of its own"
    )
    return None


def _others_on_server(bot: BotIdentity, rows: Callable[[str], list[Any]]) -> str:
    if not rows(_TABLES)[0][0]:
        return ""  # not yet a database of Freqtrade's
    return _others(rows(_OPEN.format("")), bot)


def database_file(config: Mapping[str, Any]) -> Path | None:
    """Return the file of the trades database; None in memory or on a server of its own.

    Examples
    --------
    >>> database_file({"db_url": "sqlite:///trades.sqlite"})
    PosixPath('trades.sqlite')
    >>> database_file({"db_url": "sqlite://"})
    """
    url = str(config.get("db_url") or "")
    path = url.removeprefix(_SQLITE).split("?")[0]
    if url.startswith(_SQLITE) and path and path != ":memory:":
        return Path(path)
    return None


def database_place(file: Path, bot: BotIdentity) -> OwnedPlace:
    """Return the database as a place of `bot`, and which trades in it are another bot's."""
    # The file itself: two names of it, a link, a relative path, are one database.
    real = file.resolve()
    owner = real.with_name(f"{real.name}.owner.json")
    return OwnedPlace(
        name=f"the trades database {file}",
        owner=owner,
        lock=real.with_name(f"{real.name}.bot.lock"),
        instead="give this bot a database of its own, with --db-url or db_url in its config",
        doubt="" if owner.exists() else others_trades(real, bot),
    )


def others_trades(file: Path, bot: BotIdentity) -> str:
    """Return what of the open trades is not `bot`'s, as far as they tell; nothing if all are."""
    if not file.is_file():
        return ""
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=5)) as database:
            rows = database.execute(_OPEN.format(" = 1")).fetchall()
    except sqlite3.Error as error:
        # Not yet a database of Freqtrade's, or one from long ago: it migrates or refuses it.
        return "" if "no such" in str(error) else f"it cannot be read: {error}"
    return _others(rows, bot)


def _others(rows: Iterable[Any], bot: BotIdentity) -> str:
    for strategy, exchange, begins in rows:
        stage = BotStage.DRY_RUN if begins == MADE_UP else BotStage.LIVE
        theirs = (strategy or bot.strategy, exchange or bot.exchange, stage)
        if theirs != (bot.strategy or strategy, bot.exchange, bot.stage):
            return f"it holds open trades of {strategy}, {stage} on {exchange}"
    return ""
