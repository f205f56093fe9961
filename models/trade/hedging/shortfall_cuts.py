"""Cutting planes for expected shortfall: a small linear programme instead of one row per path.

The mean of the worst losses is the largest of all means over so many paths (Rockafellar &
Uryasev, "Optimization of conditional value-at-risk", J. of Risk 2000), and a path's loss is the
largest over its candles. So any choice of paths and of one candle in each bounds it from below,
linearly in the positions: a cut. The programme of all cuts so far gives a lower bound and the next
positions, those give the true value and the next cut, until the two meet.

Source: Künzi-Bay & Mayer, "Computational aspects of minimizing conditional value-at-risk",
Computational Management Science 2006; Kelley, "The cutting-plane method for solving convex
programs", 1960. Here a path's loss is the largest over its candles, and there are two tails.

Shape letters: A positions, P paths, T candles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import linprog

from models.base.errors import InputError
from models.base.types import FloatArray, IntArray

_TOLERANCE: Final = 1e-6  # between bound and value, in units of equity
_SLACK: Final = 1e-9  # a limit may be passed by a rounding
_MOST_ROUNDS: Final = 300
_LEAST_TAIL: Final = 10  # paths in a tail: fewer are an anecdote


@dataclass(frozen=True)
class ShortfallCut:
    """Which candles of which paths make a mean of worst losses, and how much each counts."""

    paths: IntArray  # (n,)
    steps: IntArray  # (n,)
    weights: FloatArray  # (n,) sum 1

    def slope(self, losses: FloatArray) -> FloatArray:
        """Return the mean loss per unit of each position, (A,): a bound for any positions."""
        out: FloatArray = losses[:, self.paths, self.steps] @ self.weights
        return out


def worst_mean(losses: FloatArray, held: FloatArray, tail: float) -> tuple[float, ShortfallCut]:
    """Return the mean of the worst `tail` of the paths' largest losses, and its cut.

    Parameters
    ----------
    losses
        (A, P, T) of one unit of each position.
    held
        (A,) units.

    Examples
    --------
    >>> losses = np.array([[[1.0, 3.0], [2.0, 0.0], [0.0, 1.0]]])
    >>> value, cut = worst_mean(losses, np.array([2.0]), 0.5)
    >>> round(value, 6), cut.paths.tolist(), cut.steps.tolist()  # (6 + 4 / 2) / 1.5
    (5.333333, [0, 1], [1, 0])
    """
    a, p, t = losses.shape
    loss = (held @ losses.reshape(a, p * t)).reshape(p, t)
    worst = loss.max(axis=1)
    count = tail * p
    whole = min(int(np.ceil(count - 1e-9)), p)
    paths = np.argpartition(worst, p - whole)[p - whole :] if whole < p else np.arange(p)
    paths = paths[np.argsort(-worst[paths], kind="stable")]
    weights = np.full(whole, 1.0 / count)
    weights[-1] = 1.0 - (whole - 1) / count  # of the last path only a part is within the tail
    return float(worst[paths] @ weights), ShortfallCut(paths, loss[paths].argmax(axis=1), weights)


@dataclass(frozen=True, kw_only=True)
class ShortfallProgramme:
    """What is minimised over the positions w, (A,); all in units of equity.

    ``ES(losses w) + cost |w - held| - price w + weight * max(ES(shortages w) + cost |w - held| - 1,
    0)``, within bounds and ``limits w <= most``.
    """

    losses: FloatArray  # (A, P, T)
    shortages: FloatArray  # (A, P, T) losses and margin: the account has none left from 1 on
    tail: float
    weight: float
    cost: float  # of changing a position by one
    held: FloatArray  # (A,)
    price: FloatArray  # (A,) what a unit of each position is worth besides
    lower: FloatArray  # (A,)
    upper: FloatArray
    limits: FloatArray  # (M, A)
    most: FloatArray  # (M,)

    def trading(self, units: FloatArray) -> float:
        """Return what going from `held` to `units` costs."""
        return float(self.cost * np.abs(units - self.held).sum())

    def value(self, units: FloatArray, loss: float, shortage: float) -> float:
        """Return the objective, given both expected shortfalls."""
        paid = self.trading(units)
        short = max(shortage + paid - 1.0, 0.0)
        return loss + paid - float(self.price @ units) + self.weight * short

    def allows(self, units: FloatArray) -> bool:
        """Return whether the positions are within all bounds."""
        within = (units >= self.lower - _SLACK) & (units <= self.upper + _SLACK)
        return bool(within.all() and (self.limits @ units <= self.most + _SLACK).all())


@dataclass(frozen=True, kw_only=True)
class LeastShortfall:
    """Positions of least objective, and how surely: no others have one below ``value - gap``."""

    units: FloatArray  # (A,)
    value: float
    gap: float
    rounds: int  # passes over the paths
    cuts: tuple[tuple[ShortfallCut, ShortfallCut], ...]  # those the solution rests on


def least_shortfall(
    programme: ShortfallProgramme,
    start: FloatArray,
    cuts: Sequence[tuple[ShortfallCut, ShortfallCut]] = (),
) -> LeastShortfall:
    """Return the positions that minimise a programme.

    Parameters
    ----------
    start
        (A,) where to look first; need not be allowed.
    cuts
        Of an earlier solution. A choice of paths and candles is a bound on any paths there are as
        many of, so they hold for new ones, too.

    Raises
    ------
    InputError
        If fewer than ten paths lie in the tail, or the limits leave no positions.
    """
    paths = programme.losses.shape[1]
    if programme.tail * paths < _LEAST_TAIL - 1e-9:
        raise InputError(
            f"expected at least {_LEAST_TAIL} paths in the worst {programme.tail:g}, got "
            f"{programme.tail * paths:g} of {paths}",
            where="tail hedge",
            cure="draw more paths",
        )
    master = _Master(programme)
    for pair in cuts:
        master.add(pair)
    at, best, found, bound, rounds = start, np.inf, start, -np.inf, 0
    while rounds < _MOST_ROUNDS:
        rounds += 1
        loss, first = worst_mean(programme.losses, at, programme.tail)
        shortage, second = worst_mean(programme.shortages, at, programme.tail)
        value = programme.value(at, loss, shortage)
        if value < best and programme.allows(at):
            best, found = value, at
        master.add((first, second))
        if best - bound <= _TOLERANCE:
            break
        at, bound = master.solve()
        if best - bound <= _TOLERANCE:
            break
    return LeastShortfall(
        units=found, value=best, gap=max(best - bound, 0.0), rounds=rounds, cuts=master.binding()
    )


class _Master:
    """The programme of the cuts so far: positions, their changes, two shortfalls, what is short."""

    def __init__(self, programme: ShortfallProgramme) -> None:
        p, a = programme, len(programme.held)
        self._p, self._a = p, a
        one, none = np.eye(a), np.zeros((a, 3))
        self._rows = [
            np.hstack([one, -one, none]),  # w - held <= u
            np.hstack([-one, -one, none]),
            np.hstack([p.limits, np.zeros((len(p.limits), a + 3))]),
            np.concatenate([np.zeros(a), np.full(a, p.cost), [0.0, 1.0, -1.0]])[None],
        ]
        self._most = [p.held, -p.held, p.most, np.ones(1)]
        self._goal = np.concatenate([-p.price, np.full(a, p.cost), [1.0, 0.0, p.weight]])
        self._bounds = [
            *zip(p.lower.tolist(), p.upper.tolist(), strict=True), *[(0.0, None)] * a,
            (None, None), (None, None), (0.0, None),
        ]  # fmt: skip
        self._cuts: list[tuple[ShortfallCut, ShortfallCut]] = []
        self._slopes: list[FloatArray] = []  # two rows a cut
        self._binds: list[bool] = []

    def add(self, pair: tuple[ShortfallCut, ShortfallCut]) -> None:
        row = np.zeros((2, 2 * self._a + 3))
        row[0, : self._a] = pair[0].slope(self._p.losses)
        row[1, : self._a] = pair[1].slope(self._p.shortages)
        row[[0, 1], [-3, -2]] = -1.0
        self._cuts.append(pair)
        self._slopes.append(row)

    def solve(self) -> tuple[FloatArray, float]:
        """Return the positions of least bound, and the bound."""
        rows = np.vstack([*self._slopes, *self._rows])
        most = np.concatenate([np.zeros(2 * len(self._slopes)), *self._most])
        solved = linprog(self._goal, A_ub=rows, b_ub=most, bounds=self._bounds, method="highs")
        if not solved.success:
            raise InputError(
                f"the programme has no solution: {solved.message}",
                where="tail hedge",
                cure="the limits contradict each other; widen one",
            )
        slack = solved.slack[: 2 * len(self._slopes)].reshape(-1, 2)
        self._binds = (slack.min(axis=1) <= _TOLERANCE).tolist()
        units = np.clip(solved.x[: self._a], self._p.lower, self._p.upper) + 0.0  # no -0.0
        return units, float(solved.fun)

    def binding(self) -> tuple[tuple[ShortfallCut, ShortfallCut], ...]:
        """Return the cuts that the newest solution rests on."""
        return tuple(c for c, b in zip(self._cuts, self._binds, strict=False) if b)
