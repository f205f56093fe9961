"""The closed form and its heads as an ONNX graph: float64 inside, float32 at both ends.

Input ``features (B, T, F + 1)``, of which only sigma and the last column, the candle's number
since the origin, are read. A number is a whole one, so float32 carries the time exactly.
Inside, batch and time come last: on a last axis of length 1, ONNX Runtime spends 10 ns an element
on an addition, on a long one 0.2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import ArrayLike
from onnx import NodeProto, TensorProto, helper, numpy_helper

from models.base.columns import QUANTILES
from models.base.errors import ArtifactError
from models.base.heads import HeadLayout
from models.base.types import FloatArray, IntArray
from models.base.units import DAY_MS
from models.learn.export.onnx import OPSET
from models.learn.prophet.closed_form import PARTS, ClosedForm
from models.learn.prophet.residual import Residual

PARITY: Final = 1e-6  # log price; closed form against the library
TINY: Final = 1e-8  # volatility below which a candle did not trade and its forecast abstains
_LONG_AGO: Final = -1e6  # days


@dataclass(frozen=True, kw_only=True)
class Heads:
    """How the parts of the forecast become head outputs."""

    layout: HeadLayout
    horizon: int  # candles
    candle_ms: int
    sigma_column: int
    features: int  # F
    weights: FloatArray  # (3,) of `PARTS`, 0..1
    residual: Residual
    cost_frac: float
    prior: FloatArray  # (H,)
    temperature: float  # of the class logits beyond the prior

    @property
    def ahead_days(self) -> float:
        return self.horizon * self.candle_ms / DAY_MS


@dataclass
class _Graph:
    """Nodes and constants in the order they are asked for; numbers are float64 unless said."""

    nodes: list[NodeProto] = field(default_factory=list)
    constants: list[TensorProto] = field(default_factory=list)

    def constant(self, value: ArrayLike, dtype: Any = np.float64) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype=dtype), name))
        return name

    def each(self, values: ArrayLike, dtype: Any = np.float64) -> str:
        """Return n constants as (n, 1, 1), to meet (B, T)."""
        return self.constant(np.asarray(values)[:, None, None], dtype)

    def __call__(self, kind: str, *inputs: str | float, **attributes: Any) -> str:
        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        out = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, names, [out], **attributes))
        return out

    def total(self, x: str, keepdims: int = 0) -> str:
        """Return the sum over the first axis, (n, B, T) -> (B, T)."""
        return self("ReduceSum", x, self.constant([0], np.int64), keepdims=keepdims)

    def column(self, index: int) -> str:
        """Return an input column in float64, (B, T)."""
        x = self("Gather", "features", self.constant(index, np.int64), axis=2)
        return self("Cast", x, to=TensorProto.DOUBLE)

    def to_bytes(self, stacked: str, dtype: int, inputs: int, outputs: int) -> bytes:
        """Return the graph whose output (B, T, n) is `stacked` (n, B, T)."""

        def tensor(name: str, of: int, last: int) -> Any:
            return helper.make_tensor_value_info(name, of, ["batch", "time", last])

        self.nodes.append(helper.make_node("Transpose", [stacked], ["outputs"], perm=[1, 2, 0]))
        graph = helper.make_graph(
            self.nodes,
            "prophet",
            [tensor("features", TensorProto.FLOAT, inputs)],
            [tensor("outputs", dtype, outputs)],
            self.constants,
        )
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=9)
        onnx: bytes = model.SerializeToString()
        return onnx


def served_graph(form: ClosedForm, heads: Heads) -> bytes:
    """Return the graph ``features (B, T, F + 1) -> outputs (B, T, H)``."""
    g, layout, width = _Graph(), heads.layout, heads.residual.width
    days = _days(g, heads)
    parts = [
        (basis, weight * values)
        for part, weight in zip(_IMPLIED, heads.weights, strict=True)
        if weight  # what earned nothing costs nothing
        for basis, values in [part(g, form, heads, days)]
    ]
    mean = _weighted(g, parts) if parts else g("Mul", days, 0.0)  # (B, T) log return
    # In units of the residual's width from here on: it saves the classes a node.
    scale = g("Mul", g.column(heads.sigma_column), float(np.sqrt(heads.horizon)) * width)
    scale = g("Max", scale, TINY * width)
    moved = g("Cast", g("Div", mean, scale), to=TensorProto.FLOAT)
    # One broadcast for quantiles and hazards: the latter are constants, Prophet has none.
    rest = np.arange(layout.quantiles.start, layout.width)
    moves = rest < layout.quantiles.stop  # (5 + 2K,)
    fixed = heads.prior[rest]
    fixed[moves] = heads.residual.quantile(np.array(QUANTILES))
    tail = g("Mul", moved, g.each(width * moves, np.float32))
    tail = g("Add", tail, g.each(fixed, np.float32))  # (5 + 2K, B, T)
    out = g("Concat", _class_logits(g, heads, mean, scale), tail, axis=0)
    return g.to_bytes(out, TensorProto.FLOAT, heads.features + 1, layout.width)


def parts_graph(form: ClosedForm, heads: Heads) -> bytes:
    """Return a graph of trend, seasonality, holidays and yhat, then the three implied parts.

    Float64 outputs (B, T, 7), for the parity check; the implied parts are the served nodes.
    """
    g = _Graph()
    days = _days(g, heads)
    ramps = g("Max", g("Sub", days, g.each(form.knots)), 0.0)  # (J, B, T)
    bent = g.total(g("Mul", ramps, g.each(form.bends)))
    trend = g("Sum", g("Mul", days, form.slope), bent, form.intercept)
    waves = g.total(g("Mul", _waves(g, form, days, form.phase), g.each(form.amplitude)))
    holidays = g.total(_day_effects(g, form, days, (0.0,)))
    yhat = g("Sum", trend, waves, holidays)
    implied = [_weighted(g, [part(g, form, heads, days)]) for part in _IMPLIED]
    first = g.constant([0], np.int64)
    stack = [g("Unsqueeze", part, first) for part in (trend, waves, holidays, yhat, *implied)]
    out = g("Concat", *stack, axis=0)
    return g.to_bytes(out, TensorProto.DOUBLE, heads.features + 1, 4 + len(PARTS))


def check_parity(
    form: ClosedForm, heads: Heads, times: IntArray, library: FloatArray, later: FloatArray
) -> dict[str, float]:
    """Return the largest difference to the library of each component, and of each implied move.

    Parameters
    ----------
    times
        (N,) open times.
    library, later
        (N, 4) the library's components at `times`, and a horizon later.

    Raises
    ------
    ArtifactError
        If any differs by more than `PARITY`.
    """
    x = np.zeros((1, len(times), heads.features + 1), dtype=np.float32)
    x[0, :, -1] = (times - form.origin_ms) / heads.candle_ms
    session = onnxruntime.InferenceSession(
        parts_graph(form, heads), providers=["CPUExecutionProvider"]
    )
    got = session.run(None, {"features": x})[0][0]  # (N, 7)
    expected = np.column_stack((library, (later - library)[:, : len(PARTS)]))
    names = (*PARTS, "yhat", *(f"implied_{name}" for name in PARTS))
    gaps = dict(zip(names, np.abs(got - expected).max(axis=0).tolist(), strict=True))
    if not max(gaps.values()) <= PARITY:
        raise ArtifactError(
            f"the closed form and Prophet.predict differ by up to {PARITY:g} at most, got {gaps}",
            where="export check before and after the end of training",
            cure="the installed prophet writes its model differently; do not serve this artifact",
        )
    return gaps


def _days(g: _Graph, heads: Heads) -> str:
    """Return days since the origin, (B, T)."""
    return g("Mul", g.column(heads.features), heads.candle_ms / DAY_MS)


def _weighted(g: _Graph, parts: list[tuple[str, FloatArray]]) -> str:
    """Return the sum of all bases (n, B, T) times their values (n,), (B, T)."""
    basis = g("Concat", *(basis for basis, _ in parts), axis=0)
    return g.total(g("Mul", basis, g.each(np.concatenate([values for _, values in parts]))))


# What each part adds over the horizon: a basis (n, B, T), and a value for each of the n.


def _bends(g: _Graph, form: ClosedForm, heads: Heads, days: str) -> tuple[str, FloatArray]:
    # The difference of two ramps is one clipped ramp. The slope is a bend so long ago that its
    # ramp is always complete.
    knots, bends = np.append(form.knots, _LONG_AGO), np.append(form.bends, form.slope)
    past_knot = g("Sub", days, g.each(knots - heads.ahead_days))
    return g("Clip", past_knot, 0.0, heads.ahead_days), bends


def _swings(g: _Graph, form: ClosedForm, heads: Heads, days: str) -> tuple[str, FloatArray]:
    # sin(x + wh) - sin(x) = 2 sin(wh / 2) sin(x + wh / 2 + pi / 2): one sine for both moments.
    half = form.frequency * heads.ahead_days / 2
    waves = _waves(g, form, days, form.phase + half + np.pi / 2)
    return waves, 2 * np.sin(half) * form.amplitude


def _changes_of_day(g: _Graph, form: ClosedForm, heads: Heads, days: str) -> tuple[str, FloatArray]:
    return _day_effects(g, form, days, (0.0, heads.ahead_days)), np.array([-1.0, 1.0])


_IMPLIED: Final = (_bends, _swings, _changes_of_day)  # in the order of `PARTS`


def _waves(g: _Graph, form: ClosedForm, days: str, phase: FloatArray) -> str:
    """Return the sine of every frequency, (K, B, T)."""
    return g("Sin", g("Add", g("Mul", days, g.each(form.frequency)), g.each(phase)))


def _day_effects(g: _Graph, form: ClosedForm, days: str, later: tuple[float, ...]) -> str:
    """Return what the calendar day of `days`, and of moments so much later, adds, (n, B, T)."""
    shift = form.day_shift + np.array(later)
    day = g("Clip", g("Floor", g("Add", days, g.each(shift))), 0.0, len(form.holidays) - 1.0)
    index = g("Cast", day, to=TensorProto.INT64)
    return g("Gather", g.constant(form.holidays), index, axis=0)


def _class_logits(g: _Graph, heads: Heads, mean: str, scale: str) -> str:
    """Return the class logits (3, B, T) float32: the mass beyond cost on either side, and between.

    Float32 from the standardised cost on: probabilities are right to 1e-7, and none counts as
    less than 1e-6.
    """
    r, single = heads.residual, np.float32
    beyond = g("Sub", g.each([-heads.cost_frac, heads.cost_frac]), mean)  # (2, B, T)
    u = g("Sub", g("Div", beyond, scale), r.skew / r.width)
    asinh = g("Asinh", g("Cast", u, to=TensorProto.FLOAT))
    half, peak = g.constant(0.5, single), r.peak / np.sqrt(2)
    score = g("Mul", g("Add", asinh, g.constant(r.shift, single)), g.each([peak, -peak], single))
    outer = g("Add", g("Mul", g("Erf", score), half), half)  # (2, B, T) down, up
    flat = g("Sub", g.constant(1.0, single), g.total(outer, keepdims=1))
    order = g.constant([0, 2, 1], np.int64)
    p = g("Gather", g("Concat", outer, flat, axis=0), order, axis=0)  # (3, B, T) down, flat, up
    # prior + (log p - prior) / temperature
    share, prior = 1 / heads.temperature, heads.prior[heads.layout.classes]
    logit = g("Mul", g("Log", g("Max", p, g.constant(1e-6, single))), g.constant(share, single))
    return g("Add", logit, g.each((1 - share) * prior, single))
