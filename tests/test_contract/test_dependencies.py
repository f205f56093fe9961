"""pyproject.toml says what is needed, and up to which release; the lock file says exactly what."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest

from tests.places import ROOT
from tests.test_contract.import_rules import sources

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
NAME = re.compile(r"[A-Za-z0-9_.-]+")
# What a room may need beyond the core, because it runs only where the extra is installed.
EXTRAS = {
    "models.learn": "train", "models.reports": "report", "models.scenarios": "tails",
    "models.studies.validate.rivals": "tails",
    "models.learn.jobs.ray_driver": "ray", "strategies.account.trades_server": "postgres",
    "strategies.account.server_silence": "postgres",
    "strategies.desk.terminal.ended": "train",
    "strategies.desk.terminal.listening": "train",
}  # fmt: skip


def named(requirements: list[str]) -> set[str]:
    """Return the distributions' names, in the one spelling names are compared in."""
    return {spelt(match[0]) for text in requirements if (match := NAME.match(text))}


def spelt(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(module: str) -> set[str]:
    """Return the distributions declared for a module's room."""
    declared = named(PROJECT["dependencies"])
    for room, extra in EXTRAS.items():
        if module == room or module.startswith(room + "."):
            declared |= named(PROJECT["optional-dependencies"][extra])
    return declared


def test_imports_when_the_pack_is_read_then_every_library_is_declared_where_it_belongs() -> None:
    installed = packages_distributions()
    own = {"models", "strategies", "freqaimodels", *sys.stdlib_module_names}
    missing = {
        f"{source.name}: {target.split('.')[0]}"
        for source in sources(ROOT)
        for target in source.imports
        if (library := target.split(".")[0]) not in own
        and not needed(source.name) & {spelt(d) for d in installed.get(library, [])}
    }
    assert missing == set()


@pytest.mark.parametrize("extra", ["", *PROJECT["optional-dependencies"]])
def test_requirements_when_declared_then_each_has_an_upper_bound(extra: str) -> None:
    lines = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    open_ended = [line for line in lines if "<" not in line and "==" not in line]
    assert open_ended == (
        ["breakwater[train,tails,report,postgres,ray,test]"] if extra == "dev" else []
    )


def test_lock_when_read_then_it_pins_and_hashes_all_that_is_declared_and_no_cuda() -> None:
    pinned = set(re.findall(r"^([A-Za-z0-9_.-]+)==\S+ \\$", LOCK, re.M))
    extras = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    declared = named([*PROJECT["dependencies"], *extras]) - {"breakwater"}
    assert declared <= {spelt(name) for name in pinned}
    assert LOCK.count("==") == len(pinned)
    for block in re.split(r"^(?=[A-Za-z0-9])", LOCK, flags=re.M)[1:]:
        assert "--hash=sha256:" in block, block
    assert not re.search(r"^(nvidia|triton|cuda)", LOCK, re.M)
    assert "torch==2.13.0+cpu" in LOCK
    assert "://" not in LOCK
    assert "index-url" not in LOCK
