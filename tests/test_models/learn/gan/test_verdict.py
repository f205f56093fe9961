"""The verdict lets the truth pass and convicts the wrong, as often as it says.

Two markets of each control; ``python -m tests.test_models.learn.gan.controls`` counts a hundred.
"""

from __future__ import annotations

import json

import pytest

from models.learn.gan.exchange import Part
from models.learn.gan.verdict import (
    ERROR_RATE,
    FEWEST_TO_TELL,
    ILLUSTRATIVE,
    USABLE,
    deviate_most,
    reasons,
)
from tests.test_models.learn.gan import controls

WINDOWS = 150
WRONG = [name for name in controls.CONTROLS if name not in controls.RIGHT]


def part(name: str, p_value: float, **deviations: float | None) -> Part:
    return Part(name=name, statistic=1.0, p_value=p_value, deviations=deviations)


def test_verdict_when_paths_are_drawn_from_the_very_process_then_they_are_usable() -> None:
    for name in controls.RIGHT:
        for verdict in controls.verdicts(name, WINDOWS, runs=2):
            assert verdict["label"] == USABLE, verdict
            assert verdict["against"] == []
            assert ERROR_RATE < verdict["p_value"] <= 1


@pytest.mark.parametrize("name", WRONG)
def test_verdict_when_the_generator_is_wrong_then_its_paths_are_illustrative(name: str) -> None:
    for verdict in controls.verdicts(name, WINDOWS, runs=2):
        assert verdict["label"] == ILLUSTRATIVE
        assert verdict["p_value"] <= ERROR_RATE == verdict["error_rate"]
        assert len(verdict["deviate_most"]) == 5
        json.dumps(verdict, allow_nan=False)


def test_verdict_when_training_windows_are_repeated_then_memory_is_what_convicts() -> None:
    (verdict,) = controls.verdicts("memorising", WINDOWS, runs=1)
    assert any(why.startswith("memory: p 0.0") for why in verdict["against"])
    assert verdict["deviate_most"][0] == "nearest_training_path"


def test_reasons_when_parts_share_the_rate_then_one_below_its_share_convicts() -> None:
    parts = [part("paths", 0.02), part("memory", 0.0125), part("next", 0.5), part("score", 1.0)]
    assert reasons(parts, WINDOWS) == ["memory: p 0.0125, expected above 0.0125"]
    assert reasons([parts[0], *parts[2:], part("memory", 0.013)], WINDOWS) == []


def test_reasons_when_there_are_few_windows_then_nobody_can_tell_and_it_says_so() -> None:
    (why,) = reasons([part("paths", 0.9)], FEWEST_TO_TELL - 1)
    assert why.startswith(f"expected at least {FEWEST_TO_TELL} held-out windows")
    assert reasons([part("paths", 0.9)], FEWEST_TO_TELL) == []


def test_deviate_most_when_parts_differ_then_the_furthest_of_all_come_first() -> None:
    parts = [
        part("paths", 0.5, a=1.0, b=-7.0, c=0.1),
        part("next", 0.0, d=None, e=3.0, f=2.0),
    ]
    assert deviate_most(parts) == ["d", "b", "e", "f", "a"]
