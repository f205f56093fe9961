"""An account opened before and in every named crash of recorded candles: the worst of it.

Starts are the candles of the day before the crash and of the crash itself, and the account lives
from there for as long as is asked. Nothing is learnt from it: whoever names a crash has seen it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.base.types import IntArray
from models.base.units import DAY_MS
from models.scenarios.paths import CoinHistory, PathBlock
from models.studies.hedge.crashes import NAMED, NamedCrash
from models.trade.account.scenario_account import ScenarioAccount
from models.trade.account.scenario_paths import path_outcomes

COVID: Final = NamedCrash("Covid, March 2020", 1_583_971_200_000, 1_584_144_000_000)  # 12th, 13th
REPLAYED_CRASHES: Final[Sequence[NamedCrash]] = (COVID, *NAMED)


@dataclass(frozen=True, kw_only=True)
class CrashReplay:
    """What one crash did to the account, over all starts; equity as a fraction of the first."""

    name: str
    starts: int
    liquidated: int  # starts, at extremes
    lowest_equity_frac: float  # at any close of any start; what a liquidation left
    least_distance_frac: float

    @property
    def badness(self) -> tuple[float, float, float]:
        """Sorts crashes, the worst first."""
        return self.lowest_equity_frac, -self.liquidated / self.starts, self.least_distance_frac


def replayed_crashes(
    setup: ScenarioAccount,
    history: CoinHistory,
    steps: int,
    crashes: Sequence[NamedCrash] = REPLAYED_CRASHES,
) -> list[CrashReplay]:
    """Return every crash that the history has whole, the worst for this account first.

    Parameters
    ----------
    steps
        Candles that each start lives through; one without so many in a row after it is left out.
    """
    first = setup.account.equity(setup.marks)
    found = []
    for crash in crashes:
        starts = _starts(history, crash, steps)
        if not len(starts):
            continue
        lived = path_outcomes(setup, history.coins, _as_block(history, starts, steps),
                              range(1, steps + 1))  # fmt: skip
        found.append(
            CrashReplay(
                name=crash.name,
                starts=len(starts),
                liquidated=int((lived.at_extremes >= 0).sum()),
                lowest_equity_frac=float(lived.equity.min()) / first,
                least_distance_frac=float(lived.distance.min()),
            )
        )
    return sorted(found, key=lambda replay: replay.badness)


def _starts(history: CoinHistory, crash: NamedCrash, steps: int) -> IntArray:
    """Return the rows whose candle opens in the crash or the day before, with `steps` in a row."""
    time_ms = history.time_ms
    rows = np.flatnonzero((time_ms >= crash.start_ms - DAY_MS) & (time_ms < crash.stop_ms))
    rows = rows[rows + steps <= len(time_ms)]
    span = time_ms[rows + steps - 1] - time_ms[rows]
    whole: IntArray = rows[span == (steps - 1) * history.candle_ms]
    return whole


def _as_block(history: CoinHistory, starts: IntArray, steps: int) -> PathBlock:
    rows = starts[:, None] + np.arange(steps)
    return PathBlock(
        close=history.close[rows], low=history.low[rows], high=history.high[rows],
        funding=history.funding[rows], answers=np.ones(rows.shape, dtype=np.bool_),
    )  # fmt: skip
