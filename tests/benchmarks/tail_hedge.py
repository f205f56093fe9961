"""One decision of the tail hedge: what it takes, from the first look at the paths to the reason.

``python -m tests.benchmarks.tail_hedge --paths 2000 --rounds 20``

Three coins, 72 hourly candles, a primary that may be reduced. Every round draws other paths and
decides on them cold and from the decision before, by turns; medians are told, by the clock and of
the processor. Drawing the paths is not in it. Both starts have to come to the same hedge.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence

import numpy as np

from models.scenarios.paths import PathBlock
from models.trade.hedging.tail_hedge import (
    HedgedAccount,
    TailHedge,
    TailHedgeConfig,
    tail_hedge,
)

COINS = ("LTC/USDT:USDT", "BTC/USDT:USDT", "ETH/USDT:USDT")
STEPS = 72
CONFIG = TailHedgeConfig(may_reduce_primary=True)


def drawn_paths(paths: int, seed: int) -> PathBlock:
    """Return fat-tailed paths of a coin that follows two others, and has shocks of its own."""
    rng = np.random.default_rng(seed)
    market = 0.005 * rng.standard_t(4, (paths, STEPS, 1))
    legs = market + 0.002 * rng.standard_t(4, (paths, STEPS, 2))
    own = 0.005 * rng.standard_t(3, (paths, STEPS, 1))
    close = np.concatenate((legs.mean(axis=2, keepdims=True) + own, legs), axis=2)
    below, above = 0.003 * np.abs(rng.standard_normal((2, *close.shape)))
    paid = np.zeros_like(close)
    paid[:, ::8] = 1e-4
    return PathBlock(
        close=close, low=np.minimum(close, 0) - below, high=np.maximum(close, 0) + above,
        funding=paid, answers=np.ones(close.shape[:2], dtype=np.bool_),
    )  # fmt: skip


def decide(leverage: float, block: PathBlock, last: TailHedge | None, warm: bool) -> TailHedge:
    """Decide from what the last decision holds; `warm` also starts there."""
    account = HedgedAccount(
        equity_quote=1_000.0, notional_quote=1_000.0 * leverage,
        held=last.ratio if last else (0.0, 0.0), rates_frac=(0.01, 0.004, 0.004),
    )  # fmt: skip
    return tail_hedge(account, COINS, [block], CONFIG, last if warm else None)


def measure(paths: int, rounds: int, leverage: float) -> dict[str, list[tuple[float, float, int]]]:
    """Return (seconds by the clock, of the processor, passes over the paths) by start."""
    last = decide(leverage, drawn_paths(paths, 0), None, False)
    spent: dict[str, list[tuple[float, float, int]]] = {"cold": [], "warm": []}
    for seed in range(1, rounds + 1):
        block, found = drawn_paths(paths, seed), {}
        for name, rows in spent.items():
            clock, processor = time.perf_counter(), time.process_time()
            found[name] = decide(leverage, block, last, name == "warm")
            taken = time.perf_counter() - clock, time.process_time() - processor
            rows.append((*taken, found[name].rounds))
        if abs(found["cold"].value - found["warm"].value) > 1e-5:
            raise RuntimeError(f"the starts differ: {found}")
        last = found["warm"]
    return spent


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--paths", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=20)
    asked = parser.parse_args(words)
    print(f"{asked.paths} paths of {STEPS} candles of {len(COINS)} coins, {asked.rounds} rounds")
    print("| leverage | start | ms | of the processor, ms | passes |\n|---|---|---|---|---|")
    for leverage in (3.0, 10.0):
        for name, rows in measure(asked.paths, asked.rounds, leverage).items():
            clock, processor, passes = (statistics.median(part) for part in zip(*rows, strict=True))
            print(
                f"| {leverage:g}x | {name} | {1e3 * clock:.0f} | {1e3 * processor:.0f} "
                f"| {passes:g} |"
            )


if __name__ == "__main__":
    main()
