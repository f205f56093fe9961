"""`breakwater venues`: its page, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from strategies.desk.cli import main


def test_venues_when_run_then_page_and_tables_are_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["venues", "--fall-minutes", "5", "--userdir", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "| nothing | 1.00 | 0.9" in said
    folder = tmp_path / "reports" / "latest-venues"
    report = json.loads((folder / "report.json").read_text())
    assert report["run"]["market"].startswith("a fall of 6 % in 5 min")
    assert (folder / "table.md").read_text() in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--fall-frac", "1.2"], "expected a fall in (0, 1)"),
        (["--fall-minutes", "90"], "within 60 min"),
        (["--fall-minutes", "nan"], "expected a number > 0"),
    ],
)
def test_venues_when_asked_for_what_cannot_be_then_it_is_refused(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: object = main(["venues", *words, "--userdir", str(tmp_path)])
    except SystemExit as left:
        code = left.code
    assert code == 2
    assert said in capsys.readouterr().err
