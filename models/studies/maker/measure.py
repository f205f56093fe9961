"""What maker and taker fills of the same signals earned, and what either costs a round trip.

Intervals come from blocks of days drawn once for all, so that any two ways are compared over the
same days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from models.base.errors import InputError
from models.base.resampling import stationary_indices
from models.base.types import FloatArray, IntArray
from models.base.units import DAY_MS
from models.evaluate.metrics.equity import DAYS_PER_YEAR
from models.evaluate.metrics.resampling import DRAWS, TAIL, Estimate, with_interval
from models.studies.maker.trades import Attempts

BPS: Final = 1e4
AFTER_NAMES: Final = ("5m", "1h", "4h")
_BLOCK_DAYS: Final = 20.0  # mean block: what is calm or wild stays so for weeks


@dataclass(frozen=True, kw_only=True)
class FillCosts:
    """What a fill costs, of its notional. Binance USD-M, no discount."""

    maker_fee_frac: float = 0.0002
    taker_fee_frac: float = 0.0005
    slippage_frac: float = 0.0002  # of a market order, beyond the open of the detail candle

    def __post_init__(self) -> None:
        for name in ("maker_fee_frac", "taker_fee_frac", "slippage_frac"):
            if not 0 <= getattr(self, name) < 0.05:
                raise ValueError(f"expected 0 <= {name} < 0.05, got {getattr(self, name)}")

    def paid(self, attempts: Attempts) -> FloatArray:
        """Return what each attempt pays, (A,) >= 0; 0 where nothing was filled."""
        makers = attempts.maker_entry + attempts.maker_exit
        takers = 2.0 * attempts.filled - makers
        taker = self.taker_fee_frac + self.slippage_frac
        out: FloatArray = self.maker_fee_frac * makers + taker * takers
        return out


@dataclass(frozen=True, kw_only=True)
class TradedWay:
    """One rule at one style, on time and a candle late."""

    name: str
    title: str
    rule: str
    style: str
    attempts: Attempts
    late: Attempts
    is_control: bool = False  # sides by a coin: no trial, nothing can be found


def measure_ways(
    ways: Sequence[TradedWay],
    time_ms: IntArray,
    costs: FillCosts,
    *,
    reference: str,
    seed: int = 0,
    draws: int = DRAWS,
) -> list[dict[str, Any]]:
    """Return one row of numbers per way; estimates have 95 % block-bootstrap intervals.

    Parameters
    ----------
    time_ms
        (N,) open times of the decisions' candles of the span that was traded.
    reference
        Style that the others of the same rule are held against: `against_year` is theirs minus
        its net result a year, over the same days.

    Returns
    -------
    list of dict
        Returns of trades in basis points, of years as fractions. `low_of_all` is the lower end of
        the interval of the net result a trade, where all trials have to hold at once (Bonferroni).

    Raises
    ------
    InputError
        If a rule lacks the reference.
    """
    lacking = {w.rule for w in ways} - {w.rule for w in ways if w.style == reference}
    if lacking:
        raise InputError(f"expected style {reference!r} of every rule, not of {sorted(lacking)}")
    first = int(time_ms[0]) // DAY_MS
    days = int(time_ms[-1]) // DAY_MS - first + 1
    index = stationary_indices(days, min(_BLOCK_DAYS, days), draws, np.random.default_rng(seed))
    day = time_ms // DAY_MS - first
    book = _Book(day, days, index, max(1, sum(not way.is_control for way in ways)))
    yearly = {
        (way.rule, way.style): book.by_day(way.attempts, _net(way.attempts, costs)) for way in ways
    }
    return [
        {
            **_filled(way, book),
            **_selected(way.attempts, book),
            **_earned(way, book, costs),
            "against_year": book.year(
                yearly[way.rule, way.style] - yearly[way.rule, reference]
            ).as_dict(),
        }
        for way in ways
    ]


@dataclass(frozen=True)
class _Book:
    """The days, and the draws of them that every number is drawn over."""

    day: IntArray  # (N,) of each decision's row
    days: int
    index: IntArray  # (draws, D)
    trials: int

    def by_day(self, attempts: Attempts, values: FloatArray) -> FloatArray:
        """Return the sums of the known values by the day of the decision, (A,) -> (D,)."""
        known = np.where(np.isfinite(values), values, 0.0)
        sums = np.bincount(self.day[attempts.decided], weights=known, minlength=self.days)
        return np.asarray(sums, dtype=np.float64)

    def drawn_mean(self, attempts: Attempts, values: FloatArray) -> tuple[float, FloatArray]:
        """Return the mean of the known values, and that of each draw; NaN of none."""
        top = self.by_day(attempts, values)
        bottom = self.by_day(attempts, np.where(np.isfinite(values), 1.0, 0.0))
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn = top[self.index].sum(axis=1) / bottom[self.index].sum(axis=1)
            return float(top.sum() / bottom.sum()), drawn

    def mean(self, attempts: Attempts, values: FloatArray, scale: float = 1.0) -> dict[str, Any]:
        """Return the mean of the known values with its interval."""
        value, drawn = self.drawn_mean(attempts, values)
        return with_interval(scale * value, scale * drawn).as_dict()

    def year(self, daily: FloatArray) -> Estimate:
        """Return what daily sums (D,) come to in a year."""
        scale = DAYS_PER_YEAR / self.days
        return with_interval(scale * float(daily.sum()), scale * daily[self.index].sum(axis=1))


def _net(attempts: Attempts, costs: FillCosts, factor: float = 1.0) -> FloatArray:
    """Return the log return of each filled trade after costs, NaN of a missed one, (A,)."""
    return attempts.move - factor * costs.paid(attempts)


def _filled(way: TradedWay, book: _Book) -> dict[str, Any]:
    made = way.attempts
    years = book.days / DAYS_PER_YEAR
    return {
        "name": way.name,
        "title": way.title,
        "rule": way.rule,
        "style": way.style,
        "is_control": way.is_control,
        "attempts": len(made.filled),
        "attempts_year": len(made.filled) / years,
        "trades_year": float(made.filled.sum()) / years,
        "filled": book.mean(made, made.filled.astype(np.float64)),
        "exits_as_maker": book.mean(made, np.where(made.filled, made.maker_exit, np.nan)),
        "minutes": book.mean(made, made.minutes),
    }


def _selected(made: Attempts, book: _Book) -> dict[str, Any]:
    """Return what followed the entries that filled, and those that did not."""
    out: dict[str, Any] = {}
    for which, rows in (("filled", made.filled), ("missed", ~made.filled)):
        out[f"signal_{which}"] = book.mean(made, np.where(rows, made.signal_move, np.nan), BPS)
        for at, name in enumerate(AFTER_NAMES):
            values = np.where(rows, made.after[:, at], np.nan)
            out[f"after_{name}_{which}"] = book.mean(made, values, BPS)
    return out


def _earned(way: TradedWay, book: _Book, costs: FillCosts) -> dict[str, Any]:
    made, late = way.attempts, way.late
    net, twice, slow = _net(made, costs), _net(made, costs, 2.0), _net(late, costs)
    value, drawn = book.drawn_mean(made, net)
    signal, signal_drawn = book.drawn_mean(made, made.signal_move)
    finite = drawn[np.isfinite(drawn)]
    low = float(np.quantile(finite, TAIL / book.trials)) if len(finite) else float("nan")
    return {
        "signal": with_interval(BPS * signal, BPS * signal_drawn).as_dict(),
        "net": with_interval(BPS * value, BPS * drawn).as_dict(),
        "low_of_all": BPS * low,
        "net_twice": book.mean(made, twice, BPS),
        "net_late": book.mean(late, slow, BPS),
        "net_year": book.year(book.by_day(made, net)).as_dict(),
        "net_year_twice": book.year(book.by_day(made, twice)).as_dict(),
        "net_year_late": book.year(book.by_day(late, slow)).as_dict(),
        # What the edge of a signal has to be above for a fill to earn: fees, what the price did
        # while the order rested, and that worse signals fill more often than better ones.
        "cost": with_interval(BPS * (signal - value), BPS * (signal_drawn - drawn)).as_dict(),
    }
