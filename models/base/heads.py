"""The output heads every forecaster shares: layout, and decoding of raw outputs to numbers.

Raw outputs (.., H): 3 class logits (down, flat, up), 5 ordered quantiles of the forward log
return in units of sigma over the horizon, then K hazard logits per cascade side (down, up). Models
with the hedge's heads go on with J hazard logits of the peak and 3 of the action; those with the
volatility head with the log of the volatility they forecast, in units of sigma; an agent with its
action for each position it could hold.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.base.columns import (
    CLASSES,
    HEAD_ACTION,
    HEAD_HAZARD,
    HEAD_PEAK,
    HEAD_POLICY,
    HEAD_QUANTILES,
    HEAD_VOLATILITY,
    QUANTILES,
)
from models.base.types import BoolArray, FloatArray

# Weights of the 5, 25, 50, 75 and 95 % quantiles in the mean of the forecast distribution:
# trapezoids between the levels, tails held at the outer quantiles.
_MEAN_WEIGHTS: Final = np.array([0.15, 0.225, 0.25, 0.225, 0.15])


@dataclass(frozen=True)
class HeadLayout:
    """Where each head stands among the H outputs.

    Examples
    --------
    >>> HeadLayout(bin_edges=(1, 2, 4)).width
    14
    """

    bin_edges: tuple[int, ...]  # upper edges of the hazard bins, candles
    peak_edges: tuple[int, ...] = ()  # of 1 + candles to the peak; empty: no such head
    action: bool = False  # whether there is an action head
    volatility: bool = False  # whether there is a volatility head
    policy: int = 0  # positions an agent chooses among; 0: no such head

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> HeadLayout:
        """Return the layout of an artifact's outputs."""
        return cls(
            bin_edges=tuple(manifest["hazard_bin_edges"]),
            peak_edges=tuple(manifest.get("peak_edges", ())),
            action=bool(manifest.get("action_head", False)),
            volatility=bool(manifest.get("volatility_head", False)),
            policy=int(manifest.get("policy_head", 0)),
        )

    @property
    def without_extras(self) -> int:
        """Outputs before those of the extra heads."""
        return len(CLASSES) + len(QUANTILES) + 2 * self.bins

    @property
    def hazards(self) -> slice:
        return slice(len(CLASSES) + len(QUANTILES), self.without_extras)

    @property
    def peak(self) -> slice:
        return slice(self.without_extras, self.without_extras + len(self.peak_edges))

    @property
    def actions(self) -> slice:
        return slice(self.peak.stop, self.peak.stop + 3 * self.action)

    @property
    def log_volatility(self) -> slice:
        return slice(self.actions.stop, self.actions.stop + self.volatility)

    @property
    def choices(self) -> slice:
        return slice(self.log_volatility.stop, self.log_volatility.stop + self.policy)

    @property
    def lacks(self) -> tuple[str, ...]:
        """The extra heads that are not there."""
        here = {
            HEAD_PEAK: bool(self.peak_edges),
            HEAD_ACTION: self.action,
            HEAD_VOLATILITY: self.volatility,
            HEAD_POLICY: bool(self.policy),
        }
        return tuple(name for name, present in here.items() if not present)

    @property
    def bins(self) -> int:
        return len(self.bin_edges)

    @property
    def classes(self) -> slice:
        return slice(0, len(CLASSES))

    @property
    def quantiles(self) -> slice:
        return slice(len(CLASSES), len(CLASSES) + len(QUANTILES))

    def hazard(self, side: int) -> slice:
        """Return the slice of a side's hazard logits; side -1 is down, +1 is up."""
        start = len(CLASSES) + len(QUANTILES) + (self.bins if side > 0 else 0)
        return slice(start, start + self.bins)

    @property
    def width(self) -> int:
        return int(self.choices.stop)

    def present(self, absent: Collection[str] = ()) -> BoolArray:
        """Return which outputs (H,) remain without the heads `absent`, which are NaN.

        Examples
        --------
        >>> HeadLayout(bin_edges=(1,)).present(("quantiles",)).astype(int)
        array([1, 1, 1, 0, 0, 0, 0, 0, 1, 1])
        """
        out = np.ones(self.width, dtype=bool)
        out[self.quantiles] = HEAD_QUANTILES not in absent
        out[self.hazards] = HEAD_HAZARD not in absent
        return out


def relative_volatility(raw: FloatArray, layout: HeadLayout) -> FloatArray:
    """Return the volatility forecast in units of sigma, (N, H) -> (N,); 1 without such a head.

    Examples
    --------
    >>> layout = HeadLayout(bin_edges=(1,), volatility=True)
    >>> relative_volatility(np.log([[1.0] * 10 + [2.0]]), layout).round(6), layout.width
    (array([2.]), 11)
    """
    if not layout.volatility:
        return np.ones(len(raw))
    out: FloatArray = np.exp(raw[:, layout.log_volatility.start])
    return out


def quantile_mean(quantiles: FloatArray) -> FloatArray:
    """Return the mean of a distribution from its quantiles (.., 5), in their unit: what is claimed.

    Examples
    --------
    >>> float(quantile_mean(np.array([-4.0, -1.0, 0.0, 2.0, 10.0])))
    1.125
    """
    # Row by row: a matrix product rounds a row by how many others there are.
    return np.asarray(np.vecdot(quantiles, _MEAN_WEIGHTS))


def softmax(logits: FloatArray) -> FloatArray:
    """Return probabilities over the last axis."""
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    out: FloatArray = e / e.sum(axis=-1, keepdims=True)
    return out


def sigmoid(x: FloatArray) -> FloatArray:
    """Return 1 / (1 + exp(-x)) without overflow."""
    out: FloatArray = 0.5 * (1.0 + np.tanh(0.5 * x))
    return out


def chained(
    logits: FloatArray,
    prior_logits: FloatArray,
    moves_slope: float,
    direction_slope: float,
    conditions: float | FloatArray = 0.0,
) -> FloatArray:
    """Return class probabilities (R, 3) whose two questions are each shrunk towards the prior.

    Does it move beyond cost, and up or down given that it moves: the evidence for each, a
    difference of log odds from the prior's, is multiplied by a slope of its own. One temperature
    for both would let skill in volatility carry a direction that has none. `conditions` (R,) is
    what the rows' volatility and hour add to the log odds of a move.

    Examples
    --------
    >>> p = chained(np.log([[0.1, 0.2, 0.7]]), np.log([0.2, 0.6, 0.2]), 1.0, 0.0)
    >>> p.round(2).tolist()  # it moves as before, and which way is not known
    [[0.4, 0.2, 0.4]]
    """
    moves, up = two_questions(logits)
    base_moves, base_up = two_questions(prior_logits)
    moved = sigmoid(base_moves + moves_slope * (moves - base_moves) + conditions)
    rises = sigmoid(base_up + direction_slope * (up - base_up))
    return np.stack((moved * (1.0 - rises), 1.0 - moved, moved * rises), axis=-1)


def two_questions(logits: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the log odds of moving, and of up given that it moves, from class logits (.., 3)."""
    down, flat, up = logits[..., 0], logits[..., 1], logits[..., 2]
    with np.errstate(invalid="ignore"):  # a row without a forecast is NaN and stays so
        return np.logaddexp(down, up) - flat, up - down


def onset_probability(hazard: FloatArray) -> FloatArray:
    """Return P(onset within all bins) from per-bin hazards (.., K) in [0, 1].

    Discrete-time survival: P = 1 - prod_k (1 - h_k) (Gensheimer & Narasimhan 2019).

    Examples
    --------
    >>> round(float(onset_probability(np.array([0.5, 0.5]))), 3)
    0.75
    """
    out: FloatArray = 1.0 - (1.0 - hazard).prod(axis=-1)
    return out


def cumulative_incidence(down: FloatArray, up: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return P(onset of a side within all bins, before the other's), from hazards (.., K) each.

    Competing risks in discrete time (Prentice et al. 1978): what is at risk in a bin has seen
    neither side. Where both fall into one bin, each was first half of the time.

    Examples
    --------
    >>> fall, squeeze = cumulative_incidence(np.array([0.5, 0.5]), np.array([0.0, 1.0]))
    >>> float(fall), float(squeeze)
    (0.625, 0.375)
    """
    none = np.cumprod((1.0 - down) * (1.0 - up), axis=-1)
    before = np.concatenate((np.ones_like(none[..., :1]), none[..., :-1]), axis=-1)
    return (
        np.asarray((before * down * (1.0 - 0.5 * up)).sum(axis=-1)),
        np.asarray((before * up * (1.0 - 0.5 * down)).sum(axis=-1)),
    )


def hazard_targets(
    candles_to_onset: FloatArray,
    bin_edges: tuple[int, ...],
    competing: FloatArray | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return (event, at_risk), each (N, K) float32, for the discrete-time likelihood.

    A row is at risk in bin k while no onset came before it; `event` is 1 in the bin of the onset.
    Rows with NaN labels are at risk nowhere. With `competing` (N,), the candles to the other
    side's onset, a row leaves the risk set at whichever comes first.
    """
    edges = np.asarray(bin_edges, dtype=float)
    lower = np.concatenate(([0.0], edges[:-1]))
    t = candles_to_onset[:, None]
    with np.errstate(invalid="ignore"):
        at_risk = (t > lower) & np.isfinite(t)
        event = (t > lower) & (t <= edges)
        if competing is not None:
            other = competing[:, None]
            at_risk &= (other > lower) & np.isfinite(other)
            event &= t <= other
    return event.astype(np.float32), at_risk.astype(np.float32)
