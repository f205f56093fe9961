"""From forecasts to a judgement: every model in every style, by its worst seed, with all trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from models.evaluate.metrics.equity import DAYS_PER_YEAR, drawdown, sharpe
from models.evaluate.metrics.overfit import CSCV_BLOCKS, deflated_sharpe, overfit_interval
from models.evaluate.metrics.resampling import (
    UNKNOWN,
    Estimate,
    block_length,
    circular_ratio,
)
from models.studies.compare import ComparedModel, Trading, Truth, measure_models
from models.studies.compare.measure import gains_by_row
from models.studies.trials.registry import CountedTrials
from models.studies.validate.calibrated import kept_odds
from models.studies.validate.gates import gates_of, judgement
from models.studies.validate.money import (
    JudgedMarket,
    TradedSeed,
    conditions,
    money_by_crash,
    money_by_regime,
    worst_of,
    worst_seed,
)
from models.studies.validate.rivals import rival_returns, superiority
from models.studies.validate.styled import JudgedModel, StyledModel

PLAIN_RIVALS: Final = {"linear": "over_linear", "boosted": "over_trees"}  # what is simpler
_LEAST_DAYS: Final = 4 * CSCV_BLOCKS  # of a span that can be halved so often


def counted_together(trials: CountedTrials, seed: int = 0) -> dict[str, Any]:
    """Return what all trials say together: how many, and the probability of overfitting."""
    days, n = trials.over.shape
    pbo = UNKNOWN
    if n >= 2 and days >= _LEAST_DAYS:
        pbo = overfit_interval(trials.over, np.random.default_rng(seed))
    return {"tried": trials.tried, "over": n, "days": days, "pbo": pbo.as_dict()}


def judged_rows(
    every: Sequence[StyledModel],
    market: JudgedMarket,
    trading: Trading,
    reference: str,
    trials: CountedTrials,
    together: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Return one row for each model in each style, its gates and its judgement in it.

    Parameters
    ----------
    trials
        Of the registry, those of `every` among them: theirs are found by their keys.
    together
        As `counted_together` returns it.
    """
    entries = list({one.model.entry.name: one.model.entry for one in every}.values())
    skills = {row["name"]: row for row in measure_models(entries, market.truth, trading, reference)}
    for name, rival in PLAIN_RIVALS.items():
        for entry in entries:
            skills[entry.name][rival] = _ahead_of(entry, name, entries, market.truth).as_dict()
    rivals = superiority(trials.over, rival_returns(market, trading)) if trials.keys else {}
    rows = []
    for one in every:
        row = _row(one, market, trading, skills[one.model.entry.name])
        place = trials.keys.index(one.keys[row["seed"]])
        row["deflated"] = _deflation(one.seeds[row["seed"]], trials)
        row["rivals"] = {
            name: {"p": found["p"], "superior": bool(found["superior"][place])}
            for name, found in rivals.items()
        }
        gates = gates_of(row, together)
        row["gates"] = [gate.as_dict() for gate in gates]
        row["passed"] = all(gate.passed for gate in gates)
        row["judgement"] = judgement(row["title"], gates)
        rows.append(row)
    return rows


def _ahead_of(
    entry: ComparedModel, rival: str, entries: Sequence[ComparedModel], truth: Truth
) -> Estimate:
    """Return the gain beyond a rival's, candle by candle, millibits; unknown where it is absent."""
    found = [other for other in entries if other.name == rival]
    if not found or entry.name == rival:
        return UNKNOWN
    ours, theirs = (gains_by_row(one, truth).total.mean(axis=0) for one in (entry, found[0]))
    n = len(truth.time_ms)
    block = block_length(n, truth.horizon_candles)
    return circular_ratio(ours - theirs, np.ones(n), block, np.random.default_rng(0))


def _row(
    one: StyledModel, market: JudgedMarket, trading: Trading, skill: Mapping[str, Any]
) -> dict[str, Any]:
    number = worst_seed(one.seeds)
    seed = one.seeds[number]
    regimes, crashes = money_by_regime(seed, market), money_by_crash(seed, market)
    found = conditions(seed.position, market, trading)
    value = np.exp(np.cumsum(seed.daily))
    return {
        "name": one.model.entry.name,
        "title": one.title,
        "style": one.style.title,
        "seed": number,
        "seeds": len(one.seeds),
        "noticed": one.model.noticed,
        "trades": found["trades"],
        "net": float(seed.rows.sum()),
        "sharpe": float(np.nan_to_num(sharpe(seed.daily))),
        "drawdown": float(drawdown(value, 1.0).max()),
        "conditions": found,
        "regimes": regimes,
        "crashes": crashes,
        "worst_regime": worst_of(regimes),
        "worst_crash": worst_of(crashes),
        "accuracy": float(skill["accuracy"]["value"]),
        "slope": skill["slope"],
        "skill": skill,
    }


def _deflation(seed: TradedSeed, trials: CountedTrials) -> dict[str, Any]:
    enough = len(trials.sharpes) >= 2 or trials.tried == 1
    if not enough:
        nothing = float("nan")
        return {"probability": nothing, "observed": nothing, "bar": nothing,
                "trials": trials.tried}  # fmt: skip
    return deflated_sharpe(seed.daily, trials.sharpes, trials.tried, DAYS_PER_YEAR).as_dict()


def odds_of(models: Sequence[JudgedModel], market: JudgedMarket) -> dict[str, dict[str, Any]]:
    """Return how each model's probabilities came true, of its first seed, by its title."""
    return {
        one.entry.title: kept_odds(
            one.entry.forecasts[0], market.truth, market.regime, np.random.default_rng(0)
        )
        for one in models
    }
