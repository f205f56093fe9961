"""Signed requests: API key, HMAC over the exact text that was sent, timestamp and window.

Source: Binance USD-M "General Info", section "SIGNED Endpoint Security"; the client's side is
``binance.sign`` of ccxt.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl

from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.errors import ApiError, mandatory

_AHEAD_MS = 1_000  # a client's clock may run this far ahead
_WINDOW_MS = 5_000
_LONGEST_WINDOW_MS = 60_000
_MARK = "signature="


def authenticate(
    accounts: Mapping[str, Customer], key: str | None, query: str, body: str, now_ms: int
) -> tuple[Customer, dict[str, str]]:
    """Return whose request this is, and its parameters.

    Parameters
    ----------
    key
        The ``X-MBX-APIKEY`` header.
    query, body
        As received, still encoded; what was signed is one after the other.

    Raises
    ------
    ApiError
        -2014, -2015 for the key, -1102 for what is missing, -1021 for the time, -1022 for the
        signature.
    """
    if not key:
        raise ApiError(-2014, "API-key format invalid.", status=401)
    account = accounts.get(key)
    if account is None:
        raise ApiError(-2015, "Invalid API-key, IP, or permissions for action.", status=401)
    params = dict(parse_qsl(query, keep_blank_values=True))
    params |= dict(parse_qsl(body, keep_blank_values=True))
    _check_time(params, now_ms)
    given = params.pop("signature", "")
    if not given:
        raise mandatory("signature")
    expected = hmac.new(account.secret.encode(), _unsigned(query, body).encode(), hashlib.sha256)
    if not hmac.compare_digest(expected.hexdigest(), given.lower()):
        raise ApiError(-1022, "Signature for this request is not valid.")
    return account, params


def _unsigned(query: str, body: str) -> str:
    """Return the text that was signed: everything but the signature itself."""
    parts = ("&".join(p for p in part.split("&") if not p.startswith(_MARK))
             for part in (query, body))  # fmt: skip
    return "".join(parts)


def _check_time(params: Mapping[str, str], now_ms: int) -> None:
    try:
        sent_ms = int(params["timestamp"])
    except (KeyError, ValueError) as error:
        raise mandatory("timestamp") from error
    window = params.get("recvWindow", str(_WINDOW_MS))
    if not window.isdigit() or int(window) > _LONGEST_WINDOW_MS:
        raise ApiError(-1131, "recvWindow must be less than 60000.")
    if sent_ms >= now_ms + _AHEAD_MS:
        raise ApiError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now_ms - sent_ms > int(window):
        raise ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")
