"""Whether generated paths may stand for real ones: `usable`, or for illustration only.

Every gate is a number and the range it must lie in; none is tuned to a model. Ranges of
statistics are 95 % bands of the stationary bootstrap (Politis & Romano 1994) of held-out windows.
The bands are per gate: of thirty true ones, one or two would fail by chance, and still the label
asks for all of them, since a wrong "usable" costs more than a wrong "illustrative".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from models.base.resampling import stationary_indices
from models.base.types import FloatArray
from models.learn.gan.discriminator import discriminator_auc
from models.learn.gan.diversity import (
    cluster_coverage,
    flattened,
    mean_distance,
    nearest,
    path_summary,
)
from models.learn.gan.stylised import autocorrelation, statistics

USABLE: Final = "usable"
ILLUSTRATIVE: Final = "illustrative"
_RESAMPLES: Final = 300
_BLOCK_WINDOWS: Final = 4.0
_BAND: Final = (0.025, 0.975)
_REPLICATES: Final = 20  # of generated windows the statistics are the median of
_TAILS: Final = (0.01, 0.05)
_TAIL_ERROR: Final = 0.15
_P_VALUE: Final = 0.05


@dataclass(frozen=True)
class Gate:
    """One number and the range that passes; a number that is not finite never does."""

    name: str
    value: float
    low: float = -math.inf
    high: float = math.inf

    @property
    def passed(self) -> bool:
        return math.isfinite(self.value) and self.low <= self.value <= self.high

    def facts(self) -> dict[str, Any]:
        """Return it as JSON-able values; what is not finite is None."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        kept = {k: round(v, 5) if math.isfinite(v) else None for k, v in numbers.items()}
        return {"name": self.name, **kept, "passed": self.passed}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Held-out windows and what a generator makes of the same moments; units of sigma.

    Attributes
    ----------
    real, generated, training
        (W, S, A) windows that do not overlap, (W, G, S, A) independent draws from the same
        moments, and (V, S, A) windows of the training rows.
    next_real, next_drawn
        (R,) the traded pair's next return of consecutive rows, and (R, N) draws of it.
    baselines
        Name -> (W, G, S, A) draws from the same moments.
    """

    assets: tuple[str, ...]
    real: FloatArray
    generated: FloatArray
    training: FloatArray
    next_real: FloatArray
    next_drawn: FloatArray
    baselines: dict[str, FloatArray]


def judge(evidence: Evidence, seed: int) -> dict[str, Any]:
    """Return the label, and each gate with its number, as JSON-able facts."""
    e = evidence
    gates = [
        *stylised_gates(e.real, e.generated, e.assets, seed),
        *tail_gates(e.next_real, e.next_drawn),
        *collapse_gates(e.real, e.generated, e.training, seed),
        *score_gates(e.real, e.generated, e.baselines, seed),
    ]
    failed = [gate.name for gate in gates if not gate.passed]
    return {
        "label": ILLUSTRATIVE if failed else USABLE,
        "failed": failed,
        "gates": [gate.facts() for gate in gates],
        "windows": len(e.real),
        "window_candles": e.real.shape[1],
    }


def stylised_gates(
    real: FloatArray, generated: FloatArray, assets: tuple[str, ...], seed: int
) -> list[Gate]:
    """Return one gate per statistic of `models.learn.gan.stylised`, bands around the real ones."""
    rng = np.random.default_rng(seed)
    found, curves = [], []
    for _ in range(_RESAMPLES):
        windows = real[stationary_indices(len(real), _BLOCK_WINDOWS, 1, rng)[0]]
        found.append(statistics(windows, assets))
        curves.append(autocorrelation(np.abs(windows[:, :, 0])))
    replicates = [generated[:, g] for g in range(min(_REPLICATES, generated.shape[1]))]
    made = [statistics(windows, assets) for windows in replicates]
    gates = []
    for name in found[0]:
        low, high = np.quantile([f[name] for f in found], _BAND)
        value = float(np.median([m[name] for m in made]))
        gates.append(Gate(name, value, float(low), float(high)))
    target = autocorrelation(np.abs(real[:, :, 0]))
    curve = np.mean([autocorrelation(np.abs(w[:, :, 0])) for w in replicates], axis=0)
    apart = [float(np.linalg.norm(c - target)) for c in curves]
    gates.append(
        Gate(
            "autocorrelation_abs_distance",
            float(np.linalg.norm(curve - target)),
            high=float(np.quantile(apart, 0.95)),
        )
    )
    return gates


def tail_gates(outcome: FloatArray, drawn: FloatArray) -> list[Gate]:
    """Return gates of value at risk and expected shortfall, both sides, 1 % and 5 %.

    Errors compare the pooled draws with the outcomes; Kupiec (1995) and Christoffersen (1998) ask
    of each row's own quantile whether it is broken as often as it says, and independently.
    """
    gates = []
    for side, where in ((-1.0, "down"), (1.0, "up")):
        y, x = side * outcome, side * drawn  # losses are large
        for level in _TAILS:
            name = f"{level:.0%} {where}"
            bar, made = np.quantile(y, 1 - level), np.quantile(x, 1 - level)
            tail, tail_made = y[y >= bar].mean(), x[x >= made].mean()
            gates.append(Gate(f"var_error {name}", float(abs(made / bar - 1)), high=_TAIL_ERROR))
            gates.append(
                Gate(f"es_error {name}", float(abs(tail_made / tail - 1)), high=_TAIL_ERROR)
            )
            hits = y > np.quantile(x, 1 - level, axis=1)
            gates.append(Gate(f"kupiec_p {name}", kupiec(hits, level), low=_P_VALUE))
            gates.append(Gate(f"christoffersen_p {name}", christoffersen(hits), low=_P_VALUE))
    return gates


def kupiec(hits: np.ndarray, level: float) -> float:
    """Return the p-value of the hits (R,) coming at the rate `level`.

    Examples
    --------
    >>> round(kupiec(np.arange(1000) < 10, 0.01), 3), kupiec(np.arange(1000) < 30, 0.01) < 1e-4
    (1.0, True)
    """
    n, k = len(hits), int(hits.sum())
    return _chi2_tail(2 * (_log_likelihood(k, n, k / n) - _log_likelihood(k, n, level)))


def christoffersen(hits: np.ndarray) -> float:
    """Return the p-value of a hit (R,) being as likely after a hit as after none.

    Examples
    --------
    >>> apart, together = np.random.default_rng(0).random(1000) < 0.05, np.arange(1000) < 50
    >>> christoffersen(apart) > 0.05, christoffersen(together) < 0.05
    (True, True)
    """
    before, after = hits[:-1].astype(bool), hits[1:].astype(bool)
    apart = sum(
        _log_likelihood(int(after[b].sum()), int(b.sum()), after[b].mean() if b.any() else 0.0)
        for b in (before, ~before)
    )
    pooled = _log_likelihood(int(after.sum()), len(after), after.mean())
    return _chi2_tail(2 * (apart - pooled))


def _log_likelihood(k: int, n: int, p: float) -> float:
    return (k * math.log(p) if k else 0.0) + ((n - k) * math.log1p(-p) if n > k else 0.0)


def _chi2_tail(x: float) -> float:
    """Return P(chi2 of one degree of freedom > x)."""
    return math.erfc(math.sqrt(max(x, 0.0) / 2))


def collapse_gates(
    real: FloatArray, generated: FloatArray, training: FloatArray, seed: int
) -> list[Gate]:
    """Return gates of variety: whether draws cover what happens, and are not the training rows."""
    held, learned_from = flattened(real), flattened(training)
    first = flattened(generated[:, 0])
    spread = generated.std(axis=1).mean() / max(float(generated.std()), 1e-12)
    distance, own = nearest(first, learned_from), nearest(held, learned_from)
    coverage = cluster_coverage(path_summary(real), path_summary(_pooled(generated)), seed)
    rng = np.random.default_rng(seed)
    boot = [np.median(own[rng.integers(len(own), size=len(own))]) for _ in range(_RESAMPLES)]
    return [
        Gate("cluster_coverage", coverage, low=0.9),
        Gate("pairwise_distance_ratio", mean_distance(first) / mean_distance(held), 0.8, 1.25),
        # Of the draws' whole spread, how much noise makes at one moment; memory alone makes none.
        Gate("noise_sensitivity", float(spread), low=0.1),
        Gate(
            "nearest_training_path", float(np.median(distance)), low=float(np.quantile(boot, 0.025))
        ),
        Gate("discriminator_auc", discriminator_auc(real, generated, seed), high=0.65),
    ]


def _pooled(generated: FloatArray) -> FloatArray:
    return np.asarray(generated[:, :_REPLICATES].reshape(-1, *generated.shape[2:]))


def score_gates(
    real: FloatArray, generated: FloatArray, baselines: dict[str, FloatArray], seed: int
) -> list[Gate]:
    """Return per baseline how much worse the energy score is, in percent of the baseline's.

    The range ends where the generator is worse beyond its 95 % band (one-sided, bootstrap of the
    windows): a tie passes.
    """
    rng = np.random.default_rng(seed)
    own, gates = energy_score(real, generated), []
    for name, drawn in baselines.items():
        other = energy_score(real, drawn)
        worse = 100 * (own - other) / other.mean()  # (W,)
        picks = [
            stationary_indices(len(worse), _BLOCK_WINDOWS, 1, rng)[0] for _ in range(_RESAMPLES)
        ]
        spread = np.quantile([worse[i].mean() - worse.mean() for i in picks], 0.95)
        gates.append(Gate(f"energy_score_over_{name}", float(worse.mean()), high=float(spread)))
    return gates


def energy_score(real: FloatArray, drawn: FloatArray) -> FloatArray:
    """Return E|X - y| - E|X - X'| / 2 of each window (W,), unbiased; lower is better.

    Gneiting & Raftery, "Strictly proper scoring rules", JASA 102, 2007.
    """
    out = np.empty(len(real))
    for w, y in enumerate(real):
        x = drawn[w].reshape(drawn.shape[1], -1)  # (G, S A)
        squares = (x**2).sum(axis=1)
        between = np.sqrt(np.maximum(squares[:, None] + squares - 2 * x @ x.T, 0.0))
        count = len(x)
        miss = np.linalg.norm(x - y.ravel(), axis=1).mean()
        out[w] = miss - between.sum() / (count * (count - 1)) / 2
    return out
