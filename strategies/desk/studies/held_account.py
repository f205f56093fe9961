"""What a bot holds now, by its own files: its sign of life, whose it is, and its open trades.

Nothing is asked of the exchange and nothing of the bot is changed. The equity is what the bot last
said of its whole account; the positions are its open trades. What the account holds besides would
not be among them, so their size is held against the gross exposure the bot counts.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from freqtrade.constants import DEFAULT_DB_DRYRUN_URL, DEFAULT_DB_PROD_URL

from models.base.errors import ControlError, InputError
from models.base.files import Clock, iso_ms, wall_clock_ms
from models.base.units import DAY_MS
from models.operate.control.commands import CONTROL_FOLDER
from models.operate.control.heartbeat import Heartbeat, last_beat
from models.operate.control.home import home_of
from models.operate.control.owner import OWNER_FILE, BotStage, read_owner
from models.studies.what_if.proposal import Opening
from strategies.account.config_files import config_of_files
from strategies.account.identity import stage_of, stated_identity
from strategies.account.trades_database import database_file, others_trades

OLDEST_MS: Final = 10 * 60_000  # of a sign of life: a bot gives one every few seconds
MOST_APART_MS: Final = DAY_MS  # between it and the candles whose close its positions are priced at
_MOST_OFF: Final = 0.25  # of the gross exposure: what a day's prices may make of the same amounts
_VENUE: Final = ("binance", "USDT")  # whose margin tiers and pairs are known here
_HELD: Final = "SELECT pair, is_short, amount FROM trades WHERE is_open = 1 AND amount > 0"


@dataclass(frozen=True, kw_only=True)
class HeldAccount:
    """A bot's account as its files tell it."""

    whose: str
    time_ms: int  # of the bot's word
    equity_quote: float
    gross_quote: float  # by the bot, at its marks
    amounts: Mapping[str, float]  # by pair, base units; below 0 for a short

    def openings(self, marks: Mapping[str, float], until_ms: int) -> tuple[Opening, ...]:
        """Return the positions, sized at the marks that candles until `until_ms` end with.

        Raises
        ------
        InputError
            If the candles end more than a day from the bot's word, or the positions are not all
            that it counts.
        """
        if abs(until_ms - self.time_ms) > MOST_APART_MS:
            raise InputError(
                f"expected candles that end within a day of what the bot holds at "
                f"{iso_ms(self.time_ms)}, got them until {iso_ms(until_ms)}",
                where="--held",
                cure="download newer candles (freqtrade download-data), or name others with --data",
            )
        gross = sum(abs(amount) * marks[pair] for pair, amount in self.amounts.items())
        if abs(gross - self.gross_quote) > _MOST_OFF * max(gross, self.gross_quote):
            raise InputError(
                f"the bot's open trades are worth {gross:,.0f}, and it counts a gross exposure of "
                f"{self.gross_quote:,.0f}: not all that the account holds is known here",
                where="--held",
                cure="name the bot's own config, whose db_url has its trades; positions that are "
                "not the bot's are said with --open and --equity",
            )
        return tuple(
            Opening(pair, 1 if amount > 0 else -1, abs(amount) * marks[pair] / self.equity_quote)
            for pair, amount in self.amounts.items()
        )


def read_held(config_file: Path, userdir: Path, clock: Clock = wall_clock_ms) -> HeldAccount:
    """Return what the bot of a config holds now.

    Raises
    ------
    ControlError
        If no bot has run there, the state is another bot's or too old, or does not tell an equity.
    InputError
        If its exchange is not one whose margin tiers are known, or its trades cannot be read.
    """
    config = config_of_files([config_file], userdir)
    stage = stage_of(config)
    control = home_of(userdir, stage) / CONTROL_FOLDER
    owner, beat = read_owner(control / OWNER_FILE), last_beat(control)
    if owner is None or beat is None:
        raise ControlError(
            f"no {stage} bot has run with this user directory",
            where=str(control),
            cure="name the bot's own with --userdir and --config; or say --open and --equity",
        )
    if other := owner.differs(stated_identity(config, stage)):
        raise ControlError(
            f"the state there is another bot's, {owner}: the config has {other}",
            where=str(control),
            cure="name the --userdir and the --config of one bot",
        )
    if (owner.exchange, owner.stake) != _VENUE:
        raise InputError(
            f"expected a bot on {' in '.join(_VENUE)}, got {owner.exchange} in {owner.stake}: only "
            "margin tiers of the former are known",
            where=str(control),
            cure="say what is held with --open and --equity",
        )
    _require_fresh(beat, clock(), control)
    numbers = dict(beat.numbers)
    equity = numbers.get("equity", 0.0)
    if not equity > 0:
        raise ControlError(
            "the bot does not say what its account is worth",
            where=str(control),
            cure="wait for its next loop; `breakwater risk` shows what it knows",
        )
    return HeldAccount(
        whose=str(owner), time_ms=beat.time_ms, equity_quote=equity,
        gross_quote=numbers.get("gross exposure", 0.0),
        amounts=_amounts(_file_of(config, stage), config, stage),
    )  # fmt: skip


def _require_fresh(beat: Heartbeat, now_ms: int, control: Path) -> None:
    age = now_ms - beat.time_ms
    if not -OLDEST_MS <= age <= OLDEST_MS:
        raise ControlError(
            f"the bot's last word is of {iso_ms(beat.time_ms)}, {abs(age) // 60_000} minutes "
            f"{'ago' if age > 0 else 'ahead'}: what it holds now is not known",
            where=str(control),
            cure="start the bot and type it again; or say --open and --equity",
        )


def _file_of(config: Mapping[str, Any], stage: BotStage) -> Path:
    """Return the trades database; Freqtrade's usual one where the config names none."""
    usual = DEFAULT_DB_DRYRUN_URL if stage is BotStage.DRY_RUN else DEFAULT_DB_PROD_URL
    file = database_file({"db_url": config.get("db_url") or usual})
    if file is None or not file.is_file():
        raise InputError(
            f"expected the bot's trades in a file, got {'no file' if file is None else file}",
            where="db_url",
            cure="type it where the bot was started, or name its own config; trades on a database "
            "server are not read",
        )
    return file


def _amounts(file: Path, config: Mapping[str, Any], stage: BotStage) -> dict[str, float]:
    """Return what is open by pair, filled parts only; it is only read."""
    if other := others_trades(file.resolve(), stated_identity(config, stage)):
        raise InputError(f"these trades are another bot's: {other}", where=str(file))
    held: dict[str, float] = {}
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as database:
            for pair, is_short, amount in database.execute(_HELD):
                held[pair] = held.get(pair, 0.0) + (-amount if is_short else amount)
    except sqlite3.Error as error:
        raise InputError(f"the bot's trades cannot be read: {error}", where=str(file)) from error
    return {pair: amount for pair, amount in held.items() if amount}
