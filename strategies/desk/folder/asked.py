"""What a person asks of a bot's own folder, and what can be had."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final

import ccxt

from models.base.errors import ConfigError, InputError
from strategies.account.safety_table import SETTINGS
from strategies.account.tiers import load_binance_tiers

LOOPBACK: Final = "loopback"  # the exchange on this machine that replays candles
SHIPPED_PAIR: Final = "BTC/USDT:USDT"
_PERPETUAL: Final = re.compile(r"[A-Z0-9]{1,20}/(USDT|USDC):\1")
_COIN: Final = re.compile(r"[A-Za-z0-9]{1,20}")
_WRITABLE: Final = re.compile(r"[\w ./+@=,~-]+")  # in units, addresses and shells alike


class BotStyle(StrEnum):
    """Values of `breakwater init --style`."""

    SCALP = "scalp"
    INTRADAY = "intraday"
    SWING = "swing"
    POSITION = "position"
    HEDGE = "hedge"
    VOLATILITY = "volatility"


@dataclass(frozen=True, kw_only=True)
class StyleParts:
    """The shipped config a style begins with, and the classes that read it."""

    config: str  # in user_data
    strategy: str
    model: str  # empty: it forecasts nothing
    backtest_days: int  # three trainings long


STYLE_PARTS: Final[Mapping[BotStyle, StyleParts]] = {
    BotStyle.SCALP: StyleParts(
        config="config_style_scalp.json", strategy="BitcoinCrossMargin", model="GRUForecaster",
        backtest_days=21,
    ),
    BotStyle.INTRADAY: StyleParts(
        config="config_style_intraday_1h.json", strategy="BitcoinCrossMargin",
        model="LSTMForecaster", backtest_days=90,
    ),
    BotStyle.SWING: StyleParts(
        config="config_style_swing.json", strategy="BitcoinCrossMargin", model="TCNForecaster",
        backtest_days=180,
    ),
    BotStyle.POSITION: StyleParts(
        config="config_style_position.json", strategy="BitcoinCrossMargin",
        model="EnsembleForecaster", backtest_days=270,
    ),
    BotStyle.HEDGE: StyleParts(
        config="config_litecoin_hedge.json", strategy="LitecoinHedge", model="", backtest_days=90
    ),
    BotStyle.VOLATILITY: StyleParts(
        config="config_volatility_target.json", strategy="VolatilityTarget",
        model="VolatilityForecaster", backtest_days=90,
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class AskedBot:
    """One bot, as asked for and as settled on the day it was made; all its files follow from it.

    Attributes
    ----------
    amount_base
        Hedge: the position to hedge, in coins.
    timerange, train_days
        Of the backtest; 0 days: as the style has it.
    api_port, loopback_port
        Free on the day the folder was made.
    replay_from_ms, made_ms
        What the loopback exchange took for now, and when.
    """

    style: BotStyle
    pair: str
    exchange: str
    amount_base: float
    timerange: str
    train_days: int
    api_port: int
    loopback_port: int
    replay_from_ms: int
    made_ms: int

    @property
    def parts(self) -> StyleParts:
        """What the style is made of."""
        return STYLE_PARTS[self.style]

    @property
    def replays(self) -> bool:
        """Whether its exchange is the one on this machine."""
        return self.exchange == LOOPBACK


def usual_pair(style: BotStyle) -> str:
    """Return the pair a style's shipped config trades."""
    return "LTC/USDT:USDT" if style is BotStyle.HEDGE else SHIPPED_PAIR


def checked_style(word: str) -> BotStyle:
    """Return the style of that name.

    Raises
    ------
    ConfigError
        If there is none.
    """
    try:
        return BotStyle(word.lower())
    except ValueError:
        raise ConfigError(
            f"expected a style, got {word!r}", where="--style", cure=f"one of {', '.join(BotStyle)}"
        ) from None


def checked_pair(word: str, exchange: str) -> str:
    """Return a perpetual's name; a coin alone means its perpetual in USDT.

    Raises
    ------
    ConfigError
        If that is none, or none whose margin tiers are known.

    Examples
    --------
    >>> checked_pair("sol", "binance"), checked_pair("BTC/USDC:USDC", "binance")
    ('SOL/USDT:USDT', 'BTC/USDC:USDC')
    """
    pair = f"{word.upper()}/USDT:USDT" if _COIN.fullmatch(word) else word.upper()
    cure = "name a USDⓈ-M perpetual of Binance as Freqtrade does: SOL/USDT:USDT"
    if not _PERPETUAL.fullmatch(pair):
        raise ConfigError(f"expected a perpetual, got {word!r}", where="--pair", cure=cure)
    if exchange == LOOPBACK and not pair.endswith(":USDT"):
        raise ConfigError(
            f"expected a perpetual in USDT, got {pair}", where="--pair",
            cure="the loopback exchange keeps one account, in USDT",
        )  # fmt: skip
    try:
        load_binance_tiers([pair])
    except InputError as error:
        raise ConfigError(error.problem, where="--pair", cure=cure) from error
    return pair


def checked_exchange(word: str) -> str:
    """Return an exchange the pack's safety is made for, or the one on this machine.

    Raises
    ------
    ConfigError
        If it is any other; names the ones that work.
    """
    name = word.lower()
    if name not in (known := (*supported_exchanges(), LOOPBACK)):
        what = "its cross margin, stops and tiers are not modelled"
        why = f"; {what}" if name in ccxt.exchanges else ", and ccxt knows none of that name"
        raise ConfigError(
            f"expected an exchange the pack can keep safe, got {word!r}{why}", where="--exchange",
            cure=f"one of {', '.join(known)}",
        )  # fmt: skip
    return name


@cache
def supported_exchanges() -> tuple[str, ...]:
    """Return the exchanges a live bot starts on, as the table of settings has it."""
    (row,) = [setting for setting in SETTINGS if setting.name == "exchange.name"]
    return tuple(name for name in ccxt.exchanges if row.forecast.holds(name, {}))


def checked_amount(style: BotStyle, pair: str, amount: float | None) -> float:
    """Return the coins of the position a hedge is for, 0 for every other style.

    Raises
    ------
    ConfigError
        If it is needed and nobody knows it, or is given where there is none.
    """
    if style is not BotStyle.HEDGE:
        if amount is not None:
            raise ConfigError(
                f"expected no amount for {style}", where="--amount", cure="it is a hedge's"
            )
        return 0.0
    if amount is None and pair == usual_pair(style):
        return 50.0  # as in the shipped config
    if amount is None or not (math.isfinite(amount) and amount > 0):
        raise ConfigError(
            f"expected how many coins of {pair} are to be hedged, got {amount}",
            where="--amount", cure="as --amount 50",
        )  # fmt: skip
    return amount


def checked_folder(folder: Path) -> Path:
    """Return the absolute path of a folder that may be made.

    Raises
    ------
    ConfigError
        If something is there already, or its name cannot stand in units and addresses.
    """
    path = folder.expanduser().absolute()
    if not _WRITABLE.fullmatch(str(path)) or path.name in ("", ".", ".."):
        raise ConfigError(
            "expected a folder whose path has letters, digits, spaces and ./+@=,~-_ only, got "
            f"{str(path)!r}",
            cure="choose another name",
        )
    empty = path.is_dir() and not path.is_symlink() and not any(path.iterdir())
    if (path.exists() or path.is_symlink()) and not empty:
        raise ConfigError(
            "expected a folder that is not there yet, found " + _found(path), where=str(path),
            cure="name another one; nothing is ever overwritten",
        )  # fmt: skip
    return path


def _found(path: Path) -> str:
    if not path.is_dir() or path.is_symlink():
        return "something else of that name"
    names = sorted(entry.name for entry in path.iterdir())
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{', '.join(names[:5])}{more}"
