"""Fitting a tree architecture: boosted heads, a forest beside them, their pool, and the graph.

1. The training rows are cut into blocks of time, each held out once, with the reach of the
   furthest label purged on both sides. Never at random: a row's neighbours are near copies of it.
2. Out of these blocks come the number of boosting rounds of each head and, for the Ensemble, the
   weights of forest, boosting and prior in the pool.
3. All members are fitted again on all training rows. The features' importance is measured on the
   validation rows, on which nothing was chosen; where every row trains, on the newest block, of
   the boosted direction that did not see it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn
import xgboost

from models.base.columns import QUANTILES
from models.base.types import Float32Array, FloatArray
from models.learn.training.fitted import Fitted
from models.learn.training.prepare import Prepared
from models.learn.trees.base import EnsembleConfig
from models.learn.trees.boosting import (
    Blocks,
    Boosted,
    DirectionHead,
    HazardHead,
    Head,
    QuantileHead,
    choose_rounds,
)
from models.learn.trees.forest import OUTPUTS, Forest, grow
from models.learn.trees.graph import check_against_members
from models.learn.trees.importance import permutation_importance
from models.learn.trees.model import HAZARDS, POOLED, TreeModel, forest_members
from models.learn.trees.pool import fit_weights, pooled
from models.learn.trees.table import Table, feature_table, purged_blocks
from models.serve.session import Session

_PARITY_ROWS = 2000  # training rows compared at export: thresholds were taken from such rows
_DAY = 24  # fewest rows that a permutation moves together


def fit_trees(data: Prepared) -> Fitted:
    """Fit the trees of `data` and export them.

    Raises
    ------
    InputError
        If a block of the training rows has too few rows with features and labels.
    ArtifactError
        If the exported graph does not answer as the fitted trees.
    """
    started = time.monotonic()
    rows = feature_table(data, data.split.train)
    blocks = blocks_of(rows, data)
    fitted = fit_members(rows, blocks, data)
    seconds = time.monotonic() - started
    onnx = exported(fitted.model, rows, data)
    trees = fitted.model.trees()
    return Fitted(
        onnx=onnx,
        seconds=seconds,
        left_out=left_out_of(fitted, rows, data) if data.blocks else None,
        facts={
            "parameters": sum(int(tree.leaves.sum()) for tree in trees),  # leaves
            "trees": len(trees),
            "blocks": len(blocks),
            "out_of_fold": fitted.facts,
            "importance": _importance(onnx, fitted, data),
            "libraries": {"scikit-learn": sklearn.__version__, "xgboost": xgboost.__version__},
        },
    )


@dataclass(frozen=True)
class FittedTrees:
    """Members fitted on all rows, and what they said of rows they had not seen."""

    model: TreeModel
    heads: dict[str, Head]
    out_of_fold: dict[str, FloatArray]  # (R, C) by head, pooled; the hazards' are f, C = 1
    facts: dict[str, Any]  # rounds, weights and losses by head
    newest: Boosted  # direction, fitted without the newest block, and its rounds
    rounds: int


def blocks_of(rows: Table, data: Prepared) -> Blocks:
    """Return the purged blocks of the training rows."""
    purge, blocks = data.settings.labels.purge_candles, len(data.blocks) or data.config.blocks
    return purged_blocks(rows.row, data.split.train, blocks, purge)


def left_out_of(fitted: FittedTrees, rows: Table, data: Prepared) -> FloatArray:
    """Return the outputs (N, H) on each of `rows` by trees not fitted on it, NaN elsewhere."""
    out = np.full((len(data.job.time_ms), data.layout.width), np.nan)
    model, said = fitted.model, fitted.out_of_fold
    for name in said:
        answer = said[name]
        if name in HAZARDS:
            answer = model.prior[model.columns(name)] + answer
        out[rows.row, model.columns(name)] = (
            np.sort(answer, axis=1) if name == "quantiles" else answer
        )
    return out


def exported(model: TreeModel, rows: Table, data: Prepared) -> bytes:
    """Return the graph of `model`, compared with it on some of the rows it was fitted on."""
    onnx = model.to_onnx(len(data.job.feature_names))
    some = np.linspace(0, len(rows) - 1, min(_PARITY_ROWS, len(rows))).astype(np.int64)
    check_against_members(onnx, rows.x[some], model.outputs(rows.x[some]))
    return onnx


def fit_members(rows: Table, blocks: Blocks, data: Prepared) -> FittedTrees:
    """Choose rounds and weights on the blocks, and fit all members on `rows`."""
    prior = tree_prior_outputs(rows, data)
    heads = _heads(prior, data)
    chosen = {}
    for name, head in heads.items():
        chosen[name] = choose_rounds(head, rows, blocks)
        _progress(data, f"{name}: {chosen[name].rounds} rounds")
    members = {name: {"xgboost": chosen[name].outputs} for name in POOLED}
    forest = None
    if isinstance(data.config, EnsembleConfig):
        for name, values in forest_members(_forest_out_of_fold(rows, blocks, data)).items():
            members[name] = {"forest": values, **members[name]}
        forest = _grow(rows, data)
        _progress(data, f"forest: {data.config.forest_trees} trees")
    weights, facts, out_of_fold = {}, {}, {}
    for name, head in heads.items():
        answers = members.get(name, {"xgboost": chosen[name].outputs})
        weights[name], facts[name] = pool(head, answers, rows, blocks)
        facts[name]["rounds"] = chosen[name].rounds
        out_of_fold[name] = pooled(list(answers.values()), weights[name], head.base)
    boosted = {name: head.fit(rows, chosen[name].rounds) for name, head in heads.items()}
    model = TreeModel(data.layout, prior, boosted, forest, weights)
    direction = chosen["direction"]
    return FittedTrees(model, heads, out_of_fold, facts, direction.newest, direction.rounds)


def _progress(data: Prepared, done: str) -> None:
    sys.stderr.write(f"  {data.job.title}  {done}\n")
    sys.stderr.flush()


def pool(
    head: Head, members: Mapping[str, FloatArray], rows: Table, blocks: Blocks
) -> tuple[tuple[float, ...], dict[str, Any]]:
    """Return the weights of the members, and the losses of each and of all, out of fold."""
    held_rows = [(held, rows.take(held)) for _, held in blocks]

    def losses(outputs: FloatArray) -> FloatArray:
        return np.array([head.loss(outputs[held], part) for held, part in held_rows])

    answers = list(members.values())
    weights = fit_weights(answers, head.base, losses) if len(answers) > 1 else (1.0,)
    compared = {
        "prior": np.tile(head.base, (len(rows), 1)),
        **members,
        **({"pool": pooled(answers, weights, head.base)} if len(answers) > 1 else {}),
    }
    return weights, {
        "weights": dict(zip(members, weights, strict=True)),
        "loss": {name: head.loss(outputs, rows) for name, outputs in compared.items()},
    }


def tree_prior_outputs(rows: Table, data: Prepared) -> FloatArray:
    """Return the constant outputs (H,) that fit the training rows best."""
    prior: FloatArray = data.prior.double().numpy().copy()
    # A network is handed the steps between its quantiles, trees the quantiles themselves.
    prior[data.layout.quantiles] = np.quantile(rows.scaled_return, QUANTILES)
    return prior


def _heads(prior: FloatArray, data: Prepared) -> dict[str, Head]:
    """Return the boosted heads by name."""
    shared: dict[str, Any] = {
        "config": data.config,
        "threads": data.settings.training.threads,
        "seed": data.job.seed,
    }
    layout = data.layout
    return {
        "direction": DirectionHead(base=prior[layout.classes], **shared),
        "quantiles": QuantileHead(base=prior[layout.quantiles], **shared),
        "hazard_down": HazardHead(prior=prior[layout.hazard(-1)], side=0, **shared),
        "hazard_up": HazardHead(prior=prior[layout.hazard(1)], side=1, **shared),
    }


def _grow(rows: Table, data: Prepared) -> Forest:
    return grow(rows, data.config, data.settings.training.threads, data.job.seed)


def _forest_out_of_fold(rows: Table, blocks: Blocks, data: Prepared) -> FloatArray:
    """Return a forest's outputs (R, 8) on each row by one that was not grown on it."""
    out = np.empty((len(rows), OUTPUTS))
    for fit, held in blocks:
        out[held] = _grow(rows.take(fit), data).outputs(rows.x[held])
    return out


def _importance(onnx: bytes, fitted: FittedTrees, data: Prepared) -> dict[str, Any]:
    """Return what each feature is worth on rows that were not trained on, most important first."""
    span = data.blocks[-1] if data.blocks else data.split.validation
    rows, layout, session = feature_table(data, span), data.layout, Session(onnx)
    repeats = data.config.importance_repeats
    block = max(_DAY, data.settings.labels.purge_candles)
    out = {"unit": "millibits", "block_candles": block, "repeats": repeats, "rows": len(rows)}
    if not repeats or not len(rows):
        return {**out, "features": {}}

    def logits(x: Float32Array) -> FloatArray:
        if data.blocks:
            return fitted.newest.outputs(x, fitted.rounds)
        return np.asarray(session.run(x[None])[0][:, layout.classes], dtype=np.float64)

    used = np.unique(np.concatenate([tree.feature[~tree.leaves] for tree in fitted.model.trees()]))
    found = permutation_importance(
        logits, rows.x, rows.direction,
        used=used.tolist(), block=block, repeats=repeats, seed=data.job.seed,
    )  # fmt: skip
    names = data.job.feature_names
    first = np.argsort(-found[:, 0], kind="stable")
    return {**out, "features": {names[i]: found[i].tolist() for i in first}}
