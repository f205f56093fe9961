"""Speed and memory of every model against Freqtrade's own transformer, in one run.

Run ``python -m tests.benchmarks.networks [--data DIR] [--rows N] [--json PATH]``. Nothing is
asserted: absolute times belong to the machine, the ratios (stock / ours, larger is better for us)
were measured side by side. Rounds alternate between all contestants; each cell is the median over
the rounds, with the smallest and largest behind it. Every measurement has a process of its own,
with one thread.

Who runs: each model of the catalogue with its default settings, as the forecaster trains and
serves it, and the class `PyTorchTransformerRegressor` as Freqtrade installs it, with the settings
of its own docstring (one layer, 512 hidden units, batch 64), window 24. It cannot be given our
longer context: its position table has as many rows as it has features. Both see the same hours of
BTC, the same features and the same split into training and validation rows.

What is measured, and what is not:

train, s per pass
    One pass over the training rows, validation left out. Ours by supervised rows of a whole
    training, so weight averaging and checkpoints are inside; stock's is the median epoch of its
    trainer. Ours learns three heads per row, stock two regression targets.
train, s to best validation loss
    Each by its own loss, validation included; these losses are not comparable. Stock gets the ten
    epochs its trainer defaults to and keeps the last, ours stops early and keeps the best.
training job, s
    All a retraining costs inside FreqAI's `train`: ours with calibration, export and the parity
    checks; stock with its pipelines. Stock's TensorBoard writer, on by default, is off.
backtest, rows/s
    Ours: `Predictor.predict`, all rows. Stock: `predict`, a limited number of rows, because it
    keeps the graph of every row it has forecast.
live step, us
    One forecast of the next candle: ours from arrays, `Predictor.latest`, which carries the past on
    where parity allows; "from the context" is `Predictor.predict` on the same candle's context, in
    turns with it. Stock from a frame, `predict` on its window. FreqAI's work around either, and
    the conversion of a frame to an array (a fraction of a millisecond) in ours, are left out.
model file, MiB
    What FreqAI stores as the model: ours the predictor (network, manifest, 256 rows), stock its
    checkpoint (weights twice, and the optimiser's state). Stock's pickled pipelines are left out.
peak, MiB
    High-water mark of the process, and how far that is above a bot that has FreqAI imported and
    the rows loaded. In a bot our training runs in a separate process, so its peak is not the bot's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

# This process stays small: a child's high-water mark begins at its parent's size.
from models.learn import catalog
from tests.places import ROOT

STOCK = "stock"
# Read when NumPy, torch and ONNX Runtime are imported, so set before the workers start.
LIBRARIES = ("OMP", "MKL", "OPENBLAS", "NUMEXPR")
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in LIBRARIES}
PHASES = ("train", "backtest", "live")
# phase, measurement, how the row is called, digits, True where more is better
CELLS = (
    ("train", "epoch_s", "train, s per pass over the rows", 3, False),
    ("train", "to_best_s", "train, s to best validation loss", 2, False),
    ("train", "job_s", "training job, s", 2, False),
    ("train", "peak_mib", "training peak, MiB", 0, False),
    ("train", "above_idle_mib", "training peak above idle, MiB", 0, False),
    ("train", "artifact_mib", "model file, MiB", 2, False),
    ("backtest", "rows_per_s", "backtest, rows/s", 0, True),
    ("backtest", "peak_mib", "backtest peak, MiB", 0, False),
    ("backtest", "above_idle_mib", "backtest peak above idle, MiB", 0, False),
    ("backtest", "mib_per_1000_rows", "backtest growth, MiB per 1000 rows", 2, False),
    ("live", "live_p50_us", "live step p50, us", 0, False),
    ("live", "live_p99_us", "live step p99, us", 0, False),
    ("live", "context_p50_us", "live step from the context p50, us", 0, False),
    ("live", "peak_mib", "live peak, MiB", 0, False),
    ("live", "above_idle_mib", "live peak above idle, MiB", 0, False),
)


def measure(phase: str, who: str, folder: Path) -> dict[str, Any]:
    """Run one phase in a process of its own and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.worker", phase, who, str(folder)],
        cwd=ROOT,
        env={**os.environ, **ONE_THREAD},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"error: {phase} of {who} failed\n{done.stderr[-4000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure all contestants in turn, round by round, and return medians and spreads."""
    contestants = (*(options.networks or catalog.names()), STOCK)
    found: dict[str, dict[str, list[dict[str, float]]]] = {
        who: {phase: [] for phase in PHASES} for who in contestants
    }
    total, done, started = options.rounds * len(contestants) * len(PHASES), 0, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="breakwater-benchmark-") as name:
        folder = Path(name)
        data = str(options.data.resolve()) if options.data else None
        settings = {**vars(options), "data": data, "json": None}
        (folder / "options.json").write_text(json.dumps(settings), encoding="utf-8")
        rows = measure("data", "", folder)
        for turn in range(options.rounds):
            for phase in PHASES:
                for who in contestants if turn % 2 == 0 else contestants[::-1]:
                    found[who][phase].append(measure(phase, who, folder))
                    done += 1
                    spent = time.monotonic() - started
                    sys.stderr.write(
                        f"  round {turn + 1}/{options.rounds}  {phase:8s} {who:12s} "
                        f"{spent:4.0f} s, about {spent / done * (total - done):.0f} s left\n"
                    )
    return {
        "machine": machine(),
        "data": {"source": data or "simulated market, seed 7", **rows},
        "rounds": options.rounds,
        "stock_backtest_rows": options.stock_rows,
        "context_candles": {who: found[who]["live"][0]["context"] for who in contestants},
        "cells": {who: {key(c): summary(found[who], c) for c in CELLS} for who in contestants},
    }


def key(cell: tuple[str, ...] | tuple[Any, ...]) -> str:
    """Return a cell's name in the JSON.

    Examples
    --------
    >>> key(("live", "peak_mib"))
    'live.peak_mib'
    """
    return f"{cell[0]}.{cell[1]}"


def summary(
    found: dict[str, list[dict[str, float]]], cell: tuple[Any, ...]
) -> dict[str, float | None]:
    """Return the median, smallest and largest of a cell over the rounds; None where it has none."""
    values = [turn[cell[1]] for turn in found[cell[0]]]
    if None in values:
        return dict.fromkeys(("median", "min", "max"))
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def ratio(ours: float, stock: float, more_is_better: bool) -> float:
    """Return how many times better ours is.

    Examples
    --------
    >>> ratio(2.0, 8.0, more_is_better=False), ratio(8.0, 2.0, more_is_better=True)
    (4.0, 4.0)
    """
    better, worse = (stock, ours) if more_is_better else (ours, stock)
    return worse / better if better > 0 else float("inf")


def machine() -> dict[str, Any]:
    """Return what a reader needs to know about where this was measured."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = [s for s in info.read_text(encoding="utf-8").splitlines() if "model name" in s]
        model = lines[0].split(":", 1)[1].strip() if lines else model
    names = ("freqtrade", "torch", "onnxruntime", "numpy", "pandas")
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "threads": 1,
        "python": platform.python_version(),
        **{name: version(name) for name in names},
    }


def table(report: dict[str, Any]) -> str:
    """Return the report as text, a block per network."""
    facts, data = report["machine"], report["data"]
    out = [
        "machine: " + ", ".join(f"{name} {value}" for name, value in facts.items()),
        f"data: {data['source']}; {data['rows']} hours of BTC/USDT:USDT, {data['first']} to "
        f"{data['last']}, {data['features']} features; {report['rounds']} rounds",
        f"stock: PyTorchTransformerRegressor, window {report['context_candles'][STOCK]}; "
        f"backtest over {report['stock_backtest_rows']} rows",
    ]
    stock = report["cells"][STOCK]
    for who, cells in report["cells"].items():
        if who == STOCK:
            continue
        title = f"{who}, context {report['context_candles'][who]}"
        out += ["", f"{title:36s}{'ours (min to max)':>32s}{'stock (min to max)':>32s}  ratio"]
        for cell in CELLS:
            ours, theirs = cells[key(cell)], stock[key(cell)]
            line = f"{cell[2]:36s}{_spread(ours, cell[3]):>32s}{_spread(theirs, cell[3]):>32s}"
            if ours["median"] is not None and theirs["median"] is not None:
                times = ratio(ours["median"], theirs["median"], cell[4])
                line += f"{times:>7.{0 if times >= 10 else 1}f}x"
            out.append(line)
    return "\n".join(out)


def _spread(value: dict[str, float | None], digits: int) -> str:
    if value["median"] is None:
        return "–"
    median, low, high = (f"{value[k]:,.{digits}f}" for k in ("median", "min", "max"))
    return f"{median} ({low} to {high})"


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks.networks", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--data", type=Path, help="Freqtrade data directory; default: the simulated market")
    add("--rows", type=int, default=12_000, help="hours (default %(default)s)")
    add("--rounds", type=int, default=3, help="repetitions (default %(default)s)")
    add("--networks", nargs="+", choices=catalog.names(), help="default: all")
    add("--json", type=Path, help="also write the numbers to this file")
    add("--stock-rows", type=int, default=500, help="stock's backtest (default %(default)s)")
    add("--epochs", type=int, default=10, help="of stock's training (default %(default)s)")
    add("--steps", type=int, help="at most, of our training (default: the pack's)")
    add("--calls", type=int, default=300, help="live steps per round (default %(default)s)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Measure, print the table and write the JSON."""
    options = parse(arguments)
    report = run(options)
    print(table(report))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
