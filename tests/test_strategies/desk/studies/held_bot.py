"""The files of a bot that holds something: its sign of life, whose it is, its trades."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from models.operate.control.heartbeat import Heartbeat, beat
from models.operate.control.owner import BotIdentity, BotStage, owner_of, owner_text
from strategies.desk.terminal.places import CONFIGS


@dataclass(frozen=True, kw_only=True)
class HeldTrade:
    """A row of Freqtrade's trades, as far as it is read here."""

    pair: str
    amount: float
    is_short: bool = False
    is_open: bool = True
    strategy: str = "BitcoinCrossMargin"
    exchange: str = "binance"


def bot_config(folder: Path, db_url: str = "") -> Path:
    """Write the config of a dry run whose trades are in `folder`."""
    path = folder / "config.json"
    config = {
        "add_config_files": [str(CONFIGS / "config_bitcoin.json")], "dry_run": True,
        "db_url": db_url or f"sqlite:///{folder / 'trades.sqlite'}",
    }  # fmt: skip
    path.write_text(json.dumps(config))
    return path


def write_trades(file: Path, trades: Sequence[HeldTrade]) -> None:
    file.unlink(missing_ok=True)
    with closing(sqlite3.connect(file)) as database:
        database.execute(
            "CREATE TABLE trades (id, strategy, exchange, pair, is_short, amount, is_open)"
        )
        database.execute("CREATE TABLE orders (ft_trade_id, order_id)")
        for number, t in enumerate(trades):
            row = (number, t.strategy, t.exchange, t.pair, t.is_short, t.amount, t.is_open)
            database.execute("INSERT INTO trades VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            database.execute("INSERT INTO orders VALUES (?, ?)", (number, "dry_run_buy"))
        database.commit()


def write_word(
    userdir: Path, time_ms: int, equity: float, gross: float, exchange: str = "binance",
    stake: str = "USDT",
) -> None:  # fmt: skip
    """Leave what a dry run says of itself."""
    control = userdir / "dry_run" / "control"
    control.mkdir(parents=True, exist_ok=True)
    bot = BotIdentity(
        stage=BotStage.DRY_RUN, exchange=exchange, stake=stake, strategy="BitcoinCrossMargin"
    )
    (control / "owner.json").write_text(owner_text(owner_of(bot, time_ms)))
    numbers = {"equity": equity, "gross exposure": gross} if equity else {}
    beat(control, Heartbeat(time_ms=time_ms, pid=7, loop=1, numbers=numbers))
