"""CONTRIBUTING.md carried out: each recipe's files, in a copy of the tree, and nothing else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.places import ROOT

GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SECTIONS = {
    part.partition("\n")[0]: part for part in re.split(r"^## ", GUIDE, flags=re.MULTILINE)[1:]
}
# What the pack must say once a recipe has been followed: a program, and what it prints.
SHOWN = {
    "Add a network": (
        "from models.learn import catalog; s = catalog.load('steady');"
        "print(s.title, s.forecaster, 'steady' in catalog.networks())",
        "Steady SteadyForecaster True",
    ),
    "Add a guard": (
        "from models.trade.risk.run import GUARDS; from models.trade.risk.limits import Limits;"
        "print([g.name for g in GUARDS if g.name == 'book_two_sided'], len(GUARDS),"
        " Limits().soft.max_book_skew)",
        "['book_two_sided'] 32 20.0",
    ),
    "Add a feature": (
        "from tests.test_models.markets import random_walk;"
        "from models.data.features.frame import market_features;"
        "print('%-body_share' in market_features(random_walk(400), 3_600_000))",
        "True",
    ),
    "Add a word to the bot": (
        "from strategies.desk.control import WORDS; from strategies.human import telegram;"
        "from models.operate.control.commands import Commands;"
        "print('mode' in [w.name for w in WORDS], '/mode:' in telegram._HELP, Commands.mode)",
        "True True <function Commands.mode",
    ),
    "Add a command": (
        "import sys; from strategies.desk.cli import main; sys.exit(main(['where']))",
        "configs: ",
    ),
}
# Tests that meet the new thing by themselves, run in the copy.
FOUND_BY = {
    "Add a network": [
        "tests/test_contract/test_imports.py", "-k", "forecaster and (steady or named)",
    ],
    "Add a guard": [
        "tests/test_models/trade/risk/test_guards.py", "-k",
        "listed or (unknown and book_two_sided)",
    ],
    "Add a feature": ["tests/test_models/data/features/test_candles.py", "-k", "later_candles"],
    "Add a command": ["tests/test_strategies/desk/test_where.py"],
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One block of a recipe: a new file's text, or lines to put into one that is there."""

    path: str
    kind: str  # "python" or "diff"
    text: str

    def carry_out(self, root: Path) -> None:
        """Do it in the tree at `root`; an edit must find its place exactly once."""
        file = root / self.path
        if self.kind == "python":
            assert not file.exists(), self.path
            file.write_text(self.text, encoding="utf-8")
            return
        lines = self.text.splitlines()
        before = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "+")
        after = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "-")
        whole = file.read_text(encoding="utf-8")
        assert whole.count(before) == 1, f"{self.path}: {whole.count(before)} places for\n{before}"
        file.write_text(whole.replace(before, after), encoding="utf-8")


def steps(section: str) -> list[Step]:
    """Return the blocks of a section, each with the file named last before it."""
    found, path = [], ""
    for match in re.finditer(
        r"^(?:New|Edit) `([^`]+)`|^```(python|diff)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL
    ):
        if match[1]:
            path = match[1]
        else:
            found.append(Step(path, match[2], match[3]))
    return found


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The code and tests of this tree, without what is only built or downloaded."""
    for name in ("models", "strategies", "freqaimodels", "tests"):
        shutil.copytree(
            ROOT / name,
            tmp_path / name,
            ignore=shutil.ignore_patterns("__pycache__", ".hypothesis"),
        )
    shutil.copytree(ROOT / "user_data" / "docs", tmp_path / "user_data" / "docs")
    for name in ("README.md", "pyproject.toml", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_guide_when_it_names_files_then_old_ones_exist_and_new_ones_do_not() -> None:
    new = set(re.findall(r"^New `([^`]+)`", GUIDE, re.MULTILINE))
    named = re.findall(r"`((?:models|strategies|freqaimodels|tests)/[\w./]+)`", GUIDE)
    assert new
    assert {path for path in named if path not in new and not (ROOT / path).exists()} == set()
    assert {path for path in new if (ROOT / path).exists()} == set()
    for link in re.findall(r"\]\(([^)]+)\)", GUIDE):
        assert (ROOT / link).is_file(), link


@pytest.mark.parametrize("recipe", SHOWN)
def test_recipe_when_followed_then_the_pack_knows_the_new_thing(recipe: str, copy: Path) -> None:
    done = steps(SECTIONS[recipe])
    assert done
    for step in done:
        step.carry_out(copy)
    program, shown = SHOWN[recipe]
    assert shown in _output([sys.executable, "-c", program], copy)
    if recipe in FOUND_BY:
        pytest_command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        assert " passed" in _output([*pytest_command, *FOUND_BY[recipe]], copy)


def _output(command: list[str], cwd: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(cwd)}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    return done.stdout
