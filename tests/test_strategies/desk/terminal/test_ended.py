"""Ctrl-C ends what a command has started, and what that has started, within seconds."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path

import psutil
import pytest

from strategies.desk.backtests import demo
from tests.test_strategies.desk.terminal.deaf import DEAF


@pytest.mark.parametrize("why", [KeyboardInterrupt, BrokenPipeError])
def test_backtest_when_interrupted_then_nothing_of_it_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: type[BaseException]
) -> None:
    program = tmp_path / "deaf.py"
    program.write_text(DEAF, encoding="utf-8")
    monkeypatch.setattr(demo, "loopback_exchange", lambda _: nullcontext("http://127.0.0.1:1"))
    told: list[int] = []

    class Terminal:
        """Where a person reads, and presses Ctrl-C once the child is told of."""

        def write(self, line: str) -> None:
            told.append(int(line.split()[1]))
            raise why

    monkeypatch.setattr(sys, "stdout", Terminal())
    command = [sys.executable, str(program), "--datadir", str(tmp_path)]
    with pytest.raises(why):
        demo.run_backtest(command, tmp_path / "log" / "demo.log")
    monkeypatch.undo()
    [child] = told
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE
    mine = psutil.Process().children(recursive=True)
    assert not [one for one in mine if str(program) in " ".join(one.cmdline())]
