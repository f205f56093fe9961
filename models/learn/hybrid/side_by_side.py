"""Several graphs of one input in one graph, to be joined by nodes that follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, TensorProto, ValueInfoProto, compose, helper, numpy_helper

_IR_VERSION = 10


class SideBySide:
    """Graphs ``features (B, T, F) -> outputs (B, T, H)`` that read the same features.

    Outputs and all else of a part are named ``part/...``. What a part carries from candle to candle
    the whole carries for it.

    Parameters
    ----------
    parts
        Name to ONNX bytes.
    """

    def __init__(self, parts: Mapping[str, bytes]) -> None:
        self._nodes: list[NodeProto] = []
        self._constants = []
        self._domains = {"": 0}
        self._past: list[ValueInfoProto] = []
        self._left: list[ValueInfoProto] = []
        for name, graph in parts.items():
            part = compose.add_prefix(onnx.load_from_string(graph), f"{name}/")
            for domain in part.opset_import:
                newest = max(self._domains.get(domain.domain, 0), domain.version)
                self._domains[domain.domain] = newest
            for node in part.graph.node:
                node.input[:] = ["features" if i == f"{name}/features" else i for i in node.input]
            self._nodes += list(part.graph.node)
            self._past += list(part.graph.input)[1:]
            self._left += list(part.graph.output)[1:]
            self._constants += list(part.graph.initializer)

    def joined(
        self,
        title: str,
        nodes: Sequence[NodeProto],
        constants: Mapping[str, npt.NDArray[np.generic]],
        features: int,
        width: int,
    ) -> bytes:
        """Return the graph ``features (B, T, features) -> outputs (B, T, width)``.

        Parameters
        ----------
        nodes
            Make ``outputs`` of the parts' outputs and of `constants`, by name.
        """
        more = [numpy_helper.from_array(value, name) for name, value in constants.items()]
        model = helper.make_model(
            helper.make_graph(
                [*self._nodes, *nodes],
                title,
                [_rows("features", features), *self._past],
                [_rows("outputs", width), *self._left],
                [*self._constants, *more],
            ),
            opset_imports=[
                helper.make_opsetid(d, v) for d, v in sorted(self._domains.items()) if v
            ],
            ir_version=_IR_VERSION,
            producer_name="breakwater",
        )
        onnx.checker.check_model(model)
        out: bytes = model.SerializeToString(deterministic=True)
        return out


def _rows(name: str, last: int) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", "time", last])
