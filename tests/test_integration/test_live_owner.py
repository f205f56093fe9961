"""One folder, one bot, one account: real bots that meet what another one has left or still runs."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from models.operate.control.commands import Commands
from models.operate.control.heartbeat import last_beat
from models.operate.control.home import home_of
from models.operate.control.owner import BotStage
from models.operate.control.state import ControlMode, Person
from models.trade.risk.losses import LossState, loss_state_from
from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.state import ExchangeState
from tests.test_integration.guarded_bot import STRATEGY, configuration
from tests.test_integration.live_bot import LiveBot, running_bot
from tests.test_integration.running import SECRET, RunningProcess, keyless, running, write_strategy

ANN = Person("ann", "telegram")
OTHER = STRATEGY.replace("GuardedSignals", "OtherSignals")


def dry(url: str, wallet: int) -> dict[str, Any]:
    """Return the configuration of the same bot in a dry run, with a database of its own."""
    more = {"dry_run": True, "dry_run_wallet": wallet, "db_url": "sqlite:///dry.sqlite"}
    return {**configuration(url), **more}


def losses(home: Path) -> LossState:
    book = home / "control" / "losses.json"
    return loss_state_from(json.loads(book.read_text(encoding="utf-8"))["losses"])


def looped(bot: LiveBot, home: Path) -> bool:
    """Whether this very bot has looked at its losses."""
    beat = last_beat(home / "control")
    return beat is not None and beat.pid == bot.process.pid and beat.loop >= 2


def refused(folder: Path, config: dict[str, Any], *arguments: str, **more: Any) -> str:
    """Start a bot that is to end by itself before its first loop; return its log."""
    with running_bot(folder, config, *arguments, **more) as bot:
        code = bot.process.wait(120)
        log = bot.log()
    assert code != 0
    assert "belongs to" in log or "is in use by" in log
    return log


def test_live_run_when_a_dry_run_went_before_then_neither_knows_the_others_losses(
    tmp_path: Path, url: str, account: Customer, state: ExchangeState
) -> None:
    arguments, userdir = write_strategy(tmp_path, STRATEGY), tmp_path / "user_data"
    live = home_of(userdir, BotStage.LIVE)
    paper = home_of(userdir, BotStage.DRY_RUN)
    with running_bot(tmp_path, dry(url, 1_000), *arguments) as bot:
        bot.wait_for(lambda: looped(bot, paper), "a dry run that has looped")
    with running_bot(tmp_path, configuration(url), *arguments) as bot:
        bot.wait_for(lambda: looped(bot, live), "a live bot that has looped")
        bot.wait_for(lambda: account.open_positions(), "an entry")
        assert losses(live).day_start_quote == 10_000
        assert abs(losses(live).day_frac) < 0.01
    assert "another dry_run_wallet" in refused(tmp_path, dry(url, 10_000), *arguments)
    assert losses(paper).day_start_quote == 1_000


def test_live_run_when_a_richer_dry_run_went_before_then_it_starts_active_and_sells_nothing(
    tmp_path: Path, url: str, account: Customer, state: ExchangeState
) -> None:
    arguments, userdir = write_strategy(tmp_path, STRATEGY), tmp_path / "user_data"
    paper = home_of(userdir, BotStage.DRY_RUN)
    with running_bot(tmp_path, configuration(url), *arguments) as bot:
        bot.wait_for(lambda: account.open_algos(), "an entry and its stop")
    with running_bot(tmp_path, dry(url, 100_000), *arguments) as bot:
        bot.wait_for(lambda: looped(bot, paper), "a dry run that has looped")
        Commands(paper).store.request_flatten(ANN, "the dry run only")
    held = account.open_positions()["BTCUSDT"].amount
    with running_bot(tmp_path, configuration(url), *arguments) as bot:
        bot.wait_for(lambda: looped(bot, userdir), "a live bot that has looped")
        loop = last_beat(userdir / "control").loop
        bot.wait_for(lambda: last_beat(userdir / "control").loop > loop + 3, "what it would sell")
        assert Commands(userdir).store.read().mode is ControlMode.ACTIVE
        assert account.open_positions()["BTCUSDT"].amount == held
    assert state.unknown == []


def test_live_run_when_a_second_bot_comes_then_it_is_refused_by_name_and_the_first_knows_nothing(
    tmp_path: Path, url: str, venue: LoopbackVenue, account: Customer, state: ExchangeState
) -> None:
    arguments = write_strategy(tmp_path, STRATEGY)
    desk = Commands(tmp_path / "user_data")
    with running_bot(tmp_path, configuration(url), *arguments) as bot:
        bot.wait_for(lambda: account.open_algos(), "an entry and its stop")

        def written() -> list[int]:
            """Return the lines but for what the first one's guards say of a slow machine."""
            return [e.n for e in desk.journal.entries() if not e.kind.startswith("guard.")]

        before = written()
        sent = len(account.orders)
        same = refused(tmp_path, configuration(url), *arguments)
        assert (
            f"in use by GuardedSignals, live on binance in USDT, process {bot.process.pid} on"
            in same
        )
        assert "--userdir of its own" in same
        # Another one, with another database: it would clear the first one's flatten at once.
        other = write_strategy(tmp_path, OTHER)
        config = {**configuration(url), "db_url": "sqlite:///other.sqlite"}
        assert "is in use by GuardedSignals" in refused(tmp_path, config, *other)
        assert written() == before
        # A folder of its own, and the first one's database.
        config = configuration(url)
        (tmp_path / "b").mkdir()
        config["db_url"] = f"sqlite:///{tmp_path / 'trades.sqlite'}"
        assert "the trades database" in refused(tmp_path / "b", config, *arguments)
        # A folder and a database of its own, and the first one's account.
        config["db_url"] = "sqlite:///own.sqlite"
        assert "the exchange account of this API key is in use by" in refused(
            tmp_path / "b", config, *arguments
        )
        assert len(account.orders) == sent
        bot.wait_for(lambda: desk.store.read().flatten is None, "nothing asked for")
        bot.kill()
    again = "belongs to GuardedSignals"
    assert again in refused(
        tmp_path, {**configuration(url), "db_url": "sqlite:///c.sqlite"}, *other
    )
    venue.open_account("second-key", SECRET)
    log = refused(tmp_path, configuration(url), *arguments, key="second-key")
    assert "another account of the exchange" in log
    assert "second-key" not in log
    assert len(account.orders) == sent
    venue.renew_key(account, "renewed-key")  # the exchange names the account: nobody is asked
    with running_bot(tmp_path, configuration(url), *arguments, key="renewed-key") as bot:
        bot.wait_for(lambda: looped(bot, tmp_path / "user_data"), "the bot with its new key")
    (line,) = desk.journal.entries(kind="owner.learned")
    assert "another API key" in line.record["what"]
    owner = (tmp_path / "user_data" / "control" / "owner.json").read_text(encoding="utf-8")
    assert "renewed-key" not in owner
    assert state.unknown == []


@pytest.mark.slow
def test_watchdog_when_one_of_two_bots_dies_then_that_is_seen_and_the_other_is_left_alone(
    tmp_path: Path, url: str, venue: LoopbackVenue, account: Customer, state: ExchangeState
) -> None:
    arguments = write_strategy(tmp_path, STRATEGY)
    accounts = {"a": account, "b": venue.open_account("b-key", SECRET)}
    bots, words = {}, []
    with ExitStack() as stack:
        for name, own in accounts.items():
            folder = tmp_path / name
            folder.mkdir()
            config = configuration(url)
            bots[name] = stack.enter_context(running_bot(folder, config, *arguments, key=own.key))
            config["exchange"] |= {"key": own.key, "secret": SECRET}
            config["user_data_dir"] = str(folder / "user_data")
            (folder / "watched.json").write_text(json.dumps(config), encoding="utf-8")
            words += ["--bot", str(folder / "watched.json"), str(folder / "user_data")]
        for name, own in accounts.items():
            bots[name].wait_for(own.open_algos, "an entry and its stop")
        module = ("strategies.desk.cli", "watchdog", *words)
        dog = stack.enter_context(
            running(RunningProcess, tmp_path, "watchdog", module, launch=keyless)
        )
        dog.wait_for(lambda: dog.log().count("watchdog: watching") == 2, "two watchdogs")
        desks = {name: Commands(tmp_path / name / "user_data").store for name in accounts}
        bots["b"].kill()
        dog.wait_for(
            lambda: f"bot {bots['b'].process.pid} has given no sign of life" in dog.log(),
            "the death of one seen, though the other lives",
        )
        dog.wait_for(lambda: desks["b"].read().mode is ControlMode.REDUCING, "its state moved")
        assert desks["a"].read().mode is ControlMode.ACTIVE
        # The wrong account for that state: refused before it touches anything.
        wrong = ("strategies.desk.cli", "watchdog", "--config", str(tmp_path / "a/watched.json"),
                 "--userdir", str(tmp_path / "b/user_data"))  # fmt: skip
        with running(RunningProcess, tmp_path, "wrong", wrong, launch=keyless) as other:
            assert other.process.wait(120) == 2
            assert "another account of the exchange" in other.log()
    assert state.unknown == []
