"""Rejections, shares and p-values as people read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from models.reports.text import show

TEST_WORDS: Final[Mapping[str, str]] = {
    "coverage": "how often and when", "even": "coverage at any volatility", "shortfall": "how far",
}  # fmt: skip


def rejections_in_words(rejected: Sequence[Mapping[str, Any]]) -> str:
    """Return what is rejected: how often by which test, over which losses, and on which side.

    Examples
    --------
    >>> row = {"test": "shortfall", "loss": "1 h", "shortfall": {"statistic": -0.4}}
    >>> rejections_in_words([row, {**row, "loss": "24 h"}])
    'how far 2 (1 h, 24 h; losses beyond forecast)'
    """
    out = []
    for test, word in TEST_WORDS.items():
        rows = [r for r in rejected if r["test"] == test]
        if rows:
            losses = ", ".join(dict.fromkeys(r["loss"] for r in rows))
            out.append(f"{word} {len(rows)} ({losses}; {_how(test, rows)})")
    return "; ".join(out)


def _how(test: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return on which side of right a test's rejections lie."""
    worse, better = {
        "coverage": ("too often", "too seldom"),
        "even": ("too often in wild hours", "too often in calm hours"),
        "shortfall": ("losses beyond forecast", "losses short of it"),
    }[test]
    bad = sum(_is_worse(test, r) for r in rows)
    if bad == len(rows):
        return worse
    return better if bad == 0 else f"{worse}, and {better}"


def _is_worse(test: str, row: Mapping[str, Any]) -> bool:
    if test == "coverage":
        return bool(row["hits"] > row["expected"])
    statistic = row[test]["statistic"]
    return bool(statistic > 0 if test == "even" else statistic < 0)


def p_value(p: float) -> str:
    """Return a p-value with what of it can be read.

    Examples
    --------
    >>> p_value(0.0321), p_value(1e-9)
    ('0.032', '< 0.0001')
    """
    if p < 1e-4:
        return "< 0.0001"
    return f"{p:.4f}" if p < 1e-3 else f"{p:.3f}"


def one_in(share: float, paths: int) -> str:
    """Return how seldom drawn paths went as low.

    Examples
    --------
    >>> one_in(0.0005, 10_000), one_in(0.0, 10_000), one_in(0.4, 10_000)
    ('1 in 2,000', 'none of 10,000', '40.0 %')
    """
    if share <= 0:
        return f"none of {paths:,}"
    return show(share, "pct") if share >= 0.05 else f"1 in {1 / share:,.0f}"
