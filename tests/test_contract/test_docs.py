"""The pages are a promise: what they tell to type can be typed, and what they name is there."""

from __future__ import annotations

import argparse
import ast
import re
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

import freqtrade
import pytest
from freqtrade.commands.arguments import Arguments

from strategies.desk import cli
from strategies.desk.folder.configs import STAGE_FILES
from strategies.desk.settings_page import setting_blocks, settings_markdown
from tests.places import ROOT
from tests.syntax import parse
from tests.test_contract import pages
from tests.test_contract.pages import DOCS, IDS, PAGES, README, Command

# What is typed beside the pack's own programs; what it names of the checkout has to be there.
SHELL = {"cp", "git", "install", "mkdir", "sudo"}
GROWING = {"ray", "pg_dump"}  # typed by test_growing.py
# Written by runs or people, or an example of a new file.
WRITTEN = (
    "user_data/reports", "user_data/models", "user_data/control", "user_data/journal",
    "user_data/dry_run", "user_data/feeds", "user_data/data", "user_data/logs",
    "models/learn/nets/foo", "freqaimodels/FooForecaster",
)  # fmt: skip
# Not results: defaults as the code has them.
NO_RESULTS = {"user_data/docs/settings-reference.md"}
ALL = [(page, command) for page in PAGES for command in pages.typed(page)]
MAKE = sorted({c.line for _, c in ALL if c.program == "make"})
PACK = sorted({c.line for _, c in ALL if c.program == "breakwater"})
FREQTRADE = sorted({c.line for _, c in ALL if c.program == "freqtrade"})
MODULES = sorted({c.line for _, c in ALL if c.program.startswith("python")})
WORDS = 1200
AT_ONCE = {"help", "--help", "doctor", "settings"}  # what a line has that takes seconds
FOLDER = "bot"  # that the lines before have made: `test_readme_path.py` types them


def test_commands_when_listed_then_each_has_a_cover_below() -> None:
    covered = {*MAKE, *PACK, *FREQTRADE, *MODULES}
    other = [
        (page.name, command.line)
        for page, command in ALL
        if command.line not in covered and command.program not in SHELL | GROWING
    ]
    assert other == []
    assert len(covered) > 20


@pytest.mark.parametrize("line", MAKE)
def test_make_target_when_dry_run_then_its_recipe_resolves(line: str) -> None:
    words = [*Command.of(line).words, "--dry-run"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", PACK)
def test_breakwater_line_when_parsed_then_its_own_parser_takes_it(line: str) -> None:
    words = Command.of(line).words[1:]
    if words[-1] == "--help":
        words = words[:-1] or ("doctor",)
    cli._parser().parse_args(words)


@pytest.mark.parametrize("line", FREQTRADE)
def test_freqtrade_line_when_parsed_then_its_own_parser_takes_it(
    line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    words = list(Command.of(line).words[1:])
    assert Arguments(words).get_parsed_arg()["command"] == words[0]
    for config in [b for a, b in pairwise(words) if a == "--config"]:
        if config.startswith("bot/"):  # of a folder that `breakwater init bot` makes
            assert config.removeprefix("bot/") in STAGE_FILES.values(), config
        else:
            assert (ROOT / config).is_file(), config


@pytest.mark.parametrize(
    "line",
    [one for one in (*MAKE, *PACK) if set(one.split()) & AT_ONCE and FOLDER not in one.split()],
)
def test_cheap_line_when_run_as_written_then_it_is_done(line: str) -> None:
    words = [str(Path(sys.executable).parent / Path(word).name) if "/bin/" in word else word
             for word in Command.of(line).words]  # fmt: skip
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert len(done.stdout.splitlines()) > 5


def test_module_lines_when_read_then_the_modules_are_there() -> None:
    for line in MODULES:
        words = Command.of(line).words
        place = ROOT / words[words.index("-m") + 1].replace(".", "/")
        assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file(), line


@pytest.mark.parametrize("name", sorted({Command.of(line).words[1] for line in PACK}))
def test_breakwater_word_when_a_page_has_it_typed_then_some_test_runs_it(name: str) -> None:
    if name.startswith("-"):
        return
    tests = [p for p in (ROOT / "tests").rglob("*.py") if p.parent.name != "test_contract"]
    own = f"test_{name.replace('-', '_')}.py"
    assert any(p.name == own or f'"{name}"' in p.read_text(encoding="utf-8") for p in tests)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_inline_commands_when_named_then_words_and_options_exist(page: Path) -> None:
    for span in pages.inline(page):
        words = span.removeprefix(".venv/bin/").split()
        if words[0] == "make" and len(words) > 1 and words[1] != "...":
            assert words[1] in _targets(), span
        if words[0] == "breakwater" and len(words) > 1:
            assert words[1].startswith("-") or words[1] in _subcommands(), span
            known = _subcommands().get(words[1])
            for option in [w for w in words[2:] if w.startswith("--")]:
                assert known is not None
                assert option in known._option_string_actions, span


def test_pages_when_links_are_followed_from_the_readme_then_each_is_reached() -> None:
    reached, ahead = set(), [README]
    while ahead:
        page = ahead.pop()
        reached.add(page)
        targets = [(page.parent / link.partition("#")[0]).resolve() for link in pages.links(page)]
        ahead += [t for t in targets if t in PAGES and t not in reached]
    assert sorted(page.name for page in PAGES if page not in reached) == []


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_when_followed_then_page_and_heading_exist(page: Path) -> None:
    for link in pages.links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in pages.anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_paths_when_named_then_they_exist(page: Path) -> None:
    named = r"`((?:models|strategies|freqaimodels|tests|user_data|docs)/[\w./*-]+)`"
    for path in re.findall(named, pages.text(page)):
        if not path.startswith(WRITTEN):
            assert list(ROOT.glob(path.rstrip("/"))), path


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_tables_of_results_when_shown_then_command_commit_and_day_stand_beside(page: Path) -> None:
    if page.relative_to(ROOT).as_posix() in NO_RESULTS:
        return
    for table in pages.tables(page):
        if table.results < 3:
            continue
        where = f"{page.name}: {table.rows[0]}; its section has to say"
        if "\nMeasured: " in table.section:  # one of several tables cannot speak for another
            assert table.before.strip().startswith("Measured: "), where
        made_by = re.search(r"(?:breakwater|make|freqtrade|python) [a-z-]", table.section)
        assert made_by or "by no command" in table.section, f"{where} what made it"
        assert re.search(r"\b[0-9a-f]{7}\b", table.section), f"{where} at which commit"
        assert re.search(r"\b20\d\d-\d\d-\d\d\b", table.section), f"{where} on which day"


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no history beside these files")
def test_commits_when_a_page_names_them_then_the_history_has_them() -> None:
    shallow = ["git", "rev-parse", "--is-shallow-repository"]
    if _said(shallow).strip() == "true":
        pytest.skip("a shallow history")
    for page in PAGES:
        for commit in re.findall(r"\b(?=\w*\d)(?=\w*[a-f])[0-9a-f]{7}\b", pages.prose(page)):
            assert _said(["git", "cat-file", "-t", commit]) == "commit\n", (page.name, commit)


def test_readme_when_read_then_it_warns_first_and_is_short() -> None:
    words = pages.text(README).split()
    assert len(words) <= WORDS
    assert "do not trade real money" in " ".join(words[:30])


def test_settings_page_when_compared_then_it_is_what_the_command_writes() -> None:
    written = pages.text(ROOT / "user_data" / "docs" / "settings-reference.md")
    assert written == settings_markdown(list(setting_blocks())), (
        "write it anew: breakwater settings > user_data/docs/settings-reference.md"
    )


def test_troubleshooting_when_it_quotes_messages_then_the_code_says_them() -> None:
    (page,) = [p for p in DOCS if p.name == "troubleshooting.md"]
    first = [row[0] for table in pages.tables(page) for row in table.rows]
    quoted = [cell[1:-1] for cell in first if cell.startswith("`")]
    assert len(quoted) > 20
    missing = [message for message in quoted if message not in _said_by_code()]
    assert missing == []


@cache
def _said_by_code() -> str:
    """Return every text in the code of the pack and of Freqtrade."""
    pack = [ROOT / package for package in ("models", "strategies", "freqaimodels")]
    return "\n".join(
        node.value
        for package in (*pack, Path(freqtrade.__file__).parent)
        for path in package.rglob("*.py")
        for node in ast.walk(parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


@cache
def _subcommands() -> dict[str, argparse.ArgumentParser]:
    (action,) = [a for a in cli._parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return dict(action.choices)


@cache
def _targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))


def _said(command: list[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout
