"""One TLS context for a client's connections; whom it trusts stays as requests has it."""

from __future__ import annotations

import gc
import pickle
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ccxt.pro
import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPSConnectionPool

from strategies.account.exchange_client import exchange_client
from strategies.seams.tls_context import SharedTls, share_tls
from tests.exchange.client import trading_ccxt_config
from tests.exchange.faults import Drop
from tests.exchange.server import running_exchange
from tests.exchange.state import ExchangeState
from tests.telegram.server import HOST, running_bot_api
from tests.telegram.state import BotApiState

pytestmark = pytest.mark.filterwarnings("ignore:Unverified HTTPS request")

REFUSED = "requests SSLError"
BUNDLES = ("served", "rubbish", "absent")


@pytest.fixture(scope="module")
def state() -> ExchangeState:
    return ExchangeState()


@pytest.fixture(scope="module")
def url(state: ExchangeState) -> Iterator[str]:
    with running_exchange(state, tls=True) as served:
        yield served


@pytest.fixture
def bundles(url: str, tmp_path: Path) -> dict[str, str]:
    """Files of authorities: the exchange's own certificate, no certificate, and no file."""
    where = urlsplit(url)
    assert where.hostname is not None
    assert where.port is not None
    certificate = ssl.get_server_certificate((where.hostname, where.port))
    (tmp_path / "served").write_text(certificate, encoding="utf-8")
    (tmp_path / "rubbish").write_text("none", encoding="utf-8")
    return {name: str(tmp_path / name) for name in BUNDLES}


def session(adapter: HTTPAdapter) -> requests.Session:
    made = requests.Session()
    made.trust_env = False  # as ccxt has it: no bundle of the machine's
    made.mount("https://", adapter)
    return made


def outcome(asking: requests.Session, url: str, verify: Any) -> str:
    """Return the status, or the kind of error and whose it is: ccxt knows those of requests."""
    try:
        return str(asking.get(f"{url}/fapi/v1/exchangeInfo", verify=verify, timeout=10).status_code)
    except OSError as error:
        return f"{type(error).__module__.partition('.')[0]} {type(error).__name__}"


def contexts() -> int:
    return sum(isinstance(thing, ssl.SSLContext) for thing in gc.get_objects())


def test_outage_when_the_errors_of_its_requests_are_held_then_they_hold_one_tls_context(
    state: ExchangeState, url: str
) -> None:
    client = exchange_client("binanceusdm", trading_ccxt_config(url), enableRateLimit=False)
    state.faults.add(Drop())
    before, held = contexts(), []
    for _ in range(5):
        with pytest.raises(ccxt.NetworkError) as caught:
            client.load_markets()
        held.append(caught.value)
    state.faults.clear()
    assert len(held) == 5
    assert contexts() - before == 1


@pytest.mark.parametrize(("host", "verify", "expected"), [
    ("127.0.0.1", False, "200"),
    ("localhost", False, "200"),
    ("127.0.0.1", True, REFUSED),
    ("127.0.0.1", "served", "200"),
    ("localhost", "served", REFUSED),  # the certificate is for 127.0.0.1
    ("127.0.0.1", "rubbish", REFUSED),
    ("127.0.0.1", "absent", "builtins OSError"),
])  # fmt: skip
def test_certificate_when_checked_with_a_shared_context_then_it_is_trusted_as_by_requests(
    host: str, verify: bool | str, expected: str, url: str, bundles: dict[str, str]
) -> None:
    at = url.replace("127.0.0.1", host)
    trusted = bundles[verify] if isinstance(verify, str) else verify
    assert outcome(session(HTTPAdapter()), at, trusted) == expected
    asking = session(pickle.loads(pickle.dumps(SharedTls())))  # requests lets sessions be pickled
    assert [outcome(asking, at, trusted) for _ in range(2)] == [expected] * 2


def test_session_when_it_has_asked_unchecked_then_what_is_to_be_checked_still_is(
    url: str, bundles: dict[str, str]
) -> None:
    asking = session(SharedTls())
    asked = [outcome(asking, url, v) for v in (False, True, bundles["served"], True, False)]
    assert asked == ["200", REFUSED, "200", REFUSED, "200"]


def test_certificate_when_a_proxy_lies_between_then_the_hosts_own_is_checked(
    bundles: dict[str, str],
) -> None:
    with running_bot_api(BotApiState()) as endpoint:
        asking, api = session(SharedTls()), f"https://{HOST}"
        asking.proxies = {"https": endpoint.proxy_url}
        assert outcome(asking, api, str(endpoint.certificate)) == "404"
        assert outcome(asking, api, bundles["served"]) == REFUSED


@pytest.mark.parametrize(("proxy", "shared"), [
    ("", True), ("http://127.0.0.1:9", True), ("https://127.0.0.1:9", False),
])  # fmt: skip
def test_pool_when_its_proxy_is_spoken_to_over_tls_then_it_is_left_to_requests(
    proxy: str, shared: bool, bundles: dict[str, str]
) -> None:
    adapter = SharedTls()
    manager = adapter.proxy_manager_for(proxy) if proxy else adapter.poolmanager
    pool = manager.connection_from_url("https://127.0.0.1:9")
    adapter.cert_verify(pool, "https://127.0.0.1:9", verify=bundles["served"], cert=None)
    assert ("ssl_context" in pool.conn_kw) is shared
    assert (pool.ca_certs is None) is shared


def test_pool_when_the_client_has_a_certificate_then_it_is_left_to_requests(
    bundles: dict[str, str],
) -> None:
    adapter, at = SharedTls(), "https://127.0.0.1:9"
    pool = adapter.poolmanager.connection_from_url(at)
    adapter.cert_verify(pool, at, verify=True, cert=bundles["served"])
    assert "ssl_context" not in pool.conn_kw
    assert pool.cert_file == bundles["served"]


def test_client_when_asynchronous_or_the_seam_is_gone_then_it_stays_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = ccxt.binanceusdm()
    stock = client.session.get_adapter("https://")
    with monkeypatch.context() as patch:
        patch.setattr(HTTPSConnectionPool, "_new_conn", lambda self: object())
        share_tls(client)
    assert client.session.get_adapter("https://") is stock
    share_tls(client)
    assert isinstance(client.session.get_adapter("https://"), SharedTls)
    streaming = ccxt.pro.binanceusdm()
    share_tls(streaming)
    assert streaming.session is None
