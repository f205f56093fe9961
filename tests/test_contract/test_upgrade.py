"""The newest Freqtrade is tried with the pack's other requirements as they stand."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from tests.places import ROOT
from tests.upgrade import FREED, free, pinned, requirements, verdict_lines


@pytest.fixture
def project() -> dict[str, Any]:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return dict(tomllib.loads(text)["project"])


def test_requirements_when_read_for_an_upgrade_then_only_freqtrade_and_ccxt_are_freed(
    project: dict[str, Any],
) -> None:
    asked = requirements(project, ("train", "test"))
    kept = [line for line in project["dependencies"] if line.split("==")[0] not in FREED]
    assert set(FREED) <= set(asked)
    assert set(kept) <= set(asked)
    assert "torch==2.13.0" in asked
    assert free("freqtrade[all]==2026.9") == "freqtrade"


def test_verdict_when_the_newest_is_the_pinned_one_then_that_is_said(
    project: dict[str, Any],
) -> None:
    same = {name: pinned(project, name) for name in FREED}
    lines = verdict_lines(project, same, doctor=0, tests=0)
    assert lines[0] == f"freqtrade {same['freqtrade']}: the one the pack is made for"
    assert lines[-1] == "verdict: the pinned versions are the newest"
    newer = verdict_lines(project, {**same, "ccxt": "9.9.9"}, doctor=0, tests=0)
    assert newer[-1] == "verdict: the pinned versions can be raised"


@pytest.mark.parametrize(("doctor", "tests"), [(1, None), (0, 1)])
def test_verdict_when_a_seam_is_gone_or_a_test_fails_then_the_versions_stay(
    project: dict[str, Any], doctor: int, tests: int | None
) -> None:
    lines = verdict_lines(project, {"freqtrade": "2031.1"}, doctor, tests)
    assert lines[0].startswith("freqtrade 2031.1: newer than the pack's")
    assert lines[-1].endswith("stay where they are")
