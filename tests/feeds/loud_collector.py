"""The real `breakwater collect`, hurried, saying on its output what it has acknowledged as written.

python -m tests.feeds.loud_collector collect --config ... --userdir ...
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

from models.data.feeds import catalog as feeds
from models.data.feeds.store import FeedRecord, Writer
from strategies.desk import cli
from strategies.desk.collect import feed


class LoudWriter(Writer):
    """Says each record once it is written."""

    def append(self, told: Sequence[FeedRecord]) -> None:
        super().append(told)
        for record in told:
            name = self._folder.relative_to(self._folder.parents[2])
            sys.stdout.write(f"{name} {record.line().decode()}")
        sys.stdout.flush()


if __name__ == "__main__":
    feed.Writer = LoudWriter
    feeds.KINDS |= {k: replace(v, every_s=0.01) for k, v in feeds.KINDS.items()}  # type: ignore
    sys.exit(cli.main(sys.argv[1:]))
