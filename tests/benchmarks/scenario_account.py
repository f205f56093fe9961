"""Joint paths through an account: the pack's way beside a plain loop over steps, and over paths.

``python -m tests.benchmarks.scenario_account --paths 10000 --rounds 5``

Every round runs each way once, one after the other, on the same blocks; medians of the rounds are
told, by the clock and of the processor (all threads), and the ratio of the latter, which another
program's work does not change much. All ways answer the same: equity at three horizons,
liquidation at extremes and at closes, least margin distance. What the path loop takes is measured
on few paths and told for all.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np

from models.scenarios.paths import CHUNK, PathBlock
from models.trade.account.cross import CrossAccount, Position
from models.trade.account.distance import total_margin, uniform_distance
from models.trade.account.scenario_account import ScenarioAccount
from models.trade.account.scenario_paths import PathOutcomes, joined_outcomes
from models.trade.account.scenario_summary import account_outcomes
from strategies.account.tiers import load_binance_tiers

MARKS = {
    "BTC/USDT:USDT": 110_000.0, "ETH/USDT:USDT": 4_000.0, "LTC/USDT:USDT": 100.0,
    "BCH/USDT:USDT": 500.0, "XRP/USDT:USDT": 2.5,
}  # fmt: skip
SIDES = (-1.5, 0.6, 1.8, -0.9, 1.2)  # notional over equity
STEPS = 168
LIVED_ALONE = 8  # paths of the loop over paths
HORIZONS = (24, 72, 168)
NO_DISTANCES = "NumPy, a loop over steps, no margin distances"


def drawn(paths: int, seed: int = 0) -> list[PathBlock]:
    """Return fat-tailed paths of hourly candles in chunks as engines draw them."""
    rng, out = np.random.default_rng(seed), []
    for first in range(0, paths, CHUNK):
        shape = (min(CHUNK, paths - first), STEPS, len(MARKS))
        close = 0.006 * rng.standard_t(4, shape)
        below, above = 0.004 * np.abs(rng.standard_normal((2, *shape)))
        paid = np.zeros(shape)
        paid[:, ::8] = 1e-4
        out.append(PathBlock(
            close=close, low=np.minimum(close, 0) - below, high=np.maximum(close, 0) + above,
            funding=paid, answers=np.ones(shape[:2], dtype=np.bool_),
        ))  # fmt: skip
    return out


def account(equity: float = 10_000.0) -> ScenarioAccount:
    """Return an account in five coins, on both sides."""
    positions = tuple(
        Position(pair=pair, amount_base=side * equity / mark, entry_price=mark)
        for (pair, mark), side in zip(MARKS.items(), SIDES, strict=True)
    )
    tiers = load_binance_tiers(MARKS)
    held = CrossAccount(wallet_quote=equity, positions=positions, tiers=tiers)
    return ScenarioAccount(account=held, marks=MARKS)


def step_loop(setup: ScenarioAccount, block: PathBlock, *, distances: bool = True) -> PathOutcomes:
    """Take all paths of a block from candle to candle: what one writes first, in plain NumPy."""
    held = setup.account.positions
    amount = np.array([p.amount_base for p in held])
    entry = np.array([p.entry_price for p in held])
    tiers = [setup.account.tiers[p.pair] for p in held]
    paths, steps, _ = block.close.shape
    before = np.tile(np.array([setup.marks[p.pair] for p in held]), (paths, 1))
    cash = np.full(paths, setup.account.wallet_quote)
    hit, late = np.full(paths, -1), np.full(paths, -1)
    left, distance = np.zeros(paths), np.ones(paths)
    equity = []
    for t in range(steps):
        cash = cash - (amount * before * block.funding[:, t]).sum(axis=1)
        worst = before * np.exp(np.where(amount > 0, block.low[:, t], block.high[:, t]))
        faced = cash + (amount * (worst - entry)).sum(axis=1)
        margin = total_margin(amount * worst, tiers)
        near = uniform_distance(faced, amount * worst, tiers) if distances else distance
        new = (hit < 0) & (faced <= margin)
        fee = setup.liquidation_fee_frac * np.abs(amount * worst).sum(axis=1)
        left = np.where(new, np.maximum(faced - fee, 0), left)
        hit = np.where(new, t, hit)
        distance = np.where(hit < 0, np.minimum(distance, near), 0.0)
        before = before * np.exp(block.close[:, t])
        closing = cash + (amount * (before - entry)).sum(axis=1)
        late = np.where((late < 0) & (closing <= total_margin(amount * before, tiers)), t, late)
        if t + 1 in HORIZONS:
            equity.append(np.where(hit < 0, closing, left))
    return PathOutcomes(
        equity=np.column_stack(equity), scale=np.empty((paths, 0)), at_extremes=hit,
        at_closes=late, distance=distance,
    )  # fmt: skip


def path_loop(setup: ScenarioAccount, block: PathBlock, count: int) -> list[float]:
    """Take the first paths along candle by candle, by `CrossAccount`; return their last equity."""
    held, out = setup.account.positions, []
    for row in range(count):
        before, cash, ended = dict(setup.marks), setup.account.wallet_quote, -1.0
        for t in range(block.close.shape[1]):
            paid, worst, after = 0.0, {}, {}
            for k, p in enumerate(held):
                paid += p.amount_base * before[p.pair] * float(block.funding[row, t, k])
                move = (block.low if p.amount_base > 0 else block.high)[row, t, k]
                worst[p.pair] = before[p.pair] * float(np.exp(move))
                after[p.pair] = before[p.pair] * float(np.exp(block.close[row, t, k]))
            cash -= paid
            now = CrossAccount(wallet_quote=cash, positions=held, tiers=setup.account.tiers)
            now.distance_to_liquidation_frac(worst)
            if ended < 0 and now.is_liquidated(worst):
                fee = setup.liquidation_fee_frac * now.gross_notional(worst)
                ended = max(now.equity(worst) - fee, 0.0)
            now.is_liquidated(after)
            before = after
        out.append(ended if ended >= 0 else now.equity(before))
    return out


def ways(
    setup: ScenarioAccount, blocks: Sequence[PathBlock]
) -> dict[str, Callable[[], PathOutcomes]]:
    """Return each way of taking all paths through the account."""

    def ours(threads: int, largest: float | None = None) -> PathOutcomes:
        (out,) = account_outcomes(
            [setup], tuple(MARKS), blocks, HORIZONS, threads=threads, largest_scale=largest
        )
        return out

    return {
        "the pack, one thread": lambda: ours(1),
        "the pack, two threads": lambda: ours(2),
        "the pack, two threads, every size to 10x as large": lambda: ours(2, 10.0),
        "NumPy, a loop over steps": lambda: joined_outcomes([step_loop(setup, b) for b in blocks]),
        NO_DISTANCES: lambda: joined_outcomes(
            [step_loop(setup, b, distances=False) for b in blocks]
        ),
    }


def measure(paths: int, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Return the seconds of each round, by the clock and of the processor, by way.

    Those of the path loop are told for all paths.
    """
    setup, blocks = account(), drawn(paths)
    few = min(LIVED_ALONE, paths)
    each: dict[str, tuple[Callable[[], object], float]] = {
        name: (run, 1.0) for name, run in ways(setup, blocks).items()
    }
    each["CrossAccount, path by path"] = (lambda: path_loop(setup, blocks[0], few), paths / few)
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in each}
    for _ in range(rounds):
        for name, (run, share) in each.items():
            clock, processor = time.perf_counter(), time.process_time()
            run()
            taken = time.perf_counter() - clock, time.process_time() - processor
            spent[name].append((share * taken[0], share * taken[1]))
    return spent


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--paths", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args(words)
    medians = {
        name: [statistics.median(part) for part in zip(*rounds, strict=True)]
        for name, rounds in measure(asked.paths, asked.rounds).items()
    }
    base = medians["the pack, one thread"][1]
    print(f"{asked.paths} paths of {STEPS} candles of {len(MARKS)} coins, {asked.rounds} rounds")
    print("| | s | of the processor, s | of the pack's on one thread |\n| --- | --- | --- | --- |")
    for name, (clock, processor) in medians.items():
        print(f"| {name} | {clock:.2f} | {processor:.2f} | {processor / base:.2f} |")


if __name__ == "__main__":
    main()
