"""`breakwater drift` and `breakwater outlook`: pages of a bot, from the files it keeps."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from models.base.errors import ControlError
from models.base.files import wall_clock_ms
from models.operate.control.commands import CONTROL_FOLDER, JOURNAL_FOLDER
from models.operate.control.heartbeat import last_beat
from models.operate.control.model_book import read_book
from models.operate.control.outlook_text import shown_outlook
from models.operate.control.shocks import read_shocks
from models.operate.journal.journal import Journal
from models.reports.drift.page import drift_markdown, drift_verdict, write_drift
from models.reports.outlook.page import outlook_markdown, outlook_verdict, write_outlook_page
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
    run = _run(home, "A bot's models")
    return _kept(userdir, lambda place: write_drift(book, lines, run, place, wall_clock_ms()))


def run_outlook(userdir: Path, stage: str | None) -> int:
    """Write the page of what may become of the account a bot holds; return the exit code.

    Raises
    ------
    ControlError
        If there is no outlook to be shown now, with why, or two bots could be meant.
    InputError
        If what the bot knows of the hour to come cannot be read.
    """
    (home,) = homes_meant(userdir, stage, "outlook")
    control, now_ms = home / CONTROL_FOLDER, wall_clock_ms()
    found, why = shown_outlook(control, last_beat(control), now_ms)
    if found is None:
        raise ControlError(
            f"no outlook of this account: {why or 'no bot has said anything of it'}",
            where=str(control), cure="give the --userdir of a bot that runs and holds something",
        )  # fmt: skip
    shocks = read_shocks(control, now_ms=now_ms)
    _, headline, sentence = outlook_verdict(found)
    print(f"\n{outlook_markdown(found, shocks, now_ms)}\n{headline} {sentence}", flush=True)
    run = _run(home, "The outlook of an account", simulated=found.simulated)
    return _kept(userdir, lambda place: write_outlook_page(found, shocks, run, place, now_ms))


def _run(home: Path, title: str, *, simulated: bool = False) -> dict[str, Any]:
    return {
        "title": title, "simulated": simulated, "bot": whose(home), "commit": commit(),
        "versions": {"breakwater": importlib.metadata.version("breakwater")},
    }  # fmt: skip


def _kept(userdir: Path, write: Callable[[Path], Path]) -> int:
    folder = kept_report(write, userdir / "reports")
    print(f"report: {folder / 'index.html'}")
    return 0
