"""What a shell completes: tried in a real bash, and in zsh and fish where they are installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from strategies.desk.cli import main

ASK = """
source "$1"
COMP_WORDS=(breakwater {words}) COMP_CWORD={last}
compopt() {{ :; }}
_breakwater
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def script(shell: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Write what the command prints for a shell, and return the file."""
    assert main(["completion", shell]) == 0
    path = folder / f"completion.{shell}"
    path.write_text(capsys.readouterr().out, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("words", "offered", "not_offered"),
    [
        ("ri", {"risk"}, {"why"}),
        ("'' ", {"demo", "why", "--version", "completion"}, set()),
        ("compare --mod", {"--models"}, {"--seeds"}),
        ("compare --models LS", {"LSTMForecaster", "LSTMAttentionForecaster"}, {"TCNForecaster"}),
        ("compare --timeframe 1", {"1h", "1d"}, {"4h"}),
        ("journal v", {"verify"}, {"show"}),
        ("why --stage l", {"live"}, {"dry-run"}),
        ("completion f", {"fish"}, {"bash"}),
    ],
)  # fmt: skip
def test_bash_when_it_completes_then_it_offers_what_the_command_line_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: str, offered: set[str],
    not_offered: set[str],
) -> None:  # fmt: skip
    path = script("bash", tmp_path, capsys)
    ask = ASK.format(words=words, last=len(words.split()))
    done = subprocess.run(
        ["bash", "--norc", "-c", ask, "bash", str(path)], capture_output=True, text=True, check=True
    )
    found = set(done.stdout.split())
    assert offered <= found
    assert not not_offered & found
    assert done.stderr == ""


def test_bash_when_an_option_takes_a_file_then_files_are_offered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = script("bash", tmp_path, capsys)
    (tmp_path / "my candles").mkdir()
    ask = ASK.format(words="demo --data my", last=3)
    done = subprocess.run(
        ["bash", "--norc", "-c", ask, "bash", str(path)],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout.strip().startswith("my")


# What zsh calls when a word is completed for the first time; what is offered is printed.
FIRST = """
fpath=("$1" $fpath)
autoload -Uz _breakwater
compdef() { :; }
compadd() { print -l -- "$@"; }
words=(breakwater %s '') CURRENT=$(( $#words ))
_breakwater
"""


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh on this machine")
@pytest.mark.parametrize(("words", "offered"), [
    ("", {"risk", "why", "--version"}),
    ("compare", {"--models", "--seeds"}),
    ("compare --timeframe", {"1h", "4h"}),
    ("why --stage", {"live", "dry-run"}),
])  # fmt: skip
def test_zsh_when_it_completes_for_the_first_time_then_it_offers_what_the_command_line_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: str, offered: set[str]
) -> None:
    script("zsh", tmp_path, capsys).rename(tmp_path / "_breakwater")
    done = subprocess.run(
        ["zsh", "-f", "-c", FIRST % words, "zsh", str(tmp_path)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert offered <= set(done.stdout.split())
    assert done.stderr == ""


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish on this machine")
@pytest.mark.parametrize(("words", "offered", "not_offered"), [
    ("ri", {"risk"}, {"why"}),
    ("compare --mod", {"--models"}, {"--seeds"}),
    ("compare --models LS", {"LSTMForecaster"}, {"TCNForecaster"}),
    ("journal v", {"verify"}, {"show"}),
    ("bundle i", {"import"}, {"export"}),
])  # fmt: skip
def test_fish_when_it_completes_then_it_offers_what_the_command_line_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: str, offered: set[str],
    not_offered: set[str],
) -> None:  # fmt: skip
    path = script("fish", tmp_path, capsys)
    ask = 'source $argv[1]; complete -C "breakwater $argv[2]"'
    done = subprocess.run(
        ["fish", "--no-config", "-c", ask, str(path), words],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = {line.split("\t")[0] for line in done.stdout.splitlines()}
    assert offered <= found
    assert not not_offered & found


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_script_when_printed_for_another_shell_then_every_command_and_option_is_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], shell: str
) -> None:
    path = script(shell, tmp_path, capsys)
    text = path.read_text(encoding="utf-8")
    for word in ("flatten", "models", "LSTMForecaster", "dry-run"):
        assert word in text
    if program := shutil.which(shell):
        subprocess.run([program, "-n", str(path)], check=True)


def test_completion_when_the_shell_is_none_it_knows_then_it_names_those_it_does(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["completion", "tcsh"])
    assert stopped.value.code == 2
    assert "fish" in capsys.readouterr().err
