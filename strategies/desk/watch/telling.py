"""What the watchdog tells a person: each thing once, again after a while, and when it is over."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from functools import partial

from models.base.units import Seconds
from models.operate.control.unknown import in_short
from models.operate.journal.journal import Journal
from models.operate.journal.records import Incident

logger = logging.getLogger(__name__)


class Telling:
    """Says and journals; no failure of either gets in anybody's way.

    Parameters
    ----------
    say
        Tells a person; must not wait.
    again_s
        What lasts is told again after this long.
    clean
        Takes secrets out of an error's words.
    """

    def __init__(
        self, journal: Journal, say: Callable[[str], None], monotonic: Seconds, again_s: float,
        clean: Callable[[str], str] = str,
    ) -> None:  # fmt: skip
        self._journal, self._say, self._clean = journal, say, clean
        self._monotonic, self._again_s = monotonic, again_s
        self._alarms: dict[str, tuple[str, float]] = {}  # alarm -> sentence, when it was told
        self._failed: dict[str, float] = {}  # failure -> when it was told

    def alarms(
        self, found: Mapping[str, str], unjudged: Collection[str] = ()
    ) -> tuple[list[str], list[str]]:
        """Return what is to be told of these alarms, and what is over.

        Parameters
        ----------
        unjudged
            Alarms that stand as they stood unless they are found.
        """
        now = self._monotonic()
        news, kept = [], {}
        for name, text in found.items():
            before = self._alarms.get(name)
            if before is None or now - before[1] >= self._again_s:
                news.append(text if before is None else f"still: {text}")
                before = (text, now)
            kept[name] = before
        kept |= {n: at for n, at in self._alarms.items() if n in unjudged and n not in kept}
        over = [f"over: {text}" for name, (text, _) in self._alarms.items() if name not in kept]
        self._alarms = kept
        return news, over

    def failed(self, what: str, error: Exception) -> list[str]:
        """Return what is to be told of a failure: nothing while the same one is fresh."""
        now = self._monotonic()
        kind = "".join(c for c in f"{what} {type(error).__name__}" if not c.isdigit())
        self._failed = {k: at for k, at in self._failed.items() if now - at < self._again_s}
        if kind in self._failed:
            return []
        self._failed[kind] = now
        return [f"{what} ({in_short(error, self._clean)})"]

    def tell(self, texts: Mapping[str, list[str]]) -> None:
        """Say all texts, and then write them down by kind: a journal may have to be waited for."""
        for said in texts.values():
            for text in said:
                self._guarded(partial(self._say, f"watchdog: {text}"))
        for kind, said in texts.items():
            for text in said:
                self._guarded(
                    partial(self._journal.append, f"watchdog.{kind}", Incident(what=text))
                )

    def _guarded(self, act: Callable[[], object]) -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - of any kind: it is no reason to stop looking
            logger.warning("not told or not journalled: %s", error)
