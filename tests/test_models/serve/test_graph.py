"""Graphs that may be run and graphs that must not, decided before a session is made."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from google.protobuf.message import DecodeError

from models.base.errors import ArtifactError
from models.serve import graph
from models.serve.graph import check_graph
from models.serve.session import Session
from tests.test_contract import echo
from tests.test_models.serve.hostile_graphs import EXTERNAL, HOSTILE, external_constant, sound


@pytest.mark.parametrize("name", HOSTILE)
def test_session_when_the_graph_must_not_run_then_none_is_made_and_the_error_says_why(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, said = HOSTILE[name]
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *_, **__: pytest.fail("made"))
    with pytest.raises(ArtifactError) as caught:
        Session(made().SerializeToString())
    assert said in caught.value.problem
    assert "trained anew" in caught.value.cure


def test_graph_when_nothing_is_wrong_with_it_then_it_runs_and_is_looked_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(graph, "_passed", set())
    data = sound().SerializeToString()
    looked: list[int] = []
    own = graph._model
    monkeypatch.setattr(graph, "_model", lambda data: (looked.append(1), own(data)))
    for _ in range(3):
        assert Session(data).run(np.zeros((1, 2, 2), np.float32)).shape == (1, 2, 12)
    assert looked == [1]


def test_external_data_when_nobody_looks_then_the_runtime_reads_it_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The control: what a check prevents is there.
    (tmp_path / EXTERNAL).write_bytes(np.full((2, 12), 7, np.float32).tobytes())
    monkeypatch.chdir(tmp_path)
    data = external_constant().SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    (out,) = session.run(None, {"features": np.ones((1, 1, 2), np.float32)})
    assert out.max() == 14


def test_graph_when_two_messages_follow_each_other_then_they_are_not_merged() -> None:
    # A parser merges them: what stands first would be hidden by what is checked last.
    data = external_constant().SerializeToString() + sound().SerializeToString()
    assert onnx.load_from_string(data).graph.initializer[0].data_location == 1
    with pytest.raises(ArtifactError, match=r"twice|field 13"):
        check_graph(data)
    with pytest.raises(ArtifactError, match="twice"):
        check_graph(2 * sound().SerializeToString())


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x00", b"not a graph", b"\x80\x04", b"\xff" * 64, b"\x0b\x0c", b"\x38\x01",
        b"\x08" + b"\xff" * 11, b"\x3a\xff\xff\xff\xff\x0f", b"\x00\x00\x00\x00ORTM" + bytes(64),
    ],
)  # fmt: skip
def test_graph_when_the_bytes_are_none_then_refused(data: bytes) -> None:
    with pytest.raises(ArtifactError, match="not one to run"):
        check_graph(data)


def test_lists_when_long_then_they_are_read_as_one_by_one() -> None:
    # Trees have lists of a hundred thousand; negative, large and small, in runs and packed apart.
    model = sound()
    values = [int(v) for v in np.random.default_rng(0).integers(-(2**62), 2**62, 5000)]
    model.graph.node[0].attribute.append(onnx.helper.make_attribute("list", values))
    model.graph.node[0].attribute.append(onnx.helper.make_attribute("few", values[:3]))
    model.graph.node[0].attribute.append(onnx.helper.make_attribute("real", [0.5] * 4000))
    data = model.SerializeToString()
    found: list[dict[str, np.ndarray]] = []
    own = graph._check_shapes

    def look(node: graph._Node, known: set[str], decided: set[str]) -> None:
        found.append(node.ints)
        own(node, known, decided)

    graph._check_shapes, before = look, own
    try:
        graph._model(data)
    finally:
        graph._check_shapes = before
    assert found[0]["list"].tolist() == values
    assert found[0]["few"].tolist() == values[:3]


def _names_more_than_numbers(model: onnx.ModelProto) -> bool:
    """Whether ONNX's own parser finds in a graph what a check must not let pass."""
    tensors = [*model.graph.initializer, *(a.t for n in model.graph.node for a in n.attribute)]
    return bool(
        model.functions
        or model.training_info
        or model.graph.sparse_initializer
        or any(t.external_data or t.data_location for t in tensors)
        or any(a.HasField("g") or a.graphs or a.HasField("sparse_tensor")
               for n in model.graph.node for a in n.attribute)
        or any(n.op_type in {"Loop", "If", "Scan", "NonZero"} for n in model.graph.node)
    )  # fmt: skip


@pytest.mark.parametrize("rounds", [1500, pytest.param(20_000, marks=pytest.mark.slow)])
def test_graphs_when_mutated_then_each_is_refused_or_harmless_in_the_eyes_of_another_parser(
    rounds: int,
) -> None:
    rng = random.Random(rounds)
    seeds = [
        sound().SerializeToString(),
        *(made().SerializeToString() for made, _ in HOSTILE.values()),
    ]
    passed = 0
    for _ in range(rounds):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(data))
            if rng.random() < 0.6:
                data[at] = rng.randrange(256)
            elif rng.random() < 0.5:
                del data[at : at + rng.randint(1, 9)]
            else:
                data[at:at] = rng.randbytes(rng.randint(1, 9))
            if not data:
                break
        try:
            check_graph(bytes(data))
        except ArtifactError:
            continue
        passed += 1
        try:
            model = onnx.load_from_string(bytes(data))
        except DecodeError:
            continue
        assert not _names_more_than_numbers(model)
    assert passed  # weights and names may be anything


def test_fuzz_when_the_check_is_switched_off_then_the_other_parser_convicts() -> None:
    assert all(
        _names_more_than_numbers(HOSTILE[name][0]())
        for name in ("external_constant", "external_in_a_branch", "loop", "own_function")
    )
    assert not _names_more_than_numbers(onnx.load_from_string(echo.graph_of(echo.NAMES)))
