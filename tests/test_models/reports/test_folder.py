"""Report folders: links by kind, a list of all, and nothing of it takes a report away."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from models.reports.folder import report_folders, write_folder
from models.reports.index import listed_reports
from models.reports.page import index_page, write_page

SECOND = 1_700_000_000_000
WRITE = """
import sys
from pathlib import Path
from models.reports.page import write_page
for n in range(8):
    numbers = {"kind": sys.argv[1], "headline": f"no. {n}", "run": {"title": sys.argv[1]}}
    write_page(numbers, "page", {}, Path(sys.argv[2]), 1_700_000_000_000)
"""


def written(reports: Path, kind: str, seconds: int = 0, headline: str = "said") -> Path:
    run = {"title": f"a {kind}", "simulated": kind == "stress"}
    numbers = {"kind": kind, "headline": headline, "run": run}
    return write_page(numbers, "the page", {}, reports, SECOND + 1000 * seconds)


def test_latest_when_another_kind_is_written_then_it_stays_the_newest_backtest(
    tmp_path: Path,
) -> None:
    backtest, stress = written(tmp_path, "backtest"), written(tmp_path, "stress", 5)
    assert (tmp_path / "latest").readlink() == Path(backtest.name)
    assert (tmp_path / "latest-backtest").readlink() == Path(backtest.name)
    assert (tmp_path / "latest-stress").readlink() == Path(stress.name)
    again = written(tmp_path, "backtest", 9)
    assert (tmp_path / "latest").readlink() == Path(again.name)
    assert (tmp_path / "latest" / "index.html").read_text() == "the page"


def test_index_when_reports_are_there_then_all_are_listed_backtests_first_newest_first(
    tmp_path: Path,
) -> None:
    for kind, seconds in (("stress", 1), ("backtest", 2), ("compare", 3), ("backtest", 2)):
        written(tmp_path, kind, seconds, headline=f"<{kind} {seconds}>")
    kinds = listed_reports(tmp_path)
    assert [k.kind for k in kinds] == ["backtest", "compare", "stress"]
    assert [r.folder for r in kinds[0].reports] == [
        "backtest-20231114T221322Z-2", "backtest-20231114T221322Z",
    ]  # fmt: skip
    assert kinds[2].reports[0].market == "simulated"
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    links = re.findall(r'href="([^"#]+)"', page)
    assert len(links) == 4 + 3
    assert all((tmp_path / link).is_file() for link in links)
    assert "&lt;stress 1&gt;" in page


def test_index_when_a_report_is_broken_or_strange_then_it_is_listed_or_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = written(tmp_path, "backtest")
    (folder / "report.json").write_text('{"run": [', encoding="utf-8")
    (tmp_path / "backtest-of-mine").mkdir()
    (tmp_path / "stress-20231114T221320Z").write_text("a file", encoding="utf-8")
    (tmp_path / "maker-20231114T221320Z").mkdir()  # older than its numbers, or cleared
    listed = {k.kind: k.reports for k in listed_reports(tmp_path)}
    assert list(listed) == ["backtest", "maker"]
    assert listed["backtest"][0].title == listed["maker"][0].headline == "–"
    assert f"{folder.name}/report.json cannot be read" in caplog.text
    assert "backtest-20231114T221320Z/index.html" in index_page(tmp_path)
    assert report_folders(tmp_path / "nowhere") == []


def test_reports_when_written_by_several_at_once_then_none_is_missing_anywhere(
    tmp_path: Path,
) -> None:
    kinds = ("backtest", "stress", "compare")
    running = [
        subprocess.Popen([sys.executable, "-c", WRITE, kind, str(tmp_path)]) for kind in kinds
    ]
    assert [process.wait(timeout=120) for process in running] == [0, 0, 0]
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    for kind in kinds:
        assert len(report_folders(tmp_path, kind)) == 8
        assert len(set(re.findall(rf"{kind}-[0-9]+T[0-9]+Z(?:-[0-9]+)?", page))) == 8
        assert (tmp_path / f"latest-{kind}" / "report.json").is_file()
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_report_when_a_link_is_no_link_then_the_report_stands_and_it_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "latest").mkdir()
    (tmp_path / "latest" / "mine.txt").write_text("kept", encoding="utf-8")
    folder = written(tmp_path, "backtest")
    assert (folder / "index.html").is_file()
    assert "latest is no link; move it away" in caplog.text
    assert (tmp_path / "latest" / "mine.txt").read_text() == "kept"


def test_report_when_the_list_cannot_be_made_then_the_report_stands_and_it_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_: Path) -> str:
        raise OSError("No space left on device")

    index: Callable[[Path], str] = full
    with caplog.at_level(logging.WARNING):
        folder = write_folder("stress", {"a.txt": "a"}, tmp_path, SECOND, index)
    assert (folder / "a.txt").read_text() == "a"
    assert "not in the list of all: No space left on device" in caplog.text


def test_reports_when_their_folder_cannot_be_written_then_the_error_names_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "reports").write_text("a file", encoding="utf-8")
    with pytest.raises(OSError, match=str(tmp_path / "reports")):
        written(tmp_path / "reports", "backtest")
    assert [path.name for path in tmp_path.iterdir()] == ["reports"]
