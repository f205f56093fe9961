"""Graphs nobody should run: each does one thing the pack's networks never do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, load_from_string
from onnx import numpy_helper as numpy_onnx

from tests.test_contract import echo

EXTERNAL: Final = "weights.bin"
_FLOAT: Final = TensorProto.FLOAT


def sound() -> ModelProto:
    """The echo's graph, to be changed."""
    return load_from_string(echo.graph_of(echo.NAMES))


def _external() -> TensorProto:
    tensor = numpy_onnx.from_array(np.zeros((2, echo.LAYOUT.width), np.float32), "weights")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", EXTERNAL
    return tensor


def _branch(name: str, *nodes: NodeProto, constants: tuple[TensorProto, ...] = ()) -> GraphProto:
    out = [helper.make_tensor_value_info("inner", _FLOAT, None)]
    return helper.make_graph(list(nodes), name, [], out, list(constants))


def external_constant() -> ModelProto:
    model = sound()
    model.graph.initializer[0].CopyFrom(_external())
    return model


def external_in_a_node() -> ModelProto:
    model = sound()
    model.graph.node.insert(0, helper.make_node("Constant", [], ["more"], value=_external()))
    return model


def external_in_a_branch() -> ModelProto:
    model = sound()
    inner = _branch("inner", helper.make_node("Identity", ["weights"], ["inner"]),
                    constants=(_external(),))  # fmt: skip
    model.graph.initializer.append(numpy_onnx.from_array(np.array(True), "yes"))
    model.graph.node.insert(
        0, helper.make_node("If", ["yes"], ["x"], then_branch=inner, else_branch=inner)
    )
    return model


def external_in_a_sparse_constant() -> ModelProto:
    model = sound()
    sparse = model.graph.sparse_initializer.add()
    sparse.values.CopyFrom(_external())
    sparse.dims.extend([2, 12])
    return model


def location_without_a_flag() -> ModelProto:
    model = sound()
    entry = model.graph.initializer[0].external_data.add()
    entry.key, entry.value = "location", EXTERNAL
    return model


def _looping(op: str) -> ModelProto:
    model = sound()
    cond = helper.make_tensor_value_info("on", TensorProto.BOOL, [])
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["still"])], "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []), cond],
        [helper.make_tensor_value_info("still", TensorProto.BOOL, [])],
    )  # fmt: skip
    model.graph.initializer.append(numpy_onnx.from_array(np.array(True), "yes"))
    model.graph.node.insert(0, helper.make_node(op, ["", "yes"], [], body=body))
    return model


def loop() -> ModelProto:
    return _looping("Loop")


def scan() -> ModelProto:
    return _looping("Scan")


def foreign_operator() -> ModelProto:
    model = sound()
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    model.graph.node.insert(
        0, helper.make_node("Gelu", ["features"], ["x"], domain="com.microsoft")
    )
    return model


def unknown_operator() -> ModelProto:
    model = sound()
    model.graph.node.insert(0, helper.make_node("NonZero", ["features"], ["x"]))
    return model


def own_function() -> ModelProto:
    model = sound()
    node = helper.make_node("Identity", ["a"], ["b"])
    opset = [helper.make_opsetid("", 20)]
    model.functions.append(helper.make_function("", "F", ["a"], ["b"], [node], opset))
    return model


def size_from_candles() -> ModelProto:
    model = sound()
    model.graph.node.insert(0, helper.make_node("Cast", ["features"], ["n"], to=TensorProto.INT64))
    model.graph.node.insert(1, helper.make_node("ConstantOfShape", ["n"], ["x"]))
    return model


def size_from_candles_hidden_by_order() -> ModelProto:
    model = size_from_candles()
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([nodes[1], nodes[0], *nodes[2:]])
    return model


def huge_constant() -> ModelProto:
    model = sound()
    tensor = TensorProto(name="huge", data_type=_FLOAT, dims=[1 << 20, 1 << 20])
    model.graph.initializer.append(tensor)
    return model


def negative_constant() -> ModelProto:
    model = sound()
    model.graph.initializer.append(TensorProto(name="n", data_type=_FLOAT, dims=[-1]))
    return model


def short_constant() -> ModelProto:
    model = sound()
    model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[:-4]
    return model


def texts() -> ModelProto:
    model = sound()
    tensor = TensorProto(name="s", data_type=TensorProto.STRING, dims=[1], string_data=[b"x"])
    model.graph.initializer.append(tensor)
    return model


def input_of_another_type() -> ModelProto:
    model = sound()
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.STRING, [1]))
    return model


def input_too_wide() -> ModelProto:
    model = sound()
    model.graph.input.append(helper.make_tensor_value_info("more", _FLOAT, ["batch", 1 << 40]))
    return model


def round_trip_of_a_tree() -> ModelProto:
    model = sound()
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    node = helper.make_node(
        "TreeEnsembleRegressor", ["features"], ["x"], domain="ai.onnx.ml", n_targets=1,
        nodes_treeids=[0, 0, 0], nodes_nodeids=[0, 1, 2], nodes_featureids=[0, 0, 0],
        nodes_values=[0.0, 0.0, 0.0], nodes_modes=["BRANCH_LEQ", "BRANCH_LEQ", "LEAF"],
        nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[2, 2, 0],
        target_treeids=[0], target_nodeids=[2], target_ids=[0], target_weights=[1.0],
    )  # fmt: skip
    model.graph.node.insert(0, node)
    return model


def settings_of_the_runtime() -> ModelProto:
    model = sound()
    model.metadata_props.add(key="ort_config", value='{"session_options": {}}')
    return model


def value_twice() -> ModelProto:
    model = sound()
    model.graph.node.append(helper.make_node("Identity", ["features"], ["outputs"]))
    return model


HOSTILE: Final[dict[str, tuple[Callable[[], ModelProto], str]]] = {
    made.__name__: (made, said)
    for made, said in (
        (external_constant, "field 13"), (external_in_a_node, "field 13"),
        (external_in_a_branch, "field 6"), (external_in_a_sparse_constant, "field 15"),
        (location_without_a_flag, "field 13"), (loop, "field 6"), (scan, "field 6"),
        (foreign_operator, "not ONNX's own"), (unknown_operator, "not among those allowed"),
        (own_function, "field 25"), (size_from_candles, "up to the candles"),
        (size_from_candles_hidden_by_order, "not in the order"), (huge_constant, "at most"),
        (negative_constant, "at most"), (short_constant, "24 numbers has 23"),
        (texts, "field 6"), (input_of_another_type, "expected inputs"),
        (input_too_wide, "expected inputs"), (round_trip_of_a_tree, "leads back up"),
        (settings_of_the_runtime, "not the pack's"), (value_twice, "make the same value"),
    )
}  # fmt: skip
