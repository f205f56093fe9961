"""Many copies of the pack's own decisions and guards, each with an account and a secret of its own.

Half of what they hold stands in positions on a forecast, with a stop at the exchange
(`models.trade.decision.sizing`), half in volatility targets (`models.trade.decision.
volatility_target`). What each may hold, when it cuts, what its guards want closed and in which
steps is asked of the shipped functions; they are asked where a threshold is met, found for all at
once. Nobody enters: after a loss of 2 % of a day the guards halt, and a fall is no time to be sure.

Not in it: the Litecoin hedge, whose Bitcoin leg is short and whose policy changes it by at most a
tenth an hour; and short positions, which gain.

Known at each step: prices so far. Prices are over that at the start; amounts are quote units at it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from models.base.types import BoolArray, FloatArray
from models.base.units import MINUTE_MS
from models.data.features.candles import sigma_per_candle
from models.studies.crowding.impact import MINUTES_A_DAY
from models.studies.crowding.levers import CrowdLevers, CrowdSize
from models.trade.account.cross import CrossAccount, Position
from models.trade.account.tiers import MarginTiers
from models.trade.decision.sizing import (
    SizingConfig,
    leverage_cap,
    position_notional_quote,
    stop_distance_frac,
)
from models.trade.decision.volatility_target import (
    VolatilityTargetConfig,
    no_trade_width,
    rebalanced,
    target_exposure,
)
from models.trade.risk import oversight
from models.trade.risk.gap import FOR_ENTRIES
from models.trade.risk.limits import GuardConfig, HardLimits, Limits, jittered
from models.trade.risk.losses import LossState, observe_equity
from models.trade.risk.reduction import next_step
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
from models.trade.risk.worst_hours import recorded

PAIR: Final = "BTC/USDT:USDT"
START_MS: Final = 1_704_067_200_000  # midnight: no day begins within the fall
_HORIZON_HOURS: Final = 4  # of the forecast, as the shipped config has it
_EQUITY_QUOTE: Final = 10_000.0  # at which entries are asked for; limits are shares of it
_SPREAD_OF_EQUITY: Final = 1.0  # sigma of its log over the copies
_NEVER: Final = math.inf
# As a dry run has them, less what needs an exchange: quotes, orders in flight, a second source.
PLAYED: Final[tuple[Guard, ...]] = tuple(
    guard for guard in GUARDS
    if Stage.BACKTEST in guard.stages or guard.check is oversight.losses_bearable
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class CopiedRules:
    """What every copy runs, as configured."""

    tiers: MarginTiers
    hard: HardLimits = field(default_factory=HardLimits)
    soft: GuardConfig = field(default_factory=GuardConfig)
    sizing: SizingConfig = field(default_factory=SizingConfig)
    target: VolatilityTargetConfig = field(default_factory=VolatilityTargetConfig)


class Crowd:
    """All copies, column by column, (N,); the first of them hold targets, the others stops.

    Attributes
    ----------
    sold
        By what sold it, in days' volumes: stops, cuts, guards.
    halted_min
        (N,) minute at which a loss limit halted each; inf if none did.
    stop_min
        (N,) minute at which the first order of a stop was set off.
    """

    def __init__(
        self, rules: CopiedRules, levers: CrowdLevers, size: CrowdSize, past: FloatArray,
        rng: np.random.Generator,
    ) -> None:  # fmt: skip
        self.rules, self.levers, self.size = rules, levers, size
        self._past = list(past)  # log closes of hours
        n = size.agents
        self._draw(rng)
        targets = round(n * size.target_share)
        self.holds_target: BoolArray = np.arange(n) < targets
        self._limits = [self._limits_of(int(seed)) for seed in self._secrets]
        self._take_positions(past)
        self._prior_losses()
        self.halted_min, self.stop_min = np.full(n, _NEVER), np.full(n, _NEVER)
        self._shed_to = np.full(n, _NEVER)  # amount the guards want it down to
        self._cut_to = np.full(n, _NEVER)  # amount the last cut goes to
        self._cut_from, self._cut_part = np.full(n, _NEVER), np.zeros(n)
        self.sold = {"stops": 0.0, "cuts": 0.0, "guards": 0.0}

    # -- how they stand before the fall ----------------------------------------------------------

    def _draw(self, rng: np.random.Generator) -> None:
        """Draw everything that differs, the same numbers whatever the levers use of them."""
        n = self.size.agents
        self._place_of_all, self._lost_of_all, self._hour_of_all = rng.random(3).tolist()
        self._secrets = rng.integers(0, 2**62, n)
        self._near = rng.random(n)  # of the jitter of decisions
        self._late = rng.random(n)
        self._equity = np.exp(_SPREAD_OF_EQUITY * rng.standard_normal(n))
        self._place, self._lost, self._hour = rng.random((3, n))
        self._belief = np.exp(0.3 * rng.standard_normal(n))  # of the alarm's false alarms

    def _own(self, each: FloatArray, of_all: float) -> FloatArray:
        return np.full(len(each), of_all) if self.levers.same_entries else each

    def _limits_of(self, secret: int) -> Limits:
        soft = replace(self.rules.soft, jitter_frac=self.levers.guard_jitter_frac)
        return Limits(hard=self.rules.hard, soft=jittered(soft, secret))

    def _take_positions(self, past: FloatArray) -> None:
        n, rules = self.size.agents, self.rules
        sigma = float(sigma_per_candle(np.exp(past))[-1])  # of an hour
        self._stricter = 1 - self.levers.decision_jitter_frac * self._near  # (N,) in [1 - j, 1]
        self.entry, self._stop_at = np.ones(n), np.full((n, self.levers.stages), _NEVER)
        share = np.zeros(n)  # notional over equity
        held = self.holds_target
        day = np.full(n, sigma * math.sqrt(24)) / self._stricter
        target = target_exposure(day, rules.target, self._cap())
        width = no_trade_width(target, rules.target)
        edge = self._own(self._place, self._place_of_all)
        share[held] = np.minimum(target + (2 * edge - 1) * width, self._cap())[held]
        self._fall_stops(held, 1.0, rules.target.stop_frac)
        stops = ~held
        whole = stop_distance_frac(sigma * math.sqrt(_HORIZON_HOURS), rules.sizing)
        share[stops] = self._allowed(whole, sigma)
        self.entry[stops] = self._entries(past, whole)[stops]
        self._fall_stops(stops, self.entry, whole)
        weight = self._equity * share
        for kind, part in ((held, self.size.target_share), (stops, 1 - self.size.target_share)):
            if kind.any():
                weight[kind] *= part / weight[kind].sum()
        total = self.size.adoption * self.size.day_volume_quote
        self.amount = total * weight / max(weight.sum(), 1e-300)
        self.first = self.amount.copy()
        self._part = self.amount / self.levers.stages
        equity = np.divide(self.amount, share, out=np.zeros(n), where=share > 0)
        self.wallet = equity - self.amount * (1 - self.entry)  # equity at the start's price

    def _fall_stops(self, who: BoolArray, entry: FloatArray | float, distance: float) -> None:
        """Rest the stops of `who`: the last at its distance or nearer, a ladder ends there."""
        steps = self.levers.stages
        reach = 1 - self.levers.ladder_frac * np.arange(steps - 1, -1, -1) / max(steps - 1, 1)
        far = np.outer(distance * self._stricter, reach if steps > 1 else np.ones(1))  # (N, K)
        price = np.reshape(entry, (-1, 1)) * (1 - far)
        self._stop_at[who] = -np.log(price)[who]

    def _allowed(self, stop_frac: float, sigma: float) -> float:
        """Return the notional over equity that the guards leave of a position with this stop."""
        wanted = position_notional_quote(_EQUITY_QUOTE, stop_frac, self.rules.sizing)
        flat = CrossAccount(
            wallet_quote=_EQUITY_QUOTE, positions=(), tiers={PAIR: self.rules.tiers}
        )
        order = Intent(
            pair=PAIR, side=1, notional_quote=wanted, price=1.0, key="entry",
            leverage=leverage_cap(sigma * math.sqrt(24), self.rules.hard.max_leverage),
        )  # fmt: skip
        s = Snapshot(
            now_ms=START_MS, stage=Stage.BACKTEST, intent=order, sent=(),
            exposure=Exposure(account=flat, marks={PAIR: 1.0}), control_mode="ACTIVE",
            market=self._market(), model=self._health(sigma * math.sqrt(24), 1e3),
            losses=observe_equity(None, START_MS, _EQUITY_QUOTE),
        )  # fmt: skip
        decided = decide_order(s, Limits(hard=self.rules.hard, soft=self.rules.soft), PLAYED)
        return decided.notional_quote / _EQUITY_QUOTE

    def _entries(self, past: FloatArray, stop_frac: float) -> FloatArray:
        """Return entry prices: closes of the last day from which no stop has been met, (N,)."""
        last = past[-24:]
        deepest = np.minimum.accumulate(last[::-1])[::-1]
        nearest = stop_frac * (1 - self.levers.decision_jitter_frac)
        alive = np.flatnonzero(np.exp(deepest - last) > 1 - nearest)  # never empty: the newest
        hour = self._own(self._hour, self._hour_of_all)
        out: FloatArray = np.exp(last[alive[(hour * len(alive)).astype(int)]])
        return out

    def _prior_losses(self) -> None:
        """Set the peaks of equity: up to 8 % above, so that some are near the limit of 10 %."""
        self._start_equity = self._equity_at(1.0)
        lost = 0.08 * self._own(self._lost, self._lost_of_all)
        self._peak = self._start_equity / (1 - lost)

    def _cap(self) -> float:
        hard = self.rules.hard
        room = FOR_ENTRIES * hard.worst_hour_loss_frac / recorded(PAIR).against(1)
        return min(hard.max_gross_leverage, hard.max_net_leverage, room)

    # -- what they sell --------------------------------------------------------------------------

    def stopped(self, minute: int, fall: float) -> float:
        """Return what stops sell at once, the log price being `fall` below the start."""
        hit = (self._stop_at <= fall) & (self.amount > 0)[:, None]
        if not hit.any():
            return 0.0
        self._stop_at[hit] = _NEVER
        last = np.isinf(self._stop_at).all(axis=1) & hit.any(axis=1)
        wanted = np.where(last, self.amount, hit.sum(axis=1) * self._part)
        self.stop_min[hit.any(axis=1)] = np.minimum(self.stop_min, minute)[hit.any(axis=1)]
        return self._sell(np.minimum(wanted, self.amount), "stops")

    def due(self, minute: int, price: float) -> float:
        """Return what cuts and guards sell in this minute, each in the steps it may take."""
        shed = np.flatnonzero(self._shed_to < self.amount)
        flow = 0.0
        if len(shed):
            flow += self._steps(shed, self._shed_to, price, self._guard_caps(shed), "guards")
        cut = (self._cut_to < self.amount) & (minute >= self._cut_from)
        if self.levers.stages > 1:
            cut[cut] &= (minute - self._cut_from[cut]) % self.levers.stage_min == 0
        rows = np.flatnonzero(cut)
        if len(rows):
            flow += self._steps(rows, self._cut_to, price, np.full(len(rows), self.levers.cap_frac),
                                "cuts", self._cut_part)  # fmt: skip
        return flow

    def _guard_caps(self, rows: np.ndarray) -> FloatArray:
        if self.levers.guards_at_once:
            return np.full(len(rows), _NEVER)
        return np.array([self._limits[i].soft.step_volume_frac for i in rows])

    def _steps(
        self, rows: np.ndarray, to: FloatArray, price: float, caps: FloatArray, why: str,
        part: FloatArray | None = None,
    ) -> float:  # fmt: skip
        out = np.zeros(len(self.amount))
        for i, cap in zip(rows, caps, strict=True):
            left = self.amount[i] - to[i]
            if math.isinf(cap):
                step = left
            else:
                step = next_step(
                    now_ms=START_MS, held_quote=float(self.amount[i]) * price,
                    target_quote=float(to[i]) * price, max_volume_frac=float(cap),
                    volume_1h_quote=self._hour_volume_quote,
                ).notional_quote / price  # fmt: skip
            out[i] = step if part is None else min(step, part[i])
        return self._sell(np.minimum(out, self.amount), why)

    def _sell(self, amount: FloatArray, why: str) -> float:
        """Take `amount` out of each position; return all of it in days' volumes."""
        self._taken = amount
        self.amount = np.maximum(self.amount - amount, 0.0)
        flow = float(amount.sum()) / self.size.day_volume_quote
        self.sold[why] += flow
        return flow

    def settle(self, amount_sold: FloatArray, price: float) -> None:
        """Book the profit of what was sold at `price`."""
        self.wallet += amount_sold * (price - self.entry)

    @property
    def taken(self) -> FloatArray:
        """What the last call sold of each position, (N,)."""
        return self._taken

    # -- what they decide ------------------------------------------------------------------------

    def close_hour(self, minute: int, log_price: float, alarm: bool) -> None:
        """Decide cuts at the close of an hour, as a volatility target does."""
        self._past.append(log_price)
        price, rules = math.exp(log_price), self.rules.target
        day = float(sigma_per_candle(np.exp(np.array(self._past)))[-1]) * math.sqrt(24)
        equity = self._equity_at(price)
        sound = self.holds_target & (self.amount > 0) & (equity > 0)
        held = np.divide(self.amount * price, equity, out=np.zeros(len(equity)), where=sound)
        target = target_exposure(day / self._stricter, rules, self._cap())
        if alarm:
            warned = self._false_alarms() <= [li.soft.false_alarms_per_week for li in self._limits]
            target = np.where(warned, target * rules.cascade_keep_frac, target)
        wanted = rebalanced(held, target, no_trade_width(target, rules), may_grow=False)
        cut = sound & (wanted < held)
        to = self.amount * (1 - self.levers.exit_frac * (1 - wanted / np.where(cut, held, 1.0)))
        new = cut & (to < np.minimum(self._cut_to, self.amount))
        self._cut_to[new] = to[new]
        late = np.floor(self.levers.delay_min * self._late)
        self._cut_from[new] = minute + 1 + late[new]
        self._cut_part[new] = (self.amount - to)[new] / self.levers.stages

    def look(self, minute: int, price: float, day: float, alarm: bool) -> None:
        """Ask the guards of every copy for which a threshold may be met; obey them."""
        equity = self._equity_at(price)
        self._peak = np.maximum(self._peak, equity)
        due = (self._odd(equity, price) | alarm) & (self.amount > 0) & (self._shed_to > 0)
        for i in np.flatnonzero(due):
            self._ask(int(i), minute, price, float(equity[i]), day, alarm)

    def _odd(self, equity: FloatArray, price: float) -> BoolArray:
        """Return whose guards may have something to say that they have not said, (N,)."""
        hard, notional = self.rules.hard, self.amount * price
        odd = equity <= self._peak * (1 - hard.loss_peak_frac)
        lost = equity <= self._start_equity * (1 - min(hard.loss_day_frac, hard.loss_week_frac))
        odd |= np.isinf(self.halted_min) & lost
        odd |= notional * recorded(PAIR).against(1) > hard.worst_hour_loss_frac * equity
        out: BoolArray = odd | (
            self.rules.tiers.maintenance_margin(notional) >= hard.margin_flatten * equity
        )
        return out

    def _ask(
        self, i: int, minute: int, price: float, equity: float, day: float, alarm: bool
    ) -> None:  # fmt: skip
        held = Position(pair=PAIR, amount_base=float(self.amount[i]), entry_price=self.entry[i])
        account = CrossAccount(
            wallet_quote=float(self.wallet[i]), positions=(held,), tiers={PAIR: self.rules.tiers}
        )
        start = float(self._start_equity[i])
        false_alarms = float(self._false_alarms()[i]) if alarm else 1e3
        s = Snapshot(
            now_ms=START_MS + minute * MINUTE_MS, stage=Stage.DRY_RUN,
            exposure=Exposure(account=account, marks={PAIR: price}), market=self._market(),
            model=self._health(day, false_alarms), control_mode="ACTIVE",
            losses=LossState(
                time_ms=START_MS + minute * MINUTE_MS, equity_quote=equity, day_start_quote=start,
                week_start_quote=start, peak_quote=float(self._peak[i]),
            ),
        )  # fmt: skip
        seen = watch(s, self._limits[i], Standing.ACCOUNT, PLAYED)
        if seen.demand is Demand.HALTED:
            self.halted_min[i] = min(self.halted_min[i], minute)
        shed = seen.shed_frac
        if alarm:
            warned = watch(s, self._limits[i], Standing.POSITION, PLAYED)
            shed = max(shed, warned.shed_frac * self.levers.exit_frac)
        if shed > 0:
            # DIFF: the bot asks again in each turn and stops where the guards are content; here
            # what was wanted once is sold. In a fall that is the same, or more.
            self._shed_to[i] = min(self._shed_to[i], self.amount[i] * (1 - shed))

    def _equity_at(self, price: float) -> FloatArray:
        out: FloatArray = self.wallet + self.amount * (price - self.entry)
        return out

    def _false_alarms(self) -> FloatArray:
        """Return how often a week the alarm of each copy's model would be false, (N,)."""
        out: FloatArray = 0.2 * self._belief
        return out

    @property
    def _hour_volume_quote(self) -> float:
        return self.size.volume_ratio * self.size.day_volume_quote * 60 / MINUTES_A_DAY

    def _market(self) -> MarketState:
        return MarketState(
            mark=1.0, volume_1h_quote=self._hour_volume_quote, candle_age_s=0.0, candle_s=3600.0
        )

    def _health(self, sigma_day: float, false_alarms: float) -> ModelHealth:
        return ModelHealth(
            vouched=True, abstains=False, sigma_day=sigma_day, false_alarms=false_alarms,
            novelty=0.0, outcomes=0, latency_ms=0.0,
        )  # fmt: skip
