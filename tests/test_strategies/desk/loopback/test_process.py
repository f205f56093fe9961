"""The exchange with ``--data``: one command, one account, a market that starts now."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import psutil
import pytest

from strategies.desk.backtests.simulated_data import write_simulated
from strategies.desk.cli import main
from strategies.desk.terminal.listening import who_listens
from tests.exchange.client import trading_ccxt_config, trading_client
from tests.places import ROOT, USER_DATA


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_process_when_given_a_directory_then_it_replays_it_with_the_account_it_names(
    tmp_path: Path,
) -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    datadir = write_simulated(tmp_path / "simulated", seed=3, start=start, days=10)
    command = [
        sys.executable,
        "-m",
        "strategies.desk.loopback",
        "--data",
        str(datadir),
        "--wallet",
        "500",
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().split()[-1]
            words = process.stdout.readline().split()
            client = trading_client(url, key=words[2], secret=words[4])
            balance = client.fetch_balance()["USDT"]
            candles = client.fetch_ohlcv("BTC/USDT:USDT", "1h", limit=3)
        finally:
            process.send_signal(signal.SIGTERM)
    assert balance["total"] == 500
    assert set(client.markets) == {f"{b}/USDT:USDT" for b in ("BTC", "ETH", "LTC")}
    assert client.milliseconds() - candles[-1][0] < 3_600_000
    assert process.returncode == 0


def test_config_file_when_compared_then_it_is_what_the_client_helper_says() -> None:
    file = USER_DATA / "config_loopback_live.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    expected = trading_ccxt_config("https://127.0.0.1:18080")
    assert config["exchange"]["ccxt_config"] == expected
    assert config["exchange"]["only_from_ccxt"]


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on: this very process."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield int(listening.getsockname()[1])


def test_port_when_it_is_taken_then_who_has_it_is_named_and_how_a_config_follows_another(
    taken: int, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["exchange", "--port", str(taken)]) == 2
    said = capsys.readouterr().err
    assert f"cannot listen on 127.0.0.1:{taken}: Address already in use" in said
    assert f"process {os.getpid()}, " in said
    assert "--port" in said
    [line] = [line.strip() for line in said.splitlines() if line.strip().startswith("sed ")]
    # The cure as it is typed, of the port the shipped config has.
    line = line.replace(f":{taken}/", ":18080/").replace(":PORT/", ":18099/")
    config = tmp_path / "mine.json"
    subprocess.run(line.replace("mine.json", str(config)), shell=True, check=True, cwd=ROOT)
    urls = json.loads(config.read_text())["exchange"]["ccxt_config"]["urls"]["api"]
    assert {urlsplit(url).port for url in urls.values()} == {18099}


def test_port_when_nobody_can_tell_who_has_it_then_the_cure_is_there_all_the_same(
    taken: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(_: str) -> NoReturn:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "net_connections", denied)
    assert main(["exchange", "--port", str(taken)]) == 2
    said = capsys.readouterr().err
    assert "a program of another user" in said
    assert "breakwater init" in said
    assert who_listens(taken) == ""


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--data", "/nowhere"), 2, "expected futures candles of BTCUSDT"),
        (("--port", "99999"), 2, "expected a port from 0 to 65535, got '99999'"),
        (("--speed", "0"), 2, "expected a number > 0, got '0'"),
        (("--wallet", "nan"), 2, "expected a number > 0, got 'nan'"),
        (("--start", "may"), 2, "expected a day as 2021-05-19, got 'may'"),
        (("--host", "198.51.100.1"), 2, "cannot listen on 198.51.100.1:0"),
    ],
)
def test_exchange_when_an_option_cannot_be_used_then_the_error_says_what_can(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, said: str
) -> None:
    try:
        left = main(["exchange", *words])
    except SystemExit as ended:  # argparse's own way
        left = int(ended.code or 0)
    assert left == code
    assert said in capsys.readouterr().err
