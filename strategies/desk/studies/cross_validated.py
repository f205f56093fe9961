"""Combinatorial purged cross-validation of models on one market, a training for every split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from models.base.errors import PackError
from models.base.types import FloatArray, TrainingJob
from models.base.units import DAY_MS
from models.data.features.candles import LOOKBACK
from models.data.labels.targets import label_columns
from models.learn import catalog
from models.learn.jobs.executor import Executor
from models.learn.jobs.job import MarketRows, feature_matrix
from models.studies.compare import ComparedModel
from models.studies.validate.combinatorial import HeldGroups, path_rows
from strategies.desk.studies.compare import ComparedWalk
from strategies.desk.studies.walk import WalkForwardFold, fold_forecast, kept_artifacts, truth
from strategies.desk.terminal.waiting import CountedSteps

CHEAP: Final = ("volatility", "linear", "boosted")  # by default: a training takes a minute or less
_EMBARGO_DAYS: Final = 11  # as far as a forecast looks back, on candles of an hour


def held_groups(walk: ComparedWalk) -> HeldGroups:
    """Return the groups of a walk's whole history.

    Raises
    ------
    InputError
        If it is too short for them.
    """
    return HeldGroups(
        rows=(LOOKBACK, len(walk.market)),
        purge=walk.settings.labels.purge_candles,
        embargo=_EMBARGO_DAYS * DAY_MS // walk.candle_ms,
    )


def cross_validated(
    walk: ComparedWalk, names: Sequence[str], executor: Executor, failures: list[str]
) -> list[dict[str, Any]]:
    """Return the rows of every model that could be trained; the others are added to `failures`."""
    if not names:
        return []
    groups, out = held_groups(walk), []
    progress = CountedSteps(len(names) * len(groups.splits))
    folds = [WalkForwardFold(0, *edge) for edge in groups.edges]
    outcomes = truth(walk.market, folds, walk.settings, walk.candle_ms)
    for number, name in enumerate(names, start=1):
        try:
            entry = _entry(walk, groups, name, executor, progress)
        except PackError as error:
            failures.append(f"{name}, cross-validated: {error}")
            print(f"error: {name}: {error}", flush=True)
            progress.done = number * len(groups.splits)
            continue
        out += path_rows(entry, outcomes, walk.trading)
    return out


def _entry(
    walk: ComparedWalk,
    groups: HeldGroups,
    name: str,
    executor: Executor,
    progress: CountedSteps,
) -> ComparedModel:
    """Return one model whose forecasts are the paths."""
    rows = MarketRows(
        features=feature_matrix(list(walk.features.values())),
        feature_names=tuple(walk.features),
        labels=label_columns(walk.market, walk.candle_ms, walk.settings.labels),
        time_ms=walk.market.time_ms,
        candle_ms=walk.candle_ms,
    )
    jobs = (_job(walk, rows, groups, split, name) for split in groups.splits)
    found: dict[tuple[int, int], dict[str, FloatArray]] = {}
    trained = kept_artifacts(walk.options.userdir, jobs, executor, walk.options.jobs)
    seconds, absent = [], ()
    for number, (job, artifact) in enumerate(trained):
        for group in groups.splits[number]:
            fold = WalkForwardFold(0, *groups.edges[group])
            found[number, group] = fold_forecast(artifact, walk.market, walk.features, fold)
        seconds.append(artifact.manifest["seconds"]["fit"])
        absent = artifact.manifest.get("absent_heads", ())
        progress.step(job.title)
    return ComparedModel(
        name=name, title=catalog.titles()[name], forecasts=groups.joined(found),
        fit_seconds=float(np.mean(seconds)), parameters=float("nan"), absent=absent,
    )  # fmt: skip


def _job(
    walk: ComparedWalk, rows: MarketRows, groups: HeldGroups, split: Sequence[int], name: str
) -> TrainingJob:
    """Return the training that has no row of the held groups; a gap is left where they were."""
    known = rows.cut(groups.trained(split, len(rows.time_ms)))
    title = f"{name} without groups {' and '.join(str(1 + group) for group in split)}"
    return known.job(name, settings=walk.options.settings, seed=0, title=title)
