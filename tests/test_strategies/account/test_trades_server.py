"""A trades database on a real PostgreSQL server: one bot has it, and no password is ever said."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from freqtrade.persistence import Trade, init_db
from sqlalchemy.exc import SQLAlchemyError

from models.base.errors import ConfigError, ControlError
from models.operate.control.owner import BotIdentity, BotPlace, BotStage, occupy
from strategies.account import server_silence, trades_server
from strategies.account.trades_database import trades_place
from strategies.account.trades_lock import before_it_ends, connect_whoever_asks, unwritable
from strategies.desk.cli import main
from tests.places import ROOT
from tests.postgres import PASSWORD, Server, rows, running_server
from tests.test_integration.live_bot import settings

LIVE = BotIdentity(stage=BotStage.LIVE, exchange="binance", stake="USDT", strategy="Mine", key="k")
DRY = BotIdentity(stage=BotStage.DRY_RUN, exchange="binance", stake="USDT", strategy="Mine")
THEIRS = BotIdentity(stage=BotStage.LIVE, exchange="binance", stake="USDT", strategy="Theirs")

HOLDER = """
import sys
from models.operate.control.owner import BotIdentity, BotStage, occupy
from strategies.account.trades_database import trades_place
bot = BotIdentity(stage=BotStage.LIVE, exchange="binance", stake="USDT", strategy="Mine", key="k")
occupy(trades_place({"db_url": sys.argv[1]}, bot), bot)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as one:
        yield one


@pytest.fixture
def url(server: Server) -> Iterator[str]:
    yield server.database()
    release()


def release() -> None:
    """Let go of what this process holds, as its end would."""
    for lease in trades_server._held.values():
        lease.connection.close()
    trades_server._held.clear()


def place(url: str, bot: BotIdentity = LIVE) -> BotPlace:
    found = trades_place({"db_url": url}, bot)
    assert found is not None
    return found


def held_elsewhere(url: str) -> subprocess.Popen[str]:
    """Start a process that holds the database."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, url], cwd=ROOT, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


# -- one bot, one database -------------------------------------------------------------------------


def test_database_when_another_process_holds_it_then_it_is_named_and_a_kill_frees_it(
    url: str,
) -> None:
    process = held_elsewhere(url)
    with pytest.raises(ControlError, match="is in use by Mine, live on binance") as refused:
        occupy(place(url), LIVE)
    assert f"process {process.pid} on" in refused.value.problem
    assert "--db-url" in refused.value.cure
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    assert occupy(place(url), LIVE).owner.strategy == "Mine"


@pytest.mark.parametrize(
    ("bot", "why"), [(DRY, "stage dry-run, not live"), (THEIRS, "strategy Theirs, not Mine")]
)
def test_database_when_it_is_another_bots_then_it_is_refused_by_name_before_a_trade_is_read(
    url: str, bot: BotIdentity, why: str
) -> None:
    occupy(place(url), LIVE)
    release()
    with pytest.raises(ControlError, match="belongs to Mine, live on binance") as refused:
        occupy(place(url, bot), bot)
    assert why in refused.value.problem
    assert "breakwater_owner" in refused.value.where
    assert rows(url, "SELECT * FROM trades") == []  # not even made


def test_database_when_a_new_strategy_of_the_same_process_comes_then_it_has_the_lock_already(
    url: str,
) -> None:
    first = occupy(place(url), LIVE)
    again = occupy(place(url), LIVE)
    assert again.lease is first.lease
    assert (again.lease.lost(), again.owner) == ("", first.owner)


@pytest.mark.parametrize(
    ("trade", "said"),
    [(("Mine", "8389765"), ""), ((None, "8389765"), ""),
     (("Theirs", "8389765"), "it holds open trades of Theirs, live on binance"),
     (("Mine", "dry_run_buy_BTC"), "it holds open trades of Mine, dry-run on binance")],
)  # fmt: skip
def test_database_when_nobody_owns_it_then_its_open_trades_tell_whose_it_is(
    url: str, trade: tuple[str | None, str], said: str
) -> None:
    strategy, order = trade
    init_db(url)
    Trade.session.remove()
    with closing(psycopg2.connect(url.replace("+psycopg2", ""))) as made, made.cursor() as cursor:
        cursor.execute(
            "INSERT INTO trades (id, exchange, pair, is_open, fee_open, fee_close, open_rate, "
            "stake_amount, amount, open_date, strategy, is_stop_loss_trailing, is_short, leverage, "
            "interest_rate, record_version) VALUES (1, 'binance', 'BTC/USDT:USDT', true, 0, 0, 1, "
            "1, 1, now(), %s, false, false, 1, 0, 2)", (strategy,),
        )  # fmt: skip
        cursor.execute(
            "INSERT INTO orders (ft_trade_id, ft_order_side, ft_pair, ft_is_open, ft_amount, "
            "ft_price, order_id) VALUES (1, 'buy', 'BTC/USDT:USDT', false, 1, 1, %s)", (order,),
        )  # fmt: skip
        made.commit()
    assert place(url).doubt == said
    if not said:
        assert occupy(place(url), LIVE).owner.strategy == "Mine"
        return
    with pytest.raises(ControlError, match="nobody has written down whose the trades database"):
        occupy(place(url), LIVE)
    assert place(url).read() is None


def test_lock_when_the_server_ends_it_then_that_is_known_and_stays_so(
    url: str, server: Server
) -> None:
    lease = occupy(place(url), LIVE).lease
    assert lease.lost() == ""
    with closing(server.connect("postgres")) as admin, admin.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'breakwater'"
        )
    deadline = time.monotonic() + 20
    while not lease.lost() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "the lock on the trades database" in lease.lost()
    assert "start the bot again" in lease.lost()
    assert PASSWORD not in lease.lost()


def test_lock_when_a_forked_child_ends_then_it_is_still_held(url: str) -> None:
    lease = occupy(place(url), LIVE).lease
    if (child := os.fork()) == 0:
        trades_server._held.clear()
        os._exit(0)
    os.waitpid(child, 0)
    assert lease.lost() == ""
    with pytest.raises(AssertionError):
        held_elsewhere(url)  # it is refused, and says nothing


def test_lock_when_a_pooler_gives_one_session_to_two_then_it_is_refused(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, shared = trades_server._connected, []

    class Pooled:
        """One session of the server for whoever connects."""

        def __init__(self, session: Any) -> None:
            self.session = session

        def cursor(self) -> Any:
            return self.session.cursor()

        def close(self) -> None: ...

    def pooled(*arguments: Any) -> Any:
        if not shared:
            shared.append(Pooled(connect(*arguments)))
        return shared[0]

    monkeypatch.setattr(trades_server, "_connected", pooled)
    with pytest.raises(ControlError, match="keeps no locks") as refused:
        occupy(place(url), LIVE)
    assert "PgBouncer" in refused.value.cure
    shared[0].session.close()


# -- what is wrong with an address -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "problem"),
    [({"password": "wr0ng-p4ssw0rd"}, "password authentication failed"),
     ({"name": "nowhere"}, 'database "nowhere" does not exist')],
)  # fmt: skip
def test_server_when_it_lets_the_bot_not_in_then_that_is_told_without_the_password(
    server: Server, change: dict[str, str], problem: str
) -> None:
    url = server.url(**{"name": "postgres", **change})  # type: ignore[arg-type]
    with pytest.raises(ControlError, match=problem) as refused:
        place(url).take("Mine")
    said = str(refused.value) + repr(place(url))
    assert PASSWORD not in said
    assert "wr0ng" not in said
    assert f"at 127.0.0.1:{server.port} cannot be reached" in said


@pytest.mark.parametrize(
    ("url", "problem"),
    [("postgres://ann:hidden-word@h/db", "the address of a database"),
     ("nonsense:hidden-word", "the address of a database"),
     ("postgresql+asyncpg://ann:hidden-word@h/db", "expected")],
)  # fmt: skip
def test_address_when_it_is_none_then_the_cure_is_told_and_the_password_is_not(
    url: str, problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem) as refused:
        trades_place({"db_url": url}, LIVE)
    assert "postgresql+psycopg2://" in refused.value.cure
    assert "hidden" not in str(refused.value)


def test_server_when_its_driver_is_missing_then_the_cure_is_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    with pytest.raises(ConfigError, match="its driver is missing") as refused:
        trades_place({"db_url": "postgresql+psycopg2://ann:hidden-word@h/db"}, LIVE)
    assert "'.[postgres]'" in refused.value.cure
    assert "hidden" not in str(refused.value)


# -- before an order leaves ------------------------------------------------------------------------


@pytest.fixture
def opened(url: str) -> Iterator[str]:
    """A database that Freqtrade has opened, as a bot's start leaves it."""
    init_db(url)
    connect_whoever_asks()
    yield url
    Trade.session.remove()
    Trade.session.get_bind().engine.dispose()


def test_order_when_the_tables_are_locked_or_read_only_then_it_is_refused_before_it_leaves(
    opened: str, server: Server
) -> None:
    assert unwritable() == ""
    name = opened.rpartition("/")[2]
    with closing(server.connect(name)) as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("LOCK TABLE trades IN SHARE MODE")
        assert "cannot be written: canceling statement due to lock timeout" in unwritable()
        cursor.execute("ROLLBACK")
        assert unwritable() == ""
        cursor.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        Trade.session.get_bind().engine.dispose()  # a session keeps what it began with
        assert "the server is read-only" in unwritable()
        cursor.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        Trade.session.get_bind().engine.dispose()
    assert unwritable() == ""


def test_session_when_the_bot_has_one_then_it_waits_5_s_for_a_lock_and_is_not_ended_for_idling(
    opened: str,
) -> None:
    connection = Trade.session.connection().connection
    with connection.cursor() as cursor:
        for name, value in (("lock_timeout", "5s"), ("idle_session_timeout", "0"),
                            ("idle_in_transaction_session_timeout", "0")):  # fmt: skip
            cursor.execute(f"SHOW {name}")
            assert cursor.fetchone() == (value,)


def test_server_when_it_stops_under_the_bot_then_somebody_is_told_before_the_bot_ends(
    opened: str, server: Server
) -> None:
    told: list[str] = []
    before_it_ends(told.append)
    assert Trade.get_open_trades() == []
    Trade.rollback()
    server.stop()
    try:
        with pytest.raises(SQLAlchemyError):
            Trade.get_open_trades()
        assert told
        assert "cannot be written" in unwritable()
        assert PASSWORD not in " ".join(told) + unwritable()
        with pytest.raises(ControlError, match="cannot be reached"):
            place(opened).take("Mine")
    finally:
        server.start()


@pytest.fixture
def silence_s(monkeypatch: pytest.MonkeyPatch) -> float:
    """How long a server may say nothing in this test; it is asked little, and by nobody else."""
    monkeypatch.setattr(server_silence, "SILENCE_S", 2.0)
    return server_silence.SILENCE_S


def test_server_when_it_hangs_then_the_order_is_refused_and_the_bot_ends_in_words(
    opened: str, server: Server, silence_s: float
) -> None:
    told: list[str] = []
    before_it_ends(told.append)
    assert unwritable() == ""
    assert Trade.get_open_trades() == []
    said = f"the server has said nothing for {silence_s:.0f} s and counts as lost"
    with server.hanging():
        with pytest.raises(SQLAlchemyError, match=said):
            Trade.get_open_trades()
        assert said in told[0]
        Trade.session.remove()
        assert said in unwritable()  # on a connection made anew
    assert unwritable() == ""  # it is back
    assert Trade.get_open_trades() == []


def test_server_when_it_hangs_at_a_start_then_that_is_said_and_its_lock_is_not_taken_for_lost(
    url: str, server: Server, silence_s: float
) -> None:
    lease = occupy(place(url), LIVE).lease
    with server.hanging():
        assert lease.lost() == ""  # nobody else can have it either
        with pytest.raises(ControlError, match="refuses: the server has said nothing for"):
            place(url).read()
        assert "the lock on the trades database" in lease.lost()
        with pytest.raises(ControlError, match="cannot be reached: the server has said nothing"):
            place(url).take("Mine")
    assert occupy(place(url), LIVE).lease.lost() == ""


def test_lock_when_two_threads_ask_at_once_then_each_is_answered(url: str) -> None:
    held = occupy(place(url), LIVE)
    with ThreadPoolExecutor(8) as many:
        asked = [many.submit(place(url).read) for _ in range(200)]
    assert [one.result() for one in asked] == [held.owner] * 200
    assert held.lease.lost() == ""


def test_owner_when_a_newer_version_wrote_it_then_it_is_not_overwritten(url: str) -> None:
    occupy(place(url), LIVE)
    newer = json.dumps({"format": 99})
    with closing(psycopg2.connect(url.replace("+psycopg2", ""))) as made, made.cursor() as cursor:
        cursor.execute("UPDATE breakwater_owner SET owner = %s", (newer,))
        made.commit()
    with pytest.raises(ControlError, match="written by a newer version"):
        occupy(place(url), LIVE)
    assert rows(url, "SELECT owner FROM breakwater_owner") == [{"owner": newer}]


def test_claim_when_the_database_is_on_a_server_then_a_person_binds_it_and_no_bot_runs_on_it(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = {**settings("https://127.0.0.1:1", ["BTC/USDT:USDT"], dry_run=False),
              "strategy": "Mine", "db_url": url, "user_data_dir": str(tmp_path)}  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    words = ["claim", "--config", str(tmp_path / "config.json")]
    monkeypatch.setattr("strategies.desk.terminal.typed.input", lambda _: "claim", raising=False)
    process = held_elsewhere(url)
    assert main(words) == 2
    assert "is in use by Mine, live on binance" in capsys.readouterr().err
    process.kill()
    process.wait(20)
    assert main(words) == 0
    said = capsys.readouterr()
    assert "the trades database trades" in said.out
    assert PASSWORD not in said.out + said.err
    release()
    with pytest.raises(ControlError, match="belongs to Mine"):
        occupy(place(url, THEIRS), THEIRS)
