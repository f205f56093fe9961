"""A series served candle by candle: what the network carries on, and which rows it was made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.base.types import Float32Array
from models.serve.session import Session, SessionState


@dataclass(frozen=True, eq=False, kw_only=True)
class Carried:
    """What is kept of a series after its newest row. Replaced whole, never changed."""

    rows: Float32Array  # (C, F) the context up to that row, as the graph was fed it
    time_ms: int  # open time of its candle
    past: SessionState
    outputs: Float32Array  # (H,) of that row
    candles: int  # since the past was made from a context


def advance(
    session: Session,
    before: Carried | None,
    rows: Float32Array,
    time_ms: int,
    *,
    candle_ms: int,
    limit: int,
) -> Carried:
    """Return a series after its newest row, of which the caller brings the whole context.

    The past is only ever a shortcut to what the context would say. It is carried on while the
    rows it was made of are, bit for bit, the ones brought now with new ones behind them. After
    anything else (a gap, a restart, a revised candle, an older one) it is made anew.

    Parameters
    ----------
    before
        The series as it was left, or None.
    rows
        (C, F) complete and without a gap, newest last.
    time_ms
        Open time of the newest row's candle.
    limit
        Candles a past may be carried on: parity was measured so far and no further.
    """
    new = _new_rows(before, rows, time_ms, candle_ms) if before else None
    if before is None or new is None or before.candles + new > limit:
        outputs, past = session.step(rows[None], session.beginning())
        candles = 0
    elif new == 0:
        return before
    else:
        outputs, past = session.step(rows[None, -new:], before.past)
        candles = before.candles + new
    return Carried(
        rows=rows.copy(), time_ms=time_ms, past=past, outputs=outputs[0, -1], candles=candles
    )


def _new_rows(before: Carried, rows: Float32Array, time_ms: int, candle_ms: int) -> int | None:
    """Return how many of `rows` lie behind those of `before`, None where they do not join."""
    new, rest = divmod(time_ms - before.time_ms, candle_ms)
    if rest or not 0 <= new < len(rows):
        return None
    return new if np.array_equal(before.rows[new:], rows[: len(rows) - new]) else None
