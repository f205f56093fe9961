"""Who may ask, and what a bad signature, key or clock is answered."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.errors import ApiError
from strategies.desk.loopback.signed import authenticate

NOW = 1_700_000_000_000
ACCOUNTS = {k: Customer(key=k, secret=f"{k}-secret") for k in ("one", "two")}


def sign(text: str, secret: str = "one-secret") -> str:
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return f"{text}&signature={digest}"


def refused(key: str | None, query: str, body: str = "", now: int = NOW) -> ApiError:
    with pytest.raises(ApiError) as caught:
        authenticate(ACCOUNTS, key, query, body, now)
    return caught.value


def test_request_when_well_signed_then_account_and_parameters_come_back() -> None:
    query = sign(f"symbol=BTCUSDT&timestamp={NOW}")
    account, params = authenticate(ACCOUNTS, "one", query, "", NOW)
    assert account is ACCOUNTS["one"]
    assert params == {"symbol": "BTCUSDT", "timestamp": str(NOW)}


def test_request_when_query_and_body_are_mixed_then_both_are_signed() -> None:
    text = f"symbol=BTCUSDTside=BUY&timestamp={NOW}"  # concatenated without an ampersand
    signature = sign(text).split("&signature=")[1]
    body = f"side=BUY&timestamp={NOW}&signature={signature}"
    _, params = authenticate(ACCOUNTS, "one", "symbol=BTCUSDT", body, NOW)
    assert params["side"] == "BUY"


def test_signature_when_a_value_is_changed_afterwards_then_it_is_invalid() -> None:
    query = sign(f"quantity=1&timestamp={NOW}").replace("quantity=1", "quantity=2")
    assert refused("one", query).code == -1022


def test_signature_when_made_with_anothers_secret_then_it_is_invalid() -> None:
    assert refused("one", sign(f"timestamp={NOW}", "two-secret")).code == -1022


@pytest.mark.parametrize(("key", "code"), [(None, -2014), ("", -2014), ("nobody", -2015)])
def test_key_when_missing_or_unknown_then_unauthorised(key, code) -> None:
    error = refused(key, sign(f"timestamp={NOW}"))
    assert (error.status, error.code) == (401, code)


def test_parameters_when_missing_then_named() -> None:
    assert "timestamp" in refused("one", sign("a=1")).message
    assert "signature" in refused("one", f"timestamp={NOW}").message


@pytest.mark.parametrize(
    ("sent", "window", "code"),
    [
        (NOW - 5_000, None, None),
        (NOW - 5_001, None, -1021),
        (NOW - 5_001, 10_000, None),
        (NOW + 999, None, None),
        (NOW + 1_000, 60_000, -1021),
        (NOW, 60_001, -1131),
    ],
)
def test_timestamp_when_outside_the_window_then_refused(sent, window, code) -> None:
    query = sign(f"timestamp={sent}" + (f"&recvWindow={window}" if window else ""))
    if code is None:
        authenticate(ACCOUNTS, "one", query, "", NOW)
    else:
        assert refused("one", query).code == code
