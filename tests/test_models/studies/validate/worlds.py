"""Markets and models to validate: with an edge, without one, and with tomorrow's paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.base import columns
from models.base.types import FloatArray
from models.studies.compare import ComparedModel, Trading
from models.studies.compare.records import Truth
from models.studies.hedge.account_sizes import liquidity
from models.studies.trials.registry import TriedReturns, counted_trials, day_numbers
from models.studies.validate.measure import counted_together, judged_rows
from models.studies.validate.money import STYLES_JUDGED, JudgedMarket
from models.studies.validate.regimes import market_regimes
from models.studies.validate.styled import JudgedModel, StyledModel, daily_trial, in_styles
from models.trade.decision.signals import DecisionConfig
from tests.test_models.studies.compare.worlds import forecast

CANDLE_MS = 4 * 3_600_000
DAY = 6  # candles
SIGMA = 0.012
TRADING = Trading(cost_frac=0.0014, decision=DecisionConfig(max_hold_candles=6))
START_MS = 1_640_995_200_000  # 2022-01-01


def market(years: float = 3.0, seed: int = 0) -> JudgedMarket:
    """Candles of four hours without a trend; 200 days before the tested ones are known."""
    before, rows = 200 * DAY, int(365 * years) * DAY
    rng = np.random.default_rng(seed)
    move = SIGMA * rng.normal(size=before + rows)
    price = 100 * np.exp(np.concatenate(([0.0], np.cumsum(move))))
    opens, close = price[:-1], price[1:]
    time_ms = START_MS + CANDLE_MS * np.arange(-before, rows, dtype=np.int64)
    known = liquidity(close[:, None], np.full((before + rows, 1), 1e5), DAY)
    tested = slice(before, None)
    future = np.append(move[before + 1 :], np.nan)  # from t's close, one candle ahead
    truth = Truth(
        time_ms=time_ms[tested], open=opens[tested], outcome_return=future,
        outcome_class=np.where(
            np.isfinite(future), np.where(np.abs(future) > 0.0014, np.sign(future), 0.0), np.nan
        ),
        horizon_candles=1, candle_ms=CANDLE_MS,
    )  # fmt: skip
    return JudgedMarket(
        truth=truth, close=close[tested], regime=market_regimes(close, CANDLE_MS)[tested],
        liquidity=type(known)(
            daily_quote=known.daily_quote[tested], sigma_day=known.sigma_day[tested]
        ),
    )  # fmt: skip


def knowing(
    where: JudgedMarket, skill: float, seed: int = 0, often: float = 0.25
) -> dict[str, FloatArray]:
    """Forecasts whose claim holds `skill` of the correlation with what comes, the rest is noise.

    Claims are honest: what is claimed is what is to be expected of it.
    """
    rng = np.random.default_rng(1_000 + seed)
    known = np.nan_to_num(where.truth.outcome_return) / SIGMA
    signal = skill * known + np.sqrt(1 - skill**2) * rng.normal(size=len(known))
    asked = rng.random(len(known)) < often
    claim = np.where(asked, SIGMA * max(skill, 0.3) * signal, 0.0)
    lead = np.clip(0.3 * signal, -0.4, 0.4) * asked
    p = np.column_stack([0.45 - lead / 2, np.full(len(lead), 0.1), 0.45 + lead / 2])
    out = forecast(p, claim)
    out[columns.SIGMA] = np.full(len(lead), SIGMA)
    return out


def model(name: str, *forecasts: dict[str, FloatArray]) -> JudgedModel:
    return JudgedModel(
        entry=ComparedModel(
            name=name, title=name, forecasts=forecasts, fit_seconds=1.0, parameters=1.0
        )
    )


def tried(where: JudgedMarket, every: list[StyledModel]) -> list[TriedReturns]:
    """Return every seed of these models as a trial."""
    return [
        daily_trial(seed, where.truth.time_ms, key=one.keys[n], by="test", model=one.title,
                    style="s", number=n, settings="")
        for one in every for n, seed in enumerate(one.seeds)
    ]  # fmt: skip


def with_keys(where: JudgedMarket, models: list[JudgedModel], styles: int) -> list[StyledModel]:
    return [
        StyledModel(one.model, one.style, one.seeds,
                    [f"{one.title} {n}" for n in range(len(one.seeds))])
        for one in in_styles(models, where.truth, TRADING, STYLES_JUDGED[:styles])
    ]  # fmt: skip


def judge(
    where: JudgedMarket,
    models: list[JudgedModel],
    besides: Sequence[TriedReturns] = (),
    styles: int = 1,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return what the pipeline says of models, other trials of the registry counted."""
    every = with_keys(where, models, styles)
    days = day_numbers(where.truth.time_ms)
    found = counted_trials([*besides, *tried(where, every)], np.arange(days[0], days[-1] + 1))
    together = counted_together(found)
    return judged_rows(every, where, TRADING, models[0].entry.name, found, together), together


def noise_trials(where: JudgedMarket, count: int) -> list[TriedReturns]:
    models = [model(f"noise {n}", knowing(where, 0.0, n)) for n in range(count)]
    return tried(where, with_keys(where, models, 1))
