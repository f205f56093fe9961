"""A page stays below two megabytes: with years of candles, many pairs and many trades."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from models.reports.backtest.build import backtest_numbers
from models.reports.backtest.page import backtest_page
from tests.test_models.reports.records import PAIR, make_record

MOST_BYTES = 2_000_000


def test_page_when_the_run_is_two_years_of_four_pairs_then_it_is_below_two_megabytes() -> None:
    record = make_record(days=730)
    assert len(record.trades) > 500
    names = [f"{coin}/USDT:USDT" for coin in ("BTC", "ETH", "LTC", "XRP")]
    several: dict[str, Any] = {
        "pairs": tuple(names),
        "candles": dict.fromkeys(names, record.candles[PAIR]),
        "forecasts": tuple(dataclasses.replace(record.forecasts[0], pair=name) for name in names),
        "trades": tuple(
            dataclasses.replace(t, pair=names[i % 4]) for i, t in enumerate(record.trades)
        ),
    }
    wide = dataclasses.replace(record, **several)
    page = backtest_page(wide, backtest_numbers(wide))
    assert len(set(re.findall(r'data-figure="trades-\d"', page))) == 4
    assert len(page.encode()) < MOST_BYTES
