"""The HTTP session of ccxt's client, whose response hook sees every answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ccxt
import requests

from strategies.seams.record import Library, Seam


def watch_answers(client: ccxt.Exchange, hook: Callable[..., Any]) -> None:
    """Have `hook` called with each response; it must not raise."""
    client.session.hooks["response"].append(hook)


def _probe() -> str:
    session = getattr(ccxt.binanceusdm(), "session", None)
    if isinstance(session, requests.Session) and isinstance(session.hooks.get("response"), list):
        return ""
    return f"ccxt's client has no requests session with response hooks, but {session!r:.80}"


HTTP_SESSION = Seam(
    name="ccxt.Exchange.session.hooks",
    what="appended to",
    why="the time between an order and its answer is taken",
    since="ccxt 4.5.90",
    without="latency is shown without the order's own",
    probe=_probe,
    library=Library.EXCHANGE,
)
