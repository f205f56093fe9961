"""The trades database: whoever asks is connected, however many others wait for their turn."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, BrokenBarrierError

import pytest
from freqtrade.persistence import Trade, init_db

from strategies.account.trades_lock import connect_whoever_asks

_CROWD = 40  # requests of its API that Freqtrade answers at once


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Path]:
    """A trades database in a file, as a bot has it."""
    init_db(f"sqlite:///{tmp_path}/trades.sqlite")
    yield tmp_path / "trades.sqlite"
    Trade.session.remove()


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
    trade = Trade(
        pair="BTC/USDT:USDT", exchange="binance", amount=1.0, stake_amount=1.0, open_rate=1.0,
        fee_open=0.0, fee_close=0.0, is_open=True,
    )  # fmt: skip
    Trade.session.add(trade)
    Trade.commit()
    trade.set_custom_data("stop_frac", 0.06)
    connect_whoever_asks()  # as after /reload_config
    (read,) = Trade.get_open_trades()
    assert read.get_custom_data("stop_frac") == 0.06
