"""Replays of crashes as the stress page shows them."""

from __future__ import annotations

from dataclasses import replace

from models.reports.stress.page import HEDGED
from models.studies.stress.numbered import NumberedSummary
from models.studies.stress.summary import NaiveSummary, StressSummary, WorstPath

RUN = {"title": "Crashes", "data": "recorded candles", "simulated": False, "every": "hour",
       "outage": "15 minutes", "config": "a.json",
       "left_out": ["2020, BTC/USDT, 5m: 3 holes"]}  # fmt: skip
BTC = StressSummary(
    name="2020", coin="BTC", market="perpetual", account="always long", candle_ms=3_600_000,
    first_ms=0, last_ms=10**9, outage_s=0.0, starts=700, between_starts_s=3600.0, liquidated=0,
    quantiles_frac=[0.75, 0.8, 0.9, 0.95, 0.97], worst_start_ms=1_583_992_800_000,
    worst_final_frac=0.76, nearest_frac=float("inf"), gap_frac=0.28, halts=650,
    worst=WorstPath(start_ms=0, time_ms=[0, 3_600_000], equity_frac=[1.0, 0.75]),
)  # fmt: skip
LATE = replace(BTC, outage_s=900.0, quantiles_frac=[0.72, 0.8, 0.9, 0.95, 0.97])
LTC = replace(BTC, coin="LTC", name="2025", account="always short", nearest_frac=0.4)
HEDGE = replace(BTC, coin="LTC", account=HEDGED, quantiles_frac=[0.9] * 5)
ROWS = [BTC, LATE, LTC, HEDGE]
NAIVE = [("2020, BTC, perpetual", NaiveSummary(starts=9, liquidated=8, fastest_ms=3_600_000,
                                               median_ms=7_200_000))]  # fmt: skip
HELD = NumberedSummary(
    name="2025", leverage=3.0, number_frac=0.15, may_reduce=False, record="as shipped",
    known_frac=0.61, fall_frac=0.61, starts=48, whole=0, cut=47, refused=1, opened_frac=0.246,
    held_back_by={"worst_day_bearable": 48}, cost_frac=0.1491, alone_frac=0.1671,
    worst_start_ms=1_583_992_800_000, broken={}, liquidated=0,
)  # fmt: skip
BROKEN = replace(HELD, record="as known the day before", known_frac=0.53, opened_frac=0.28,
                 cost_frac=0.17, broken={"a fall beyond the record": 32})  # fmt: skip
NUMBERED_RUN = {"title": "Number", "data": "recorded candles", "simulated": False,
                "config": "h.json", "history": True}  # fmt: skip
