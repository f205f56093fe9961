"""The hedged account's one number in a crash: opened, cut or refused beforehand, and what it cost.

The position is asked for at a leverage of the account, at every hour of the day before the crash
and of the crash, by `models.studies.stress.hedged`: the guards, the worst day's rule among them,
say how much of it is opened. The crash is the day that fell furthest, at mark prices.

A cost is what the account lost at a candle's extreme, all legs at their own extreme at once: of
the equity it was switched on with, and of the equity a day at most before. The larger counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np

from models.base.errors import InputError
from models.base.types import FloatArray
from models.base.units import DAY_MS, HOUR_MS
from models.studies.stress.hedged import HedgedCrash, HedgedOutcome, HedgeRules, replay_hedged
from models.trade.account.audit import audit_account
from models.trade.account.records import AccountAudit
from models.trade.risk.worst_hours import CALM_DAY, daily_moves, recorded_day

_DAY: Final = DAY_MS // HOUR_MS
_WHOLE: Final = 0.999  # of what was asked: less was cut
_EXACT: Final = 1e-9  # what rounding makes of a repeat


class Breach(StrEnum):
    """Why a position cost more than its number; the first that holds."""

    BEYOND = "a fall beyond the record"
    LONGER = "a fall that went on for more than a day"
    OUTGREW = "the position had outgrown it"
    COSTS = "legs, fees and slippage"


@dataclass(frozen=True, kw_only=True)
class CrashRows:
    """Rows of a crash: starts in [first, stop), lived through to `until`."""

    first: int
    stop: int
    until: int
    fall_frac: float  # of the position's worst day


@dataclass(frozen=True, kw_only=True)
class NumberedOutcome:
    """One start; fractions of the equity."""

    start_ms: int
    opened_frac: float  # notional over equity, at the price of the order; 0: refused
    share: float  # of what was asked
    held_back_by: str  # the guard that left least of it; empty if nothing did
    cost_frac: float
    alone_frac: float  # of the position by itself: the legs took the rest, or gave it
    breach: Breach | None
    survived: bool


@dataclass(frozen=True, kw_only=True)
class NumberedSummary:
    """All starts of one crash, at one leverage and by one number."""

    name: str
    leverage: float
    number_frac: float
    may_reduce: bool
    record: str  # whose record
    known_frac: float  # the worst day it had at the first start
    fall_frac: float  # the worst day that came
    starts: int
    whole: int  # opened as asked
    cut: int
    refused: int
    opened_frac: float  # the largest position, over equity
    held_back_by: dict[str, int]
    cost_frac: float  # the dearest start
    alone_frac: float  # the dearest of the position by itself
    worst_start_ms: int
    broken: dict[str, int]  # why -> starts that cost more than the number
    liquidated: int


def rows_of_crash(crash: HedgedCrash) -> CrashRows:
    """Return the rows of the day before the position's worst day, and of that day.

    Raises
    ------
    InputError
        If there are not two days of candles before it and one after it.
    """
    m = crash.marks[0]
    fall, _, begins = daily_moves(m.time_ms, m.high, m.low, m.close, HOUR_MS)
    at = int(fall.argmax())
    row = int(np.searchsorted(m.time_ms + HOUR_MS, begins[at]))  # that closes as the day begins
    window = CrashRows(
        first=row - _DAY, stop=row + _DAY, until=row + 2 * _DAY, fall_frac=float(fall[at])
    )
    if window.first < _DAY or window.until >= len(m.time_ms):
        raise InputError(
            f"expected two days of candles before the worst day and one after it, got {row} hours "
            f"before and {len(m.time_ms) - 1 - row} after its beginning",
            where=crash.traded[0].name,
        )
    return window


def numbered(crash: HedgedCrash, rules: HedgeRules, leverage: float, hour: int, until: int
             ) -> NumberedOutcome:  # fmt: skip
    """Return what one start comes to, the position asked for at `leverage` of the equity."""
    if rules.worst_day_frac is None:
        raise InputError("expected a number to open the position by, got none")
    asked = leverage * rules.wallet_quote
    price = float(crash.marks[0].close[hour])
    out = replay_hedged(crash, replace(rules, amount_base=asked / price), hour=hour, until=until)
    opened = sum(f.amount_base for f in out.fills[:1]) * price
    least = min(out.opening.findings, key=lambda v: v.limit_quote, default=None)
    cost, before, row = _cost(out.audit)
    return NumberedOutcome(
        start_ms=out.start_ms,
        opened_frac=opened / rules.wallet_quote,
        share=opened / asked,
        held_back_by=least.guard if least is not None and opened < _WHOLE * asked else "",
        cost_frac=cost,
        alone_frac=_alone(crash, rules, out, until),
        breach=_breach(crash, rules, out, hour, before, row)
        if cost > rules.worst_day_frac
        else None,
        survived=out.survived,
    )


def _cost(audit: AccountAudit) -> tuple[float, int, int]:
    """Return the largest loss, the row it is counted from (-1: the start), and the row it was at.

    Rows are the audit's.
    """
    low: FloatArray = np.minimum(audit.equity_worst, audit.equity_close)
    start = audit.start_wallet_quote
    dearest, before, at = 1 - float(low.min()) / start, -1, int(low.argmin())
    for row, equity in enumerate(audit.equity_close[:-1]):
        day = low[row + 1 : row + 1 + _DAY]
        if equity > 0 and (lost := 1 - float(day.min()) / float(equity)) > dearest:
            dearest, before, at = lost, row, row + 1 + int(day.argmin())
    return dearest, before, at


def _alone(crash: HedgedCrash, rules: HedgeRules, out: HedgedOutcome, until: int) -> float:
    """Return the largest loss of the position by itself, its own fees and funding included."""
    mark = crash.marks[0]
    first = int(np.searchsorted(mark.time_ms, out.start_ms))
    names = ("time_ms", "open", "high", "low", "close", "funding_rate")
    path = replace(mark, **{n: getattr(mark, n)[first : until + 1] for n in names})
    fills = [f for f in out.fills if f.pair == mark.pair]
    audit = audit_account(
        fills, {mark.pair: path}, wallet_quote=rules.wallet_quote, tiers=rules.tiers
    )
    return _cost(audit)[0]


def _breach(
    crash: HedgedCrash, rules: HedgeRules, out: HedgedOutcome, hour: int, before: int, row: int
) -> Breach:
    """Return why the number did not hold from the audit's row `before` to its row `row`."""
    mark, pair, first = crash.marks[0], crash.marks[0].pair, hour + 1
    since, at = (hour if before < 0 else first + before), first + row
    known = _known(crash, rules, since)
    low, close = mark.low[since + 1 : at + 1], mark.close[since : at + 1]
    if not len(low):
        return Breach.COSTS
    day = max(1 - float(low[k : k + _DAY].min()) / float(close[k]) for k in range(len(low)))
    if day > known + _EXACT:
        return Breach.BEYOND
    if 1 - float(low.min()) / float(close[0]) > known + _EXACT:
        return Breach.LONGER
    held = sum(f.amount_base for f in out.fills
               if f.pair == pair and f.time_ms <= mark.time_ms[max(since, first)])  # fmt: skip
    equity = out.audit.start_wallet_quote if before < 0 else float(out.audit.equity_close[before])
    number = rules.worst_day_frac or 0.0
    too_large = held * float(mark.close[since]) * known > number * equity * (1 + _EXACT)
    return Breach.OUTGREW if too_large else Breach.COSTS


def _known(crash: HedgedCrash, rules: HedgeRules, row: int) -> float:
    """Return the fall of the position's worst day that was known at the close of `row`."""
    pair = crash.marks[0].pair
    shown = crash.shown[row][1].get(pair, CALM_DAY)
    return recorded_day(pair, at_marks=True, table=rules.record).or_worse(shown).fall_frac


def summarise_numbered(
    crash: HedgedCrash, rules: HedgeRules, leverage: float, record: str
) -> NumberedSummary:
    """Replay every start of a crash at one leverage by the rules' number.

    Parameters
    ----------
    record
        What the rules' record is called.
    """
    window = rows_of_crash(crash)
    outcomes = [
        numbered(crash, rules, leverage, hour, window.until)
        for hour in range(window.first, window.stop)
    ]
    dearest = max(outcomes, key=lambda o: o.cost_frac)
    return NumberedSummary(
        name=crash.traded[0].name,
        leverage=leverage,
        number_frac=rules.worst_day_frac or 0.0,
        may_reduce=rules.may_reduce_primary,
        record=record,
        known_frac=_known(crash, rules, window.first),
        fall_frac=window.fall_frac,
        starts=len(outcomes),
        whole=sum(o.share >= _WHOLE for o in outcomes),
        cut=sum(0 < o.share < _WHOLE for o in outcomes),
        refused=sum(o.share == 0 for o in outcomes),
        opened_frac=max(o.opened_frac for o in outcomes),
        held_back_by=dict(Counter(o.held_back_by for o in outcomes if o.held_back_by)),
        cost_frac=dearest.cost_frac,
        alone_frac=max(o.alone_frac for o in outcomes),
        worst_start_ms=dearest.start_ms,
        broken=_counted(outcomes),
        liquidated=sum(not o.survived for o in outcomes),
    )


def _counted(outcomes: Sequence[NumberedOutcome]) -> dict[str, int]:
    return {b.value: n for b, n in Counter(o.breach for o in outcomes if o.breach).items()}
