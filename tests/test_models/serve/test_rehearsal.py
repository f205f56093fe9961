"""Models from files: what comes back, what is refused, and what that costs the bot: nothing."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from onnx import helper
from onnx import numpy_helper as numpy_onnx

from models.base.arrays import arrays_from_bytes, arrays_to_bytes
from models.base.errors import ArtifactError
from models.base.types import Artifact
from models.serve import rehearsal
from models.serve.predictor import Predictor
from models.serve.rehearsal import admitted
from models.serve.saved import predictor_from_bytes, predictor_to_bytes
from tests.test_contract import echo, planted
from tests.test_models.serve.hostile_graphs import loop, sound

EDGE = {"slope": 1.0, "low": 0.5, "rows": 900}
ALARMS = {"down": {"hazard": [], "per_week": []}, "up": {"hazard": [], "per_week": []}}
AHEAD = echo.ahead_artifact().manifest["log_volatility"]
MOVES, STRETCH = echo.plain_moves(echo.NAMES), echo.plain_stretch(echo.NAMES)


@pytest.fixture(autouse=True)
def nothing_rehearsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "_rehearsed", set())


def saved(onnx: bytes | None = None, **manifest: Any) -> bytes:
    """The echo as bytes, its graph or fields of its manifest replaced; its digests are right."""
    good = echo.echo_artifact()
    onnx = onnx or good.onnx
    fields = {**good.manifest, "onnx_sha256": Artifact.digest(onnx), **manifest}
    arrays = {
        "onnx": np.frombuffer(onnx, np.uint8),
        "manifest": np.frombuffer(json.dumps(fields).encode(), np.uint8),
        "weights": np.zeros(0, np.uint8),
    }
    return arrays_to_bytes(arrays)


def test_predictor_when_it_went_through_a_file_then_it_answers_the_same_bit_for_bit() -> None:
    x, times = echo.echo_rows(60), planted.times(60)
    here = Predictor(replace(echo.echo_artifact(), weights=b"w"), x[:20], times[:20])
    there = admitted(predictor_to_bytes(here))
    assert there.artifact == here.artifact
    asked = x[20:], times[20:], echo.NAMES
    for name, values in here.predict(*asked).items():
        np.testing.assert_array_equal(there.predict(*asked)[name], values, err_msg=name)


def test_rehearsal_when_it_went_well_then_the_same_bytes_need_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    admitted(saved())
    monkeypatch.setattr(rehearsal, "_rehearse_elsewhere", lambda *_: pytest.fail("again"))
    admitted(saved())


def large(rows: int, products: int = 0) -> bytes:
    """A graph that makes a matrix of rows x rows, and multiplies it by itself."""
    model = sound()
    constants, nodes = model.graph.initializer, model.graph.node
    constants.append(numpy_onnx.from_array(np.array([rows, rows]), "size"))
    constants.append(numpy_onnx.from_array(np.array(1e-9, np.float32), "one"))
    added = [helper.make_node("ReduceMax", ["features"], ["top"], keepdims=0),
             helper.make_node("Mul", ["top", "one"], ["small"]),
             helper.make_node("Expand", ["small", "size"], ["m0"])]  # fmt: skip
    added += [
        helper.make_node("MatMul", [f"m{i}", f"m{i}"], [f"m{i + 1}"]) for i in range(products)
    ]
    added += [helper.make_node("ReduceMax", [f"m{products}"], ["end"], keepdims=0),
              helper.make_node("Mul", ["end", "one"], ["nothing"])]  # fmt: skip
    last = next(node for node in nodes if node.output[0] == "outputs")
    last.output[0] = "plain"
    added_last = helper.make_node("Add", ["plain", "nothing"], ["outputs"])
    kept = [*nodes]
    del nodes[:]
    nodes.extend([*added, *kept, added_last])
    data: bytes = model.SerializeToString()
    return data


def test_rehearsal_when_a_model_needs_too_much_memory_then_refused_and_the_bot_goes_on() -> None:
    with pytest.raises(ArtifactError, match=r"cannot answer|MiB|Failed to allocate|bad_alloc"):
        admitted(saved(large(30_000)), "there")
    assert np.isfinite(len(admitted(saved(large(8))).manifest))  # the control: a small one may


def test_rehearsal_when_a_model_takes_too_long_then_refused() -> None:
    with pytest.raises(ArtifactError, match="expected an answer within 2 s"):
        admitted(saved(large(2048, products=40)), "there")


def test_rehearsal_when_the_deadline_passes_then_the_other_process_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rehearsal, "DEADLINE_S", 0.01)
    with pytest.raises(ArtifactError, match=r"does not answer within 0\.01 s"):
        admitted(saved(), "there")


def test_rehearsal_when_the_graph_loops_then_refused_before_anything_runs() -> None:
    with pytest.raises(ArtifactError, match="not one to run") as caught:
        admitted(saved(loop().SerializeToString()), "there")
    assert caught.value.where == "there"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"feature_names": "text"}, "feature_names to be a list of names"),
        ({"feature_names": [1, 2]}, "feature_names to be a list of names"),
        ({"candle_ms": "3600000"}, "candle_ms to be a count"),
        ({"candle_ms": float("nan")}, "candle_ms to be a count"),
        ({"context_candles": 10**30}, "context_candles to be a count"),
        ({"context_candles": 1_000_000}, "expected context_candles <= 16384"),
        ({"hazard_bin_edges": {"a": 1}}, "hazard_bin_edges to be a list of counts"),
        ({"calibration": []}, "calibration to be a table"),
        ({"calibration": {}}, "calibration.edge with 0 <= low <= slope <= 1, got None"),
        ({"calibration": {"edge": {"slope": "x", "low": 0}}}, "of another kind"),
        ({"calibration": {"edge": EDGE}}, "calibration.moves of 1 inputs"),
        ({"calibration": {"edge": EDGE, "moves": {"mean": "ab"}}}, "of another kind"),
        ({"calibration": {"edge": EDGE, "moves": {**MOVES, "std": [0.0]}}}, "calibration.moves"),
        ({"calibration": {"edge": EDGE, "moves": MOVES}}, "calibration.stretch of 2 inputs"),
        ({"calibration": {"edge": EDGE, "moves": MOVES, "stretch": {"mean": "ab"}}},
         "of another kind"),
        ({"calibration": {"edge": EDGE, "moves": MOVES, "stretch": STRETCH}},
         "calibration.false_alarms of down and up, got None"),
        ({"calibration": {"edge": EDGE, "moves": MOVES, "stretch": STRETCH,
                          "false_alarms": ALARMS}},
         "cannot answer: KeyError"),
        ({"calibration": {"edge": EDGE, "moves": MOVES, "false_alarms": {"down": 1, "up": 2}}},
         "of another kind"),
        ({"calibration": {"moves_slope": "x", "direction_slope": 1, "prior_logits": [0, 0, 0],
                          "conformal_offset": 0, "edge": EDGE, "moves": MOVES, "stretch": STRETCH,
                          "false_alarms": ALARMS}},
         "cannot answer"),
        ({"novelty": {"mean": None, "std": [], "threshold": 1}}, "of another kind"),
        ({"drift": {"edges": "ab", "shares": "ab", "usual": "ab", "threshold": 1}},
         "cannot answer"),
        ({"streaming": {"candles": [1]}}, "of another kind"),
        ({"streaming": {"candles": 10}}, "carries its past"),
        ({"time_origin_ms": 1}, "cannot"),
        ({"outputs": 99}, "expected 12 outputs"),
        ({"cost_frac": "0.001"}, "cost_frac to be a number"),
        ({"cost_frac": float("nan")}, "expected 0 <= cost_frac < 1"),
        ({"log_volatility": [1]}, "log_volatility to be a table, or null"),
        ({"log_volatility": {}}, "of another kind"),
        ({"log_volatility": AHEAD}, "expected no log_volatility without a range"),
    ],
)  # fmt: skip
def test_manifest_when_a_field_is_of_another_kind_then_refused_by_name(
    fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(ArtifactError) as caught:
        admitted(saved(**fields), "there")
    assert said in caught.value.problem
    assert caught.value.where == "there"
    assert caught.value.cure


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"windows": []}, "of 1 to 64 windows of 1 to 256 candles"),
        ({"windows": [1] * 65}, "of 1 to 64 windows"),
        ({"windows": [1, 2, 257]}, "of 1 to 256 candles"),
        ({"windows": [1, 2, 0]}, "of 1 to 256 candles"),
        ({"windows": [1, 2, 3.5]}, "of 1 to 256 candles"),
        ({"windows": [1, 2]}, "log_volatility of 2 inputs and 168 hours"),
        ({"same_hour": True}, "log_volatility of 4 inputs"),
        ({"clock": [0.0] * 167}, "and 168 hours, all finite"),
        ({"std": [1.0, 0.0, 1.0]}, "log_volatility of 3 inputs"),
        ({"slope": [1.0, float("nan"), 1.0]}, "all finite"),
        ({"intercept": float("inf")}, "all finite"),
        ({"mean": None}, "of another kind"),
    ],
)
def test_manifest_when_its_forecast_of_volatility_is_wrong_then_refused_by_name(
    fields: dict[str, Any], said: str
) -> None:
    good = echo.ahead_artifact()
    Predictor(good)  # the control
    broken = {**good.manifest, "log_volatility": {**AHEAD, **fields}}
    with pytest.raises(ArtifactError) as caught:
        Predictor(replace(good, manifest=broken))
    assert said in caught.value.problem


JUNK = [None, True, -1, 0, 1e308, float("nan"), "x", "\0", [], {}, [[]], [None], {"a": {"b": []}},
        10**40, ["%-sigma"], [1] * 1000]  # fmt: skip


def _mutated(rng: random.Random, value: Any) -> Any:
    """`value` with something somewhere in it replaced."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        key = rng.choice(list(value))
        return {**value, key: _mutated(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.7:
        at = rng.randrange(len(value))
        return [*value[:at], _mutated(rng, value[at]), *value[at + 1 :]]
    return rng.choice(JUNK)


@pytest.mark.parametrize("rounds", [400, pytest.param(10_000, marks=pytest.mark.slow)])
def test_manifests_when_mutated_then_each_is_refused_by_a_pack_error_or_answers(
    rounds: int,
) -> None:
    rng, good = random.Random(rounds), echo.ahead_artifact()
    refused, manifest = 0, good.manifest
    for _ in range(rounds):
        name = rng.choice(list(manifest))
        data = saved(good.onnx, **{**manifest, name: _mutated(rng, manifest[name])})
        try:
            rehearsal._ask(predictor_from_bytes(data))
        except ArtifactError:
            refused += 1
        except Exception:  # noqa: BLE001 - in the other process this is a refusal too
            refused += 1
    assert refused > rounds / 3


@pytest.mark.parametrize("rounds", [1000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_arrays_when_mutated_then_each_is_refused_or_read_whole(rounds: int) -> None:
    rng = random.Random(rounds)
    seed = arrays_to_bytes({"a": np.arange(40.0), "b": np.zeros((3, 4), np.float32)})
    for _ in range(rounds):
        body = bytearray(seed[52:])
        for _ in range(rng.randint(1, 5)):
            at = rng.randrange(min(len(body), 120))
            body[at : at + rng.randint(0, 2)] = rng.randbytes(rng.randint(0, 3))
        # The digest is made right: what is behind it must hold by itself.
        data = seed[:20] + hashlib.sha256(body).digest() + bytes(body)
        with contextlib.suppress(ArtifactError):
            for array in arrays_from_bytes(data).values():
                assert array.nbytes <= len(data)
