"""Numbers as people read them, a dash for what is not known, and as JSON holds them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import numpy as np

MISSING: Final = "–"
Numbers = Mapping[str, Any]
"""Numbers of a report, or a part of them, by their names."""


def utc(time_ms: float | None, seconds: bool = False) -> str:
    """Return a UTC time, for example ``2024-03-01 14:00 UTC``.

    Examples
    --------
    >>> utc(1_709_301_600_000)
    '2024-03-01 14:00 UTC'
    """
    if not known(time_ms):
        return MISSING
    moment = datetime.fromtimestamp(float(time_ms or 0) / 1000, tz=UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC" if seconds else "%Y-%m-%d %H:%M UTC")


def day(time_ms: float | None) -> str:
    """Return a UTC date."""
    return utc(time_ms)[:10] if known(time_ms) else MISSING


def known(value: Any) -> bool:
    """Return whether `value` is a finite number."""
    return isinstance(value, int | float) and math.isfinite(value)


def _fixed(digits: int, unit: str = "", scale: float = 1.0, sign: bool = False) -> _Format:
    def show(value: float) -> str:
        scaled = round(value * scale, digits) + 0.0  # no "-0.0"
        return f"{scaled:{'+' if sign else ''},.{digits}f}{unit}".replace("-", "−")

    return show


_Format = Callable[[float], str]
FORMATS: Final[Mapping[str, _Format]] = {
    "pct": _fixed(1, " %", 100.0),
    "pct2": _fixed(2, " %", 100.0),
    "gain": _fixed(1, " %", 100.0, sign=True),
    "gain2": _fixed(2, " %", 100.0, sign=True),
    "points": _fixed(1, " points", 100.0, sign=True),
    "money": _fixed(2),
    "money_change": _fixed(2, sign=True),
    "ratio": _fixed(2),
    "ratio3": _fixed(3),
    "signed": _fixed(2, sign=True),
    "change": _fixed(3, sign=True),
    "rate": _fixed(2, "×"),
    "price": lambda v: f"{v:,.6g}" if abs(v) < 1000 else f"{v:,.1f}",
    "amount": lambda v: f"{v:,.4g}".replace("-", "−"),
    # One that is a mean, of seeds, is not rounded away: 0.3 is not none.
    "count": lambda v: _fixed(0 if v == round(v) or abs(v) >= 100 else 1)(v),
    "bps": _fixed(1, " bps"),
    "bps_change": _fixed(1, " bps", sign=True),
    "hours": _fixed(1, " h"),
    "days": _fixed(1, " days"),
    "seconds": _fixed(1, " s"),
    "millibits": _fixed(2, " millibits", sign=True),
    "nats": _fixed(4, " nats"),
    "utc": utc,
    "day": day,
}


def show(value: Any, kind: str) -> str:
    """Return `value` in the named format of `FORMATS`; a dash if it is not a finite number.

    Examples
    --------
    >>> show(-0.1234, "gain"), show(None, "pct"), show(1234.5, "money")
    ('−12.3 %', '–', '1,234.50')
    """
    return FORMATS[kind](value) if known(value) else MISSING


def between(estimate: Mapping[str, Any], kind: str) -> str:
    """Return an estimate's interval in words, for example ``95 % interval −1.2 to 2.3``."""
    if not (known(estimate.get("low")) and known(estimate.get("high"))):
        return "interval not known: too little data"
    low = show(estimate["low"], kind).split(" ")[0]  # the unit comes once
    return f"95 % interval {low} to {show(estimate['high'], kind)}"


def cell(estimate: Mapping[str, Any], kind: str) -> str:
    """Return an estimate with its interval as people read it.

    Examples
    --------
    >>> cell({"value": 0.528, "low": 0.503, "high": 0.551}, "pct")
    '52.8 % (50.3 to 55.1)'
    >>> cell({"value": 1.0, "low": None, "high": None}, "pct")
    '100.0 % (interval not known)'
    """
    if not known(estimate["value"]):
        return MISSING
    if not (known(estimate["low"]) and known(estimate["high"])):
        return f"{show(estimate['value'], kind)} (interval not known)"
    ends = [show(estimate[k], kind).removesuffix(" %").removesuffix(" millibits")
            .removesuffix(" bps") for k in ("low", "high")]  # fmt: skip
    return f"{show(estimate['value'], kind).replace(' millibits', '')} ({ends[0]} to {ends[1]})"


class TableColumn(NamedTuple):
    """One column of a report's table."""

    key: str  # of the row
    heading: str
    kind: str  # of `FORMATS`
    what: str  # what the number is; empty if the heading says it
    interval: bool = True  # whether an estimate's interval is shown

    def cell(self, row: Mapping[str, Any]) -> str:
        """Return the row's number as people read it."""
        value = row[self.key]
        if self.interval:
            return cell(value, self.kind)
        return show(value["value"] if isinstance(value, Mapping) else value, self.kind)


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table.

    Examples
    --------
    >>> print(markdown_table(["coin", "price"], [["LTC", "90"]]), end="")
    | coin | price |
    |---|---|
    | LTC | 90 |
    """
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def finite(value: Any) -> Any:
    """Return `value` as JSON can hold it: NaN and infinity None, arrays lists, keys strings.

    Examples
    --------
    >>> finite({"a": np.float64("nan"), "b": (np.int64(1), np.array([0.5, np.inf]))})
    {'a': None, 'b': [1, [0.5, None]]}
    """
    if isinstance(value, Mapping):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return finite(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [finite(v) for v in value]
    if isinstance(value, np.generic):
        return finite(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, str | int | bool | None) else str(value)


def report_json(numbers: Mapping[str, Any]) -> str:
    """Return the text of a report's ``report.json``."""
    return json.dumps(finite(numbers), indent=1, allow_nan=False) + "\n"
