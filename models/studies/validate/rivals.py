"""What a model has to be better than: cash, the coin, the coin at a target risk; by how sure.

Superior predictive ability: Hansen, "A Test for Superior Predictive Ability", Journal of Business &
Economic Statistics 23, 2005. StepM: Romano & Wolf, "Stepwise Multiple Testing as Formalized Data
Snooping", Econometrica 73, 2005. Both know how many were tried at once; implemented by `arch`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from arch.bootstrap import SPA, StepM

from models.base.errors import AlignmentError
from models.base.types import FloatArray
from models.data.features.candles import sigma_per_candle
from models.studies.compare.money import by_day
from models.studies.compare.records import Trading
from models.studies.exposure.walk import at_mean
from models.studies.trials.registry import whole_days
from models.studies.validate.money import JudgedMarket
from models.trade.decision.volatility_target import VolatilityTargetConfig

LEVEL: Final = 0.05  # of the tests
_BLOCK_DAYS: Final = 10
_DRAWS: Final = 1_000
_MEAN_EXPOSURE: Final = 0.5  # of the coin at a target risk; it is scaled again, below
_HOURS_KNOWN: Final = 168  # rows of volatility before there is one


def rival_returns(market: JudgedMarket, trading: Trading) -> dict[str, FloatArray]:
    """Return the daily log returns (D,) of what needs no model, every day: flat, hold, target.

    The target's volatility is that of the candles before; both of the last pay to be traded, the
    coin once.
    """
    truth = market.truth
    move = np.append(np.expm1(np.diff(np.log(truth.open))), 0.0)
    sigma = sigma_per_candle(market.close) * np.sqrt(86_400_000 / truth.candle_ms)
    sigma[:_HOURS_KNOWN] = np.nan
    exposure, traded = at_mean(sigma, _MEAN_EXPOSURE, VolatilityTargetConfig(), move)
    half = 0.5 * trading.cost_frac
    hold = np.log1p(move)
    hold[0] -= half
    made = {"hold": hold, "target": np.log1p(exposure * move - half * traded)}
    daily = {k: whole_days(truth.time_ms, by_day(truth.time_ms, v)) for k, v in made.items()}
    return {"flat": np.zeros(len(daily["hold"])), **daily}


def superiority(
    returns: FloatArray, rivals: Mapping[str, FloatArray], seed: int = 0
) -> dict[str, Any]:
    """Return, for each rival, the p-value that any trial beats it and which of them do.

    Parameters
    ----------
    returns
        (D, N) daily log returns of all trials. A rival is scaled down to each trial's volatility,
        never up: what stands still most of the time is held against as little of the coin.

    Returns
    -------
    dict
        Name of the rival to ``p`` (SPA, consistent; NaN if no trial ever moved) and ``superior``,
        (N,) whether StepM holds it better at `LEVEL`.
    """
    if any(len(rival) != len(returns) for rival in rivals.values()):
        raise AlignmentError(f"expected {len(returns)} days of each rival")
    spread = returns.std(axis=0)
    moving = spread > 1e-12
    out: dict[str, Any] = {}
    for name, rival in rivals.items():
        superior = np.zeros(returns.shape[1], dtype=np.bool_)
        if not moving.any():
            out[name] = {"p": float("nan"), "superior": superior}
            continue
        wild = float(rival.std())
        share = np.minimum(spread[moving] / wild, 1.0) if wild > 0 else np.zeros(moving.sum())
        ahead = returns[:, moving] - share * rival[:, None]  # (D, M)
        test: dict[str, Any] = {"block_size": _BLOCK_DAYS, "reps": _DRAWS, "seed": seed}
        nothing = np.zeros(len(ahead))
        p_of = SPA(nothing, -ahead, **test)
        p_of.compute()
        steps = StepM(nothing, -ahead, size=LEVEL, **test)
        steps.compute()
        better = np.array(steps.superior_models, dtype=np.int64)
        superior[np.flatnonzero(moving)[better]] = True
        out[name] = {"p": float(p_of.pvalues["consistent"]), "superior": superior}
    return out
