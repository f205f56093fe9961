"""Hybrid: LSTM + attention and an ensemble of trees, stacked on out-of-fold predictions.

Source: Wolpert, "Stacked generalization", 1992, over the network of
`models.learn.nets.lstm_attention` and the forest and boosted trees of `models.learn.trees`.

1. The training rows are cut into purged blocks of time. The network is trained once for each
   block without it (its rows weigh nothing in the loss), the trees as well. Where every row
   trains, these networks are the committee that is served.
2. What both said of the blocks they had not seen decides, head by head, how much weight each gets
   beside the base rate: a part that adds nothing out of fold gets none, and that is the ablation
   every training writes down.
3. The trees, and where the newest rows are held out the network, are trained again on all training
   rows; both are served as one graph.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from models.base.spec import ModelSpec
from models.base.types import Float32Array, FloatArray
from models.base.windows import CONTEXTS, Span
from models.learn.hybrid.merge import check_pool, pool_graphs
from models.learn.nets.lstm_attention import SPEC as NETWORK
from models.learn.nets.lstm_attention import LSTMAttentionConfig, check_size
from models.learn.training.fitted import Fitted
from models.learn.training.loop import fill_span
from models.learn.training.networks import burn_in, fit_network, without_block
from models.learn.training.prepare import Prepared
from models.learn.trees.base import EnsembleConfig
from models.learn.trees.boosting import Blocks
from models.learn.trees.fitting import (
    FittedTrees,
    blocks_of,
    exported,
    fit_members,
    left_out_of,
    pool,
    tree_prior_outputs,
)
from models.learn.trees.model import HAZARDS, POOLED
from models.learn.trees.table import Table, feature_table
from models.serve.session import Session

_PARITY_ROWS = 512


@dataclass(frozen=True, kw_only=True)
class HybridConfig(EnsembleConfig):
    """Size of the network, beside that of the trees."""

    blocks: int = 4  # of time; the network is trained once more for each
    importance_repeats: int = 0  # the Ensemble measures it
    hidden: int = 48  # units of the recurrent layer
    heads: int = 4  # of the attention; they share the hidden units
    window: int = 48  # candles the attention looks back
    dropout: float = 0.1  # share of units left out at a step of training

    def __post_init__(self) -> None:
        super().__post_init__()
        check_size(self.hidden, self.heads, self.window, self.dropout)

    @property
    def network(self) -> LSTMAttentionConfig:
        return LSTMAttentionConfig(
            hidden=self.hidden, heads=self.heads, window=self.window, dropout=self.dropout
        )


@dataclass(frozen=True, kw_only=True)
class HybridSpec(ModelSpec):
    """See the module."""

    cross_fits: bool = True

    family: ClassVar[str] = "hybrid"


def fit_hybrid(data: Prepared) -> Fitted:
    """Fit both parts, weigh them out of fold, and export one graph.

    Raises
    ------
    InputError, TrainingError, ArtifactError
        As the parts do; or if the merged graph is not their pool.
    """
    started = time.monotonic()
    rows = feature_table(data, data.split.train)
    blocks = blocks_of(rows, data)
    neural = dataclasses.replace(data, spec=NETWORK, config=data.config.network)
    trees = fit_members(rows, blocks, data)
    network = fit_network(NETWORK, neural)
    answers = (
        _network_out_of_fold(rows, blocks, neural)
        if network.left_out is None
        else network.left_out[rows.row]
    )
    known = np.isfinite(answers[:, 0])  # rows behind enough candles of their run
    base = tree_prior_outputs(rows, data)
    weights, ablation = _weigh(
        rows.take(np.flatnonzero(known)), blocks, known, answers, trees, data
    )
    members = {"network": network.onnx, "trees": exported(trees.model, rows, data)}
    merged = pool_graphs(members, weights, base, data.layout, len(data.job.feature_names))
    held = data.held_out
    check_pool(merged, members, weights, base, data.layout,
               data.job.features[held.start : held.stop][:_PARITY_ROWS])  # fmt: skip
    return Fitted(
        onnx=merged,
        seconds=time.monotonic() - started,
        left_out=_left_out(network.left_out, trees, rows, weights, base, data),
        facts={
            "parameters": network.facts["parameters"]
            + sum(int(tree.leaves.sum()) for tree in trees.model.trees()),
            "blocks": len(blocks),
            "ablation": ablation,
            "trees": trees.facts,
            "best_step": network.facts["best_step"],
        },
    )


def _left_out(
    network: FloatArray | None,
    trees: FittedTrees,
    rows: Table,
    weights: dict[str, FloatArray],
    base: FloatArray,
    data: Prepared,
) -> FloatArray | None:
    """Return both parts' answers (N, H) on rows they were not trained on, pooled as served."""
    if network is None:
        return None
    out = base + weights["network"] * (network - base)
    out += weights["trees"] * (left_out_of(trees, rows, data) - base)
    out[:, data.layout.quantiles] = np.sort(out[:, data.layout.quantiles], axis=1)
    return out


def _network_out_of_fold(rows: Table, blocks: Blocks, data: Prepared) -> FloatArray:
    """Return the network's outputs (R, H) on each row by one whose loss never saw it."""
    out = np.full((len(data.job.time_ms), data.layout.width), np.nan)
    for number, (_, held) in enumerate(blocks, start=1):
        block = Span(int(rows.row[held[0]]), int(rows.row[held[-1]]) + 1)
        without = dataclasses.replace(
            data,
            rows=without_block(block, data.rows, data),
            job=dataclasses.replace(
                data.job, title=f"{data.job.title}, without block {number} of {len(blocks)}"
            ),
        )
        session = Session(fit_network(NETWORK, without).onnx)

        def answer(run: Span, session: Session = session) -> Float32Array:
            y: Float32Array = session.run(data.job.features[None, run.start : run.stop])[0]
            return y

        fill_span(out, data.rows.runs, block, burn_in(NETWORK, data), answer)
    return out[rows.row]


def _weigh(
    rows: Table,
    blocks: Blocks,
    known: np.ndarray[Any, Any],
    answers: FloatArray,
    trees: FittedTrees,
    data: Prepared,
) -> tuple[dict[str, FloatArray], dict[str, Any]]:
    """Return each part's weight per output (H,), and every head's losses with and without it."""
    place = np.cumsum(known) - 1  # of a row among the known ones
    kept: Blocks = [(place[fit[known[fit]]], place[held[known[held]]]) for fit, held in blocks]
    weights = {part: np.zeros(data.layout.width) for part in ("network", "trees")}
    ablation: dict[str, Any] = {}
    for name in (*POOLED, *HAZARDS):
        head, columns = trees.heads[name], trees.model.columns(name)
        network = answers[known][:, columns]
        forest = trees.out_of_fold[name][known]
        if name in HAZARDS:  # both as distances from the base rate's logits
            network = network - trees.model.prior[columns]
            forest = np.repeat(forest, network.shape[1], axis=1)
            head = dataclasses.replace(head, base=np.zeros(network.shape[1]))
        found, facts = pool(head, {"network": network, "trees": forest}, rows, kept)
        for part, weight in zip(("network", "trees"), found, strict=True):
            weights[part][columns] = weight
        ablation[name] = facts
        sys.stderr.write(
            f"  {data.job.title}  {name}: network {found[0]:.1f}, trees {found[1]:.1f}\n"
        )
    return weights, ablation


SPEC = HybridSpec(
    name="hybrid",
    title="Hybrid",
    forecaster="HybridForecaster",
    config=HybridConfig,
    contexts=CONTEXTS,
    minimum_rows=600,
    description=(
        "An LSTM with attention and an ensemble of trees forecast side by side. How much each "
        "counts, head by head, was decided on stretches of the past that neither had been "
        "trained on; what they leave goes to the base rate."
    ),
    failure_modes=(
        "no better than its best part where the parts agree",
        "takes several times the training time of its parts",
        "its weights were right for the training years, on average",
    ),
    useful_rows=10_000,
    natural_use="highest ceiling",
    source="Wolpert 1992; Lim et al. 2021",
)
