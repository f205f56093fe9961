"""Everything the guards look at, taken at one moment; None is "unknown" and never "fine".

Guards see numbers only: who asked the exchange, and how, is the business of `strategies`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from models.data.feeds.agreement import SourceAgreement
from models.trade.account.cross import CrossAccount
from models.trade.risk.losses import LossState
from models.trade.risk.worst_hours import WorstDay, WorstHour, WorstTable


class Stage(StrEnum):
    """Where the bot runs. Inputs that a stage cannot have are not applicable there, by name."""

    BACKTEST = "backtest"
    DRY_RUN = "dry-run"
    LIVE = "live"


class Effect(StrEnum):
    """What an order does to the account's exposure."""

    OPEN = "open"  # opens or grows a position
    REDUCE = "reduce"  # only shrinks one; sent as reduce-only, it cannot turn around


@dataclass(frozen=True, kw_only=True)
class Intent:
    """An order somebody wants to send; quote units."""

    pair: str
    side: int  # of the position: +1 long, -1 short
    notional_quote: float
    effect: Effect = Effect.OPEN
    leverage: float | None = None  # as set on the exchange for this pair
    price: float | None = None  # expected execution price
    key: str = ""  # names the decision behind the order; the same key twice is a duplicate


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """The cross-margin account with the orders that are still on their way.

    Attributes
    ----------
    account
        Wallet, positions and tiers; gives equity, margin and distance at `marks`.
    marks
        Mark price of every position and of the intent's pair, quote units.
    pending_long_quote, pending_short_quote
        Notional of entry orders placed and not yet filled, by side.
    isolated
        Whether the intent's position would be margined on its own, as a person has accepted.
    worst_hours, worst_days
        The worst hour and day that loaded candles have shown of a pair, where there are any.
    foreseen, unforeseen
        The worst hour that scenarios hold possible of a pair now, where they say anything, and why
        they are silent of one they have spoken of; for entries into positions that have stops.
    at_marks
        Whether no position has a stop: then only the mark price closes one, by liquidation.
    record
        The worst hours and days to go by, None for the shipped ones. Another is a replay's, which
        must not know what came later.
    """

    account: CrossAccount
    marks: Mapping[str, float]
    pending_long_quote: float = 0.0
    pending_short_quote: float = 0.0
    isolated: bool = False
    worst_hours: Mapping[str, WorstHour] = field(default_factory=dict)
    worst_days: Mapping[str, WorstDay] = field(default_factory=dict)
    foreseen: Mapping[str, WorstHour] = field(default_factory=dict)
    unforeseen: Mapping[str, str] = field(default_factory=dict)
    at_marks: bool = False
    record: WorstTable | None = None

    @property
    def equity_quote(self) -> float:
        return self.account.equity(self.marks)

    @property
    def net_notional_quote(self) -> float:
        """Signed sum of the positions' notionals, pending orders left out."""
        held = self.account.positions
        return float(sum(p.amount_base * self.marks[p.pair] for p in held))

    def notional_quote(self, pair: str) -> float:
        """Return ``|notional|`` held in one pair."""
        held = (p.amount_base for p in self.account.positions if p.pair == pair)
        return float(abs(sum(amount * self.marks[pair] for amount in held)))

    @property
    def gross_notional_quote(self) -> float:
        """Sum of ``|notional|``, pending orders included."""
        pending = self.pending_long_quote + self.pending_short_quote
        return self.account.gross_notional(self.marks) + pending


@dataclass(frozen=True, kw_only=True)
class MarketState:
    """The intent's market as last seen; quote units, ages in seconds."""

    mark: float | None = None
    index: float | None = None
    bid: float | None = None
    ask: float | None = None
    bid_depth_quote: float | None = None  # notional on the levels that were asked for
    ask_depth_quote: float | None = None
    volume_1h_quote: float | None = None  # of the last closed hour
    funding_8h_frac: float | None = None  # next payment scaled to 8 h; positive: longs pay
    price_age_s: float | None = None  # since the newest of these prices
    candle_age_s: float | None = None  # since the last analysed candle closed
    candle_s: float | None = None  # length of a candle


@dataclass(frozen=True, kw_only=True)
class ModelHealth:
    """The forecast behind the intent and the health of the model that made it."""

    vouched: bool | None = None  # FreqAI's do_predict is 1: fresh model, sound row
    abstains: bool | None = None  # warm-up, out of distribution, unhealthy
    sigma_day: float | None = None  # volatility of the log return over one day
    false_alarms: float | None = None  # a week, of warning against the side at this hazard
    novelty: float | None = None  # median of the last day's; > 1 is out of distribution
    drift: float | None = None  # > 1 is drifted; None: too few candles or training rows to tell
    outcomes: int | None = None  # recent forecasts whose outcome is known
    coverage: float | None = None  # share of those inside the 90 % interval
    latency_ms: float | None = None  # p99 of candle close -> order; None: too few to tell
    without: tuple[str, ...] = ()  # heads a person has waived: `models.base.columns.OF_HEAD`


@dataclass(frozen=True, kw_only=True)
class ExchangeAccount:
    """The account as the exchange itself counts it, all numbers of one answer; quote units."""

    time_ms: int  # when it was asked
    wallet_quote: float
    equity_quote: float  # wallet and open profit
    maintenance_quote: float
    computed_ratio: float | None = None  # the pack's own margin ratio at that moment
    distance_frac: float | None = None  # of the nearest mark to its liquidation price; None: flat

    @property
    def margin_ratio(self) -> float:
        """Maintenance margin over equity; 1 is liquidation, 0 when flat, inf without equity."""
        if self.maintenance_quote == 0:
            return 0.0
        has_equity = self.equity_quote > 0
        return self.maintenance_quote / self.equity_quote if has_equity else math.inf


@dataclass(frozen=True, kw_only=True)
class SentOrder:
    """An order for new risk that was approved."""

    time_ms: int
    pair: str
    side: int
    key: str


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The world at `now_ms`; without an intent only the standing guards have work."""

    now_ms: int
    stage: Stage
    intent: Intent | None = None
    exposure: Exposure | None = None
    market: MarketState | None = None
    model: ModelHealth | None = None
    sent: tuple[SentOrder, ...] | None = None  # of the last day
    losses: LossState | None = None
    control_mode: str | None = None  # ACTIVE, REDUCING or HALTED
    differences: tuple[str, ...] | None = None  # what the last reconciliation could not explain
    unknown: tuple[str, ...] | None = None  # what nobody answers for, of account and intent
    second: SourceAgreement | None = None  # of the intent's candles, with a second source
    exchange: ExchangeAccount | None = None  # the exchange's own count, live only
