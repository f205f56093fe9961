"""A bot whose exchange is on this machine and is not served says so, with what serves it."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from freqtrade.exceptions import OperationalException

from strategies.BitcoinCrossMargin import BitcoinCrossMargin
from tests.test_strategies.worlds import config


def at(port: int, userdir: Path) -> dict[str, Any]:
    urls = {"fapiPublic": f"https://demo-fapi@127.0.0.1:{port}/fapi/v1"}
    made = config(user_data_dir=userdir)
    return {**made, "exchange": {"name": "binance", "ccxt_config": {"urls": {"api": urls}}}}


def test_bot_when_nobody_serves_its_exchange_then_it_does_not_start_and_names_what_does(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = int(listening.getsockname()[1])
        BitcoinCrossMargin(at(port, tmp_path))
    with pytest.raises(OperationalException) as refused:
        BitcoinCrossMargin(at(port, tmp_path))
    said = str(refused.value)
    assert f"expected the exchange to be served at 127.0.0.1:{port}, got: " in said
    assert f"breakwater exchange {tmp_path}" in said
    assert f"breakwater exchange --port {port} --data CANDLES" in said
