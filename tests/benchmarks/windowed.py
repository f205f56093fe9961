"""Training on long sequences against training on one window per sample, in one run.

Run ``python -m tests.benchmarks.windowed [--data DIR] [--networks ...] [--seeds N]``. Both modes
are the one training loop: a sequence supervises `segment_candles` rows (`--segments`) behind one
burn-in, a window supervises its last row only (a segment of 1, `--windows` of them a step). Equal
numbers of evaluations, equal learning rate and weight averaging, the checkpoint chosen by
validation loss, no early stop, one thread; modes alternate, seed by seed.

Printed per network and mode: median over seeds (lowest to highest) of the CPU seconds until the
best validation loss, and of the direction head's gain over the training rows' class frequencies in
millibits per candle, on validation and on the rows after it, which chose nothing. Every twentieth
optimiser step is evaluated; a window step sees as many rows as it has windows, a sequence step
2,048, neighbours of each other within a segment.

Measured with ``--steps 120 --windows 128`` (6 evaluations, 3 seeds) on 17,000 hours of BTC/USDT
perpetual candles; medians, lowest to highest in brackets:

| network | mode | s to best validation loss | validation, millibits | test, millibits |
|---|---|---|---|---|
| lstm | sequence | 1.9 (1.7 to 4.0) | 28.3 (28.1 to 29.1) | 36.4 (19.2 to 36.8) |
| lstm | window | 21.4 (18.0 to 21.8) | 30.7 (24.3 to 34.9) | 44.2 (31.7 to 45.1) |
| gru | sequence | 14.3 (10.9 to 18.1) | 26.9 (26.6 to 30.9) | 26.9 (16.5 to 35.8) |
| gru | window | 23.9 (23.9 to 24.4) | 31.2 (26.1 to 33.6) | 35.8 (31.2 to 39.5) |
| tcn | sequence | 3.1 (2.2 to 3.1) | 32.3 (31.5 to 35.6) | 35.5 (30.0 to 36.7) |
| tcn | window | 27.1 (26.1 to 27.5) | 36.1 (34.4 to 37.4) | 38.1 (35.0 to 40.6) |
| wavenet | sequence | 2.0 (1.8 to 2.9) | 13.3 (13.1 to 16.1) | 6.5 (5.5 to 9.7) |
| wavenet | window | 25.2 (19.6 to 27.2) | 13.7 (13.6 to 18.3) | 8.3 (5.4 to 8.8) |
| linear | sequence | 0.6 (0.6 to 0.7) | 22.6 (21.0 to 23.2) | 27.8 (25.1 to 28.0) |
| linear | window | 1.2 (1.0 to 1.5) | 25.8 (21.6 to 28.0) | 24.8 (23.6 to 26.7) |

Sequences are 9 to 13 times cheaper (GRU 1.7, linear 2), but not free: windows were ahead on the
medians of LSTM, GRU and TCN, by 2 to 4 millibits in validation and 3 to 9 in the test, with
overlapping ranges. Many of them were still improving at the last step, while sequences, whose rows
are neighbours, had passed their best by then. Transformer and LSTM + attention were not finished.
Sequences stay the default, since three seeds on one split are no proof; where minutes of training
do not matter, ``training.segment_candles: 1`` with ``training.batch: 128`` is worth a try for the
LSTM, GRU and TCN. More and shorter sequences lie between: 32 of 64 rows gave the LSTM 30.1 (28.3 to
32.3) in validation and 35.8 in the test in 2.9 s, the TCN 34.9 (34.4 to 38.7) and 36.4 in 5.2 s.

On faster candles they gain nothing, so the default of 256 rows serves all timeframes. 40,000
candles, ``--steps 240 --segments 256 64`` (and 128 for the LSTM on 5m: 71.6 and 110.2), 3 seeds:

| candles | network | rows | s to best validation loss | validation, millibits | test, millibits |
|---|---|---|---|---|---|
| 15m | lstm | 256 | 3.6 (3.5 to 4.7) | 76.4 (75.4 to 76.9) | 112.1 (111.7 to 115.0) |
| 15m | lstm | 64 | 6.6 (6.4 to 8.2) | 76.2 (76.0 to 76.6) | 113.8 (111.7 to 116.9) |
| 15m | tcn | 256 | 5.2 (4.9 to 7.3) | 82.4 (80.3 to 82.5) | 119.7 (115.5 to 121.1) |
| 15m | tcn | 64 | 11.0 (10.1 to 13.2) | 79.6 (79.3 to 80.2) | 117.5 (111.4 to 120.6) |
| 5m | lstm | 256 | 3.8 (3.2 to 4.3) | 72.1 (71.0 to 73.8) | 112.6 (109.1 to 113.0) |
| 5m | lstm | 64 | 7.8 (7.7 to 8.1) | 71.7 (71.4 to 73.8) | 111.8 (109.6 to 112.1) |
| 5m | tcn | 256 | 6.5 (4.3 to 7.5) | 74.5 (71.8 to 75.7) | 117.6 (114.6 to 117.9) |
| 5m | tcn | 64 | 10.3 (7.3 to 11.9) | 73.8 (71.9 to 74.6) | 117.7 (114.5 to 119.1) |
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.base.types import TrainingJob
from models.base.windows import Span
from models.learn import catalog
from models.learn.nets.base import NetworkSpec
from models.learn.training.loop import evaluate, fit
from models.learn.training.networks import build_forecaster, burn_in
from models.learn.training.prepare import Prepared, prepare
from tests.benchmarks import worker

STEP_ROWS = 2048  # supervised by one optimiser step on sequences
MILLIBITS = 1000.0 / np.log(2.0)
HELD_OUT = 0.2  # of the rows for validation, and as many for the test after it


def mode(segment: int) -> str:
    """Return what training on segments of so many rows is called."""
    return "window" if segment == 1 else f"sequence of {segment}"


def prepared(job: TrainingJob, network: str, segment: int, steps: int, windows: int) -> Prepared:
    """Return the shared rows for one contestant; every evaluation counts, none stops the run."""
    training = {
        "max_steps": steps, "patience": steps, "validation_frac": HELD_OUT,
        "calibration_frac": HELD_OUT, "segment_candles": segment,
        "batch": windows if segment == 1 else max(1, STEP_ROWS // segment),
    }  # fmt: skip
    made = dataclasses.replace(job, network=network, settings={"training": training})
    return prepare(made, catalog.load(network))


def gain(model: torch.nn.Module, data: Prepared, span: Span, burn: int) -> float:
    """Return the direction gain over the training rows' class frequencies, millibits per candle."""
    loss = float(evaluate(model, data.rows, span, burn, data.layout).direction)
    t, rows = data.rows.targets, slice(span.start, span.stop)
    known = t.direction_known[rows] > 0
    prior = data.prior[data.layout.classes].expand(int(known.sum()), -1)
    base = float(torch.nn.functional.cross_entropy(prior, t.direction[rows][known]))
    return (base - loss) * MILLIBITS


def train_once(
    job: TrainingJob, network: str, segment: int, seed: int, options: argparse.Namespace
) -> dict[str, Any]:
    """Train one network in one mode; return seconds and gains."""
    data = prepared(job, network, segment, options.steps, options.windows)
    spec = data.spec
    assert isinstance(spec, NetworkSpec)
    burn = burn_in(spec, data)
    started = time.process_time()  # of one thread: what else the machine does is left out
    best, history = fit(
        build_forecaster(spec, data, seed), data.rows, data.split.train, data.split.validation,
        burn, data.layout, data.settings.training, seed, f"{network} {mode(segment)} seed {seed}",
    )  # fmt: skip
    all_s = time.process_time() - started
    return {
        "to_best_s": all_s * history.best_step / history.validation[-1][0],
        "all_s": all_s,
        "evaluations": len(history.validation),
        "validation": gain(best, data, data.split.validation, burn),
        "test": gain(best, data, data.split.calibration, burn),
    }


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Train everything, modes in turn."""
    torch.set_num_threads(1)
    shared = {
        "rows": options.rows, "data": options.data, "timeframe": options.timeframe, "steps": None
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        about = worker.write_rows(Path(name), shared)
        job = worker.read_job(Path(name), "lstm", shared)
    cells: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for network in options.networks:
        cells[network] = {mode(segment): [] for segment in options.segments}
        for seed in range(options.seeds):
            for segment in options.segments:
                started = time.monotonic()
                measured = train_once(job, network, segment, seed, options)
                cells[network][mode(segment)].append(measured)
                print(f"{network} {mode(segment)} seed {seed}: {time.monotonic() - started:.0f} s",
                      file=sys.stderr, flush=True)  # fmt: skip
            if options.json:  # as far as it got
                options.json.write_text(json.dumps(cells, indent=1), encoding="utf-8")
    return {"rows": about, "steps": options.steps, "windows": options.windows, "cells": cells}


def table(report: dict[str, Any]) -> str:
    """Return the medians and spreads as a Markdown table."""

    def cell(values: list[float], digits: int) -> str:
        middle = statistics.median(values)
        return f"{middle:.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"

    head = (
        "| network | mode | s to best validation loss | validation, millibits | test, millibits |"
    )
    lines = [head, "|---|---|---|---|---|"]
    for network, modes in report["cells"].items():
        for name, runs in modes.items():
            columns = [("to_best_s", 1), ("validation", 1), ("test", 1)]
            cells = [cell([r[key] for r in runs], digits) for key, digits in columns]
            lines.append(f"| {network} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Parse, run, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="Freqtrade data directory; default: the simulated market")
    parser.add_argument("--rows", type=int, default=17_000, help="candles of BTC, the newest")
    parser.add_argument("--timeframe", default="1h", help="of the candles in --data")
    parser.add_argument("--segments", nargs="+", type=int, default=[256, 1],
                        help="supervised rows of a sequence; 1 is a window")  # fmt: skip
    parser.add_argument("--networks", nargs="+", choices=catalog.networks(),
                        default=list(catalog.networks()))  # fmt: skip
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=400, help="optimiser steps, 20 an evaluation")
    parser.add_argument("--windows", type=int, default=256, help="of a step in window mode")
    parser.add_argument("--json", type=Path, help="write all numbers here as well")
    options = parser.parse_args(arguments)
    report = run(options)
    about = report["rows"]
    print(f"{about['rows']} rows of {about['features']} features, {about['first']} to "
          f"{about['last']}, {report['steps']} steps of {report['windows']} windows, "
          f"{options.seeds} seeds\n")  # fmt: skip
    print(table(report))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
