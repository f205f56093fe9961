"""Whether the two parts of an artifact belong together and can be served."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from models.base import columns
from models.base.errors import ArtifactError, InputError
from models.base.heads import HeadLayout
from models.base.types import Artifact, BoolArray
from models.base.windows import MAX_CONTEXT_CANDLES, WEEK_HOURS
from models.serve.conditions import CLOCK_HOURS, MoveInputs
from models.serve.ranges import range_columns, range_inputs
from models.serve.stretch import StretchInputs

MOST_CONTEXT = 16_384  # candles; the pack's networks look back on a few hundred
MANIFEST_FORMAT = 9  # of the manifest and its graph; raised when their meaning changes


def check_artifact(artifact: Artifact) -> None:
    """Raise ArtifactError unless bytes and manifest belong together and are of this format."""
    m = artifact.manifest
    if m.get("format") != MANIFEST_FORMAT:
        raise ArtifactError(
            f"expected an artifact of format {MANIFEST_FORMAT}, got {m.get('format')!r}",
            cure="train the model again with this version of the pack",
        )
    digest = Artifact.digest(artifact.onnx)
    if m.get("onnx_sha256") != digest:
        raise ArtifactError(
            f"expected network bytes with hash {str(m.get('onnx_sha256'))[:12]}, got {digest[:12]}",
            cure="the artifact is corrupt or its parts come from two models; train again",
        )
    missing = [name for name in _NEEDED if name not in m]
    problems = [f"{name} is missing" for name in missing] or _unlike(m)
    try:
        problems = problems or _contradictions(m)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        problems = [f"a field is of another kind ({type(error).__name__}: {error})"]
    if problems:
        raise ArtifactError(
            f"the manifest cannot be served: {'; '.join(problems)}",
            where=str(m.get("title", "")),
            cure="the artifact is corrupt or was edited; train again",
        )


def carried_candles(manifest: dict[str, Any]) -> int:
    """Return how many candles the network's past may be carried on live; 0 is not at all."""
    return int(manifest.get("streaming", {}).get("candles", 0))


def needed_features(manifest: Mapping[str, Any]) -> BoolArray:
    """Return which features (F,) a row cannot be without; the others may be NaN."""
    optional = manifest.get("optional_features", ())
    return np.array([name not in optional for name in manifest["feature_names"]], dtype=np.bool_)


_NEEDED = (
    "feature_names", "candle_ms", "horizon_candles", "hazard_bin_edges", "outputs",
    "context_candles", "calibration", "novelty", "drift", "log_volatility", "cost_frac",
)  # fmt: skip


_LARGEST = 1 << 53  # of a count or a moment in milliseconds: what a double holds exactly
_LONGEST = 100_000  # of a list
_MOST_WINDOWS = 64  # over which past ranges are averaged


def _count(value: object) -> bool:
    return type(value) is int and -_LARGEST < value < _LARGEST


def _list(of: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: (
        isinstance(value, list | tuple) and len(value) <= _LONGEST and all(map(of, value))
    )


def _text(value: object) -> bool:
    return isinstance(value, str)


def _table(value: object) -> bool:
    return isinstance(value, dict)


# What each field of a manifest is that is read while a forecast is made; others are only told.
_KINDS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "feature_names": (_list(_text), "a list of names"),
    "optional_features": (_list(_text), "a list of names"),
    "absent_heads": (_list(_text), "a list of names"),
    "hazard_bin_edges": (_list(_count), "a list of counts"),
    "peak_edges": (_list(_count), "a list of counts"),
    "calibration": (_table, "a table"),
    "novelty": (_table, "a table"),
    "drift": (_table, "a table"),
    "streaming": (_table, "a table"),
    "log_volatility": (lambda value: value is None or _table(value), "a table, or null"),
    "cost_frac": (lambda value: type(value) in (int, float), "a number"),
    "time_origin_ms": (lambda value: value is None or _count(value), "UTC milliseconds"),
    **dict.fromkeys(
        ("candle_ms", "horizon_candles", "context_candles", "outputs", "policy_head"),
        (_count, "a count"),
    ),
}


def _unlike(m: Mapping[str, Any]) -> list[str]:
    """Return which fields are not of their kind."""
    return [
        f"expected {name} to be {what}, got {str(m[name])[:60]!r}"
        for name, (fits, what) in _KINDS.items()
        if name in m and not fits(m[name])
    ]


def _contradictions(m: dict[str, Any]) -> list[str]:
    """Return what in a complete manifest cannot be true."""
    problems = [
        f"expected {name} > 0, got {m[name]!r}"
        for name in ("candle_ms", "horizon_candles", "context_candles")
        if not m[name] > 0
    ]
    if m["context_candles"] > MOST_CONTEXT:
        problems.append(f"expected context_candles <= {MOST_CONTEXT}, got {m['context_candles']}")
    if not carried_candles(m) >= 0:
        problems.append(f"expected streaming.candles >= 0, got {carried_candles(m)!r}")
    if not 0 <= m["cost_frac"] < 1:
        problems.append(f"expected 0 <= cost_frac < 1, got {m['cost_frac']!r}")
    if columns.FEATURE_SIGMA not in m["feature_names"]:
        problems.append(f"{columns.FEATURE_SIGMA} is not among the features")
    elif not problems:  # it is made with the numbers above
        problems += _wrong_volatility(m)
    strange = [head for head in m.get("absent_heads", ()) if head not in columns.OF_HEAD]
    if strange:
        problems.append(f"expected absent_heads among {sorted(columns.OF_HEAD)}, got {strange}")
    problems += [*_wrong_edge(m), *_wrong_moves(m), *_wrong_stretch(m), *_wrong_alarms(m)]
    width = HeadLayout.of(m).width
    if m["outputs"] != width:
        problems.append(f"expected {width} outputs for its hazard bins, got {m['outputs']!r}")
    for name in ("mean", "std"):
        if len(m["novelty"][name]) != len(m["feature_names"]):
            problems.append(
                f"expected {len(m['feature_names'])} features in novelty.{name}, "
                f"got {len(m['novelty'][name])}"
            )
    used = int(needed_features(m).sum())
    for name in ("edges", "shares", "usual"):
        if len(m["drift"][name]) != used:
            problems.append(
                f"expected {used} features in drift.{name}, got {len(m['drift'][name])}"
            )
    return problems


def _wrong_edge(m: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the part of a claimed return that is to be believed."""
    edge = m["calibration"].get("edge")
    if columns.HEAD_QUANTILES in m.get("absent_heads", ()):
        wanted, fits = "no calibration.edge without quantiles", edge is None
    else:
        wanted = "calibration.edge with 0 <= low <= slope <= 1"
        fits = edge is not None and 0 <= edge["low"] <= edge["slope"] <= 1
    return [] if fits else [f"expected {wanted}, got {str(edge)[:60]}"]


def _wrong_alarms(m: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the levels of the hazard at which alarms are false so often."""
    alarms = m["calibration"].get("false_alarms")
    if columns.HEAD_HAZARD in m.get("absent_heads", ()):
        if alarms is None:
            return []
        return [f"expected no calibration.false_alarms without hazards, got {str(alarms)[:60]}"]
    if alarms is None or set(alarms) != set(columns.SIDE_NAMES):
        return [f"expected calibration.false_alarms of down and up, got {str(alarms)[:60]}"]
    return [
        f"expected calibration.false_alarms.{side} with hazards rising from 0 and as many rates "
        f"> 0 that never rise with them, got {str(alarms[side])[:60]}"
        for side in columns.SIDE_NAMES
        if not _falls_with_hazard(alarms[side]["hazard"], alarms[side]["per_week"])
    ]


def _falls_with_hazard(levels: Sequence[float], rates: Sequence[float]) -> bool:
    """Whether there is a finite rate for each level from 0 on, or neither."""
    if len(levels) != len(rates) or not np.isfinite([*levels, *rates]).all():
        return False
    rises, falls = np.diff(levels), np.diff(rates)
    whole = bool((rises > 0).all() and (falls <= 0).all())
    return not len(levels) or (levels[0] == 0 and rates[-1] > 0 and whole)


def _wrong_volatility(m: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the regression that forecasts volatility beside the graph."""
    fitted = m["log_volatility"]
    if fitted is None:
        return []
    windows = fitted["windows"]
    if not 0 < len(windows) <= _MOST_WINDOWS or not all(
        _count(n) and 0 < n <= MAX_CONTEXT_CANDLES for n in windows
    ):
        wanted = f"1 to {_MOST_WINDOWS} windows of 1 to {MAX_CONTEXT_CANDLES} candles"
        return [f"expected log_volatility of {wanted}, got {str(windows)[:60]}"]
    try:
        range_columns(m["feature_names"], m["candle_ms"])
    except InputError as error:
        return [f"expected no log_volatility without a range; {error.problem}"]
    made = range_inputs(windows, bool(fitted["same_hour"]), m["horizon_candles"], m["candle_ms"])
    if _whole(fitted, len(made.names), WEEK_HOURS):
        return []
    return [
        f"expected log_volatility of {len(made.names)} inputs and {WEEK_HOURS} hours, all finite, "
        f"got {str(fitted)[:60]}"
    ]


def _wrong_moves(m: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with what the rows' conditions add to the odds of a move."""
    if columns.FEATURE_SIGMA not in m["feature_names"]:
        return []  # told of already
    inputs = len(MoveInputs.of(m).names)
    moves = m["calibration"].get("moves")
    if moves is not None and _whole(moves, inputs):
        return []
    return [
        f"expected calibration.moves of {inputs} inputs and {CLOCK_HOURS} hours, all finite, got "
        f"{str(moves)[:60]}"
    ]


def _wrong_stretch(m: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with what the quantiles are stretched by; nothing without sigma."""
    if columns.FEATURE_SIGMA not in m["feature_names"]:
        return []  # told of already
    stretch = m["calibration"].get("stretch")
    if columns.HEAD_QUANTILES in m.get("absent_heads", ()):
        wanted, fits = "no calibration.stretch without quantiles", stretch is None
    else:
        inputs = len(StretchInputs(m["feature_names"], m["candle_ms"]).names)
        wanted = f"calibration.stretch of {inputs} inputs and {CLOCK_HOURS} hours, all finite"
        fits = stretch is not None and _whole(stretch, inputs)
    return [] if fits else [f"expected {wanted}, got {str(stretch)[:60]}"]


def _whole(term: Mapping[str, Any], inputs: int, hours: int = CLOCK_HOURS) -> bool:
    sizes = {"mean": inputs, "std": inputs, "slope": inputs, "clock": hours}
    lists = all(len(term[name]) == size for name, size in sizes.items())
    numbers = [term["intercept"], *(n for name in sizes for n in term[name])]
    return lists and all(map(math.isfinite, numbers)) and min(term["std"]) > 0
