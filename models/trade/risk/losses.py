"""Loss of open equity today, this week and from its peak: a fold over (time, equity).

Open equity counts unrealised loss: waiting for a stop to book it is how limits are missed. Days
and weeks are UTC, weeks begin on Monday. The state is plain numbers; whoever keeps it on disk
gives it back after a restart, so that restarting does not reset a limit.

Money put in or taken out is neither gain nor loss: the references are scaled with the equity, as a
fund's unit price is (time-weighted return, CFA Institute, GIPS 2020), so that each loss is the same
share of the account just before a transfer and just after it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final

from models.base.errors import InputError
from models.base.units import DAY_MS

_WEEK_MS: Final = 7 * DAY_MS
_MONDAY_MS: Final = 4 * DAY_MS  # 1970-01-01 was a Thursday


@dataclass(frozen=True, kw_only=True)
class LossState:
    """Equity now and the equities it is measured against; quote units."""

    time_ms: int
    equity_quote: float
    day_start_quote: float  # first equity seen of the UTC day
    week_start_quote: float
    peak_quote: float  # highest equity ever seen

    @property
    def day_frac(self) -> float:
        """Loss of the day as a fraction of its first equity; negative is a gain."""
        return 1 - self.equity_quote / self.day_start_quote

    @property
    def week_frac(self) -> float:
        return 1 - self.equity_quote / self.week_start_quote

    @property
    def peak_frac(self) -> float:
        return 1 - self.equity_quote / self.peak_quote


def observe_equity(state: LossState | None, time_ms: int, equity_quote: float) -> LossState:
    """Return the state after one more observation; None starts a new one.

    Raises
    ------
    InputError
        If time runs backwards, the equity is not finite, or a first equity is not > 0.

    Examples
    --------
    >>> state = observe_equity(observe_equity(None, 0, 1000.0), 60_000, 970.0)
    >>> round(state.day_frac, 3), round(state.peak_frac, 3)
    (0.03, 0.03)
    >>> observe_equity(state, 86_400_000, 980.0).day_frac  # a day starts where the last ended
    -0.010309278350515427
    """
    if not math.isfinite(equity_quote):
        raise InputError(f"expected a finite equity, got {equity_quote}", where="loss limits")
    if state is None:
        if equity_quote <= 0:
            raise InputError(f"expected an equity > 0, got {equity_quote}", where="loss limits")
        return LossState(
            time_ms=time_ms,
            equity_quote=equity_quote,
            day_start_quote=equity_quote,
            week_start_quote=equity_quote,
            peak_quote=equity_quote,
        )
    if time_ms < state.time_ms:
        raise InputError(
            f"expected a time from {state.time_ms} on, got {time_ms}",
            where="loss limits",
            cure="check the machine's clock",
        )
    # What is lost overnight belongs to the new day: its start is the last equity of the old one.
    before = max(state.equity_quote, math.ulp(0.0))
    new_day = time_ms // DAY_MS > state.time_ms // DAY_MS
    new_week = _week(time_ms) > _week(state.time_ms)
    return LossState(
        time_ms=time_ms,
        equity_quote=equity_quote,
        day_start_quote=before if new_day else state.day_start_quote,
        week_start_quote=before if new_week else state.week_start_quote,
        peak_quote=max(state.peak_quote, equity_quote),
    )


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """Money put into the account, or taken out if negative; quote units."""

    id: str
    time_ms: int
    amount_quote: float


def transferred(state: LossState, amount_quote: float, equity_quote: float) -> LossState:
    """Return the state with its references moved by a transfer, its losses in % unchanged.

    Where one side of the transfer holds nothing there is no such share: the references then move
    by the amount itself, and what was lost stays lost.

    Parameters
    ----------
    amount_quote
        Put in, negative if taken out, since the state's observation.
    equity_quote
        Equity with the transfer in it.

    Raises
    ------
    InputError
        If a number is not finite.

    Examples
    --------
    >>> lost = observe_equity(observe_equity(None, 0, 1000.0), 60_000, 950.0)
    >>> richer = transferred(lost, 950.0, 1900.0)
    >>> richer.peak_quote, round(observe_equity(richer, 70_000, 1900.0).peak_frac, 3)
    (2000.0, 0.05)
    """
    if not (math.isfinite(amount_quote) and math.isfinite(equity_quote)):
        raise InputError(
            f"expected finite numbers, got a transfer of {amount_quote} and {equity_quote}",
            where="loss limits",
        )
    before = equity_quote - amount_quote

    def moved(reference: float) -> float:
        scaled = before > 0 and equity_quote > 0
        after = reference * (equity_quote / before) if scaled else reference + amount_quote
        return max(after, math.ulp(0.0))

    return replace(
        state,
        equity_quote=state.equity_quote + amount_quote,
        day_start_quote=moved(state.day_start_quote),
        week_start_quote=moved(state.week_start_quote),
        peak_quote=moved(state.peak_quote),
    )


def to_mapping(state: LossState) -> dict[str, float]:
    """Return the state as plain numbers."""
    return asdict(state)


def loss_state_from(values: Mapping[str, Any]) -> LossState:
    """Return the state kept as plain numbers.

    Raises
    ------
    InputError
        If a number is missing, unknown or not a finite number; references must be > 0.
    """
    names = [f.name for f in fields(LossState)]
    sound = set(values) == set(names) and all(
        type(v) in (int, float) and math.isfinite(v) for v in values.values()
    )
    if not sound or any(values[n] <= 0 for n in names[2:]):
        raise InputError(f"expected finite {names}, got {dict(values)}", where="loss limits")
    return LossState(**{n: float(values[n]) for n in names[1:]}, time_ms=int(values["time_ms"]))


def _week(time_ms: int) -> int:
    return (time_ms - _MONDAY_MS) // _WEEK_MS
