"""The outlook's file is read as it was written or refused, and no figure is shown as newer than it
is."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from models.base.errors import InputError
from models.operate.control.commands import Commands
from models.operate.control.heartbeat import Heartbeat, beat, last_beat
from models.operate.control.outlook import (
    LATE_MS,
    OUTLOOK_FILE,
    outlook_from,
    read_outlook,
    write_outlook,
)
from models.operate.control.outlook_text import outlook_lines, outlook_values
from tests.test_models.operate.control.outlooks import HOUR_MS, UNTIL_MS, outlook

NOW_MS = UNTIL_MS + 120_000
ALIVE = Heartbeat(time_ms=NOW_MS, pid=7, loop=9, outlook="")


def test_file_when_written_then_it_is_read_as_it_was(tmp_path: Path) -> None:
    assert read_outlook(tmp_path) is None
    write_outlook(tmp_path, outlook())
    assert read_outlook(tmp_path) == outlook()
    assert [path.name for path in tmp_path.iterdir()] == [OUTLOOK_FILE]


@pytest.mark.parametrize(
    "change",
    [
        {"paths": "many"},
        {"time_ms": 1.5},
        {"engine_passed": "no"},
        {"equity_quote": None},
        {"horizons": []},
        {"levels": [0.5]},
        {"distance": [0.1]},
        {"positions": [{"pair": "LTC/USDT:USDT"}]},
        {"by_leverage": [{"leverage": 1.0, "liquidated": []}]},
        {"another": 1},
    ],
)
def test_file_when_it_is_no_outlook_then_it_is_refused(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    sound = json.loads(json.dumps(asdict(outlook())))
    assert outlook_from(sound) == outlook()
    (tmp_path / OUTLOOK_FILE).write_text(json.dumps(sound | change), encoding="utf-8")
    with pytest.raises(InputError, match="expected an outlook"):
        read_outlook(tmp_path)
    (line,) = outlook_lines(tmp_path, ALIVE, NOW_MS)
    assert line.startswith("no outlook of this account: its file cannot be read: expected")


def test_lines_when_the_outlook_is_of_now_then_all_of_it_is_told_and_what_it_is_of(
    tmp_path: Path,
) -> None:
    write_outlook(tmp_path, outlook())
    first, *rest = outlook_lines(tmp_path, ALIVE, NOW_MS)
    assert first == (
        "outlook of this account, were nobody to act: 10,000 paths of the engine 'mixture' (seed "
        "0), which has not passed its tests as a forecast; equity 1,000 as of "
        "2023-11-14T22:01:00.000Z, candles until 2023-11-14T22:00:00.000Z"
    )
    assert rest == [
        *(
            f"in {days} d: equity 838 to 1,080 on half of all paths, 120 on the worst 1 % and not "
            "told on the worst 0.1 % (means); liquidated 2.03% (1.76 to 2.33)"
            for days in (1, 3, 7)
        ),
        "least distance to liquidation on the way: 45.5% on the middle path, 20.5% on the worst "
        "5 %",
        "liquidated within 7 d at other sizes (now 2.00x): 1x 2.03%, 3x 2.03%",
        "note: 12 gaps, 14 candles left out",
    ]
    values = outlook_values(tmp_path, ALIVE, NOW_MS)
    assert values["why"] is None
    assert values["horizons"][2]["liquidated"] == {"share": 0.0203, "low": 0.0176, "high": 0.0233}
    write_outlook(tmp_path, outlook(simulated=True, engine_passed=True))
    first, second, *_ = outlook_lines(tmp_path, ALIVE, NOW_MS)
    assert "not passed" not in first
    assert second.startswith("SIMULATED candles")


@pytest.mark.parametrize(
    ("sign", "now_ms", "said"),
    [
        (ALIVE, UNTIL_MS + HOUR_MS + LATE_MS + 1, "it is old: equity 1,000 as of 2023-11-14T22:01"),
        (replace(ALIVE, outlook="the account has changed since"), NOW_MS, "the account has change"),
        (ALIVE, NOW_MS + 30_001, "the bot does not run, and what it holds now is not known; the "
                                 "last was of equity 1,000 as of 2023-11-14T22:01"),
        (replace(ALIVE, stopped="/stop"), NOW_MS, "the bot does not run"),
    ],
)  # fmt: skip
def test_lines_when_it_is_not_of_now_then_no_figure_of_it_is_shown_and_why(
    tmp_path: Path, sign: Heartbeat, now_ms: int, said: str
) -> None:
    write_outlook(tmp_path, outlook())
    sign = replace(sign, time_ms=now_ms if now_ms > UNTIL_MS + HOUR_MS else sign.time_ms)
    (line,) = outlook_lines(tmp_path, sign, now_ms)
    assert line.startswith(f"no outlook of this account: {said}")
    assert "liquidated" not in line
    values = outlook_values(tmp_path, sign, now_ms)
    assert values.keys() == {"why"}
    assert values["why"].startswith(said)


def test_lines_when_it_is_not_yet_old_then_it_is_shown(tmp_path: Path) -> None:
    write_outlook(tmp_path, outlook())
    last_ms = UNTIL_MS + HOUR_MS + LATE_MS
    assert len(outlook_lines(tmp_path, replace(ALIVE, time_ms=last_ms), last_ms)) == 7


@pytest.mark.parametrize("sign", [None, replace(ALIVE, outlook=None)])
def test_lines_when_no_bot_says_anything_of_it_then_nothing_is_shown(
    tmp_path: Path, sign: Heartbeat | None
) -> None:
    write_outlook(tmp_path, outlook())
    assert outlook_lines(tmp_path, sign, NOW_MS) == []
    assert outlook_values(tmp_path, sign, NOW_MS) == {"why": "no bot has said anything of it"}


def test_lines_when_the_file_is_gone_then_that_is_said(tmp_path: Path) -> None:
    (line,) = outlook_lines(tmp_path, ALIVE, NOW_MS)
    assert line.startswith("no outlook of this account: its file is gone")


def test_risk_when_a_bot_keeps_an_outlook_then_it_stands_in_it_and_a_new_bot_shows_none(
    tmp_path: Path,
) -> None:
    commands = Commands(tmp_path, lambda: NOW_MS)
    write_outlook(commands.store.folder, outlook())
    beat(commands.store.folder, ALIVE)
    found = last_beat(commands.store.folder)
    assert found is not None
    assert found.outlook == ""
    assert "\nin 7 d: equity 838 to 1,080" in commands.risk().text
    # Who answers in a bot that has not looped yet: what was held before may be held no more.
    fresh = Commands(tmp_path, lambda: NOW_MS + 1, obstacles=list)
    assert "outlook" not in fresh.risk().text
    found = fresh.last_beat()
    assert found is not None
    assert found.outlook is None
