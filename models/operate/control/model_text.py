"""A bot's models as `risk` shows them: in words, or for a program."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from models.base.errors import ControlError, InputError
from models.base.files import iso_ms
from models.base.units import DAY_MS
from models.operate.control.model_book import Generation, ModelBook, PairBook, read_book


def model_lines(folder: Path) -> list[str]:
    """Return who serves each pair, how it is doing and who waits; nothing where nobody watches."""
    try:
        book = read_book(folder)
    except InputError as error:
        return [f"the models are not known: {error.problem}"]
    pairs = () if book is None else sorted(book.pairs, key=lambda one: one.pair)
    return [line for one in pairs for line in _pair_lines(book, one)] if book else []


def model_values(folder: Path) -> dict[str, Any]:
    """Return the same for a program: `why` nothing is known, or null and the book."""
    try:
        book = read_book(folder)
    except InputError as error:
        return {"why": error.problem, "pairs": []}
    if book is None:
        return {"why": "no bot watches its models here", "pairs": []}
    return {"why": None, **asdict(book)}


def rollback_question(folder: Path, pair: str) -> str:
    """Return what going back would do, to ask before doing it.

    Raises
    ------
    ControlError
        If there is no earlier model, or the book cannot be read.
    """
    book = read_book(folder)
    meant = [one for one in (book.pairs if book else ()) if pair in ("", one.pair)]
    able = [one for one in meant if one.earlier and one.serving is not None]
    if not able:
        known = ", ".join(one.pair for one in (book.pairs if book else ())) or "none"
        raise ControlError(
            f"there is no earlier model{f' of {pair}' if pair else ''} to go back to",
            where=str(folder), cure=f"risk shows the models; pairs that are watched: {known}",
        )  # fmt: skip
    return "\n".join(
        f"{one.pair}: serve {_named(one.earlier[-1])} again instead of {_named(one.serving)}, "
        "which then never serves?"
        for one in able if one.serving is not None
    )  # fmt: skip


def _pair_lines(book: ModelBook, one: PairBook) -> list[str]:
    if one.serving is None:
        return []
    lines = [
        f"{one.pair}: {_named(one.serving)} serves, trained until {iso_ms(one.serving.trained_ms)} "
        f"for: {one.serving.why}; {_watch_words(one)}"
    ]
    if one.shadow is not None:
        until = iso_ms(one.shadow_ms + book.shadow_ms)
        lines.append(f"{one.pair}: {_named(one.shadow)} answers in shadow until {until}")
    elif not one.held:
        lines.append(f"{one.pair}: trained anew {_next_words(book, one)}")
    if one.held:
        lines.append(f"{one.pair}: no model is trained or promoted now: {one.held}")
    if one.quarantined:
        last = one.quarantined[-1]
        lines.append(f"{one.pair}: {_named(last.generation)} is in quarantine: {last.why}")
    return lines


def _watch_words(one: PairBook) -> str:
    sums = ", ".join(
        f"{name} {found.cusum:.1f} of {found.threshold:.1f}"
        for name, found in sorted(one.watched.items())
    )
    sums += f"; counted until {iso_ms(one.watched_ms)}" if sums else ""
    said = f"ALARM: {', '.join(one.alarms)} ({sums})" if one.alarms else f"no alarm ({sums})"
    if not sums:
        said = "nothing of it is counted yet"
    return f"{said}; not watched: {one.unwatched}" if one.unwatched else said


def _next_words(book: ModelBook, one: PairBook) -> str:
    volatile = one.ratio is not None and one.ratio > book.volatile_ratio
    wait = book.volatile_ms if volatile or one.alarms else book.calm_ms
    market = "a calm market" if wait == book.calm_ms else "a volatile or unlike market"
    times = "" if one.ratio is None else f", {one.ratio:.2f} times as volatile as usual"
    days = f"{wait / DAY_MS:g} days"
    return f"{iso_ms(one.trained_ms + wait)} ({days} in {market}{times}), or on an alarm"


def _named(generation: Generation | None) -> str:
    return "no model" if generation is None else f"model {generation.number} ({generation.title})"
