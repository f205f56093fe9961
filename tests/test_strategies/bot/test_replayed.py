"""What a bot downloads from an exchange on this machine is marked, and no demo calls it real."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from strategies.bot.data_files import MARKER
from strategies.bot.replayed import mark_replayed
from strategies.desk.backtests.data import choose_datadir
from tests.places import USER_DATA

LOOPBACK = json.loads((USER_DATA / "config_loopback_live.json").read_text(encoding="utf-8"))


def config(datadir: Path, urls: Any = None, **more: Any) -> dict[str, Any]:
    block = LOOPBACK["exchange"] if urls is None else {"ccxt_config": {"urls": urls}}
    return {"datadir": datadir, "exchange": {**block, **more}}


def test_folder_when_the_exchange_is_on_this_machine_then_it_is_marked_before_any_download(
    tmp_path: Path,
) -> None:
    mark_replayed(config(tmp_path / "data" / "binance"))
    told = json.loads((tmp_path / "data" / "binance" / MARKER).read_text(encoding="utf-8"))
    assert told == {"replayed": True, "files": []}


@pytest.mark.parametrize(
    "urls",
    [{}, {"api": {"fapiPublic": "https://fapi.binance.com/fapi/v1"}}, "https://example.org",
     {"api": {"a": "http://127.0.0.1:1", "b": "https://fapi.binance.com"}}],
)  # fmt: skip
def test_folder_when_any_address_is_elsewhere_then_it_is_not_marked(
    tmp_path: Path, urls: Any
) -> None:
    mark_replayed(config(tmp_path, urls))
    assert list(tmp_path.iterdir()) == []


def test_folder_when_it_has_the_markets_candles_then_they_are_left_and_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "futures").mkdir()
    (tmp_path / "futures" / "BTC_USDT_USDT-1h-futures.feather").write_bytes(b"mine")
    with caplog.at_level(logging.WARNING):
        mark_replayed(config(tmp_path))
    assert not (tmp_path / MARKER).exists()
    assert "give it a --userdir of its own" in caplog.text


def test_demo_when_the_usual_folder_holds_a_replay_then_it_says_so_and_takes_the_simulated_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    downloaded, simulated = tmp_path / "data" / "binance", tmp_path / "data" / "simulated"
    (downloaded / "futures").mkdir(parents=True)
    (downloaded / "futures" / "BTC_USDT_USDT-1h-futures.feather").touch()
    simulated.mkdir()
    (simulated / MARKER).write_text("{}", encoding="utf-8")
    assert choose_datadir(None, tmp_path) == downloaded
    mark = config(downloaded)
    (downloaded / "futures" / "BTC_USDT_USDT-1h-futures.feather").unlink()
    mark_replayed(mark)
    (downloaded / "futures" / "BTC_USDT_USDT-1h-futures.feather").touch()
    assert choose_datadir(None, tmp_path) == simulated
    assert "its candles are a replay's, not the market's" in capsys.readouterr().out
    assert choose_datadir(downloaded, tmp_path) == downloaded  # asked for by name
