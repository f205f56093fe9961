"""`breakwater doctor DIR`: what a stage lacks, by name and with its cure, and nothing besides."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.operate.control.commands import CONTROL_FOLDER, Commands
from models.operate.control.home import LEASE_FILE
from models.operate.control.state import Person
from models.operate.control.watch_sign import sign_watch
from strategies.account.acknowledgement import leverage_digest
from strategies.account.config_files import config_of_files
from strategies.desk.backtests.simulated_data import write_simulated
from strategies.desk.cli import main
from strategies.desk.folder import around as folder_around
from tests.places import ROOT
from tests.test_strategies.desk.folder.conftest import Make


@contextmanager
def serving(folder: Path) -> Iterator[None]:
    """Serve the exchange of a folder as a person does, until the end."""
    command = [sys.executable, "-m", "strategies.desk.cli", "exchange", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as exchange:
        assert exchange.stdout is not None
        try:
            assert "next, in another terminal: " in exchange.stdout.readline()
            assert "loopback exchange on https://127.0.0.1:" in exchange.stdout.readline()
            yield
        finally:
            exchange.terminate()


def lacking(out: str) -> set[str]:
    """Return what the doctor says is not there."""
    return set(re.findall(r"^  no    (\w+): ", out, re.MULTILINE))


def test_stages_when_looked_at_one_after_the_other_then_each_is_ready_when_all_is_there(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make("--style", "hedge", "--exchange", "loopback")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert main(["doctor", str(folder)]) == 1
    out = capsys.readouterr().out
    assert lacking(out) == {"exchange", "acknowledgement", "watchdog"}
    after = {p: p.stat().st_mtime_ns for p in folder.rglob("*") if "__pycache__" not in p.parts}
    assert {k: v for k, v in after.items() if k.is_file()} == {
        k: v for k, v in before.items() if k.is_file()
    }, "it only looks"
    assert f"next: in a terminal of its own: {shown(f'exchange {folder}')}" in out
    with serving(folder):
        assert main(["doctor", str(folder)]) == 0
        assert f"--datadir {folder}/candles" in capsys.readouterr().out.splitlines()[-1]
        assert main(["doctor", str(folder), "--stage", "dry-run"]) == 0
        assert capsys.readouterr().out.splitlines()[-1].endswith("config_dry_run.json")
        assert main(["doctor", str(folder), "--stage", "live"]) == 1
        assert lacking(capsys.readouterr().out) == {"acknowledgement", "watchdog"}
        live = config_of_files([folder / "config_live.json"])
        Commands(folder).acknowledge(Person("ann", "test"), leverage_digest(live))
        sign_watch(folder / CONTROL_FOLDER, os.getpid())
        assert main(["doctor", str(folder), "--stage", "live"]) == 0
        out = capsys.readouterr().out
        assert "no other bot of this machine's user trades it" in out
        assert bot_beside(folder, folder) == 0  # its own bot is no other
        assert "bot: runs already" in capsys.readouterr().out
        assert bot_beside(folder.with_name("another"), folder) == 1
        assert "no    account: another bot trades it" in capsys.readouterr().out
        assert "0.0 s" in out or "s behind" in out or "s ahead of" in out  # the clock


def bot_beside(home: Path, looked_at: Path) -> int:
    """Return what the doctor says of a folder while a bot with that home trades its account."""
    holding = (
        "import sys, pathlib\n"
        "from models.operate.control.lease import take_lease\n"
        "from strategies.account.config_files import config_of_files\n"
        "from strategies.account.identity import bot_identity, hold_account\n"
        "hold_account(bot_identity(config_of_files([pathlib.Path(sys.argv[2])])))\n"
        "take_lease(pathlib.Path(sys.argv[1]), 'a bot'); print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    lease = home / CONTROL_FOLDER / LEASE_FILE
    with subprocess.Popen(
        [sys.executable, "-c", holding, str(lease), str(looked_at / "config_live.json")], cwd=ROOT,
        text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as bot:  # fmt: skip
        assert bot.stdout is not None
        assert bot.stdout.readline() == "held\n"
        sign_watch(looked_at / CONTROL_FOLDER, os.getpid())
        return main(["doctor", str(looked_at), "--stage", "live"])


def shown(words: str) -> str:
    """Return a command of the pack's as it is printed here."""
    programs = Path(sys.executable).parent
    on_path = str(programs) in os.environ["PATH"].split(os.pathsep)
    return f"breakwater {words}" if on_path else f"{programs}/breakwater {words}"


def test_doctor_when_it_answers_then_no_line_of_a_log_is_between(make: Make) -> None:
    folder = make("--style", "hedge", "--exchange", "loopback")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    configs = ["--config", str(folder / "config_live.json")]
    accepting = ["acknowledge", *configs, "--userdir", str(folder), "--data", "/nowhere"]
    for words in (["doctor", str(folder)], ["doctor", *configs], accepting):
        done = subprocess.run(
            [sys.executable, "-m", "strategies.desk.cli", *words], cwd=ROOT, env=environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert "INFO" not in said, said
        assert "WARNING" not in said, said
        assert len(said.splitlines()) > 2


def test_candles_when_missing_broken_or_too_short_then_files_and_cure_are_named(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make()
    main(["doctor", str(folder)])
    out = capsys.readouterr().out
    assert "candles" in lacking(out)
    assert f"no such directory: {folder}/data/binance/futures" in out
    assert f"freqtrade download-data --userdir {folder} --config" in out
    short = make("--exchange", "loopback", name="short")  # 150 days for a training on 1460
    main(["doctor", str(short)])
    out = capsys.readouterr().out
    assert "candles" in lacking(out)
    assert "make another folder from a longer --data" in out


def test_candles_when_half_of_what_is_trained_on_is_there_then_the_backtest_is_made_for_that(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = datetime(2021, 1, 1, tzinfo=UTC)
    data = write_simulated(tmp_path / "longer", start=start, days=900)
    folder = make("--exchange", "loopback", "--data", str(data))
    main(["doctor", str(folder)])
    out = capsys.readouterr().out
    assert "ok    candles: simulated, the backtest 20230322-20230620 has all it reads" in out
    days = config_of_files([folder / "config_backtest.json"])["freqai"]["train_period_days"]
    assert 730 <= days < 900 - 90 - 17


def test_folder_when_damaged_then_no_stage_is_ready_and_nothing_raises(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make("--style", "hedge", "--exchange", "loopback")
    own = folder / "strategies" / "LitecoinHedge.py"
    sound = own.read_text(encoding="utf-8")
    own.write_text("class LitecoinHedge(:\n", encoding="utf-8")
    main(["doctor", str(folder)])
    out = capsys.readouterr().out
    assert {"classes", "settings"} <= lacking(out)
    assert "yours: strategies/LitecoinHedge.py" in out
    own.write_text(sound, encoding="utf-8")
    (folder / "config.json").write_text("{", encoding="utf-8")
    assert main(["doctor", str(folder)]) == 1
    assert lacking(capsys.readouterr().out) == {"configs"}
    (folder / "config.json").unlink()
    assert main(["doctor", str(folder)]) == 1
    out = capsys.readouterr().out
    assert lacking(out) == {"folder"}
    assert "without config.json" in out
    assert main(["upgrade", str(folder)]) == 0
    assert (folder / "config.json").is_file()
    assert main(["doctor", str(folder / "nowhere")]) == 2
    assert "expected a folder that `breakwater init` made" in capsys.readouterr().err


def test_port_when_it_is_taken_then_who_serves_the_folder_is_named(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make("--style", "hedge", "--exchange", "loopback")
    with serving(folder):
        assert main(["exchange", str(folder)]) == 2
    said = capsys.readouterr().err
    assert f"-m strategies.desk.cli exchange {folder}\n" in said
    assert "cure:  end it, perhaps this very exchange" in said


def test_findings_when_a_program_asks_then_it_reads_what_people_do(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make("--style", "hedge", "--exchange", "loopback")
    assert main(["doctor", str(folder)]) == 1
    people = capsys.readouterr().out
    assert main(["doctor", str(folder), "--json", "--stage", "backtest"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert told["ready"] == {"backtest": False, "dry-run": False, "live": False}
    assert (told["folder"], told["style"], told["stage"]) == (str(folder), "hedge", "backtest")
    assert {one["what"] for one in told["found"] if one["weight"] == "no"} == lacking(people)
    for one in told["found"]:
        assert one["said"].splitlines()[0] in people
    assert people.splitlines()[-1] == f"next: {told['next']}"
    with serving(folder):
        assert main(["doctor", str(folder), "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
    assert told["ok"] is True
    assert told["ready"] == {"backtest": True, "dry-run": True, "live": False}


def test_settings_when_one_would_be_refused_then_trading_is_not_ready_and_the_backtest_may_be(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make("--style", "hedge", "--exchange", "loopback")
    file = folder / "config_live.json"
    text = file.read_text(encoding="utf-8")
    changed = text.replace('"dry_run": false', '"dry_run": false, "margin_mode": "isolated"')
    file.write_text(changed, encoding="utf-8")
    main(["doctor", str(folder), "--stage", "live"])
    out = capsys.readouterr().out
    backtest, dry, live = (
        out.split("\nbacktest:")[1].partition("\ndry-run:")[::2][0],
        *(out.split("\ndry-run:")[1].split("\nlive:")),
    )
    assert "margin_mode" in live
    assert "margin_mode" not in backtest + dry


def test_keys_when_missing_or_read_by_others_then_it_says_so_and_never_shows_them(
    make: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("KEY", "SECRET"):
        monkeypatch.delenv(f"FREQTRADE__EXCHANGE__{name}", raising=False)
    folder = make("--style", "hedge")
    main(["doctor", str(folder), "--stage", "live"])
    out = capsys.readouterr().out
    assert "has FREQTRADE__EXCHANGE__KEY and FREQTRADE__EXCHANGE__SECRET" in out
    environment = folder / ".env"
    environment.write_text("FREQTRADE__EXCHANGE__KEY='planted-key-1'\n"
                           "FREQTRADE__EXCHANGE__SECRET=planted-secret-2\n")  # fmt: skip
    environment.chmod(0o644)
    main(["doctor", str(folder), "--stage", "live"])
    out = capsys.readouterr().out
    assert "ok    keys: key and secret are set" in out
    assert f"cure: chmod 600 {environment}" in out
    assert "planted" not in out
    assert "FREQTRADE__EXCHANGE__KEY" not in os.environ


def test_machine_when_its_disk_is_full_or_an_extra_is_missing_then_no_stage_is_ready(
    make: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make("--style", "position")
    monkeypatch.setattr(folder_around, "_LEAST_FREE_GB", 1e9)
    monkeypatch.setattr(folder_around, "find_spec", lambda name: None if name == "skl2onnx" else 1)
    main(["doctor", str(folder)])
    out = capsys.readouterr().out
    assert {"disk", "extras"} <= lacking(out)
    assert "EnsembleForecaster is trained with skl2onnx" in out
    assert "pip install 'breakwater[train,report]'" in out


def test_exchange_when_served_again_then_the_same_candle_is_at_the_same_time(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a bot has downloaded from a replay fits what it is told after a restart, days later."""
    from strategies.desk import folder_commands as commands
    from strategies.desk.loopback import serving as loopback

    folder = make("--style", "hedge", "--exchange", "loopback")
    seen = []
    monkeypatch.setattr(loopback, "run_exchange", lambda options: seen.append(options) or 0)
    now_ms = time.time_ns() // 1_000_000
    for days in (0, 9):
        monkeypatch.setattr(commands, "wall_clock_ms", lambda days=days: now_ms + days * 86_400_000)
        assert main(["exchange", str(folder)]) == 0
    first, later = seen
    assert (later.start - first.start).days == 9
    assert first.port == later.port != 0
    assert first.data == folder / "candles"


def test_exchange_when_the_folder_is_no_replay_or_more_is_said_then_it_is_refused(
    make: Make, candles: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["exchange", str(make(name="real"))]) == 2
    assert "expected a bot on the loopback exchange" in capsys.readouterr().err
    folder = make("--style", "hedge", "--exchange", "loopback")
    assert main(["exchange", str(folder), "--data", str(candles)]) == 2
    assert "expected the folder alone" in capsys.readouterr().err
    with serving(folder):
        assert main(["exchange", str(folder)]) == 2
        assert "perhaps this very exchange" in capsys.readouterr().err
