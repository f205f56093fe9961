"""What an import has done, file by file, and in the few lines a person reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from strategies.desk.archive.keep import Written
from strategies.desk.archive.layout import ArchiveFile

_ODD: Final = "odd, and taken as far as it is sound:"
_LEFT_OUT: Final = "left out; the same command again has them once they are mended:"

_Which = tuple[str, str]  # symbol and kind


@dataclass
class _Counted:
    """Files of one kind and symbol, and what became of them."""

    taken: int = 0
    known: int = 0  # of those taken, in already and unchanged
    records: int = 0
    revisions: int = 0
    left: int = 0


@dataclass
class ImportOutcome:
    """Counts by symbol and kind, and every file that was left out or has something odd."""

    missing: int = 0
    _counted: dict[_Which, _Counted] = field(default_factory=dict)
    # Each with a word of its own; consecutive files with the same words are told as one span.
    _left_out: list[tuple[ArchiveFile, str]] = field(default_factory=list)
    _odd: list[tuple[ArchiveFile, str]] = field(default_factory=list)

    def taken(self, file: ArchiveFile, written: Written | None) -> None:
        """Count a file that is in; `written` is None where it was before."""
        counted = self._of(file)
        counted.taken += 1
        counted.known += written is None
        if written is not None:
            counted.records += written.records
            counted.revisions += written.revisions

    def left_out(self, file: ArchiveFile, why: str) -> None:
        """Note a file of which nothing was taken."""
        self.missing += 1
        self._of(file).left += 1
        self._left_out.append((file, why))

    def gave_up(self, files: Sequence[ArchiveFile], why: str) -> None:
        """Note files that were not even asked for."""
        for file in files:
            self.left_out(file, f"not asked for: {why}")

    def odd(self, file: ArchiveFile, what: str) -> None:
        """Note what is strange about a file that was taken."""
        self._odd.append((file, what))

    def lines(self) -> list[str]:
        """Return what a person reads."""
        rows = [("", "", "files in", "before", "records", "changed", "left out")]
        rows += [
            (
                symbol,
                kind,
                f"{c.taken}",
                f"{c.known}",
                f"{c.records}",
                f"{c.revisions}",
                f"{c.left}",
            )
            for (symbol, kind), c in self._counted.items()
        ]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        out = []
        for row in rows:
            names = [row[i].ljust(widths[i]) for i in (0, 1)]
            numbers = [row[i].rjust(widths[i]) for i in range(2, len(row))]
            out.append("  ".join(["", *names, *numbers]))
        for title, told in ((_ODD, self._odd), (_LEFT_OUT, self._left_out)):
            if told:
                out += [title, *(f"  {line}" for line in _spans(told))]
        return out

    def _of(self, file: ArchiveFile) -> _Counted:
        return self._counted.setdefault(_which(file), _Counted())


def _spans(told: Sequence[tuple[ArchiveFile, str]]) -> list[str]:
    """Return one line for each run of files without a gap that are told with the same words."""
    runs: dict[tuple[_Which, str], list[list[ArchiveFile]]] = {}
    for file, why in told:
        of_words = runs.setdefault((_which(file), why), [])
        if of_words and of_words[-1][-1].after == file.first:
            of_words[-1].append(file)
        else:
            of_words.append([file])
    return [
        f"{symbol} {kind} {_span(run)}: {why}"
        for ((symbol, kind), why), of_words in runs.items()
        for run in of_words
    ]


def _span(run: Sequence[ArchiveFile]) -> str:
    if len(run) == 1:
        return run[0].period
    return f"{run[0].period} to {run[-1].period} ({len(run)} files)"


def _which(file: ArchiveFile) -> _Which:
    return file.symbol, file.kind.name
