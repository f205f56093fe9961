"""Every architecture x every check; they are found by scanning the catalogue.

A check is a function `check_<name>(network)`; adding a network or a check needs no list to be kept.
Checks that look into a torch module carry `@of_modules`; they are asked of `models/learn/nets`
only. Each probe that could be blind has a control beside it that it must convict.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from models.base import columns
from models.base.errors import AlignmentError, ArtifactError, ConfigError, InputError
from models.base.heads import HeadLayout
from models.base.types import Artifact, FloatArray, TrainingJob
from models.base.windows import MAX_CONTEXT_CANDLES, Span
from models.learn import catalog
from models.learn.export.onnx import SHAPES, TOLERANCE, measure_context, only_present, to_onnx
from models.learn.jobs.pipeline import train
from models.learn.nets.base import Forecaster, NetworkSpec, Past
from models.learn.training.loop import Rows, fit, sequence_loss
from models.learn.training.loss import targets
from models.learn.training.settings import TrainingSettings
from models.serve.manifest import MANIFEST_FORMAT
from models.serve.predictor import Predictor
from models.serve.session import Session
from tests.test_contract import echo, planted, probes, streamed

torch.set_num_threads(1)

LAYOUT = HeadLayout(bin_edges=(1, 2, 4))
FEATURES = 5


def of_modules(check: Callable[[str], None]) -> Callable[[str], None]:
    """Mark a check that needs the torch module itself."""
    check.of_modules = True  # type: ignore[attr-defined]
    return check


def bare(network: str, seed: int = 0, features: int = FEATURES, outputs: int = 14) -> nn.Module:
    """The network itself with its default config, in evaluation mode."""
    spec = catalog.load(network)
    torch.manual_seed(seed)
    return spec.build(features, outputs, spec.config()).eval()


def forecaster(network: str, seed: int = 0) -> Forecaster:
    """The network in the shell that standardises and orders the quantiles."""
    inner = bare(network, seed, FEATURES, LAYOUT.width)
    mean, std = torch.linspace(-1, 1, FEATURES), torch.full((FEATURES,), 2.0)
    return Forecaster(inner, LAYOUT, mean, std, carries=carries(network)).eval()


def carries(network: str) -> bool:
    """Whether an architecture says of itself that it can be served candle by candle."""
    spec = catalog.load(network)
    return isinstance(spec, NetworkSpec) and spec.carries_past


def random_input(batch: int, steps: int, features: int = FEATURES, seed: int = 0) -> Tensor:
    return torch.randn(batch, steps, features, generator=torch.Generator().manual_seed(seed))


def forecast(
    artifact: Artifact, job: TrainingJob, rows: slice = slice(None)
) -> dict[str, FloatArray]:
    return Predictor(artifact).predict(job.features[rows], job.time_ms[rows], job.feature_names)


def held_out_auc(artifact: Artifact, job: TrainingJob) -> float:
    """Area under the curve of what the model is asked, on rows training never saw."""
    return float(roc_auc_score(*planted.asked(job, forecast(artifact, job))))


# -- the network ------------------------------------------------------------------------------


@of_modules
def check_shape(network: str) -> None:
    for features, outputs, batch, steps in ((1, 10, 1, 1), (5, 14, 3, 9), (40, 20, 2, 70)):
        y = bare(network, 0, features, outputs)(random_input(batch, steps, features))
        assert y.shape == (batch, steps, outputs)
        assert y.dtype == torch.float32


@of_modules
def check_finite(network: str) -> None:
    model = forecaster(network)
    constant = torch.ones(2, 40, FEATURES)
    inputs = [random_input(2, 40), 0 * constant, constant, 1e6 * constant, -1e30 * constant]
    for mode in (True, False):
        model.train(mode)
        for x in inputs:
            model.zero_grad()
            y = model(x)
            y.square().mean().backward()
            assert torch.isfinite(y).all()
            gradients = [p.grad for p in model.parameters() if p.grad is not None]
            assert gradients
            assert all(torch.isfinite(g).all() for g in gradients)


@of_modules
def check_batch(network: str) -> None:
    model, x = forecaster(network), random_input(5, 40)
    with torch.no_grad():
        together = model(x)
        alone = torch.cat([model(x[i : i + 1]) for i in range(5)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)
    assert (together[0] - together[1]).abs().max() > 1e-3  # different inputs, different answers


@of_modules
def check_seed(network: str) -> None:
    def weights(seed: int) -> Tensor:
        return torch.cat([p.detach().flatten() for p in bare(network, seed).parameters()])

    assert torch.equal(weights(3), weights(3))
    assert not torch.equal(weights(3), weights(4))


@of_modules
def check_repeatable_training(network: str) -> None:
    first, second, other = (fitted(network, seed) for seed in (5, 5, 6))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def check_learns(network: str) -> None:
    unseen = planted.planted_job(network, planted.UNSEEN)
    auc = held_out_auc(planted.planted_artifact(network), unseen)
    assert auc > 0.8  # the echo itself reaches 0.98


def check_shuffled_labels(network: str) -> None:
    # Some 370 rows that moved: one standard error is 0.03.
    unseen = planted.shuffled_job(network, planted.UNSEEN)
    auc = held_out_auc(planted.shuffled_artifact(network), unseen)
    assert abs(auc - 0.5) < 0.12


def check_purged_spans(network: str) -> None:
    manifest, job = planted.planted_artifact(network).manifest, planted.planted_job(network)
    spans = manifest["spans_ms"]
    last, reach = int(job.time_ms[-1]), planted.PURGE * job.candle_ms  # of the furthest label
    assert bool(manifest["blocks"]) == catalog.load(network).cross_fits
    if manifest["blocks"]:  # purged around each block: tests of its own
        assert set(map(tuple, spans.values())) == {(int(job.time_ms[0]), last - reach)}
        return
    ends = [spans[name][1] for name in ("train", "validation", "calibration")]
    starts = [spans["validation"][0], spans["calibration"][0], last + job.candle_ms]
    assert all(end + reach < start for end, start in zip(ends, starts, strict=True))


@of_modules
def check_size(network: str) -> None:
    count = sum(p.numel() for p in bare(network, features=40).parameters())
    assert 0 < count <= 150_000


def check_card(network: str) -> None:
    spec, manifest = catalog.load(network), planted.planted_artifact(network).manifest
    card = manifest["card"]
    assert card["title"] == spec.title
    assert len(card["description"].split()) >= 20  # a person must be able to picture it
    assert card["failure_modes"]
    assert spec.useful_rows > 0
    few = len(planted.planted_job(network).time_ms) < spec.useful_rows
    silent = [w for w in card["warnings"] if "hazard is an alarm" in w]
    assert len(silent) == len(planted.unfitted_sides(network))
    without = [w for w in card["warnings"] if "without the volatility ahead" in w]
    assert len(without) == (manifest["log_volatility"] is None)
    *warnings, unwatched = [w for w in card["warnings"] if w not in (*silent, *without)]
    assert bool(warnings) == few
    assert all(str(spec.useful_rows) in warning for warning in warnings)
    assert "drift" in unwatched


def check_settings(network: str) -> None:
    assert catalog.load(network).name == network
    wrong = {**planted.SETTINGS, "network": {"no_such_setting": 1}}
    with pytest.raises(ConfigError, match="no_such_setting") as caught:
        train(planted.planted_job(network, settings=wrong))
    known = [f.name for f in dataclasses.fields(catalog.load(network).config)]
    assert all(name in caught.value.cure for name in known)


# -- what a row depends on ----------------------------------------------------------------------


@of_modules
def check_causality(network: str) -> None:
    x = random_input(2, 48)
    for after in (0, 7, 31, 46):
        changed = probes.rows_changed(forecaster(network), x, after)
        assert not changed[: after + 1].any()
        assert changed[after + 1 :].any()  # the probe did reach the network


@of_modules
def check_receptive_field(network: str) -> None:
    spec = catalog.load(network)
    reach = spec.receptive_field(spec.config())
    if reach is None:  # the state has no end; check_measured_context is about those
        assert_reaches_further(bare(network), spec.contexts[0])
    else:
        assert reach <= spec.contexts[0]
        assert_reach(bare(network), reach)


def assert_reaches_further(module: nn.Module, steps: int) -> None:
    """The first of `steps` rows still moves the last one, if by ever so little."""
    assert probes.rows_used(module, FEATURES, steps - 1, steps)[0]


def assert_reach(module: nn.Module, reach: int) -> None:
    steps = reach + 8
    used = probes.rows_used(module, FEATURES, steps - 3, steps)
    inside = torch.zeros(steps, dtype=torch.bool)
    inside[steps - 2 - reach : steps - 2] = True
    assert torch.equal(used, inside)


def check_measured_context(network: str) -> None:
    spec, manifest = catalog.load(network), planted.planted_artifact(network).manifest
    context = manifest["context_candles"]
    assert context in spec.contexts
    assert manifest["context_gap_sd"][str(context)] <= TOLERANCE
    job, artifact = planted.planted_job(network), planted.planted_artifact(network)
    x = planted.graph_input(artifact, job)
    layout = HeadLayout.of(manifest)

    def run(rows: FloatArray) -> FloatArray:
        return only_present(Session(artifact.onnx).run(rows[None])[0], layout.present(spec.absent))

    whole = run(x)  # (T, H)
    spread = np.maximum(whole[context:].std(axis=0), 1e-6)  # a constant head has none
    for last in (context + 300, context + 411, len(whole) - 1):
        gap = np.abs(run(x[last + 1 - context : last + 1])[-1] - whole[last]) / spread
        assert gap.max() <= 3 * TOLERANCE


def check_alignment(network: str) -> None:
    artifact, job = planted.planted_artifact(network), planted.planted_job(network)
    rows = planted.held_out_rows(job)
    score = planted.answer(network, forecast(artifact, job))
    match = {
        shift: np.corrcoef(score[rows], np.roll(planted.signal(job), shift)[rows])[0, 1]
        for shift in range(-3, 4)
    }
    assert match[0] > 0.8
    assert all(abs(match[shift]) < 0.3 for shift in match if shift != 0)


def check_live_equals_backtest(network: str) -> None:
    artifact, job = planted.planted_artifact(network), planted.planted_job(network)
    context = artifact.manifest["context_candles"]
    whole = forecast(artifact, job)
    for last in (context - 1, context + 255, context + 256, 700, len(job.time_ms) - 1):
        live = forecast(artifact, job, slice(last + 1 - context, last + 1))
        assert_same_row(live, -1, whole, last)
    cut = 900
    history = slice(cut - MAX_CONTEXT_CANDLES, cut)
    backtest = Predictor(artifact, job.features[history], job.time_ms[history]).predict(
        job.features[cut:], job.time_ms[cut:], job.feature_names
    )
    for row in (0, 1, 255, 256, len(job.time_ms) - cut - 1):
        assert_same_row(backtest, row, whole, cut + row)


def check_streaming(network: str) -> None:
    artifact, job = planted.planted_artifact(network), planted.planted_job(network)
    context, streaming = artifact.manifest["context_candles"], artifact.manifest["streaming"]
    if streaming["candles"]:
        assert len(streaming["gap_sd"]) == 4
        assert max(streaming["gap_sd"]) <= TOLERANCE
    else:
        assert not carries(network)  # on a planted signal none has reason to fail
        assert streaming["why"]
    whole = forecast(artifact, job)
    predictor, asked = Predictor(artifact), streamed.watch(Session(artifact.onnx))
    predictor.__dict__["_session"] = asked
    rows = range(context, context + 300)
    for last in rows:
        window = slice(
            max(last + 1 - MAX_CONTEXT_CANDLES, 0), last + 1
        )  # as FreqAI hands them over
        live = predictor.latest(
            job.features[window], job.time_ms[window], job.feature_names, series="BTC"
        )
        assert_same_row(live, -1, whole, last)
    later = {1} if streaming["candles"] else {context}
    assert asked.rows[0] == context
    assert len(asked.rows) == len(rows)
    assert set(asked.rows[1:]) == later


@of_modules
def check_asked_rows(network: str) -> None:
    if not carries(network):
        pytest.skip(f"{network} does not carry its past")
    model, x = forecaster(network), random_input(2, 150)
    for asked in (1, 40, 149, 150):  # in training; what is spared must not be missed
        answers, slopes = [], []
        for past in (Past(asked=asked), Past()):
            model.zero_grad()
            y = model(x, past)[:, -asked:]
            (y * random_input(2, asked, LAYOUT.width, seed=1)).sum().backward()
            answers.append(y)
            slopes.append([p.grad for p in model.parameters() if p.grad is not None])
        torch.testing.assert_close(answers[0], answers[1], rtol=1e-5, atol=1e-5)
        for one, other in zip(*slopes, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-3)


@of_modules
def check_past(network: str) -> None:
    if not carries(network):
        pytest.skip(f"{network} does not carry its past")
    model, x = forecaster(network), random_input(2, 150)
    with torch.no_grad():
        whole, past, pieces = model(x), Past(), []
        for start, stop in ((0, 1), (1, 40), (40, 41), (41, 43), (43, 110), (110, 150)):
            shapes = [part.shape for part in past.left]
            pieces.append(model(x[:, start:stop], past := Past(past.left)))
            assert not shapes or shapes == [part.shape for part in past.left]
        torch.testing.assert_close(torch.cat(pieces, dim=1), whole, rtol=1e-5, atol=1e-5)
        forgotten = model(x[:, 110:])  # the control: without its past the answer is another
    assert (forgotten[:, 0] - whole[:, 110]).abs().max() > 1e-3


def assert_same_row(a: dict[str, FloatArray], i: int, b: dict[str, FloatArray], j: int) -> None:
    for name in columns.FORECAST:
        if np.isnan(b[name]).all():  # a head the architecture does not have
            assert np.isnan(a[name][i]), name
        else:
            spread = max(float(np.nanstd(b[name])), 1e-9)
            assert abs(a[name][i] - b[name][j]) <= 3 * TOLERANCE * spread, name


# -- export and reload --------------------------------------------------------------------------


@of_modules
def check_onnx_parity(network: str) -> None:
    # Twice in one process: an exporter that fixes the time axis does so the second time only.
    for seed in (0, 1):
        model = forecaster(network, seed)
        session = Session(to_onnx(model, FEATURES, carries=carries(network)))
        for batch, steps in (*SHAPES, (3, 5), (16, 2), (1, 300)):
            x = random_input(batch, steps, seed=2)
            with torch.no_grad():
                expected = model(x).numpy()
            got = session.run(x.numpy())
            assert got.shape == expected.shape
            np.testing.assert_allclose(got, expected, rtol=0, atol=TOLERANCE * expected.std())
        assert session.carries_past == carries(network)


def check_reload(network: str, tmp_path: Path) -> None:
    artifact, job = planted.planted_artifact(network), planted.planted_job(network)
    predictor = Predictor(artifact)
    here = predictor.predict(job.features, job.time_ms, job.feature_names)  # session is open now
    (tmp_path / "predictor.pkl").write_bytes(cloudpickle.dumps(predictor))
    (tmp_path / "manifest.json").write_text(json.dumps(artifact.manifest, allow_nan=False))
    np.savez(tmp_path / "rows.npz", features=job.features, time_ms=job.time_ms)
    code = (
        "import pickle, sys, numpy\n"
        "predictor = pickle.load(open('predictor.pkl', 'rb'))\n"
        "rows = numpy.load('rows.npz')\n"
        "names = tuple(predictor.manifest['feature_names'])\n"
        "out = predictor.predict(rows['features'], rows['time_ms'], names)\n"
        "assert 'torch' not in sys.modules\n"
        "numpy.savez('there.npz', **out)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=60)
    there = np.load(tmp_path / "there.npz")
    assert set(there.files) == set(here)
    for name, values in here.items():
        np.testing.assert_array_equal(there[name], values, err_msg=name)
    assert json.loads((tmp_path / "manifest.json").read_text())["network"] == network


# -- what is asked of the caller ------------------------------------------------------------------


def check_feature_names(network: str) -> None:
    artifact, job = planted.planted_artifact(network), planted.planted_job(network)
    predictor, x, times = Predictor(artifact), job.features[:10], job.time_ms[:10]
    names = job.feature_names
    for given, said in (
        ((*names[:-1], "%-new"), ("missing ['%-sigma']", "unexpected ['%-new']")),
        (names[::-1], ("same names, different order",)),
        (names[:-1], ("missing ['%-sigma']", "expected 4, got 3")),
        ((*names, "%-new"), ("unexpected ['%-new']", "expected 4, got 5")),
    ):
        with pytest.raises(AlignmentError) as caught:
            predictor.predict(x, times, given)
        assert all(part in str(caught.value) for part in said)
    with pytest.raises(InputError, match=r"\(rows, 4\), got \(10, 3\)"):
        predictor.predict(x[:, :3], times, names)


def check_warm_up(network: str) -> None:
    artifact, job = planted.planted_artifact(network), planted.planted_job(network)
    context = artifact.manifest["context_candles"]
    rows = 3 * context + 20
    x, times = job.features[:rows].copy(), job.time_ms[:rows].copy()
    times[context + 5 :] += job.candle_ms  # one candle is missing
    x[2 * context + 9, 1] = np.nan  # one feature is missing
    out = Predictor(artifact).predict(x, times, job.feature_names)
    has = np.zeros(rows, dtype=bool)
    has[context - 1 : context + 5] = True
    has[2 * context + 4 : 2 * context + 9] = True
    has[3 * context + 9 :] = True
    for name in set(planted.answered(network)) - {columns.ABSTAIN}:
        np.testing.assert_array_equal(np.isfinite(out[name]), has, err_msg=name)
        assert np.isnan(out[name][~has]).all()
    assert (out[columns.ABSTAIN][~has] == 1).all()
    assert (out[columns.ABSTAIN][has] == 0).any()


@of_modules
def check_zero_weight(network: str) -> None:
    job = planted.planted_job(network)
    span = (Span(0, 96), 32)
    weight = torch.ones(len(job.time_ms))
    weight[40:60] = 0.0
    changed = {name: values.copy() for name, values in job.labels.items()}
    for name, value in zip(columns.LABELS, (-50.0, 1.0, 1.0, 1.0), strict=True):
        changed[name][40:60] = value
    other = dataclasses.replace(job, labels=changed)
    assert torch.equal(*(gradient(network, j, weight, span) for j in (job, other)))
    ones = torch.ones_like(weight)
    assert not torch.equal(*(gradient(network, j, ones, span) for j in (job, other)))


def check_bad_input(network: str) -> None:
    job = planted.planted_job(network)
    x = job.features.copy()
    x[40, 1] = np.inf
    with pytest.raises(InputError, match="%-noise_1 is infinite"):
        train(dataclasses.replace(job, features=x))
    x = job.features.copy()
    x[:, 1], x[:, 2] = 1.0, 0.0
    with pytest.raises(InputError, match="%-noise_1 is constant; %-noise_2 is constant"):
        train(dataclasses.replace(job, features=x))
    x = job.features.copy()
    x[:, 2] = np.nan
    with pytest.raises(InputError, match="%-noise_2 is NaN in every row"):
        train(dataclasses.replace(job, features=x))
    few = {k: v[:400] for k, v in job.labels.items()}
    with pytest.raises(InputError, match=r"expected at least \d+ rows in each .* of 400 rows"):
        train(
            dataclasses.replace(
                job, features=job.features[:400], time_ms=job.time_ms[:400], labels=few
            )
        )


def check_bad_artifact(network: str) -> None:
    good, job = planted.planted_artifact(network), planted.planted_job(network)
    with pytest.raises(ArtifactError, match=r"expected network bytes with hash \w{12}, got \w{12}"):
        Predictor(Artifact(good.onnx[:-1] + b"\0\0", good.manifest))
    with pytest.raises(
        ArtifactError, match=f"expected an artifact of format {MANIFEST_FORMAT}, got 99"
    ):
        Predictor(Artifact(good.onnx, {**good.manifest, "format": 99}))
    for junk in (b"", b"not a network", good.onnx[: len(good.onnx) // 2]):
        artifact = Artifact(junk, {**good.manifest, "onnx_sha256": Artifact.digest(junk)})
        with pytest.raises(ArtifactError, match="the network's graph is not one to run"):
            forecast(artifact, job)


def check_all_labels(network: str) -> None:
    artifact, job = planted.planted_artifact(network), planted.planted_job(network)
    out = forecast(artifact, job)
    assert set(out) == set(columns.FORECAST)
    assert len(columns.FORECAST) == len(set(columns.FORECAST))
    rows = slice(artifact.manifest["context_candles"] - 1, None)
    answered = set(planted.answered(network))
    for name in columns.FORECAST:
        assert out[name].shape == (len(job.time_ms),)
        expected = np.isfinite if name in answered else np.isnan
        assert expected(out[name][rows]).all(), name
    for name in {*columns.LABELS[2:], columns.P_DOWN, columns.P_FLAT, columns.P_UP} & answered:
        assert ((out[name][rows] >= 0) & (out[name][rows] <= 1)).all(), name
    total = out[columns.P_DOWN] + out[columns.P_FLAT] + out[columns.P_UP]
    np.testing.assert_allclose(total[rows], 1.0, atol=1e-12)
    q = np.column_stack([out[name] for name in columns.RETURN_QUANTILES])[rows]
    assert not (np.diff(q, axis=1) < 0).any()
    # The hazard of the next candle is one part of the hazard of the whole horizon.
    assert not (out[columns.HAZARD_DOWN][rows] > out[columns.LABEL_CASCADE_DOWN][rows]).any()
    assert not (out[columns.HAZARD_UP][rows] > out[columns.LABEL_CASCADE_UP][rows]).any()


def planted_rows(job: TrainingJob, weight: Tensor) -> Rows:
    layout = HeadLayout(bin_edges=(1, 2, planted.PURGE))
    return Rows(
        features=torch.from_numpy(job.features),
        targets=targets(job, layout),
        weight=weight,
        runs=[Span(0, len(job.time_ms))],
    )


def gradient(network: str, job: TrainingJob, weight: Tensor, piece: tuple[Span, int]) -> Tensor:
    layout = HeadLayout(bin_edges=(1, 2, planted.PURGE))
    model = bare(network, 0, len(planted.NAMES), layout.width)
    parts = sequence_loss(model, planted_rows(job, weight), [piece], layout)
    parts.total(TrainingSettings()).backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def fitted(network: str, seed: int) -> Tensor:
    """Return all weights after three steps of the one training loop."""
    job, layout = planted.planted_job(network), HeadLayout(bin_edges=(1, 2, planted.PURGE))
    best, _ = fit(
        bare(network, 0, len(planted.NAMES), layout.width),
        planted_rows(job, torch.ones(len(job.time_ms))),
        Span(0, 400),
        Span(400, 600),
        32,
        layout,
        TrainingSettings(segment_candles=32, batch=2, max_steps=3, evaluate_every=3),
        seed,
    )
    return torch.cat([p.detach().flatten() for p in best.parameters()])


CHECKS: dict[str, Callable[..., None]] = {
    name.removeprefix("check_"): function
    for name, function in sorted(globals().items())
    if name.startswith("check_")
}
PLAIN = [name for name in CHECKS if name != "reload"]


@pytest.mark.parametrize(
    ("network", "check"),
    [
        pytest.param(name, check, id=f"{name}-{check}")
        for name in catalog.names()
        for check in PLAIN
        if name in catalog.networks() or not hasattr(CHECKS[check], "of_modules")
    ],
)
def test_network_when_checked_against_the_contract_then_it_holds(network: str, check: str) -> None:
    CHECKS[check](network)


@pytest.mark.parametrize(
    "network", [pytest.param(name, id=f"{name}-reload") for name in catalog.names()]
)
def test_network_when_reloaded_without_torch_then_the_numbers_are_the_same(
    network: str, tmp_path: Path
) -> None:
    check_reload(network, tmp_path)


def test_catalogue_when_scanned_then_every_network_file_is_in_it() -> None:
    files = {p.stem for p in Path(catalog.__file__).with_name("nets").glob("*.py")}
    assert set(catalog.networks()) == files - {"__init__", "base"}
    assert "lstm" in catalog.networks()
    assert set(catalog.networks()) <= set(catalog.names())
    assert catalog.titles() == {name: catalog.load(name).title for name in catalog.names()}
    assert len([name for name in PLAIN if not hasattr(CHECKS[name], "of_modules")]) >= 12
    assert len(PLAIN) >= 18
    with pytest.raises(ConfigError, match="unknown network 'lstn'") as caught:
        catalog.load("lstn")
    assert "lstm" in caught.value.cure


# -- controls: the probes must convict these ----------------------------------------------------


def test_causality_probe_when_the_network_is_causal_then_it_acquits() -> None:
    changed = probes.rows_changed(probes.CausalConvolutions(FEATURES, 4), random_input(2, 48), 20)
    assert changed.tolist() == [False] * 21 + [True] * 27


@pytest.mark.parametrize(
    "convict",
    [
        probes.SymmetricConvolutions(FEATURES, 4),
        probes.InstanceNormalised(probes.CausalConvolutions(FEATURES, 4)),
        nn.LSTM(FEATURES, 4, batch_first=True, bidirectional=True),
    ],
    ids=["symmetric_padding", "instance_norm", "bidirectional"],
)
def test_causality_probe_when_the_network_looks_ahead_then_it_convicts(convict: nn.Module) -> None:
    class First(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = convict(x)
            return y if isinstance(y, Tensor) else y[0]

    changed = probes.rows_changed(First(), random_input(2, 48), 20)
    assert changed[:21].any()


def test_receptive_field_probe_when_the_field_is_seven_then_only_seven_passes() -> None:
    module = probes.CausalConvolutions(FEATURES, 4)
    assert_reach(module, probes.CausalConvolutions.RECEPTIVE_FIELD)
    for wrong in (6, 8):
        with pytest.raises(AssertionError):
            assert_reach(module, wrong)


def test_measured_context_when_the_network_remembers_for_ever_then_no_candidate_is_served() -> None:
    class Sum(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.cumsum(dim=1)

    x = random_input(1, 200).numpy()[0]
    with pytest.raises(ArtifactError, match="no context reproduces the whole pass"):
        measure_context(to_onnx(Sum(), FEATURES), x, Span(0, 200), (8, 16))


def test_measured_context_when_the_field_is_seven_then_the_first_candidate_over_it_is_served() -> (
    None
):
    onnx = to_onnx(probes.CausalConvolutions(FEATURES, 4), FEATURES)
    x = random_input(1, 200).numpy()[0]
    context, gaps = measure_context(onnx, x, Span(0, 200), (3, 6, 7, 20))
    assert context == 7
    assert gaps[3] > gaps[7]
    assert gaps[6] > TOLERANCE


# -- alignment of the serving path, with a network that only repeats ------------------------------


def served(artifact: Artifact, rows: int, **history: Any) -> tuple[FloatArray, FloatArray]:
    x = echo.echo_rows(rows)
    times = planted.times(rows)
    out = Predictor(artifact, **history).predict(x, times, echo.NAMES)
    return out[columns.LABEL_RETURN], x[:, 0].astype(np.float64)


def test_echo_when_a_whole_pass_is_served_then_row_t_answers_for_row_t() -> None:
    for rows in (echo.CONTEXT, 255, 256, 257, 260, 261, 9000):
        got, sent = served(echo.echo_artifact(), rows)
        warm = echo.CONTEXT - 1
        assert np.isnan(got[:warm]).all()
        np.testing.assert_allclose(got[warm:], sent[warm:], rtol=1e-6)


def test_echo_when_a_live_slice_of_exactly_the_context_is_served_then_its_last_row_answers() -> (
    None
):
    x, times = echo.echo_rows(40), planted.times(40)
    predictor = Predictor(echo.echo_artifact())
    for last in (echo.CONTEXT - 1, 17, 39):
        rows = slice(last + 1 - echo.CONTEXT, last + 1)
        out = predictor.predict(x[rows], times[rows], echo.NAMES)
        assert np.isfinite(out[columns.LABEL_RETURN]).tolist() == [False] * 4 + [True]
        assert out[columns.LABEL_RETURN][-1] == pytest.approx(float(x[last, 0]), rel=1e-6)
        up = np.exp(float(x[last, 0]))
        assert out[columns.P_UP][-1] == pytest.approx(up / (up + 2), rel=1e-6)


def test_echo_when_a_backtest_slice_has_history_then_its_first_row_answers_for_itself() -> None:
    x, times = echo.echo_rows(700), planted.times(700)
    history = {"history": x[:100], "history_time_ms": times[:100]}
    predictor = Predictor(echo.echo_artifact(), **history)
    out = predictor.predict(x[100:], times[100:], echo.NAMES)[columns.LABEL_RETURN]
    np.testing.assert_allclose(out, x[100:, 0], rtol=1e-6)


def test_echo_when_the_history_does_not_join_then_it_is_left_out() -> None:
    x, times = echo.echo_rows(200), planted.times(200)
    predictor = Predictor(echo.echo_artifact(), history=x[:100], history_time_ms=times[:100])
    for first in (99, 101, 150):  # overlapping, one candle missing, many missing
        out = predictor.predict(x[first:], times[first:], echo.NAMES)[columns.LABEL_RETURN]
        warm = echo.CONTEXT - 1
        assert np.isnan(out[:warm]).all()
        np.testing.assert_allclose(out[warm:], x[first + warm :, 0], rtol=1e-6)


def test_echo_when_the_network_is_one_row_late_then_the_alignment_check_fails() -> None:
    got, sent = served(echo.echo_artifact(late_rows=1), 600)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(got[4:], sent[4:], rtol=1e-6)
    np.testing.assert_allclose(got[5:], sent[4:-1], rtol=1e-6)


def test_predictor_when_no_rows_are_asked_then_no_rows_come_back() -> None:
    out = Predictor(echo.echo_artifact()).predict(
        np.empty((0, 2), np.float32), np.empty(0, np.int64), echo.NAMES
    )
    assert {name: len(values) for name, values in out.items()} == dict.fromkeys(columns.FORECAST, 0)


def test_predictor_when_candles_are_out_of_order_then_it_names_the_row() -> None:
    x, times = echo.echo_rows(10), planted.times(10)
    times[6] = times[5]
    with pytest.raises(AlignmentError, match="expected increasing candle times") as caught:
        Predictor(echo.echo_artifact()).predict(x, times, echo.NAMES)
    assert caught.value.where == "row 6"


def test_predictor_when_a_row_is_far_from_training_then_it_abstains_on_that_row_alone() -> None:
    x, times = echo.echo_rows(30), planted.times(30)
    x[20, 0] = 1000.0  # novelty (1000^2 + 0.5^2) / 2 / 100 = 5000
    out = Predictor(echo.echo_artifact()).predict(x, times, echo.NAMES)
    assert out[columns.NOVELTY][20] == pytest.approx(5000, rel=1e-3)
    assert np.flatnonzero(out[columns.ABSTAIN]).tolist() == [0, 1, 2, 3, 20]


# -- jobs the pipeline must refuse by name ------------------------------------------------------


@pytest.mark.parametrize("value", [0.1, 3.3, 123.456])
def test_pipeline_when_a_column_is_constant_at_any_value_then_it_is_refused(value: float) -> None:
    job = planted.planted_job("lstm")
    x = job.features.copy()
    x[:, 1] = value
    with pytest.raises(InputError, match="%-noise_1 is constant"):
        train(dataclasses.replace(job, features=x))


def test_pipeline_when_a_column_is_constant_in_the_training_rows_only_then_it_is_refused() -> None:
    job = planted.held_out(planted.planted_job("lstm"))
    x = job.features.copy()
    x[: len(x) // 2, 1] = 1.0
    with pytest.raises(InputError, match="%-noise_1"):
        train(dataclasses.replace(job, features=x))


@pytest.mark.parametrize("name", [columns.LABEL_RETURN, columns.LABEL_DIRECTION])
def test_pipeline_when_a_label_is_absent_or_empty_then_it_is_refused_by_name(name: str) -> None:
    job = planted.planted_job("lstm")
    empty = {**job.labels, name: np.full(len(job.time_ms), np.nan)}
    absent = {k: v for k, v in job.labels.items() if k != name}
    for labels in (empty, absent):
        with pytest.raises(InputError, match=name):
            train(dataclasses.replace(job, labels=labels))


def test_pipeline_when_the_volatility_feature_is_absent_then_it_is_refused_by_name() -> None:
    # Without it every forecast of the artifact would fail: the predictor scales returns by it.
    job = planted.planted_job("lstm", feature_names=(*planted.NAMES[:-1], "%-other"))
    with pytest.raises(InputError, match=columns.FEATURE_SIGMA):
        train(job)
