"""The process that computes one outlook: reads a request, answers, ends.

It ends with the bot: whose child it is it looks at every second. What it may take of the machine
is bounded, and it gives way to everything else; when memory runs out the kernel takes it first.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from threading import Thread
from typing import Any, Final

import numpy as np
from freqtrade.enums import CandleType
from freqtrade.exchange import timeframe_to_msecs

from models.base.errors import PackError
from models.base.types import Candles
from models.base.units import DAY_MS
from models.operate.control.outlook import Odds, Outlook, OutlookHorizon, OutlookSize
from models.scenarios.history import FundingRows, GatheredHistory, coarser, gather_history
from models.trade.account.scenario_scale import LEVERAGES, chances_by_leverage
from models.trade.account.scenario_summary import (
    AccountDistribution,
    Chance,
    account_outcomes,
    distribution_of,
)
from strategies.bot.data_files import MARKER, DataFile
from strategies.bot.market_data import has_funding, load_checked, load_funding
from strategies.bot.outlook_request import (
    OutlookConfig,
    OutlookRequest,
    ScenarioRequest,
    read_request,
)

HORIZON_DAYS: Final = (1, 3, 7)
REFUSED: Final = 3  # exit status: the answer says why there is no outlook
_LOOKS_S: Final = 1.0
_NEEDS: Final = "pip install 'breakwater[tails]', or breakwater.outlook.engine: bootstrap"


def compute_outlook(request: OutlookRequest, newest: Mapping[str, Candles]) -> Outlook:
    """Return the outlook that is asked for; `newest` are the candles the bot has of each pair.

    Raises
    ------
    PackError
        If there are too few candles, the engine cannot be fitted, or the account is liquidated.
    ModuleNotFoundError
        If the engine's own library is not installed.
    """
    from models.scenarios.catalog import (  # may need what is not installed
        PASSING_ENGINES,
        scenario_engine,
    )

    asked, account = request.asked, request.scenario_account()
    gathered = _gathered(request, newest)
    history = gathered.history
    horizons = tuple(days * DAY_MS // request.candle_ms for days in HORIZON_DAYS)
    leverage = account.account.gross_notional(account.marks) / request.equity_quote
    fitted = scenario_engine(asked.engine).fit(history)
    (lived,) = account_outcomes(
        [account], history.coins,
        fitted.given(history).draw(asked.paths, horizons[-1], asked.seed), horizons,
        largest_scale=max(LEVERAGES) / leverage,
    )  # fmt: skip
    known = distribution_of(lived, horizons)
    return Outlook(
        time_ms=request.time_ms,
        until_ms=int(history.time_ms[-1]) + history.candle_ms,
        candle_ms=history.candle_ms,
        first_ms=int(history.time_ms[0]),
        engine=asked.engine,
        engine_passed=asked.engine in PASSING_ENGINES,
        seed=asked.seed,
        paths=asked.paths,
        simulated=(Path(request.datadir) / MARKER).is_file(),
        equity_quote=request.equity_quote,
        leverage=leverage,
        positions=request.positions,
        levels=known.levels,
        horizons=tuple(_horizon(known, k, days) for k, days in enumerate(HORIZON_DAYS)),
        by_leverage=tuple(
            OutlookSize(leverage=size, liquidated=tuple(map(_odds, row)))
            for size, row in zip(LEVERAGES, chances_by_leverage(lived.scale, leverage), strict=True)
        ),
        distance=_told(known.distance),
        notes=gathered.notes,
        engine_notes=fitted.notes,
    )


def _horizon(known: AccountDistribution, k: int, days: int) -> OutlookHorizon:
    worst_1, worst_01 = _told([known.worst_1[k], known.worst_01[k]])
    return OutlookHorizon(
        days=days, equity=_told(known.equity[k]), mean=float(known.mean[k]),
        worst_1=worst_1, worst_01=worst_01,
        liquidated=_odds(known.at_extremes[k]), liquidated_at_closes=_odds(known.at_closes[k]),
    )  # fmt: skip


def _odds(chance: Chance) -> Odds:
    return Odds(share=chance.share, low=chance.low, high=chance.high)


def _told(values: Any) -> tuple[float | None, ...]:
    return tuple(float(value) if np.isfinite(value) else None for value in values)


def _gathered(request: OutlookRequest, newest: Mapping[str, Candles]) -> GatheredHistory:
    """Return the history that is known at the request's time, of all coins that are held."""
    datadir, pairs = Path(request.datadir), [p.pair for p in request.positions]
    funding = {}
    for pair in (p for p in pairs if has_funding(datadir, p)):
        time_ms, rate = load_funding(datadir, pair)
        paid = time_ms < request.until_ms
        funding[pair] = FundingRows(time_ms=time_ms[paid], rate=rate[paid])
    candles = {pair: known_candles(request, pair, newest.get(pair)) for pair in pairs}
    return gather_history(candles, request.candle_ms, funding=funding)


def known_candles(request: ScenarioRequest, pair: str, newest: Candles | None) -> Candles:
    """Return a pair's candles, older ones from the data directory, closed at `until_ms`."""
    own_ms = timeframe_to_msecs(request.timeframe)
    older = _on_disk(request, pair)
    if newest is None or not len(newest):
        joined = older
    else:
        before = older.cut(older.time_ms < newest.time_ms[0])
        joined = Candles(**{
            name: np.concatenate([getattr(before, name), getattr(newest, name)])
            for name in (f.name for f in fields(Candles))
        })  # fmt: skip
    known = joined.cut(joined.time_ms + own_ms <= request.until_ms)
    if own_ms == request.candle_ms or not len(known):
        return known
    return coarser(known, own_ms, request.candle_ms)


def _on_disk(request: ScenarioRequest, pair: str) -> Candles:
    """Return the candles of the data directory; none is what a bot without FreqAI may have."""
    file = DataFile(
        datadir=Path(request.datadir), pair=pair, timeframe=request.timeframe,
        candle_type=CandleType.FUTURES,
    )  # fmt: skip
    if file.path.is_file():
        return load_checked(Path(request.datadir), pair, request.timeframe)
    none = np.empty(0)
    return Candles(time_ms=np.empty(0, np.int64), open=none, high=none, low=none, close=none,
                   volume=none)  # fmt: skip


# -- the process ----------------------------------------------------------------------------


def run_worker() -> None:
    """Answer the request on the standard input; the process's whole life."""
    asker = os.getppid()
    request, newest = read_request(OutlookRequest, sys.stdin.buffer.read())
    begin_work(request.asked, asker)
    _answer(lambda: compute_outlook(request, newest))


def begin_work(asked: OutlookConfig, asker: int) -> None:
    """Take no more of the machine than is allowed, and no longer than `asker` lives."""
    Thread(target=end_with, args=(asker, asked.limit_s), daemon=True).start()
    _give_way()
    _limit(asked.memory_mib << 20, round(asked.limit_s) + 1)


def _answer(compute: Callable[[], Outlook]) -> None:
    try:
        sys.stdout.write(json.dumps(asdict(compute()), allow_nan=False))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is why there is no outlook
        _refuse(why_none(error))
    sys.stdout.flush()


def why_none(error: Exception) -> str:
    """Return in words why scenarios could not be drawn."""
    match error:
        case PackError():
            return error.problem
        case ModuleNotFoundError():
            return f"it needs {error.name}, which is not installed: {_NEEDS}"
        case MemoryError():
            return "it needs more memory than breakwater.outlook.memory_mib lets it have"
    return f"{type(error).__name__}: {error}"


def _refuse(problem: str) -> None:
    sys.stdout.write(json.dumps({"problem": problem[:500]}))
    sys.stdout.flush()
    sys.exit(REFUSED)


def end_with(asker: int, limit_s: float) -> None:
    """End this process once the bot is gone, which could not say so, or it has taken too long."""
    begun_s = time.monotonic()
    while os.getppid() == asker and time.monotonic() - begun_s < limit_s:
        time.sleep(_LOOKS_S)
    os.kill(os.getpid(), signal.SIGKILL)  # from this thread; nothing is left half-written


def _give_way() -> None:
    """Take what the machine has left over, and be the first to go when memory runs out."""
    os.nice(19)
    score = Path("/proc/self/oom_score_adj")
    if score.exists():
        score.write_text("1000")


def _limit(memory: int, processor_s: int) -> None:
    statm = Path("/proc/self/statm")
    if statm.exists():  # Linux; elsewhere the limits of time have to do
        used = int(statm.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + memory, used + memory))
    resource.setrlimit(resource.RLIMIT_CPU, (processor_s, processor_s))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
