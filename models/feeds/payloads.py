"""Payloads of public endpoints to series in time order. Pure: bytes come from elsewhere.

Formats as their providers document them: Binance USD-M REST (`fundingRate`, `openInterestHist`,
`globalLongShortAccountRatio`) and its `forceOrder` stream, and the Fear & Greed index of
alternative.me. A payload that is not as documented is refused whole, with every offender named: a
feed that lies about one row is not to be trusted with the next.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from models.errors import InputError
from models.types import FloatArray, IntArray

_LATEST_MS: Final = 4_102_444_800_000  # 2100: a time beyond it is in another unit
_EARLIEST_MS: Final = 1_230_768_000_000  # 2009
_SHOWN: Final = 5  # offenders named


@dataclass(frozen=True)
class Series:
    """What a feed said, oldest first, times unique."""

    time_ms: IntArray  # (M,) what each value is about
    values: FloatArray  # (M,)

    def __len__(self) -> int:
        return len(self.time_ms)


@dataclass(frozen=True)
class Liquidation:
    """One forced order: side -1 where a long was sold out, +1 where a short was bought in."""

    time_ms: int
    side: int
    notional_quote: float


def funding(payload: Any, symbol: str) -> Series:
    """Return the funding rates paid, as fractions per payment, by time of payment.

    Examples
    --------
    >>> funding([{"symbol": "LTCUSDT", "fundingRate": "0.0001", "fundingTime": 1700000000000}],
    ...         "LTCUSDT").values
    array([0.0001])
    """
    return _series(payload, "funding", symbol, "fundingTime",
                   lambda row: _number(row, "fundingRate", -1.0, 1.0))  # fmt: skip


def open_interest(payload: Any, symbol: str) -> Series:
    """Return the open interest in contracts (base units), by time."""
    return _series(payload, "open interest", symbol, "timestamp",
                   lambda row: _number(row, "sumOpenInterest", 0.0, math.inf))  # fmt: skip


def long_short_ratio(payload: Any, symbol: str) -> Series:
    """Return accounts long over accounts short, by time; the shares must belong to it."""

    def ratio(row: Mapping[str, Any]) -> float:
        value = _number(row, "longShortRatio", 0.0, math.inf)
        long, short = (_number(row, name, 0.0, 1.0) for name in ("longAccount", "shortAccount"))
        if abs(long + short - 1.0) > 1e-2:
            raise ValueError(f"longAccount + shortAccount is {long + short:g}, not 1")
        return value

    return _series(payload, "long/short ratio", symbol, "timestamp", ratio)


def fear_greed(payload: Any) -> Series:
    """Return the Fear & Greed index, 0 to 100, by the day it is about."""
    if not isinstance(payload, Mapping) or "data" not in payload:
        raise _refused("fear and greed", [f"expected a block with data, got {_short(payload)}"])
    metadata = payload.get("metadata")
    error = metadata.get("error") if isinstance(metadata, Mapping) else None
    if error:
        raise _refused("fear and greed", [f"the provider says {error!r}"])
    return _series(payload["data"], "fear and greed", None, "timestamp",
                   lambda row: _number(row, "value", 0.0, 100.0), unit_ms=1000)  # fmt: skip


def liquidation(event: Any, symbol: str) -> Liquidation:
    """Return one event of the `forceOrder` stream.

    Binance sends at most the largest order of each second: sums of these are a lower bound.
    """
    order = event.get("o") if isinstance(event, Mapping) else None
    if not isinstance(order, Mapping) or event.get("e") != "forceOrder":
        raise _refused("liquidation", [f"expected a forceOrder event, got {_short(event)}"])
    problems: list[str] = []
    found: dict[str, float] = {}
    for name, what in (("ap", "average price"), ("z", "filled quantity")):
        try:
            found[name] = _number(order, name, 0.0, math.inf)
        except ValueError as error:
            problems.append(f"{what}: {error}")
    if order.get("s") != symbol:
        problems.append(f"expected symbol {symbol}, got {order.get('s')!r}")
    side = {"SELL": -1, "BUY": 1}.get(str(order.get("S")))
    if side is None:
        problems.append(f"expected side SELL or BUY, got {order.get('S')!r}")
    try:
        time_ms = _time(order, "T", 1)
    except ValueError as error:
        problems.append(str(error))
    if problems or side is None:
        raise _refused("liquidation", problems)
    return Liquidation(time_ms, side, found["ap"] * found["z"])


def _series(
    payload: Any,
    what: str,
    symbol: str | None,
    time_name: str,
    value_of: Callable[[Mapping[str, Any]], float],
    unit_ms: int = 1,
) -> Series:
    if not isinstance(payload, Sequence) or isinstance(payload, str | bytes):
        raise _refused(what, [f"expected a list, got {_short(payload)}"])
    problems: list[str] = []
    told: dict[int, float] = {}
    for i, row in enumerate(payload):
        try:
            if not isinstance(row, Mapping):
                raise ValueError(f"expected a block, got {_short(row)}")
            if symbol is not None and row.get("symbol") != symbol:
                raise ValueError(f"expected symbol {symbol}, got {row.get('symbol')!r}")
            time_ms, value = _time(row, time_name, unit_ms), value_of(row)
            if told.setdefault(time_ms, value) != value:
                raise ValueError(f"{time_ms} is told twice, as {told[time_ms]:g} and {value:g}")
        except ValueError as error:
            problems.append(f"row {i}: {error}")
    if problems:
        raise _refused(what, problems)
    times = sorted(told)
    return Series(
        np.array(times, dtype=np.int64), np.array([told[t] for t in times], dtype=np.float64)
    )


def _number(row: Mapping[str, Any], name: str, low: float, high: float) -> float:
    """Return a number, sent as text or as one, within [low, high] and finite."""
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"expected a number in {name}, got {_short(value)}")
    try:
        number = float(value)
    except ValueError:
        raise ValueError(f"expected a number in {name}, got {_short(value)}") from None
    if not (math.isfinite(number) and low <= number <= high):
        raise ValueError(f"expected {name} from {low:g} to {high:g}, got {number:g}")
    return number


def _time(row: Mapping[str, Any], name: str, unit_ms: int) -> int:
    value = _number(row, name, _EARLIEST_MS / unit_ms, _LATEST_MS / unit_ms)
    if value != int(value):
        raise ValueError(f"expected a whole time in {name}, got {value!r}")
    return int(value) * unit_ms


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _refused(what: str, problems: list[str]) -> InputError:
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return InputError(
        "; ".join(problems[:_SHOWN]) + more,
        where=f"payload of {what}",
        cure="the provider answered otherwise than documented; use the second source",
    )
