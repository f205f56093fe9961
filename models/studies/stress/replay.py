"""One account through one crash: a naive model that always wants 20x, behind the guards.

The model wants 20 times the equity, on one side, at every hour's close, and calls itself sure. It
gets what the guards leave: leverage is clamped, orders and the worst hour limit the size, a stop
rests at the exchange, losses halt, and nobody re-arms.

Known at each decision: candles closed so far. Orders fill at the next candle's open with slippage.
A stop fills at its candle's *extreme*, which is worse than any exchange; with an outage it is
refused for so long and then fills at the worst price there was. Between the hours the account is
looked at after every candle, as a bot's loop does. The account is audited by
`models.trade.account.audit`, which has no part in the decisions: it meets each candle's extreme
before a stop inside the candle counts, and it is liquidated where it would have been.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from models.base.types import BoolArray, FloatArray
from models.base.units import DAY_MS, HOUR_MS, SECOND_MS
from models.studies.stress.crash import RecordedCrash, utc_day
from models.trade.account.audit import audit_account
from models.trade.account.cross import CrossAccount, Position
from models.trade.account.ledger import net
from models.trade.account.records import AccountAudit, Fill
from models.trade.account.tiers import MarginTiers
from models.trade.decision.sizing import (
    ES99_SIGMAS,
    SizingConfig,
    leverage_cap,
    stop_distance_frac,
)
from models.trade.risk import oversight
from models.trade.risk.gap import FOR_ENTRIES
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
from models.trade.risk.worst_hours import recorded

WANTED_LEVERAGE: Final = 20.0
WALLET_QUOTE: Final = 10_000.0
FEE_FRAC: Final = 0.0005
SLIPPAGE_FRAC: Final = 0.0005
_HORIZON: Final = 4  # candles of the forecast, as the shipped config has it
SMALLEST_QUOTE: Final = 100.0  # the least order: Binance's for bitcoin
# The guards a backtest has, and the two a replay can play: losses, and the mode they set.
REPLAYED: Final[Sequence[Guard]] = tuple(
    replace(g, stages=frozenset(Stage))
    for g in GUARDS
    if Stage.BACKTEST in g.stages
    or g.check in (oversight.losses_bearable, oversight.control_active)
)


@dataclass(frozen=True, kw_only=True)
class ReplayRules:
    """What the replayed account obeys; the same for every start."""

    tiers: MarginTiers
    limits: Limits
    sizing: SizingConfig = field(default_factory=SizingConfig)
    side: int = 1  # +1 always long, -1 always short
    outage_ms: int = 0  # a stop that is set off is refused for so long


@dataclass(frozen=True, kw_only=True)
class ReplayOutcome:
    """The account from one start; fractions of the wallet at the start unless named otherwise."""

    audit: AccountAudit
    fills: tuple[Fill, ...]
    start_ms: int
    halted: str  # the first halt's reason; empty if there was none
    gap_frac: float  # furthest a stop was filled beyond its price, of that price; 0 without one

    @property
    def survived(self) -> bool:
        return self.audit.liquidated_at_ms is None

    @property
    def lowest_frac(self) -> float:
        """Least equity at any candle's adverse extreme, stops not yet taken."""
        a = self.audit
        return float(np.minimum(a.equity_worst, a.equity_close).min()) / a.start_wallet_quote

    @property
    def final_frac(self) -> float:
        return float(self.audit.equity_close[-1]) / self.audit.start_wallet_quote

    @property
    def nearest_frac(self) -> float:
        """Least adverse move left to liquidation, from the extremes; inf if never invested."""
        nearest = self.audit.summary()["min_distance_worst_frac"]
        return math.inf if nearest is None else float(nearest)


def replay_crash(crash: RecordedCrash, rules: ReplayRules, *, hour: int) -> ReplayOutcome:
    """Return what becomes of an account whose bot is switched on at the close of `hour`.

    Parameters
    ----------
    hour
        Row of `crash.hours`; history up to its close is known.
    """
    first = int(crash.hours.last[hour]) + 1
    account = _Account(crash, rules)
    last = account.live(hour)
    stop = min(max(last + 2, first + 2), len(crash.candles))
    return ReplayOutcome(
        audit=audit_account(
            account.fills, {crash.pair: crash.path(first, stop)}, wallet_quote=WALLET_QUOTE,
            tiers={crash.pair: rules.tiers},
        ),
        fills=tuple(account.fills),
        start_ms=int(crash.candles.time_ms[first]),
        halted=account.halted,
        gap_frac=account.gap_frac,
    )  # fmt: skip


class _Account:
    """The bot's own books, from event to event."""

    def __init__(self, crash: RecordedCrash, rules: ReplayRules) -> None:
        self.crash, self.rules, self.tiers = crash, rules, {crash.pair: rules.tiers}
        self.wallet, self.held, self.entry = WALLET_QUOTE, 0.0, 0.0
        self.stop, self.stop_frac = 0.0, rules.sizing.max_stop_frac
        self.fills: list[Fill] = []
        self.losses: LossState | None = None
        self.mode, self.halted = "ACTIVE", ""
        self.roomy = False  # the guards may leave more at this hour
        self.target: float | None = None  # |amount| to get down to
        self.gap_frac = 0.0
        self.against = recorded(crash.pair).against(rules.side)

    def live(self, hour: int) -> int:
        """Go from the close of `hour` until flat and halted, or to the end; return the last row."""
        ends, last = self.crash.hours.last, len(self.crash.candles) - 1
        row = int(ends[hour])
        while row < last:
            at = int(np.searchsorted(ends, row))
            ordered = False
            if at < len(ends) and ends[at] == row and (self.roomy or not self.held):
                self._look(row)
                ordered = self._enter(row, at)
                self.roomy = False
            if ordered:
                row = self._candle(row + 1)
            elif self.held:
                row = self._hold(row)
            elif self.mode == "ACTIVE" and (after := int(np.searchsorted(ends, row + 1))) < len(
                ends
            ):
                row = int(ends[after])
            else:
                break
        return row

    # -- while a position is held ------------------------------------------------------------

    def _hold(self, row: int) -> int:
        """Go on from the close of `row` to the next thing that happens; return its row."""
        stop = self._next_stop_row(row)
        c, rows = self.crash.candles, slice(row + 1, stop)
        equity = self.wallet + self.held * (c.close[rows] - self.entry)
        extreme = c.low[rows] if self.rules.side > 0 else c.high[rows]
        hit = self.rules.side * (extreme - self.stop) <= 0
        if hit[0]:
            return self._stopped(row + 1)
        self._observe(row + 1, float(equity[0]))
        odd = self._odd(equity, self.held * c.close[rows])
        room = self._room(row + 1, stop, equity, np.abs(self.held) * c.close[rows])
        due = hit | odd | room
        first = int(np.argmax(due)) if due.any() else len(equity) - 1
        self.roomy = bool(room[first])
        before = equity[: first if hit[first] else first + 1]
        peak = int(before.argmax())
        self._observe(row + 1 + peak, float(before[peak]))
        self._observe(row + len(before), float(before[-1]))
        if hit[first]:
            return self._stopped(row + 1 + first)
        here = row + 1 + first
        if odd[first] and self._leave(here):
            return self._candle(here + 1)
        return here

    def _next_stop_row(self, row: int) -> int:
        """Return the row after the last candle of the UTC day: then losses count anew."""
        ends_ms = self.crash.close_ms[row + 1 :]
        due = (utc_day(int(ends_ms[0])) + 1) * DAY_MS
        return row + 1 + int(np.searchsorted(ends_ms, due))

    def _room(self, start: int, stop: int, equity: FloatArray, held: FloatArray) -> BoolArray:
        """Return the closes of hours at which the guards may let the position grow, (N,).

        Never less than they would leave: the rules that bound a lone position, the maintenance
        margin at its lowest rate.
        """
        out = np.zeros(stop - start, dtype=np.bool_)
        ends, hard = self.crash.hours.last, self.rules.limits.hard
        first, after = np.searchsorted(ends, (start, stop))
        if self.mode != "ACTIVE" or first == after:
            return out
        at = ends[first:after] - start
        equity, held, side = equity[at], held[at], self.rules.side
        days = hard.distance_es99_days * ES99_SIGMAS * math.sqrt(24)
        move = np.maximum(days * self.crash.hours.sigma[first:after], hard.min_distance_frac)
        rate = float(self.rules.tiers.rates_frac[0])
        rest = np.maximum(1 - move, 0.0) if side > 0 else 1 + move
        most = equity / ((np.minimum(move, 1.0) if side > 0 else move) + rate * rest)
        most = np.minimum(most, equity * min(hard.max_net_leverage, hard.max_gross_leverage))
        if self.against > 0:
            borne = FOR_ENTRIES * hard.worst_hour_loss_frac * equity / self.against
            most = np.minimum(most, borne)
        out[at] = most - held >= SMALLEST_QUOTE
        return out

    def _odd(self, equity: FloatArray, notional: FloatArray) -> BoolArray:
        """Return the closes at which a standing guard would say something, (N,).

        The same thresholds as the guards', all candles at once; they are asked where it is so.
        """
        hard, losses = self.rules.limits.hard, self.losses
        assert losses is not None
        odd = equity <= losses.peak_quote * (1 - hard.loss_peak_frac)
        rising = np.maximum.accumulate(np.maximum(equity, losses.peak_quote))
        odd |= equity <= rising * (1 - hard.loss_peak_frac)
        if self.mode != "HALTED":
            odd |= equity <= losses.day_start_quote * (1 - hard.loss_day_frac)
            odd |= equity <= losses.week_start_quote * (1 - hard.loss_week_frac)
        odd |= np.abs(notional) * self.against > hard.worst_hour_loss_frac * equity
        margin = self.rules.tiers.maintenance_margin(notional)
        most = hard.margin_reduce if self.mode == "ACTIVE" else hard.margin_flatten
        out: BoolArray = odd | (margin >= most * equity)
        return out

    def _candle(self, row: int) -> int:
        """Take what is held through `row`, and through each candle after one that was ordered in.

        Return the row of the last of them.
        """
        c = self.crash.candles
        while self.held:
            extreme = float(c.low[row] if self.rules.side > 0 else c.high[row])
            if self.rules.side * (extreme - self.stop) <= 0:
                return self._stopped(row)
            equity = self.wallet + self.held * (float(c.close[row]) - self.entry)
            self._observe(row, equity)
            if not self._leave(row):
                held = np.array([abs(self.held) * float(c.close[row])])
                self.roomy = bool(self._room(row, row + 1, np.array([equity]), held)[0])
                break
            row += 1
        return row

    def _stopped(self, row: int) -> int:
        """Fill the stop set off in `row`, after the outage, at the worst price until then."""
        c, late = self.crash.candles, -(-self.rules.outage_ms // self.crash.candle_ms)
        filled = min(row + late, len(c) - 1)
        worst = float(
            c.low[row : filled + 1].min() if self.rules.side > 0 else c.high[row : filled + 1].max()
        )
        price = worst * (1 - self.rules.side * SLIPPAGE_FRAC)
        self.gap_frac = max(self.gap_frac, self.rules.side * (1 - price / self.stop))
        self._book(int(c.time_ms[filled]) + 1, -self.held, price)  # inside the candle
        self._observe(filled, self.wallet)
        self._look(filled)
        return filled

    def _leave(self, row: int) -> bool:
        """Ask the standing guards at the close of `row`; close a step of what they want closed."""
        shed = self._look(row)
        c = self.crash.candles
        if not shed or not self.held or row + 1 >= len(c):
            self.target = None
            return False
        size, close = abs(self.held), float(c.close[row])
        if self.target is None or self.target >= size:
            self.target = size * (1 - shed)
        hour = int(np.searchsorted(self.crash.hours.last, row, side="right")) - 1
        step = next_step(
            now_ms=int(self.crash.close_ms[row]),
            held_quote=size * close,
            target_quote=self.target * close,
            # One step a candle instead of one a minute: later than the bot, never sooner.
            volume_1h_quote=float(self.crash.hours.volume_quote[max(hour, 0)])
            * self.crash.candle_ms / SECOND_MS / STEP_S,
            max_volume_frac=self.rules.limits.soft.step_volume_frac,
        )  # fmt: skip
        if not step.notional_quote > 0:
            return False
        amount = -math.copysign(step.notional_quote / close, self.held)
        price = float(c.open[row + 1]) * (1 + math.copysign(SLIPPAGE_FRAC, amount))
        self._book(int(c.time_ms[row + 1]), amount, price)
        return True

    # -- what the guards are asked -----------------------------------------------------------

    def _look(self, row: int) -> float:
        """Obey the standing guards at the close of `row`; return the share to close."""
        seen = watch(self._snapshot(row, None), self.rules.limits, Standing.ACCOUNT, REPLAYED)
        if seen.demand is Demand.HALTED and self.mode != "HALTED":
            self.mode, self.halted = "HALTED", seen.reason
        elif seen.demand is Demand.REDUCING and self.mode == "ACTIVE":
            self.mode = "REDUCING"
        return seen.shed_frac

    def _enter(self, row: int, hour: int) -> bool:
        """Order what the guards leave of what the model wants, to fill at the next open."""
        c, side, rules = self.crash.candles, self.rules.side, self.rules
        close, sigma = float(c.close[row]), float(self.crash.hours.sigma[hour])
        if not sigma > 0 or self.mode != "ACTIVE":
            return False
        equity = self.wallet + self.held * (close - self.entry)
        order = Intent(
            pair=self.crash.pair, side=side, price=close, key=f"{hour}",
            notional_quote=WANTED_LEVERAGE * equity - abs(self.held) * close,
            # The one thing the strategy clamps by itself before it asks.
            leverage=leverage_cap(sigma * math.sqrt(24), rules.limits.hard.max_leverage),
        )  # fmt: skip
        s = self._snapshot(row, order, hour)
        allowed = decide_order(s, rules.limits, REPLAYED).notional_quote
        if not allowed >= SMALLEST_QUOTE:
            return False
        if not self.held:
            self.stop_frac = stop_distance_frac(sigma * math.sqrt(_HORIZON), rules.sizing)
        price = float(c.open[row + 1]) * (1 + side * SLIPPAGE_FRAC)
        self._book(int(c.time_ms[row + 1]), side * allowed / close, price)
        self.stop = self.entry * (1 - side * self.stop_frac)
        return True

    def _snapshot(self, row: int, order: Intent | None, hour: int = 0) -> Snapshot:
        pair, hours = self.crash.pair, self.crash.hours
        close, now = float(self.crash.candles.close[row]), int(self.crash.close_ms[row])
        held = (Position(pair=pair, amount_base=self.held, entry_price=self.entry),)
        account = CrossAccount(
            wallet_quote=self.wallet, positions=held if self.held else (), tiers=self.tiers
        )
        exposure = Exposure(account=account, marks={pair: close})
        self._observe(row, exposure.equity_quote)
        sigma_day = float(hours.sigma[hour]) * math.sqrt(24)
        return Snapshot(
            now_ms=now, stage=Stage.BACKTEST, exposure=exposure, intent=order,
            market=MarketState(
                mark=close, volume_1h_quote=float(hours.volume_quote[hour]), candle_age_s=0.0,
                candle_s=HOUR_MS / SECOND_MS,
            ),
            model=ModelHealth(
                vouched=True, abstains=False, sigma_day=sigma_day, false_alarms=1e3, novelty=0.0,
                outcomes=0, latency_ms=0.0,
            ),
            sent=(), losses=self.losses, control_mode=self.mode,
        )  # fmt: skip

    def _observe(self, row: int, equity: float) -> None:
        now = int(self.crash.close_ms[row])
        if self.losses is None or self.losses.time_ms <= now:
            self.losses = observe_equity(self.losses, now, equity)

    def _book(self, time_ms: int, amount: float, price: float) -> None:
        fee = abs(amount) * price * FEE_FRAC
        fill = Fill(time_ms=time_ms, pair=self.crash.pair, amount_base=amount, price_quote=price,
                    fee_quote=fee)  # fmt: skip
        profit, self.held, self.entry = net(self.held, self.entry, fill)
        self.wallet += profit - fee
        self.fills.append(fill)
