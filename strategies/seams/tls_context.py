"""One TLS context for all connections of a ccxt client, in the place of one for each.

requests makes a context for every connection and reads all authorities into it: 0.8 MB and some
20 ms of a processor. A connection that fails lives on in its exception, and its context with it,
until cycles are collected; an exchange that resets fifty in a loop took 40 MB of the C heap so, and
the allocator never gave them back.
"""

from __future__ import annotations

import ssl
import threading
from typing import Any

import ccxt
import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPSConnectionPool
from urllib3.util.ssl_ import create_urllib3_context, resolve_cert_reqs

from strategies.seams.record import Library, Seam

_HTTPS = "https://"


class SharedTls(HTTPAdapter):
    """Checks certificates as requests does; connections checked alike share a context.

    What needs more than the exchange's own certificate checked is left to requests: a certificate
    of the client's, and a proxy that is itself spoken to over TLS.
    """

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Begin without contexts; requests calls it for a new adapter and for an unpickled one."""
        self._contexts: dict[tuple[Any, ...], ssl.SSLContext] = {}
        self._checking = threading.Lock()  # a pool and what is set on it is all threads'
        super().init_poolmanager(*args, **kwargs)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Set what `conn`, a pool, checks certificates by; requests calls it for each request.

        Raises
        ------
        OSError
            If a file of authorities is not there, as requests says it.
        """
        with self._checking:
            super().cert_verify(conn, url, verify, cert)
            over_tls = getattr(conn.proxy, "scheme", None) == "https"
            if isinstance(conn, HTTPSConnectionPool) and not cert and not over_tls:
                self._share(conn)

    def _share(self, conn: HTTPSConnectionPool) -> None:
        kind = conn.cert_reqs, conn.ca_certs, conn.ca_cert_dir
        if kind not in self._contexts:
            try:
                self._contexts[kind] = _context(*kind)
            except OSError:  # authorities that cannot be read: requests has its own error for them
                return
        conn.conn_kw["ssl_context"] = self._contexts[kind]
        conn.ca_certs = conn.ca_cert_dir = None  # they are in the context


def _context(required: Any, file: str | None, folder: str | None) -> ssl.SSLContext:
    context = create_urllib3_context(cert_reqs=resolve_cert_reqs(required))
    if file or folder:
        context.load_verify_locations(file, folder)
    return context


def share_tls(client: ccxt.Exchange) -> None:
    """Have all connections of ccxt's `client` to come share a context; asynchronous ones do so."""
    session = getattr(client, "session", None)
    if isinstance(session, requests.Session) and not TLS_CONTEXT.missing():
        session.get_adapter(_HTTPS).close()
        session.mount(_HTTPS, SharedTls())


def _probe() -> str:
    client = ccxt.binanceusdm()
    if not isinstance(getattr(client, "session", None), requests.Session):
        return "ccxt's client has no requests session"
    adapter, url = SharedTls(), f"{_HTTPS}127.0.0.1"
    pool = adapter.poolmanager.connection_from_url(url)
    adapter.cert_verify(pool, url, verify=False, cert=None)
    used = getattr(pool._new_conn(), "ssl_context", None)  # opens nothing yet
    alike = isinstance(used, ssl.SSLContext) and used.verify_mode is ssl.CERT_NONE
    return "" if alike else f"a connection of urllib3 does not take the pool's context, but {used}"


TLS_CONTEXT = Seam(
    name="ccxt.Exchange.session, HTTPAdapter.cert_verify",
    what="an adapter is mounted, and gives its pools a context",
    why="a context for each connection costs 20 ms, and 0.8 MB for as long as its error is held",
    since="ccxt 4.5.90",
    without="an outage takes 40 MB of memory for good, and a new connection 20 ms more",
    probe=_probe,
    library=Library.EXCHANGE,
)
