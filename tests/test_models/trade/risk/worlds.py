"""A sound world for the guards to look at, and ways to spoil one part of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from models.trade.account.cross import CrossAccount, Position
from models.trade.account.tiers import MarginTier, MarginTiers
from models.trade.risk.limits import GuardConfig, HardLimits, Limits
from models.trade.risk.losses import LossState
from models.trade.risk.snapshot import (
    ExchangeAccount,
    Exposure,
    Intent,
    MarketState,
    ModelHealth,
    SentOrder,
    Snapshot,
    Stage,
)

NOW = 1_700_000_000_000
PAIR, OTHER = "BTC/USDT:USDT", "LTC/USDT:USDT"
TIER = MarginTier(
    floor_quote=0, cap_quote=1e9, maintenance_rate_frac=0.01, maintenance_amount_quote=0,
    max_leverage=50,
)  # fmt: skip
TIERS = {pair: MarginTiers(pair, (TIER,)) for pair in (PAIR, OTHER)}
# One order may be the whole position; everything else at its default.
LIMITS = Limits(hard=HardLimits(max_order_equity_frac=2.0), soft=GuardConfig())

INTENT = Intent(pair=PAIR, side=1, notional_quote=1000.0, leverage=2.0, price=100.0, key="now")
MARKET = MarketState(
    mark=100.0, index=100.0, bid=99.99, ask=100.01, bid_depth_quote=1e6, ask_depth_quote=1e6,
    volume_1h_quote=1e8, funding_8h_frac=0.0001, price_age_s=0.5, candle_age_s=5.0,
    candle_s=3600.0,
)  # fmt: skip
MODEL = ModelHealth(
    vouched=True, abstains=False, sigma_day=0.01, false_alarms=5.0, novelty=0.3, drift=0.5,
    outcomes=200, coverage=0.9, latency_ms=20.0,
)  # fmt: skip
LOSSES = LossState(
    time_ms=NOW, equity_quote=10_000.0, day_start_quote=10_000.0, week_start_quote=10_000.0,
    peak_quote=10_000.0,
)  # fmt: skip
EXCHANGE = ExchangeAccount(
    time_ms=NOW, wallet_quote=10_000.0, equity_quote=10_000.0, maintenance_quote=0.0,
    computed_ratio=0.0,
)  # fmt: skip


def held(amount: float, entry: float = 100.0, pair: str = OTHER) -> Position:
    """Return an open position."""
    return Position(pair=pair, amount_base=amount, entry_price=entry)


def exposure(
    *positions: Position, wallet: float = 10_000.0, marks: dict[str, float] | None = None,
    **changes: Any,
) -> Exposure:  # fmt: skip
    """Return an account of `wallet` with `positions`, marked at 100 each."""
    account = CrossAccount(wallet_quote=wallet, positions=positions, tiers=TIERS)
    return Exposure(account=account, marks={PAIR: 100.0, OTHER: 100.0, **(marks or {})}, **changes)


SOUND = Snapshot(
    now_ms=NOW, stage=Stage.LIVE, intent=INTENT, exposure=exposure(), market=MARKET, model=MODEL,
    sent=(), losses=LOSSES, control_mode="ACTIVE", differences=(), unknown=(), exchange=EXCHANGE,
)  # fmt: skip


def world(**changes: Any) -> Snapshot:
    """Return the sound world with fields of its parts replaced: `intent__price=1.0`."""
    parts: dict[str, Any] = {}
    for name, value in changes.items():
        part, _, inner = name.partition("__")
        if inner:
            parts[part] = replace(parts.get(part, getattr(SOUND, part)), **{inner: value})
        else:
            parts[part] = value
    return replace(SOUND, **parts)


def sent(ago_s: float, pair: str = PAIR, side: int = 1, key: str = "before") -> SentOrder:
    """Return an order for new risk approved `ago_s` seconds ago."""
    return SentOrder(time_ms=NOW - round(1000 * ago_s), pair=pair, side=side, key=key)


def lost(**fracs: float) -> LossState:
    """Return losses of these fractions: `lost(day=0.02)`."""
    starts = {f"{name}_start_quote": 10_000 / (1 - frac) for name, frac in fracs.items()}
    if "peak" in fracs:
        starts["peak_quote"] = starts.pop("peak_start_quote")
    return replace(LOSSES, **starts)
