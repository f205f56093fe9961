"""Keys under which the application keeps its parts."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from tests.exchange.state import ExchangeState

STATE: Final = web.AppKey("state", ExchangeState)
