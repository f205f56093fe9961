"""What cannot be seen, told by cause: a revoked key hides every part, and is one message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from models.operate.control.text import readable


@dataclass(frozen=True)
class Missing:
    """A part that cannot be seen: since when, UTC milliseconds, and why, as of now."""

    since_ms: int
    why: str


@dataclass
class UnseenParts:
    """Makes one alarm of the parts that became unseen together and for one reason.

    It stands until all of them are seen again, whatever each is missing for meanwhile: in an outage
    reasons come and go. A part that is unseen later is news, and an alarm of its own.
    """

    _alarm: dict[str, str] = field(default_factory=dict)  # part -> the alarm that names it
    _count: int = 0

    def alarms(self, missing: Mapping[str, Missing]) -> dict[str, str]:
        """Return a sentence for each alarm, by its name.

        Parameters
        ----------
        missing
            Every part that has been unseen for long enough to be told of.
        """
        self._alarm = {part: name for part, name in self._alarm.items() if part in missing}
        begun: dict[str, str] = {}  # reason -> alarm that begins now
        for part, what in missing.items():
            if part in self._alarm:
                continue
            if what.why not in begun:
                self._count += 1
                begun[what.why] = f"unseen {self._count}"
            self._alarm[part] = begun[what.why]
        return {
            name: _sentence({p: missing[p] for p, mine in self._alarm.items() if mine == name})
            for name in dict.fromkeys(self._alarm.values())
        }


def _sentence(parts: Mapping[str, Missing]) -> str:
    since_ms = min(what.since_ms for what in parts.values())
    why = next(iter(parts.values())).why
    return f"since {readable(since_ms)} {_listed(list(parts))} cannot be seen: {why}"


def _listed(names: Sequence[str]) -> str:
    """Return names as a person lists them.

    Examples
    --------
    >>> _listed(["a"]), _listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
