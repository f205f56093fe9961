"""A trades database on a PostgreSQL server, as something that belongs to one bot only.

Whose it is stands in a table beside Freqtrade's. The lock is the server's own, held by a connection
that does nothing else: it dies with the bot's process, whatever kills it. Passwords stay in the
address and are in nothing that is said.
"""

from __future__ import annotations

import json
import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from sqlalchemy.engine import URL

from models.base.errors import ConfigError, ControlError
from models.base.files import Clock, wall_clock_ms
from models.operate.control.lease import Holder, holder_from, this_process
from models.operate.control.owner import Owner, owner_from_text, owner_text
from strategies.account.server_silence import bound_silence

CONNECT: Final = {
    # A cable pulled is known within half a minute, not after the quarter of an hour of the kernel.
    "connect_timeout": 10, "keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5,
    "keepalives_count": 3, "tcp_user_timeout": 20_000,
}  # fmt: skip
# What a server may end of itself, and does not: a bot that waits for a candle is no idler. The
# server, too, must notice within half a minute that a bot's machine is gone: the lock goes with it.
SESSION: Final = """
    SELECT set_config(name, wanted, false) FROM (VALUES
        ('lock_timeout', '5s'), ('idle_session_timeout', '0'),
        ('idle_in_transaction_session_timeout', '0'), ('tcp_keepalives_idle', '10'),
        ('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '3')
    ) AS asked (name, wanted) WHERE current_setting(name, true) IS NOT NULL
"""
_TABLE: Final = """
    CREATE TABLE IF NOT EXISTS breakwater_owner (
        one boolean PRIMARY KEY DEFAULT true CHECK (one), owner text, holder text)
"""
_EXISTS: Final = "SELECT to_regclass('breakwater_owner') IS NOT NULL"
_LOCK: Final = "SELECT pg_try_advisory_lock(hashtextextended('breakwater ' || current_schema(), 0))"
_WRITE: Final = """
    INSERT INTO breakwater_owner (one, {0}) VALUES (true, %s)
    ON CONFLICT (one) DO UPDATE SET {0} = excluded.{0}
"""
_TRIES, _PAUSE_S = 30, 0.1  # the server takes a moment to notice that a bot was killed
_POOLED: Final = ("postgresql", "postgresql+psycopg2")
OthersTrades = Callable[[Callable[[str], list[Any]]], str]

_held: Final[dict[str, ServerLease]] = {}  # by address, of this process


class ServerLease:
    """A lock of the server that this process holds until it ends, and who had it before."""

    def __init__(self, connection: Any, name: str, before: Holder | None) -> None:
        self.connection, self.before = connection, before
        self.turn: Final = threading.RLock()  # two questions at once the driver refuses
        self._name, self._gone = name, ""

    @property
    def moved_from(self) -> str:
        """The machine it was held on before, if that was another one."""
        host = "" if self.before is None else self.before.host
        return "" if host == this_process("", 0).host else host

    def lost(self) -> str:
        """Return why the lock no longer keeps a second holder out, or nothing; asks nobody."""
        if self._gone:
            return self._gone
        try:
            # The server says nothing on this connection by itself, unless it is the end of it.
            with self.turn:
                if self.connection.closed or select.select([self.connection], [], [], 0)[0]:
                    _rows(self.connection, "SELECT 1")
        except (_database_error(), OSError, ValueError) as error:
            self._gone = (
                f"the lock on {self._name} is lost ({_line(error)}): start the bot again, so that "
                "it takes it anew"
            )
        return self._gone


@dataclass(frozen=True, kw_only=True)
class ServerPlace:
    """A trades database on a server, as a place of a bot.

    Attributes
    ----------
    url
        Of the database; the password is in it.
    others
        Returns what of the open trades is not the bot's, given what asks the database.
    """

    url: URL = field(repr=False)
    others: OthersTrades = field(repr=False)

    @property
    def name(self) -> str:
        """As a person knows it: database and server, neither user nor password."""
        port = "" if self.url.port is None else f":{self.url.port}"
        return f"the trades database {self.url.database} at {self.url.host or 'localhost'}{port}"

    @property
    def instead(self) -> str:
        """What another bot is to use."""
        return "give this bot a database of its own, with --db-url or db_url in its config"

    @property
    def where(self) -> str:
        """Where it stands whose it is."""
        return f"the table breakwater_owner of {self.name}"

    @property
    def doubt(self) -> str:
        """Why it may be another's although nobody has written down whose it is."""
        if self.read() is not None:
            return ""
        with self._asked() as connection:
            return self.others(lambda query: _rows(connection, query))

    def take(self, who: str, clock: Clock = wall_clock_ms) -> ServerLease:
        """Hold the database until this process ends.

        Raises
        ------
        ControlError
            If another process holds it, it cannot be reached, or between here and the server
            something keeps no locks.
        """
        key = self.url.set(password=None).render_as_string()
        if (mine := _held.get(key)) is not None and not mine.lost():
            return mine
        connection = _connected(self.url, self.name)
        try:
            self._lock(connection)
            with self._said(connection):
                _rows(connection, _TABLE)
                before = _holder(connection)
                name = json.dumps(asdict(this_process(who, clock())))
                _rows(connection, _WRITE.format("holder"), name)
        except BaseException:
            connection.close()
            raise
        _held[key] = ServerLease(connection, self.name, before)
        return _held[key]

    def read(self) -> Owner | None:
        """Return the owner written down there, None if there is none."""
        with self._asked() as connection:
            if not _rows(connection, _EXISTS)[0][0]:
                return None
            found = _rows(connection, "SELECT owner FROM breakwater_owner")
        if not found or found[0][0] is None:
            return None
        return owner_from_text(found[0][0], self.where)

    def write(self, owner: Owner) -> None:
        """Write down whose the database is."""
        with self._asked() as connection:
            _rows(connection, _WRITE.format("owner"), owner_text(owner))

    def _lock(self, connection: Any) -> None:
        """Take the lock, and see whether that keeps another one out."""
        with self._said(connection):
            for _ in range(_TRIES):
                if _rows(connection, _LOCK)[0][0]:
                    break
                time.sleep(_PAUSE_S)
            else:
                exists = _rows(connection, _EXISTS)[0][0]
                holder = _holder(connection) if exists else None
                by = holder or "another process, which has not said its name"
                raise ControlError(
                    f"{self.name} is in use by {by}", where=self.where, cure=self.instead
                )
        with closing(_connected(self.url, self.name)) as second:
            if _rows(second, _LOCK)[0][0]:
                raise ControlError(
                    f"{self.name} keeps no locks (two holders at once): a second bot could not be "
                    "kept out",
                    where=self.where,
                    cure="name the server itself: a pooler that hands one connection to several, "
                    "as PgBouncer's transaction mode does, keeps no lock of a session",
                )

    @contextmanager
    def _asked(self) -> Iterator[Any]:
        """Give the connection that holds the lock, else one for as long as the block."""
        held = _held.get(self.url.set(password=None).render_as_string())
        if held is not None and not held.lost():
            with held.turn, self._said(held.connection):
                yield held.connection
            return
        with closing(_connected(self.url, self.name)) as own, self._said(own):
            yield own

    @contextmanager
    def _said(self, connection: Any) -> Iterator[None]:
        """Say what the server refuses in the pack's words."""
        try:
            yield
        except _database_error() as error:
            raise ControlError(
                f"{self.name} refuses: {_line(error)}",
                where=self.where,
                cure="the bot's role needs CREATE and USAGE on its schema: Freqtrade makes its "
                "tables there, too",
            ) from None


def server_place(url: URL, others: OthersTrades) -> ServerPlace:
    """Return a database on a PostgreSQL server as a place of a bot.

    Raises
    ------
    ConfigError
        If what speaks with such a server is missing, or another one is named.
    """
    if url.drivername not in _POOLED:
        raise ConfigError(
            f"expected the driver postgresql+psycopg2, got {url.drivername}", where="db_url",
            cure="postgresql+psycopg2://user:password@host/database",
        )  # fmt: skip
    _database_error()
    return ServerPlace(url=url, others=others)


def _database_error() -> type[Exception]:
    """Return what the driver raises.

    Raises
    ------
    ConfigError
        If it is not installed.
    """
    try:
        import psycopg2  # a bot with its trades in a file has none
    except ImportError as error:
        raise ConfigError(
            f"db_url names a PostgreSQL server, and its driver is missing: {error}",
            where="db_url",
            cure="in the checkout: pip install --editable '.[postgres]'; or name a file: sqlite:///",
        ) from error  # fmt: skip
    raised: type[Exception] = psycopg2.Error
    return raised


def _connected(url: URL, name: str) -> Any:
    refused = _database_error()
    import psycopg2

    bound_silence()
    words, named = url.get_dialect()().create_connect_args(url)
    try:
        connection = psycopg2.connect(
            *words, **{**CONNECT, "application_name": "breakwater", **named}
        )
        connection.autocommit = True
        _rows(connection, "SET statement_timeout = '10s'")
        _rows(connection, SESSION)
    except refused as error:
        said = _line(error).replace(str(url.password or "\n"), "***")
        raise ControlError(
            f"{name} cannot be reached: {said}", where="db_url",
            cure="is the server up, is the address right, may this user connect? "
            "psql with the same address tells",
        ) from None  # fmt: skip
    return connection


def _rows(connection: Any, query: str, *values: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, values or None)
        return list(cursor.fetchall()) if cursor.description else []


def _holder(connection: Any) -> Holder | None:
    found = _rows(connection, "SELECT holder FROM breakwater_owner")
    return holder_from(found[0][0].encode()) if found and found[0][0] else None


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _forget() -> None:
    """Leave a copied connection without a word: the child's farewell would end the parent's."""
    for lease in _held.values():
        if not lease.connection.closed:
            nobody = os.open(os.devnull, os.O_RDWR)
            os.dup2(nobody, lease.connection.fileno())
            os.close(nobody)
    _held.clear()


os.register_at_fork(after_in_child=_forget)
