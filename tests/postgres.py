"""A real PostgreSQL server on this machine, for tests: in a folder of its own, gone with the block.

Without the programs of a server its tests are skipped with the cure, or fail with it where the
environment says ``BREAKWATER_POSTGRES=required``.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg2
import pytest

REQUIRED: Final = "BREAKWATER_POSTGRES"
PASSWORD: Final = "tr4des-p4ssw0rd"
_CURE: Final = "apt-get install postgresql (no running service is needed)"
_USER: Final = "breakwater"


def programs() -> Path | None:
    """Return the folder of initdb and pg_ctl, None where there is no server."""
    linked = shutil.which("postgres")
    found = [*([Path(linked).resolve().parent] if linked else []),
             *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]  # fmt: skip
    return next((f for f in found if (f / "initdb").exists() and (f / "pg_ctl").exists()), None)


@dataclass
class Server:
    """A server, its databases, and the one role that may connect, with a password."""

    bin: Path
    folder: Path
    port: int
    _made: int = field(default=0)

    def start(self) -> None:
        """Start it and wait until it answers."""
        log, options = self.folder / "log", f"-k {self.folder} -p {self.port} -h 127.0.0.1 -F"
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-l", str(log), "-o", options, "-w",
                 "start")  # fmt: skip

    def stop(self, how: str = "immediate") -> None:
        """Stop it: at once, as a crash does, or "fast", as an update does."""
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-m", how, "-w", "stop")

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Stop all its processes where they are, with their connections, until the block ends."""
        pid = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        first = psutil.Process(pid)
        first.suspend()  # it starts no more of them
        everyone = [first, *first.children(recursive=True)]
        try:
            for process in everyone:
                process.suspend()
            yield
        finally:
            for process in reversed(everyone):
                with suppress(psutil.NoSuchProcess):
                    process.resume()

    def run(self, program: str, *words: str) -> str:
        """Run a program of the server as its user, and return what it printed."""
        done = subprocess.run(
            [str(self.bin / program), *words], **_as_user(), cwd=self.folder,
            env={**os.environ, "TZ": "UTC"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{program}: {done.stdout}"
        return done.stdout

    def database(self) -> str:
        """Make an empty database and return its address."""
        self._made += 1
        name = f"trades{self._made}"
        with closing(self.connect("postgres")) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, name: str, *, password: str = PASSWORD) -> str:
        """Return the address of a database."""
        return f"postgresql+psycopg2://{_USER}:{password}@127.0.0.1:{self.port}/{name}"

    def connect(self, name: str) -> Any:
        """Connect to a database, each statement by itself."""
        connection = psycopg2.connect(
            host="127.0.0.1", port=self.port, user=_USER, password=PASSWORD, dbname=name
        )
        connection.autocommit = True
        return connection


def rows(url: str, query: str) -> list[dict[str, Any]]:
    """Return the rows of a query by column; none before there is such a table."""
    with closing(psycopg2.connect(url.replace("+psycopg2", ""))) as made, made.cursor() as cursor:
        try:
            cursor.execute(query)
        except psycopg2.errors.UndefinedTable:
            return []
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@contextmanager
def running_server() -> Iterator[Server]:
    """Run a server until the block ends."""
    found = programs()
    if found is None:
        if os.environ.get(REQUIRED) == "required":
            pytest.fail(f"no PostgreSQL server on this machine: {_CURE}")
        pytest.skip(f"no PostgreSQL server on this machine: {_CURE}")
    # Not below a folder of root's: the server runs as another user.
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        server = Server(found, folder, free.getsockname()[1])
    try:
        (folder / "password").write_text(PASSWORD, encoding="utf-8")
        if os.getuid() == 0:
            account = _account()
            for path in (folder, folder / "password"):
                os.chown(path, account.pw_uid, account.pw_gid)
        server.run(
            "initdb", "-D", str(folder / "data"), "-U", _USER, "-A", "scram-sha-256",
            f"--pwfile={folder / 'password'}", "-E", "UTF8", "--locale=C", "-N",
        )  # fmt: skip
        server.start()
        yield server
    finally:
        _kill(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _kill(folder: Path) -> None:
    """End the server of that folder, if it runs."""
    try:
        pid = int((folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGQUIT)
    except (FileNotFoundError, ProcessLookupError):
        return
    deadline = time.monotonic() + 20
    while (folder / "data" / "postmaster.pid").exists() and time.monotonic() < deadline:
        time.sleep(0.05)


def _as_user() -> dict[str, Any]:
    """Return how to run as somebody the server agrees to run as: it refuses to be root."""
    if os.getuid() != 0:
        return {}
    account = _account()
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _account() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")
