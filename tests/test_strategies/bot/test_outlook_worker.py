"""What the outlook's process answers: `what-if`'s figures, of what was known, or why none."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.base.errors import InputError
from models.base.types import Candles
from models.operate.control.outlook import Outlook, outlook_from
from strategies.bot.market_data import load_checked
from strategies.bot.outlook import launch_worker
from strategies.bot.outlook_request import OutlookRequest, write_request
from strategies.bot.outlook_worker import REFUSED, compute_outlook
from strategies.desk.cli import main
from tests.places import ROOT
from tests.test_models.operate.control.outlooks import HOUR_MS
from tests.test_strategies.bot.outlook_world import BTC, FEW, LTC, request, write_market

TOLD = 300.0  # seconds a loaded machine may take


@pytest.fixture(scope="module")
def datadir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_market(tmp_path_factory.mktemp("market") / "simulated")


@pytest.fixture(scope="module")
def found(datadir: Path) -> Outlook:
    return compute_outlook(request(datadir, {LTC: 2.0}), {})


def test_outlook_when_what_if_is_asked_the_same_then_the_figures_are_the_same(
    datadir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["what-if", "--open", "LTC long 6x", "--hedge", "0.5", "--data", str(datadir),
          "--userdir", str(tmp_path), "--engine", "bootstrap", "--paths", "4000", "--seed", "5",
          "--json"])  # fmt: skip
    said = json.loads(capsys.readouterr().out)
    # What opening has cost is gone from an account that is open.
    for pairs, costs, one in (
        ({LTC: 6.0}, 6.0, said["accounts"][0]), ({LTC: 6.0, BTC: -3.0}, 9.0, said["accounts"][1])
    ):  # fmt: skip
        asked = replace(FEW, paths=4_000, seed=5)
        held = request(datadir, pairs, asked=asked, equity_quote=1_000.0 - costs)
        found = compute_outlook(held, {})
        assert said["levels"] == list(found.levels)
        assert said["until_ms"] == found.until_ms
        for k, horizon in enumerate(found.horizons):
            assert horizon.days == said["horizons_days"][k]
            assert horizon.equity == pytest.approx(one["equity"][k], rel=1e-12)
            assert horizon.mean == pytest.approx(one["mean"][k], rel=1e-12)
            assert horizon.worst_1 == pytest.approx(one["worst_1"][k], rel=1e-12)
            assert horizon.worst_01 == one["worst_01"][k] is None  # 4 paths are no tail
            assert vars(horizon.liquidated) == one["liquidated"][k]
            assert vars(horizon.liquidated_at_closes) == one["liquidated_at_closes"][k]
        assert found.distance == pytest.approx(one["distance"], rel=1e-9)
        assert one["liquidated"][2]["share"] > 0  # or the half of it would compare nothing
        other = compute_outlook(replace(held, asked=replace(asked, seed=6)), {})
        assert other.horizons != found.horizons  # control: another seed is told apart


def test_sizes_when_one_is_what_is_held_then_its_chance_is_the_accounts(datadir: Path) -> None:
    found = compute_outlook(request(datadir, {LTC: 5.0}), {})
    assert found.leverage == pytest.approx(5.0)
    at = {size.leverage: [odds.share for odds in size.liquidated] for size in found.by_leverage}
    assert at[5.0] == [one.liquidated.share for one in found.horizons]
    assert 0 <= at[1.0][2] < at[5.0][2] < at[20.0][2]


def test_outlook_when_what_comes_later_is_altered_then_it_is_the_same(
    datadir: Path, tmp_path: Path
) -> None:
    whole = request(datadir, {LTC: 2.0})
    early = replace(whole, until_ms=whole.until_ms - 100 * HOUR_MS)
    altered = tmp_path / "altered"
    shutil.copytree(datadir, altered)
    for path in (altered / "futures").glob("LTC*"):
        frame = pd.read_feather(path)
        later = frame["date"].astype("datetime64[ms, UTC]").astype("int64") >= early.until_ms
        values = [name for name in frame.columns if name != "date"]
        frame.loc[later, values] = frame.loc[later, values] * 1.5
        frame.to_feather(path)
    there = replace(early, datadir=str(altered))
    assert compute_outlook(there, {}) == compute_outlook(early, {})
    # Control: what is known makes a difference, in the same files.
    known = replace(there, until_ms=whole.until_ms)
    assert compute_outlook(known, {}).horizons != compute_outlook(whole, {}).horizons


def test_outlook_when_the_bot_has_newer_candles_then_they_count_and_the_files_before_them(
    datadir: Path, tmp_path: Path, found: Outlook
) -> None:
    cut = tmp_path / "cut"
    shutil.copytree(datadir, cut)
    (path,) = (cut / "futures").glob("LTC*1h-futures.feather")
    pd.read_feather(path).iloc[:-200].reset_index(drop=True).to_feather(path)
    newest = load_checked(datadir, LTC, "1h").cut(slice(-300, None))
    asked = replace(request(datadir, {LTC: 2.0}), datadir=str(cut))
    joined = compute_outlook(asked, {LTC: newest})
    assert joined == found
    assert joined.notes == ()
    gap = compute_outlook(asked, {LTC: newest.cut(slice(150, None))})
    assert gap.notes == ("1 gaps, 51 candles left out",)


def test_outlook_when_the_bot_trades_shorter_candles_then_whole_hours_count(
    datadir: Path, tmp_path: Path
) -> None:
    hours = load_checked(datadir, LTC, "1h")
    quarter_ms = HOUR_MS // 4
    quarters = Candles(
        time_ms=(hours.time_ms[:, None] + quarter_ms * np.arange(4)).ravel(),
        open=np.repeat(hours.open, 4), volume=np.repeat(hours.volume, 4),
        # The second quarter has the hour's extremes, the last one its close.
        high=np.column_stack([hours.open, hours.high, hours.open, hours.high]).ravel(),
        low=np.column_stack([hours.open, hours.low, hours.open, hours.low]).ravel(),
        close=np.column_stack([hours.open, hours.open, hours.open, hours.close]).ravel(),
    )  # fmt: skip
    asked = request(datadir, {LTC: 2.0}, datadir=str(tmp_path))
    short = replace(asked, timeframe="15m")
    whole = compute_outlook(asked, {LTC: hours})
    assert compute_outlook(short, {LTC: quarters}) == whole
    assert whole.notes == (f"{LTC}: no funding known, taken as none paid",)
    begun = replace(short, until_ms=asked.until_ms - quarter_ms)  # an hour is not over
    assert compute_outlook(begun, {LTC: quarters}).until_ms == whole.until_ms - HOUR_MS


def test_outlook_when_a_coin_has_few_candles_then_it_is_named(datadir: Path) -> None:
    newest = load_checked(datadir, LTC, "1h").cut(slice(-500, None))
    nowhere = request(datadir, {BTC: 1.0, LTC: 1.0}, datadir="/nonexistent")
    known = load_checked(datadir, BTC, "1h")
    with pytest.raises(InputError, match=rf"at least 1001 candles of {LTC}, got 500, from 2022-"):
        compute_outlook(nowhere, {BTC: known, LTC: newest})
    with pytest.raises(InputError, match=rf"at least 1001 candles of {LTC}, got 0"):
        compute_outlook(nowhere, {BTC: known})


def test_outlook_when_the_account_is_lost_already_then_it_is_refused(datadir: Path) -> None:
    lost = request(datadir, {LTC: 2.0}, equity_quote=1.0)
    with pytest.raises(InputError, match="liquidated before any path begins"):
        compute_outlook(lost, {})


# -- as a process ---------------------------------------------------------------------------


def answered(asked: OutlookRequest, **newest: Candles) -> tuple[int, Any]:
    """Return the exit status and the answer of a process that was asked this."""
    with tempfile.TemporaryFile() as asks, tempfile.TemporaryFile() as answers:
        write_request(asks, asked, newest)
        asks.seek(0)
        status = launch_worker(asks, answers).wait(TOLD)
        answers.seek(0)
        return status, json.loads(answers.read())


def test_process_when_it_is_asked_then_it_answers_as_the_function_does(
    datadir: Path, found: Outlook
) -> None:
    status, said = answered(request(datadir, {LTC: 2.0}))
    assert status == 0
    assert outlook_from(said) == found


def test_process_when_there_is_no_outlook_then_it_says_why(datadir: Path) -> None:
    status, said = answered(request(datadir, {LTC: 2.0}, datadir="/nonexistent"))
    assert status == REFUSED
    assert said["problem"].startswith(f"expected at least 1001 candles of {LTC}, got 0")


def test_process_when_the_engine_is_not_installed_then_it_says_what_to_install(
    datadir: Path,
) -> None:
    code = (
        "import sys, importlib.abc\n"
        "class Missing(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name.partition('.')[0] == 'arch':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "from strategies.bot.outlook_worker import run_worker\n"
        "run_worker()\n"
    )
    with tempfile.TemporaryFile() as asks:
        write_request(asks, request(datadir, {LTC: 2.0}, asked=replace(FEW, engine="filtered")), {})
        asks.seek(0)
        done = subprocess.run([sys.executable, "-c", code], stdin=asks, capture_output=True,
                              cwd=ROOT, check=False, timeout=TOLD)  # fmt: skip
    assert done.returncode == REFUSED
    assert json.loads(done.stdout)["problem"] == (
        "it needs arch, which is not installed: pip install 'breakwater[tails]', or "
        "breakwater.outlook.engine: bootstrap"
    )


def test_process_when_it_lacks_memory_then_it_says_so_and_nothing_else_suffers(
    datadir: Path,
) -> None:
    code = (
        "from strategies.bot import outlook_worker as worker\n"
        "worker._limit(1 << 24, 100)\n"
        "worker._answer(lambda: bytearray(1 << 30))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT,
                          check=False, timeout=TOLD)  # fmt: skip
    assert done.returncode == REFUSED
    assert "more memory than breakwater.outlook.memory_mib" in json.loads(done.stdout)["problem"]


def test_process_when_the_bot_is_killed_then_it_ends_too() -> None:
    child = (
        "import os, threading, time; from strategies.bot.outlook_worker import end_with\n"
        "threading.Thread(target=end_with, args=(os.getppid(), 3600.0), daemon=True).start()\n"
        "print('working', flush=True)\n"
        "while True: time.sleep(60)"
    )
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, cwd=ROOT) as bot:
        assert bot.stdout is not None
        assert bot.stdout.readline() == b"working\n"
        os.kill(bot.pid, signal.SIGKILL)
        bot.stdout.read()  # ends when nobody holds it any more: the child does


def test_process_when_it_takes_too_long_then_it_ends_itself() -> None:
    code = (
        "import os; from strategies.bot.outlook_worker import end_with; end_with(os.getppid(), 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, timeout=TOLD)
    assert done.returncode == -signal.SIGKILL
