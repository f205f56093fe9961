"""What a person types: numbers on the command line, and answers to a question; and who reads."""

from __future__ import annotations

import argparse
import io
import math
import os
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Final

from strategies.desk.terminal.names import model_key, pair_name, timeframe_name

DATA_HELP: Final = "a Freqtrade data directory (holds futures/)"


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


def share_number(word: str) -> float:
    """Return a share in (0, 1].

    Raises
    ------
    argparse.ArgumentTypeError
        If it is none.

    Examples
    --------
    >>> share_number("0.15")
    0.15
    """
    number = positive(word)
    if number > 1:
        raise argparse.ArgumentTypeError(f"expected a share in (0, 1], got {word!r}")
    return number


def typed_day(word: str) -> date:
    """Return a UTC day YYYY-MM-DD.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is none.

    Examples
    --------
    >>> typed_day("2021-12-01")
    datetime.date(2021, 12, 1)
    """
    try:
        return datetime.strptime(word, "%Y-%m-%d").date()
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a day YYYY-MM-DD, got {word!r}") from None


def day_text(word: str) -> str:
    """Return a day as it was typed, once it is known to be one: before minutes of work begin.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is none.
    """
    return typed_day(word).isoformat()


def add_market_options(command: argparse.ArgumentParser) -> None:
    """Add which candles of which market."""
    command.add_argument("--data", type=Path, default=None, help=DATA_HELP)
    command.add_argument("--pair", type=pair_name, help="BTC/USDT:USDT")
    command.add_argument("--timeframe", type=timeframe_name, help="1h")


def add_refit_options(
    command: argparse.ArgumentParser, model: str, start: str, train_days: int, horizon: int
) -> None:
    """Add what is asked of forecasts whose model is refitted; the defaults are for the help."""
    add_market_options(command)
    command.add_argument("--model", type=model_key, help=f"what forecasts; {model}")
    command.add_argument("--start", type=day_text, help=f"YYYY-MM-DD; default: {start}")
    command.add_argument("--stop", type=day_text, help="YYYY-MM-DD; default: the newest candle")
    command.add_argument("--train-days", type=whole_number, help=f"of each refit; {train_days}")
    command.add_argument("--refit-days", type=whole_number, help="between two refits; 60")
    command.add_argument("--horizon-candles", type=whole_number, help=f"of a forecast; {horizon}")
    command.add_argument("--userdir", type=Path, default=None, help="default: user_data")
