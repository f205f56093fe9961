"""The gates: each bar on both sides, and what cannot be measured fails."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.studies.validate.gates import GATE_NAMES, RIVAL_WORDS, gates_of, judgement

NAN = float("nan")
TRIALS = {"pbo": {"value": 0.1, "low": 0.0, "high": 0.4}, "over": 9, "tried": 12}


def row(**more: Any) -> dict[str, Any]:
    """A model that passes everything, but for what is given."""
    return {
        "noticed": "", "accuracy": 0.55, "sharpe": 2.0, "trades": 90,
        "deflated": {"probability": 0.95, "observed": 2.0, "bar": 1.0, "trials": 12},
        "rivals": {name: {"p": 0.01, "superior": True} for name in RIVAL_WORDS},
        "conditions": {"costs": {"1": 0.2, "2": 0.1}},
        "worst_regime": ("level, calm", -0.05), "worst_crash": ("FTX", 0.01),
        "slope": {"value": 0.9, "low": 0.5, "high": 1.3}, **more,
    }  # fmt: skip


def test_gates_when_all_is_well_then_all_are_passed() -> None:
    gates = gates_of(row(), TRIALS)
    assert [gate.name for gate in gates] == list(GATE_NAMES)
    assert judgement("M", gates) == "M: passes all 7 gates."


@pytest.mark.parametrize(
    ("number", "wrong"),
    [
        (0, {"noticed": "p_up at noon"}),
        (0, {"accuracy": 0.61}),
        (0, {"sharpe": 3.1}),
        (1, {"deflated": {"probability": 0.949, "observed": 2.0, "bar": 1.0, "trials": 12}}),
        (1, {"deflated": {"probability": NAN, "observed": NAN, "bar": 1.0, "trials": 12}}),
        (3, {"rivals": {**row()["rivals"], "hold": {"p": 0.01, "superior": False}}}),
        (3, {"rivals": {**row()["rivals"], "flat": {"p": 0.06, "superior": True}}}),
        (3, {"rivals": {}}),
        (4, {"conditions": {"costs": {"1": 0.2, "2": -0.01}}}),
        (5, {"worst_regime": ("level, calm", np.log(0.89))}),
        (5, {"worst_crash": ("FTX", np.log(0.89))}),
        (5, {"worst_regime": ("", NAN)}),
        (6, {"slope": {"value": 0.5, "low": 0.2, "high": 0.9}}),
        (6, {"slope": {"value": 0.5, "low": -0.2, "high": 1.9}}),
        (6, {"slope": {"value": NAN, "low": NAN, "high": NAN}}),
    ],
)
def test_gate_when_one_thing_is_wrong_then_it_alone_is_not_passed(
    number: int, wrong: dict[str, Any]
) -> None:
    gates = gates_of(row(**wrong), TRIALS)
    assert [k for k, gate in enumerate(gates) if not gate.passed] == [number]
    assert GATE_NAMES[number] in judgement("M", gates)


@pytest.mark.parametrize(
    "pbo", [(0.21, 0.1, 0.4), (0.1, 0.0, 0.51), (NAN, NAN, NAN)], ids=["value", "end", "unknown"]
)
def test_overfitting_when_likely_or_not_known_then_nobody_passes(
    pbo: tuple[float, float, float],
) -> None:
    trials = {**TRIALS, "pbo": dict(zip(("value", "low", "high"), pbo, strict=True))}
    assert [k for k, gate in enumerate(gates_of(row(), trials)) if not gate.passed] == [2]


def test_gates_when_nothing_was_traded_then_that_is_said_once_and_no_money_gate_is_passed() -> None:
    gates = gates_of(row(trades=0), TRIALS)
    assert [k for k, gate in enumerate(gates) if not gate.passed] == [1, 3, 4, 5]
    assert judgement("M", gates).count("it never traded") == 1
