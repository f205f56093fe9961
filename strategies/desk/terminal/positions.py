"""A position as a person types it: "LTC long 2x"."""

from __future__ import annotations

import argparse
import math
import re
from typing import Final, NamedTuple

from strategies.desk.terminal.names import near

_SIDES: Final = {"long": 1, "short": -1}
_SIZE: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)x")
_COIN: Final = re.compile(r"[A-Za-z0-9]+|[A-Z0-9]+/[A-Z0-9]+:[A-Z0-9]+")


class TypedPosition(NamedTuple):
    """A coin, or a pair; +1 long, -1 short; size over the account's equity."""

    coin: str
    side: int
    leverage: float


def position_asked(text: str) -> TypedPosition:
    """Return a position: coin, side, size, in this order.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is written another way: says how, where it can be guessed.

    Examples
    --------
    >>> position_asked("ltc long 2x")
    TypedPosition(coin='LTC', side=1, leverage=2.0)
    """
    words = text.split()
    if len(words) == 3 and _COIN.fullmatch(words[0]):
        coin, side, size = words[0].upper(), words[1].lower(), words[2].lower()
        if side in _SIDES and _SIZE.fullmatch(size) and float(size[:-1]) > 0:
            return TypedPosition(coin, _SIDES[side], float(size[:-1]))
    raise argparse.ArgumentTypeError(
        f'expected a coin, a side and a size in equity, as in "LTC long 2x", got {text!r}'
        f"{_guess(words)}"
    )


def hedge_ratio(word: str) -> float:
    """Return a part of a notional, 0 to 1.5; `argparse.ArgumentTypeError` otherwise."""
    return _between(word, 0.0, 1.5, "a ratio from 0 to 1.5")


def chance_number(word: str) -> float:
    """Return a chance above 0 and below 1; `argparse.ArgumentTypeError` otherwise."""
    return _between(word, 1e-9, 1 - 1e-9, "a chance between 0 and 1, as 0.001")


def seed_number(word: str) -> int:
    """Return a whole number from 0; `argparse.ArgumentTypeError` otherwise."""
    if not word.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number from 0, got {word!r}")
    return int(word)


def _between(word: str, least: float, most: float, what: str) -> float:
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"expected {what}, got {word!r}")
    return number


def _guess(words: list[str]) -> str:
    """Return what was probably meant, after "; did you mean", or a full stop."""
    lower = [word.lower() for word in words]
    if len(words) != 3:
        return "."
    sides = [word for word in lower if word in _SIDES]
    sizes = [word for word in lower if re.fullmatch(r"[-+]?(\d+(\.\d*)?|\.\d+)x?", word)]
    if not sides:
        others = [word for word in lower if word not in sizes]
        like = [word for word in others if near(word, _SIDES) != "."]
        return near(like[0], _SIDES) if like else "; a side is long or short"
    if len(sides) != 1 or len(sizes) != 1:
        return "."
    (coin,) = [word for word in words if word.lower() not in (*sides, *sizes)] or [""]
    size, side = float(sizes[0].removesuffix("x")), sides[0]
    if size == 0:
        return "; a size is above 0x"
    if size < 0:
        side = "short" if side == "long" else "long"
    return f'; did you mean "{coin.upper()} {side} {abs(size):g}x"?' if coin else "."
