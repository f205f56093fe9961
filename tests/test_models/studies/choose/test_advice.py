"""A model is chosen where nothing speaks against it; one spoilt number is enough to refuse it."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import pytest

from models.base.errors import ConfigError, InputError
from models.studies.choose.advice import Advice, Needs, Skill, advise
from models.studies.choose.tables import measured_models
from tests.test_models.studies.choose.measured import comparison, estimate, passing

NEEDS = Needs(
    pair="BTC/USDT:USDT", timeframe="1h", candle_s=3600.0, skill=Skill.FREQTRADE, delay_s=3.0,
    retrain_hours=24.0, cores=2,
)  # fmt: skip


def advice(*rows: dict[str, Any], needs: Needs = NEEDS, **run: Any) -> Advice:
    return advise(measured_models(comparison(*rows, **run), "compare-1"), needs)


def test_choice_when_nothing_speaks_against_a_model_then_it_is_taken() -> None:
    found = advice(passing())
    assert found.chosen is not None
    assert (found.chosen.name, found.judged[0].against) == ("lstm", ())
    assert found.luck == pytest.approx(0.025)


@pytest.mark.parametrize(
    ("changes", "run", "word"),
    [
        ({"seeds": 1}, {}, "1 seed"),
        ({}, {"tested_days": 60}, "tested on 60 days"),
        ({"gain_over_reference": estimate(0.5)}, {}, "over volatility alone"),
        ({"gain_over_reference": estimate(1.0)}, {}, r"\+1.0 \(\+0.0 to"),
        ({"gain_over_reference": estimate(None)}, {}, "not known"),
        ({"gain_direction": estimate(0.5)}, {}, "of direction"),
        ({"gain_direction": estimate(1.0)}, {}, r"\+1.0 \(\+0.0 to"),
        ({"gain_direction": None}, {}, "of direction .* not known"),
        ({"trades": 12.0}, {}, "12 entries"),
        ({"trades": 0.0, "realised": estimate(None), "slope": estimate(None)}, {}, "0 entries"),
        ({"net_return": estimate(0.05, 0.1)}, {}, "after costs"),
        ({"net_return": estimate(0.5, 0.5)}, {}, "after costs"),
        ({"stressed_return": estimate(-0.1)}, {}, "doubled costs"),
        ({"stressed_return": estimate(0.0)}, {}, "doubled costs"),
        ({"slope": estimate(0.2, 0.3)}, {}, "slope"),
        ({"slope": estimate(None)}, {}, "slope"),
        ({"fit_seconds": 25_921.0}, {}, "a training takes"),
        ({"name": "ppo"}, {}, "made for research"),
    ],
)
def test_choice_when_one_number_is_spoilt_then_none_is_taken_and_the_reason_is_that_one(
    changes: dict[str, Any], run: dict[str, Any], word: str
) -> None:
    found = advice(passing(**changes), **run)
    assert found.chosen is None
    (only,) = found.judged
    assert len(only.against) == 1
    assert re.search(word, only.against[0])


@pytest.mark.parametrize(
    ("changes", "run"),
    [
        ({"trades": 30.0}, {}),
        ({}, {"tested_days": 180}),
        ({"gain_over_reference": estimate(1.5), "gain_direction": estimate(1.5)}, {}),
        ({"slope": estimate(1.5, 0.5)}, {}),
        ({"slope": estimate(0.5, 0.5)}, {}),
        ({"fit_seconds": 25_920.0}, {}),  # 15 % of two cores, every 24 h
    ],
)
def test_choice_when_a_number_is_just_good_enough_then_the_model_is_taken(
    changes: dict[str, Any], run: dict[str, Any]
) -> None:
    assert advice(passing(**changes), **run).chosen is not None


def test_choice_when_a_person_reads_the_code_then_a_model_for_research_may_be_theirs() -> None:
    assert advice(passing("ppo"), needs=replace(NEEDS, skill=Skill.RESEARCH)).chosen is not None


def test_choice_when_none_passes_then_the_nearest_stand_first_and_the_unknown_last() -> None:
    found = advice(
        passing("rf", gain_over_reference=estimate(None)),
        passing("gru", seeds=2),
        passing("tcn", seeds=2, gain_over_reference=estimate(9.0)),
        passing("gan"),
    )
    assert [judged.model.name for judged in found.judged] == ["tcn", "gru", "gan", "rf"]
    assert {len(judged.against) for judged in found.judged} == {1}


def test_choice_when_it_is_late_by_most_of_the_horizon_then_its_result_is_gone() -> None:
    needs = replace(NEEDS, delay_s=3 * 3600.0)
    (only,) = advice(passing(), needs=needs).judged
    assert any("75.0% of each move is over" in why for why in only.against)
    for delay_s, is_paid in ((60.0, True), (7199.0, True), (7200.0, False)):  # of 200 times 30 bp
        found = advice(passing(), needs=replace(NEEDS, delay_s=delay_s))
        assert (found.chosen is not None) is is_paid


def test_choice_when_numbers_are_of_another_market_or_simulated_then_they_do_not_count() -> None:
    for run in ({"pair": "SOL/USDT:USDT"}, {"timeframe": "4h"}, {"simulated": True}):
        found = advice(passing(), **run)
        assert (found.chosen, found.judged) == (None, ())


def test_choice_when_several_pass_then_the_surest_result_is_taken_and_all_tries_count() -> None:
    found = advice(passing("gru"), passing("tcn", net_return=estimate(0.25, 0.01)))
    assert found.chosen is not None
    assert found.chosen.name == "tcn"
    assert found.luck == pytest.approx(1 - 0.975**2)


def test_choice_when_a_model_was_compared_twice_then_the_longest_counts_not_the_best() -> None:
    long = measured_models(comparison(passing(net_return=estimate(0.0)), tested_days=400), "a")
    short = measured_models(comparison(passing()), "b")
    found = advise([*short, *long], NEEDS)
    assert found.chosen is None
    assert [judged.model.table for judged in found.judged] == ["a"]
    assert found.luck == pytest.approx(1 - 0.975**2)  # it was tried twice all the same


@pytest.mark.parametrize(
    ("numbers", "word"),
    [
        ({"kind": "stress", "format": 1}, "expected a comparison"),
        ({"kind": "compare", "format": 7}, "of format 7"),
        ({"kind": "compare", "format": 1}, "got neither"),
        ({**comparison(passing()), "run": None}, "got neither"),
        ({**comparison(passing()), "models": None}, "got neither"),
        (
            {**comparison(passing()), "run": {"pair": "X"}},
            "does not say its tested_days, timeframe",
        ),
        (comparison({"name": "lstm"}), "cannot be read"),
    ],
)
def test_table_when_it_is_none_then_it_is_refused_with_its_name(
    numbers: dict[str, Any], word: str
) -> None:
    with pytest.raises(InputError, match=word) as caught:
        measured_models(numbers, "compare-9")
    assert caught.value.where == "compare-9"


def test_needs_when_they_are_small_then_they_are_taken() -> None:
    small = replace(NEEDS, candle_s=0.5, retrain_hours=0.5, cores=1, delay_s=0.0)
    assert (small.cores, small.delay_s) == (1, 0.0)


@pytest.mark.parametrize(
    "wrong",
    [{"candle_s": 0.0}, {"candle_s": math.inf}, {"delay_s": -1.0}, {"delay_s": math.nan},
     {"delay_s": math.inf}, {"cores": 0}],
)  # fmt: skip
def test_needs_when_they_cannot_be_then_they_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        replace(NEEDS, **wrong)
