"""What people have not been told yet, kept on disk: a restart forgets none of it.

Told is what Telegram has accepted, and nothing else: what is composed and not accepted is told
again, at the risk of saying it twice.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from models.base.files import Sync, read_regular, write_atomic
from models.operate.control.state import ControlState, Notice
from models.operate.control.text import mode_lines, mode_tells, notice_line, notice_words

TOLD_FILE: Final = "told.json"
_FIGURE: Final = re.compile(r"\d[\d.,e+-]*")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Untold:
    """News in words, and what is told once they are accepted; nothing to tell without lines."""

    lines: tuple[str, ...] = ()
    numbers: frozenset[int] = frozenset()  # of notices
    began: tuple[str, ...] = ()  # sentences that hold beside the state
    over: tuple[str, ...] = ()  # and that hold no longer


class News:
    """What one bot's people were told; one process at a time.

    Two kinds of things are news: the state's numbered notices, each told once, and sentences that
    hold for a while (a file HALT, a second poller, what keeps the bot from opening anything), told
    when they appear and when they are over.

    Parameters
    ----------
    folder
        That of the control state.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / TOLD_FILE
        self._made_ms = 0  # of the state that has numbered the notices
        self._upto = 1  # every notice before this number is told
        self._beyond: set[int] = set()  # of those from there on, the ones that are told
        self._beside: dict[str, bool] = {}  # sentence seen -> told
        self._before: frozenset[str] = frozenset()  # sentences an earlier run has left
        self._begun = False  # a bot that starts and may not trade says so, be it no news
        try:
            kept: dict[str, Any] = json.loads(read_regular(self._path))
            self._made_ms, self._upto = int(kept["made_ms"]), int(kept["upto"])
            self._beyond = {int(n) for n in kept["beyond"]}
            self._beside = {str(k): bool(v) for k, v in kept["beside"].items()}
            self._before = frozenset(self._beside)
        except FileNotFoundError:
            pass  # nobody was told anything yet
        except Exception as error:  # noqa: BLE001 - whatever it holds, what is kept is told again
            logger.warning("what was told cannot be read, it is told again: %r", error)
            self._made_ms, self._upto, self._beyond, self._beside = 0, 1, set(), {}

    def look(
        self, state: ControlState, beside: Iterable[str] = (), *,
        obstacles: Sequence[str] = (), without: Collection[int] = (), starting: bool = False,
    ) -> Untold:  # fmt: skip
        """Return what is to be told of this state.

        Parameters
        ----------
        beside
            Sentences that hold now.
        obstacles
            Why the bot opens nothing although the mode may let it; other figures are no news.
        without
            Numbers of notices that an answer on its way tells of.
        starting
            Whether the bot has yet to look: what an earlier run has left is not over till then.
        """
        self._number(state)
        plain = {notice_words(n) for n in state.standing if not n.n}
        barring = {self._as_seen(obstacle) for obstacle in obstacles}
        holds = plain | set(beside) | barring
        self._see(holds)
        began = tuple(sorted(s for s in holds if not self._beside[s]))
        lasting = holds | self._before if starting else holds
        over = tuple(s for s in self._beside if s not in lasting)
        fresh = [n for n in state.notices if n.n and not self._is_told(n.n)]
        due, lost = [n for n in fresh if n.n not in without], self._lost(state)
        self._begun = self._begun or (state.may_add_risk and not obstacles)
        if not (due or lost or began or over) and self._begun:
            return Untold()
        first = plain | barring if state.may_add_risk else plain  # the mode's lines have these
        beyond = [s for s in began if s not in first]
        return Untold(
            lines=(*mode_lines(state, obstacles),
                   *self._more(state, due, beyond, over, len(lost))),
            numbers=lost.union(n.n for n in due), began=began, over=over,
        )  # fmt: skip

    def told(self, untold: Untold) -> None:
        """Note what was accepted; must not raise."""
        self._begun = True
        self._beyond |= {n for n in untold.numbers if n >= self._upto}
        while self._upto in self._beyond:
            self._beyond.discard(self._upto)
            self._upto += 1
        self._beside |= dict.fromkeys(untold.began, True)
        for sentence in untold.over:
            self._beside.pop(sentence, None)
        if untold != Untold():
            self._write()

    # -- what is kept ---------------------------------------------------------------------------

    def _number(self, state: ControlState) -> None:
        """Begin to count anew where another state does."""
        if state.made_ms < 0 or state.made_ms == self._made_ms:
            return
        self._made_ms, self._upto, self._beyond = state.made_ms, 1, set()
        self._write()

    def _is_told(self, number: int) -> bool:
        return number < self._upto or number in self._beyond

    def _see(self, holds: Collection[str]) -> None:
        """Remember a sentence when it is seen first: it may be over before it can be told."""
        fresh = [s for s in holds if s not in self._beside]
        if fresh:
            self._beside |= dict.fromkeys(fresh, False)
            self._write()

    def _as_seen(self, obstacle: str) -> str:
        """Return an obstacle as it was seen first: how wrong a clock is changes in every loop."""
        alike = (s for s in self._beside if without_figures(s) == without_figures(obstacle))
        return next(alike, obstacle)

    def _lost(self, state: ControlState) -> frozenset[int]:
        """Return the numbers of notices the state no longer keeps and nobody was told of."""
        if state.made_ms < 0:
            return frozenset()
        kept = {n.n for n in state.notices}
        numbers = range(self._upto, state.next_notice)
        return frozenset(n for n in numbers if n not in kept and not self._is_told(n))

    def _more(
        self, state: ControlState, due: list[Notice], began: Iterable[str], over: Iterable[str],
        lost: int,
    ) -> list[str]:  # fmt: skip
        """Return what the lines of the mode do not tell."""
        shown = mode_tells(state)
        lines = [notice_line(n) for n in due if n.n not in shown]
        lines += began
        lines += [
            f"no longer: {s}" if self._beside[s] else f"it was so, and is over: {s}" for s in over
        ]
        if lost:
            lines.append(f"{lost} changes before these: see the journal, control.heard")
        return ["", *lines] if lines else []

    def _write(self) -> None:
        kept = {"made_ms": self._made_ms, "upto": self._upto,
                "beyond": sorted(self._beyond), "beside": self._beside}  # fmt: skip
        try:
            write_atomic(self._path, json.dumps(kept).encode() + b"\n", sync=Sync.CONTENT)
        except OSError as error:
            logger.warning("what was told cannot be written, a restart tells it again: %s", error)


def without_figures(sentence: str) -> str:
    """Return a sentence without its numbers: one that differs in them alone is no news.

    Examples
    --------
    >>> without_figures("the clock is 2.2 s behind, an order is at 1e+06")
    'the clock is  s behind, an order is at '
    """
    return _FIGURE.sub("", sentence)
