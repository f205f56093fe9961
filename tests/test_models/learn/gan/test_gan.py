"""The GAN: what its paths are made of, what it is trained on, and what it answers."""

from __future__ import annotations

import base64
import dataclasses
from functools import cache

import numpy as np
import onnxruntime
import pytest
import torch

from models.base.errors import InputError
from models.base.types import Artifact, FloatArray, TrainingJob
from models.base.windows import Span
from models.learn.gan.adversarial import path_score
from models.learn.gan.baselines import block_bootstrap, fit_garch
from models.learn.gan.evidence import gather
from models.learn.gan.export import METADATA
from models.learn.gan.fitting import (
    correlation,
    fit_gan,
    heaviness,
    serve,
    train_generator,
)
from models.learn.gan.gan import GANConfig
from models.learn.gan.generator import Shocks
from models.learn.gan.noise import REACH, noise_channels, profile, standard_noise
from models.learn.gan.observed import Observed, paths_after, paths_before, return_columns
from models.learn.gan.trained import Trained
from models.learn.training.fitted import Fitted
from models.learn.training.prepare import Prepared
from tests.test_contract import planted

torch.set_num_threads(1)


def returns_of(rows: int, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Log returns and their volatility."""
    rng = np.random.default_rng(seed)
    sigma = 0.01 * np.exp(0.2 * rng.normal(size=rows))
    return sigma * rng.normal(size=rows), sigma


def observed(rows: int = 60, horizon: int = 4) -> Observed:
    r, sigma = returns_of(rows)
    ahead = np.array([r[t + 1 : t + 1 + horizon].sum() for t in range(rows)])
    return Observed(
        assets=("base",),
        scaled=(r / sigma)[:, None],
        sigma=sigma,
        label=ahead / sigma / np.sqrt(horizon),
        horizon=horizon,
        runs=[Span(0, 30), Span(33, rows)],
    )


# -- what really happened -------------------------------------------------------------------------


def test_paths_after_when_rows_are_gap_free_then_they_are_the_next_returns() -> None:
    seen = observed()
    path, known = paths_after(seen, Span(0, 50), 6)
    assert np.flatnonzero(known).tolist() == [*range(24), *range(33, 44)]
    for t in (0, 23, 43):
        expected = seen.log_return[t + 1 : t + 7] / seen.sigma[t]
        np.testing.assert_allclose(path[t], expected, atol=1e-12)
    assert (path[~known] == 0).all()


def test_paths_after_when_rows_behind_the_span_change_then_nothing_moves() -> None:
    seen = observed()
    scaled, sigma = seen.scaled.copy(), seen.sigma.copy()
    scaled[50:], sigma[50:] = 99.0, 99.0
    other = dataclasses.replace(seen, scaled=scaled, sigma=sigma)
    for a, b in zip(
        paths_after(seen, Span(0, 50), 6), paths_after(other, Span(0, 50), 6), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_paths_after_when_the_label_differs_then_it_is_met_over_the_horizon() -> None:
    seen = observed()
    path, known = paths_after(dataclasses.replace(seen, label=seen.label + 1), Span(0, 50), 6)
    total = path[known, :4, 0].sum(axis=1) / 2
    np.testing.assert_allclose(total, seen.label[known] + 1, atol=1e-12)


def test_paths_before_when_rows_are_gap_free_then_they_end_with_the_row() -> None:
    seen = observed()
    past = paths_before(seen, 5)
    np.testing.assert_allclose(past[20], seen.log_return[16:21] / seen.sigma[20])
    assert (past[35] == 0).all()  # its run began two rows ago


def test_return_columns_when_there_are_other_pairs_then_each_comes_once() -> None:
    names = [
        "%-return_1_gen_BTC/USDTUSDT_1h", "%-return_1_gen_BTC/USDTUSDT_1h_shift-1",
        "%-return_1_gen_BTC/USDTUSDT_4h", "%-return_1_gen_ETH/USDTUSDT_1h",
        "%-return_1_gen_ETH/USDTUSDT_4h", "%-return_1_gen_LTC/USDTUSDT_1h",
    ]  # fmt: skip
    assert return_columns(names) == {"BTC": 0, "ETH": 3, "LTC": 5}


# -- the generator --------------------------------------------------------------------------------


def test_shocks_when_later_noise_changes_then_earlier_steps_do_not() -> None:
    torch.manual_seed(0)
    shocks = Shocks(np.eye(2), np.full((2, 2), 0.1))
    noise = torch.from_numpy(standard_noise(3, 10, 2, seed=0))
    other = noise.clone()
    other[:, REACH + 4 :] = 5.0
    (heavy, g), (heavy_2, g_2) = shocks(noise), shocks(other)
    assert heavy.shape == (3, 10, 2)
    torch.testing.assert_close(heavy[:, :4], heavy_2[:, :4])
    torch.testing.assert_close(g[:, :5], g_2[:, :5])  # volatility goes by earlier shocks alone
    assert (g[:, 5:] != g_2[:, 5:]).any()


def test_shocks_when_the_tail_parameter_grows_then_tails_are_heavier_than_gaussian() -> None:
    noise = torch.from_numpy(standard_noise(20_000, 1, 1, seed=0))
    with torch.no_grad():
        light, heavy = (
            Shocks(np.eye(1), np.full((2, 1), d))(noise)[0].numpy() for d in (0.01, 0.25)
        )
    kurtosis = [float(np.mean(x**4) / np.mean(x**2) ** 2) for x in (light, heavy)]
    assert kurtosis[0] == pytest.approx(3.3, abs=0.3)
    assert kurtosis[1] > 15


def test_heaviness_when_returns_are_gaussian_then_tails_start_light() -> None:
    rng = np.random.default_rng(0)
    assert (heaviness(rng.normal(size=(20_000, 2))) < 0.03).all()
    u = rng.normal(size=(20_000, 2))
    np.testing.assert_allclose(heaviness(u * np.exp(0.5 * 0.2 * u**2)), 0.1, atol=0.02)


def test_path_score_when_the_distribution_is_the_true_one_then_no_other_scores_lower() -> None:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    real, weight = normal(4000, 3, 1), torch.ones(4000)
    scores = {
        (shift, scale): float(path_score(shift + scale * normal(4000, 8, 3, 1), real, weight))
        for shift, scale in ((0.0, 1.0), (0.0, 0.6), (0.0, 1.6), (0.4, 1.0))
    }
    assert min(scores, key=scores.__getitem__) == (0.0, 1.0)
    assert scores[0.0, 1.0] == pytest.approx(1 / np.sqrt(np.pi), abs=0.02)  # of a unit Gaussian


def test_config_when_a_setting_is_out_of_range_then_it_is_refused() -> None:
    for wrong in (
        {"paths": 200}, {"paths": 0}, {"blocks": 6}, {"channels": 0}, {"critic_steps": 0},
        {"score_paths": 1}, {"gradient_penalty": 0.0}, {"adversarial_weight": -1.0},
        {"critic_learning_rate": float("nan")},
    ):  # fmt: skip
        with pytest.raises(ValueError, match="expected"):
            GANConfig(**wrong)


# -- training on the planted job ------------------------------------------------------------------


@cache
def prepared() -> Prepared:
    return planted.prepared(planted.planted_job("gan"))


@cache
def trained() -> Trained:
    return train_generator(prepared())


@cache
def fitted() -> Fitted:
    return fit_gan(prepared())


def test_training_when_a_mean_is_planted_then_the_paths_follow_it() -> None:
    data, x = prepared(), prepared().rows.features[None, :400]
    model = serve(trained().generator, trained(), data)
    with torch.no_grad():
        paths = model.paths(model.condition(x))[0, 100:]  # (R, S, M)
    signal = planted.signal(data.job)[100:400]
    mean = paths.mean(dim=-1).numpy()
    assert np.corrcoef(mean[:, 0], signal)[0, 1] > 0.9
    # Later steps have nothing to follow; the profile is smooth, so it takes them to forget.
    assert np.std(mean[:, -1]) < 0.5 * np.std(mean[:, 0])


def test_served_forecast_when_paths_are_counted_by_hand_then_the_numbers_agree() -> None:
    data, x = prepared(), prepared().rows.features[None, :200]
    model = serve(trained().generator, trained(), data)
    with torch.no_grad():
        y = model(x)[0].numpy()
        total = model.paths(model.condition(x))[0, :, 0].numpy()  # one-candle horizon, (T, M)
    quantiles = y[:, data.layout.quantiles]
    for i, level in enumerate((0.05, 0.25, 0.5, 0.75, 0.95)):
        expected = np.quantile(total, level, axis=1, method="weibull")
        np.testing.assert_allclose(quantiles[:, i], expected, atol=1e-5)
    sigma = x[0, :, -1].numpy()
    up = (total > data.settings.labels.cost_frac / sigma[:, None]).mean(axis=1)
    assert np.abs(np.exp(y[:, 2]) - up).max() < 0.03  # a soft edge, and a floor of 0.001
    np.testing.assert_allclose(np.exp(y[:, data.layout.classes]).sum(axis=1), 1.0, atol=1e-5)


def test_training_when_rows_behind_the_validation_rows_change_then_nothing_changes() -> None:
    job = planted.planted_job("gan")
    first = prepared().split.calibration.start
    x, labels = job.features.copy(), {k: v.copy() for k, v in job.labels.items()}
    x[first:] = 2 * x[first:]
    for values in labels.values():
        values[first:] = 1.0
    changed = fit_gan(planted.prepared(dataclasses.replace(job, features=x, labels=labels)))
    assert changed.onnx == fitted().onnx
    assert changed.facts == fitted().facts


def test_training_when_the_frame_has_no_one_candle_return_then_it_says_so() -> None:
    job = planted.planted_job("gan", feature_names=("%-a", *planted.NAMES[1:]))
    with pytest.raises(InputError, match="expected the one-candle return"):
        fit_gan(planted.prepared(job))


def test_evidence_when_next_returns_are_drawn_then_rows_share_no_noise() -> None:
    data = prepared()
    drawn = gather(
        trained(), data.rows.features, data.split.train, data.split.validation, trained().steps, 0
    ).next_drawn
    own = (drawn - drawn.mean(axis=1, keepdims=True)) / drawn.std(axis=1, keepdims=True)  # (R, N)
    # A draw's mean over the rows: as wide as one draw if all rows had the same noise.
    assert own.mean(axis=0).std() < 1.3 / np.sqrt(len(own))


def test_facts_when_fitted_then_the_verdict_tells_each_part() -> None:
    scenario = fitted().facts["scenario"]
    assert scenario["label"] in ("usable", "illustrative")
    assert (scenario["label"] == "usable") == (not scenario["against"])
    assert scenario["error_rate"] == 0.05
    assert 0 <= scenario["p_value"] <= 1
    parts = {part["name"]: part for part in scenario["parts"]}
    assert list(parts) == ["paths", "memory", "next_return", "score"]
    assert set(parts["score"]["deviations"]) == {
        "energy_score_over_block_bootstrap", "energy_score_over_filtered_historical",
    }  # fmt: skip
    assert sum(len(part["deviations"]) for part in parts.values()) >= 30
    assert len(scenario["deviate_most"]) == 5


# -- joint paths ----------------------------------------------------------------------------------


def joint_job() -> TrainingJob:
    """Three markets that move together, the first the traded one."""
    job, rng = planted.planted_job("gan"), np.random.default_rng(5)
    rows = len(job.time_ms)
    common = rng.normal(size=rows)
    other = [0.8 * common + 0.6 * rng.normal(size=rows) for _ in range(3)]
    x = np.column_stack((*other, 0.01 * np.exp(0.1 * rng.normal(size=rows)))).astype(np.float32)
    names = (*(f"%-return_1_gen_{a}/USDTUSDT_1h" for a in ("BTC", "ETH", "LTC")), "%-sigma")
    step = x[:, 0].astype(np.float64) * x[:, 3]
    labels = {**job.labels, "&-return": np.append(step[1:], np.nan) / x[:, 3]}
    settings = {**job.settings, "training": {**job.settings["training"], "max_steps": 150}}
    return dataclasses.replace(
        job, features=x, feature_names=names, labels=labels, settings=settings
    )


def drawn(artifact: Artifact, rows: np.ndarray, paths: int, steps: int, seed: int) -> np.ndarray:
    """Returns (N, S, A) of the generator that travels in the artifact, in units of sigma."""
    held = onnxruntime.InferenceSession(artifact.onnx).get_modelmeta().custom_metadata_map
    generator = onnxruntime.InferenceSession(base64.b64decode(held[METADATA]))
    manifest = artifact.manifest
    inputs = {
        "features": rows[None, -manifest["context_candles"] :],
        "noise": standard_noise(paths, steps, len(manifest["assets"]), seed),
        "basis": profile(steps, manifest["candle_ms"]).astype(np.float32),
    }
    return generator.run(None, inputs)[0].astype(np.float64)


def test_artifact_when_markets_move_together_then_so_do_the_paths_of_its_generator() -> None:
    from models.learn.jobs.pipeline import train

    job = joint_job()
    artifact = train(job)
    assert artifact.manifest["assets"] == ["BTC", "ETH", "LTC"]
    rows = job.features[-200:]
    paths = drawn(artifact, rows, paths=2000, steps=4, seed=1)
    assert paths.shape == (2000, 4, 3)
    together = np.corrcoef(paths.reshape(-1, 3).T)[np.triu_indices(3, 1)]
    np.testing.assert_allclose(together, 0.64, atol=0.15)  # as in the market
    np.testing.assert_array_equal(paths, drawn(artifact, rows, paths=2000, steps=4, seed=1))
    assert (drawn(artifact, rows, paths=2000, steps=4, seed=2) != paths).any()
    assert np.isfinite(drawn(artifact, rows, paths=5, steps=60, seed=1)).all()


def test_noise_when_asked_twice_then_it_is_the_same_and_as_wide_as_needed() -> None:
    noise = standard_noise(4, 6, 2, seed=3)
    assert noise.shape == (4, REACH + 6, noise_channels(2))
    np.testing.assert_array_equal(noise, standard_noise(4, 6, 2, seed=3))
    np.testing.assert_array_equal(profile(60, 3_600_000)[:24], profile(24, 3_600_000))


def test_correlation_when_markets_move_together_then_it_is_theirs_and_can_be_factored() -> None:
    rng = np.random.default_rng(0)
    common = rng.normal(size=(20_000, 1))
    found = correlation(0.8 * common + 0.6 * rng.normal(size=(20_000, 2)))
    np.testing.assert_allclose(found, [[1.0, 0.64], [0.64, 1.0]], atol=0.04)
    np.linalg.cholesky(correlation(np.repeat(common, 3, axis=1)))  # three names of one market


# -- baselines ------------------------------------------------------------------------------------


def test_garch_when_returns_follow_one_then_its_numbers_are_found() -> None:
    rng = np.random.default_rng(0)
    r, v = np.empty((20_000, 1)), 1.0
    for t in range(len(r)):
        r[t] = np.sqrt(v) * rng.normal()
        v = 0.02 + 0.08 * float(r[t, 0]) ** 2 + 0.90 * v
    model = fit_garch(r)
    assert model.alpha[0] == pytest.approx(0.08, abs=0.03)
    assert model.alpha[0] + model.beta[0] == pytest.approx(0.98, abs=0.01)
    drawn = model.simulate(np.array([[4.0], [0.25]]), 4000, 3, seed=0)
    np.testing.assert_allclose(drawn[:, :, 0].std(axis=(1, 2)), [2.0, 0.5], rtol=0.05)


def test_block_bootstrap_when_drawn_then_returns_are_the_training_rows() -> None:
    scaled = np.arange(50.0)[:, None]
    drawn = block_bootstrap(scaled, 10, 8, seed=0)
    assert drawn.shape == (10, 8, 1)
    assert set(drawn.ravel()) <= set(scaled.ravel())
    assert np.mean(np.diff(drawn[:, :, 0], axis=1) == 1) > 0.8
