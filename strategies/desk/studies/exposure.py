"""`breakwater exposure`: is exposure scaled by forecast volatility worth its trading?

Forecasts are walk-forward: every refit knows the candles before its span and nothing else. Held
against them, at the same mean exposure: a constant one, one scaled by the pack's own estimate from
the past (the `sigma` of every model that forecasts none), and that estimate trading as much.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from freqtrade.exchange import timeframe_to_msecs

from models.base import columns
from models.base.errors import ConfigError
from models.base.types import Candles, FloatArray, IntArray
from models.base.units import HOUR_MS
from models.data.features.candles import sigma_per_candle
from models.learn import catalog
from models.learn.jobs.executor import Executor, ProcessExecutor
from models.reports.exposure.page import exposure_markdown, exposure_verdict, write_exposure
from models.studies.exposure.measure import daily_log, measure_exposure
from models.studies.exposure.walk import ExposureMarket, HeldExposure, at_mean, at_turnover
from models.trade.decision.volatility_target import VolatilityTargetConfig, daily_volatility
from strategies.bot.data_files import MARKER
from strategies.desk.backtests.data import load_checked, load_funding
from strategies.desk.backtests.results import commit
from strategies.desk.studies.refits import RefitOptions, date_of, walk_forward_forecast
from strategies.desk.terminal.room import kept_report
from strategies.desk.terminal.waiting import PatientWait

_FORECAST: Final = "forecast"
_TRAILING: Final = "trailing"
_AS_OFTEN: Final = "trailing_as_often"
_CONSTANT: Final = "constant"


@dataclass(frozen=True, kw_only=True)
class ExposureOptions(RefitOptions):
    """What the person asked for."""

    model: str = "volatility"
    horizon_candles: int = 24
    mean_exposure: float = 1.0  # notional over equity, of every way
    target: VolatilityTargetConfig = field(default_factory=VolatilityTargetConfig)  # its band

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.mean_exposure <= 3:
            raise ConfigError(f"expected 0 < mean_exposure <= 3, got {self.mean_exposure}")


def run_exposure(options: ExposureOptions, executor: Executor | None = None) -> int:
    """Forecast, hold, measure, and write the page; return the process exit code."""
    candle_ms = timeframe_to_msecs(options.timeframe)
    market = load_checked(options.data, options.pair, options.timeframe)
    sigma = walk_forward_sigma(
        market, candle_ms, options, executor or ProcessExecutor(workers=options.jobs)
    )
    rows = np.flatnonzero(np.isfinite(sigma))
    span = slice(int(rows[0]), int(rows[-1]) + 1)
    held_over = _market(market, span, options)
    ahead = daily_volatility(sigma[span], options.horizon_candles, candle_ms)
    behind = daily_volatility(sigma_per_candle(market.close)[span], 1, candle_ms)
    cost = options.target.cost_frac
    with PatientWait("holding and measuring"):
        entries = ways_to_hold(ahead, behind, held_over.moves(), options)
        measured = measure_exposure(entries, held_over, cost, subject=_FORECAST)
    curves = {e.title: np.exp(np.cumsum(daily_log(e, held_over, cost))) for e in entries}
    headline, sentence = exposure_verdict(measured)
    print(f"\n{exposure_markdown(measured)}\n{headline} {sentence}", flush=True)
    run, now_ms = _provenance(options, market, span), int(datetime.now(UTC).timestamp() * 1000)
    folder = kept_report(
        lambda place: write_exposure(measured, curves, run, place, now_ms),
        options.userdir / "reports",
    )
    print(f"report: {folder / 'index.html'}")
    return 0


def ways_to_hold(
    forecast: FloatArray, trailing: FloatArray, move: FloatArray, options: ExposureOptions
) -> list[HeldExposure]:
    """Return every way to hold the same mean exposure over the same candles.

    Parameters
    ----------
    forecast, trailing
        (N,) volatility of one day, known at each candle's close.
    move
        (N,) simple return of each candle, from its open to the next one's.
    """
    mean, config = options.mean_exposure, options.target
    ahead = at_mean(forecast, mean, config, move)
    paths = {
        (_FORECAST, "forecast volatility"): ahead,
        (_TRAILING, "trailing volatility"): at_mean(trailing, mean, config, move),
        (_AS_OFTEN, "trailing, trading as much"): at_turnover(
            trailing, mean, float(ahead[1].sum()), config, move
        ),
        (_CONSTANT, "constant exposure"): at_mean(np.ones(len(move)), mean, config, move),
    }
    return [
        HeldExposure(name=name, title=title, exposure=exposure, traded=traded)
        for (name, title), (exposure, traded) in paths.items()
    ]


def walk_forward_sigma(
    market: Candles, candle_ms: int, options: ExposureOptions, executor: Executor
) -> FloatArray:
    """Return the forecast of volatility over the horizon, (N,), NaN before the first span.

    A row that abstains is not known either.
    """
    answer = walk_forward_forecast(market, candle_ms, options, executor)
    known = answer[columns.ABSTAIN] == 0
    return np.where(known, answer[columns.SIGMA], np.nan)


def _market(market: Candles, span: slice, options: ExposureOptions) -> ExposureMarket:
    """Return the candles of the span with what funding a long pays at each one's open."""
    times = market.time_ms[span]
    return ExposureMarket(
        time_ms=times,
        open=market.open[span],
        close=market.close[span],
        funding=funding_at_opens(times, *load_funding(options.data, options.pair)),
    )


def funding_at_opens(time_ms: IntArray, paid_ms: IntArray, rates: FloatArray) -> FloatArray:
    """Return the rates paid at each candle's open (N,), of payments (P,) and their rates.

    What is paid within a candle, as twice within one of a day, is charged at the next one's open,
    to what was held until then.

    Examples
    --------
    >>> payments = np.arange(7) * 8 * HOUR_MS + 5
    >>> funding_at_opens(np.array([0, 24, 48]) * HOUR_MS, payments, np.full(7, 0.0001))
    array([0.0001, 0.0003, 0.0003])
    """
    at = paid_ms // HOUR_MS * HOUR_MS  # stamped some milliseconds late
    within = (time_ms[0] <= at) & (at <= time_ms[-1])
    out = np.zeros(len(time_ms))
    np.add.at(out, np.searchsorted(time_ms, at[within]), rates[within])
    return out


def _provenance(options: ExposureOptions, market: Candles, span: slice) -> dict[str, Any]:
    """Return what the report says of how it was made."""
    digest = hashlib.sha256(np.column_stack([market.open, market.close]).tobytes()).hexdigest()
    first, last = (date_of(int(ms)) for ms in market.time_ms[span][[0, -1]])
    simulated = (options.data / MARKER).is_file()
    return {
        "title": f"Exposure to {options.pair} scaled by volatility",
        "span": f"{first} to {last}, a refit every {options.refit_days} days",
        "data": "simulated market" if simulated else "real candles",
        "simulated": simulated,
        "data_sha256": digest,
        "model": catalog.titles()[options.model],
        "horizon_candles": options.horizon_candles,
        "mean_exposure": options.mean_exposure,
        "cost_frac": options.target.cost_frac,
        "target": dataclasses.asdict(options.target),
        "first_ms": int(market.time_ms[span][0]),
        "commit": commit(),
        "versions": {
            name: importlib.metadata.version(name) for name in ("breakwater", "freqtrade", "numpy")
        },
    }
