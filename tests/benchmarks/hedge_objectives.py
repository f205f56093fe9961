"""The tail hedge on real candles, walked forward beside simpler hedges at the same average size.

``python -m tests.benchmarks.hedge_objectives --data /path/to/freqtrade/data/binance``

A long Litecoin perpetual with bitcoin and ether as legs, 1h. Decisions and fits only on the past;
every hedge on the same candles with 5 bp fees and 1 bp slippage, filled at the next open. For each
leverage: ES99 of a day's change of equity, the share of 30-day entries liquidated in one cross
account, the average cut and ratio, and what trading cost.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from models.base.types import FloatArray
from models.base.units import DAY_MS
from models.evaluate.metrics.equity import expected_shortfall
from models.scenarios.catalog import scenario_engine
from models.studies.hedge.ladder import Scene
from models.studies.hedge.objectives import (
    TailRule,
    Walk,
    cut_and_hedged,
    daily_changes,
    liquidated_starts,
    paired_gap,
    walked_targets,
)
from models.trade.hedging.baseline import BaselineConfig, baseline, limited_ratio
from models.trade.hedging.policy import PolicyConfig
from models.trade.hedging.ratios import ewma_variance, static_ratio
from models.trade.hedging.simulate import Costs, HedgePath, PolicyDecider, banded
from models.trade.hedging.tail_hedge import TailHedge, TailHedgeConfig
from strategies.account.tiers import load_binance_tiers
from strategies.desk.backtests.data import load_checked
from strategies.desk.backtests.hedge import _market
from strategies.desk.studies.coin_candles import gather_coins

PAIRS = ("LTC/USDT:USDT", "BTC/USDT:USDT", "ETH/USDT:USDT")
LEVERAGES = (3.0, 5.0, 10.0)
BAND = 0.10
HORIZON = 720
WEEK = 168
SHIPPED = "EWMA, band by cost (shipped)"
HEAD = ("| hedge | kept | ratio | ES99 of a day | minus shipped | liquidated in 30 days | minus "
        "shipped | cost a year |")  # fmt: skip
KEEPS, CUTS, DAY = "tail hedge", "tail hedge that may cut", "the same, worst day at 15 %"


def loaded(data: Path, start: str, stop: str) -> Scene:
    """Return the scene from `start` to `stop`, with a year before it."""
    first, last = (
        int(datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC).timestamp()) * 1000
        for day in (start, stop)
    )
    candles = [
        load_checked(data, pair, "1h", start_ms=first - 365 * DAY_MS, stop_ms=last)
        for pair in PAIRS
    ]
    time_ms = candles[0].time_ms
    assert all(np.array_equal(c.time_ms, time_ms) for c in candles), "other candles"
    own, *legs = (_market(data, p, c) for p, c in zip(PAIRS, candles, strict=True))
    return Scene(
        time_ms=time_ms, primary=own, hedges=legs, low=np.column_stack([c.low for c in candles]),
        high=np.column_stack([c.high for c in candles]), amount_base=50.0,
        start=int(np.searchsorted(time_ms, first)), costs=Costs(), baseline=BaselineConfig(),
        policy=PolicyConfig(max_ratio=1.25),
    )  # fmt: skip


def constant(cut: float, *ratio: float) -> FloatArray:
    return np.array([cut, *ratio], dtype=np.float64)


class Bench:
    """One scene, and what every hedge comes to on it."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.tiers = scene, list(load_binance_tiers(PAIRS).values())
        self.paths: dict[str, HedgePath] = {}

    def add(self, name: str, target: FloatArray, width: float = BAND) -> None:
        """Follow a target (N, 1 + K) or (1 + K,) outside a band."""
        aim = np.array(np.broadcast_to(target, (len(self.scene.time_ms), 3)))
        aim[: self.scene.start - 1] = np.nan
        self.paths[name] = cut_and_hedged(self.scene, banded(aim, width))

    def add_shipped(self) -> None:
        """Follow the strategy's own policy without a model; it cuts nothing."""
        target, width = self._baseline()
        policy = PolicyDecider(target, width, self.scene.policy)

        def decider(t: int, held: tuple[float, ...]) -> Sequence[float] | None:
            ratio = policy(t, held[1:])
            return None if ratio is None else (0.0, *ratio)

        self.paths[SHIPPED] = cut_and_hedged(self.scene, decider)

    def _baseline(self) -> tuple[FloatArray, FloatArray]:
        closes = np.column_stack([m.close for m in self.scene.hedges])
        target, width = baseline(self.scene.primary.close, closes, self.scene.baseline)
        aim = limited_ratio(target, self.scene.policy.max_ratio)
        aim[: self.scene.start - 1] = np.nan
        return aim, width

    def ewma(self, share: float) -> FloatArray:
        """Return the shipped target times a share, nothing cut."""
        aim, _ = self._baseline()
        return np.column_stack([np.zeros(len(aim)), share * aim])

    def volatility_cut(self, mean_cut: float) -> FloatArray:
        """Return the cut of a constant-volatility position whose average is `mean_cut`."""
        close = self.scene.primary.close
        sigma = np.sqrt(ewma_variance(np.diff(np.log(close), prepend=np.log(close[0])), 96.0))
        rows = slice(self.scene.start, None)
        low, high = 0.0, 10.0 * float(sigma[rows].max())
        for _ in range(60):
            aim = 0.5 * (low + high)
            if (1 - np.minimum(aim / sigma[rows], 1)).mean() > mean_cut:
                low = aim
            else:
                high = aim
        cut = 1 - np.minimum(aim / np.maximum(sigma, 1e-12), 1)
        return np.column_stack([cut, np.zeros((len(cut), 2))])

    def mean(self, name: str) -> FloatArray:
        """Return the average (cut, ratio of each leg)."""
        return np.asarray(self.paths[name].ratio[self.scene.start :].mean(axis=0))

    def row(self, name: str, leverage: float, against: str, seed: int = 0) -> str:
        scene, path, other = self.scene, self.paths[name], self.paths[against]
        rng = np.random.default_rng(seed)
        days, theirs = (daily_changes(scene, p, leverage) for p in (path, other))
        es = paired_gap(days, theirs, 14, rng, 0.01)
        hit, hits = (
            liquidated_starts(scene, p, self.tiers, leverage, horizon=HORIZON).astype(float)
            for p in (path, other)
        )
        gone = paired_gap(hit, hits, 90, rng, None)
        cut, *ratio = self.mean(name)
        years = len(days) / 365.25
        rows = slice(scene.start, None)
        cost = float((path.cost[rows] / path.notional[rows]).sum()) / years
        return (
            f"| {name} | {1 - cut:.2f} | {sum(ratio):.2f} | {100 * expected_shortfall(days):.1f} % "
            f"| {_shown(es)} | {100 * hit.mean():.1f} % | {_shown(gone)} | {100 * cost:.2f} % |"
        )


def _shown(gap: tuple[float, float, float]) -> str:
    value, low, high = (f"{100 * x:+.1f}".replace("-", "−") for x in gap)
    return f"{value} ({low} to {high})"


def rules(paths_limit: float) -> dict[str, TailRule]:
    """Return the ways to ask, by name and leverage."""
    keeps = TailHedgeConfig(max_ratio=paths_limit)
    cuts = TailHedgeConfig(max_ratio=paths_limit, may_reduce_primary=True)
    return {
        f"{name} {leverage:g}x": TailRule(leverage=leverage, config=config, limits_worst_day=limits)
        for leverage in LEVERAGES
        for name, config, limits in ((KEEPS, keeps, False), (CUTS, cuts, False), (DAY, cuts, True))
    }


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--start", default="20210601")
    parser.add_argument("--stop", default="20250929")
    parser.add_argument("--engine", default="filtered")
    parser.add_argument("--every-days", type=int, default=7)
    parser.add_argument("--paths", type=int, default=1_000)
    parser.add_argument("--steps", type=int, default=72)
    asked = parser.parse_args(words)
    scene = loaded(asked.data, asked.start, asked.stop)
    history = gather_coins([asked.data], PAIRS, "1h").gathered.history
    walk = Walk(every=24 * asked.every_days, refit_every=max(1, 91 // asked.every_days),
                paths=asked.paths, steps=asked.steps, seed=0)  # fmt: skip
    bench = Bench(scene)
    rates = [0.01, 0.004, 0.004]  # of up to 50,000 USDT in Litecoin, 300,000 in the others
    began = time.process_time()
    decided = walked_targets(scene, history, scenario_engine(asked.engine), rates,
                             rules(scene.policy.max_ratio), walk)  # fmt: skip
    made = next(iter(decided.values()))[1]
    print(
        f"{len(made)} decisions, {time.process_time() - began:.0f} s of the processor", flush=True
    )
    report(bench, decided)


def report(bench: Bench, decided: Mapping[str, tuple[FloatArray, list[TailHedge]]]) -> None:
    """Print a table for each leverage."""
    scene = bench.scene
    closes = np.column_stack([m.close for m in scene.hedges])
    y, x = np.diff(np.log(scene.primary.close)), np.diff(np.log(closes), axis=0)
    ols = static_ratio(y, x, scene.start - 1)[-1:]  # of the year before
    bench.add("no hedge", constant(0, 0, 0))
    bench.add("1 : 1", constant(0, 0.5, 0.5))
    bench.add("static OLS", constant(0, *limited_ratio(ols, scene.policy.max_ratio)[0]))
    bench.add_shipped()
    for leverage in LEVERAGES:
        made = {name: decided[f"{name} {leverage:g}x"] for name in (KEEPS, CUTS, DAY)}
        for name, (target, _) in made.items():
            bench.add(name, target)
        pairs = matched(bench)
        print(f"\n{leverage:g}x\n\n{HEAD}\n" + "|---" * 8 + "|")
        for name in ("no hedge", "1 : 1", "static OLS", SHIPPED, *made, *(p[1] for p in pairs)):
            print(bench.row(name, leverage, SHIPPED), flush=True)
        for ours, theirs in pairs:
            cells = bench.row(ours, leverage, theirs).split("|")
            print(f"{ours}, minus {theirs}: ES99{cells[5]}, liquidated{cells[7]}", flush=True)
        for name, (_, told) in made.items():
            smaller = np.mean([d.factor < 1 for d in told])
            held, bare, after = (
                np.mean([getattr(d, part).liquidated for d in told])
                for part in ("before", "without_legs", "after")
            )
            print(
                f"{name}: legs made smaller in {smaller:.0%} of the decisions; of their paths "
                f"{held:.2%} liquidate as held, {bare:.2%} without legs, {after:.2%} as decided"
            )


def matched(bench: Bench) -> list[tuple[str, str]]:
    """Add simpler hedges of the same average size; return (tail hedge, simpler one) each."""
    kept, cut, day = (bench.mean(n) for n in (KEEPS, CUTS, DAY))
    share = float(kept[1:].sum() / bench.mean(SHIPPED)[1:].sum())
    bench.add("EWMA, as much", bench.ewma(share))
    since = np.arange(len(bench.scene.time_ms)) - (bench.scene.start - 1)
    asked = since // WEEK * WEEK + bench.scene.start - 1  # the row each week's target is from
    bench.add("EWMA, as much, asked weekly", bench.ewma(share)[np.maximum(asked, 0)])
    bench.add("its average, held constant", kept)
    bench.add("its average cut and legs, held constant", cut)
    bench.add("constant volatility, as much cut", bench.volatility_cut(float(cut[0])))
    bench.add("constant volatility, cut for legs too", bench.volatility_cut(min(cut.sum(), 1.0)))
    bench.add("worst day's average, held constant", day)
    return [
        (KEEPS, "EWMA, as much"), (KEEPS, "EWMA, as much, asked weekly"),
        (KEEPS, "its average, held constant"),
        (CUTS, "its average cut and legs, held constant"),
        (CUTS, "constant volatility, as much cut"), (CUTS, "constant volatility, cut for legs too"),
        (DAY, "worst day's average, held constant"),
    ]  # fmt: skip


if __name__ == "__main__":
    main()
