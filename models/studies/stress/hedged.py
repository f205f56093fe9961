"""The hedged account through one crash: a long without a stop, and the shorts that hedge it.

As `LitecoinHedge` holds it: the position is opened at the first candle, the legs follow step by
step by `models.trade.hedging.policy` towards one to one, every order passes the guards of a hedge,
losses halt (a halted hedge is frozen), and the guards close in stages what they want closed. There
are no stops, so the account is valued and liquidated at mark prices, all legs at their own adverse
extreme at once. Orders fill at the traded price of the next open.

Auto-deleveraging: in an hour that falls by `ADL_FALL_FRAC` or more the exchange closes the
profitable side at that hour's open, before it has earned anything; the long takes the whole fall.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

import numpy as np

from models.base.errors import AlignmentError
from models.base.types import BoolArray, FloatArray
from models.base.units import DAY_MS, HOUR_MS, SECOND_MS
from models.studies.stress.crash import RecordedCrash
from models.studies.stress.replay import FEE_FRAC, SLIPPAGE_FRAC, ReplayOutcome
from models.trade.account.audit import audit_account
from models.trade.account.cross import CrossAccount, Position
from models.trade.account.distance import total_margin
from models.trade.account.ledger import net
from models.trade.account.records import Fill, MarketPath
from models.trade.account.scenario_account import ADL_FALL_FRAC
from models.trade.account.tiers import MarginTiers
from models.trade.hedging.policy import PolicyConfig, Situation, decide_hedge
from models.trade.risk import oversight
from models.trade.risk.limits import Limits
from models.trade.risk.losses import LossState, observe_equity
from models.trade.risk.reduction import STEP_S, next_step
from models.trade.risk.run import HEDGING, Guard, Standing, decide_order, watch
from models.trade.risk.snapshot import Exposure, Intent, MarketState, Snapshot, Stage
from models.trade.risk.verdict import Demand, RiskDecision
from models.trade.risk.worst_day import WorstDayRule
from models.trade.risk.worst_hours import (
    SeenDays,
    SeenHours,
    WorstDay,
    WorstHour,
    WorstTable,
    recorded,
)

_BAND: Final = 0.1  # a leg this far from its half is led back
REPLAYED_HEDGING: Final[Sequence[Guard]] = tuple(
    replace(g, stages=frozenset(Stage))
    for g in HEDGING
    if Stage.BACKTEST in g.stages
    or g.check in (oversight.losses_bearable, oversight.control_active)
)


@dataclass(frozen=True, kw_only=True)
class HedgedCrash:
    """The hedged coin and its instruments in hourly candles of one grid, and their marks."""

    traded: tuple[RecordedCrash, ...]  # the primary first
    marks: tuple[MarketPath, ...]  # of the same pairs and times

    def __post_init__(self) -> None:
        times = self.traded[0].candles.time_ms
        for one, mark in zip(self.traded, self.marks, strict=True):
            alike = one.pair == mark.pair and np.array_equal(one.candles.time_ms, times)
            if not alike or not np.array_equal(mark.time_ms, times) or one.candle_ms != HOUR_MS:
                raise AlignmentError(
                    f"expected hourly candles and marks of {one.pair} on the times of "
                    f"{self.traded[0].pair}",
                    where=one.name,
                    cure="cut all of them to the same span",
                )

    @cached_property
    def shown(self) -> list[tuple[dict[str, WorstHour], dict[str, WorstDay]]]:
        """The worst hour and day of each pair that its traded candles have shown by each close."""
        hours, days, out = SeenHours(), SeenDays(), []
        overlap = DAY_MS // HOUR_MS + 1
        for row in range(len(self.traded[0].candles)):
            seen: tuple[dict[str, WorstHour], dict[str, WorstDay]] = ({}, {})
            for one in self.traded:
                c, tail = one.candles, slice(max(row - overlap, 0), row + 1)
                moves = c.time_ms[tail], c.high[tail], c.low[tail], c.close[tail], one.candle_ms
                seen[0][one.pair] = hours.look(one.pair, *moves)
                seen[1][one.pair] = days.look(one.pair, *moves)
            out.append(seen)
        return out


@dataclass(frozen=True, kw_only=True)
class HedgeRules:
    """What the hedged account holds and obeys."""

    tiers: Mapping[str, MarginTiers]
    limits: Limits
    amount_base: float  # of the long
    wallet_quote: float
    leverage: float = 2.0
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    # What a repeat of the position's worst day may cost; None: nobody asks, candles show nothing.
    worst_day_frac: float | None = None
    may_reduce_primary: bool = False  # cut it where it has outgrown that
    record: WorstTable | None = None  # the worst hours and days known; None: as shipped
    smallest_quote: Mapping[str, float] = field(default_factory=dict)  # least order by pair


@dataclass(frozen=True, kw_only=True)
class HedgedOutcome(ReplayOutcome):
    """The hedged account from one start: every leg at its adverse extreme at once."""

    deleveraged: int  # times a leg was closed by the exchange
    opening: RiskDecision  # on the order that opens the position
    gap_frac: float = 0.0  # there are no stops


def replay_hedged(
    crash: HedgedCrash, rules: HedgeRules, *, hour: int, until: int | None = None
) -> HedgedOutcome:
    """Return what becomes of a hedged account whose bot is switched on at the close of `hour`.

    Parameters
    ----------
    until
        Last row of the candles that is lived through; None is the last there is.
    """
    account = _HedgedAccount(crash, rules)
    last = len(account.mark) - 1 if until is None else until
    account.live(hour, last)
    first = hour + 1
    paths = {m.pair: _cut(m, first, last + 1) for m in crash.marks}
    return HedgedOutcome(
        audit=audit_account(
            account.fills, paths, wallet_quote=rules.wallet_quote, tiers=rules.tiers
        ),
        fills=tuple(account.fills),
        start_ms=int(crash.traded[0].candles.time_ms[first]),
        halted=account.halted,
        deleveraged=account.deleveraged,
        opening=account.opening,
    )


def _cut(path: MarketPath, start: int, stop: int) -> MarketPath:
    names = ("time_ms", "open", "high", "low", "close", "funding_rate")
    return replace(path, **{name: getattr(path, name)[start:stop] for name in names})


class _HedgedAccount:
    """The bot's own books, hour by hour."""

    def __init__(self, crash: HedgedCrash, rules: HedgeRules) -> None:
        self.crash, self.rules = crash, rules
        self.pairs = [m.pair for m in crash.marks]
        self.wallet = rules.wallet_quote
        self.held, self.entry = [0.0] * len(self.pairs), [0.0] * len(self.pairs)
        self.mark: FloatArray = np.column_stack([m.close for m in crash.marks])  # (N, A)
        self.opens: FloatArray = np.column_stack([c.candles.open for c in crash.traded])
        self.fills: list[Fill] = []
        self.losses: LossState | None = None
        self.mode, self.halted, self.deleveraged = "ACTIVE", "", 0
        self.targets: list[float] | None = None
        self.changed: list[int] = []  # rows at which a leg was changed
        low, before = crash.marks[0].low, np.roll(crash.marks[0].close, 1)
        self.crashing: BoolArray = low <= before * (1 - ADL_FALL_FRAC)
        self.crashing[0] = False
        self.guards, self.rule = REPLAYED_HEDGING, None
        if rules.worst_day_frac is not None:
            self.rule = WorstDayRule(pair=self.pairs[0], side=1, most_frac=rules.worst_day_frac)
            self.guards = (*REPLAYED_HEDGING, Guard(check=self.rule.worst_day_bearable))
        self.opening = RiskDecision(notional_quote=0.0)
        hours = [recorded(pair, at_marks=True, table=rules.record) for pair in self.pairs]
        self.against = np.array([[h.fall_frac for h in hours], [h.rise_frac for h in hours]])

    def live(self, hour: int, last: int) -> None:
        """Go from the close of `hour` to `last`, or until nothing is left and nobody re-arms."""
        self._observe(hour)
        self.opening = self._order(hour, 0, self.rules.amount_base * self.mark[hour, 0], 1)
        row = hour + 1
        while row < last and any(self.held):
            self._observe(row)
            if self.rule is not None:  # what candles show counts: every hour is looked at
                if not self._leave(row):
                    self._within_number(row)
            elif self._odd(row, row + 1)[0] and self._leave(row):
                pass  # a step of closing is on its way
            elif self.mode != "ACTIVE" or not self._hedge(row):
                row = self._quiet_until(row)
            row += 1
            if row <= last and self.crashing[row]:
                self._deleverage(row)

    def _quiet_until(self, row: int) -> int:
        """Return the last row of the UTC day before something may happen to the account again."""
        stop = row + int((DAY_MS - self._close_ms(row) % DAY_MS) // HOUR_MS)
        stop = min(stop, len(self.mark) - 1)
        if stop <= row + 1:
            return row
        busy = self._odd(row + 1, stop) | self.crashing[row + 1 : stop]
        if self.mode == "ACTIVE":
            busy |= self._astray(row + 1, stop)
        if busy.any():
            stop = row + 1 + int(busy.argmax())
        if stop > row + 1:  # what the bot has seen meanwhile
            self._observe(row + 1 + int(self._equity(row + 1, stop).argmax()))
            self._observe(stop - 1)
        return stop - 1

    def _astray(self, start: int, stop: int) -> BoolArray:
        """Return the closes at which a leg is outside its band, (stop - start,)."""
        notional = self.mark[start:stop] * np.array(self.held)
        if not self.held[0] > 0:
            return np.zeros(stop - start, dtype=np.bool_)
        off = -notional[:, 1:] / notional[:, :1] - 1 / (len(self.held) - 1)
        out: BoolArray = (np.abs(off) > _BAND).any(axis=1)
        return out

    # -- what is looked at -------------------------------------------------------------------

    def _equity(self, start: int, stop: int) -> FloatArray:
        held, entry = np.array(self.held), np.array(self.entry)
        out: FloatArray = self.wallet + ((self.mark[start:stop] - entry) * held).sum(axis=1)
        return out

    def _odd(self, start: int, stop: int) -> BoolArray:
        """Return the closes at which a standing guard would say something, (stop - start,)."""
        hard, losses = self.rules.limits.hard, self.losses
        assert losses is not None
        equity, notional = self._equity(start, stop), self.mark[start:stop] * np.array(self.held)
        rising = np.maximum.accumulate(np.maximum(equity, losses.peak_quote))
        odd = equity <= rising * (1 - hard.loss_peak_frac)
        if self.mode != "HALTED":
            odd |= equity <= losses.day_start_quote * (1 - hard.loss_day_frac)
            odd |= equity <= losses.week_start_quote * (1 - hard.loss_week_frac)
        fall = (np.maximum(notional, 0) * self.against[0]).sum(axis=1)
        rise = (np.maximum(-notional, 0) * self.against[1]).sum(axis=1)
        odd |= np.maximum(fall, rise) > hard.worst_hour_loss_frac * equity
        margin = total_margin(notional, [self.rules.tiers[p] for p in self.pairs])
        most = hard.margin_reduce if self.mode == "ACTIVE" else hard.margin_flatten
        out: BoolArray = odd | (margin >= most * equity)
        return out

    def _leave(self, row: int) -> bool:
        """Ask the standing guards at the close of `row`; close a step of what they want closed."""
        seen = watch(self._snapshot(row, None), self.rules.limits, Standing.ACCOUNT, self.guards)
        if seen.demand is Demand.HALTED and self.mode != "HALTED":
            self.mode, self.halted = "HALTED", seen.reason
        elif seen.demand is Demand.REDUCING and self.mode == "ACTIVE":
            self.mode = "REDUCING"
        if not seen.shed_frac:
            self.targets = None
            return False
        if self.targets is None:
            self.targets = [abs(h) * (1 - seen.shed_frac) for h in self.held]
        for leg, target in enumerate(self.targets):
            self._step_down(row, leg, target)
        return True

    def _step_down(self, row: int, leg: int, target: float) -> None:
        """Close a step of a leg at the next open, down to `target` base units; none is larger."""
        amount, price = self.held[leg], float(self.mark[row, leg])
        if abs(amount) <= target:
            return
        step = next_step(
            now_ms=self._close_ms(row),
            held_quote=abs(amount) * price,
            target_quote=target * price,
            volume_1h_quote=float(self._volume(row, leg)) * HOUR_MS / SECOND_MS / STEP_S,
            max_volume_frac=self.rules.limits.soft.step_volume_frac,
        )
        self._book(row + 1, leg, -math.copysign(step.notional_quote / price, amount))

    # -- orders ------------------------------------------------------------------------------

    def _hedge(self, row: int) -> bool:
        """Take the step of the policy at the close of `row`, as the guards let it, if any."""
        price, legs = self.mark[row], range(1, len(self.pairs))
        notional = self.held[0] * price[0]
        if notional <= 0:
            return False
        share = 1.0 / len(legs)
        day_ago = row - DAY_MS // HOUR_MS
        now = Situation(
            held=tuple(-self.held[k] * float(price[k]) / notional for k in legs),
            target=(share,) * len(legs),
            width=(_BAND,) * len(legs),
            changes_today=sum(r > day_ago for r in self.changed[-24:]),
        )
        step = decide_hedge(now, self.rules.policy)
        for k, wanted, held in zip(legs, step.ratio, now.held, strict=True):
            change = (wanted - held) * notional
            if change > 0:
                self._order(row, k, change, -1)
            elif change < 0:
                self._book(row + 1, k, -change / float(price[k]))
        if step.ratio == now.held:
            return False
        self.changed.append(row)
        return True

    def _within_number(self, row: int) -> None:
        """Hedge what is held at the close of `row`; then, with leave, cut what is too large."""
        before = self.held[0]
        if self.mode == "ACTIVE":
            self._hedge(row)
        if not (self.rules.may_reduce_primary and before > 0) or self.rule is None:
            return
        exposure = self._exposure(row)
        held = exposure.notional_quote(self.rule.pair)
        cost = self.rule.cost_of(exposure, held, exposure.equity_quote)
        share = cost.share_to_cut(self.rules.smallest_quote.get(self.rule.pair, 0.0))
        if share:
            self._step_down(row, 0, before * (1 - share))

    def _order(self, row: int, leg: int, notional: float, side: int) -> RiskDecision:
        price = float(self.mark[row, leg])
        order = Intent(
            pair=self.pairs[leg], side=side, notional_quote=float(notional), price=price,
            key=f"{row}", leverage=self.rules.leverage,
        )  # fmt: skip
        s = self._snapshot(row, order, leg)
        decision = decide_order(s, self.rules.limits, self.guards)
        allowed = decision.notional_quote
        if allowed > 0 and allowed >= self.rules.smallest_quote.get(order.pair, 0.0):
            self._book(row + 1, leg, side * allowed / price)
        return decision

    def _deleverage(self, row: int) -> None:
        """Have the exchange close every short at the open of `row`, whose candle falls."""
        for leg, amount in enumerate(self.held):
            if amount < 0:
                self._book(row, leg, -amount)
                self.deleveraged += 1

    def _exposure(self, row: int) -> Exposure:
        positions = tuple(
            Position(pair=pair, amount_base=amount, entry_price=entry)
            for pair, amount, entry in zip(self.pairs, self.held, self.entry, strict=True)
            if amount
        )
        account = CrossAccount(
            wallet_quote=self.wallet, positions=positions, tiers=self.rules.tiers
        )
        marks = {pair: float(self.mark[row, k]) for k, pair in enumerate(self.pairs)}
        hours, days = self.crash.shown[row] if self.rule is not None else ({}, {})
        return Exposure(
            account=account, marks=marks, at_marks=True, worst_hours=hours, worst_days=days,
            record=self.rules.record,
        )  # fmt: skip

    def _snapshot(self, row: int, order: Intent | None, leg: int = 0) -> Snapshot:
        return Snapshot(
            now_ms=self._close_ms(row), stage=Stage.BACKTEST, intent=order,
            exposure=self._exposure(row),
            market=MarketState(
                mark=float(self.mark[row, leg]), volume_1h_quote=float(self._volume(row, leg)),
                candle_age_s=0.0, candle_s=HOUR_MS / SECOND_MS,
            ),
            sent=(), losses=self.losses, control_mode=self.mode,
        )  # fmt: skip

    def _volume(self, row: int, leg: int) -> float:
        c = self.crash.traded[leg].candles
        return float(c.volume[row] * c.close[row])

    def _close_ms(self, row: int) -> int:
        return int(self.crash.traded[0].close_ms[row])

    def _observe(self, row: int) -> None:
        now = self._close_ms(row)
        if self.losses is None or self.losses.time_ms <= now:
            self.losses = observe_equity(self.losses, now, float(self._equity(row, row + 1)[0]))

    def _book(self, row: int, leg: int, amount: float) -> None:
        """Fill `amount` of a leg at the traded open of `row`."""
        price = float(self.opens[row, leg]) * (1 + math.copysign(SLIPPAGE_FRAC, amount))
        fee = abs(amount) * price * FEE_FRAC
        fill = Fill(
            time_ms=int(self.crash.traded[leg].candles.time_ms[row]), pair=self.pairs[leg],
            amount_base=amount, price_quote=price, fee_quote=fee,
        )  # fmt: skip
        profit, self.held[leg], self.entry[leg] = net(self.held[leg], self.entry[leg], fill)
        self.wallet += profit - fee
        self.fills.append(fill)


def hedged_starts(crash: HedgedCrash, every_hours: int = 1) -> list[int]:
    """Return the hours to start at: from a day in to a day before the end."""
    day = DAY_MS // HOUR_MS
    return list(range(day, len(crash.traded[0].candles) - day, max(1, every_hours)))
