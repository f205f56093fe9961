"""What a seam is, and the checks probes are made of.

A seam is a place where the pack touches a thing that Freqtrade, FreqAI or ccxt do not promise to
keep: an attribute with an underscore, a method replaced, a private method overridden. Each has its
own file here and is touched nowhere else; its probe reads the installed code and asks no network.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Library(StrEnum):
    """Which part of the installed libraries a seam is in; a bot without it needs no such seam."""

    EXCHANGE = "exchange"
    FREQAI = "freqai"
    TELEGRAM = "telegram"


@dataclass(frozen=True, kw_only=True)
class Seam:
    """One private thing that is touched.

    Parameters
    ----------
    name
        As in the library's source, "Exchange._klines".
    what, why
        How it is touched, and what for.
    since
        Oldest release of those looked into (every few months since 2021.4) that has it.
    without
        What is off, or goes wrong, where it is gone.
    probe
        Returns what is missing of it in the installed version, empty if nothing is.
    safety
        Whether live trading must not start without it.
    """

    name: str
    what: str
    why: str
    since: str
    without: str
    probe: Callable[[], str]
    library: Library
    safety: bool = False

    @property
    def file(self) -> str:
        """Where the seam is, for the person who is to mend it."""
        return "/".join(self.probe.__module__.split(".")) + ".py"

    def missing(self) -> str:
        """Return what the installed version lacks, empty if the seam is as it was written for."""
        try:
            return self.probe()
        except Exception as error:  # noqa: BLE001 - a probe that cannot look has not found it
            return f"{type(error).__name__}: {error}"


def problems(*found: str) -> str:
    """Return the problems there are, as one line."""
    return "; ".join(problem for problem in found if problem)


def lacks_method(owner: type | object, name: str, *parameters: str) -> str:
    """Return what is wrong with a method or function of `owner`: absent, or other parameters.

    Examples
    --------
    >>> lacks_method(dict, "pop")
    ''
    >>> lacks_method(dict, "popped")
    'dict has no popped'
    >>> lacks_method(textwrap, "dedent", "text", "width")
    "textwrap.dedent has no parameters ['width']"
    """
    where = getattr(owner, "__name__", type(owner).__name__)
    method = getattr(owner, name, None)
    if not callable(method):
        return f"{where} has no {name}"
    if not parameters:
        return ""
    missing = [p for p in parameters if p not in inspect.signature(method).parameters]
    return f"{where}.{name} has no parameters {missing}" if missing else ""


def lacks_attributes(owner: type, *names: str, set_in: str = "__init__") -> str:
    """Return which attributes a method of `owner` does not set on the object any more."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(getattr(owner, set_in))))
    written = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and ast.unparse(node.value) == "self"
    }
    missing = [name for name in names if name not in written]
    return f"{owner.__name__}.{set_in} does not set {missing}" if missing else ""


def lacks_text(owner: type | object, name: str, *texts: str) -> str:
    """Return which texts the source of a method or function of `owner` does not contain."""
    where = getattr(owner, "__name__", type(owner).__name__)
    source = inspect.getsource(getattr(owner, name))
    missing = [text for text in texts if text not in source]
    return f"{where}.{name} does not use {missing}" if missing else ""
