"""The labels of `breakwater cascades`: what counts as a cascade, how many, and what agrees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from models.base.units import HOUR_MS
from models.data.feeds.point_in_time import join
from models.data.labels.cascade import CascadeConfig, coin_floor
from models.data.labels.tiers import confirm_l1, label_agreement, liquidation_spikes
from models.studies.cascades.panel import SIDES, Coin, close_agreement
from strategies.desk.studies.feed_files import BAR_MS, liquidations, read_open_interest


def rule_of(coin: str, horizon: int, *, by_close: bool = False) -> CascadeConfig:
    """Return what counts as a cascade of a coin."""
    return CascadeConfig(
        floor_frac=coin_floor(coin), longest_ms=horizon * HOUR_MS, by_close=by_close
    )


def counted(coin: Coin) -> dict[str, Any]:
    """Return how many cascades one coin had, and how long they took."""
    to_peak = [float(e.peak - e.onset) for e in coin.episodes] or [np.nan]
    to_end = [float(e.end - e.onset) for e in coin.episodes] or [np.nan]
    return {
        "coin": coin.name,
        "falls": int(coin.onset[:, 0].sum()),
        "squeezes": int(coin.onset[:, 1].sum()),
        "median_candles_to_peak": float(np.median(to_peak)),
        "median_candles_to_end": float(np.median(to_end)),
    }


def agreement(coins: list[Coin], horizon: int) -> list[dict[str, Any]]:
    """Return how onsets by the close and by excursion match, a row for each coin and side."""
    return [
        {
            "coin": coin.name,
            "side": side,
            "close_only": match.first - match.first_matched,
            "both": match.second_matched,
            "excursion_only": match.second - match.second_matched,
        }
        for coin in coins
        for side, match in zip(
            SIDES, close_agreement(coin, rule_of(coin.name, horizon)), strict=True
        )
    ]


def tiers(coins: list[Coin], feeds: Path | None) -> list[dict[str, Any]]:
    """Return how the candle label agrees with funding + open interest, and with liquidations."""
    out = []
    for coin in coins:
        close = coin.time_ms + HOUR_MS
        funding = coin.feeds[:, coin.feed_names.index("funding")]
        ends, level = read_open_interest(feeds, coin.name)
        if not len(ends):
            continue
        interest = join(close, ends, level, lag_ms=0, longest_ms=BAR_MS).value
        for side_at, side in enumerate(SIDES):
            onset = np.flatnonzero(coin.onset[:, side_at])
            l1 = confirm_l1(onset, side, funding, interest, history=90 * 24, window=24)
            bars, notional = liquidations(feeds, coin.name, side)
            spikes = bars[liquidation_spikes(notional, 90 * 6)] if len(bars) else bars
            ranked = bars[len(bars) // 8 :] if len(bars) else bars  # a first part is needed to rank
            inside = close[:0]
            if len(ranked):
                at = close[onset]
                inside = at[(at >= ranked[0]) & (at <= ranked[-1])]
            # A spike's bar ends up to four hours behind the onset in it.
            match = label_agreement(inside, spikes, BAR_MS)._asdict()
            out.append(
                {
                    "coin": coin.name,
                    "side": side,
                    "l0": len(onset),
                    "l1_told": int(l1.told.sum()),
                    "l1_confirmed": int(l1.yes.sum()),
                    "l0_in_l2_span": match["first"],
                    "l2": match["second"],
                    "l0_with_l2": match["first_matched"],
                    "l2_with_l0": match["second_matched"],
                    "l2_bar_end_after_onset_h": match["median_lag"] / HOUR_MS,
                }
            )
    return out
