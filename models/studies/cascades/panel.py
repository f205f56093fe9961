"""One coin as the cascade measurements see it: features, feeds, labels, and where one can ask."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.base import columns
from models.base.heads import hazard_targets
from models.base.types import BoolArray, Candles, Float32Array, FloatArray, IntArray
from models.data.features.candles import calendar_features, candle_features, sigma_per_candle
from models.data.features.hawkes import shocks
from models.data.features.rolling import lag
from models.data.labels.cascade import (
    CascadeConfig,
    candles_to_onset,
    cascade_hits,
    cascade_onsets,
)
from models.data.labels.episodes import Episode, candles_to_peak, episodes
from models.data.labels.tiers import LabelAgreement, label_agreement

SIDES = (-1, 1)  # down, up, in this order everywhere


@dataclass(frozen=True, kw_only=True)
class Coin:
    """One coin's rows; everything but the labels is known at each row's close.

    Attributes
    ----------
    waiting
        (N, 2) whether an onset of the side may come next: none of its hits is within `merge_ms`.
        A row inside a cascade has nothing to be warned of, and its label cannot be an onset.
    steps
        (N, 2) candles to the next onset of each side, as `candles_to_onset`.
    to_peak
        (N, 2) as `models.data.labels.episodes.candles_to_peak`.
    """

    name: str
    candles: Candles
    candle_ms: int
    features: Float32Array  # (N, F)
    names: tuple[str, ...]
    feeds: FloatArray  # (N, D), NaN where missing
    feed_names: tuple[str, ...]
    shocks: FloatArray  # (N, 2)
    onset: BoolArray  # (N, 2)
    waiting: BoolArray
    steps: FloatArray
    to_peak: FloatArray
    episodes: tuple[Episode, ...]

    def __len__(self) -> int:
        return len(self.candles)

    @property
    def time_ms(self) -> IntArray:
        return self.candles.time_ms

    @property
    def log_sigma(self) -> FloatArray:
        """Log volatility per candle, (N,)."""
        with np.errstate(divide="ignore"):
            return np.asarray(
                np.log(self.features[:, self.names.index(columns.FEATURE_SIGMA)], dtype=np.float64)
            )

    @property
    def complete(self) -> BoolArray:
        """Rows with every candle feature, (N,)."""
        return np.asarray(np.isfinite(self.features).all(axis=1))

    def usable(self, side: int) -> BoolArray:
        """Rows that can be asked and marked: features, a label, and an onset possible, (N,)."""
        known = np.isfinite(self.steps).all(axis=1)
        return np.asarray(self.complete & self.waiting[:, side] & known)

    def targets(self, side: int, edges: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
        """Return (event, at_risk) of a side, (N, K), the other side competing."""
        event, at_risk = hazard_targets(self.steps[:, side], edges, self.steps[:, 1 - side])
        return event.astype(np.float64), at_risk.astype(np.float64)


def context_features(candles: Candles) -> dict[str, FloatArray]:
    """Return what the leading market lends the others, name -> (N,)."""
    own = candle_features(candles)
    chosen = ("return_1", "return_4", "return_24", "vol_fast_mid", "vol_mid_slow", "drawdown")
    return {f"%-lead_{name}": own[name] for name in chosen} | {
        "%-lead_sigma": sigma_per_candle(candles.close)
    }


def build(
    name: str,
    candles: Candles,
    candle_ms: int,
    rule: CascadeConfig,
    horizon: int,
    lead: Candles,
    feeds: dict[str, FloatArray],
) -> Coin:
    """Return one coin; `lead` is the leading market, `feeds` are on the coin's own rows."""
    frame = {f"%-{k}": v for k, v in candle_features(candles).items()}
    frame |= {f"%-{k}": v for k, v in calendar_features(candles.time_ms, candle_ms).items()}
    frame |= aligned(candles.time_ms, lead.time_ms, context_features(lead))
    frame[columns.FEATURE_SIGMA] = sigma_per_candle(candles.close)
    merge = max(1, rule.merge_ms // candle_ms)
    onset, waiting, steps, to_peak = [], [], [], []
    for side in SIDES:
        first, known = cascade_onsets(candles, candle_ms, side, rule)
        hit, _ = cascade_hits(candles, candle_ms, side, rule)
        onset.append(first)
        waiting.append(known & ~_within(hit, merge))
        steps.append(candles_to_onset(first, known, horizon))
        to_peak.append(candles_to_peak(candles, candle_ms, side, rule))
    return Coin(
        name=name,
        candles=candles,
        candle_ms=candle_ms,
        features=np.column_stack(list(frame.values())).astype(np.float32),
        names=tuple(frame),
        feeds=np.column_stack(list(feeds.values())),
        feed_names=tuple(feeds),
        shocks=shocks(candles.close, max(2, rule.history_ms // candle_ms)),
        onset=np.column_stack(onset),
        waiting=np.column_stack(waiting),
        steps=np.column_stack(steps),
        to_peak=np.column_stack(to_peak),
        episodes=tuple(episodes(candles, candle_ms, rule)),
    )


def close_agreement(coin: Coin, rule: CascadeConfig) -> list[LabelAgreement]:
    """Return, by side, how onsets by the close (first) match those by excursion (second).

    Matched are onsets less than `merge_ms` apart. A wick that joins two episodes to one, or opens
    one sooner, moves an onset: one by the close need not have its own by excursion.
    """
    out = []
    for at, side in enumerate(SIDES):
        closing, _ = cascade_onsets(
            coin.candles, coin.candle_ms, side, replace(rule, by_close=True)
        )
        first, second = (coin.time_ms[found] for found in (closing, coin.onset[:, at]))
        out.append(label_agreement(first, second, rule.merge_ms))
    return out


def _within(hit: BoolArray, candles: int) -> BoolArray:
    """Return whether a hit is at the row or in the `candles` before it, less one, (N,)."""
    seen = np.cumsum(hit)
    return np.asarray(seen > np.nan_to_num(lag(seen.astype(np.float64), candles), nan=0.0))


def aligned(
    time_ms: IntArray, other_ms: IntArray, values: dict[str, FloatArray]
) -> dict[str, FloatArray]:
    """Return another market's columns on this one's candles, NaN where it has no such candle."""
    at = np.minimum(np.searchsorted(other_ms, time_ms), len(other_ms) - 1)
    same = other_ms[at] == time_ms
    return {name: np.where(same, v[at], np.nan) for name, v in values.items()}
