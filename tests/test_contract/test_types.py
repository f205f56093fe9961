"""Types are checked everywhere, strictly, and no module of the pack is left out."""

from __future__ import annotations

import tomllib
from typing import Any

from tests.places import ROOT

SETTINGS: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
PACKAGES = ["models", "strategies", "freqaimodels"]


def test_mypy_when_run_without_arguments_then_all_packages_are_strict() -> None:
    assert SETTINGS["packages"] == PACKAGES
    assert SETTINGS["strict"] is True


def test_mypy_when_something_is_let_pass_then_it_is_a_library_without_types() -> None:
    for block in SETTINGS["overrides"]:
        names = block["module"] if isinstance(block["module"], list) else [block["module"]]
        assert not [name for name in names if name.split(".")[0] in PACKAGES]
        assert block.keys() <= {"module", "ignore_missing_imports"}
