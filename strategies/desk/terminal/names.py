"""Names a person types, of models, strategies, pairs and timeframes: wrong ones end at once.

A model has one name, its FreqAI class's (`LSTMForecaster`); tables leave "Forecaster" out. Typed,
it may be either, or the catalogue's key, in any case.
"""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from models.base.errors import ConfigError
from models.learn import catalog

TIMEFRAMES: Final = (
    "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M",
)  # fmt: skip
_PAIR: Final = re.compile(r"[A-Z0-9]+/[A-Z0-9]+:[A-Z0-9]+")
_CLASS: Final = re.compile(r"^class\s+(\w+)\s*[(:]", re.MULTILINE)
_QUOTES: Final = ("USDT", "USDC", "USD", "BTC", "ETH")


def near(word: str, known: Collection[str]) -> str:
    """Return "; did you mean X?" of the known names most like a word, or a full stop.

    Examples
    --------
    >>> near("LTSMForecaster", ["LSTMForecaster", "GRUForecaster"])
    '; did you mean LSTMForecaster?'
    >>> near("zzz", ["LSTMForecaster"])
    '.'
    """
    of_stem = {_stem(name): name for name in known}  # what all end in likens nothing
    found = difflib.get_close_matches(_stem(word), of_stem, n=1, cutoff=0.6)
    return f"; did you mean {of_stem[found[0]]}?" if found else "."


def model_key(word: str) -> str:
    """Return the catalogue's key of a model, whichever way it is typed.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is none: names the nearest.

    Examples
    --------
    >>> model_key("LSTMForecaster"), model_key("xgboost"), model_key("boosted")
    ('lstm', 'boosted', 'boosted')
    """
    if (found := catalog.key_of(word)) is not None:
        return found
    names = list(catalog.forecasters().values())
    raise argparse.ArgumentTypeError(
        f"unknown model {word!r}{near(word, names)} Known: {', '.join(names)}"
    )


def network_key(word: str) -> str:
    """Return the same, or "none"."""
    return word if word == "none" else model_key(word)


def model_class(word: str) -> str:
    """Return the FreqAI class of a model of the pack; another word as it is."""
    key = catalog.key_of(word)
    return word if key is None else catalog.forecasters()[key]


def pair_name(word: str) -> str:
    """Return a perpetual's name as Freqtrade writes it.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is written another way: says how it is.

    Examples
    --------
    >>> pair_name("BTC/USDT:USDT")
    'BTC/USDT:USDT'
    """
    if _PAIR.fullmatch(word):
        return word
    coins = word.upper().partition(":")[0]
    if "/" not in coins:
        quote = next((q for q in _QUOTES if coins.endswith(q) and coins != q), "")
        coins = f"{coins.removesuffix(quote).rstrip('_-')}/{quote}" if quote else f"{coins}/USDT"
    like = f"{coins}:{coins.partition('/')[2]}"
    hint = f"; did you mean {like}?" if _PAIR.fullmatch(like) else ""
    raise argparse.ArgumentTypeError(
        f"expected a perpetual as in BTC/USDT:USDT, got {word!r}{hint}"
    )


def timeframe_name(word: str) -> str:
    """Return a length of candles that Binance has.

    Raises
    ------
    argparse.ArgumentTypeError
        If it has none such.
    """
    if word in TIMEFRAMES:
        return word
    raise argparse.ArgumentTypeError(
        f"expected a timeframe of Binance's, got {word!r}{near(word, TIMEFRAMES)} One of "
        f"{', '.join(TIMEFRAMES)}"
    )


def require_class(what: str, word: str, folders: Sequence[Path]) -> None:
    """Refuse the name of a class that none of the folders has, before anything slow begins.

    Raises
    ------
    ConfigError
        Naming the nearest of those there are.
    """
    known = class_names(folders)
    if word in known:
        return
    shown = [str(folder) for folder in folders if folder.is_dir()]
    raise ConfigError(
        f"unknown {what} {word!r}{near(word, known)}",
        where=", ".join(shown),
        cure=f"one of {', '.join(sorted(known))}" if known else "give the folder that has it",
    )


def class_names(folders: Sequence[Path]) -> set[str]:
    """Return the public classes that the files of the folders define; nothing is imported."""
    return {
        name
        for folder in folders if folder.is_dir()
        for path in sorted(folder.glob("*.py"))
        for name in _CLASS.findall(path.read_text(encoding="utf-8", errors="replace"))
        if not name.startswith("_")
    }  # fmt: skip


def _stem(name: str) -> str:
    return name.lower().removesuffix("forecaster")
