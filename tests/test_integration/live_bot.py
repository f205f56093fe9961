"""The real `freqtrade trade` as a subprocess on the loopback exchange, for tests to look into."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import psutil
from freqtrade.configuration import Configuration

from models.operate.control.commands import Commands
from models.operate.control.state import Person
from strategies.account.acknowledgement import leverage_digest
from tests.exchange.client import trading_ccxt_config
from tests.test_integration.running import KEY, PATIENCE_S, SECRET, RunningProcess, running

FAST = "BREAKWATER_TEST_FAST"  # the live suite with "off": every bot on Freqtrade's own way
BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"

STRATEGY = '''
from freqtrade.persistence import Trade
from freqtrade.strategy import IStrategy


class LoopbackSignals(IStrategy):
    """Long BTC and short ETH at once, each once; out at 2 % profit or by the stop."""

    INTERFACE_VERSION = 3
    timeframe = "1m"
    can_short = True
    startup_candle_count = 10
    stoploss = -0.05
    minimal_roi = {"0": 100.0}
    order_types = {
        "entry": "market",
        "exit": "market",
        "stoploss": "market",
        "stoploss_on_exchange": True,
    }

    def populate_indicators(self, dataframe, metadata):
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        side = "enter_long" if metadata["pair"].startswith("BTC") else "enter_short"
        dataframe[side] = 1
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        return dataframe

    def leverage(self, **kwargs):
        return 3.0

    def confirm_trade_entry(self, pair, **kwargs):
        return not Trade.get_trades([Trade.pair == pair]).all()

    def custom_exit(self, pair, trade, current_time, current_rate, current_profit, **kwargs):
        return "profit" if current_profit > 0.02 else None
'''


def settings(url: str, pairs: list[str], *, dry_run: bool) -> dict[str, Any]:
    """Return the whole configuration of a small bot on an exchange served at `url`."""
    pricing = {"price_side": "other", "use_order_book": True, "order_book_top": 1}
    return {
        "trading_mode": "futures",
        "margin_mode": "cross",
        "stake_currency": "USDT",
        "stake_amount": 1000,
        "dry_run": dry_run,
        "dry_run_wallet": 10_000,
        "max_open_trades": 2,
        "fee": 0.0005,
        "entry_pricing": pricing,
        "exit_pricing": pricing,
        "exchange": {
            "name": "binance",
            "pair_whitelist": pairs,
            "only_from_ccxt": True,
            "ccxt_config": trading_ccxt_config(url),
        },
        "pairlists": [{"method": "StaticPairList"}],
        "internals": {"process_throttle_secs": 1},
        "initial_state": "running",
        "db_url": "sqlite:///trades.sqlite",
        "bot_name": "loopback",
    }


@dataclass(frozen=True)
class LiveBot(RunningProcess):
    """A running bot, seen from outside: its trades database and its log."""

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of an SQL query on its database; none before it exists."""
        if (url := database_address(self.folder)).startswith("postgresql"):
            from tests import postgres  # most bots have their trades in a file

            return postgres.rows(url, query)
        path = self.folder / "trades.sqlite"
        if not path.is_file():
            return []
        with closing(
            sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=PATIENCE_S)
        ) as database:
            database.row_factory = sqlite3.Row
            try:
                return [dict(row) for row in database.execute(query)]
            except sqlite3.OperationalError as error:
                if "no such table" not in str(error):
                    raise
                return []

    def trades(self) -> dict[str, dict[str, Any]]:
        """Return the trades by pair."""
        return {row["pair"]: row for row in self.rows("SELECT * FROM trades")}

    def orders(self) -> list[dict[str, Any]]:
        """Return the orders, oldest first."""
        return self.rows("SELECT * FROM orders ORDER BY id")

    def both_open(self) -> bool:
        """Whether it holds two trades."""
        return sum(trade["is_open"] for trade in self.trades().values()) == 2

    def kill_workers(self) -> None:
        """SIGKILL the processes it trains in, as the kernel does when memory runs out."""
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if any("LokyProcess" in word for word in child.cmdline()):
                    child.kill()

    def troubles(self) -> list[str]:
        """Return the records of its log that tell of an error, each with its trace."""
        signs = (" - ERROR - ", " - CRITICAL - ", "Traceback", "raised exception")
        records = re.split(r"^(?=\d{4}-\d\d-\d\d )", self.log(), flags=re.MULTILINE)
        return [record for record in records if any(sign in record for sign in signs)]


def database_address(folder: Path) -> str:
    """Return the address of the trades database, as a bot in that folder finds it."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return str(os.environ.get("FREQTRADE__DB_URL") or config["db_url"])


Start: TypeAlias = Callable[[], AbstractContextManager[LiveBot]]


def acknowledge_risk(userdir: Path, config: Path) -> None:
    """Note what a person types before the first live start, without which the pack never enters."""
    digest = leverage_digest(Configuration.from_files([str(config)]))
    Commands(userdir).store.acknowledge(Person("test", "command line"), digest)


@contextmanager
def running_bot(
    folder: Path,
    config: dict[str, Any],
    *arguments: str,
    key: str = KEY,
    secret: str = SECRET,
    runner: Sequence[str] = ("freqtrade",),
    launch: Callable[..., Any] = subprocess.Popen,
    acknowledged: bool = True,
) -> Iterator[LiveBot]:
    """Run `freqtrade trade` in `folder` until the block ends; keys come from the environment.

    `runner` is the Python module that runs Freqtrade, with its own arguments; `acknowledged` is
    whether a person has accepted the risk of these settings.
    """
    if fast := os.environ.get(FAST):
        block = {"fast": fast, **config.get("breakwater", {})}  # what a test names itself stays
        config = {**config, "breakwater": block}
    userdir = folder / "user_data"
    for name in ("logs", "data"):
        (userdir / name).mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    if acknowledged:
        acknowledge_risk(userdir, folder / "config.json")
    module = (*runner, "trade", "--config", "config.json", "--userdir", str(userdir))
    with running(
        LiveBot, folder, "bot", (*module, *arguments),
        key=key, secret=secret, stop=signal.SIGINT, launch=launch,
    ) as bot:  # fmt: skip
        yield bot
