"""The reference the replay is held against: one account, candle by candle, nothing skipped.

Its own loop, its own books, its own extremes. Only the guards are the pack's: they are what is
replayed, and are tested by themselves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.base.types import Candles
from models.studies.stress.crash import RecordedCrash
from models.studies.stress.replay import REPLAYED, ReplayRules
from models.trade.account.cross import CrossAccount, Position
from models.trade.decision.sizing import leverage_cap, stop_distance_frac
from models.trade.risk.losses import observe_equity
from models.trade.risk.reduction import next_step
from models.trade.risk.run import Standing, decide_order, watch
from models.trade.risk.snapshot import (
    Exposure,
    Intent,
    MarketState,
    ModelHealth,
    Snapshot,
    Stage,
)
from models.trade.risk.verdict import Demand

SLIP, FEE = 0.0005, 0.0005


@dataclass
class Brute:
    """Lives one account through a crash; `lowest` is its least equity, of 10,000."""

    crash: RecordedCrash
    rules: ReplayRules
    wallet: float = 10_000.0
    held: float = 0.0
    entry: float = 0.0
    stop_frac: float = 0.0
    mode: str = "ACTIVE"
    losses: Any = None
    lowest: float = 10_000.0
    gap: float = 0.0
    target: float | None = None
    trail: list[str] = field(default_factory=list)

    def live(self, hour: int) -> Brute:
        c, side, n = self.crash.candles, self.rules.side, len(self.crash.candles)
        late = math.ceil(self.rules.outage_ms / self.crash.candle_ms)
        first = int(self.crash.hours.last[hour])
        order, refused_until, worst = 0.0, None, 0.0
        for i in range(first, n):
            if i > first:
                if order:
                    self.book(order, float(c.open[i]) * (1 + math.copysign(SLIP, order)))
                extreme = float(c.low[i] if side > 0 else c.high[i])
                if self.meets(extreme):
                    return self
                stop = self.entry * (1 - side * self.stop_frac)
                if self.held and refused_until is None and side * (extreme - stop) <= 0:
                    refused_until, worst = min(i + late, n - 1), extreme
                if refused_until is not None:
                    worst = min(worst, extreme) if side > 0 else max(worst, extreme)
                    if i < refused_until:
                        order = 0.0
                        continue
                    price = worst * (1 - side * SLIP)
                    self.gap = max(self.gap, side * (1 - price / stop))
                    self.book(-self.held, price)
                    refused_until = None
                    self.lowest = min(self.lowest, self.wallet)
            order = self.decided(i)
        return self

    def meets(self, extreme: float) -> bool:
        """Mark the account at the extreme; return whether it was liquidated there."""
        equity = self.wallet + self.held * (extreme - self.entry)
        self.lowest = min(self.lowest, equity)
        margin = self.rules.tiers.maintenance_margin(self.held * extreme)
        if self.held and equity <= margin:
            self.lowest = max(equity - 0.0125 * abs(self.held) * extreme, 0.0)
            return True
        return False

    def decided(self, i: int) -> float:
        """Return the amount ordered at the close of candle `i`."""
        close, rules = float(self.crash.candles.close[i]), self.rules
        self.lowest = min(self.lowest, self.wallet + self.held * (close - self.entry))
        hours = self.crash.hours
        hour = int(np.searchsorted(hours.last, i, side="right")) - 1
        seen = watch(self.world(i, hour, None), rules.limits, Standing.ACCOUNT, REPLAYED)
        if seen.demand is Demand.HALTED:
            self.mode = "HALTED"
        elif seen.demand is Demand.REDUCING and self.mode == "ACTIVE":
            self.mode = "REDUCING"
        if seen.shed_frac and self.held:
            size = abs(self.held)
            if self.target is None or self.target >= size:
                self.target = size * (1 - seen.shed_frac)
            step = next_step(
                now_ms=0, held_quote=size * close, target_quote=self.target * close,
                volume_1h_quote=float(hours.volume_quote[hour]) * self.crash.candle_ms / 60_000,
                max_volume_frac=rules.limits.soft.step_volume_frac,
            )  # fmt: skip
            if step.notional_quote > 0:
                return -math.copysign(step.notional_quote / close, self.held)
        else:
            self.target = None
        if hours.last[hour] != i or self.mode != "ACTIVE":
            return 0.0
        sigma = float(hours.sigma[hour])
        order = Intent(
            pair=self.crash.pair, side=rules.side, price=close, key="x",
            notional_quote=20 * (self.wallet + self.held * (close - self.entry))
            - abs(self.held) * close,
            leverage=leverage_cap(sigma * math.sqrt(24), rules.limits.hard.max_leverage),
        )  # fmt: skip
        allowed = decide_order(self.world(i, hour, order), rules.limits, REPLAYED).notional_quote
        if allowed < 100:  # the least order of bitcoin
            return 0.0
        if not self.held:
            self.stop_frac = stop_distance_frac(2 * sigma, rules.sizing)
        return rules.side * allowed / close

    def world(self, i: int, hour: int, order: Intent | None) -> Snapshot:
        pair, close = self.crash.pair, float(self.crash.candles.close[i])
        held = (Position(pair=pair, amount_base=self.held, entry_price=self.entry),)
        account = CrossAccount(wallet_quote=self.wallet, positions=held if self.held else (),
                               tiers={pair: self.rules.tiers})  # fmt: skip
        now = int(self.crash.close_ms[i])
        self.losses = observe_equity(self.losses, now, account.equity({pair: close}))
        return Snapshot(
            now_ms=now, stage=Stage.BACKTEST, intent=order, sent=(), losses=self.losses,
            exposure=Exposure(account=account, marks={pair: close}), control_mode=self.mode,
            market=MarketState(
                mark=close, volume_1h_quote=float(self.crash.hours.volume_quote[hour]),
                candle_age_s=0.0, candle_s=3600.0,
            ),
            model=ModelHealth(
                vouched=True, abstains=False, false_alarms=1e3, novelty=0.0, outcomes=0,
                latency_ms=0.0,
                sigma_day=float(self.crash.hours.sigma[hour]) * math.sqrt(24),
            ),
        )  # fmt: skip

    def book(self, amount: float, price: float) -> None:
        new = self.held + amount
        if abs(new) < 1e-9 * max(abs(self.held), abs(amount)):
            new = 0.0
        if self.held * amount < 0:
            self.wallet += -amount * (price - self.entry)
        elif amount:
            self.entry = (self.held * self.entry + amount * price) / new
        self.wallet -= FEE * abs(amount) * price
        self.held = new
        self.lowest = min(self.lowest, self.wallet) if not new else self.lowest


def wild_crash(seed: int, candle_ms: int, days: float = 10.5) -> RecordedCrash:
    """Return a calm week, then days with jumps both ways and wicks, on a grid of `candle_ms`."""
    rng = np.random.default_rng(seed)
    count = round(days * 86_400_000 / candle_ms)
    calm = round(7.5 * 86_400_000 / candle_ms)
    scale = math.sqrt(candle_ms / 3_600_000)
    sigma = np.where(np.arange(count) < calm, 0.003, 0.012) * scale
    jumps = np.where((np.arange(count) >= calm) & (rng.random(count) < 0.02 * scale * 3),
                     rng.uniform(-0.2, 0.2, count), 0.0)  # fmt: skip
    close = 100 * np.exp(np.cumsum(sigma * rng.standard_normal(count) + jumps))
    opened = np.concatenate([[100.0], close[:-1]])
    wick = 1 + sigma * np.abs(rng.standard_normal((2, count)))
    wick *= np.where(rng.random((2, count)) < 0.01, 1.15, 1.0)
    return RecordedCrash(
        name=f"wild {seed}", pair="BTC/USDT:USDT", candle_ms=candle_ms,
        funding_rate=np.full(count, np.nan),
        candles=Candles(
            time_ms=1_704_067_200_000 + candle_ms * np.arange(count, dtype=np.int64), open=opened,
            high=np.maximum(opened, close) * wick[0], low=np.minimum(opened, close) / wick[1],
            close=close, volume=np.full(count, 1e6),
        ),
    )  # fmt: skip
