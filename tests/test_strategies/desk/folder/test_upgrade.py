"""`breakwater upgrade`: old or new and never half, nobody's change lost, nothing under a bot."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from models.operate.control.commands import CONTROL_FOLDER
from models.operate.control.home import DRY_RUN_HOME, LEASE_FILE
from models.operate.control.watch_sign import sign_watch
from strategies.desk.cli import main
from strategies.desk.folder import create as create
from strategies.desk.folder import record as record
from strategies.desk.folder import upgrade as upgrade
from strategies.desk.folder.record import known_folder
from strategies.desk.terminal.places import pack_version
from tests.places import ROOT
from tests.test_strategies.desk.folder.conftest import Make

OLD, NOW = "0.1.9", pack_version()
RENEWED = ("compose.yaml", "config_live.json")  # of other text in the earlier version
_SCRATCH = re.compile(r"(^|/)\.[^/]+\.new$")
NO_LONGER, NOT_YET = "old-notes.txt", ".gitignore"


@pytest.fixture
def old(make: Make, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as an earlier version would have made it: other texts, one file more, one less."""
    now = create.written_files

    def earlier(*given: object) -> Mapping[str, str]:
        files = dict(now(*given))  # type: ignore[arg-type]
        files |= {name: files[name].replace("live.sqlite", "older.sqlite") for name in RENEWED}
        files["compose.yaml"] = "# the compose file of 0.1.9\n"
        del files[NOT_YET]
        return {**files, NO_LONGER: "notes\n"}

    with monkeypatch.context() as patch:
        patch.setattr(create, "written_files", earlier)
        patch.setattr(record, "pack_version", lambda: OLD)
        return make()


def texts(folder: Path) -> dict[str, str]:
    """Return what people and bots read: no backup, no plan, no lock."""
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] not in
        ("backup", ".upgrade", ".upgrade.draft", ".upgrade.lock")
    }  # fmt: skip


def test_upgrade_when_nothing_was_touched_then_the_folder_is_as_init_makes_it_now(
    old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = texts(old)
    assert main(["upgrade", str(old)]) == 0
    out = capsys.readouterr().out
    assert f"from {OLD} to {NOW}" in out
    assert f"no longer used, removed: {NO_LONGER}" in out
    assert "next: " in out
    after = texts(old)
    _, kept = known_folder(old)
    assert kept.version == NOW
    assert set(after) == set(kept.files) | {"breakwater.json"}
    assert all(record.digest_of(after[name].encode()) == kept.files[name] for name in kept.files)
    (backup,) = (old / "backup").iterdir()
    assert texts(backup) == before
    assert main(["upgrade", str(old)]) == 0
    assert f"is of version {NOW} already" in capsys.readouterr().out
    assert len(list((old / "backup").iterdir())) == 1


def test_upgrade_when_a_person_changed_files_then_theirs_stay_and_what_to_merge_is_named(
    old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("config_live.json", "README.md", NO_LONGER, "strategies/BitcoinCrossMargin.py"):
        with (old / name).open("a", encoding="utf-8") as file:
            file.write("\n")
    mine = texts(old)
    assert main(["upgrade", str(old)]) == 0
    out = capsys.readouterr().out
    assert "yours, kept: config_live.json; merge what is new in config_live.json.new" in out
    assert "README.md" not in out  # this version's is what the earlier one wrote
    after = texts(old)
    for name in ("config_live.json", "README.md", NO_LONGER, "strategies/BitcoinCrossMargin.py"):
        assert after[name] == mine[name]
    assert "live.sqlite" in json.loads(after["config_live.json.new"])["db_url"]
    (old / "config_live.json.new").unlink()  # merged
    assert main(["upgrade", str(old)]) == 0
    assert "already" in capsys.readouterr().out
    assert not (old / "config_live.json.new").exists()


def test_upgrade_when_the_folder_was_moved_then_its_configs_name_the_new_place(
    old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = old.with_name("moved")
    shutil.move(old, moved)
    assert main(["doctor", str(moved)]) == 1
    assert f"made at {old}" in capsys.readouterr().out
    assert main(["upgrade", str(moved)]) == 0
    assert str(old) + "/" not in "".join(texts(moved).values())
    assert known_folder(moved)[1].folder == str(moved)


def test_upgrade_when_reached_through_a_link_then_paths_stay_those_it_was_made_with(
    old: Path,
) -> None:
    link = old.with_name("link")
    link.symlink_to(old)
    assert main(["upgrade", str(link)]) == 0
    assert known_folder(link)[0] == old
    assert str(link) not in "".join(texts(old).values())


@pytest.mark.parametrize("home", ["", DRY_RUN_HOME])
def test_upgrade_when_a_bot_or_a_watchdog_runs_then_it_is_refused_and_nothing_changes(
    old: Path, home: str, capsys: pytest.CaptureFixture[str]
) -> None:
    control = old / home / CONTROL_FOLDER
    control.mkdir(parents=True)
    before = texts(old)
    holding = (
        "import sys, pathlib; from models.operate.control.lease import take_lease;"
        "take_lease(pathlib.Path(sys.argv[1]), 'a bot of old'); print('held', flush=True);"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holding, str(control / LEASE_FILE)], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as bot:  # fmt: skip
        assert bot.stdout is not None
        assert bot.stdout.readline() == "held\n"
        assert main(["upgrade", str(old)]) == 2
        error = capsys.readouterr().err
        assert "a bot of old" in error
        assert "cure:" in error
    (control / LEASE_FILE).unlink()
    assert texts(old) == before
    sign_watch(control, os.getpid())
    assert main(["upgrade", str(old)]) == 2
    assert "a watchdog of the" in capsys.readouterr().err


def test_upgrade_when_killed_anywhere_then_each_file_is_old_or_new_and_the_next_one_ends_it(
    old: Path, tmp_path: Path
) -> None:
    """Killed before each call that changes a file, one after the other until none is left."""
    with (old / "config_live.json").open("a", encoding="utf-8") as file:
        file.write("\n")
    before = texts(old)
    whole = tmp_path / "whole"
    shutil.copytree(old, whole)
    assert killed_at(0, old) is False
    after = texts(old)
    shutil.move(old, tmp_path / "done")
    calls = 0
    while True:
        calls += 1
        shutil.copytree(whole, old)
        if not killed_at(calls, old):
            break
        # What is being written has another name until it is whole.
        found = {name: text for name, text in texts(old).items() if not _SCRATCH.search(name)}
        for name, text in found.items():
            assert text in (before.get(name), after.get(name)), (calls, name)
        assert set(before) & set(after) <= set(found), calls
        if not (old / ".upgrade").is_dir() and known_folder(old)[1].version == OLD:
            assert found == before, calls  # it did not count yet
        assert main(["upgrade", str(old)]) == 0
        assert texts(old) == after, calls
        shutil.rmtree(old)
    assert calls > 20


def killed_at(call: int, folder: Path) -> bool:
    """Upgrade in a process that ends itself at its `call`-th change of a file; was it killed?"""
    child = os.fork()
    if child == 0:
        left = [call]

        def dying(function: Callable[..., object]) -> Callable[..., object]:
            def counted(*words: object, **more: object) -> object:
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*words, **more)

            return counted

        for name in ("replace", "rename", "unlink", "mkdir", "rmdir"):
            setattr(os, name, dying(getattr(os, name)))
        os._exit(upgrade.run_upgrade(folder))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL)
    return code != 0


def test_doctor_when_an_upgrade_was_interrupted_then_no_stage_is_ready(
    old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (old / ".upgrade").mkdir()
    assert main(["doctor", str(old)]) == 1
    assert "an upgrade of it was interrupted" in capsys.readouterr().out
    assert main(["upgrade", str(old)]) == 2  # nobody's plan: nothing is made up
    assert "broken" in capsys.readouterr().err


def test_upgrade_when_another_runs_then_it_waits_for_nobody_and_says_so(
    old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from models.base.files import locked

    with locked(old / ".upgrade.lock"):
        assert main(["upgrade", str(old)]) == 2
    assert "another process holds the lock" in capsys.readouterr().err
