"""`breakwater validate`: what a sceptic asks of every model before money is risked on it.

Models are trained and tested as `breakwater compare` does, traded in every style, entered into the
registry of trials, and judged with all that was ever tried there. A run that was stopped goes on
where it was; a model that fails is named and the others go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from models.base.errors import ConfigError, PackError
from models.base.files import iso_ms
from models.base.units import DAY_MS
from models.data.features.frame import market_features
from models.learn import catalog
from models.learn.jobs.executor import Executor
from models.learn.jobs.ray_executor import executor_of
from models.reports.validate.page import validation_markdown, write_validation
from models.studies.compare.records import Truth
from models.studies.hedge.account_sizes import KnownLiquidity, liquidity
from models.studies.probe.altered import altered_future, first_noticed
from models.studies.trials.holdout import (
    HoldoutState,
    close_holdout,
    holdout_state,
    lock_holdout,
    open_holdout,
)
from models.studies.trials.registry import TrialRegistry, counted_trials, day_numbers
from models.studies.validate.measure import counted_together, judged_rows, odds_of
from models.studies.validate.money import JudgedMarket
from models.studies.validate.regimes import market_regimes
from models.studies.validate.styled import JudgedModel, in_styles
from strategies.desk.studies.compare import (
    ComparedWalk,
    CompareOptions,
    all_compared,
    loaded_walk,
    walk_provenance,
)
from strategies.desk.studies.cross_validated import CHEAP, cross_validated, held_groups
from strategies.desk.studies.hyperopts import enter_hyperopts
from strategies.desk.studies.memory import require_study_memory
from strategies.desk.studies.refits import date_of, midnight_ms
from strategies.desk.studies.tried import keyed, tried_in
from strategies.desk.studies.walk import (
    fold_forecast,
    kept_artifact,
    truth,
    walk_forward_job,
)
from strategies.desk.terminal.room import kept_report
from strategies.desk.terminal.waiting import CountedSteps, PatientWait


@dataclass(frozen=True, kw_only=True)
class ValidateOptions:
    """What the person asked for."""

    compared: CompareOptions
    holdout: str = ""  # YYYY-MM-DD, from which day on everything is kept for one last look
    opens_holdout: bool = False  # whether this run is that look
    cross: tuple[str, ...] = CHEAP  # models of those asked for that are cross-validated, too

    def __post_init__(self) -> None:
        if self.compared.timeframe not in ("5m", "15m", "1h"):
            raise ConfigError(
                f"expected candles of 5m, 15m or 1h, got {self.compared.timeframe}",
                cure="longer candles leave too few for their regimes",
            )
        midnight_ms(self.holdout, "holdout")


def run_validate(options: ValidateOptions, executor: Executor | None = None) -> int:
    """Train, test, judge and write the report; return the process exit code."""
    registry = TrialRegistry(options.compared.userdir)
    registry.require_whole()
    enter_hyperopts(registry)
    asked = _asked(options, registry)
    names = tuple(dict.fromkeys((*(asked.models or catalog.names()), asked.reference)))
    with PatientWait("reading the candles and computing features"):
        walk = loaded_walk(asked)
    if options.cross:
        held_groups(walk)  # a history too short for its groups is told before hours of work
    require_study_memory(walk.features, len(walk.tested), len(names) * asked.seeds, asked.jobs)
    run_key = walk.ground.digest
    if options.opens_holdout:
        open_holdout(registry, run_key, int(walk.market.time_ms[-1]))
    executor = executor or executor_of(walk.settings.training, workers=asked.jobs)
    each = asked.seeds * len(walk.folds)
    print(f"{len(names)} models x {asked.seeds} seeds x {len(walk.folds)} folds = "
          f"{len(names) * each} trainings", flush=True)  # fmt: skip
    entries, failures = all_compared(walk, names, executor, CountedSteps(len(names) * each))
    if asked.reference not in [entry.name for entry in entries]:
        raise PackError(f"the reference failed: {failures}", cure="name another: --reference")
    models = [
        JudgedModel(entry=entry, noticed=_noticed(walk, entry.name, executor)) for entry in entries
    ]
    report = _judged(walk, models, registry)
    crossed = [name for name in names if name in options.cross]
    paths = cross_validated(walk, crossed, executor, failures)
    if paths:
        report |= {"paths": paths}
    run = walk_provenance(walk, failures) | {
        "paths": vars(held_groups(walk)) if crossed else {},
        "title": f"Models validated on {asked.pair} {asked.timeframe}",
        "holdout": _kept_words(holdout_state(registry)),
    }
    now_ms = int(datetime.now(tz=UTC).timestamp() * 1000)
    print(f"\n{validation_markdown(report, run)}", flush=True)
    folder = kept_report(
        lambda place: write_validation(report, run, place, now_ms), asked.userdir / "reports"
    )
    if options.opens_holdout:
        close_holdout(registry, run_key)
    print(f"report: {folder / 'index.html'}")
    for failure in failures:
        print(f"failed: {failure}")
    return 1 if failures else 0


def _asked(options: ValidateOptions, registry: TrialRegistry) -> CompareOptions:
    """Return the comparison, which ends where the hold-out begins unless this is the look at it."""
    state = holdout_state(registry)
    if options.holdout:
        start_ms = midnight_ms(options.holdout, "holdout")
        state = lock_holdout(registry, start_ms, "validate")
    if options.opens_holdout or state is None:
        return options.compared
    stop_ms = midnight_ms(options.compared.stop, "stop") or state.start_ms
    return replace(options.compared, stop=date_of(min(stop_ms, state.start_ms)))


def _kept_words(state: HoldoutState | None) -> str:
    if state is None:
        return "No days are kept unseen: whoever chose a model has seen them all."
    return state.words()


def _noticed(walk: ComparedWalk, name: str, executor: Executor) -> str:
    """Return where a model's forecasts change with the candles to come; empty if nowhere.

    Its newest training forecasts its test window twice, the second time with another future from
    the middle of the window on.
    """
    fold = walk.folds[-1]
    job = walk_forward_job(
        walk.market, walk.features, fold, name, 0, walk.candle_ms, walk.options.settings
    )
    artifact = kept_artifact(walk.options.userdir, job, executor)
    middle = (fold.split + fold.stop) // 2
    other = altered_future(walk.market, middle, np.random.default_rng(0))
    before = fold_forecast(artifact, walk.market, walk.features, fold)
    after = fold_forecast(artifact, other, market_features(other, walk.candle_ms), fold)
    found = first_noticed(before, after, middle - fold.split)
    if found is None:
        return ""
    at = iso_ms(int(walk.market.time_ms[fold.split + found.row]))
    return f"{found.column} at {at}, {middle - fold.split - found.row} candles before they change"


def _judged(
    walk: ComparedWalk, models: Sequence[JudgedModel], registry: TrialRegistry
) -> dict[str, Any]:
    """Return every number of the report."""
    outcomes = truth(walk.market, walk.folds, walk.settings, walk.candle_ms)
    market = judged_market(walk, outcomes)
    every = keyed(in_styles(models, outcomes, walk.trading), walk.ground, walk.trading)
    entered = registry.enter(tried_in(every, walk.ground, "validate"))
    days = day_numbers(outcomes.time_ms)
    trials = counted_trials(registry.trials(), np.arange(days[0], days[-1] + 1))
    print(f"trials: {entered} entered, {trials.tried} so far", flush=True)
    with PatientWait("judging every model with all trials"):
        together = counted_together(trials)
        rows = judged_rows(every, market, walk.trading, walk.options.reference, trials, together)
        odds = odds_of(models, market)
    rows.sort(key=lambda row: (not row["passed"], -sum(g["passed"] for g in row["gates"])))
    return {"rows": rows, "together": together, "odds": odds, "known": _known_failures(models)}


def _known_failures(models: Sequence[JudgedModel]) -> dict[str, list[str]]:
    """Return what breaks each model, as its own file says."""
    return {one.entry.title: list(catalog.load(one.entry.name).failure_modes) for one in models}


def judged_market(walk: ComparedWalk, outcomes: Truth) -> JudgedMarket:
    """Return the market over the tested rows, with what was known of it at the time."""
    market = walk.market
    day = DAY_MS // walk.candle_ms
    known = liquidity(market.close[:, None], market.volume[:, None], day)
    rows = walk.tested
    return JudgedMarket(
        truth=outcomes,
        close=market.close[rows],
        regime=market_regimes(market.close, walk.candle_ms)[rows],
        liquidity=KnownLiquidity(
            daily_quote=known.daily_quote[rows], sigma_day=known.sigma_day[rows]
        ),
    )
