"""Freqtrade's trades database, which another program may hold: looked at before an order leaves.

An order that cannot be booked ends the bot with its position open, so nothing new is ordered while
the database cannot be written; and where it is lost in between, somebody is told before the end.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from freqtrade.persistence import Trade
from sqlalchemy import create_engine, event, inspect
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

_PATIENCE_S: Final = 0.5  # Freqtrade itself waits 5 s for a lock, and then ends


def unwritable() -> str:
    """Return why a trade cannot be written down now, or nothing; takes no lock that stays."""
    try:
        Trade.commit()  # what the bot itself has begun to write holds the lock, too
        url = Trade.session.get_bind().engine.url
        if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
            return ""
        # Written at the end means alone, without a reader: the same is asked for here.
        path = Path(url.database).absolute().as_uri()
        with closing(sqlite3.connect(f"{path}?mode=rw", uri=True, timeout=_PATIENCE_S)) as probe:
            probe.execute("BEGIN EXCLUSIVE")
            probe.execute("ROLLBACK")
    except (SQLAlchemyError, sqlite3.Error) as error:
        Trade.rollback()
        return f"the trades database cannot be written: {error}"
    return ""


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
    sqlite = old.url.get_backend_name() == "sqlite"
    engine = create_engine(
        old.url,
        connect_args={"check_same_thread": False} if sqlite else {},
        max_overflow=-1,
    )
    custom_data = inspect(Trade).relationships["custom_data"].mapper.class_
    for sessions in (Trade.session, custom_data.session):
        sessions.remove()
        sessions.configure(bind=engine)
    old.dispose()


def before_it_ends(act: Callable[[str], None]) -> None:
    """Have `act` called with what is wrong whenever the database refuses something."""

    def refused(context: ExceptionContext) -> None:
        if isinstance(context.original_exception, sqlite3.OperationalError):
            act(str(context.original_exception))

    event.listen(Trade.session.get_bind().engine, "handle_error", refused)
