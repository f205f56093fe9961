"""What the bot asked for and was not told: since when, why, and what follows while it lasts.

It is written beside the mode and never into it: once the answer is back, what a person or another
guard set stands as it stood.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

_LONGEST: Final = 160
_ADDRESS: Final = re.compile(r"https?://\S+")  # of signed requests: it changes with each


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """One thing nobody answers for, or did not until `over_ms`; times are UTC milliseconds.

    Attributes
    ----------
    since_ms
        Of the first look without an answer.
    why
        What came instead, last.
    told
        Whether it has lasted long enough for a person to be told.
    reduces_ms
        Since when it lets the bot only reduce; None while it does not.
    over_ms
        When it was answered again, or was asked for no more; None while it is unknown.
    """

    what: str
    since_ms: int
    why: str
    told: bool = False
    reduces_ms: int | None = None
    over_ms: int | None = None

    def __post_init__(self) -> None:
        whole = [self.since_ms, *(t for t in (self.reduces_ms, self.over_ms) if t is not None)]
        texts = isinstance(self.what, str) and isinstance(self.why, str)
        if not texts or type(self.told) is not bool or not all(type(t) is int for t in whole):
            raise TypeError(f"expected texts, times and a flag, got {self!r:.200}")

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Unknown:
        """Return what `dataclasses.asdict` has made of one; raises TypeError for anything else."""
        return cls(**values)

    @property
    def lasts(self) -> bool:
        return self.over_ms is None


def still_unknown(unknown: Iterable[Unknown]) -> list[Unknown]:
    """Return those without an answer, the oldest first."""
    return sorted((u for u in unknown if u.lasts), key=lambda u: (u.since_ms, u.what))


def reducing(unknown: Iterable[Unknown]) -> list[Unknown]:
    """Return those that let the bot only reduce, the oldest first."""
    return [u for u in still_unknown(unknown) if u.reduces_ms is not None]


def in_short(why: object, clean: Callable[[str], str] = str) -> str:
    """Return an error in a line that stays the same while the trouble does.

    Parameters
    ----------
    clean
        Takes secrets out, before the line is cut: half of one would not be known for one.

    Examples
    --------
    >>> in_short(ValueError("GET https://x.y/z?signature=1 failed\\n twice"))
    'ValueError: GET (address) failed twice'
    """
    text = str(why)
    if isinstance(why, BaseException):
        text = f"{type(why).__name__}: {text}" if text else type(why).__name__
    return " ".join(_ADDRESS.sub("(address)", clean(text)).split())[:_LONGEST]


def span(ms: int) -> str:
    """Return how long something took, for people.

    Examples
    --------
    >>> span(4_000), span(240_000), span(9_000_000)
    ('4 s', '4 min', '2 h 30 min')
    """
    seconds = max(ms, 0) // 1000
    if seconds < 60:
        return f"{seconds} s"
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
