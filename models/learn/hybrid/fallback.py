"""A network whose hazard is only served if it beats boosted trees and the base rate.

All three are fitted on the training rows, the job's own and its peers'. The graph answers with the
simple one of highest likelihood on the validation rows, or with the network where that is clearly
better there; all scores go into the manifest. The checkpoint was chosen on the same rows, which
leans towards the network.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from onnx import helper

from models.base.errors import ArtifactError
from models.base.heads import HeadLayout
from models.base.types import Float32Array, FloatArray, IntArray
from models.base.windows import Span
from models.learn.hazard.boosted import BoostedHazard, fit_boosted
from models.learn.hybrid.side_by_side import SideBySide
from models.learn.nets.base import NetworkSpec
from models.learn.training.fitted import Fitted
from models.learn.training.loop import clip_runs
from models.learn.training.networks import burn_in, fit_network
from models.learn.training.prepare import Prepared
from models.learn.trees.graph import Tree
from models.learn.trees.graph import trees_to_onnx as trees_to_onnx
from models.serve.session import Session

NETWORK, TREES, CONSTANT = "network", "boosted trees", "constant"
_PARITY_ROWS = 512
_WEEK = 168  # candles
_CLEARLY = 2.0  # standard errors
_TOLERANCE = 1e-4


def fit_with_fallback(spec: NetworkSpec, data: Prepared) -> Fitted:
    """Train the network, and serve the best of three hazards beside its other heads.

    Raises
    ------
    TrainingError, ArtifactError
        If training diverges, or the merged graph is not its parts.
    """
    started = time.monotonic()
    network = fit_network(spec, data)
    trees = [_fit_trees(data, side) for side in (0, 1)]
    source, losses = choose(_validation_losses(network.onnx, trees, spec, data))
    graph = network.onnx
    if source != NETWORK:
        base = data.prior.double().numpy()
        if source == TREES:
            for side, fitted in zip((-1, 1), trees, strict=True):
                base[data.layout.hazard(side)] = fitted.prior
        grown = _onto_hazards(trees, data.layout) if source == TREES else []
        plain = HeadLayout(bin_edges=data.layout.bin_edges)
        features = len(data.job.feature_names)
        hazards = trees_to_onnx(grown, base[: plain.width], 0.0, plain, features)
        graph = with_hazards(network.onnx, hazards, data.layout, features)
        _check(graph, network.onnx, hazards, data)
    return Fitted(
        onnx=graph,
        seconds=time.monotonic() - started,
        weights=network.weights,
        facts={
            **network.facts,
            "hazard_source": source,
            "hazard_validation_loss": losses,
        },
    )


def _spans(data: Prepared, which: str, lead: int) -> Iterator[Span]:
    """Yield the gap-free runs of a split, own and peers', each with `lead` rows of burn-in."""
    own = getattr(data.split, which)
    yield from clip_runs(data.rows.runs, own, lead)
    if which == "train":
        yield from data.lesson_runs(lead)
    for peer in data.peers:
        yield from peer.within(getattr(peer.split, which), lead)


def _tree_input(data: Prepared, rows: IntArray) -> Float32Array:
    """Return the features trees see, (R, F): 0 in those that may be missing, so never split on."""
    x: Float32Array = data.rows.features[rows].numpy().copy()
    x[:, data.optional] = 0.0
    return x


def _fit_trees(data: Prepared, side: int) -> BoostedHazard:
    rows = np.concatenate([np.arange(s.start, s.stop) for s in _spans(data, "train", 0)])
    t = data.rows.targets
    event, at_risk = t.event[rows, side].numpy(), t.at_risk[rows, side].numpy()
    counted = at_risk[:, 0] > 0
    return fit_boosted(
        _tree_input(data, rows[counted]), event[counted], at_risk[counted],
        data.job.seed, data.settings.training.threads,
    )  # fmt: skip


def _validation_losses(
    network: bytes, trees: list[BoostedHazard], spec: NetworkSpec, data: Prepared
) -> dict[str, FloatArray]:
    """Return each hazard's mean negative log likelihood in nats, both sides, by week and market.

    Weeks are what is independent, nearly: neighbouring candles share their onset.
    """
    session, lead, layout = Session(network), burn_in(spec, data), data.layout
    prior = data.prior.double().numpy()
    weeks: dict[str, list[float]] = {NETWORK: [], TREES: [], CONSTANT: []}
    for run in _spans(data, "validation", lead):
        rows = np.arange(run.start + lead, run.stop)
        y = session.run(data.rows.features[None, run.start : run.stop].numpy())[0, lead:]
        lost = {name: np.zeros(len(rows)) for name in weeks}
        at_stake = np.zeros(len(rows), dtype=np.bool_)
        for side, sign in ((0, -1), (1, 1)):
            at = layout.hazard(sign)
            hazards = {
                NETWORK: y[:, at].astype(np.float64),
                TREES: trees[side].logits(_tree_input(data, rows)),
                CONSTANT: np.tile(prior[at], (len(rows), 1)),
            }
            event = data.rows.targets.event[rows, side].numpy()
            at_risk = data.rows.targets.at_risk[rows, side].numpy()
            for name, logits in hazards.items():
                lost[name] += (at_risk * (np.logaddexp(0.0, logits) - event * logits)).sum(axis=1)
            at_stake |= at_risk[:, 0] > 0
        for name, values in lost.items():
            parts = np.array_split(values[at_stake], max(1, int(at_stake.sum()) // _WEEK))
            weeks[name] += [float(part.mean()) for part in parts if len(part)]
    return {name: np.array(values) for name, values in weeks.items()}


def choose(losses: dict[str, FloatArray]) -> tuple[str, dict[str, float]]:
    """Return which hazard to serve, and the numbers it was chosen by.

    The better of trees and base rate, unless the network's loss is below it by more than
    `_CLEARLY` standard errors of the weekly differences: measured over five years and five coins,
    the network alone caught no more onsets than the trees (user_data/docs/cascades.md), so the
    doubt is theirs.

    Examples
    --------
    >>> weeks = np.array([1.0, 2.0, 1.5])
    >>> choose({"network": weeks - 0.01, "boosted trees": weeks, "constant": weeks + 1})[0]
    'network'
    >>> choose({"network": weeks[::-1] - 0.01, "boosted trees": weeks, "constant": weeks + 1})[0]
    'boosted trees'
    """
    means = {name: float(values.mean()) for name, values in losses.items()}
    rival = min((TREES, CONSTANT), key=lambda name: means[name])
    gain = losses[rival] - losses[NETWORK]
    error = float(gain.std(ddof=1) / np.sqrt(len(gain))) if len(gain) > 1 else np.inf
    clearly = float(gain.mean()) > _CLEARLY * error
    facts = {**means, "network_gain": float(gain.mean())}
    if np.isfinite(error):
        facts["standard_error"] = error
    return (NETWORK if clearly else rival), facts


def _onto_hazards(trees: list[BoostedHazard], layout: HeadLayout) -> list[Tree]:
    """Return the trees on the outputs of a layout; one number moves all bins of a side alike."""
    out = []
    for side, fitted in zip((-1, 1), trees, strict=True):
        on = range(layout.width)[layout.hazard(side)]
        out += [tree.onto(on, np.ones(len(on))) for tree in fitted.boosted.trees()]
    return [tree for tree in out if tree.value.any()]


def with_hazards(network: bytes, hazards: bytes, layout: HeadLayout, features: int) -> bytes:
    """Return the graph of `network` with the hazard logits of another graph.

    `hazards` answers the outputs of a layout without extra heads; of those only the hazards count.
    """
    before, own = layout.hazards.start, layout.hazards.stop - layout.hazards.start
    parts = [before, own, layout.width - layout.hazards.stop]
    names = ["first", "unserved", "last"]
    nodes = [
        helper.make_node("Split", ["network/outputs", "parts"], names, axis=2),
        helper.make_node("Split", ["other/outputs", "two"], ["unused", "hazards"], axis=2),
        helper.make_node("Concat", ["first", "hazards", "last"], ["outputs"], axis=2),
    ]
    constants = {"parts": np.array(parts), "two": np.array(parts[:2])}
    both = SideBySide({"network": network, "other": hazards})
    return both.joined("hedge", nodes, constants, features, layout.width)


def _check(merged: bytes, network: bytes, hazards: bytes, data: Prepared) -> None:
    """Compare the merged graph with its parts on held-out rows.

    Raises
    ------
    ArtifactError
        If any output is further off than 1e-4.
    """
    held = data.held_out
    x = data.job.features[held.start : held.stop][:_PARITY_ROWS]
    at = data.layout.hazards
    expected = Session(network).run(x[None])[0].copy()
    expected[:, at] = Session(hazards).run(x[None])[0][:, at]
    gap = float(np.abs(Session(merged).run(x[None])[0] - expected).max())
    if not gap <= _TOLERANCE:
        raise ArtifactError(
            f"the merged graph differs from its parts by {gap:.2e}",
            where="export check of the hazard",
            cure="the parts were joined wrongly; do not serve this artifact",
        )
