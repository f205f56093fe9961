"""Memory of the live path over a simulated month: 720 hourly candles through strategy and model."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import psutil

from tests.test_freqaimodels.bots import Bot, running

_WARM_UP = 48  # caches fill


def month_in_memory(folder: Path, candles: int) -> dict[str, float]:
    """Return MiB in use before and after, with a retraining each day and candles as fast as can be.

    The network is one that repeats a feature; its training is not what is measured.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # FreqAI trains on the days before now, of which the market's last month is not yet there.
    bot = running(Bot(folder, timeframes=["1h"], hours=-_WARM_UP - candles, days=60))
    start = 0.0
    for i in range(_WARM_UP + candles):
        if i == _WARM_UP:
            start = _rss_mib()
        bot.candle()
        bot.model.catch_up()
        if i % 24 == 0:
            bot.retrain()
    return {"month_start_mib": start, "month_end_mib": _rss_mib()}


def _rss_mib() -> float:
    gc.collect()
    return float(psutil.Process(os.getpid()).memory_info().rss) / 2**20
