"""A day that is typed wrong is refused before anything is read or written."""

from __future__ import annotations

from pathlib import Path

import pytest

from strategies.desk.cli import main


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("compare", "--stop"),
        ("cascades", "--start"),
        ("cascades", "--day"),
        ("exposure", "--start"),
        ("exposure", "--stop"),
        ("maker", "--start"),
        ("maker", "--stop"),
        ("scenarios", "--start"),
        ("scenarios", "--stop"),
    ],
)
@pytest.mark.parametrize("word", ["2024-13-01", "2024-1", "soon", ""])
def test_command_when_a_day_is_none_then_it_is_named_and_nothing_is_written(
    command: str, option: str, word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, option, word, "--userdir", str(tmp_path)])
    assert ended.value.code == 2
    assert f"argument {option}: expected a day YYYY-MM-DD, got {word!r}" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
