"""Planted controls: who is alike is not ahead, who is better by construction is confirmed."""

from __future__ import annotations

import numpy as np
import pytest

from models.learn import catalog
from models.studies.claims.claimed import (
    CLAIMS,
    NEEDED,
    claim_answers,
    delay_curve,
    delay_tests,
    timing_test,
)
from models.studies.claims.delay import accuracy_needed, moved_meanwhile
from tests.test_models.studies.claims.worlds import evidence, trends

T = trends()
AHEAD = (2, 3, 4, 5, 6)


def verdicts(number: int, subject: float, rivals: float, seed: int = 1) -> list[str]:
    return [
        t.verdict.value for t in claim_answers(number, evidence(number, T, subject, rivals, seed))
    ]


@pytest.mark.parametrize("number", AHEAD)
def test_claim_when_all_models_are_one_then_no_test_of_it_is_confirmed_or_contradicted(
    number: int,
) -> None:
    assert set(verdicts(number, 0.6, 0.6, seed=0)) == {"not confirmed"}


@pytest.mark.parametrize("number", AHEAD)
def test_claim_when_its_model_is_better_by_construction_then_every_test_is_confirmed(
    number: int,
) -> None:
    assert set(verdicts(number, 0.95, 0.6)) == {"confirmed"}


@pytest.mark.parametrize("number", AHEAD)
def test_claim_when_its_model_is_worse_by_construction_then_every_test_is_contradicted(
    number: int,
) -> None:
    assert set(verdicts(number, 0.6, 0.95)) == {"contradicted"}


def test_skill_when_it_is_most_of_the_others_then_confirmed_and_when_less_contradicted() -> None:
    assert verdicts(1, 0.9, 0.9) == ["confirmed"]
    assert verdicts(1, 0.7, 0.9) == ["contradicted"]


@pytest.mark.parametrize("number", [1, 6])
def test_share_when_the_rivals_know_nothing_then_a_part_of_nothing_is_no_number(
    number: int,
) -> None:
    (found,) = claim_answers(number, evidence(number, T, 0.9, 0.5, 1))
    assert np.isnan(found.found.low)
    assert found.note == "the rival has none, or none beyond its interval"
    assert found.verdict.value == "not confirmed"


def test_claim_when_a_model_was_not_trained_then_it_is_named_and_nothing_is_confirmed() -> None:
    known = evidence(5, T, 0.9, 0.6, 1)
    models = {name: m for name, m in known["1h"].models.items() if name != "gru"}
    short = {"1h": known["1h"].__class__(models=models, truth=T, cost_frac=0.001)}
    (found,) = claim_answers(5, short)
    assert (found.note, found.verdict.value) == ("not trained: gru", "not confirmed")


def test_claims_when_listed_then_their_models_are_known_and_each_has_tests() -> None:
    assert set(NEEDED) == set(CLAIMS) - {7}
    for of in NEEDED.values():
        for names in of.values():
            assert set(names) <= set(catalog.names())


def test_timing_when_runs_of_one_are_a_third_shorter_then_confirmed_and_alike_not() -> None:
    busy = np.array([1.0, 1.1, 3.0, 1.0, 1.2, 1.0, 1.05])  # of the machine: slows both
    assert timing_test(0.65 * busy, busy, 40).verdict.value == "confirmed"
    assert timing_test(busy, busy, 40).verdict.value == "not confirmed"
    assert timing_test(1.2 * busy, busy, 40).verdict.value == "contradicted"


def test_delay_when_prices_walk_at_random_then_a_minute_of_five_is_a_fifth_of_the_move() -> None:
    close = np.exp(np.cumsum(0.001 * np.random.default_rng(0).normal(size=20_000)))
    rows = {(row["horizon"], row["late"]): row for row in delay_curve(close)}
    gone = rows[5, "1 min, measured"]["gone"]
    assert gone["low"] < 0.2 < gone["high"]
    assert rows[5, "1.5 s, random walk"]["needed"] == pytest.approx(0.5 + 0.25 * 0.995)
    assert {t.verdict.value for t in delay_tests(close)} == {"contradicted"}


def test_delay_when_half_a_move_is_over_at_once_then_the_early_signal_is_ahead() -> None:
    rng = np.random.default_rng(0)
    # Each hour's move happens in its first minutes, three quarters of it within one.
    moves = np.zeros((400, 5))
    moves[:, 0] = 0.01 * rng.normal(size=400)
    moves[:, 1] = moves[:, 0] / 3
    close = np.exp(np.cumsum(moves.ravel()))
    gone, whole = moved_meanwhile(close[4:], 5, 1)
    asked = slice(0, None, 5)  # where the moves begin
    share = float(gone[asked].sum() / whole[asked].sum())
    assert share == pytest.approx(0.75)
    assert accuracy_needed(share) < 0.65  # so much is gone that 65 % at once are more
