"""Train / validation / calibration rows in time order, purged at each boundary."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from models.base.errors import InputError
from models.base.windows import Span


@dataclass(frozen=True)
class Split:
    """Three spans, oldest first, with `purge` unlabelled rows between and after them."""

    train: Span
    validation: Span
    calibration: Span


def left_out_blocks(rows: int, *, purge: int, blocks: int, minimum: int) -> tuple[Span, ...]:
    """Cut `rows` rows into `blocks` equal spans, each to be left out by one member of a committee.

    The frame's last `purge` rows are in none: their labels would look into the candles the model
    is about to be tested on. Who trains without a block leaves out `purge` rows around it as well.

    Raises
    ------
    InputError
        If a block would have fewer than `minimum` rows.

    Examples
    --------
    >>> left_out_blocks(100, purge=10, blocks=3, minimum=10)
    (Span(start=0, stop=30), Span(start=30, stop=60), Span(start=60, stop=90))
    """
    each = max(rows - purge, 0) // blocks
    if each < minimum:
        raise InputError(
            f"expected at least {minimum} rows in each of {blocks} blocks left out in turn, got "
            f"{each} of {rows} rows",
            where="training frame",
            cure="raise freqai.train_period_days, lower training.cross_fit, or download more "
            "history",
        )
    edges = [rows - purge - each * left for left in range(blocks, -1, -1)]
    return tuple(Span(start, stop) for start, stop in pairwise([0, *edges[1:]]))


def split_rows(
    rows: int, *, purge: int, validation_frac: float, calibration_frac: float, minimum: int
) -> Split:
    """Cut `rows` rows into three spans so that no label of one reaches into the next.

    A label of row t looks ahead to t + purge at most, so each span ends `purge` rows before the
    next begins, and the last one `purge` rows before the frame ends (its labels would look into
    the candles the model is about to be tested on).

    Raises
    ------
    InputError
        If a span would have fewer than `minimum` rows.

    Examples
    --------
    >>> s = split_rows(100, purge=5, validation_frac=0.2, calibration_frac=0.2, minimum=10)
    >>> s.train, s.validation, s.calibration
    (Span(start=0, stop=55), Span(start=60, stop=75), Span(start=80, stop=95))
    """
    calibration = int(rows * (1 - calibration_frac))
    validation = int(rows * (1 - calibration_frac - validation_frac))
    split = Split(
        Span(0, max(validation - purge, 0)),
        Span(validation, max(calibration - purge, validation)),
        Span(calibration, max(rows - purge, calibration)),
    )
    shortest = min(len(split.train), len(split.validation), len(split.calibration))
    if shortest < minimum:
        raise InputError(
            f"expected at least {minimum} rows in each of train, validation and calibration, got "
            f"{len(split.train)}, {len(split.validation)}, {len(split.calibration)} of {rows} rows",
            where="training frame",
            cure="raise freqai.train_period_days, or download more history",
        )
    return split
