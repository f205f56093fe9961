"""The hedge's report: effectiveness and survival by hand, matching, verdict, page."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from models.base.errors import AlignmentError, InputError
from models.reports.hedge.page import write_hedge_report
from models.studies.hedge import ladder
from models.studies.hedge.crashes import NAMED, worst_weeks
from models.studies.hedge.effectiveness import (
    HedgedReturns,
    effectiveness,
    episode,
    paired,
    unhedged,
)
from models.studies.hedge.survival import survival
from tests.test_models.studies.hedge.sample import HOUR, TIERS, legs, make_scene, sample


def hedged(rows: int = 800, beta: float = 0.5, noise: float = 0.0, seed: int = 1) -> HedgedReturns:
    rng = np.random.default_rng(seed)
    primary = 0.01 * rng.standard_t(4, rows)
    zero = np.zeros(rows)
    return HedgedReturns(
        time_ms=np.arange(rows) * HOUR, primary=primary,
        hedge=-beta * primary + noise * 0.01 * rng.standard_normal(rows),
        cost=np.full(rows, 1e-6), funding=zero, traded=np.full(rows, 1e-3),
        ratio=np.full(rows, beta),
    )  # fmt: skip


def test_effectiveness_when_half_of_every_move_is_gone_then_the_numbers_say_so() -> None:
    r = hedged()
    got = effectiveness(r, np.random.default_rng(0))
    assert got["effectiveness"] == {
        "value": pytest.approx(0.75), "low": pytest.approx(0.75), "high": pytest.approx(0.75),
    }  # fmt: skip
    assert got["downside"]["value"] == pytest.approx(0.75)
    assert got["storm"]["value"] == pytest.approx(0.75)
    assert got["correlation"] == pytest.approx(-1.0)
    assert got["es99"] == pytest.approx(0.5 * got["es99_unhedged"])
    years = 800 / (24 * 365.25)
    assert got["cost_year"] == pytest.approx(800e-6 / years)
    assert got["cost_per_es"] == pytest.approx(got["cost_year"] / got["es99"])
    assert got["turnover_year"] == pytest.approx(0.8 / years)


def test_effectiveness_when_nothing_is_hedged_then_nothing_is_gone() -> None:
    got = effectiveness(unhedged(hedged()), np.random.default_rng(0))
    assert got["effectiveness"]["value"] == pytest.approx(0.0)
    assert got["es99"] == got["es99_unhedged"]
    assert np.isnan(got["correlation"])
    assert np.isnan(got["cost_per_es"])


def test_paired_when_one_hedge_is_better_then_its_interval_says_so() -> None:
    good, bad = hedged(beta=0.8), hedged(beta=0.8, noise=0.8)
    gap = paired(good, bad, np.random.default_rng(0))
    assert gap["effectiveness"]["low"] > 0
    assert gap["es99"]["high"] < 0
    same = paired(good, good, np.random.default_rng(0))
    assert same["effectiveness"]["value"] == same["es99"]["value"] == 0.0
    with pytest.raises(AlignmentError):
        paired(good, hedged(rows=700), np.random.default_rng(0))


def test_hedged_returns_when_not_finite_or_too_short_then_they_are_refused() -> None:
    with pytest.raises(InputError, match="week"):
        hedged(rows=100)
    with pytest.raises(InputError, match="finite hedge"):
        hedged(beta=float("nan"))


def test_episode_when_inside_the_hours_then_its_fall_is_counted_and_else_it_is_not_told() -> None:
    r = hedged()
    r.primary[100:104] = [-0.10, 0.05, -0.10, 0.02]
    r.hedge[100:104] = -0.5 * r.primary[100:104]
    got = episode(r, 100 * HOUR, 104 * HOUR)
    assert got is not None
    assert got["drawdown_primary"] == pytest.approx(0.15)
    assert got["drawdown_net"] == pytest.approx(0.075)
    assert got["result_net"] == pytest.approx(-0.065)
    assert got["effectiveness"] == pytest.approx(0.75)
    assert episode(r, -5 * HOUR, 5 * HOUR) is None
    assert episode(r, 790 * HOUR, 900 * HOUR) is None


def test_crashes_when_listed_then_they_are_in_order_and_the_worst_week_is_the_planted_one() -> None:
    assert all(a.stop_ms <= b.start_ms for a, b in itertools.pairwise(NAMED))
    returns = np.zeros(1000)
    returns[400:450] = -0.01
    weeks = worst_weeks(np.arange(1000) * HOUR, returns, count=2)
    assert weeks[0].start_ms <= 400 * HOUR
    assert weeks[0].stop_ms >= 450 * HOUR
    assert weeks[1].start_ms >= weeks[0].stop_ms or weeks[1].stop_ms <= weeks[0].start_ms


def test_survival_when_done_by_hand_then_the_hedge_saves_the_cross_account() -> None:
    # At 5x, 20 of 100 are there: a fall of 25 % liquidates, unless half of it is hedged.
    def at(hedge: float) -> dict[str, float]:
        return survival(legs(0.25, hedge), TIERS, [TIERS], leverage=5.0, horizon=48)

    assert (at(0.0)["unhedged"], at(0.0)["cross"]) == (0.5, 0.5)  # entered on day 2 of 1 and 2
    assert (at(0.5)["unhedged"], at(0.5)["cross"]) == (0.5, 0.0)
    assert at(0.5)["transfer_needed"] == 0.5
    # Twice the margin of 75 is 1.5; equity is -5: 6.5 are missing, and the hedge has made 12.5.
    assert at(0.5)["transfer_covered"] == 1.0
    assert at(0.5)["transfer_p95"] == pytest.approx(0.065)
    assert at(0.1)["transfer_covered"] == 0.0
    with pytest.raises(InputError):
        survival(legs(0.25, 0.5), TIERS, [TIERS], leverage=5.0, horizon=200)


@pytest.fixture(scope="module")
def scene() -> ladder.Scene:
    return make_scene()


def test_ladder_when_measured_then_every_baseline_hedges_and_none_starts_early(
    scene: ladder.Scene,
) -> None:
    targets = scene.targets()
    assert list(targets) == [
        "1 : 1", "static, train-optimal", "rolling OLS 30 d", "EWMA 48 h", "Kalman", "DCC-GARCH",
        "CVaR 5 %",
    ]  # fmt: skip
    path = scene.follow(targets["EWMA 48 h"], 0.1)
    assert not path.amount_base[:1200].any()
    for name, r in ladder.natural(scene, targets).items():
        got = effectiveness(r, np.random.default_rng(0))
        assert got["effectiveness"]["value"] > 0.3, name


def test_matched_when_found_then_ratio_and_cost_are_those_of_ours(scene: ladder.Scene) -> None:
    ours = scene.returns(scene.ours())
    theirs, scale, width = ladder.matched(scene, scene.targets()["EWMA 48 h"], ours)
    assert theirs.ratio.mean() == pytest.approx(ours.ratio.mean(), rel=0.05)
    assert theirs.cost.sum() == pytest.approx(ours.cost.sum(), rel=0.35)
    assert 0.5 < scale < 2
    assert width > 0


def test_report_when_written_then_page_and_numbers_agree(
    tmp_path: Path, scene: ladder.Scene
) -> None:
    out, figures, row = sample(scene)
    folder = write_hedge_report(out, figures, tmp_path, 0)
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "SIMULATED MARKET" in page
    assert "ours &lt;b&gt;" in page
    assert "something raised exception" in page
    loaded = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert loaded["table"][0]["effectiveness"]["value"] == pytest.approx(
        row["effectiveness"]["value"]
    )
    assert "| ours <b> |" in (folder / "table.md").read_text(encoding="utf-8")
