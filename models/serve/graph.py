"""What a graph must be to be run in the bot: no files, no loops, no size a value can decide.

A graph is data, and data from a folder somebody can write to. ONNX allows it to name files to be
read, to loop, and to make a tensor as large as a number in it says. The pack's networks need none
of that, so that a list of what they may do, and a look at where every shape comes from, is enough:
a graph that passes does the same work whatever the candles, and what a rehearsal measured is what
it costs (`models.serve.rehearsal`).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from models.base.arrays import MODELS_ANEW
from models.base.errors import ArtifactError
from models.serve.wire import (
    BYTES,
    FOUR,
    VARINT,
    Field,
    Ints,
    Kind,
    WireError,
    fields,
)

LARGEST_GRAPH: Final = 256 << 20  # bytes; the pack's have up to some ten million
MOST_NODES: Final = 100_000
MOST_ELEMENTS: Final = 64 << 20  # of one constant
WIDEST: Final = 1 << 20  # features, and elements of one part of the past

_TEXT, _TEXTS, _NUMBER = Kind(BYTES), Kind(BYTES, many=True), Kind(VARINT)
_MODEL: Final[Mapping[int, Kind]] = {
    1: _NUMBER, 2: _TEXT, 3: _TEXT, 4: _TEXT, 5: _NUMBER, 6: _TEXT, 7: _TEXT, 8: _TEXTS, 14: _TEXTS,
}  # fmt: skip
_OPSET: Final[Mapping[int, Kind]] = {1: _TEXT, 2: _NUMBER}
_PROPERTY: Final[Mapping[int, Kind]] = {1: _TEXT, 2: _TEXT}
_GRAPH: Final[Mapping[int, Kind]] = {
    1: _TEXTS, 2: _TEXT, 5: _TEXTS, 10: _TEXT, 11: _TEXTS, 12: _TEXTS, 13: _TEXTS,
}  # fmt: skip
_NODE: Final[Mapping[int, Kind]] = {
    1: _TEXTS, 2: _TEXTS, 3: _TEXT, 4: _TEXT, 5: _TEXTS, 6: _TEXT, 7: _TEXT,
}  # fmt: skip
# No graphs (6, 11), types (14, 15), references (21), sparse tensors (22, 23), lists of tensors.
_ATTRIBUTE: Final[Mapping[int, Kind]] = {
    1: _TEXT, 2: Kind(FOUR), 3: _NUMBER, 4: _TEXT, 5: _TEXT, 7: Kind(FOUR, many=True),
    8: Kind(VARINT, many=True), 9: _TEXTS, 13: _TEXT, 20: _NUMBER,
}  # fmt: skip
# No external data (13), no place of data (14), no segments (3), no texts (6).
_TENSOR: Final[Mapping[int, Kind]] = {
    1: Kind(VARINT, many=True), 2: _NUMBER, 4: _TEXT, 5: _TEXT, 7: _TEXT, 8: _TEXT, 9: _TEXT,
    10: _TEXT, 11: _TEXT, 12: _TEXT,
}  # fmt: skip
_VALUE: Final[Mapping[int, Kind]] = {1: _TEXT, 2: _TEXT, 3: _TEXT}
_TYPE: Final[Mapping[int, Kind]] = {1: _TEXT, 6: _TEXT}  # tensors only
_TENSOR_TYPE: Final[Mapping[int, Kind]] = {1: _NUMBER, 2: _TEXT}
_SHAPE: Final[Mapping[int, Kind]] = {1: _TEXTS}
_DIM: Final[Mapping[int, Kind]] = {1: _NUMBER, 2: _TEXT, 3: _TEXT}

# Bytes of an element by TensorProto.DataType.
_SIZES: Final[Mapping[int, int]] = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8,
                                    12: 4, 13: 8}  # fmt: skip
_FLOAT: Final = 1

# Operators whose output has a size its inputs' values decide, and which inputs those are.
_SHAPED_BY: Final[Mapping[str, tuple[int, ...]]] = {
    "ConstantOfShape": (0,), "Expand": (1,), "Pad": (1, 3), "Range": (0, 1, 2), "Reshape": (1,),
    "Slice": (1, 2, 3, 4), "Split": (1,), "Squeeze": (1,), "Tile": (1,), "TopK": (1,),
    "Unsqueeze": (1,), "OneHot": (1,), "ReduceMax": (1,), "ReduceMean": (1,), "ReduceMin": (1,),
    "ReduceSum": (1,), "ReduceProd": (1,), "ReduceL1": (1,), "ReduceL2": (1,),
    "ReduceLogSumExp": (1,), "ReduceSumSquare": (1,), "LSTM": (4,), "GRU": (4,), "RNN": (4,),
}  # fmt: skip
_PLAIN: Final = frozenset({
    "Abs", "Acos", "Acosh", "Add", "And", "ArgMax", "ArgMin", "Asin", "Asinh", "Atan", "Atanh",
    "AveragePool", "BatchNormalization", "Cast", "CastLike", "Ceil", "Celu", "Clip", "Concat",
    "Constant", "Conv", "ConvTranspose", "Cos", "Cosh", "CumSum", "DepthToSpace", "Div",
    "Dropout", "Einsum", "Elu", "Equal", "Erf", "Exp", "Flatten", "Floor", "Gather",
    "GatherElements", "GatherND", "Gelu", "Gemm", "GlobalAveragePool", "GlobalMaxPool", "Greater",
    "GreaterOrEqual", "GroupNormalization", "HardSigmoid", "HardSwish", "Hardmax", "Identity",
    "InstanceNormalization", "IsInf", "IsNaN", "LayerNormalization", "LeakyRelu", "Less",
    "LessOrEqual", "Log", "LogSoftmax", "LpNormalization", "MatMul", "Max", "MaxPool", "Mean",
    "Min", "Mish", "Mod", "Mul", "Neg", "Not", "Or", "PRelu", "Pow", "Reciprocal", "Relu",
    "Round", "ScatterElements", "ScatterND", "Selu", "Shape", "Sigmoid", "Sign", "Sin", "Sinh",
    "Size", "Softmax", "Softplus", "Softsign", "SpaceToDepth", "Sqrt", "Sub", "Sum", "Tan",
    "Tanh", "ThresholdedRelu", "Transpose", "Trilu", "Where", "Xor",
})  # fmt: skip
ALLOWED: Final[Mapping[str, frozenset[str]]] = {
    "": _PLAIN | frozenset(_SHAPED_BY),
    "ai.onnx.ml": frozenset({"TreeEnsembleRegressor"}),
}
_REMEMBERED: Final = 1024
_SIZES_ONLY: Final = frozenset({"Shape", "Size"})  # answers that do not depend on values


@dataclass
class _Node:
    """What of a node the rules are about."""

    op: str = ""
    domain: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    ints: dict[str, Ints] = field(default_factory=dict)  # list attributes, by name
    texts: dict[str, list[bytes]] = field(default_factory=dict)


_passed: set[bytes] = set()  # digests of graphs that may be run


def check_graph(onnx: bytes) -> None:
    """Raise ArtifactError unless the bytes are a graph that may be run.

    Before a session is made of them: making one already reads files and folds constants. A tenth
    of a second for the largest of the pack's, once for the same bytes.
    """
    digest = hashlib.sha256(onnx).digest()
    if digest in _passed:
        return
    try:
        _model(onnx)
    except WireError as error:
        raise ArtifactError(
            f"the network's graph is not one to run: {error}",
            cure=MODELS_ANEW,
        ) from error
    if len(_passed) >= _REMEMBERED:
        _passed.clear()
    _passed.add(digest)


def _model(data: bytes) -> None:
    if len(data) > LARGEST_GRAPH:
        raise WireError(f"expected at most {LARGEST_GRAPH:,} bytes, got {len(data):,}")
    graph: Field | None = None
    for found in fields(data, 0, len(data), _MODEL, "the model"):
        if found.number == 7:
            graph = found
        elif found.number == 8:
            for part in fields(data, found.value, found.stop, _OPSET, "an operator set"):
                if part.number == 1:
                    _domain(part.of(data))
        elif found.number == 14:
            for part in fields(data, found.value, found.stop, _PROPERTY, "a property"):
                if part.number == 1 and not part.of(data).startswith(b"breakwater."):
                    raise WireError(f"a property {part.of(data)[:40]!r} is not the pack's")
    if graph is None:
        raise WireError("there is no graph in it")
    _graph(data, graph)


def _graph(data: bytes, graph: Field) -> None:
    nodes: list[_Node] = []
    known = {""}  # names of values there are already; none is an input left out
    decided: set[str] = set()  # names whose values the candles decide
    for found in fields(data, graph.value, graph.stop, _GRAPH, "the graph"):
        if found.number == 1:
            nodes.append(_node(data, found))
        elif found.number == 5:
            known.add(_tensor(data, found))
        elif found.number in (11, 12, 13):
            name = _value(data, found, of_input=found.number == 11)
            if found.number == 11:
                decided.add(name)
        if len(nodes) > MOST_NODES:
            raise WireError(f"expected at most {MOST_NODES:,} nodes")
    known |= decided
    for node in nodes:
        _check_shapes(node, known, decided)
        if node.domain:
            _check_trees(node)


def _check_shapes(node: _Node, known: set[str], decided: set[str]) -> None:
    """Raise WireError if the candles decide how large an output is; note what they decide."""
    if not known.issuperset(node.inputs):
        raise WireError("its nodes are not in the order they are run in")
    for place in _SHAPED_BY.get(node.op, ()):
        if place < len(node.inputs) and node.inputs[place] in decided:
            raise WireError(f"the size of what its {node.op} makes is up to the candles")
    outputs = [name for name in node.outputs if name]
    if not known.isdisjoint(outputs):
        raise WireError("two of its nodes make the same value")
    known.update(outputs)
    if node.op not in _SIZES_ONLY and not decided.isdisjoint(node.inputs):
        decided.update(outputs)


def _check_trees(node: _Node) -> None:
    """Raise WireError unless every branch of its trees leads further down: no round trips."""
    modes = np.array([mode != b"LEAF" for mode in node.texts.get("nodes_modes", [])], dtype=bool)
    lists = [
        node.ints.get(f"nodes_{name}", np.zeros(0, np.int64))
        for name in ("nodeids", "truenodeids", "falsenodeids")
    ]
    if any(len(numbers) != len(modes) for numbers in lists):
        raise WireError("its trees have lists of different lengths")
    own, *children = (numbers[modes] for numbers in lists)
    if any((child <= own).any() for child in children):
        raise WireError("a branch of its trees leads back up")


def _node(data: bytes, found: Field) -> _Node:
    node = _Node()
    for part in fields(data, found.value, found.stop, _NODE, "a node"):
        text = part.of(data)
        if part.number == 1:
            node.inputs.append(_name(text))
        elif part.number == 2:
            node.outputs.append(_name(text))
        elif part.number == 4:
            node.op = _name(text)
        elif part.number == 5:
            _attribute(data, part, node)
        elif part.number == 7:
            node.domain = _domain(text)
    if node.op not in ALLOWED[node.domain]:
        raise WireError(f"its operator {node.domain}:{node.op[:40]} is not among those allowed")
    return node


def _attribute(data: bytes, found: Field, node: _Node) -> None:
    name, ints, texts = "", [np.zeros(0, np.int64)], []
    for part in fields(data, found.value, found.stop, _ATTRIBUTE, "an attribute"):
        if part.number == 1:
            name = _name(part.of(data))
        elif part.number == 5:
            _tensor(data, part)
        elif part.number == 8:
            ints.append(np.array(part.ints, np.int64))
        elif part.number == 9:
            texts.append(part.of(data))
    if name in node.ints:
        raise WireError(f"a node has its attribute {name[:40]!r} twice")
    node.ints[name], node.texts[name] = np.concatenate(ints), texts


def _tensor(data: bytes, found: Field) -> str:
    """Return a constant's name; raise WireError unless it is all there, and not too large."""
    name, dims = "", list[int]()
    kind, held = 0, {}
    for part in fields(data, found.value, found.stop, _TENSOR, "a constant"):
        if part.number == 1:
            dims += [int(n) for n in part.ints]
        elif part.number == 2:
            kind = part.value
        elif part.number == 8:
            name = _name(part.of(data))
        elif part.number in _TYPED or part.number == 9:
            held[part.number] = part
    if kind not in _SIZES:
        raise WireError(f"a constant has elements of type {kind}")
    if len(dims) > 16 or any(n < 0 for n in dims) or math.prod(dims) > MOST_ELEMENTS:
        raise WireError(f"expected constants of at most {MOST_ELEMENTS:,} numbers, got {dims[:16]}")
    count = math.prod(dims)
    if len(held) > 1:
        raise WireError("a constant has its numbers twice")
    for number, part in held.items():
        size = part.stop - part.value
        has = size // _SIZES[kind] if number == 9 else _TYPED[number](data, part)
        if has != count or (number == 9 and size % _SIZES[kind]):
            raise WireError(f"a constant of {count:,} numbers has {has:,}")
    if count and not held:
        raise WireError(f"a constant of {count:,} numbers has none")
    return name


def _varints(data: bytes, part: Field) -> int:
    """Return how many packed varints there are."""
    return int((np.frombuffer(data, np.uint8, part.stop - part.value, part.value) < 0x80).sum())


# How many numbers a packed field of a constant holds.
_TYPED: Final[Mapping[int, Callable[[bytes, Field], int]]] = {
    4: lambda _, part: (part.stop - part.value) // 4,
    5: _varints,
    7: _varints,
    10: lambda _, part: (part.stop - part.value) // 8,
    11: _varints,
}


def _value(data: bytes, found: Field, *, of_input: bool) -> str:
    """Return the name of a value that is said to have a type; an input is checked."""
    name, typed = "", False
    for part in fields(data, found.value, found.stop, _VALUE, "a value"):
        if part.number == 1:
            name = _name(part.of(data))
        elif part.number == 2:
            for kind in fields(data, part.value, part.stop, _TYPE, "a type"):
                if kind.number == 1:
                    typed = True
                    _tensor_type(data, kind, of_input=of_input)
    if of_input and not typed:
        raise WireError(f"its input {name[:40]!r} has no type")
    return name


def _tensor_type(data: bytes, found: Field, *, of_input: bool) -> None:
    kind, sizes = 0, 1
    for part in fields(data, found.value, found.stop, _TENSOR_TYPE, "a tensor's type"):
        if part.number == 1:
            kind = part.value
            continue
        for dim in fields(data, part.value, part.stop, _SHAPE, "a shape"):
            for size in fields(data, dim.value, dim.stop, _DIM, "a dimension"):
                if size.number == 1:
                    sizes *= size.value
    if of_input and (kind != _FLOAT or sizes > WIDEST):
        raise WireError(f"expected inputs of at most {WIDEST:,} float32 a row, got {sizes:,}")


def _name(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise WireError(f"a name {text[:40]!r} is no text") from None


def _domain(text: bytes) -> str:
    """Return an operator set's domain, if the pack uses it; `ai.onnx` is the one without a name."""
    domain = _name(text)
    if domain not in ALLOWED:
        raise WireError(f"its operators {domain[:40]!r} are not ONNX's own")
    return domain
