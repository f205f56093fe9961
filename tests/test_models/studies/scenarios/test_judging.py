"""The judge judged: who knows the law passes, who gets one thing wrong fails, breaks are told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from models.base.errors import ConfigError
from models.studies.scenarios.measure import decile_rows, energy_rows, tail_rows
from models.studies.scenarios.record import EngineRecord, Trial, record_engine
from models.studies.scenarios.rule import (
    EngineVerdict,
    believed_engine,
    judge_engine,
    shown_engine,
)
from tests.test_models.studies.scenarios.worlds import (
    LawEngine,
    LawScenarios,
    trial_of,
    true_history,
    with_future,
)

FIT_ROWS = 800
ENGINES = (
    LawEngine(), LawEngine(name="thin", scale=0.8), LawEngine(name="blind", blind=True),
    LawEngine(name="wide", scale=1.25),
)  # fmt: skip


def nothing(line: str, kept: bool) -> None:
    """Nobody listens."""


def judged(records: list[EngineRecord], trial: Trial) -> list[EngineVerdict]:
    rows = [row for record in records for row in tail_rows(record, trial)]
    energies = energy_rows(records, trial, "blind")
    return [judge_engine(r.engine, rows, energies, r.failures, least=100) for r in records]


@pytest.fixture(scope="module")
def trial() -> Trial:
    return trial_of(true_history(2800, 1), FIT_ROWS)


@pytest.fixture(scope="module")
def records(trial: Trial) -> list[EngineRecord]:
    return [record_engine(engine, trial, nothing) for engine in ENGINES]


def test_rule_when_one_engine_knows_the_law_then_it_alone_is_believed(
    trial: Trial, records: list[EngineRecord]
) -> None:
    law, thin, blind, wide = judged(records, trial)
    assert law.passes
    assert law.tests == 96  # three tests of two coins, two sides, two levels and four losses
    assert believed_engine([thin, blind, law, wide]) == "law"
    assert [v.passes for v in (thin, blind, wide)] == [False] * 3
    assert believed_engine([thin, blind, wide]) == ""
    assert shown_engine([thin, blind, wide]) == "blind"  # the fewest rejections


def test_rule_when_origins_are_few_then_nothing_rejected_is_no_reason_to_believe(
    trial: Trial, records: list[EngineRecord]
) -> None:
    rows, energies = list(tail_rows(records[0], trial)), energy_rows(records[:1], trial, "law")
    most = len(trial.origins)
    assert judge_engine("law", rows, energies, {}, least=most).passes
    assert not judge_engine("law", rows, energies, {}, least=most + 1).passes
    assert not judge_engine("law", rows, energies, {}).passes  # a thousand by default


def test_failures_when_tails_or_volatility_are_wrong_then_the_right_test_finds_it(
    trial: Trial, records: list[EngineRecord]
) -> None:
    _, thin, blind, _ = judged(records, trial)
    found = {row["test"] for row in thin.rejected}
    assert {"coverage", "shortfall"} <= found
    assert all(row["hits"] > row["expected"] for row in thin.rejected if row["test"] == "coverage")
    even = [row for row in blind.rejected if row["test"] == "even"]
    assert even
    assert all(row["even"]["statistic"] > 0 for row in even)


def test_energy_when_volatility_is_followed_then_it_is_nearer_than_one_that_is_not(
    trial: Trial, records: list[EngineRecord]
) -> None:
    rows = {(r["engine"], r["loss"]): r for r in energy_rows(records, trial, "blind")}
    assert rows["law", "24 h"]["against"]["high"] < 0
    assert rows["blind", "24 h"]["against"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    unknown = energy_rows(records, trial, "nobody")
    assert all(np.isnan(r["against"]["value"]) for r in unknown)


def test_deciles_when_volatility_is_not_followed_then_coverage_falls_along_them(
    trial: Trial, records: list[EngineRecord]
) -> None:
    def covered(record: EngineRecord) -> list[float]:
        rows = [r for r in decile_rows(record, trial) if r["coin"].startswith("LTC")]
        assert [r["decile"] for r in rows] == list(range(1, 11))
        return [r["covered"]["value"] for r in rows]

    law, blind = covered(records[0]), covered(records[2])
    assert np.mean(law[:3]) - np.mean(law[-3:]) < 0.08
    assert np.mean(blind[:3]) - np.mean(blind[-3:]) > 0.1


def test_places_when_the_law_is_known_then_they_are_uniform(
    trial: Trial, records: list[EngineRecord]
) -> None:
    for o in range(4):
        rows = trial.origins.asked[:, o]
        for a in range(2):
            assert stats.kstest(records[0].places[rows, o, a], "uniform").pvalue > 0.001


def test_fit_when_a_fold_is_judged_then_it_knows_the_past_only(
    trial: Trial, records: list[EngineRecord]
) -> None:
    """Another future behind an origin changes nothing that was said until then, and all after."""
    assert ENGINES[0].fitted_until == [fold.fit_ms for fold in trial.folds]
    first = trial.folds[0].origins
    half = len(first) // 2
    other = replace(
        trial, folds=trial.folds[:1],
        history=with_future(trial.history, int(trial.origins.row[first[half]]), 5.0),
    )  # fmt: skip
    after = record_engine(LawEngine(), other, nothing)
    said, seen = first[: half + 1], first[half + 1 :]
    for name in ("hits", "ratios", "places", "energy"):
        before, then = getattr(records[0], name), getattr(after, name)
        np.testing.assert_array_equal(before[said], then[said])
    assert (records[0].energy[seen, 0] != after.energy[seen, 0]).all()


def test_engine_when_it_raises_in_a_fold_then_it_is_told_and_the_others_count(
    trial: Trial,
) -> None:
    lines: list[str] = []
    late = LawEngine(name="late", breaks_after_ms=trial.folds[0].fit_ms)
    broken = record_engine(late, trial, lambda line, kept: lines.append(line))
    assert list(broken.failures) == [fold.title for fold in trial.folds[1:]]
    assert broken.failures[trial.folds[1].title] == "expected fewer rows (take another engine)"
    assert broken.judged.sum() == len(trial.folds[0].origins)
    assert len(lines) == len(trial.folds)
    (verdict,) = judged([broken], trial)
    assert not verdict.passes
    assert verdict.tests == 96
    nan = record_engine(LawEngine(name="nan", flaw=np.nan), trial, nothing)
    assert not nan.judged.any()
    assert "expected finite paths" in nan.failures[trial.folds[0].title]
    (none,) = judged([nan], trial)
    assert (none.tests, none.passes) == (0, False)
    assert shown_engine([none]) == ""


def test_engine_when_something_of_its_own_breaks_then_the_kind_is_told(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("of nothing")

    monkeypatch.setattr(LawScenarios, "draw", broken)
    record = record_engine(LawEngine(), trial, nothing)
    assert set(record.failures.values()) == {"ZeroDivisionError: of nothing"}


def test_trial_when_paths_are_too_few_or_too_many_then_it_is_refused(trial: Trial) -> None:
    with pytest.raises(ConfigError, match="at least 1000 paths"):
        replace(trial, paths=999)
    with pytest.raises(ConfigError, match=r"about 95\.4 GiB") as error:
        replace(trial, paths=100_000_000)
    most = int(error.value.cure.split()[2])
    replace(trial, paths=most)
    with pytest.raises(ConfigError):
        replace(trial, paths=most + 1)


@pytest.mark.slow
def test_rule_when_an_engine_is_right_then_it_is_refused_as_seldom_as_stated() -> None:
    """Twenty markets of the law: at most 5 % of right engines are refused, thin ones mostly are."""
    refused, kept = 0, 0
    for seed in range(20):
        trial = trial_of(true_history(1700, 100 + seed), 300, seed=seed)
        records = [record_engine(engine, trial, nothing) for engine in ENGINES[:2]]
        law, thin = judged(records, trial)
        refused, kept = refused + (not law.passes), kept + thin.passes
    assert refused <= stats.binom.ppf(0.999, 20, 0.05)
    assert kept < 5


def test_verdict_when_a_fold_has_no_answer_then_no_test_makes_up_for_it() -> None:
    def verdict(name: str, energy: float, **more: Any) -> EngineVerdict:
        found = {"tests": 96, "rejected": (), "smallest_p": 0.4, "enough": True, **more}
        return EngineVerdict(engine=name, energy=energy, **found)

    whole, nearer = verdict("whole", 2.0), verdict("nearer", 1.0)
    gave_up = verdict("gave up", 0.5, failures={"fitted until 2023-01-01": "it broke"})
    assert believed_engine([whole, gave_up]) == "whole"
    assert believed_engine([whole, nearer, gave_up]) == "nearer"
    assert believed_engine([gave_up]) == ""
    assert believed_engine([verdict("few", 0.1, enough=False)]) == ""
    rejected = verdict("rejected", 3.0, rejected=({"test": "even"},))
    assert shown_engine([gave_up, rejected]) == "rejected"
