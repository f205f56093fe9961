"""What a folder hands to systemd, Docker, git and a person: valid, and every path is real."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from freqtrade.commands.arguments import Arguments

from strategies.account.config_files import config_of_files
from strategies.desk import cli
from strategies.desk.folder.finding import folder_environment
from strategies.desk.folder.settings import judged_settings
from tests.places import ROOT
from tests.test_strategies.desk.folder.conftest import Make

SPACED = "my bot, 2"


@pytest.mark.parametrize("name", ["bot", SPACED])
def test_units_when_systemd_reads_them_then_it_finds_nothing_wrong(
    make: Make, name: str, tmp_path: Path
) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd on this machine")
    copied = tmp_path / "system"  # as into /etc/systemd/system
    shutil.copytree(make(name=name) / "systemd", copied)
    units = sorted(copied.iterdir())
    assert len(units) == 3
    done = subprocess.run(
        [analyze, "verify", *map(str, units)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["bot", SPACED])
def test_units_and_containers_when_read_then_each_runs_a_line_that_its_program_takes(
    make: Make, name: str
) -> None:
    folder = make(name=name)
    lines = []
    for path in (folder / "systemd").iterdir():
        unit = configparser.ConfigParser(interpolation=None)
        unit.optionxform = str  # type: ignore[assignment,method-assign]
        unit.read_string(path.read_text(encoding="utf-8"))
        assert unit["Service"]["EnvironmentFile"] == f"-{folder}/.env"
        lines.append(shlex.split(unit["Service"]["ExecStart"]))
        assert "PrivateTmp" not in unit["Service"]  # locks of an account lie in /tmp
    services = yaml.safe_load((folder / "compose.yaml").read_text(encoding="utf-8"))["services"]
    assert set(services) == {"bot", "watchdog", "collector"}
    for service in services.values():
        assert service["volumes"] == [f"{folder}:{folder}"]
        lines.append([*service["entrypoint"], *service["command"]])
    lines.append(services["watchdog"]["healthcheck"]["test"][1:])
    for program, *words in lines:
        parsed(program, words)
        assert str(folder / "config_live.json") in words


def parsed(program: str, words: list[str]) -> None:
    """Have a program's own parser take its words."""
    if Path(program).name == "freqtrade":
        assert Arguments(words).get_parsed_arg()["command"] == words[0]
    else:
        cli._parser().parse_args(words)


@pytest.mark.parametrize("exchange", ["binance", "loopback"])
def test_page_when_its_commands_are_typed_then_each_program_takes_them_and_paths_are_there(
    make: Make, exchange: str
) -> None:
    folder = make("--exchange", exchange, name=SPACED)
    page = (folder / "README.md").read_text(encoding="utf-8")
    lines = re.findall(r"^```sh\n(.*)\n```$", page, re.MULTILINE)
    assert 5 < len(lines) <= 10
    for line in lines:
        program, *words = shlex.split(line)
        if program.startswith("/"):
            assert Path(program).is_file()
            parsed(program, words)
    named = {Path(word) for line in lines for word in shlex.split(line) if str(folder) in word}
    assert [p for p in named if not p.exists() and p.name not in (".env", "*.service")] == []


def test_environment_when_copied_and_filled_in_then_the_bot_has_it_and_nothing_is_filled_before(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make()
    example = (folder / ".env.example").read_text(encoding="utf-8")
    names = re.findall(r"^#?(FREQTRADE__\w+)=(.*)$", example, re.MULTILINE)
    assert {value for _, value in names} <= {"", "true"}
    filled = re.sub(r"^#?(FREQTRADE__\w+)=$", r"\1=a-value-of-thirty-two-letters-123",
                    example, flags=re.MULTILINE).replace("#FREQ", "FREQ")  # fmt: skip
    for name, _ in names:
        monkeypatch.delenv(name, raising=False)
    (folder / ".env").write_text(filled, encoding="utf-8")
    with folder_environment(folder) as why:
        live = config_of_files([folder / "config_live.json"])
        judged = judged_settings([folder / "config_live.json"], "")
    assert (why, judged.lines) == ("", ())
    assert (
        live["exchange"]["key"] == live["telegram"]["token"] == "a-value-of-thirty-two-letters-123"
    )
    assert live["api_server"]["enabled"] is live["telegram"]["enabled"] is True
    # Copied and not filled in, it changes nothing.
    (folder / ".env").write_text(example, encoding="utf-8")
    with folder_environment(folder):
        assert config_of_files([folder / "config_live.json"])["telegram"]["enabled"] is False


def test_git_when_it_looks_at_the_checkout_then_no_database_of_trades_is_its_business(
    tmp_path: Path,
) -> None:
    shutil.copy(ROOT / ".gitignore", tmp_path)
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    for name in ("tradesv3.sqlite", "tradesv3.sqlite-wal", "tradesv3.dryrun.sqlite-shm"):
        for place in ("", "user_data/", "strategies/"):
            done = subprocess.run([*git, "check-ignore", "-q", f"{place}{name}"], check=False)
            assert done.returncode == 0, f"{place}{name}"
    done = subprocess.run([*git, "check-ignore", "-q", "README.md"], check=False)
    assert done.returncode == 1


def test_git_when_it_looks_at_a_folder_then_state_and_keys_are_not_its_business(
    make: Make,
) -> None:
    folder = make()
    git = ["git", "-C", str(folder)]
    subprocess.run([*git, "init", "-q"], check=True)
    state = ("live.sqlite", "live.sqlite-wal", "live.sqlite-shm", "control/state.json",
             "data/binance/x.feather", "hyperopts/x", ".upgrade.lock")  # fmt: skip
    for name in (".env", "config.json.new", *state):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
        done = subprocess.run([*git, "check-ignore", "-q", name], check=False)
        assert done.returncode == 0, name
    done = subprocess.run([*git, "check-ignore", "-q", "config.json"], check=False)
    assert done.returncode == 1
