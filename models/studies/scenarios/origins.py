"""From which candles engines are asked, and by which fit: expanding history, disjoint outcomes.

Origins are a day and one candle apart: outcomes of a day do not overlap, and every hour of the day
comes up. Outcomes of a week are asked of every seventh. So a right forecast's exceedances are
independent, which every test here assumes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from models.base.errors import InputError
from models.base.types import BoolArray, FloatArray, IntArray
from models.base.units import DAY_MS
from models.data.feeds.candles import iso
from models.scenarios.paths import CoinHistory, PathBlock
from models.studies.scenarios.losses import PathLoss, losses_on

LEAST_ORIGINS = 100  # below, no test finds anything
_VOLATILITY_MS = 7 * DAY_MS


@dataclass(frozen=True, kw_only=True)
class Origins:
    """Where engines are asked; D origins, O losses, A coins."""

    row: IntArray  # (D,) of the history: the newest candle that is known
    known_ms: IntArray  # (D,) when it closed
    asked: BoolArray  # (D, O) which losses are asked about; overlapping ones are not
    came: FloatArray  # (D, O, A, 2) what came, NaN where not asked
    volatility: FloatArray  # (D, A) of a candle, over the week before: known
    left_out: int  # origins without whole candles around them

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, kw_only=True)
class ScenarioFold:
    """One fit, and the origins that are asked by it."""

    fit_ms: int  # known then; nothing later is in the fit
    stop_ms: int
    origins: IntArray  # (d,) of `Origins`

    @property
    def title(self) -> str:
        return f"fitted until {iso(self.fit_ms)[:10]}"


def origins_between(
    history: CoinHistory, losses: tuple[PathLoss, ...], start_ms: int, stop_ms: int
) -> Origins:
    """Return the origins of [start_ms, stop_ms) whose outcomes have come by `stop_ms`.

    Raises
    ------
    InputError
        If there are fewer than `LEAST_ORIGINS`.
    """
    step, close_ms = history.candle_ms, history.time_ms + history.candle_ms
    day = next(loss.candles for loss in losses if loss.title == "24 h")
    apart = DAY_MS + (step if step < DAY_MS else 0)
    behind = max(2, _VOLATILITY_MS // step)
    times = np.arange(start_ms + -start_ms % step, stop_ms - day * step + 1, apart)
    rows, known, asked = [], [], []
    for number, at in enumerate(times):
        row = int(np.searchsorted(close_ms, at))
        if not _whole(close_ms, row, int(at), -behind, day, step):
            continue
        rows.append(row)
        known.append(at)
        asked.append(
            [
                loss.candles <= day
                or (
                    number % 7 == 0
                    and at + loss.candles * step <= stop_ms
                    and _whole(close_ms, row, int(at), 0, loss.candles, step)
                )
                for loss in losses
            ]
        )
    if len(rows) < LEAST_ORIGINS:
        raise InputError(
            f"expected at least {LEAST_ORIGINS} origins between {iso(start_ms)} and "
            f"{iso(stop_ms)}, got {len(rows)} with whole candles around them",
            where=f"{iso(int(history.time_ms[0]))} to {iso(int(history.time_ms[-1]))}",
            cure="start earlier, or download a longer span",
        )
    at_row, ask = np.array(rows, dtype=np.int64), np.array(asked, dtype=np.bool_)
    window = history.close[at_row[:, None] + np.arange(1 - behind, 1)]  # (D, W, A)
    return Origins(
        row=at_row, known_ms=np.array(known, dtype=np.int64), asked=ask,
        came=_came(history, losses, at_row, ask), volatility=window.std(axis=1),
        left_out=len(times) - len(rows),
    )  # fmt: skip


def scenario_folds(origins: Origins, start_ms: int, stop_ms: int, days: int) -> list[ScenarioFold]:
    """Return a fit each `days`, from `start_ms` on, with the origins until the next."""
    cuts = [*range(start_ms, stop_ms, days * DAY_MS), stop_ms]
    folds = [
        ScenarioFold(
            fit_ms=a, stop_ms=b,
            origins=np.flatnonzero((origins.known_ms >= a) & (origins.known_ms < b)),
        )
        for a, b in pairwise(cuts)
    ]  # fmt: skip
    return [fold for fold in folds if len(fold.origins)]


def rows_as_path(history: CoinHistory, row: int, candles: int) -> PathBlock:
    """Return the candles after a row as the one path that came."""
    rows = slice(row + 1, row + 1 + candles)
    close, low, high, paid = (
        a[rows][None] for a in (history.close, history.low, history.high, history.funding)
    )
    return PathBlock(
        close=close, low=low, high=high, funding=paid, answers=np.ones(close.shape[:2], np.bool_)
    )


def _whole(close_ms: IntArray, row: int, at: int, first: int, last: int, step: int) -> bool:
    """Whether a candle closed at `at`, and all are there from `first` to `last` around it."""
    if not (row + first >= 0 and row + last < len(close_ms)) or close_ms[row] != at:
        return False
    return bool(close_ms[row + last] - close_ms[row + first] == (last - first) * step)


def _came(
    history: CoinHistory, losses: tuple[PathLoss, ...], row: IntArray, asked: BoolArray
) -> FloatArray:
    out = np.full((*asked.shape, history.close.shape[1], 2), np.nan)
    for d, of_origin in enumerate(asked):
        which = np.flatnonzero(of_origin)
        wanted = [losses[i] for i in which]
        path = rows_as_path(history, int(row[d]), max(loss.candles for loss in wanted))
        out[d, which] = losses_on(path, wanted)[0]
    return out
