"""The serving path alone, with a network that only repeats a feature: which row, which refusal.

Complements `test_networks.py`, which asks the same of every trained network.
"""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from models.base import columns
from models.base.errors import AlignmentError, ArtifactError, InputError, PackError
from models.base.types import Artifact, BoolArray, Float32Array, FloatArray, IntArray
from models.serve.drift import LEAST, WINDOW, fit_drift
from models.serve.manifest import MANIFEST_FORMAT
from models.serve.predictor import Predictor
from tests.test_contract import echo, planted

WARM_UP = echo.CONTEXT - 1
# NaN where there is no forecast; the echo has none of the heads only some have
# Nobody knows a drift without `drift.WINDOW` rows.
SILENT = sorted(
    set(columns.FORECAST) - {columns.ABSTAIN, columns.DRIFT, *columns.HEDGE, columns.POLICY}
)


def changed(**manifest: Any) -> Artifact:
    """The echo artifact with fields of its manifest replaced."""
    good = echo.echo_artifact()
    return Artifact(good.onnx, {**good.manifest, **manifest})


LEVELS = {"hazard": [0.0, 0.5], "per_week": [7.0, 0.5]}


def alarmed(alarms: dict[str, Any] | None) -> dict[str, Any]:
    """The calibration of the echo with other levels of alarm."""
    calibration = echo.echo_artifact().manifest["calibration"]
    return {"calibration": {**calibration, "false_alarms": alarms}}


def edged(edge: dict[str, float] | None) -> dict[str, Any]:
    """The calibration of the echo with another edge."""
    return {"calibration": {**echo.echo_artifact().manifest["calibration"], "edge": edge}}


def stretched(**fields: Any) -> dict[str, Any]:
    """The calibration of the echo with parts of its stretch replaced."""
    calibration = echo.echo_artifact().manifest["calibration"]
    return {"calibration": {**calibration, "stretch": {**calibration["stretch"], **fields}}}


def forecast(
    artifact: Artifact, x: Float32Array, times: IntArray, **history: Any
) -> dict[str, FloatArray]:
    return Predictor(artifact, **history).predict(x, times, echo.NAMES)


def has_context(x: Float32Array, times: IntArray) -> BoolArray:
    """Rows with `CONTEXT` finite rows in unbroken time behind them, counted one by one."""
    out, run = np.zeros(len(x), dtype=bool), 0
    for t in range(len(x)):
        joined = t > 0 and times[t] - times[t - 1] == echo.CANDLE_MS
        run = (run if joined else 0) + 1 if np.isfinite(x[t]).all() else 0
        out[t] = run >= echo.CONTEXT
    return out


def assert_echo(out: dict[str, FloatArray], x: Float32Array, has: BoolArray) -> None:
    """Each row of `has` repeats its own feature; every other row is NaN and abstains."""
    np.testing.assert_allclose(out[columns.LABEL_RETURN][has], x[has, 0], rtol=1e-6)
    np.testing.assert_allclose(
        out[columns.P_UP][has], np.exp(x[has, 0]) / (2 + np.exp(x[has, 0])), rtol=1e-5
    )
    for name in SILENT:
        np.testing.assert_array_equal(np.isfinite(out[name]), has, err_msg=name)
        assert np.isnan(out[name][~has]).all(), name
    np.testing.assert_array_equal(out[columns.ABSTAIN], np.where(has, 0.0, 1.0))


# -- alignment ------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_rows_when_candles_and_features_are_missing_at_random_then_each_run_warms_up_anew(
    seed: int,
) -> None:
    rng, rows = np.random.default_rng(seed), 1500
    x, times = echo.echo_rows(rows, seed), planted.times(rows)
    times += echo.CANDLE_MS * np.cumsum(rng.random(rows) < 0.01)  # missing candles
    for bad in (np.nan, np.inf, -np.inf):
        x[rng.random(rows) < 0.005, rng.integers(2)] = bad
    has = has_context(x, times)
    assert 500 < has.sum() < rows - 50  # the case is neither empty nor trivial
    assert_echo(forecast(echo.echo_artifact(), x, times), x, has)


@pytest.mark.parametrize("rows", [WARM_UP + 256 * k + d for k in (1, 16, 17) for d in (-1, 0, 1)])
def test_rows_when_the_pass_ends_around_a_chunk_or_a_batch_then_none_is_lost_or_moved(
    rows: int,
) -> None:
    x, times = echo.echo_rows(rows), planted.times(rows)
    assert_echo(forecast(echo.echo_artifact(), x, times), x, np.arange(rows) >= WARM_UP)


@pytest.mark.parametrize("rows", [1, WARM_UP])
def test_live_slice_when_shorter_than_the_context_then_every_row_abstains(rows: int) -> None:
    x, times = echo.echo_rows(rows), planted.times(rows)
    assert_echo(forecast(echo.echo_artifact(), x, times), x, np.zeros(rows, dtype=bool))


def test_alignment_check_when_the_network_is_one_row_late_then_it_convicts() -> None:
    x, times = echo.echo_rows(600), planted.times(600)
    out = forecast(echo.echo_artifact(late_rows=1), x, times)
    with pytest.raises(AssertionError):
        assert_echo(out, x, np.arange(600) >= WARM_UP)


@pytest.mark.parametrize("rows", [0, 1, 2, WARM_UP, WARM_UP + 1, 300])
def test_history_when_it_joins_then_it_shortens_the_warm_up_by_its_rows(rows: int) -> None:
    x, times = echo.echo_rows(700), planted.times(700)
    history = slice(300 - rows, 300)
    out = forecast(
        echo.echo_artifact(), x[300:], times[300:],
        history=x[history], history_time_ms=times[history],
    )  # fmt: skip
    assert_echo(out, x[300:], np.arange(400) >= max(WARM_UP - rows, 0))


def test_history_when_its_end_is_not_usable_then_the_warm_up_starts_after_the_damage() -> None:
    x, times = echo.echo_rows(200), planted.times(200)
    damaged = x[:100].copy()
    damaged[98, 0] = np.nan  # leaves one usable row, 99
    out = forecast(
        echo.echo_artifact(), x[100:], times[100:], history=damaged, history_time_ms=times[:100]
    )
    assert_echo(out, x[100:], np.arange(100) >= WARM_UP - 1)


@pytest.mark.parametrize("shift", [-1, 1, 24])
def test_history_when_it_is_not_adjacent_then_the_first_rows_warm_up(shift: int) -> None:
    x, times = echo.echo_rows(200), planted.times(200)
    asked = times[100:] + shift * echo.CANDLE_MS
    out = forecast(
        echo.echo_artifact(), x[100:], asked, history=x[:100], history_time_ms=times[:100]
    )
    assert_echo(out, x[100:], np.arange(100) >= WARM_UP)


def test_predictor_when_it_serves_window_after_window_then_nothing_carries_over() -> None:
    x, times = echo.echo_rows(400), planted.times(400)
    predictor = Predictor(echo.echo_artifact(), x[:100], times[:100])
    before = x.copy(), times.copy()
    first = predictor.predict(x[100:250], times[100:250], echo.NAMES)
    later = predictor.predict(x[250:], times[250:], echo.NAMES)  # the history is no neighbour now
    again = predictor.predict(x[100:250], times[100:250], echo.NAMES)
    assert_echo(first, x[100:250], np.ones(150, dtype=bool))
    assert_echo(later, x[250:], np.arange(150) >= WARM_UP)
    for name in columns.FORECAST:
        np.testing.assert_array_equal(first[name], again[name], err_msg=name)
    np.testing.assert_array_equal(before[0], x)  # what was handed in is left alone
    np.testing.assert_array_equal(before[1], times)


def test_predictor_when_pickled_after_use_then_it_brings_its_history_and_no_session() -> None:
    x, times = echo.echo_rows(60), planted.times(60)
    predictor = Predictor(echo.echo_artifact(), x[:20], times[:20])
    here = predictor.predict(x[20:], times[20:], echo.NAMES)
    copy = pickle.loads(pickle.dumps(predictor))
    assert "_session" not in vars(copy)
    there = copy.predict(x[20:], times[20:], echo.NAMES)
    for name in columns.FORECAST:
        np.testing.assert_array_equal(here[name], there[name], err_msg=name)
    assert np.isfinite(there[columns.P_UP]).all()


# -- what the numbers are ------------------------------------------------------------


def test_forecast_when_decoded_then_every_column_has_its_worked_out_value() -> None:
    # Network: logits (0, 0, e), all quantiles e, hazard logits 0. sigma = 0.5 * sqrt(4) = 1.
    # Log odds of moving: prior ln(1 + e), network ln(1 + e^3) at e = 3, halfway between them and
    # 0.75 by its conditions; of up given that it moves: 1 and 3, a quarter of the way.
    x, times = echo.echo_rows(9), planted.times(9)
    x[-1, 0] = 3.0
    artifact = changed(
        calibration={
            "moves_slope": 0.5,
            "moves": {**echo.plain_moves(echo.NAMES), "intercept": 0.75},
            "direction_slope": 0.25,
            "prior_logits": [0.0, 0.0, 1.0],
            "stretch": echo.plain_stretch(echo.NAMES),
            "conformal_offset": 0.25,
            "edge": {"slope": 0.5, "low": 0.125, "rows": 900},
            "false_alarms": {
                "down": {"hazard": [0.0, 0.7, 0.8], "per_week": [7.0, 0.5, 0.25]},
                "up": {"hazard": [0.0, 0.8], "per_week": [6.0, 0.5]},
            },
        }
    )
    last = {name: values[-1] for name, values in forecast(artifact, x, times).items()}
    odds = np.sqrt((1 + np.exp(1.0)) * (1 + np.exp(3.0))) * np.exp(0.75)
    moved, rises = odds / (1 + odds), 1 / (1 + np.exp(-1.5))
    up, down = moved * rises, moved * (1 - rises)
    expected = {
        columns.LABEL_RETURN: 3.0,
        columns.LABEL_DIRECTION: up - down,
        columns.LABEL_CASCADE_DOWN: 0.75,  # 1 - (1 - 0.5)^2, two bins
        columns.LABEL_CASCADE_UP: 0.75,
        columns.P_DOWN: down,
        columns.P_FLAT: 1 - moved,
        columns.P_UP: up,
        **dict.fromkeys(columns.RETURN_QUANTILES, 3.0),
        columns.RETURN_LOW: 2.75,
        columns.RETURN_HIGH: 3.25,
        columns.EDGE: 1.5,
        columns.EDGE_LOW: 0.375,
        columns.SIGMA: 1.0,
        columns.HAZARD_DOWN: 0.5,
        columns.HAZARD_UP: 0.5,
        columns.FALSE_ALARMS_DOWN: 0.5,
        columns.FALSE_ALARMS_UP: 6.0,
        columns.NOVELTY: (3.0**2 + 0.5**2) / 2 / 100,
        columns.DRIFT: np.nan,
        columns.ABSTAIN: 0.0,
        **dict.fromkeys((*columns.HEDGE, columns.POLICY), np.nan),
    }
    assert last == pytest.approx(expected, rel=1e-6, nan_ok=True)


def test_drift_when_asked_live_then_it_is_the_backtests_and_the_future_changes_nothing() -> None:
    rng = np.random.default_rng(7)
    sample = rng.normal(size=(LEAST, 2)).astype(np.float32)
    x, times = rng.normal(size=(900, 2)).astype(np.float32), planted.times(900)
    x[600:, 0] += 3.0  # the market moves away
    x[700, 1] = np.nan
    artifact = changed(drift=fit_drift(sample))
    whole = forecast(artifact, x, times)
    drift, up = whole[columns.DRIFT], whole[columns.P_UP]
    known = np.isfinite(up) & (np.arange(900) >= WINDOW - 1)
    np.testing.assert_array_equal(np.isfinite(drift), known)
    assert (drift[known][:300] < 1).all()
    assert drift[-1] > 3
    live = Predictor(artifact)
    for t in (300, 599, 640, 701, 899):
        rows = slice(t + 1 - WINDOW, t + 1)
        told = live.latest(x[rows], times[rows], echo.NAMES)[columns.DRIFT]
        np.testing.assert_array_equal(told, drift[t : t + 1])
    # A backtest window that starts behind its training rows knows it from its first row on.
    later = forecast(artifact, x[400:], times[400:], history=x[:400], history_time_ms=times[:400])
    np.testing.assert_array_equal(later[columns.DRIFT], drift[400:])
    other = x.copy()
    other[650:] = 9.0
    np.testing.assert_array_equal(
        forecast(artifact, other, times)[columns.DRIFT][:650], drift[:650]
    )


@pytest.mark.parametrize(("echoed", "abstains"), [(1.0, 0.0), (0.99, 0.0), (1.01, 1.0)])
def test_novelty_when_it_passes_one_then_that_row_abstains_and_keeps_its_numbers(
    echoed: float, abstains: float
) -> None:
    x, times = np.full((9, 2), 0.5, dtype=np.float32), planted.times(9)
    x[6, 0] = echoed
    # Novelty of row 6: ((echo - 0)^2 + (0.5 - 0.5)^2) / 2 over a threshold of 0.5.
    artifact = changed(novelty={"mean": [0.0, 0.5], "std": [1.0, 1.0], "threshold": 0.5})
    out = forecast(artifact, x, times)
    assert out[columns.NOVELTY][6] == pytest.approx(echoed**2, rel=1e-6)
    assert out[columns.ABSTAIN].tolist() == [1, 1, 1, 1, 0, 0, abstains, 0, 0]
    assert np.isfinite(out[columns.P_UP][6])


# -- refusals ------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("%-echo",), ("missing ['%-sigma']", "unexpected []", "expected 2, got 1")),
        ((*echo.NAMES, "%-new"), ("missing []", "unexpected ['%-new']", "expected 2, got 3")),
        (("%-echo", "%-Sigma"), ("missing ['%-sigma']", "unexpected ['%-Sigma']")),
        (echo.NAMES[::-1], ("same names, different order",)),
        ((), ("missing ['%-echo', '%-sigma']", "expected 2, got 0")),
    ],
    ids=["missing", "extra", "renamed", "reordered", "none"],
)
def test_names_when_they_differ_from_the_artifacts_then_the_error_has_them(
    names: tuple[str, ...], said: tuple[str, ...]
) -> None:
    with pytest.raises(AlignmentError) as caught:
        Predictor(echo.echo_artifact()).predict(echo.echo_rows(9), planted.times(9), names)
    assert [part for part in said if part not in str(caught.value)] == []
    assert caught.value.where == "echo"


@pytest.mark.parametrize("shape", [(9, 1), (9, 3), (9,), (1, 9, 2)])
def test_features_when_of_the_wrong_shape_then_the_expected_and_the_actual_are_named(
    shape: tuple[int, ...],
) -> None:
    with pytest.raises(InputError) as caught:
        forecast(echo.echo_artifact(), np.ones(shape, dtype=np.float32), planted.times(9))
    assert "(rows, 2)" in caught.value.problem
    assert str(shape) in caught.value.problem


@pytest.mark.parametrize("junk", [b"", b"\0" * 64, b"not a network"])
def test_artifact_when_its_network_cannot_be_read_then_the_first_forecast_says_so(
    junk: bytes,
) -> None:
    artifact = Artifact(junk, changed(onnx_sha256=Artifact.digest(junk)).manifest)
    with pytest.raises(ArtifactError, match="the network's graph is not one to run"):
        forecast(artifact, echo.echo_rows(9), planted.times(9))


@pytest.mark.parametrize("version", [None, 0, MANIFEST_FORMAT + 1, str(MANIFEST_FORMAT)])
def test_artifact_when_of_another_format_then_both_numbers_are_named(version: Any) -> None:
    with pytest.raises(ArtifactError) as caught:
        Predictor(changed(format=version))
    assert (
        caught.value.problem == f"expected an artifact of format {MANIFEST_FORMAT}, got {version!r}"
    )


def test_artifact_when_its_parts_come_from_two_models_then_both_hashes_are_named() -> None:
    one, other = echo.echo_artifact(), echo.echo_artifact(late_rows=1)
    with pytest.raises(ArtifactError) as caught:
        Predictor(Artifact(other.onnx, one.manifest))
    assert Artifact.digest(one.onnx)[:12] in caught.value.problem
    assert Artifact.digest(other.onnx)[:12] in caught.value.problem


@pytest.mark.parametrize(
    "field",
    [
        "feature_names", "candle_ms", "horizon_candles", "hazard_bin_edges", "outputs",
        "context_candles", "calibration", "novelty", "drift",
    ],
)  # fmt: skip
def test_artifact_when_its_manifest_lacks_a_field_then_it_is_refused_when_loaded(
    field: str,
) -> None:
    good = echo.echo_artifact()
    manifest = {name: value for name, value in good.manifest.items() if name != field}
    with pytest.raises(ArtifactError, match=f"{field} is missing"):
        Predictor(Artifact(good.onnx, manifest))


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ({"outputs": 99}, "expected 12 outputs for its hazard bins, got 99"),
        ({"hazard_bin_edges": [1]}, "expected 10 outputs for its hazard bins, got 12"),
        ({"hazard_bin_edges": [1, 2, 3]}, "expected 14 outputs for its hazard bins, got 12"),
        ({"context_candles": 0}, "expected context_candles > 0, got 0"),
        ({"candle_ms": 0}, "expected candle_ms > 0, got 0"),
        ({"horizon_candles": -1}, "expected horizon_candles > 0, got -1"),
        ({"streaming": {"candles": -1}}, "expected streaming.candles >= 0, got -1"),
        ({"feature_names": ["%-echo", "%-other"]}, "%-sigma is not among the features"),
        (edged(None), "expected calibration.edge with 0 <= low <= slope <= 1, got None"),
        (edged({"slope": 0.5, "low": 0.6}), "got {'slope': 0.5, 'low': 0.6}"),
        (edged({"slope": 1.5, "low": 0.6}), "got {'slope': 1.5, 'low': 0.6}"),
        (edged({"slope": 0.5, "low": -0.1}), "got {'slope': 0.5, 'low': -0.1}"),
        (edged({"slope": 0.5, "low": float("nan")}), "got {'slope': 0.5, 'low': nan}"),
        ({"absent_heads": ["quantiles"]}, "expected no calibration.edge without quantiles"),
        (alarmed(None), "expected calibration.false_alarms of down and up, got None"),
        (alarmed({"down": LEVELS}), "expected calibration.false_alarms of down and up, got {"),
        (alarmed({"down": LEVELS, "up": {"hazard": [0.1], "per_week": [1.0]}}),
         "expected calibration.false_alarms.up with hazards rising from 0"),
        (alarmed({"down": {"hazard": [0.0, 0.0], "per_week": [7.0, 1.0]}, "up": LEVELS}),
         "expected calibration.false_alarms.down with hazards rising from 0"),
        (alarmed({"down": {"hazard": [0.0, 0.1], "per_week": [1.0, 7.0]}, "up": LEVELS}),
         "rates > 0 that never rise with them"),
        (alarmed({"down": LEVELS, "up": {"hazard": [0.0, 0.1], "per_week": [7.0]}}),
         "as many rates > 0"),
        (alarmed({"down": LEVELS, "up": {"hazard": [0.0, 0.1], "per_week": [7.0, 0.0]}}),
         "as many rates > 0"),
        (alarmed({"down": LEVELS, "up": {"hazard": [0.0], "per_week": [float("nan")]}}),
         "as many rates > 0"),
        (alarmed({"down": LEVELS, "up": {"per_week": []}}), "a field is of another kind"),
        ({"absent_heads": ["hazard"]}, "expected no calibration.false_alarms without hazards"),
        ({"calibration": {**edged(None)["calibration"], "stretch": None}},
         "expected calibration.stretch of 2 inputs and 48 hours, all finite, got None"),
        (stretched(slope=[0.0]), "expected calibration.stretch of 2 inputs and 48 hours"),
        (stretched(clock=[0.0] * 24), "expected calibration.stretch of 2 inputs and 48 hours"),
        (stretched(intercept=float("inf")), "expected calibration.stretch of 2 inputs"),
        (stretched(std=[0.0, 1.0]), "expected calibration.stretch of 2 inputs and 48 hours"),
        ({"absent_heads": ["quantiles"]}, "expected no calibration.stretch without quantiles"),
        ({"novelty": {"mean": [0.0], "std": [1.0, 1.0], "threshold": 1.0}},
         "expected 2 features in novelty.mean, got 1"),
        ({"drift": {"edges": [[]], "shares": [[], []], "usual": [1.0, 1.0], "threshold": None}},
         "expected 2 features in drift.edges, got 1"),
    ],
)  # fmt: skip
def test_artifact_when_its_manifest_contradicts_itself_then_it_is_refused_when_loaded(
    field: dict[str, Any], said: str
) -> None:
    with pytest.raises(ArtifactError) as caught:
        Predictor(changed(**field))
    assert said in caught.value.problem


def test_artifact_when_its_network_answers_in_another_shape_then_the_first_forecast_says_so() -> (
    None
):
    three_bins = {"hazard_bin_edges": [1, 2, 3], "outputs": 14}  # agree, but not with the graph
    with pytest.raises(ArtifactError) as caught:
        forecast(changed(**three_bins), echo.echo_rows(9), planted.times(9))
    assert caught.value.problem == "expected outputs of shape (1, 9, 14), got (1, 9, 12)"


@pytest.mark.parametrize("times", [20, 40])
def test_times_when_not_one_per_row_then_they_are_refused(times: int) -> None:
    with pytest.raises(AlignmentError, match=f"got 30 rows, {times} times"):
        forecast(echo.echo_artifact(), echo.echo_rows(30), planted.times(times))


@pytest.mark.parametrize(
    ("history", "first_time", "kind", "said"),
    [
        (echo.echo_rows(9), 0, AlignmentError, "row of history, got 9 rows, 10 times"),
        (echo.echo_rows(10), 5, AlignmentError, "row of history, got 10 rows, 5 times"),
        (np.ones((10, 3), np.float32), 0, InputError, "history of shape (rows, 2), got (10, 3)"),
    ],
    ids=["fewer_rows", "fewer_times", "another_width"],
)
def test_history_when_it_does_not_fit_then_it_is_refused(
    history: Float32Array, first_time: int, kind: type[PackError], said: str
) -> None:
    with pytest.raises(kind) as caught:
        Predictor(echo.echo_artifact(), history, planted.times(10)[first_time:])
    assert said in caught.value.problem


def test_history_when_empty_then_it_is_as_if_there_were_none() -> None:
    x, times = echo.echo_rows(9), planted.times(9)
    out = forecast(echo.echo_artifact(), x, times, history=x[:0], history_time_ms=times[:0])
    assert_echo(out, x, np.arange(9) >= WARM_UP)


@pytest.mark.parametrize("sigma", [0.0, -0.5])
def test_volatility_when_not_positive_then_the_row_abstains(sigma: float) -> None:
    x, times = echo.echo_rows(9), planted.times(9)
    x[-1, 1] = sigma
    assert forecast(echo.echo_artifact(), x, times)[columns.ABSTAIN].tolist() == [1] * 4 + [
        0, 0, 0, 0, 1,
    ]  # fmt: skip


def test_interval_when_narrowed_by_more_than_its_width_then_it_shrinks_to_the_median() -> None:
    # All quantiles of the echo coincide; an over-covering model has a negative offset.
    calibration = {**echo.echo_artifact().manifest["calibration"], "conformal_offset": -0.3}
    out = forecast(changed(calibration=calibration), echo.echo_rows(9), planted.times(9))
    median = out[columns.LABEL_RETURN][WARM_UP:]
    np.testing.assert_array_equal(out[columns.RETURN_LOW][WARM_UP:], median)
    np.testing.assert_array_equal(out[columns.RETURN_HIGH][WARM_UP:], median)


def test_false_alarms_when_levels_are_served_then_each_side_goes_by_its_own() -> None:
    # The echo's hazard logits are 0 in two bins: P(onset) = 1 - 0.5^2 = 0.75, in every row.
    sides = {
        "down": {"hazard": [0.0, 0.75, 0.76], "per_week": [7.0, 0.4, 0.1]},
        "up": {"hazard": [0.0, 0.76], "per_week": [6.0, 0.2]},
    }
    x, times = echo.echo_rows(40), planted.times(40)
    out = forecast(changed(**alarmed(sides)), x, times)
    known = np.isfinite(out[columns.LABEL_CASCADE_DOWN])
    assert known.any()
    assert not known.all()
    for name, rate in ((columns.FALSE_ALARMS_DOWN, 0.4), (columns.FALSE_ALARMS_UP, 6.0)):
        np.testing.assert_array_equal(out[name], np.where(known, rate, np.nan))


@pytest.mark.parametrize("side", columns.SIDE_NAMES)
def test_false_alarms_when_no_level_was_fitted_then_only_that_side_is_unknown(side: str) -> None:
    sides = dict.fromkeys(columns.SIDE_NAMES, LEVELS) | {side: {"hazard": [], "per_week": []}}
    out = forecast(changed(**alarmed(sides)), echo.echo_rows(40), planted.times(40))
    known = np.isfinite(out[columns.LABEL_CASCADE_DOWN])
    for name in (columns.FALSE_ALARMS_DOWN, columns.FALSE_ALARMS_UP):
        expected = known & ~name.endswith(side)
        np.testing.assert_array_equal(np.isfinite(out[name]), expected)
    assert (out[columns.ABSTAIN][known] == 0).all()  # it is no abstention


def test_edge_when_shrunk_then_its_lower_bound_has_its_sign_and_is_nearer_to_zero() -> None:
    x, times = echo.echo_rows(60), planted.times(60)
    out = forecast(changed(**edged({"slope": 0.4, "low": 0.1, "rows": 900})), x, times)
    claimed, edge, low = (
        out[name][WARM_UP:] for name in (columns.LABEL_RETURN, columns.EDGE, columns.EDGE_LOW)
    )
    np.testing.assert_allclose(edge, 0.4 * claimed)
    np.testing.assert_allclose(low, 0.1 * claimed)
    assert (np.sign(low) == np.sign(edge)).all()
    assert np.isnan(out[columns.EDGE][:WARM_UP]).all()  # no forecast is no edge, not one of zero
    assert np.isnan(out[columns.EDGE_LOW][:WARM_UP]).all()


def test_edge_when_the_model_has_no_quantiles_then_it_has_none() -> None:
    calibration = {**edged(None)["calibration"], "stretch": None}
    artifact = changed(absent_heads=["quantiles"], calibration=calibration)
    out = forecast(artifact, echo.echo_rows(60), planted.times(60))
    assert np.isnan(out[columns.EDGE]).all()
    assert np.isnan(out[columns.EDGE_LOW]).all()
    assert out[columns.ABSTAIN][WARM_UP:].max() == 0.0
