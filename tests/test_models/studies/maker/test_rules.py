"""What is sure is measured by what came before; a coin is as often heads as tails."""

from __future__ import annotations

import numpy as np
import pytest

from models.base import columns
from models.base.errors import InputError
from models.base.types import FloatArray
from models.studies.maker.rules import by_coin, confident

WINDOW = 1_000


def forecast(lead: FloatArray) -> dict[str, FloatArray]:
    return {
        columns.P_UP: 0.5 + lead / 2, columns.P_DOWN: 0.5 - lead / 2,
        columns.ABSTAIN: np.where(np.isfinite(lead), 0.0, 1.0),
    }  # fmt: skip


def test_sides_when_sure_then_about_the_share_of_rows_to_the_side_of_the_lead() -> None:
    lead = np.random.default_rng(0).normal(size=20_000) / 10
    side = confident(forecast(lead), 0.1, WINDOW).side
    assert not side[:240].any()
    assert np.abs(side[WINDOW:]).mean() == pytest.approx(0.1, abs=0.01)
    assert (np.sign(lead)[side != 0] == side[side != 0]).all()
    assert np.abs(lead)[side != 0].min() > np.quantile(np.abs(lead), 0.85)


def test_bar_when_later_leads_grow_then_earlier_sides_do_not_change() -> None:
    lead = np.random.default_rng(1).normal(size=4_000) / 10
    grown = lead.copy()
    grown[3_000:] *= 3
    known, other = (confident(forecast(x), 0.1, WINDOW) for x in (lead, grown))
    np.testing.assert_array_equal(known.side[:3_000], other.side[:3_000])
    # The control: by the bar before, far more of them are sure for a while.
    assert np.abs(other.side[3_000:3_200]).sum() > 3 * np.abs(known.side[3_000:3_200]).sum()


def test_row_when_it_abstains_then_it_is_not_sure_and_says_nothing_of_others() -> None:
    lead = np.random.default_rng(2).normal(size=3_000) / 10
    asked = forecast(lead)
    asked[columns.ABSTAIN][1::2] = 1.0
    asked[columns.P_UP][1::2] = 1.0  # as sure as can be
    asked[columns.P_DOWN][1::2] = 0.0
    side = confident(asked, 0.1, WINDOW).side
    assert not side[1::2].any()
    assert np.abs(side[WINDOW::2]).mean() == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize(("share", "window"), [(0.0, WINDOW), (1.0, WINDOW), (0.1, 100)])
def test_share_when_outside_or_the_window_too_short_then_refused(share: float, window: int) -> None:
    with pytest.raises(InputError, match="expected 0 < share < 1 and a window"):
        confident(forecast(np.zeros(500)), share, window)


def test_coin_when_thrown_then_both_sides_come_and_nothing_is_left_early() -> None:
    made = by_coin(10_000, np.random.default_rng(0))
    assert set(made.side.tolist()) == {-1, 1}
    assert abs(made.side.mean()) < 0.05
    assert not (made.exit_long | made.exit_short).any()
