"""A price over time as straight lines between knots; candles of any length are cut from it.

One path answers everything, so klines, book, mark price and fills cannot contradict each other: a
closed candle is the replayed one exactly, the forming one is what its path has done so far.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.base.types import Candles, FloatArray, IntArray


@dataclass(frozen=True, kw_only=True)
class PricePath:
    """Knots (K,), oldest first; before the first and after the last the price stands still.

    `volume` is what was traded up to each knot, in base units; after the last knot it grows by
    `tail_volume_per_ms`.
    """

    time_ms: IntArray
    price: FloatArray  # quote units
    volume: FloatArray
    tail_volume_per_ms: float = 0.0

    def __post_init__(self) -> None:
        if not len(self.time_ms) == len(self.price) == len(self.volume) > 0:
            raise ValueError(
                f"expected as many times as prices and volumes, at least one, got "
                f"{len(self.time_ms)}, {len(self.price)}, {len(self.volume)}"
            )
        if (np.diff(self.time_ms) <= 0).any():
            raise ValueError("expected knots in rising order of time")
        if not (np.isfinite(self.price).all() and (self.price > 0).all()):
            raise ValueError("expected finite prices > 0")

    @property
    def start_ms(self) -> int:
        """When the path begins; no candle opens earlier."""
        return int(self.time_ms[0])

    @property
    def stop_ms(self) -> int:
        """Time of the last knot."""
        return int(self.time_ms[-1])

    def at(self, now_ms: int) -> float:
        """Return the price at `now_ms`."""
        return float(np.interp(now_ms, self.time_ms, self.price))

    def next_knot_ms(self, after_ms: int) -> int | None:
        """Return the time of the first knot after `after_ms`, None beyond the last."""
        i = int(np.searchsorted(self.time_ms, after_ms, side="right"))
        return int(self.time_ms[i]) if i < len(self.time_ms) else None

    def candles(self, first_ms: int, stop_ms: int, interval_ms: int, now_ms: int) -> Candles:
        """Return the candles that open in [`first_ms`, `stop_ms`), as they look at `now_ms`.

        The last one may be forming: it ends at `now_ms`. None opens before the path begins.
        """
        begin = max(first_ms, self.start_ms)
        first = -(-begin // interval_ms) * interval_ms  # the first multiple not before `begin`
        starts = np.arange(first, min(stop_ms, now_ms + 1), interval_ms, dtype=np.int64)
        ends = np.minimum(starts + interval_ms - 1, now_ms)
        opens = np.interp(starts, self.time_ms, self.price)
        closes = np.interp(ends, self.time_ms, self.price)
        high, low = np.maximum(opens, closes), np.minimum(opens, closes)
        i = np.searchsorted(self.time_ms, starts, side="left")
        j = np.searchsorted(self.time_ms, ends, side="right")
        inside = np.flatnonzero(j > i)  # candles with a knot of their own
        if len(inside):
            origin = i[inside[0]]
            knots = np.append(self.price[origin : j[inside[-1]]], self.price[-1])
            cuts = np.stack([i[inside], j[inside]], axis=1).ravel() - origin
            high[inside] = np.maximum(high[inside], np.maximum.reduceat(knots, cuts)[::2])
            low[inside] = np.minimum(low[inside], np.minimum.reduceat(knots, cuts)[::2])
        volume = self._volume(ends + 1) - self._volume(starts)
        return Candles(time_ms=starts, open=opens, high=high, low=low, close=closes, volume=volume)

    def shifted(self, ms: int) -> PricePath:
        """Return the same path `ms` later."""
        return replace(self, time_ms=self.time_ms + ms)

    def moved(self, now_ms: int, price: float, over_ms: int) -> PricePath:
        """Return the path that leaves the script at `now_ms` and reaches `price` in `over_ms`.

        What lay beyond `now_ms` is gone; from then on the price stays.
        """
        keep = int(np.searchsorted(self.time_ms, now_ms, side="left"))
        here = float(self._volume(np.array([now_ms]))[0])
        arrives = now_ms + max(over_ms, 1)
        there = here + self.tail_volume_per_ms * (arrives - now_ms)
        return PricePath(
            time_ms=np.append(self.time_ms[:keep], [now_ms, arrives]).astype(np.int64),
            price=np.append(self.price[:keep], [self.at(now_ms), price]),
            volume=np.append(self.volume[:keep], [here, there]),
            tail_volume_per_ms=self.tail_volume_per_ms,
        )

    def _volume(self, times: IntArray) -> FloatArray:
        tail = np.maximum(times - self.stop_ms, 0) * self.tail_volume_per_ms
        done: FloatArray = np.interp(times, self.time_ms, self.volume) + tail
        return done


def candle_path(candles: Candles, interval_ms: int) -> PricePath:
    """Return the path O -> (L/H) -> C of each candle: a rising one visits its low first.

    The close is reached in the candle's last millisecond, so the next open may differ.
    """
    third = interval_ms // 3
    rising = candles.close >= candles.open
    first = np.where(rising, candles.low, candles.high)
    second = np.where(rising, candles.high, candles.low)
    offsets = np.array([0, third, 2 * third, interval_ms - 1])
    price = np.stack([candles.open, first, second, candles.close], axis=1)  # (N, 4)
    before = np.cumsum(candles.volume) - candles.volume
    share = np.array([0.0, 1 / 3, 2 / 3, 1.0])
    volume = before[:, None] + candles.volume[:, None] * share
    return PricePath(
        time_ms=(candles.time_ms[:, None] + offsets).ravel(),
        price=price.ravel(),
        volume=volume.ravel(),
        tail_volume_per_ms=float(candles.volume[-1]) / interval_ms,
    )


def surrounded(fine: PricePath, coarse: PricePath, interval_ms: int) -> PricePath:
    """Return `coarse` with `fine` in the place of those of its candles that `fine` covers whole.

    Parameters
    ----------
    interval_ms
        Length of the coarse candles: the seams lie where one of them opens.
    """
    begin = -(-fine.start_ms // interval_ms) * interval_ms
    end = (fine.stop_ms + 1) // interval_ms * interval_ms
    inside = (fine.time_ms >= begin) & (fine.time_ms < end)
    if not inside.any():
        return coarse
    early, late = coarse.time_ms < begin, coarse.time_ms >= end
    traded, between = np.diff(coarse.volume, prepend=0.0), np.diff(fine.volume, prepend=0.0)
    return PricePath(
        time_ms=np.concatenate([coarse.time_ms[early], fine.time_ms[inside], coarse.time_ms[late]]),
        price=np.concatenate([coarse.price[early], fine.price[inside], coarse.price[late]]),
        volume=np.cumsum(np.concatenate([traded[early], between[inside], traded[late]])),
        tail_volume_per_ms=(coarse if late.any() else fine).tail_volume_per_ms,
    )
