"""Every way to choose the ratio, on the same candles, limits, costs and fills.

At their natural settings each hedges a different amount at a different cost; matched, a baseline
is scaled and given the band that make its average ratio and its cost those of the hedge it is
compared with. Otherwise whoever hedges more, or trades less carefully, wins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.base.types import FloatArray, IntArray
from models.studies.hedge.effectiveness import HedgedReturns
from models.trade.hedging.baseline import BaselineConfig, baseline, limited_ratio
from models.trade.hedging.cvar import cvar_ratio
from models.trade.hedging.dcc import dcc_garch_ratio
from models.trade.hedging.kalman import kalman_ratio
from models.trade.hedging.policy import HedgeSignal, PolicyConfig
from models.trade.hedging.ratios import ewma_ratio, rolling_ols_ratio, static_ratio
from models.trade.hedging.simulate import (
    Costs,
    HedgeMarket,
    HedgePath,
    PolicyDecider,
    banded,
    simulate,
)

_MONTH: Final = 720
_ROUNDS: Final = 3  # of matching ratio, then cost
_HALVINGS: Final = 6


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What is hedged, with what, at which costs.

    Attributes
    ----------
    time_ms
        (N,) hourly, the history before `start` included.
    low, high
        (N, 1 + K) extremes of the primary and the hedges.
    start
        First row that counts; nothing is hedged before it.
    """

    time_ms: IntArray
    primary: HedgeMarket
    hedges: Sequence[HedgeMarket]
    low: FloatArray
    high: FloatArray
    amount_base: float
    start: int
    costs: Costs
    baseline: BaselineConfig
    policy: PolicyConfig

    def returns(self, path: HedgePath) -> HedgedReturns:
        """Return the path's returns from `start` on."""
        rows = slice(self.start, None)
        share = 1.0 / path.notional[rows]
        return HedgedReturns(
            time_ms=self.time_ms[rows],
            primary=path.primary_pnl[rows] * share,
            hedge=path.hedge_pnl[rows] * share,
            cost=path.cost[rows] * share,
            funding=path.funding[rows] * share,
            traded=path.traded[rows] * share,
            ratio=path.ratio[rows].sum(axis=1),
        )

    def follow(self, target: FloatArray, width: float) -> HedgePath:
        """Return the hedge that jumps to `target`, within the limits, outside a fixed band."""
        aim = self._from_start(limited_ratio(target, self.policy.max_ratio))
        return simulate(self.time_ms, self.primary, self.amount_base, self.hedges,
                        banded(aim, width), self.costs)  # fmt: skip

    def ours(self, signals: Sequence[HedgeSignal] | None = None) -> HedgePath:
        """Return the hedge of the strategy's own policy, with a model's signals or without."""
        target, width = baseline(self._close(), self._closes(), self.baseline)
        aim = self._from_start(limited_ratio(target, self.policy.max_ratio))
        decider = PolicyDecider(aim, width, self.policy, signals=signals)
        return simulate(
            self.time_ms, self.primary, self.amount_base, self.hedges, decider, self.costs
        )

    def baseline_target(self) -> FloatArray:
        """Return the ratio the strategy's own baseline aims at, (N, K)."""
        return baseline(self._close(), self._closes(), self.baseline)[0]

    def targets(self) -> Mapping[str, FloatArray]:
        """Return the target ratios (N, K) of every baseline; row t uses rows <= t."""
        y = np.diff(np.log(self._close()))
        x = np.diff(np.log(self._closes()), axis=0)
        train = max(self.start - 1, 100)
        window = min(_MONTH, train)
        of: Mapping[str, Callable[[], FloatArray]] = {
            "1 : 1": lambda: np.full(x.shape, 1.0 / x.shape[1]),
            "static, train-optimal": lambda: static_ratio(y, x, train),
            "rolling OLS 30 d": lambda: rolling_ols_ratio(y, x, window),
            "EWMA 48 h": lambda: ewma_ratio(y, x, 48.0),
            "Kalman": lambda: kalman_ratio(y, x, train),
            "DCC-GARCH": lambda: dcc_garch_ratio(y, x, min(6 * _MONTH, train), 3 * _MONTH),
            "CVaR 5 %": lambda: cvar_ratio(
                y, x, min(3 * _MONTH, train), 168, max_ratio=self.policy.max_ratio
            ),
        }
        # Returns start one row later than candles.
        return {n: np.vstack([np.full((1, x.shape[1]), np.nan), f()]) for n, f in of.items()}

    def _from_start(self, target: FloatArray) -> FloatArray:
        out = target.copy()
        out[: max(self.start - 1, 0)] = np.nan
        return out

    def _close(self) -> FloatArray:
        return self.primary.close

    def _closes(self) -> FloatArray:
        return np.column_stack([m.close for m in self.hedges])


def natural(scene: Scene, targets: Mapping[str, FloatArray]) -> dict[str, HedgedReturns]:
    """Return every baseline as people run it: bands of 0.10, and the EWMA's own ladder."""
    out = {name: scene.returns(scene.follow(t, 0.10)) for name, t in targets.items()}
    ewma = targets["EWMA 48 h"]
    out.pop("EWMA 48 h")
    for width in (0.0, 0.10, 0.25):
        name = "EWMA 48 h, " + ("no band" if width == 0 else f"band {width:.2f}")
        out[name] = scene.returns(scene.follow(ewma, width))
    return out


def matched(
    scene: Scene, target: FloatArray, ours: HedgedReturns
) -> tuple[HedgedReturns, float, float]:
    """Return (hedge, scale, width) of `target` scaled and banded to the ratio and cost of `ours`.

    As close as the limits allow: a ratio that never moves cannot be made to cost more.
    """
    scale, width = 1.0, 0.10
    wanted_ratio, wanted_cost = float(ours.ratio.mean()), float(ours.cost.sum())
    found = scene.returns(scene.follow(target, width))
    for _ in range(_ROUNDS):
        scale *= wanted_ratio / max(float(found.ratio.mean()), 1e-9)
        low, high = 0.0, 0.6
        for _ in range(_HALVINGS):
            width = 0.5 * (low + high)
            found = scene.returns(scene.follow(scale * target, width))
            if float(found.cost.sum()) > wanted_cost:
                low = width
            else:
                high = width
    return found, scale, width
