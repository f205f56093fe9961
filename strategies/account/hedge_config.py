"""The `breakwater.hedge` block: what is hedged, with what, and how."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from models.base.config import EXPECTED
from models.base.errors import ConfigError
from models.trade.hedging.baseline import BaselineConfig
from models.trade.hedging.policy import PolicyConfig
from strategies.account.hedge_primary import ReadConfig

_WHERE = "breakwater.hedge"


class HedgeMode(StrEnum):
    """Where the hedged position is, and whether the bot may order."""

    ELSEWHERE = "elsewhere"  # on another account or venue; the bot holds the hedge only
    OWN = "own"  # a trade of this same bot
    ADVICE = "advice"  # somewhere; the bot only says what it would do


@dataclass(frozen=True, kw_only=True)
class PrimaryConfig:
    """The position to hedge; with `own`, the bot's open trade tells its size instead."""

    pair: str = "LTC/USDT:USDT"  # its price; a spot position uses the perpetual's
    side: str = "long"  # or "short"
    amount_base: float = 0.0  # in coins
    entry_price: float = 0.0  # quote; 0 if not known
    leverage: float = 1.0  # `own`: as set for it on the exchange
    collateral_quote: float = 0.0  # behind it, on its own account
    venue: str = "another account"  # named in messages
    read: ReadConfig | None = None  # ask an exchange for the size instead

    def __post_init__(self) -> None:
        if self.side not in ("long", "short"):
            raise ConfigError(f"expected side long or short, got {self.side!r}")
        for name in ("amount_base", "entry_price", "collateral_quote"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"expected {name} finite and >= 0, got {getattr(self, name)}")
        if not 1 <= self.leverage <= 125:
            raise ConfigError(f"expected 1 <= leverage <= 125, got {self.leverage}")

    @property
    def knows_equity(self) -> bool:
        """Whether enough is given to know the equity of the account that holds it."""
        return self.collateral_quote > 0 and self.entry_price > 0

    def equity_behind(self, amount_base: float, price: float) -> float:
        """Return the equity of the account that holds it, quote units, where that is given.

        Parameters
        ----------
        amount_base
            Of the position, unsigned.
        price
            Its price now.
        """
        sign = 1 if self.side == "long" else -1
        return self.collateral_quote + sign * amount_base * (price - self.entry_price)


@dataclass(frozen=True, kw_only=True)
class HedgeConfig:
    """Settings of the hedge."""

    mode: HedgeMode  # where the position is: user_data/docs/hedge.md
    primary: PrimaryConfig
    # perpetuals of the legs, as the whitelist has them after the hedged one
    instruments: tuple[str, ...] = field(metadata={EXPECTED: "a list of pairs"})
    leverage: float = 2.0  # of the hedge legs, as set on the exchange
    open_primary: bool = False  # `own`: open it, for backtests and dry-runs
    # What a repeat of the coin's worst day may cost of the equity behind the position, in (0, 1];
    # the legs are credited nothing for it: they do not hold a coin that moves alone.
    worst_day_equity_frac: float = 0.15
    may_reduce_primary: bool = False  # `own`: cut, in stages, a position beyond that; else say so
    baseline: BaselineConfig = field(default_factory=BaselineConfig)
    policy: PolicyConfig = field(default_factory=PolicyConfig)

    def __post_init__(self) -> None:
        if not self.instruments or len(set(self.instruments)) != len(self.instruments):
            raise ConfigError(f"expected one or more different instruments, got {self.instruments}")
        if self.mode is HedgeMode.OWN and self.primary.pair in self.instruments:
            raise ConfigError(
                f"{self.primary.pair} cannot hedge itself: an account has one position per pair",
                cure="hedge with BTC/USDT:USDT and ETH/USDT:USDT, or hold one of them elsewhere",
            )
        if self.open_primary and self.mode is not HedgeMode.OWN:
            raise ConfigError("expected open_primary only with mode own")
        if not 0 < self.worst_day_equity_frac <= 1:
            raise ConfigError(
                f"expected 0 < worst_day_equity_frac <= 1, got {self.worst_day_equity_frac}"
            )
        if self.may_reduce_primary and self.mode is not HedgeMode.OWN:
            raise ConfigError(
                "expected may_reduce_primary only with mode own",
                cure="leave it out: the bot cannot order what is held elsewhere",
            )
        given = self.primary.amount_base > 0 or self.primary.read is not None
        if not given and (self.mode is not HedgeMode.OWN or self.open_primary):
            raise ConfigError(
                "expected the size of the position",
                cure="give primary.amount_base, or primary.read",
            )
        if not 1 <= self.leverage <= 5:
            raise ConfigError(f"expected 1 <= leverage <= 5, got {self.leverage}")

    @property
    def side(self) -> str:
        """Side of the hedge legs."""
        return "short" if self.primary.side == "long" else "long"


def required_hedge(config: Mapping[str, Any], hedge: HedgeConfig | None) -> HedgeConfig:
    """Return the hedge of a Freqtrade config whose `breakwater.hedge` block was parsed to `hedge`.

    Raises
    ------
    ConfigError
        If there is no such block, or the pairs do not fit the whitelist.
    """
    if hedge is None:
        raise ConfigError(
            "expected a block with mode, primary and instruments",
            where=_WHERE,
            cure="see user_data/config_litecoin_hedge.json",
        )
    _check_whitelist(hedge, config["exchange"].get("pair_whitelist") or [])
    return hedge


def _check_whitelist(hedge: HedgeConfig, whitelist: Sequence[str]) -> None:
    """The primary first: its forecast must be there when the legs are looked at."""
    wanted = list(dict.fromkeys((hedge.primary.pair, *hedge.instruments)))
    if list(whitelist) != wanted:
        raise ConfigError(
            f"expected the pair whitelist {wanted}, got {list(whitelist)}",
            where="exchange.pair_whitelist",
            cure="list the hedged pair first, then the instruments, and nothing else",
        )
