"""Was a quantile of losses passed as often as it said, and at no time more than at another?

Kupiec, "Techniques for verifying the accuracy of risk measurement models", J. Derivatives 3, 1995;
Christoffersen, "Evaluating interval forecasts", International Economic Review 39, 1998.

DIFF: the statistics are theirs, the p-values are not the chi-squared ones. A hundredth of a
thousand days is ten exceedances, for which those are off by factors; the distribution of what is
counted is known (runs in sequences of ones and zeros), so it is summed. The tests are therefore
exact: a right forecast is rejected at most as often as stated, whatever the length.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from scipy.special import gammaln, xlog1py, xlogy
from scipy.stats import mannwhitneyu

from models.base.errors import InputError
from models.base.types import BoolArray, FloatArray, IntArray

_TIE: Final = 1e-9  # statistics this near are the same, but for rounding
_NEGLIGIBLE: Final = 1e-14  # probability of a count that is left out


class TailTest(NamedTuple):
    """A statistic and how likely one at least as extreme is if the forecast is right."""

    statistic: float
    p: float


class Transitions(NamedTuple):
    """How often no exceedance (0) or one (1) was followed by none or one."""

    n00: float | IntArray
    n01: float | IntArray
    n10: float | IntArray
    n11: float | IntArray

    @classmethod
    def of(cls, hits: BoolArray) -> Transitions:
        """Count the pairs of neighbours in (D,) exceedances, oldest first."""
        before, after = hits[:-1], hits[1:]
        n11, n01 = int((before & after).sum()), int((~before & after).sum())
        n10 = int((before & ~after).sum())
        return cls(len(before) - n01 - n10 - n11, n01, n10, n11)


def coverage_statistic(hits: float | IntArray, days: float | IntArray, level: float) -> FloatArray:
    """Return Kupiec's likelihood ratio of `hits` exceedances in `days` at `level`.

    Examples
    --------
    Jorion, Value at Risk, 3rd edition, section 6.2: 20 exceptions in 252 days at 5 %.

    >>> round(float(coverage_statistic(20, 252, 0.05)), 2)
    3.91
    """
    share = np.asarray(hits) / days
    apart = xlogy(hits, share / level) + xlogy(np.subtract(days, hits), (1 - share) / (1 - level))
    return np.asarray(2 * apart)


def independence_statistic(t: Transitions) -> FloatArray:
    """Return Christoffersen's likelihood ratio of a first-order chain against none.

    Examples
    --------
    Jorion, section 6.2: six of those 20 followed another.

    >>> round(float(independence_statistic(Transitions(218, 14, 14, 6))), 2)
    9.53
    """
    none, one = np.add(t.n00, t.n01), np.add(t.n10, t.n11)
    share = np.add(t.n01, t.n11) / np.maximum(none + one, 1)
    after_none, after_one = t.n01 / np.maximum(none, 1), t.n11 / np.maximum(one, 1)
    chain = sum(
        xlogy(count, p) + xlog1py(other, -p)
        for count, other, p in ((t.n01, t.n00, after_none), (t.n11, t.n10, after_one))
    )
    alike = xlogy(np.add(t.n01, t.n11), share) + xlog1py(np.add(t.n00, t.n10), -share)
    return np.asarray(np.maximum(2 * (chain - alike), 0.0))


def conditional_statistic(t: Transitions, level: float) -> FloatArray:
    """Return Christoffersen's likelihood ratio of both, given the first day."""
    days = np.add(np.add(t.n00, t.n01), np.add(t.n10, t.n11))
    return coverage_statistic(np.add(t.n01, t.n11), days, level) + independence_statistic(t)


def unconditional_coverage(hits: BoolArray, level: float) -> TailTest:
    """Test whether exceedances (D,) come as often as `level` says, no more and no less.

    Raises
    ------
    InputError
        If there are fewer than two, or `level` is no share.
    """
    days = _days(hits, level)
    counts = np.arange(days + 1)
    statistic = float(coverage_statistic(int(hits.sum()), days, level))
    worse = coverage_statistic(counts, days, level) >= statistic - _TIE
    return TailTest(statistic, _at_most_one(_binomial(counts, days, level)[worse].sum()))


def independent_exceedances(hits: BoolArray) -> TailTest:
    """Test whether exceedances (D,) come in clusters, given how many there were.

    Raises
    ------
    InputError
        If there are fewer than two days.
    """
    days = _days(hits, 0.5)
    statistic = float(independence_statistic(Transitions.of(hits)))
    t, share = _arrangements(days, int(hits.sum()))
    worse = independence_statistic(t) >= statistic - _TIE
    return TailTest(statistic, _at_most_one(share[worse].sum()))


def conditional_coverage(hits: BoolArray, level: float) -> TailTest:
    """Test both at once: as often as `level` says, and each day anew.

    Raises
    ------
    InputError
        As `unconditional_coverage`.
    """
    days = _days(hits, level)
    statistic = float(conditional_statistic(Transitions.of(hits), level))
    values, tails = _conditional_null(days, level)
    return TailTest(statistic, float(tails[np.searchsorted(values, statistic - _TIE)]))


def even_coverage(hits: BoolArray, known: FloatArray) -> TailTest:
    """Test whether exceedances (D,) come as often at any value of what was known before each.

    Mann & Whitney's test: `known` (D,) on days with an exceedance against the other days, given how
    many there were; exact for few. The statistic is 0 if they are even, 1 if all came where `known`
    was highest, -1 where lowest. With volatility for `known` it finds forecasts that do not follow
    it, which the test of neighbours seldom does: spells of exceedances last longer than a day.
    That is one instrument of the dynamic quantile test, by ranks.

    Engle & Manganelli, "CAViaR", J. Business & Economic Statistics 22, 2004; Mann & Whitney, "On a
    test of whether one of two random variables is stochastically larger", Ann. Math. Stat. 18,
    1947.

    Raises
    ------
    InputError
        If there are fewer than two days, or `known` is of another length or not finite.

    Examples
    --------
    >>> even_coverage(np.arange(100) > 97, np.arange(100.0))
    TailTest(statistic=1.0, p=0.0004...)
    """
    days = _days(hits, 0.5)
    if known.shape != hits.shape or not np.isfinite(known).all():
        raise InputError(f"expected {days} finite values, got shape {known.shape} or others")
    if hits.all() or not hits.any() or np.ptp(known) == 0:  # nothing to tell days apart by
        return TailTest(0.0, 1.0)
    test = mannwhitneyu(known[hits], known[~hits])
    pairs = float(hits.sum()) * float((~hits).sum())
    return TailTest(float(2 * test.statistic / pairs - 1), float(test.pvalue))


@lru_cache(maxsize=64)
def _conditional_null(days: int, level: float) -> tuple[FloatArray, FloatArray]:
    """Return the statistic's possible values, ascending, and the chance of each or a larger one."""
    counts = np.arange(days + 1)
    chance = _binomial(counts, days, level)
    values, weights = [], []
    for count in counts[chance > _NEGLIGIBLE]:
        t, share = _arrangements(days, int(count))
        values.append(conditional_statistic(t, level))
        weights.append(share * chance[count])
    value, weight = np.concatenate(values), np.concatenate(weights)
    order = np.argsort(value)
    tails = np.minimum(np.cumsum(weight[order][::-1])[::-1], 1.0)
    # A value beyond all of these is one of the counts left out.
    return value[order], np.append(tails, _NEGLIGIBLE)


def _arrangements(days: int, count: int) -> tuple[Transitions, FloatArray]:
    """Return every way `count` ones can stand among `days`, by transitions, and its share.

    The ones are cut into r runs in C(count - 1, r - 1) ways, and so are the zeros into theirs; the
    ends of the sequence say how many runs those have.
    """
    if count in (0, days):
        pairs = np.array([days - 1])
        zero = np.zeros(1, dtype=np.int64)
        all_one = Transitions(zero, zero, zero, pairs)
        return (all_one if count else Transitions(pairs, zero, zero, zero)), np.ones(1)
    runs, first, last = (
        a.ravel() for a in np.meshgrid(np.arange(1, count + 1), [0, 1], [0, 1], indexing="ij")
    )
    gaps = runs + 1 - first - last  # runs of zeros
    zeros = days - count
    ways = (gaps >= 1) & (gaps <= zeros)
    runs, first, last, gaps = (a[ways] for a in (runs, first, last, gaps))
    share = np.exp(
        _log_choose(count - 1, runs - 1) + _log_choose(zeros - 1, gaps - 1)
        - _log_choose(days, np.array(count))
    )  # fmt: skip
    n01, n10, n11 = runs - first, runs - last, count - runs
    return Transitions(days - 1 - n01 - n10 - n11, n01, n10, n11), share


def _log_choose(n: int, k: IntArray) -> FloatArray:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


def _binomial(counts: IntArray, days: int, level: float) -> FloatArray:
    log = _log_choose(days, counts) + xlogy(counts, level) + xlog1py(days - counts, -level)
    return np.asarray(np.exp(log))


def _at_most_one(p: float) -> float:
    return min(float(p), 1.0)


def _days(hits: BoolArray, level: float) -> int:
    if hits.ndim != 1 or len(hits) < 2 or hits.dtype != np.bool_ or not 0 < level < 1:
        raise InputError(
            "expected (D,) exceedances of two days or more, true or false, and a level between "
            f"0 and 1, got shape {hits.shape} of {hits.dtype} and {level}"
        )
    return len(hits)
