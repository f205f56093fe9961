"""Hard limits on new risk. They look at an order and the account, never at a forecast.

A check can only refuse or shrink. A refusal is a `Verdict` with a reason; anything that is not a
finite positive number is refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from models.errors import ConfigError

HARD_MAX_LEVERAGE: Final = 5.0  # no config raises this


@dataclass(frozen=True, kw_only=True)
class HardLimits:
    """Outside the model's reach. Lower them in the config; they cannot be raised at run time."""

    max_leverage: float = 3.0  # per position, as set on the exchange
    max_gross_leverage: float = 3.0  # sum of |notional| over equity
    max_net_leverage: float = 2.0  # |sum of signed notional| over equity
    reserve_quote: float = 0.0  # part of the wallet the bot may never use

    def __post_init__(self) -> None:
        if not 1 <= self.max_leverage <= HARD_MAX_LEVERAGE:
            raise ConfigError(
                f"expected 1 <= max_leverage <= {HARD_MAX_LEVERAGE:g}, got {self.max_leverage}",
                where="breakwater.limits.max_leverage",
                cure="choose a leverage within the hard limit",
            )
        for name in ("max_gross_leverage", "max_net_leverage"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"expected {name} finite and > 0, got {getattr(self, name)}")
        if not 0 <= self.reserve_quote < math.inf:
            raise ConfigError(f"expected reserve_quote >= 0, got {self.reserve_quote}")


@dataclass(frozen=True, kw_only=True)
class AccountState:
    """The account an order would join; quote units, marked at current prices."""

    equity_quote: float
    gross_notional_quote: float  # sum of |notional|, pending orders included
    net_notional_quote: float  # signed sum


@dataclass(frozen=True, kw_only=True)
class EntryIntent:
    """New risk somebody asks for."""

    pair: str
    side: int  # +1 long, -1 short
    notional_quote: float
    leverage: float


@dataclass(frozen=True)
class Verdict:
    """Allowed notional (0 when refused) and the reason it is not what was asked."""

    notional_quote: float
    reason: str = ""

    @property
    def allowed(self) -> bool:
        return self.notional_quote > 0


def check_entry(intent: EntryIntent, account: AccountState, limits: HardLimits) -> Verdict:
    """Return the largest part of `intent` the limits allow.

    Examples
    --------
    >>> intent = EntryIntent(pair="BTC", side=1, notional_quote=5000.0, leverage=2.0)
    >>> state = AccountState(equity_quote=1000.0, gross_notional_quote=0.0, net_notional_quote=0.0)
    >>> check_entry(intent, state, HardLimits())
    Verdict(notional_quote=2000.0, reason='net exposure limited to 2 x equity')
    """
    numbers = (
        intent.notional_quote,
        intent.leverage,
        account.equity_quote,
        account.gross_notional_quote,
        account.net_notional_quote,
    )
    if not all(math.isfinite(v) for v in numbers) or intent.side not in (-1, 1):
        return Verdict(0.0, f"refused: not finite or no side: {intent}, {account}")
    if intent.notional_quote <= 0 or intent.leverage < 1:
        return Verdict(0.0, f"refused: expected notional > 0 and leverage >= 1: {intent}")
    if intent.leverage > limits.max_leverage * (1 + 1e-9):
        return Verdict(0.0, f"refused: leverage {intent.leverage:g} > {limits.max_leverage:g}")
    if account.gross_notional_quote < abs(account.net_notional_quote) * (1 - 1e-9):
        return Verdict(0.0, f"refused: gross exposure below net exposure: {account}")
    usable = account.equity_quote - limits.reserve_quote
    if usable <= 0:
        return Verdict(0.0, "refused: no equity beyond the reserve")
    gross_room = limits.max_gross_leverage * usable - account.gross_notional_quote
    net_room = limits.max_net_leverage * usable - intent.side * account.net_notional_quote
    if not (math.isfinite(gross_room) and math.isfinite(net_room)):
        return Verdict(0.0, f"refused: the account's numbers overflow: {account}")
    allowed, reason = intent.notional_quote, ""
    if allowed > gross_room:
        allowed = gross_room
        reason = f"gross exposure limited to {limits.max_gross_leverage:g} x equity"
    if allowed > net_room:
        allowed = net_room
        reason = f"net exposure limited to {limits.max_net_leverage:g} x equity"
    return Verdict(max(allowed, 0.0), reason)
