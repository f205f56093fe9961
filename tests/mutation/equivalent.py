"""Mutants no test can catch because they do the same, each with the reason."""

from __future__ import annotations

from typing import Final

EQUIVALENT: Final[dict[tuple[str, str], str]] = {
    ("verdict", "limited: limit_quote > 0 -> limit_quote >= 0"): ("at 0 both branches give 0"),
    ("losses", "observe: 0.0 -> 1.0"): (
        "the start of a day without money is a tiny number, whichever: any loss of it is total"
    ),
}
