"""What the list of all reports says of each: read from the folders, newest first."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from models.base.files import read_regular
from models.reports.folder import MAIN_KIND, ReportFolder, report_folders
from models.reports.text import MISSING

logger = logging.getLogger(__name__)

KIND_TITLES: Final[Mapping[str, str]] = {
    "backtest": "Backtests", "hedge": "Hedges", "compare": "Comparisons of models",
    "exposure": "Ways to hold exposure", "maker": "Post-only orders", "stress": "Recorded crashes",
    "worst-day": "A hedge's one number",
    "cascades": "Warnings of cascades", "crowding": "Crowds of copies",
    "venues": "Several exchanges", "claims": "Claims of articles",
    "scenarios": "Engines of scenarios", "validate": "Validations of models",
    "drift": "A bot's models", "outlook": "Outlooks of an account",
}  # fmt: skip


class ListedReport(NamedTuple):
    """One line of the list."""

    folder: str
    day: str
    hour: str
    title: str
    headline: str
    market: str  # real or simulated, as far as the report says


class ListedKind(NamedTuple):
    """The reports of one kind, the newest first."""

    kind: str
    title: str
    reports: list[ListedReport]


def listed_reports(reports_dir: Path) -> list[ListedKind]:
    """Return all reports by kind: backtests first, then the kind with the newest report."""
    by: dict[str, list[ListedReport]] = {MAIN_KIND: []}
    for folder in report_folders(reports_dir):
        by.setdefault(folder.kind, []).append(_listed(folder))
    return [
        ListedKind(kind, KIND_TITLES.get(kind, kind.capitalize()), reports)
        for kind, reports in by.items()
        if reports
    ]


def _listed(folder: ReportFolder) -> ListedReport:
    n = report_numbers(folder.path / "report.json")
    told = n.get("run")
    run = told if isinstance(told, Mapping) else {}
    simulated = run.get("simulated")
    return ListedReport(
        folder=folder.path.name,
        day=f"{folder.written:%Y-%m-%d}",
        hour=f"{folder.written:%H:%M} UTC",
        title=str(run.get("title", MISSING)),
        headline=str(n.get("headline", MISSING)),
        market=MISSING if simulated is None else "simulated" if simulated else "real",
    )


def report_numbers(path: Path) -> dict[str, Any]:
    """Return what is in a ``report.json``; nothing of one that cannot be read, and that is told."""
    try:
        n = json.loads(read_regular(path))
    except (OSError, ValueError) as error:
        logger.warning("%s cannot be read: %s", path, error)
        return {}
    return n if isinstance(n, dict) else {}
