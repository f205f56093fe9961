"""What FreqAI has answered, between its frames and plain arrays; checked when it is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas import DataFrame

from models.base.arrays import MODELS_ANEW, arrays_from_bytes
from models.base.errors import ArtifactError


def plain_column(column: pd.Series[Any], name: str) -> np.ndarray[Any, Any]:
    """Return a column as an array; times in UTC lose their zone."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    elif column.dtype == object:
        column = pd.to_numeric(column)
    array: np.ndarray[Any, Any] = column.to_numpy()
    if array.dtype.kind not in "biufM":
        raise ArtifactError(f"expected numbers or times in UTC in {name!r}, got {column.dtype}")
    return array


def answers_by_pair(data: bytes, path: Path) -> dict[str, DataFrame]:
    """Return the frames of answers by pair, as FreqAI has them in memory."""
    arrays = arrays_from_bytes(data, where=str(path))
    pairs = json.loads(arrays.pop("pairs", np.zeros(0, np.uint8)).tobytes() or b"[]")
    expect_part(are_texts(pairs), "a list of pairs", pairs, path)
    found: list[dict[str, pd.Series[Any]]] = [{} for _ in pairs]
    for key, array in arrays.items():
        number, _, name = key.partition(" ")
        known = number.isdecimal() and int(number) < len(found) and array.ndim == 1
        expect_part(known, "columns of those pairs", key, path)
        column = pd.Series(array)
        found[int(number)][name] = (
            column.dt.tz_localize("UTC") if array.dtype.kind == "M" else column
        )
    for columns in found:
        lengths = {len(column) for column in columns.values()}
        dated = columns.get("date_pred", pd.Series()).dtype.kind == "M"
        expect_part(dated and len(lengths) == 1, "one date per row", sorted(lengths), path)
    return {pair: DataFrame(columns) for pair, columns in zip(pairs, found, strict=True)}


def are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(part, str) for part in value)


def expect_part(holds: bool, what: str, got: object, path: Path) -> None:
    if not holds:
        raise ArtifactError(
            f"expected {what}, got {str(got)[:80]!r}", where=str(path), cure=MODELS_ANEW
        )
