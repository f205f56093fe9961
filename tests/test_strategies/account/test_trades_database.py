"""A trades database belongs to one bot: Freqtrade closes whatever trade it finds in there."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from models.base.errors import ControlError
from models.operate.control.owner import BotIdentity, BotStage, occupy
from strategies.account.trades_database import (
    database_file,
    database_place,
    others_trades,
    trades_place,
)

LIVE = BotIdentity(stage=BotStage.LIVE, exchange="binance", stake="USDT", strategy="Mine", key="k")
DRY = BotIdentity(stage=BotStage.DRY_RUN, exchange="binance", stake="USDT", strategy="Mine")


def database(path: Path, *trades: tuple[str | None, str, str, int]) -> Path:
    """Write a database with trades: strategy, exchange, number of an order, whether open."""
    with closing(sqlite3.connect(path)) as made, made:
        made.execute("CREATE TABLE trades (id INTEGER, strategy TEXT, exchange TEXT, is_open INT)")
        made.execute("CREATE TABLE orders (ft_trade_id INTEGER, order_id TEXT)")
        for number, (strategy, exchange, order, is_open) in enumerate(trades):
            made.execute(
                "INSERT INTO trades VALUES (?, ?, ?, ?)", (number, strategy, exchange, is_open)
            )
            made.execute("INSERT INTO orders VALUES (?, ?)", (number, order))
    return path


@pytest.mark.parametrize(
    ("trade", "said"),
    [(("Mine", "binance", "8389765", 1), ""),
     ((None, "binance", "8389765", 1), ""),
     (("Mine", "binance", "dry_run_buy_1", 0), ""),  # closed: nothing is left of it to close
     (("Theirs", "binance", "8389765", 1), "open trades of Theirs, live on binance"),
     (("Mine", "binance", "dry_run_buy_BTC", 1), "open trades of Mine, dry-run on binance"),
     (("Mine", "okx", "8389765", 1), "open trades of Mine, live on okx")],
)  # fmt: skip
def test_database_when_nobody_owns_it_then_its_open_trades_tell_whose_it_is(
    tmp_path: Path, trade: Any, said: str
) -> None:
    path = database(tmp_path / "t.sqlite", ("Mine", "binance", "1", 1), trade)
    assert said in others_trades(path, LIVE)
    assert bool(others_trades(path, LIVE)) is bool(said)
    place = database_place(path, LIVE)
    if not said:
        assert occupy(place, LIVE).owner.strategy == "Mine"
        return
    with pytest.raises(ControlError, match="nobody has written down whose the trades database"):
        occupy(place, LIVE)
    assert not place.owner.exists()


def test_database_when_a_live_bot_has_had_it_then_a_dry_run_is_refused_by_any_name_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database(tmp_path / "t.sqlite")
    (tmp_path / "link.sqlite").symlink_to("t.sqlite")
    monkeypatch.chdir(tmp_path)
    occupy(database_place(Path("t.sqlite"), LIVE), LIVE)
    for name in ("t.sqlite", "link.sqlite", str(tmp_path / "t.sqlite")):
        with pytest.raises(ControlError, match=r"belongs to Mine, live.*stage dry-run") as refused:
            occupy(database_place(Path(name), DRY), DRY)
        assert "db_url" in refused.value.cure


def test_database_when_it_is_no_database_yet_or_broken_then_it_is_told_or_left_to_freqtrade(
    tmp_path: Path,
) -> None:
    path = tmp_path / "t.sqlite"
    assert others_trades(path, LIVE) == ""
    path.touch()
    assert others_trades(path, LIVE) == ""
    path.write_bytes(b"no database at all, and long enough to be none")
    assert others_trades(path, LIVE) == "it cannot be read: file is not a database"


@pytest.mark.parametrize(
    ("url", "file"),
    [("sqlite:///t.sqlite", "t.sqlite"), ("sqlite:////abs/t.sqlite?timeout=5", "/abs/t.sqlite"),
     ("sqlite://", None), ("sqlite:///:memory:", None), ("sqlite:///", None), ("", None),
     ("postgresql+psycopg2://u:hidden@h/db", None)],
)  # fmt: skip
def test_database_when_its_address_is_read_then_only_a_file_is_one(
    url: str, file: str | None
) -> None:
    assert database_file({"db_url": url}) == (None if file is None else Path(file))


@pytest.mark.parametrize(
    ("url", "name"),
    [("sqlite:///t.sqlite", "the trades database t.sqlite"), ("sqlite://", None), ("", None),
     ("postgresql+psycopg2://u:hidden@h:5433/db", "the trades database db at h:5433")],
)  # fmt: skip
def test_database_when_it_is_a_place_then_it_is_named_without_user_and_password(
    url: str, name: str | None
) -> None:
    place = trades_place({"db_url": url}, LIVE)
    assert (None if place is None else place.name) == name
    assert "hidden" not in repr(place)
    assert (trades_place({"db_url": url}, LIVE, missing=False) is None) is (
        "sqlite" in url or not url
    )


def test_database_when_its_server_keeps_no_lock_that_is_known_then_a_person_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert trades_place({"db_url": "mysql://u:hidden@h/db"}, LIVE) is None
    assert "give each bot a database of its own" in caplog.text
    assert "hidden" not in caplog.text
