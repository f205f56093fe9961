"""Serving candle by candle: the same answers as from the whole context, whatever happens between.

Complements `check_streaming` of `test_networks.py`, which asks every trained network.
"""

from __future__ import annotations

import pickle
import threading
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.base import columns
from models.base.errors import AlignmentError, ArtifactError, InputError
from models.base.types import Artifact, Float32Array, FloatArray, IntArray
from models.base.windows import Span
from models.learn.export.onnx import TOLERANCE, measure_streaming, to_onnx
from models.learn.nets.base import Past
from models.serve.predictor import Predictor
from models.serve.session import Session
from tests.test_contract import echo, planted, streamed

HANDED = 9  # rows a call brings; more than the context
FRESH = Predictor(streamed.late_artifact())  # is asked for whole windows only, so it keeps nothing


def watched(artifact: Artifact | None = None) -> tuple[Predictor, streamed.watch]:
    """A predictor of the artifact that answers from its past, and what its session is asked."""
    artifact = artifact or streamed.late_artifact()
    predictor, session = Predictor(artifact), streamed.watch(Session(artifact.onnx))
    predictor.__dict__["_session"] = session
    return predictor, session


def latest(
    predictor: Predictor, x: Float32Array, times: IntArray, last: int, series: str = "BTC"
) -> dict[str, FloatArray]:
    rows = slice(max(last + 1 - HANDED, 0), last + 1)
    return predictor.latest(x[rows], times[rows], echo.NAMES, series)


def assert_as_predicted(
    predictor: Predictor, x: Float32Array, times: IntArray, last: int, series: str = "BTC"
) -> bool:
    """The live answer is the one the rows alone would get; True if it is a forecast."""
    live = latest(predictor, x, times, last, series)
    rows = slice(max(last + 1 - HANDED, 0), last + 1)
    fresh = FRESH.predict(x[rows], times[rows], echo.NAMES)
    for name in columns.FORECAST:
        assert live[name].shape == (1,)
        np.testing.assert_array_equal(live[name][0], fresh[name][-1], err_msg=name)
    return bool(np.isfinite(live[columns.P_UP][0]))


# -- what happens between two candles -------------------------------------------------------------


def test_candles_when_they_come_one_by_one_then_only_the_new_row_is_run() -> None:
    x, times = streamed.random_rows(60), planted.times(60)
    predictor, session = watched()
    for last in range(60):
        assert assert_as_predicted(predictor, x, times, last) == (last >= echo.CONTEXT - 1)
    assert session.rows == [echo.CONTEXT] + [1] * (60 - echo.CONTEXT)


def test_candles_when_the_bot_was_busy_then_all_missed_rows_are_run_at_once() -> None:
    x, times = streamed.random_rows(60), planted.times(60)
    predictor, session = watched()
    for last in (20, 22, 26, 30, 35, 59):  # five candles later nothing joins any more
        assert assert_as_predicted(predictor, x, times, last)
    assert session.rows == [5, 2, 4, 4, 5, 5]


def test_candle_when_it_is_asked_again_then_nothing_is_run() -> None:
    x, times = streamed.random_rows(30), planted.times(30)
    predictor, session = watched()
    for last in (20, 20, 21, 21, 21):
        assert assert_as_predicted(predictor, x, times, last)
    assert session.rows == [echo.CONTEXT, 1]


@pytest.mark.parametrize("back", range(echo.CONTEXT))
def test_candle_when_revised_after_it_was_served_then_the_past_is_made_anew(back: int) -> None:
    x, times = streamed.random_rows(30), planted.times(30)
    predictor, session = watched()
    latest(predictor, x, times, 20)
    x[20 - back, 0] += 1.0
    for last in (20, 21):
        assert assert_as_predicted(predictor, x, times, last)
    assert session.rows == [echo.CONTEXT, echo.CONTEXT, 1]


def test_candle_when_it_is_older_than_the_last_then_it_is_answered_from_its_own_context() -> None:
    x, times = streamed.random_rows(40), planted.times(40)
    predictor, session = watched()
    for last in (30, 25, 31):
        assert assert_as_predicted(predictor, x, times, last)
    assert session.rows == [echo.CONTEXT] * 3


@pytest.mark.parametrize("damage", ["gap", "nan", "inf"])
def test_rows_when_damaged_then_there_is_no_answer_until_a_context_is_whole(damage: str) -> None:
    x, times = streamed.random_rows(40), planted.times(40)
    if damage == "gap":
        times[20:] += echo.CANDLE_MS
    else:
        x[20, 1] = float(damage)
    predictor, session = watched()
    answered = [assert_as_predicted(predictor, x, times, last) for last in range(10, 40)]
    silent = echo.CONTEXT - 1 if damage == "gap" else echo.CONTEXT
    assert answered == [True] * 10 + [False] * silent + [True] * (20 - silent)
    assert session.rows == [echo.CONTEXT] + [1] * 9 + [echo.CONTEXT] + [1] * (19 - silent)


@pytest.mark.parametrize("seed", range(8))
def test_rows_when_anything_happens_then_every_answer_is_that_of_a_fresh_predictor(
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    x, times, last = streamed.random_rows(2000, seed), planted.times(2000), 10
    predictor, session = watched(streamed.late_artifact(candles=40))
    answered = 0
    for _ in range(400):
        event = rng.choice(
            ["next", "again", "skip", "revise", "gap", "nan", "back", "restart"],
            p=[0.6, 0.1, 0.1, 0.06, 0.04, 0.04, 0.03, 0.03],
        )
        last += {"next": 1, "skip": int(rng.integers(2, 7)), "back": -int(rng.integers(1, 4))}.get(
            event, 0
        )
        row = last - int(rng.integers(0, echo.CONTEXT))
        if event == "revise":
            x[row, 0] += 1.0
        elif event == "gap":
            times[last + 1 :] += echo.CANDLE_MS
            last += 1
        elif event == "nan":
            x[row, 0] = np.nan
        elif event == "restart":
            predictor = pickle.loads(pickle.dumps(predictor))
            predictor.__dict__["_session"] = session
        answered += assert_as_predicted(predictor, x, times, last)
    assert answered > 150
    assert session.rows.count(1) > 100  # the shortcut was taken


# -- whose past it is ---------------------------------------------------------------------------


def test_pairs_when_they_share_a_predictor_then_each_has_its_own_past() -> None:
    pairs = {name: streamed.random_rows(40, seed) for seed, name in enumerate(("BTC", "LTC"))}
    times = planted.times(40)
    predictor, session = watched()
    for last in range(10, 40):
        for name, x in pairs.items():
            assert assert_as_predicted(predictor, x, times, last, series=name)
    assert session.rows == [echo.CONTEXT] * 2 + [1] * 58


def test_threads_when_they_share_a_predictor_then_every_answer_is_right() -> None:
    times, wrong = planted.times(300), []
    predictor, _ = watched()

    def serve(x: Float32Array, series: str) -> None:
        for last in range(10, 300):
            got = latest(predictor, x, times, last, series)[columns.LABEL_RETURN][0]
            if not np.isclose(got, x[last - echo.CONTEXT + 1, 0], rtol=1e-6):
                wrong.append((series, last))

    # The last two fight for one series with rows of their own.
    threads = [
        threading.Thread(target=serve, args=(streamed.random_rows(300, seed), series))
        for seed, series in enumerate(("BTC", "LTC", "ETH", "ETH"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []


def test_predictor_when_pickled_then_the_past_stays_behind() -> None:
    x, times = streamed.random_rows(30), planted.times(30)
    predictor, session = watched()
    before = pickle.dumps(Predictor(predictor.artifact))
    latest(predictor, x, times, 20)
    assert pickle.dumps(predictor) == before
    copy = pickle.loads(before)
    copy.__dict__["_session"] = session
    assert assert_as_predicted(copy, x, times, 21)
    assert session.rows == [echo.CONTEXT] * 2


def test_call_when_it_fails_then_the_next_one_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    x, times = streamed.random_rows(30), planted.times(30)
    predictor, session = watched()
    latest(predictor, x, times, 20)

    def fail(*_: Any) -> Any:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patched:
        patched.setattr(session, "step", fail)
        with pytest.raises(RuntimeError):
            latest(predictor, x, times, 21)
    for last in (21, 22):
        assert assert_as_predicted(predictor, x, times, last)


def test_rows_when_changed_in_place_by_the_caller_then_the_past_is_not_taken_for_theirs() -> None:
    x, times = streamed.random_rows(30), planted.times(30)
    predictor, _ = watched()
    window, last = x[16 : 16 + HANDED].copy(), 16 + HANDED - 1
    predictor.latest(window, times[16 : 16 + HANDED], echo.NAMES, "BTC")
    window[:] += 1.0  # a buffer the caller uses again
    x[:] += 1.0
    assert assert_as_predicted(predictor, x, times, last)


# -- when it must not be carried ------------------------------------------------------------------


def test_past_when_carried_as_far_as_was_measured_then_it_is_made_anew() -> None:
    x, times = streamed.random_rows(40), planted.times(40)
    predictor, session = watched(streamed.late_artifact(candles=3))
    for last in range(10, 20):
        assert assert_as_predicted(predictor, x, times, last)
    assert session.rows == [5, 1, 1, 1, 5, 1, 1, 1, 5, 1]


def test_past_when_parity_failed_at_export_then_every_forecast_runs_the_context() -> None:
    x, times = streamed.random_rows(40), planted.times(40)
    predictor, session = watched(streamed.late_artifact(candles=0))
    for last in range(10, 20):
        assert assert_as_predicted(predictor, x, times, last)
    assert session.rows == [echo.CONTEXT] * 10


def test_manifest_when_it_promises_a_past_the_network_has_not_then_it_is_refused() -> None:
    good, x, times = echo.echo_artifact(), streamed.random_rows(9), planted.times(9)
    artifact = Artifact(good.onnx, {**good.manifest, "streaming": {"candles": 5}})
    with pytest.raises(ArtifactError, match="expected a network that carries its past"):
        latest(Predictor(artifact), x, times, 8)


def test_latest_when_there_is_no_row_or_the_times_go_back_then_it_is_refused() -> None:
    x, times = streamed.random_rows(9), planted.times(9)
    with pytest.raises(InputError, match="expected at least one row"):
        watched()[0].latest(x[:0], times[:0], echo.NAMES)
    with pytest.raises(AlignmentError, match="expected increasing candle times"):
        watched()[0].latest(x, times[::-1], echo.NAMES)
    with pytest.raises(AlignmentError, match="same names, different order"):
        watched()[0].latest(x, times, echo.NAMES[::-1])


# -- what is measured at export -------------------------------------------------------------------


def test_measured_streaming_when_the_past_is_right_then_it_is_served_as_far_as_measured() -> None:
    x = streamed.random_rows(500)
    found = measure_streaming(streamed.late_onnx(), x, Span(20, 480), echo.CONTEXT)
    assert found["candles"] == 460 - echo.CONTEXT
    assert found["gap_sd"] == [0.0] * 4


def test_measured_streaming_when_there_is_no_past_then_it_says_so() -> None:
    x = streamed.random_rows(500)
    found = measure_streaming(echo.echo_artifact().onnx, x, Span(0, 500), echo.CONTEXT)
    assert (found["candles"], found["why"]) == (0, "the network carries no past")


def test_export_when_what_is_left_is_not_what_the_next_rows_need_then_it_is_refused() -> None:
    class Grows(nn.Module):
        def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
            past = past or Past()
            past.leave(torch.cat((past.take(x, (len(x), 2)), x[:, -1]), dim=-1))
            return x

    with pytest.raises(ArtifactError, match="ONNX and torch differ by"):
        streamed.late_onnx(forgets=True)
    with pytest.raises(ArtifactError, match=r"shape \(1, 4\) .* before them, got \(1, 6\)"):
        to_onnx(Grows(), 2, carries=True)


def test_measured_streaming_when_the_network_remembers_for_ever_then_the_drift_shows() -> None:
    class Sum(nn.Module):
        def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
            past = past or Past()
            y = past.take(x, (len(x), 1, x.shape[2])) + x.cumsum(dim=1)
            past.leave(y[:, -1:])
            return y

    x = np.abs(streamed.random_rows(500))
    found = measure_streaming(to_onnx(Sum(), 2, carries=True), x, Span(0, 500), echo.CONTEXT)
    assert found["candles"] == 0
    assert found["gap_sd"] == sorted(found["gap_sd"])
    assert found["gap_sd"][0] > TOLERANCE
    assert "differs from its context" in found["why"]
