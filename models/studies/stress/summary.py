"""One crash over all its starts: the worst path, where it began, and how the others fared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from models.base.errors import InputError
from models.base.types import FloatArray
from models.base.units import DAY_MS, HOUR_MS, SECOND_MS
from models.studies.stress.crash import RecordedCrash
from models.studies.stress.replay import (
    SLIPPAGE_FRAC,
    WALLET_QUOTE,
    WANTED_LEVERAGE,
    ReplayRules,
    replay_crash,
)
from models.trade.account.first_passage import liquidation_ratio
from models.trade.account.records import AccountAudit

LOWEST_QUANTILES: Final = (0.0, 0.01, 0.05, 0.25, 0.5)  # of the lowest equities over the starts


class Outcome(Protocol):
    """What an account from one start tells."""

    @property
    def audit(self) -> AccountAudit: ...
    @property
    def start_ms(self) -> int: ...
    @property
    def halted(self) -> str: ...
    @property
    def gap_frac(self) -> float: ...
    @property
    def survived(self) -> bool: ...
    @property
    def lowest_frac(self) -> float: ...
    @property
    def final_frac(self) -> float: ...
    @property
    def nearest_frac(self) -> float: ...


@dataclass(frozen=True, kw_only=True)
class WorstPath:
    """The worst account's equity at each candle's adverse extreme, of that at its start."""

    start_ms: int
    time_ms: list[int]
    equity_frac: list[float]


@dataclass(frozen=True, kw_only=True)
class StressSummary:
    """One account's rules in one crash, over all starts; fractions of the equity at the start."""

    name: str
    coin: str
    market: str  # whose candles
    account: str  # always long, always short, hedged
    candle_ms: int
    first_ms: int
    last_ms: int
    outage_s: float  # for which a stop is refused
    starts: int
    between_starts_s: float
    liquidated: int  # of the starts
    quantiles_frac: list[float]  # `LOWEST_QUANTILES` of the lowest equity
    worst_start_ms: int
    worst_final_frac: float  # where the account that ended lowest ended
    nearest_frac: float  # least adverse move left, stops not yet taken; inf if nothing could
    gap_frac: float  # furthest a stop filled beyond its price
    halts: int
    worst: WorstPath

    @property
    def lowest_frac(self) -> float:
        return self.quantiles_frac[0]


@dataclass(frozen=True, kw_only=True)
class NaiveSummary:
    """The same model without guards: all in at 20x at the first open, funding left out."""

    starts: int
    liquidated: int
    fastest_ms: int | None  # from start to liquidation
    median_ms: int | None


def starting_hours(crash: RecordedCrash, every_hours: int = 1) -> list[int]:
    """Return the hours to start at: from when volatility is known to a day before the end.

    Raises
    ------
    InputError
        If there is none.
    """
    hours, known = crash.hours, crash.hours.known
    end_ms = int(crash.close_ms[-1])
    early = [int(h) for h in known if end_ms - crash.close_ms[hours.last[h]] >= DAY_MS]
    if not early:
        raise InputError(
            f"expected more than a day of candles after the warm-up, got {len(crash.candles)}",
            where=crash.name,
        )
    return early[:: max(1, every_hours)]


def summarise(crash: RecordedCrash, rules: ReplayRules, *, every_hours: int = 1) -> StressSummary:
    """Replay `crash` from every hour, and return the worst of it."""
    outcomes = [replay_crash(crash, rules, hour=h) for h in starting_hours(crash, every_hours)]
    account = "always long" if rules.side > 0 else "always short"
    return summary_of(crash, account, outcomes, rules.outage_ms, every_hours)


def summary_of(
    crash: RecordedCrash,
    account: str,
    outcomes: Sequence[Outcome],
    outage_ms: int,
    every_hours: int,
) -> StressSummary:
    """Return what the outcomes of all starts add up to."""
    lowest = np.array([o.lowest_frac for o in outcomes])
    worst = outcomes[int(lowest.argmin())]
    return StressSummary(
        name=crash.name,
        coin=crash.pair.partition("/")[0],
        market=crash.market,
        account=account,
        candle_ms=crash.candle_ms,
        first_ms=int(crash.candles.time_ms[0]),
        last_ms=int(crash.close_ms[-1]),
        outage_s=outage_ms / SECOND_MS,
        starts=len(outcomes),
        between_starts_s=every_hours * HOUR_MS / SECOND_MS,
        liquidated=sum(not o.survived for o in outcomes),
        # The lower neighbour, never a value between two starts that no account has seen.
        quantiles_frac=[float(np.quantile(lowest, q, method="lower")) for q in LOWEST_QUANTILES],
        worst_start_ms=worst.start_ms,
        worst_final_frac=min(o.final_frac for o in outcomes),
        nearest_frac=min((o.nearest_frac for o in outcomes), default=math.inf),
        gap_frac=max(o.gap_frac for o in outcomes),
        halts=sum(bool(o.halted) for o in outcomes),
        worst=_path(worst),
    )


def naive_summary(
    crash: RecordedCrash, rules: ReplayRules, *, every_hours: int = 1
) -> NaiveSummary:
    """Return how long an account lives that is all in at 20x, without guards."""
    c, lived = crash.candles, []
    starts = starting_hours(crash, every_hours)
    ratio = liquidation_ratio(rules.tiers, WANTED_LEVERAGE, rules.side,
                              WANTED_LEVERAGE * WALLET_QUOTE)  # fmt: skip
    for hour in starts:
        row = int(crash.hours.last[hour]) + 1
        price = float(c.open[row]) * (1 + rules.side * SLIPPAGE_FRAC) * ratio
        hit = c.low[row:] <= price if rules.side > 0 else c.high[row:] >= price
        if hit.any():
            lived.append(int(hit.argmax() + 1) * crash.candle_ms)
    return NaiveSummary(
        starts=len(starts),
        liquidated=len(lived),
        fastest_ms=min(lived, default=None),
        median_ms=int(np.median(lived)) if lived else None,
    )


def _path(worst: Outcome) -> WorstPath:
    a = worst.audit
    low: FloatArray = np.minimum(a.equity_worst, a.equity_close) / a.start_wallet_quote
    rows = np.unique(np.linspace(0, len(low) - 1, min(len(low), _POINTS)).astype(int))
    # Each point is the lowest of the candles it stands for: thinning hides no trough.
    least = np.minimum.reduceat(low, rows)
    return WorstPath(
        start_ms=worst.start_ms,
        time_ms=[int(t) for t in a.time_ms[rows]],
        equity_frac=[round(float(x), 5) for x in least],
    )


_POINTS: Final = 400
