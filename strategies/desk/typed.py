"""What a person types: numbers on the command line, and answers to a question; and who reads."""

from __future__ import annotations

import argparse
import io
import math
import os
import sys


def make_speakable() -> None:
    """Let whatever is said be sayable: no word may fail because of where it is said.

    A terminal of another alphabet shows escapes; what was closed before the start takes nothing.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - it stays
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def leave_stdout() -> None:
    """Say nothing more on the standard output: nobody reads it, or it cannot be written."""
    with open(os.devnull, "w", encoding="utf-8") as nobody:
        os.dup2(nobody.fileno(), sys.stdout.fileno())


def typed(question: str) -> str:
    """Ask, and return the answer; none where nobody is there to give one, as in a script."""
    try:
        return input(question).strip()
    except EOFError:
        print()
        return ""


def whole_number(word: str) -> int:
    """Return a number of things, 1 at least.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is none: said beside the option's name.

    Examples
    --------
    >>> whole_number("12")
    12
    """
    if not (word.isdecimal() and int(word) > 0):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {word!r}")
    return int(word)


def positive(word: str) -> float:
    """Return a finite number > 0.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is none.

    Examples
    --------
    >>> positive("0.5")
    0.5
    """
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"expected a number > 0, got {word!r}")
    return number
