"""Fitting a torch network: the shell around it, the one loop, and its ONNX graph."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.base.columns import FEATURE_SIGMA, LABEL_RETURN
from models.base.errors import InputError
from models.base.types import Float32Array, FloatArray
from models.base.windows import Span
from models.learn.export.onnx import to_onnx
from models.learn.nets.base import Committee, Forecaster, NetworkSpec, start_at_prior
from models.learn.training.fitted import Fitted
from models.learn.training.loop import Rows, fill_span, fit
from models.learn.training.prepare import Prepared
from models.learn.training.settings import TrainingSettings

_TAIL_FRAC = 0.05  # of the training rows


def build_forecaster(spec: NetworkSpec, data: Prepared, seed: int) -> Forecaster:
    """Return the untrained network of `data` in its shell, starting at the prior.

    Raises
    ------
    InputError
        If the network reads none of the features.
    """
    names = data.job.feature_names
    kept = [i for i, name in enumerate(names) if spec.reads(name)]
    if all(names[i] == FEATURE_SIGMA for i in kept):  # a unit is nothing to go by
        raise InputError(
            f"expected features {spec.title} reads, got none of them in {list(names[:5])} ...",
            where=data.job.title,
            cure="use the pack's strategy, or name the columns as it does",
        )
    torch.manual_seed(seed)
    optional = [int(i) for i in np.flatnonzero(data.optional)]
    network = spec.build(len(kept) + len(optional), data.layout.width, data.config)
    if isinstance(head := getattr(network, "head", None), nn.Linear | nn.Conv1d):
        start_at_prior(head, data.prior)
    return Forecaster(
        network,
        data.layout,
        torch.from_numpy(data.mean),
        torch.from_numpy(data.std),
        kept if len(kept) < len(names) else None,
        optional,
        carries=spec.carries_past,
    )


def burn_in(spec: NetworkSpec, data: Prepared) -> int:
    """Return the rows at the head of a sequence whose outputs do not count."""
    reach = spec.receptive_field(data.config)
    return (reach or spec.contexts[min(1, len(spec.contexts) - 1)]) - 1


def fit_network(spec: NetworkSpec, data: Prepared) -> Fitted:
    """Train the network of `data` and export it.

    Raises
    ------
    TrainingError, ArtifactError
        If training diverges, or the exported graph is not the network.
    """
    job, split, members = data.job, data.split, _members(data)
    lead = burn_in(spec, data)
    networks, settings, facts = _first_weights(spec, data)
    warm = facts.get("warm_start") == "taken"
    fitted, histories = [], []
    rows = _with_others(data, lead)
    trained = _with_heavy_tails(rows, data)
    # Members differ in their first weights, in the order of their batches, and in what they leave
    # out.
    for member, (seed, network) in enumerate(zip(_seeds(job.seed, members), networks, strict=True)):
        block = data.blocks[member % len(data.blocks)] if data.blocks else None
        best, history = fit(
            network, trained if block is None else without_block(block, trained, data),
            split.train, block or split.validation, lead, data.layout, settings, seed,
            job.title if members == 1 else f"{job.title}, member {member + 1} of {members}",
            warm=warm, judged=rows,
        )  # fmt: skip
        fitted.append(best)
        histories.append(history)
    model = fitted[0] if members == 1 else Committee(fitted)
    return Fitted(
        onnx=to_onnx(model, len(job.feature_names), carries=spec.carries_past),
        seconds=sum(history.seconds for history in histories),
        weights=_packed(fitted),
        left_out=_left_out(fitted, data, lead) if data.blocks else None,
        facts={
            **facts,
            "parameters": sum(p.numel() for p in model.parameters()),
            "members": members,
            "history": [history.validation for history in histories],
            "best_step": [history.best_step for history in histories],
        },
    )


def _with_heavy_tails(rows: Rows, data: Prepared) -> Rows:
    """Return the rows with the weights they train with; peers' and lessons' count as they are."""
    outcome = data.job.labels[LABEL_RETURN]
    factor = torch.ones_like(rows.weight)
    heavy = tail_weights(outcome, data.split.train, data.settings.training.tail_weight)
    factor[: len(heavy)] = torch.from_numpy(heavy)
    return dataclasses.replace(rows, weight=rows.weight * factor)


def tail_weights(outcome: FloatArray, train: Span, weight: float) -> Float32Array:
    """Return what rows count, (N,): `weight` in the tails of the training rows, else 1.

    Parameters
    ----------
    outcome
        (N,) return over the horizon in units of sigma, NaN where it is not known.

    Examples
    --------
    >>> tail_weights(np.array([0.1] * 19 + [-3.0, np.nan]), Span(0, 21), 2.0)[[0, 19, 20]]
    array([1., 2., 1.], dtype=float32)
    """
    size = np.abs(np.nan_to_num(outcome))
    known = size[train.start : train.stop][np.isfinite(outcome[train.start : train.stop])]
    out = np.ones(len(outcome), dtype=np.float32)
    if len(known) and weight != 1.0:
        out[size > np.quantile(known, 1.0 - _TAIL_FRAC)] = weight
    return out


def _members(data: Prepared) -> int:
    return data.settings.training.members * max(len(data.blocks), 1)


def without_block(block: Span, rows: Rows, data: Prepared) -> Rows:
    """Return the rows with no weight on `block` and on those whose labels share candles with it."""
    purge, weight = data.settings.labels.purge_candles, rows.weight.clone()
    weight[max(block.start - purge, 0) : block.stop + purge] = 0.0
    return dataclasses.replace(rows, weight=weight)


@torch.no_grad()
def _left_out(fitted: list[Forecaster], data: Prepared, lead: int) -> FloatArray:
    """Return the outputs (N, H) on each block by those that left it out, behind their burn-in."""
    out = np.full((len(data.job.time_ms), data.layout.width), np.nan)
    for number, block in enumerate(data.blocks):
        of_block = fitted[number :: len(data.blocks)]
        model = of_block[0] if len(of_block) == 1 else Committee(of_block)
        model.eval()

        def answer(run: Span, model: nn.Module = model) -> Tensor:
            y: Tensor = model(data.rows.features[None, run.start : run.stop])[0]
            return y

        fill_span(out, data.rows.runs, block, lead, answer)
    return out


def _first_weights(
    spec: NetworkSpec, data: Prepared
) -> tuple[list[Forecaster], TrainingSettings, dict[str, Any]]:
    """Return the members to train, with which settings, and what the manifest tells of it.

    Random weights, or those of the job's warm start where they fit: then fewer, smaller steps.
    """
    job, settings = data.job, data.settings.training
    seeds = _seeds(job.seed, _members(data))
    networks = [build_forecaster(spec, data, seed) for seed in seeds]
    if not job.warm_start:
        return networks, settings, {}
    if refused := _go_on(networks, job.warm_start):  # some may have been loaded
        networks = [build_forecaster(spec, data, seed) for seed in seeds]
        return networks, settings, {"warm_start": refused}
    smaller = dataclasses.replace(
        settings,
        learning_rate=settings.fine_tune_lr_frac * settings.learning_rate,
        max_steps=settings.fine_tune_max_steps,
    )
    return networks, smaller, {"warm_start": "taken"}


def _with_others(data: Prepared, lead: int) -> Rows:
    """Return the rows, with the peers' runs and the lessons that count beside them."""
    return dataclasses.replace(
        data.rows,
        peers_train=(
            *(r for p in data.peers for r in p.within(p.split.train, lead)),
            *data.lesson_runs(lead),
        ),
        peers_validation=tuple(r for p in data.peers for r in p.within(p.split.validation, lead)),
    )


def _packed(members: list[Forecaster]) -> bytes:
    """Return the members' weights and scaling as the bytes of an .npz."""
    buffer = io.BytesIO()
    arrays = {
        f"{i}.{name}": value.detach().cpu().numpy()
        for i, member in enumerate(members)
        for name, value in member.state_dict().items()
    }
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _go_on(members: list[Forecaster], weights: bytes) -> str:
    """Load `_packed` weights into the members; return why they do not fit, or nothing."""
    try:
        with np.load(io.BytesIO(weights), allow_pickle=False) as arrays:
            theirs = len({name.partition(".")[0] for name in arrays.files})
            if theirs != len(members):
                raise ValueError(f"expected those of {len(members)} members, got {theirs}")
            for i, member in enumerate(members):
                own = [n for n in arrays.files if n.startswith(f"{i}.")]
                member.load_state_dict(
                    {n.partition(".")[2]: torch.from_numpy(arrays[n]) for n in own}
                )
    except (RuntimeError, ValueError, OSError, zipfile.BadZipFile) as error:
        return f"the weights do not fit: {' '.join(str(error).split())}"
    return ""


def _seeds(seed: int, members: int) -> list[int]:
    """Return one seed per member; the first is the job's own."""
    more = np.random.default_rng(seed).integers(2**31, size=members - 1)
    return [seed, *(int(s) for s in more)]
