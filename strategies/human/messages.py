"""Texts as Telegram takes them: not too long, and with nothing it would read as markup."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from telegram.helpers import escape_markdown

from models.operate.journal.records import masked

MARK: Final = "pack"  # what the data of our buttons begins with
# Telegram refuses more than 4096, in UTF-16 units, of what is left without markup.
LONGEST: Final = 4000
_LONGEST_LINE: Final = 1000  # where something has to be left out


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a command answers: text, and rows of buttons by label and data."""

    text: str
    rows: Sequence[Sequence[tuple[str, str]]] = ()
    tells: frozenset[int] = frozenset()  # numbers of the notices the text tells of


def units(text: str) -> int:
    """Return a text's length as Telegram counts it.

    Examples
    --------
    >>> units("a\N{GRINNING FACE}")
    3
    """
    return len(text.encode("utf-16-le", errors="surrogatepass")) // 2


def fitted(text: str) -> str:
    """Return a text that fits into a message: of too many lines the middle is left out."""
    if units(text) <= LONGEST:
        return text
    lines = [_cut(line, _LONGEST_LINE) for line in text.splitlines()]
    left_out = 0
    while units("\n".join(lines)) > LONGEST - 40 and len(lines) > 1:
        del lines[(len(lines) + 1) // 2]
        left_out += 1
    if left_out:
        lines.insert((len(lines) + 1) // 2, f"({left_out} lines left out)")
    return "\n".join(lines)


def pages(lines: Iterable[str]) -> list[str]:
    """Return texts that fit into a message each and leave nothing out."""
    out: list[str] = []
    page = ""
    for line in lines:
        rest = line
        while units(page) + units(rest) + 1 > LONGEST:
            if not page:
                page = _cut(rest, LONGEST, "")
                rest = rest[len(page) :]
            out.append(page)
            page = ""
        page = f"{page}\n{rest}" if page else rest
    return [*out, page] if page else out


def html(text: str) -> str:
    """Return a text ready to send, the first line bold."""
    first, *lines = text.splitlines() or [""]
    rest = escape("\n".join(["", *lines]), quote=False)
    return f"<b>{escape(first, quote=False)}</b>{rest}"


def without_secrets(text: str, secrets: Collection[str]) -> str:
    """Return a text without secrets, also where it is marked up, as Freqtrade's or as ours.

    Examples
    --------
    >>> without_secrets("no answer: my_key, a&amp;b", ["my_key", "a&b"])
    'no answer: (secret), (secret)'
    """
    marked = [way(secret) for secret in secrets for way in (str, escape_markdown, _escaped)]
    return masked(text, marked, "(secret)")  # stars would mark the rest up


def _escaped(text: str) -> str:
    return escape(text, quote=False)


def _cut(line: str, longest: int, end: str = " ...") -> str:
    if units(line) <= longest:
        return line
    kept = line[:longest]
    while units(kept) + len(end) > longest:
        kept = kept[:-1]
    return kept + end
