"""A crash replayed twice: a naive model that is always long at 20x, without and behind the guards.

The model wants 20 times the equity long, on every candle, whatever happens, and calls itself sure.
Without guards it gets that at the first open. Behind them it gets what they leave: leverage is
clamped, orders are limited, a stop rests at the exchange, losses halt, and nobody re-arms. A crash
is replayed from many starts, so that it meets accounts that are fully invested when it comes.

Known at each decision: candles closed so far. Orders fill at the next open with slippage, stops at
their candle's *extreme*, which is worse than any exchange. The account is audited by
`models.trade.account.audit`, which has no part in the decisions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from models.base.errors import InputError
from models.base.types import Candles, FloatArray
from models.base.units import DAY_MS, HOUR_MS
from models.data.features.candles import sigma_per_candle
from models.trade.account.audit import audit_account
from models.trade.account.cross import CrossAccount, Position
from models.trade.account.ledger import net
from models.trade.account.records import AccountAudit, Fill, MarketPath
from models.trade.account.tiers import MarginTiers
from models.trade.decision.sizing import SizingConfig, leverage_cap, stop_distance_frac
from models.trade.risk import oversight
from models.trade.risk.limits import Limits
from models.trade.risk.losses import LossState, observe_equity
from models.trade.risk.reduction import STEP_S, next_step
from models.trade.risk.run import GUARDS, Guard, Standing, decide_order, watch
from models.trade.risk.snapshot import (
    Exposure,
    Intent,
    MarketState,
    ModelHealth,
    Snapshot,
    Stage,
)
from models.trade.risk.verdict import Demand

WANTED_LEVERAGE: Final = 20.0
_HORIZON: Final = 4  # candles of the forecast, as the shipped config has it
_FEE_FRAC: Final = 0.0005
_SLIPPAGE_FRAC: Final = 0.0005
# The guards a backtest has, and the two a replay can play: losses, and the mode they set.
_REPLAYED: Final[Sequence[Guard]] = tuple(
    replace(g, stages=frozenset(Stage))
    for g in GUARDS
    if Stage.BACKTEST in g.stages
    or g.check in (oversight.losses_bearable, oversight.control_active)
)


@dataclass(frozen=True, kw_only=True)
class RecordedCrash:
    """One market through one crash; arrays (N,), on a gap-free grid."""

    name: str
    pair: str
    candles: Candles
    candle_ms: int
    funding_rate: FloatArray  # NaN but at candles whose open is a funding time

    def path(self, start: int) -> MarketPath:
        """Return the candles from row `start` on, as the audit reads them."""
        c = self.candles
        rows = {n: getattr(c, n)[start:] for n in ("time_ms", "open", "high", "low", "close")}
        return MarketPath(pair=self.pair, funding_rate=self.funding_rate[start:], **rows)


@dataclass(frozen=True, kw_only=True)
class ReplayOutcome:
    """The two accounts, and why the guarded one stopped."""

    naive: AccountAudit
    guarded: AccountAudit
    start_ms: int
    halted: str  # the first halt's reason; empty if there was none
    orders: int  # of the guarded account

    @property
    def survived(self) -> bool:
        return self.guarded.liquidated_at_ms is None


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One crash over all its starts."""

    name: str
    candle_ms: int
    starts: int
    naive_liquidated: int  # of the starts
    naive_fastest_ms: int | None  # from start to liquidation
    naive_median_ms: int | None
    guarded_liquidated: int
    worst_final_frac: float  # equity at the end over that at the start
    worst_drawdown_frac: float  # at the candles' adverse extremes
    nearest_frac: float  # least distance to liquidation; inf if never invested
    halts: int


def replay_crash(
    crash: RecordedCrash,
    tiers: MarginTiers,
    limits: Limits,
    *,
    start: int = 0,
    wallet_quote: float = 10_000.0,
) -> ReplayOutcome:
    """Return what `crash` does to the naive model, without guards and behind them.

    Parameters
    ----------
    start
        Candle at whose close the bot is switched on; its history is known.
    """
    c = crash.candles
    price = float(c.open[start + 1]) * (1 + _SLIPPAGE_FRAC)
    amount = WANTED_LEVERAGE * wallet_quote / price
    all_in = _fill(int(c.time_ms[start + 1]), crash.pair, amount, price)
    guarded = _Guarded(crash, tiers, limits, wallet_quote)
    for i in range(start, len(c) - 1):
        guarded.candle(i)
        if guarded.mode == "HALTED" and not guarded.held:
            break  # nobody re-arms
    markets, table = {crash.pair: crash.path(start + 1)}, {crash.pair: tiers}
    return ReplayOutcome(
        naive=audit_account([all_in], markets, wallet_quote=wallet_quote, tiers=table),
        guarded=audit_account(guarded.fills, markets, wallet_quote=wallet_quote, tiers=table),
        start_ms=int(c.time_ms[start + 1]),
        halted=guarded.halted,
        orders=len(guarded.fills),
    )


def summarise(
    crash: RecordedCrash, tiers: MarginTiers, limits: Limits, *, every_ms: int
) -> Summary:
    """Replay `crash` from a start every `every_ms`, and return the worst of it.

    The first start is when the volatility is known, the last a day before the end.
    """
    known = int(np.flatnonzero(np.isfinite(sigma_per_candle(crash.candles.close)))[0])
    last = len(crash.candles) - DAY_MS // crash.candle_ms
    step = max(1, every_ms // crash.candle_ms)
    outcomes = [replay_crash(crash, tiers, limits, start=i) for i in range(known, last, step)]
    if not outcomes:
        raise InputError(
            f"expected more than a day of candles after {known} to warm up, got "
            f"{len(crash.candles)}",
            where=crash.name,
        )
    lived = [
        o.naive.liquidated_at_ms - o.start_ms
        for o in outcomes
        if o.naive.liquidated_at_ms is not None
    ]
    seen = [o.guarded.summary() for o in outcomes]
    near = [d for s in seen if (d := s["min_distance_frac"]) is not None]
    return Summary(
        name=crash.name,
        candle_ms=crash.candle_ms,
        starts=len(outcomes),
        naive_liquidated=len(lived),
        naive_fastest_ms=min(lived, default=None),
        naive_median_ms=int(np.median(lived)) if lived else None,
        guarded_liquidated=sum(not o.survived for o in outcomes),
        worst_final_frac=min(
            float(o.guarded.equity_close[-1]) / o.guarded.start_wallet_quote for o in outcomes
        ),
        worst_drawdown_frac=max(s["max_drawdown_worst_frac"] for s in seen),
        nearest_frac=min(near, default=math.inf),
        halts=sum(bool(o.halted) for o in outcomes),
    )


class _Guarded:
    """The bot's own books, candle by candle."""

    def __init__(
        self, crash: RecordedCrash, tiers: MarginTiers, limits: Limits, wallet_quote: float
    ) -> None:
        self.crash, self.limits, self.tiers = crash, limits, {crash.pair: tiers}
        self.wallet, self.held, self.entry = wallet_quote, 0.0, 0.0
        self.fills: list[Fill] = []
        self.losses: LossState | None = None
        self.mode, self.halted = "ACTIVE", ""
        self.target: float | None = None  # amount to get down to
        self.stop_frac = SizingConfig().max_stop_frac
        per_candle = sigma_per_candle(crash.candles.close)
        self.sigma_day = per_candle * math.sqrt(DAY_MS / crash.candle_ms)
        self.sigma_horizon = per_candle * math.sqrt(_HORIZON)
        self.volume_1h = _hourly(crash)

    def candle(self, i: int) -> None:
        """Decide at the close of candle `i`; orders and stops meet candle `i` + 1."""
        amount = self._leaving(i)
        if not amount:
            amount = self._entering(i)
        c = self.crash.candles
        if amount:
            price = float(c.open[i + 1]) * (1 + math.copysign(_SLIPPAGE_FRAC, amount))
            self._book(int(c.time_ms[i + 1]), amount, price)
        stop = self.entry * (1 - self.stop_frac)
        if self.held > 0 and c.low[i + 1] <= stop:
            price = float(c.low[i + 1]) * (1 - _SLIPPAGE_FRAC)
            self._book(int(c.time_ms[i + 1]) + 1, -self.held, price)  # inside the candle

    def _leaving(self, i: int) -> float:
        """Look after the account; return the signed amount to close now."""
        s = self._snapshot(i)
        seen = watch(s, self.limits, Standing.ACCOUNT, _REPLAYED)
        if seen.demand is Demand.HALTED and self.mode != "HALTED":
            self.mode, self.halted = "HALTED", seen.reason
        elif seen.demand is Demand.REDUCING and self.mode == "ACTIVE":
            self.mode = "REDUCING"
        if not seen.shed_frac or not self.held:
            self.target = None
            return 0.0
        if self.target is None:
            self.target = self.held * (1 - seen.shed_frac)
        close = float(self.crash.candles.close[i])
        step = next_step(
            now_ms=s.now_ms,
            held_quote=self.held * close,
            target_quote=self.target * close,
            # One step a candle instead of one a minute: later than the bot, never sooner.
            volume_1h_quote=float(self.volume_1h[i]) * self.crash.candle_ms / 1000 / STEP_S,
            max_volume_frac=self.limits.soft.step_volume_frac,
        )
        return -step.notional_quote / close

    def _entering(self, i: int) -> float:
        """Return the amount the guards leave of what the model wants."""
        close, sigma = float(self.crash.candles.close[i]), float(self.sigma_day[i])
        if not sigma > 0:  # warm-up
            return 0.0
        s = self._snapshot(i)
        equity = s.exposure.equity_quote if s.exposure is not None else 0.0
        wanted = WANTED_LEVERAGE * equity - self.held * close
        order = Intent(
            pair=self.crash.pair, side=1, notional_quote=wanted, price=close, key=f"long {i}",
            # The one thing the strategy clamps by itself before it asks.
            leverage=leverage_cap(sigma, self.limits.hard.max_leverage),
        )  # fmt: skip
        allowed = decide_order(replace(s, intent=order), self.limits, _REPLAYED).notional_quote
        if allowed and not self.held:
            self.stop_frac = stop_distance_frac(float(self.sigma_horizon[i]), SizingConfig())
        return allowed / close

    def _snapshot(self, i: int) -> Snapshot:
        c, pair = self.crash.candles, self.crash.pair
        close, now = float(c.close[i]), int(c.time_ms[i]) + self.crash.candle_ms
        held = (Position(pair=pair, amount_base=self.held, entry_price=self.entry),)
        account = CrossAccount(
            wallet_quote=self.wallet, positions=held if self.held else (), tiers=self.tiers
        )
        exposure = Exposure(account=account, marks={pair: close})
        if self.losses is None or self.losses.time_ms < now:
            self.losses = observe_equity(self.losses, now, exposure.equity_quote)
        return Snapshot(
            now_ms=now,
            stage=Stage.BACKTEST,
            exposure=exposure,
            market=MarketState(
                mark=close, volume_1h_quote=float(self.volume_1h[i]), candle_age_s=0.0,
                candle_s=self.crash.candle_ms / 1000,
            ),
            model=ModelHealth(
                vouched=True, abstains=False, sigma_day=float(self.sigma_day[i]), hazard=0.0,
                novelty=0.0, outcomes=0, latency_ms=0.0,
            ),
            sent=(),
            losses=self.losses,
            control_mode=self.mode,
        )  # fmt: skip

    def _book(self, time_ms: int, amount: float, price: float) -> None:
        fill = _fill(time_ms, self.crash.pair, amount, price)
        profit, self.held, self.entry = net(self.held, self.entry, fill)
        self.wallet += profit - fill.fee_quote
        self.fills.append(fill)


def _fill(time_ms: int, pair: str, amount: float, price: float) -> Fill:
    fee = abs(amount) * price * _FEE_FRAC
    return Fill(time_ms=time_ms, pair=pair, amount_base=amount, price_quote=price, fee_quote=fee)


def _hourly(crash: RecordedCrash) -> FloatArray:
    """Return the quote volume of the last hour at each candle's close, (N,)."""
    per_hour = max(1, HOUR_MS // crash.candle_ms)
    traded = crash.candles.volume * crash.candles.close
    total = np.cumsum(np.concatenate([np.zeros(per_hour), traded]))
    out: FloatArray = total[per_hour:] - total[:-per_hour]
    return out


def simulated_crash(*, seed: int = 0, fall_frac: float = 0.5, hours: float = 12.0) -> RecordedCrash:
    """Return a month of 5-minute candles with a fall in its third week; not real, and named so.

    Parameters
    ----------
    fall_frac
        Of price, from the start of the crash to its end, with volatility five times the usual.
    """
    rng, step_ms = np.random.default_rng(seed), 300_000
    count, start, length = 30 * 288, 18 * 288, round(12 * hours)
    sigma = np.full(count, 0.0012)
    sigma[start : start + length] *= 5
    drift = np.zeros(count)
    drift[start : start + length] = math.log(1 - fall_frac) / length
    close = 50_000 * np.exp(np.cumsum(drift + sigma * rng.standard_normal(count)))
    opened = np.concatenate([[50_000.0], close[:-1]])
    reach = 1 + sigma * np.abs(rng.standard_normal((2, count)))
    candles = Candles(
        time_ms=1_704_067_200_000 + step_ms * np.arange(count, dtype=np.int64),
        open=opened,
        high=np.maximum(opened, close) * reach[0],
        low=np.minimum(opened, close) / reach[1],
        close=close,
        volume=400 * (sigma / 0.0012) * rng.uniform(0.5, 1.5, count),
    )
    name = f"simulated, -{fall_frac:.0%} in {hours:g} h"
    return RecordedCrash(
        name=name, pair="BTC/USDT:USDT", candles=candles, candle_ms=step_ms,
        funding_rate=np.full(count, np.nan),
    )  # fmt: skip
