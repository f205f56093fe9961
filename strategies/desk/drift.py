"""`breakwater drift`: the page of a bot's models, from its book and its journal."""

from __future__ import annotations

import importlib.metadata
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from models.base.errors import ControlError
from models.operate.control.commands import CONTROL_FOLDER, JOURNAL_FOLDER
from models.operate.control.model_book import read_book
from models.operate.journal.journal import Journal
from models.reports.drift.page import drift_markdown, drift_verdict, write_drift
from strategies.desk.backtests.results import commit
from strategies.desk.homes import homes_meant, whose
from strategies.desk.terminal.room import kept_report

_SHOWN: Final = 200  # lines of the journal


def run_drift(userdir: Path, stage: str | None) -> int:
    """Write the page of the bot of a user directory; return the process exit code.

    Raises
    ------
    ControlError
        If no bot there keeps a book of its models, or two bots could be meant.
    """
    (home,) = homes_meant(userdir, stage, "drift")
    book = read_book(home / CONTROL_FOLDER)
    if book is None:
        raise ControlError(
            "no bot watches its models there", where=str(home / CONTROL_FOLDER),
            cure="give the bot's --userdir; watching is breakwater.retraining.enabled",
        )  # fmt: skip
    journal = Journal(home / JOURNAL_FOLDER)
    lines = journal.entries(kind="model", limit=_SHOWN) if journal.folder.is_dir() else []
    _, headline, sentence = drift_verdict(book)
    print(f"\n{drift_markdown(book)}\n{headline} {sentence}", flush=True)
    now_ms = int(datetime.now(tz=UTC).timestamp() * 1000)
    folder = kept_report(
        lambda place: write_drift(book, lines, _run(home), place, now_ms), userdir / "reports"
    )
    print(f"report: {folder / 'index.html'}")
    return 0


def _run(home: Path) -> dict[str, Any]:
    return {
        "title": "A bot's models", "simulated": False, "bot": whose(home), "commit": commit(),
        "versions": {"breakwater": importlib.metadata.version("breakwater")},
    }  # fmt: skip
