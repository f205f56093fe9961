"""A log that holds nobody up: a paused terminal, or a pipe that is full and that nobody reads."""

from __future__ import annotations

import logging
import sys
from queue import Full, Queue
from threading import Thread
from typing import Final, TextIO

_FORM: Final = "%(asctime)s %(levelname)s %(message)s"
_KEPT: Final = 10_000  # lines that wait to be written
_AT_END_S: Final = 1.0  # a process that ends waits this long for its last lines


class UnhurriedHandler(logging.Handler):
    """Writes lines in a thread of its own; what there are too many of to be kept is counted.

    Parameters
    ----------
    kept
        Lines that may wait.
    """

    def __init__(self, stream: TextIO, kept: int = _KEPT) -> None:
        super().__init__()
        self._stream, self._lost = stream, 0
        self._lines: Queue[str | None] = Queue(kept)
        Thread(target=self._write, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Leave a line to be written; never waits."""
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001 - of any kind: a line that says so instead
            line = f"{record.levelname} {record.msg!r} ({error!r})"
        self._put(line)

    def flush(self) -> None:
        """Wait until all is written, for a second at most."""
        with self._lines.all_tasks_done:
            self._lines.all_tasks_done.wait_for(lambda: not self._lines.unfinished_tasks, _AT_END_S)

    def close(self) -> None:
        """Write no more."""
        self._put(None)
        super().close()

    def _put(self, line: str | None) -> None:
        try:
            self._lines.put_nowait(line)
        except Full:
            self._lost += 1

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            lost, self._lost = self._lost, 0
            try:
                self._stream.write(f"{line}\n" + f"({lost} lines were not kept)\n" * bool(lost))
                self._stream.flush()
            except Exception:  # noqa: BLE001 - of any kind: whoever reads again is told
                self._lost += lost + 1
            self._lines.task_done()


def log_unhurried() -> None:
    """Log to standard error without ever waiting for it; Python's own warnings as well."""
    handler = UnhurriedHandler(sys.stderr)
    logging.basicConfig(level=logging.INFO, format=_FORM, force=True, handlers=[handler])
    logging.captureWarnings(True)
