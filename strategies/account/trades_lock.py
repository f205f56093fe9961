"""Freqtrade's trades database, which another program may hold: looked at before an order leaves.

An order that cannot be booked ends the bot with its position open, so nothing new is ordered while
the database cannot be written; and where it is lost in between, somebody is told before the end.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from freqtrade.persistence import Trade
from sqlalchemy import create_engine, event, inspect
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from strategies.account.server_silence import bound_silence
from strategies.account.trades_server import CONNECT, SESSION

# Lost, locked, full, read-only: whatever is not a mistake of the question.
_ENDING: Final = (OperationalError, InterfaceError, InternalError)
_PATIENCE_S: Final = 0.5  # Freqtrade itself waits 5 s for a lock, and then ends


def unwritable() -> str:
    """Return why a trade cannot be written down now, or nothing; takes no lock that stays."""
    try:
        Trade.commit()  # what the bot itself has begun to write holds the lock, too
        url = Trade.session.get_bind().engine.url
        if url.get_backend_name() == "postgresql":
            _probe_server()
            return ""
        if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
            return ""
        # Written at the end means alone, without a reader: the same is asked for here.
        path = Path(url.database).absolute().as_uri()
        with closing(sqlite3.connect(f"{path}?mode=rw", uri=True, timeout=_PATIENCE_S)) as probe:
            probe.execute("BEGIN EXCLUSIVE")
            probe.execute("ROLLBACK")
    except (SQLAlchemyError, sqlite3.Error, OSError, _driver_error()) as error:
        Trade.rollback()
        return f"the trades database cannot be written: {' '.join(str(error).split())}"
    return ""


def _probe_server() -> None:
    """Raise unless a trade could be written on the server now; nothing is written."""
    # Past SQLAlchemy's own words about errors: whoever listens to those is told of the bot's own.
    connection = Trade.session.get_bind().engine.raw_connection()
    try:
        with closing(connection.cursor()) as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{round(1000 * _PATIENCE_S)}ms'")
            cursor.execute("SHOW transaction_read_only")
            if cursor.fetchone() != ("off",):
                raise OSError("the server is read-only, a standby perhaps")
            cursor.execute("LOCK TABLE trades, orders IN ROW EXCLUSIVE MODE")
    finally:
        try:
            connection.rollback()
        finally:
            connection.close()


def _driver_error() -> type[Exception]:
    """Return what the bot's database driver raises."""
    raised: type[Exception] = Trade.session.get_bind().engine.dialect.loaded_dbapi.Error
    return raised


def connect_whoever_asks() -> None:
    """Let the database be asked by any number at once; before anything is read from it.

    Freqtrade has fifteen connections. Each request of its API keeps one while it waits for its
    turn, so that a crowd of them leaves none to whoever's turn it is, nor to the bot's own loop,
    which ends with its positions open where it gets none for 30 s.
    """
    if not hasattr(Trade, "session"):
        return  # no database has been opened
    old = Trade.session.get_bind().engine
    if not isinstance(old.pool, QueuePool):
        return  # in memory: one connection, which all share
    engine = create_engine(old.url, connect_args=_connecting(old.url), max_overflow=-1)
    if old.url.get_backend_name() == "postgresql":
        bound_silence()
        event.listen(engine, "connect", _set_up)
    custom_data = inspect(Trade).relationships["custom_data"].mapper.class_
    for sessions in (Trade.session, custom_data.session):
        sessions.remove()
        sessions.configure(bind=engine)
    old.dispose()


def _connecting(url: URL) -> dict[str, Any]:
    """Return how to connect: what an address says itself stays."""
    if url.get_backend_name() == "sqlite":
        return {"check_same_thread": False}
    if url.get_backend_name() != "postgresql":
        return {}
    return {name: value for name, value in CONNECT.items() if name not in url.query}


def _set_up(connection: Any, _: object) -> None:
    """Have a lock waited for as long as SQLite's is, and no session ended for being idle."""
    with connection.cursor() as cursor:
        cursor.execute(SESSION)
    connection.commit()


def before_it_ends(act: Callable[[str], None]) -> None:
    """Have `act` called with what is wrong whenever the database refuses something."""

    def refused(context: ExceptionContext) -> None:
        if isinstance(context.original_exception, sqlite3.OperationalError) or (
            context.dialect.name == "postgresql"
            and isinstance(context.sqlalchemy_exception, _ENDING)
        ):
            act(" ".join(str(context.original_exception).split()))

    event.listen(Trade.session.get_bind().engine, "handle_error", refused)
