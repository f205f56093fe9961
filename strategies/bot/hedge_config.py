"""The `breakwater.hedge` block: what is hedged, with what, and how."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from models.base.config import from_mapping
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
    side: str = "long"
    amount_base: float = 0.0
    entry_price: float = 0.0  # quote; 0 if not known
    leverage: float = 1.0  # `own`: as set for it on the exchange
    collateral_quote: float = 0.0  # behind it, on its own account
    venue: str = "another account"  # named in messages
    read: ReadConfig | None = None  # strategies.account.hedge_primary: ask for the size instead

    def __post_init__(self) -> None:
        if self.side not in ("long", "short"):
            raise ConfigError(f"expected side long or short, got {self.side!r}")
        for name in ("amount_base", "entry_price", "collateral_quote"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"expected {name} finite and >= 0, got {getattr(self, name)}")
        if not 1 <= self.leverage <= 125:
            raise ConfigError(f"expected 1 <= leverage <= 125, got {self.leverage}")


@dataclass(frozen=True, kw_only=True)
class HedgeConfig:
    """Settings of the hedge; see the dataclass named behind each block."""

    mode: HedgeMode
    primary: PrimaryConfig  # above
    instruments: tuple[str, ...]
    leverage: float = 2.0  # of the hedge legs, as set on the exchange
    open_primary: bool = False  # `own`: open it, for backtests and dry-runs
    baseline: BaselineConfig = field(
        default_factory=BaselineConfig
    )  # models.trade.hedging.baseline
    policy: PolicyConfig = field(default_factory=PolicyConfig)  # models.trade.hedging.policy

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


def hedge_config(config: Mapping[str, Any], block: Mapping[str, Any]) -> HedgeConfig:
    """Return the settings of a Freqtrade config's hedge block.

    Raises
    ------
    ConfigError
        If a setting is unknown, missing or out of range, or the pairs do not fit the whitelist.
    """
    known: dict[str, Any] = {
        "primary": _primary,
        "baseline": lambda v: from_mapping(BaselineConfig, v, where=f"{_WHERE}.baseline"),
        "policy": lambda v: from_mapping(PolicyConfig, v, where=f"{_WHERE}.policy"),
        "mode": _mode,
        "instruments": _instruments,
    }
    missing = [name for name in ("mode", "primary", "instruments") if name not in block]
    if missing:
        raise ConfigError(
            f"expected {', '.join(missing)}",
            where=_WHERE,
            cure="see user_data/config_litecoin_hedge.json",
        )
    values = {k: known[k](v) if k in known else v for k, v in block.items()}
    out = from_mapping(HedgeConfig, values, where=_WHERE)
    _check_whitelist(out, config["exchange"].get("pair_whitelist") or [])
    return out


def _primary(value: Any) -> PrimaryConfig:
    if isinstance(value, Mapping) and "read" in value:
        read = from_mapping(ReadConfig, value["read"], where=f"{_WHERE}.primary.read")
        value = {**value, "read": read}
    return from_mapping(PrimaryConfig, value, where=f"{_WHERE}.primary")


def _mode(value: Any) -> HedgeMode:
    if value not in list(HedgeMode):
        raise ConfigError(
            f"expected mode {', '.join(HedgeMode)}, got {value!r}", where=f"{_WHERE}.mode"
        )
    return HedgeMode(value)


def _instruments(value: Any) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ConfigError(f"expected a list of pairs, got {value!r}", where=f"{_WHERE}.instruments")
    return tuple(value)


def _check_whitelist(hedge: HedgeConfig, whitelist: Sequence[str]) -> None:
    """The primary first: its forecast must be there when the legs are looked at."""
    wanted = list(dict.fromkeys((hedge.primary.pair, *hedge.instruments)))
    if list(whitelist) != wanted:
        raise ConfigError(
            f"expected the pair whitelist {wanted}, got {list(whitelist)}",
            where="exchange.pair_whitelist",
            cure="list the hedged pair first, then the instruments, and nothing else",
        )
