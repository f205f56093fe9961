"""Each service of the compose file, as its own command, where it may write nothing but its data."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from strategies.desk.loopback.venue import LoopbackVenue
from strategies.desk.watch import units
from tests.base_install import trading_machine
from tests.container_rules import services
from tests.places import USER_DATA
from tests.test_integration.contained import NOBODY, contained, why_not_from, why_not_here, words
from tests.test_integration.running import KEY, SECRET, RunningProcess
from tests.test_integration.served_bot import configuration, venue_of_minutes

SERVICES = services((resources.files(units) / "compose.yaml").read_text(encoding="utf-8"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(why_not_here()), reason=why_not_here() or "it can be contained"),
]


@pytest.fixture
def deployed() -> Iterator[Path]:
    """A folder outside /tmp, which is another one in there, with what people put into it."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))
    (folder / "user_data").mkdir()
    for config in USER_DATA.glob("config_*.json"):
        shutil.copy(config, folder / "user_data")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def venue(tmp_path: Path) -> LoopbackVenue:
    return venue_of_minutes(tmp_path)


def settle(folder: Path, programs: Path, url: str) -> None:
    """Lead the shipped configs to the loopback exchange, and give all to the other user."""
    (site,) = programs.parent.glob("lib/*/site-packages")
    mine = configuration(url, folder, training="elsewhere")
    for name in ("add_config_files", "strategy", "freqaimodel", "db_url"):
        del mine[name]
    mine |= {
        "strategy_path": str(site / "strategies"),
        "freqaimodel_path": str(site / "freqaimodels"),
    }
    path = folder / "user_data" / "config_serve.json"
    path.write_text(json.dumps(mine), encoding="utf-8")
    for one in (folder, *folder.rglob("*")):
        os.chown(one, int(NOBODY), int(NOBODY))


def run(folder: Path, programs: Path, line: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end in there."""
    return subprocess.run(
        words(folder, line), cwd="/", env=environment(programs), capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def environment(programs: Path) -> dict[str, str]:
    return {
        "PATH": f"{programs}:/usr/bin:/bin", "HOME": "/nonexistent", "COLUMNS": "1000",
        "FREQTRADE__EXCHANGE__KEY": KEY, "FREQTRADE__EXCHANGE__SECRET": SECRET,
        "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "ignore:Unverified HTTPS request",
    }  # fmt: skip


def line(name: str, programs: Path) -> list[str]:
    """Return the command of a service, with the program's own place."""
    service: Any = SERVICES[name]
    (program,) = service["entrypoint"]
    if program == "freqtrade":  # its library is borrowed, its program is not
        return [str(programs / "python"), "-m", program, *service["command"]]
    return [str(programs / program), *service["command"]]


class Service(RunningProcess):
    """A service that runs in there until the block ends."""

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(60)


def started(name: str, folder: Path, programs: Path, logs: Path) -> Service:
    log = logs / f"{name}.log"
    with log.open("wb") as file:
        process = contained(folder)(
            line(name, programs), env=environment(programs), stdout=file, stderr=file
        )
    return Service(folder, process, log)


def healthy(name: str, folder: Path, programs: Path) -> int:
    """Return the exit status of a service's health check."""
    kind, *test = SERVICES[name]["healthcheck"]["test"]
    words_of = (
        ["bash", "-c", *test] if kind == "CMD-SHELL" else [str(programs / test[0]), *test[1:]]
    )
    return run(folder, programs, words_of).returncode


def test_container_when_something_else_is_written_then_it_cannot_be(
    deployed: Path, tmp_path: Path
) -> None:
    os.chown(deployed, int(NOBODY), int(NOBODY))
    done = {
        place: run(deployed, tmp_path, ["bash", "-c", f"touch {place}/x"]).returncode == 0
        for place in (deployed, "/tmp", "/etc", "/dev/shm", "/var/tmp", "/root")
    }
    assert [str(place) for place, wrote in done.items() if wrote] == [
        str(deployed),
        "/tmp",
        "/dev/shm",
    ]
    assert run(deployed, tmp_path, ["id", "-u"]).stdout == f"{NOBODY}\n"


def test_container_when_a_folder_is_covered_there_then_it_cannot_be_read_and_that_is_said(
    deployed: Path, tmp_path: Path
) -> None:
    os.chown(deployed, int(NOBODY), int(NOBODY))
    with tempfile.TemporaryDirectory(dir="/tmp") as covered:
        for place in (Path(covered), deployed):
            seen = run(deployed, tmp_path, ["bash", "-c", f"test -d {place}"]).returncode == 0
            assert seen is not bool(why_not_from(place)), place
        assert why_not_from(Path(covered)).startswith(f"{covered} is not to be seen")


def test_services_when_run_as_nobody_on_a_read_only_root_then_each_works_and_is_healthy(
    deployed: Path, tmp_path: Path, url: str
) -> None:
    programs = moved(trading_machine(tmp_path), deployed.parent)
    try:
        settle(deployed, programs, url)
        for name in SERVICES:
            assert healthy(name, deployed, programs) != 0, name  # nothing runs yet
        with started("bot", deployed, programs, tmp_path) as bot:
            bot.wait_for(lambda: "state to: RUNNING" in bot.log(), "a bot that runs")
            bot.wait_for(lambda: not healthy("bot", deployed, programs), "a healthy bot")
            bot.wait_for(lambda: "nothing is trained here" in bot.log(), "no training")
            with started("watchdog", deployed, programs, tmp_path) as dog:
                dog.wait_for(lambda: "watching" in dog.log(), "a watchdog that looks")
                dog.wait_for(lambda: not healthy("watchdog", deployed, programs), "its health")
            with started("collector", deployed, programs, tmp_path) as collector:
                collector.wait_for(lambda: "collecting into" in collector.log(), "a collector")
            for service in (bot, dog, collector):
                assert "Read-only file system" not in service.log()
                assert "Permission denied" not in service.log()
    finally:
        shutil.rmtree(programs.parent)


def moved(programs: Path, where: Path) -> Path:
    """Return the environment at a place that is the same in there; /tmp is another one."""
    home = Path(tempfile.mkdtemp(dir=where))
    shutil.copytree(programs.parent, home, symlinks=True, dirs_exist_ok=True)
    for script in (home / "bin").iterdir():
        if script.is_file() and not script.is_symlink():
            text = script.read_bytes()
            script.write_bytes(text.replace(str(programs.parent).encode(), str(home).encode()))
    home.chmod(0o755)
    return home / "bin"
