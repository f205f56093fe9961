"""Attributions add up, ignore what the model ignores, and find what was planted."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from models.base import columns
from models.base.errors import AlignmentError, InputError
from models.base.types import Artifact, Float32Array, FloatArray
from models.evaluate.explain import Explanation, WindowForecaster, explain, importance, shapley
from models.evaluate.explain.forecast import TIME
from models.evaluate.explain.text import attribution_table
from tests.test_contract.echo import (
    CANDLE_MS,
    CONTEXT,
    NAMES,
    SIGMA,
    echo_artifact,
    echo_rows,
    graph_of,
)
from tests.test_contract.planted import held_out_rows, planted_artifact, planted_job

WINDOW, PLAYERS = (6, 5), np.arange(30).reshape(6, 5)  # every cell a player


def random_game(seed: int = 0) -> tuple[Any, Float32Array, Float32Array]:
    """A small random network, a window and two baselines."""
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(30, 8)), rng.normal(size=8)

    def network(x: Float32Array) -> FloatArray:
        return np.tanh(x.reshape(len(x), -1) @ first) @ second

    window = rng.normal(size=WINDOW).astype(np.float32)
    return network, window, rng.normal(size=(2, *WINDOW)).astype(np.float32)


def cells(*values: float) -> Float32Array:
    return np.array([values], dtype=np.float32)


# -- theorems --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_shapley_when_the_function_is_not_linear_then_the_values_still_add_up(seed: int) -> None:
    network, window, baselines = random_game(seed)
    found = shapley(network, window, baselines, PLAYERS, pairs=3, seed=seed)
    assert found.total == pytest.approx(network(window[None])[0], abs=1e-9)
    assert found.base == pytest.approx(network(baselines).mean(), abs=1e-9)
    assert found.value.sum() == pytest.approx(found.total - found.base, abs=1e-9)
    np.testing.assert_allclose(found.samples.sum(axis=1), found.total - found.base, atol=1e-9)


def test_shapley_when_the_function_is_linear_then_each_value_is_weight_times_difference() -> None:
    _, window, baselines = random_game()
    weight = np.random.default_rng(9).normal(size=WINDOW)
    found = shapley(
        lambda x: (x * weight).sum(axis=(1, 2)), window, baselines, PLAYERS, pairs=2, seed=0
    )
    expected = weight * (window - baselines.mean(axis=0))
    np.testing.assert_allclose(found.value.reshape(WINDOW), expected, atol=1e-6)
    np.testing.assert_allclose(found.error, 0.0, atol=1e-6)


def test_shapley_when_a_player_is_ignored_then_it_gets_nothing() -> None:
    network, window, baselines = random_game()
    found = shapley(
        lambda x: network(np.where(PLAYERS == 7, 0.0, x)), window, baselines, PLAYERS,
        pairs=3, seed=0,
    )  # fmt: skip
    assert np.abs(found.samples[:, 7]).max() < 1e-12
    assert (np.abs(np.delete(found.value, 7)) > 0).all()


def test_shapley_when_two_players_do_the_same_then_they_get_the_same() -> None:
    found = shapley(
        lambda x: np.exp(x[:, 0, 0] + x[:, 0, 1]) * x[:, 0, 2],
        cells(1, 1, 3), cells(0, 0, 1)[None], np.arange(3)[None], pairs=2, seed=0,
    )  # fmt: skip
    assert found.value[0] == pytest.approx(found.value[1])


def test_shapley_when_the_game_is_of_gloves_then_the_known_shares_come_out() -> None:
    # One left glove, two right ones, a pair is worth 1: 2/3, 1/6, 1/6 (Shapley's own example).
    found = shapley(
        lambda x: np.minimum(x[:, 0, 0], np.maximum(x[:, 0, 1], x[:, 0, 2])),
        cells(1, 1, 1), cells(0, 0, 0)[None], np.arange(3)[None], pairs=2, seed=0,
    )  # fmt: skip
    np.testing.assert_allclose(found.value, [2 / 3, 1 / 6, 1 / 6], atol=1e-12)
    assert (found.error == 0).all()


def test_shapley_when_sampled_then_the_exact_values_lie_within_the_stated_error() -> None:
    network, window, baselines = random_game()
    players = PLAYERS // 3  # 10 players: 1024 coalitions
    exact = shapley(network, window, baselines, players, pairs=60, seed=0)
    assert len(exact.samples) == 1
    sampled = shapley(network, window, baselines, players, pairs=30, seed=0)
    assert len(sampled.samples) == 30
    away = (sampled.value - exact.value) / sampled.error
    assert np.sqrt((away**2).mean()) == pytest.approx(1.0, abs=0.6)
    assert np.abs(away).max() < 4


def test_shapley_when_seeded_then_it_repeats_itself() -> None:
    network, window, baselines = random_game()
    one, same, other = (
        shapley(network, window, baselines, PLAYERS, pairs=2, seed=s).samples for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_shapley_when_asked_wrongly_then_it_says_what_was_expected() -> None:
    network, window, baselines = random_game()
    with pytest.raises(InputError, match="shape"):
        shapley(network, window, baselines[:, :-1], PLAYERS, pairs=2, seed=0)
    with pytest.raises(InputError, match="pairs >= 2"):
        shapley(network, window, baselines, PLAYERS, pairs=1, seed=0)
    with pytest.raises(InputError, match="nan"):
        shapley(lambda x: x[:, 0, 0] * np.nan, window, baselines, PLAYERS, pairs=2, seed=0)


# -- forecasts -------------------------------------------------------------------------------------


def times(rows: int) -> np.ndarray:
    return CANDLE_MS * np.arange(rows, dtype=np.int64)


def moves(explanation: Explanation) -> dict[tuple[str, str], float]:
    found = explanation.by_driver(1000)["drivers"]
    return {(d["feature"], d["age"]): d["value"] for d in found}


def test_explain_when_the_model_repeats_the_last_echo_then_that_alone_drove_it() -> None:
    forecaster, rows = WindowForecaster(echo_artifact()), echo_rows(20)
    made = forecaster.predict(rows, times(20), NAMES)
    e = explain(forecaster, rows, times(20))
    assert e.total == pytest.approx(made[columns.LABEL_DIRECTION][-1], abs=1e-6)
    assert e.base == pytest.approx(0.0, abs=1e-6)  # the mean echo is 0: up and down alike
    assert moves(e) == {("echo", "last"): pytest.approx(e.total - e.base, abs=1e-9)}
    assert [a["value"] for a in e.by_age()] == [pytest.approx(e.total, abs=1e-6), 0, 0]


def test_explain_when_the_target_is_the_return_then_volatility_has_its_share() -> None:
    # The median return is echo * sigma * 2 (four candles), against a mean of 0 for both.
    rows = echo_rows(20)
    e = explain(WindowForecaster(echo_artifact()), rows, times(20), "return")
    assert e.total == pytest.approx(2 * SIGMA * rows[-1, 0], abs=1e-6)
    assert moves(e) == {
        ("echo", "last"): pytest.approx(e.total / 2, abs=1e-6),
        ("sigma", "last"): pytest.approx(e.total / 2, abs=1e-6),
    }


def test_explain_when_a_signal_was_planted_then_its_feature_and_candle_get_nearly_all() -> None:
    job, artifact = planted_job("gru"), planted_artifact("gru")
    forecaster, end = WindowForecaster(artifact), held_out_rows(job).stop
    strong = end - 1 - int(np.argmax(np.abs(job.features[end - 50 : end, 0])[::-1]))
    rows = slice(strong + 1 - forecaster.context, strong + 1)
    e = explain(forecaster, job.features[rows], job.time_ms[rows])
    share = moves(e)[("return_1", "last")] / (e.total - e.base)
    assert share == pytest.approx(1.0, abs=0.15)
    assert np.sign(e.total) == np.sign(job.features[strong, 0])
    assert e.samples.sum(axis=(1, 2)) == pytest.approx(e.total - e.base, abs=1e-6)


def test_explain_when_the_driver_list_is_cut_then_the_rest_makes_up_the_sum() -> None:
    job, artifact = planted_job("gru"), planted_artifact("gru")
    e = explain(WindowForecaster(artifact), job.features, job.time_ms)
    for top in (1, 3, 100):
        found = e.by_driver(top)
        shown = sum(d["value"] for d in found["drivers"])
        assert shown + found["rest"]["value"] == pytest.approx(e.total - e.base, abs=1e-9)
        assert all(abs(d["value"]) > 2 * d["error"] for d in found["drivers"])
    assert sum(a["value"] for a in e.by_age()) == pytest.approx(e.total - e.base, abs=1e-9)


def test_explain_when_candles_are_missing_or_not_finite_then_refused() -> None:
    forecaster, rows, time_ms = WindowForecaster(echo_artifact()), echo_rows(20), times(20)
    with pytest.raises(InputError, match=f"{CONTEXT} complete candles"):
        explain(forecaster, rows[:3], time_ms[:3])
    with pytest.raises(InputError, match="complete candles"):
        explain(forecaster, rows, np.where(time_ms == time_ms[-1], time_ms + 1, time_ms))
    rows[-2, 0] = np.nan
    with pytest.raises(InputError, match="complete candles"):
        explain(forecaster, rows, time_ms)


def test_explain_when_the_model_lacks_the_head_then_it_is_named() -> None:
    artifact = echo_artifact()
    calibration = {**artifact.manifest["calibration"], "false_alarms": None}
    manifest = {**artifact.manifest, "network": "ppo", "absent_heads": ["hazard"],
                "calibration": calibration}  # fmt: skip
    forecaster = WindowForecaster(dataclasses.replace(artifact, manifest=manifest))
    with pytest.raises(InputError, match="ppo has no hazard, so no cascade_up"):
        explain(forecaster, echo_rows(20), times(20), "cascade_up")


def timed_artifact() -> Artifact:
    """The echo with one more input, the time, which it ignores."""
    artifact = echo_artifact()
    onnx = graph_of((*NAMES, "time"))
    more = {
        "time_origin_ms": 0,
        "spans_ms": {"train": [0, 1000 * CANDLE_MS]},
        "onnx_sha256": Artifact.digest(onnx),
    }
    return Artifact(onnx=onnx, manifest={**artifact.manifest, **more})


def test_explain_when_the_graph_reads_the_time_then_it_is_a_driver_like_any_other() -> None:
    forecaster = WindowForecaster(timed_artifact())
    baselines = forecaster.baselines()  # (K, T, F + 1)
    hour = baselines[:, -1, -1] % 24
    assert len(np.unique(hour)) > 8  # no hour stands for all
    assert (np.diff(baselines[:, :, -1], axis=1) == 1).all()
    assert ((baselines[:, -1, -1] >= 0) & (baselines[:, -1, -1] <= 1000)).all()
    e = explain(forecaster, echo_rows(20), times(20))
    assert e.inputs == ("echo", "sigma", TIME)
    assert set(moves(e)) == {("echo", "last")}


# -- overview --------------------------------------------------------------------------------------


def test_importance_when_one_feature_and_candle_matter_then_all_else_is_zero() -> None:
    forecaster, rows = WindowForecaster(echo_artifact()), echo_rows(40)
    sample = [(forecaster, forecaster.window(rows[:i], times(i))) for i in range(10, 40)]
    found = importance(sample)
    size = np.mean([abs(explain(forecaster, rows[:i], times(i)).total) for i in range(10, 40)])
    assert [r["feature"] for r in found.by_feature] == ["echo", "sigma"]
    assert [r["value"] for r in found.by_feature] == [pytest.approx(size, abs=1e-6), 0]
    assert [r["value"] for r in found.by_age] == [pytest.approx(size, abs=1e-6), 0, 0]
    assert found.forecasts == 30
    assert 0 < found.by_feature[0]["error"] < size


def test_importance_when_the_sample_does_not_fit_together_then_refused() -> None:
    plain, timed = WindowForecaster(echo_artifact()), WindowForecaster(timed_artifact())
    windows = [(f, f.window(echo_rows(9), times(9))) for f in (plain, timed)]
    with pytest.raises(AlignmentError, match="different features"):
        importance(windows)
    with pytest.raises(InputError, match="at least one"):
        importance([])


# -- text ------------------------------------------------------------------------------------------


def test_table_when_printed_then_shown_moves_and_rest_add_up_to_the_forecast() -> None:
    e = explain(WindowForecaster(echo_artifact()), echo_rows(20), times(20))
    lines = attribution_table(e).splitlines()
    moved = f"{100 * (e.total - e.base):+.3f}".rstrip("0").replace("-", "−")
    assert lines[0].startswith("p_up − p_down: ")
    assert lines[3].split() == [moved, "0", "echo", "last"]
    assert lines[4].split() == ["+0", "0", "5", "others"]
    assert lines[5].startswith("=")
