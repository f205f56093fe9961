"""The loop of several exchanges against closed forms, conservation and its linearised threshold."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.base.errors import ConfigError, InputError
from models.studies.venues.loop import LoopBreakers, VenueLoop, loop_run, ramp
from models.studies.venues.threshold import linear_threshold, runs_away, scaled, simulated_threshold

ONE = VenueLoop(
    open_interest=(1.0,), impact=(0.5,), reach=math.inf, density=1.0, kept_frac=1.0,
    engine_steps=0, arbitrage_frac=0.0,
)  # fmt: skip
SHOCK = ramp(0.06, 6, 400)


def test_run_when_nothing_comes_back_then_the_fall_is_the_geometric_series() -> None:
    run = loop_run(ONE, np.full(200, 0.04))
    assert run.index[-1] == pytest.approx(0.04 / (1 - 0.5))
    partial = loop_run(ONE, np.full(200, 0.04), LoopBreakers(sold_frac=0.4))
    assert partial.index[-1] == pytest.approx(0.04 / (1 - 0.5 * 0.4))


def test_run_when_selling_moves_nothing_then_the_fall_is_the_one_from_outside() -> None:
    still = replace(VenueLoop(), impact=(0.0, 0.0, 0.0))
    run = loop_run(still, SHOCK)
    assert np.abs(run.fall - SHOCK[:, None]).max() < 1e-15
    assert run.sold.sum() > 0.1


def test_run_when_exchanges_are_alike_then_three_are_as_one() -> None:
    alike = {"reach": 0.5, "kept_frac": 0.97, "arbitrage_frac": 0.2}
    three = loop_run(
        VenueLoop(open_interest=(1.0, 1.0, 1.0), impact=(0.2, 0.2, 0.2), **alike), SHOCK
    )
    one = loop_run(VenueLoop(open_interest=(1.0,), impact=(0.2,), **alike), SHOCK)
    assert three.fall == pytest.approx(np.repeat(one.fall, 3, axis=1), rel=1e-12)


@pytest.mark.parametrize(
    "breakers",
    [LoopBreakers(), LoopBreakers(fund=0.05), LoopBreakers(most_a_step=0.001),
     LoopBreakers(halt_fall=0.02, halt_steps=500), LoopBreakers(sold_frac=0.5)],
)  # fmt: skip
def test_run_when_it_is_over_then_whatever_was_due_is_sold_absorbed_or_waiting(
    breakers: LoopBreakers,
) -> None:
    loop = VenueLoop()
    run = loop_run(loop, SHOCK, breakers)
    due = breakers.sold_frac * loop.passed(run.mark.max(axis=0))
    whole = run.sold.sum(axis=0) + run.absorbed.sum(axis=0) + run.waiting
    assert whole == pytest.approx(due)
    assert run.absorbed.sum() <= breakers.fund + 1e-15


def test_arbitrage_when_a_difference_is_carried_over_then_the_mean_stays() -> None:
    apart = np.stack([SHOCK, np.zeros(400), np.zeros(400)], axis=1)  # a fall at one of them
    still = replace(VenueLoop(), impact=(0.0, 0.0, 0.0), kept_frac=1.0)
    run = loop_run(still, apart)
    assert run.index == pytest.approx(apart.mean(axis=1))
    assert np.ptp(run.fall[-1]) < 1e-9  # and in the end all are at the same price
    assert np.ptp(run.fall[3]) > 0.02
    late = loop_run(replace(still, arbitrage_steps=5), apart)
    assert late.fall[5, 1] == 0.0  # what is carried over is five steps old
    assert run.fall[5, 1] > 0.0


def test_exchange_when_only_another_one_falls_then_the_index_liquidates_here_too() -> None:
    apart = np.stack([SHOCK, np.zeros(400), np.zeros(400)], axis=1)
    cut_off = replace(VenueLoop(), arbitrage_frac=0.0)
    assert loop_run(cut_off, apart).sold[:, 1].sum() > 0
    own = replace(cut_off, index_share=0.0)
    assert loop_run(own, apart).sold[:, 1].sum() == 0


def test_run_when_the_future_is_another_then_the_steps_before_are_the_same() -> None:
    other = SHOCK.copy()
    other[50:] += 0.1
    a, b = loop_run(VenueLoop(), SHOCK), loop_run(VenueLoop(), other)
    assert (a.fall[:50] == b.fall[:50]).all()
    assert (a.sold[:50] == b.sold[:50]).all()
    assert not (a.fall[50:] == b.fall[50:]).all()


# -- where it runs away ----------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [0.9, 0.96, 0.99])
def test_threshold_when_there_is_one_exchange_without_lag_then_it_is_the_closed_form(
    kept: float,
) -> None:
    loop = replace(ONE, kept_frac=kept)
    wanted = (1 + math.sqrt(1 - kept)) ** 2 / 0.5
    assert linear_threshold(loop) == pytest.approx(wanted, rel=1e-6)
    assert simulated_threshold(loop) == pytest.approx(wanted, rel=2e-3)
    assert runs_away(scaled(loop, wanted * 1.01))
    assert not runs_away(scaled(loop, wanted * 0.99))


@pytest.mark.parametrize(
    ("changed", "within"),
    [
        ({"engine_steps": 0}, 0.002), ({}, 0.02), ({"index_share": 0.0}, 0.08),
        ({"impact": (0.1, 0.1, 2.0), "index_share": 0.0}, 0.06),
    ],
)  # fmt: skip
def test_threshold_when_simulated_then_it_is_below_the_linearised_and_near_it(
    changed: dict[str, Any], within: float
) -> None:
    # Below: nobody buys back what was liquidated where a mark recovers, as the linear loop does.
    loop = replace(VenueLoop(), **changed)
    linear = linear_threshold(loop)
    assert linear * (1 - within) < simulated_threshold(loop) < linear * 1.001


def test_threshold_when_one_exchange_is_thin_then_the_index_raises_it() -> None:
    thin = VenueLoop(impact=(0.1, 0.1, 2.0))
    assert linear_threshold(thin) > 1.5 * linear_threshold(replace(thin, index_share=0.0))


def test_threshold_when_only_a_part_is_liquidated_then_it_is_so_much_higher() -> None:
    loop = replace(VenueLoop(), engine_steps=0)
    whole, half = (simulated_threshold(loop, LoopBreakers(sold_frac=f)) for f in (1.0, 0.5))
    assert half == pytest.approx(2 * whole, rel=1e-3)


def test_threshold_when_a_breaker_bounds_every_step_then_there_is_none() -> None:
    with pytest.raises(InputError, match="run away"):
        simulated_threshold(replace(ONE, kept_frac=0.5), LoopBreakers(most_a_step=1e-40))


def test_threshold_when_nothing_moves_a_price_then_there_is_none() -> None:
    with pytest.raises(InputError, match="gain above 0"):
        linear_threshold(replace(VenueLoop(), impact=(0.0, 0.0, 0.0)))


# -- what makes no sense ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "wrong", "said"),
    [
        (VenueLoop, {"impact": (0.1, 0.1)}, "for every exchange"),
        (VenueLoop, {"open_interest": (), "impact": ()}, "for every exchange"),
        (VenueLoop, {"impact": (0.1, 0.1, math.nan)}, "impact finite"),
        (VenueLoop, {"reach": math.nan}, "reach > 0"),
        (VenueLoop, {"kept_frac": 1.1}, "kept_frac"),
        (VenueLoop, {"index_share": math.nan}, "index_share"),
        (VenueLoop, {"engine_steps": -1}, "engine_steps"),
        (VenueLoop, {"arbitrage_frac": 0.7, "arbitrage_steps": 3}, "swing wider"),
        (LoopBreakers, {"halt_fall": 0.0}, "halt_fall"),
        (LoopBreakers, {"fund": -1.0}, "fund"),
        (LoopBreakers, {"sold_frac": math.nan}, "sold_frac"),
    ],
)
def test_loop_when_a_part_makes_no_sense_then_it_is_named(
    kind: type, wrong: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        kind(**wrong)


@pytest.mark.parametrize("wrong", [(0.0, 6, 400), (1.0, 6, 400), (0.1, 0, 400), (0.1, 9, 8)])
def test_ramp_when_it_makes_no_sense_then_it_is_refused(wrong: tuple[float, int, int]) -> None:
    with pytest.raises(ConfigError, match="expected a fall"):
        ramp(*wrong)


def test_arbitrage_when_as_much_as_is_allowed_then_a_difference_still_dies_out() -> None:
    apart = np.stack([np.full(4000, 0.01), np.zeros(4000)], axis=1)
    for steps in (0, 1, 4):
        most = min(2 * math.sin(math.pi / (2 * (2 * steps + 1))), 1.0)
        still = VenueLoop(
            open_interest=(1.0, 1.0), impact=(0.0, 0.0), kept_frac=1.0, arbitrage_steps=steps,
            arbitrage_frac=0.98 * most,
        )  # fmt: skip
        run = loop_run(still, apart)
        assert np.ptp(run.fall[-1]) < 1e-3 < np.ptp(run.fall[0])
