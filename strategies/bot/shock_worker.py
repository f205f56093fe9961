"""The process that computes shocks: reads a request, answers a line a pair, ends.

It ends with the bot and gives way as the outlook's does (`outlook_worker.py`). Each line is whole
when it is out: whatever ends the process, what was said before stands.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

from models.base.errors import InputError
from models.base.types import Candles
from models.operate.control.shocks import PairShock, Unforeseen
from models.scenarios.candle_ahead import candle_shocks
from models.scenarios.history import gather_history
from models.scenarios.paths import CoinHistory
from strategies.bot.outlook_request import LEAST_SPAN_MS, TOO_FEW, ShockRequest, read_request
from strategies.bot.outlook_worker import begin_work, known_candles, why_none

SHOCK_PATHS: Final = 1_000_000  # of one candle: half a second, and an error of some 3 %


def compute_shocks(
    request: ShockRequest, newest: Mapping[str, Candles]
) -> Iterator[PairShock | Unforeseen]:
    """Yield the shock of each pair that is asked for, or why there is none; none spoils another.

    Parameters
    ----------
    newest
        The candles the bot has of each pair.
    """
    for pair in request.pairs:
        try:
            yield _shock(request, pair, newest.get(pair))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is why there is none
            yield Unforeseen(pair=pair, why=why_none(error)[:200])


def _shock(request: ShockRequest, pair: str, newest: Candles | None) -> PairShock:
    from models.scenarios.catalog import scenario_engine  # may need what is not installed

    candles = known_candles(request, pair, newest)
    history = gather_history({pair: candles}, request.candle_ms).history
    _require_years(history)
    drawn = scenario_engine(request.asked.engine).fit(history).given(history)
    shock = candle_shocks(drawn, SHOCK_PATHS, request.asked.seed)[pair]
    until_ms = int(history.time_ms[-1]) + history.candle_ms
    return PairShock(pair=pair, until_ms=until_ms, **asdict(shock))


def _require_years(history: CoinHistory) -> None:
    wanted, there = LEAST_SPAN_MS // history.candle_ms, len(history.time_ms)
    if there < wanted:
        raise InputError(f"{TOO_FEW}: {wanted:,} hours are needed, {there:,} are there")


def run_shock_worker() -> None:
    """Answer the request on the standard input; the process's whole life."""
    asker = os.getppid()
    request, newest = read_request(ShockRequest, sys.stdin.buffer.read())
    begin_work(request.asked, asker)
    for found in compute_shocks(request, newest):
        line: dict[str, Any] = asdict(found)
        sys.stdout.write(json.dumps(line, allow_nan=False) + "\n")
        sys.stdout.flush()
