"""The hedge's model: peers cut at the same moments, missing feeds told as missing, the fallback."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from models.base import columns
from models.base.errors import AlignmentError, ConfigError, InputError
from models.base.heads import HeadLayout, hazard_targets, sigmoid
from models.base.types import Artifact
from models.learn.calibration import fit_hazard_scale
from models.learn.export.onnx import to_onnx
from models.learn.hybrid import fallback
from models.learn.jobs.pipeline import check, train
from models.learn.nets.base import MUTED_ABOVE, Committee, Forecaster
from models.learn.nets.hedge import SPEC
from models.serve.predictor import Predictor
from models.serve.session import Session
from tests.test_contract import planted
from tests.test_models.learn.feeding import FEED, LATE, pooled, with_feeds

LAYOUT = HeadLayout(bin_edges=(1, 2, 4), peak_edges=(1, 3, 7), action=True)


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    torch.set_num_threads(1)
    return train(pooled())


# -- peers --------------------------------------------------------------------------------------


def test_peers_when_prepared_then_each_span_ends_when_the_job_s_own_does():
    job = pooled()
    late = job.peers[0]  # a market that starts later than the job's own
    late = dataclasses.replace(
        late,
        features=late.features[100:],
        time_ms=late.time_ms[100:],
        labels={k: v[100:] for k, v in late.labels.items()},
    )
    data = planted.prepared(dataclasses.replace(job, peers=(late,)))
    own = len(job.time_ms)
    times = np.concatenate((job.time_ms, late.time_ms))
    (peer,) = data.peers
    for name in ("train", "validation", "calibration"):
        mine, theirs = getattr(data.split, name), getattr(peer.split, name)
        assert theirs.start >= own
        assert times[theirs.stop - 1] == times[mine.stop - 1]
        assert times[theirs.start] >= times[mine.start]
    torch.testing.assert_close(
        data.rows.features[own:], torch.from_numpy(late.features), equal_nan=True
    )


def test_peers_when_their_columns_differ_then_they_are_refused():
    job = pooled()
    other = dataclasses.replace(job.peers[0], feature_names=tuple(reversed(job.feature_names)))
    with pytest.raises(AlignmentError, match="expected the features and candles"):
        planted.prepared(dataclasses.replace(job, peers=(other,)))


def test_training_when_a_peer_changes_after_the_calibration_rows_then_the_artifact_does_not(
    artifact: Artifact,
):
    job = pooled()
    peer = job.peers[0]
    changed = peer.features.copy()
    changed[-planted.PURGE :] = 3.0
    labels = {k: np.r_[v[: -planted.PURGE], np.ones(planted.PURGE)] for k, v in peer.labels.items()}
    other = dataclasses.replace(peer, features=changed, labels=labels)
    again = train(dataclasses.replace(job, peers=(other,)))
    assert again.manifest["onnx_sha256"] == artifact.manifest["onnx_sha256"]
    assert again.manifest["calibration"] == artifact.manifest["calibration"]


def test_training_when_it_has_no_peers_then_it_is_another_model(artifact: Artifact):
    alone = train(dataclasses.replace(pooled(), peers=()))
    assert alone.manifest["onnx_sha256"] != artifact.manifest["onnx_sha256"]
    scales = [a.manifest["calibration"]["hazard"] for a in (alone, artifact)]
    assert 0 < scales[0]["rows_before_onset"] < scales[1]["rows_before_onset"]
    assert planted.planted_artifact("linear").manifest["calibration"]["hazard"] == "uncalibrated"


def test_manifest_when_coins_were_pooled_then_it_tells_what_each_gave(artifact: Artifact):
    job = pooled()
    shares = artifact.manifest["pool"]
    assert [share["title"] for share in shares] == [job.title, "peer"]
    stop = artifact.manifest["spans_ms"]["train"][1]
    for share, told in zip(shares, (job, job.peers[0]), strict=True):
        seen = told.time_ms <= stop
        assert share["rows"] == seen.sum()
        assert share["falls"] == (told.labels[columns.LABEL_CASCADE_DOWN][seen] == 1).sum() > 0
    assert "pool" not in planted.planted_artifact("linear").manifest


def test_peer_when_it_had_no_cascade_then_it_tells_how_rare_they_are():
    job = pooled()
    quiet = {**job.peers[0].labels}
    for name in (columns.LABEL_CASCADE_DOWN, columns.LABEL_CASCADE_UP):
        quiet[name] = np.where(np.isfinite(quiet[name]), np.nanmax(quiet[name]), np.nan)
    quiet[columns.LABEL_PEAK] = np.full(len(job.time_ms), np.nan)
    calm = dataclasses.replace(job.peers[0], labels=quiet)
    at = planted.prepared(job).layout.hazards
    with_calm = planted.prepared(dataclasses.replace(job, peers=(calm,)))
    alone = planted.prepared(dataclasses.replace(job, peers=()))
    assert with_calm.prior[at].max() < alone.prior[at].max()


def test_pool_when_a_model_cannot_learn_from_other_pairs_then_its_config_is_refused():
    with pytest.raises(ConfigError, match="learns from its own pair only"):
        check("boosted", {"training": {"pool": ["BTC/USDT:USDT"]}})
    check("hedge", {"training": {"pool": ["BTC/USDT:USDT"]}})
    for wrong in ("BTC/USDT:USDT", ["BTC/USDT:USDT", "BTC/USDT:USDT"]):
        with pytest.raises(ConfigError, match="list of different pairs"):
            check("hedge", {"training": {"pool": wrong}})


# -- feeds --------------------------------------------------------------------------------------


def test_forecast_when_only_a_feed_is_missing_then_there_is_one(artifact: Artifact):
    job = pooled()
    out = Predictor(artifact).predict(job.features, job.time_ms, job.feature_names)
    context = artifact.manifest["context_candles"]
    assert np.isnan(job.features[:, -2:]).any(axis=1).all()
    # A sample this small cannot tell drift, nor how often an alarm is false.
    untold = {columns.DRIFT, columns.FALSE_ALARMS_DOWN, columns.FALSE_ALARMS_UP}
    untold |= {columns.POLICY}  # it is no agent
    for name in set(columns.FORECAST) - untold:
        assert np.isfinite(out[name][context - 1 :]).all(), name
    assert (out[columns.ABSTAIN][context - 1 :] == 0).mean() > 0.9
    hole = job.features.copy()
    hole[500, 0] = np.nan  # a candle feature, which no row can be without
    again = Predictor(artifact).predict(hole, job.time_ms, job.feature_names)
    assert np.isnan(again[columns.P_UP][500 : 500 + context]).all()


def test_forecast_when_a_feed_dies_then_it_says_so_and_a_feed_never_seen_says_nothing(
    artifact: Artifact,
):
    job = pooled()
    names = job.feature_names

    def p_up(column: str, value: float) -> np.ndarray:
        x = job.features.copy()
        x[:, names.index(column)] = value
        out = Predictor(artifact).predict(x, job.time_ms, names)[columns.P_UP]
        return out[artifact.manifest["context_candles"] :]

    mean = float(np.nanmean(job.features[: len(job.time_ms) // 2, names.index(FEED)]))
    assert np.abs(p_up(FEED, np.nan) - p_up(FEED, mean)).max() > 1e-6  # missing is not the mean
    np.testing.assert_array_equal(p_up(LATE, np.nan), p_up(LATE, 1234.0))


def test_onnx_when_feeds_are_missing_then_it_equals_torch():
    mean, std = torch.zeros(4), torch.tensor([1.0, 1.0, 2.0, 10 * MUTED_ABOVE])
    torch.manual_seed(0)
    network = SPEC.build(6, LAYOUT.width, SPEC.config())
    shell = Forecaster(network, LAYOUT, mean, std, None, [2, 3], carries=True).eval()
    session = Session(to_onnx(shell, 4, carries=True))
    x = torch.randn(2, 30, 4)
    x[0, 5:9, 2] = torch.nan
    x[1, :, 3] = torch.nan
    with torch.no_grad():
        expected = shell(x).numpy()
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(session.run(x.numpy()), expected, atol=1e-5)


def test_other_models_when_given_feeds_then_they_need_them():
    job = dataclasses.replace(with_feeds(planted.planted_job("linear")), network="linear")
    with pytest.raises(InputError, match=f"{LATE} is NaN in every row"):
        planted.prepared(job)


def test_committee_when_it_has_the_hedge_s_heads_then_probabilities_are_averaged():
    members = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        network = SPEC.build(3, LAYOUT.width, SPEC.config())
        members.append(Forecaster(network, LAYOUT, torch.zeros(3), torch.ones(3)).eval())
    x = torch.randn(1, 20, 3)
    with torch.no_grad():
        both, parts = Committee(members)(x), torch.stack([m(x) for m in members])
    at = LAYOUT.actions
    torch.testing.assert_close(both[..., at].softmax(-1), parts[..., at].softmax(-1).mean(0))
    at = LAYOUT.peak
    torch.testing.assert_close(both[..., at].sigmoid(), parts[..., at].sigmoid().mean(0))


# -- the fallback ---------------------------------------------------------------------------------


def test_hazard_when_one_source_is_best_on_validation_then_the_graph_answers_it(
    artifact: Artifact,
):
    m = artifact.manifest
    losses = m["hazard_validation_loss"]
    clearly = losses["network_gain"] > 2 * losses["standard_error"]
    rival = min((fallback.TREES, fallback.CONSTANT), key=losses.get)
    assert losses["network_gain"] == pytest.approx(losses[rival] - losses[fallback.NETWORK])
    assert m["hazard_source"] == (fallback.NETWORK if clearly else rival)


@pytest.mark.parametrize("source", [fallback.NETWORK, fallback.TREES, fallback.CONSTANT])
def test_graph_when_a_source_is_chosen_then_only_the_hazards_change(source, monkeypatch):
    losses = dict.fromkeys((fallback.NETWORK, fallback.TREES, fallback.CONSTANT), np.ones(9))
    monkeypatch.setattr(
        fallback, "_validation_losses", lambda *a: {**losses, source: np.full(9, 0.5)}
    )
    nets = []
    plain = fallback.fit_network
    monkeypatch.setattr(
        fallback, "fit_network", lambda *a: nets.append(plain(*a)) or nets[0]
    )  # fmt: skip
    data = planted.prepared(pooled(10))
    fitted = fallback.fit_with_fallback(SPEC, data)
    assert fitted.facts["hazard_source"] == source
    x = data.job.features[:300]
    served, network = Session(fitted.onnx).run(x[None])[0], Session(nets[0].onnx).run(x[None])[0]
    at = data.layout.hazards
    others = np.delete(np.arange(data.layout.width), np.r_[at])
    np.testing.assert_allclose(served[:, others], network[:, others], atol=1e-5)
    if source == fallback.NETWORK:
        np.testing.assert_array_equal(served, network)
    elif source == fallback.CONSTANT:
        assert np.ptp(served[:, at], axis=0).max() < 1e-6
        np.testing.assert_allclose(served[0, at], data.prior[at], atol=1e-5)
    else:
        trees = fallback._fit_trees(data, 0)
        rows = fallback._tree_input(data, np.arange(300))
        np.testing.assert_allclose(served[:, data.layout.hazard(-1)], trees.logits(rows), atol=1e-4)


# -- calibration ----------------------------------------------------------------------------------


def test_hazard_scale_when_logits_are_too_bold_then_they_are_shrunk_and_few_onsets_move_little():
    rng = np.random.default_rng(0)
    truth = -3.0 + rng.normal(size=30_000)
    steps = np.minimum(rng.geometric(sigmoid(truth)), 5).astype(float)
    event, at_risk = hazard_targets(steps, (1, 2, 4))
    bold = np.repeat(2.0 * truth[:, None] + 1.0, 3, axis=1)
    bold[:, 2] += 0.7  # two candles instead of one
    _, slope = fit_hazard_scale(bold, event, at_risk)
    assert slope == pytest.approx(0.5, abs=0.08)
    few = slice(0, 40)
    _, slope = fit_hazard_scale(bold[few], event[few], at_risk[few])
    assert slope == pytest.approx(1.0, abs=0.2)
