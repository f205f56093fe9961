"""The file of shocks: whole or not at all, and nothing in it that no bot has written."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from models.base.errors import InputError
from models.operate.control.shocks import (
    SHOCKS_FILE,
    CoinShocks,
    PairShock,
    Unforeseen,
    read_shocks,
    write_shocks,
)

BTC = PairShock(pair="BTC/USDT:USDT", until_ms=1_700_000_000_000, fall_frac=0.05, rise_frac=0.04)
LTC = PairShock(pair="LTC/USDT:USDT", until_ms=1_700_000_000_000, fall_frac=0.09, rise_frac=1.5)
NEW = Unforeseen(pair="NEW/USDT:USDT", why="expected at least 1001 candles")
WHOLE = CoinShocks(known=(BTC, LTC), missing=(NEW,))
NOW = BTC.until_ms + 60_000


def test_shocks_when_written_then_they_are_read_as_they_were(tmp_path: Path) -> None:
    assert read_shocks(tmp_path, now_ms=NOW) is None
    write_shocks(tmp_path, WHOLE)
    assert read_shocks(tmp_path, now_ms=NOW) == WHOLE


@pytest.mark.parametrize(
    "change",
    [
        {"known": [asdict(BTC) | {"fall_frac": 1.2}]},
        {"known": [asdict(BTC) | {"fall_frac": -0.1}]},
        {"known": [asdict(BTC) | {"rise_frac": -0.1}]},
        {"known": [asdict(BTC) | {"rise_frac": float("inf")}]},
        {"known": [asdict(BTC) | {"fall_frac": float("nan")}]},
        {"known": [asdict(BTC) | {"until_ms": 1.5}]},
        {"known": [asdict(BTC), asdict(BTC)]},
        {"known": [{"pair": "BTC/USDT:USDT"}]},
        {"missing": [{"pair": "BTC/USDT:USDT"}]},
        {"known": [asdict(BTC) | {"until_ms": -1}]},
        {"known": [asdict(BTC) | {"until_ms": 2**52}]},
        {"known": [asdict(BTC) | {"until_ms": NOW + 86_400_001}]},
        {"known": [asdict(BTC) | {"pair": ""}]},
        {"known": [asdict(BTC) | {"pair": "\ud800"}]},
        {"missing": [asdict(NEW) | {"why": "\ud800"}]},
        {"known": None},
        {"missing": "BTC"},
        {"more": 1},
    ],
)
def test_shocks_when_the_file_holds_anything_else_then_it_is_refused_with_a_cure(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    text = json.dumps(asdict(WHOLE) | change)
    (tmp_path / SHOCKS_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"(?s)expected shocks, got .*remove the file"):
        read_shocks(tmp_path, now_ms=NOW)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"known": []}'])
def test_shocks_when_the_file_is_cut_short_then_it_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / SHOCKS_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="remove the file"):
        read_shocks(tmp_path, now_ms=NOW)
