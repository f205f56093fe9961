"""The trades database: whoever asks is connected; what cannot be written is known before."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest
from freqtrade.persistence import Trade, init_db
from sqlalchemy.exc import IntegrityError, OperationalError

from strategies.account.trades_lock import before_it_ends, connect_whoever_asks, unwritable

_CROWD = 40  # requests of its API that Freqtrade answers at once


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Path]:
    """A trades database in a file, as a bot has it."""
    init_db(f"sqlite:///{tmp_path}/trades.sqlite")
    yield tmp_path / "trades.sqlite"
    Trade.session.remove()


def a_trade(**changes: Any) -> Trade:
    return Trade(**{
        "pair": "BTC/USDT:USDT", "exchange": "binance", "amount": 1.0, "stake_amount": 1.0,
        "open_rate": 1.0, "fee_open": 0.0, "fee_close": 0.0, "is_open": True, **changes,
    })  # fmt: skip


def test_database_when_a_crowd_of_requests_waits_for_one_another_then_the_loop_is_connected_too(
    database: Path,
) -> None:
    connect_whoever_asks()
    all_there = Barrier(_CROWD + 1, timeout=20.0)

    def request(_: int) -> bool:
        """Hold a connection until all hold one, as requests that wait for the bot's lock do."""
        try:
            Trade.get_open_trades()
            all_there.wait()
        except BrokenBarrierError:
            return False
        finally:
            Trade.session.remove()
        return True

    with ThreadPoolExecutor(_CROWD) as crowd:
        answered = [crowd.submit(request, number) for number in range(_CROWD)]
        assert Trade.get_open_trades() == []
        all_there.wait()
        assert all(answer.result() for answer in answered)


def test_database_when_it_is_connected_anew_then_what_was_written_is_read_and_custom_data_too(
    database: Path,
) -> None:
    connect_whoever_asks()
    trade = a_trade()
    Trade.session.add(trade)
    Trade.commit()
    trade.set_custom_data("stop_frac", 0.06)
    connect_whoever_asks()  # as after /reload_config
    (read,) = Trade.get_open_trades()
    assert read.get_custom_data("stop_frac") == 0.06


@pytest.mark.parametrize("held", ["BEGIN EXCLUSIVE", "BEGIN IMMEDIATE"])
def test_order_when_another_program_writes_the_database_then_it_is_refused_before_it_leaves(
    database: Path, held: str
) -> None:
    assert unwritable() == ""
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute(held)
        assert unwritable() == "the trades database cannot be written: database is locked"
        other.execute("ROLLBACK")
    assert unwritable() == ""
    Trade.session.add(a_trade())
    Trade.commit()  # nothing stayed locked
    assert unwritable() == ""


def test_order_when_the_database_is_gone_then_it_is_refused_and_none_is_made(
    database: Path,
) -> None:
    database.unlink()
    assert "cannot be written: unable to open database file" in unwritable()
    assert not database.exists()


def test_database_when_it_is_in_memory_then_it_is_written_whatever_happens_and_stays_one() -> None:
    init_db("sqlite://")
    before = Trade.session.get_bind()
    connect_whoever_asks()
    assert Trade.session.get_bind() is before
    assert unwritable() == ""


def test_database_when_it_refuses_to_be_written_then_somebody_is_told_why(database: Path) -> None:
    told: list[str] = []
    before_it_ends(told.append)
    Trade.session.add(a_trade(pair=None))  # a mistake of the question, nothing of the database's
    with pytest.raises(IntegrityError):
        Trade.session.flush()
    Trade.rollback()
    assert told == []
    Trade.session.connection().exec_driver_sql("PRAGMA query_only = 1")
    Trade.session.add(a_trade())
    with pytest.raises(OperationalError):
        Trade.session.flush()
    assert told == ["attempt to write a readonly database"]
    Trade.rollback()
