"""Generators that are right or wrong in known ways, and how often the joint test tells.

``python -m tests.test_models.learn.gan.controls --runs 100`` simulates as many markets, lets every
generator draw from the same moments, and prints how often each was called usable. The market is two
assets' GARCH(1, 1) with jumps that come together.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.base.types import FloatArray
from models.learn.gan.baselines import block_bootstrap, fit_garch
from models.learn.gan.verdict import USABLE, Evidence, judge

ASSETS = ("BTC", "ETH")
STEPS, DRAWS, NEXT_DRAWS, TRAINING = 24, 40, 200, 300
ALPHA, BETA, JUMPS, JUMP_SIZE = 0.10, 0.87, 0.01, 4.0


@dataclass(frozen=True)
class Simulated:
    """A market's returns and the variance known before each, (R, A)."""

    returns: FloatArray
    variance: FloatArray

    @property
    def scaled(self) -> FloatArray:
        return self.returns / np.sqrt(self.variance)

    def windows(self) -> FloatArray:
        """(W, S, A) in units of the volatility before each."""
        cut = self.returns.reshape(-1, STEPS, len(ASSETS))
        return cut / np.sqrt(self.variance[::STEPS, None])


def shocks(rng: np.random.Generator, *shape: int) -> FloatArray:
    """(.., A) of unit variance: Gaussians that move together, and now and then a common jump."""
    common, own = rng.normal(size=(*shape, 1)), rng.normal(size=(*shape, len(ASSETS)))
    jump = (rng.random((*shape, 1)) < JUMPS) * rng.normal(-0.5, 1.0, size=(*shape, 1)) * JUMP_SIZE
    second = JUMPS * JUMP_SIZE**2 * 1.25
    mean = -0.5 * JUMPS * JUMP_SIZE
    return np.asarray((0.8 * common + 0.6 * own + jump - mean) / np.sqrt(1 + second - mean**2))


def walked(variance: FloatArray, steps: int, rng: np.random.Generator) -> Simulated:
    """Return `steps` candles (.., steps, A) from the variance (.., A) of the first."""
    u = shocks(rng, *variance.shape[:-1], steps)
    returns, known = np.empty_like(u), np.empty_like(u)
    for t in range(steps):
        known[..., t, :] = variance
        returns[..., t, :] = np.sqrt(variance) * u[..., t, :]
        variance = 1 - ALPHA - BETA + ALPHA * returns[..., t, :] ** 2 + BETA * variance
    return Simulated(returns, known)


@dataclass(frozen=True)
class Moments:
    """Training candles, the held-out ones after them, and chance."""

    training: Simulated
    held_out: Simulated
    rng: np.random.Generator

    @property
    def starts(self) -> FloatArray:
        return self.held_out.variance[::STEPS]  # (W, A)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return len(self.starts), DRAWS, STEPS, len(ASSETS)


def truth(m: Moments) -> FloatArray:
    """Draw from the very process at the very moments."""
    start = np.repeat(m.starts[:, None], DRAWS, axis=1)
    return walked(start, STEPS, m.rng).returns / np.sqrt(m.starts)[:, None, None]


def fresh(m: Moments) -> FloatArray:
    """Other histories of the very process, whatever the moments."""
    count = len(m.starts)
    ones = np.ones((DRAWS, len(ASSETS)))
    run = walked(ones, 200 + STEPS * count, m.rng)
    cut = run.returns[:, 200:].reshape(DRAWS, count, STEPS, len(ASSETS))
    unit = np.sqrt(run.variance[:, 200::STEPS])[:, :, None]
    return np.asarray((cut / unit).transpose(1, 0, 2, 3))


def collapsed(m: Moments) -> FloatArray:
    """Draw true paths, but only ten of them."""
    few = truth(m)[:, 0][m.rng.choice(len(m.starts), size=10, replace=False)]
    return np.asarray(few[m.rng.integers(len(few), size=m.shape[:2])])


def half_collapsed(m: Moments) -> FloatArray:
    """Draw every second path from ten."""
    return np.where(m.rng.random((*m.shape[:2], 1, 1)) < 0.5, collapsed(m), truth(m))


def memorising(m: Moments) -> FloatArray:
    """Repeat training windows, with a hundredth of their size as noise."""
    windows = m.training.windows()
    pick = windows[m.rng.integers(len(windows), size=m.shape[:2])]
    return np.asarray(pick + 0.01 * windows.std() * m.rng.normal(size=m.shape))


def independent(m: Moments) -> FloatArray:
    """Draw candles of held-out windows one by one: right sizes, no clustering."""
    candles = m.held_out.windows().reshape(-1, len(ASSETS))
    return np.asarray(candles[m.rng.integers(len(candles), size=m.shape[:3])])


def gaussian(m: Moments) -> FloatArray:
    """Draw Gaussians with the mean and the covariance of whole training windows."""
    flat = m.training.windows().reshape(TRAINING, -1)  # (V, S A)
    drawn = m.rng.multivariate_normal(flat.mean(axis=0), np.cov(flat.T), size=m.shape[:2])
    return np.asarray(drawn.reshape(m.shape))


CONTROLS: dict[str, Callable[[Moments], FloatArray]] = {
    "truth": truth,
    "fresh": fresh,
    "collapsed": collapsed,
    "half_collapsed": half_collapsed,
    "memorising": memorising,
    "independent": independent,
    "gaussian": gaussian,
}


RIGHT = ("truth", "fresh")


def moments(windows: int, seed: int) -> Moments:
    rng = np.random.default_rng(seed)
    run = walked(np.ones(len(ASSETS)), 200 + STEPS * (TRAINING + windows), rng)
    border = 200 + STEPS * TRAINING
    return Moments(
        Simulated(run.returns[200:border], run.variance[200:border]),
        Simulated(run.returns[border:], run.variance[border:]),
        rng,
    )


def next_drawn(m: Moments, drawn: FloatArray, true_next: bool) -> FloatArray:
    """Return draws (R, N) of the next return of every row, in units of the row's volatility.

    Every generator here draws the first candle alike at any moment; the true ones draw anew, since
    a few thousand draws drawn from again know the tail less well than the process does.
    """
    rows = len(m.held_out.returns)
    if true_next:
        return shocks(m.rng, rows, NEXT_DRAWS)[:, :, 0]
    first = drawn[:, :, 0, 0].ravel()
    return np.asarray(first[m.rng.integers(len(first), size=(rows, NEXT_DRAWS))])


def evidence(m: Moments, drawn: FloatArray, true_next: bool = False) -> Evidence:
    """Return what a training would gather of a generator that draws so, from all candles too."""
    model = fit_garch(m.training.returns)
    variance = model.variance(m.held_out.returns)[STEPS - 1 :: STEPS]
    before = np.concatenate((model.variance(m.training.returns)[-1:], variance[:-1]))
    seed = int(m.rng.integers(2**31))
    filtered = model.simulate(before, DRAWS, STEPS, seed) / np.sqrt(m.starts)[:, None, None]
    boot = block_bootstrap(m.training.scaled, len(m.starts) * DRAWS, STEPS, seed)
    return Evidence(
        assets=ASSETS,
        real=m.held_out.windows(),
        generated=drawn,
        training=m.training.windows(),
        next_real=m.held_out.scaled[:, 0],
        next_drawn=next_drawn(m, drawn, true_next),
        baselines={"block_bootstrap": boot.reshape(m.shape), "filtered_historical": filtered},
    )


def verdicts(name: str, windows: int, runs: int, first_seed: int = 0) -> list[dict[str, Any]]:
    """Return the verdict of one control on as many markets."""
    out = []
    for seed in range(first_seed, first_seed + runs):
        m = moments(windows, seed)
        out.append(judge(evidence(m, CONTROLS[name](m), name in RIGHT), seed))
    return out


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--windows", type=int, default=150)
    parser.add_argument("--only", nargs="*", choices=CONTROLS, default=list(CONTROLS))
    options = parser.parse_args()
    print(f"{options.windows} windows; called usable, of {options.runs}; parts that convicted")
    for name in options.only:
        found = verdicts(name, options.windows, options.runs)
        passed = sum(v["label"] == USABLE for v in found)
        by = Counter(why.split(":")[0] for v in found for why in v["against"])
        most = Counter(v["deviate_most"][0] for v in found).most_common(3)
        print(f"{name:15} {passed:4}  {dict(by)}  most: {dict(most)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
