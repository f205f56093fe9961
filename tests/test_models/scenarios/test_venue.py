"""Funding that spikes at the clock's times, and a venue that does not answer when overloaded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.base.errors import ConfigError
from models.scenarios.overlays import rate_bound, years
from models.scenarios.paths import CHUNK
from models.scenarios.venue import FundingSpikes, VenueOutages
from tests.test_models.scenarios.blocks import flat_block
from tests.test_models.scenarios.histories import garch_history


def test_spikes_when_laid_over_then_they_are_paid_when_due_and_capped() -> None:
    h = garch_history(20_000)
    fitted = FundingSpikes().fit(h)
    assert fitted.tail is not None
    yearly = fitted.per_candle * 8_766
    assert rate_bound(20, years(h), 0.95) < yearly < 365 / 3 * 1.5
    block = flat_block(200)
    got = fitted.laid_over(block, np.random.default_rng(0))
    due = np.arange(200) % 8 == 0
    assert (got.funding[:, ~due] == 0).all()
    changed = (got.funding != block.funding).any(axis=2)
    struck = changed.any(axis=1)
    expected = 1 - np.exp(-fitted.per_candle * 200)
    # A spell that begins in the last seven candles meets no payment.
    assert expected * 0.95 - 0.06 < struck.mean() < expected + 0.06
    assert (np.abs(got.funding[got.funding != 1e-4][:]).max()) <= 0.03
    spikes = got.funding[got.funding != block.funding]
    assert (np.abs(spikes) >= fitted.tail.threshold).all()
    assert changed.sum(axis=1).max() == 9  # three days
    coins = (got.funding != block.funding).any(axis=1)[struck].sum(axis=1)
    assert set(coins.tolist()) == {1, 3}


def test_spikes_when_no_funding_is_known_then_none_is_drawn_and_it_is_said() -> None:
    h = garch_history(5_000)
    fitted = FundingSpikes().fit(replace(h, funding=np.zeros_like(h.funding)))
    assert fitted.notes == ("no funding known: no spikes drawn",)
    few = FundingSpikes(quantile=0.999).fit(h)
    assert "no funding spikes drawn: expected at least 25" in few.notes[0]
    for one in (fitted, few):
        block = flat_block(50)
        assert one.laid_over(block, np.random.default_rng(0)) is block


def test_outages_when_the_market_is_overloaded_then_half_of_them_go_unanswered() -> None:
    h = garch_history(5_000)
    fitted = VenueOutages(mean_minutes=180.0).fit(h)
    beyond = np.median(h.high - h.low, axis=1) > fitted.overload
    assert beyond.sum() == 3
    block = flat_block(30)
    high = block.high.copy()
    high[:, 10, :2] = 1.01 * fitted.overload
    high[:, 20, 0] = 1.0  # one coin alone
    answers = fitted.laid_over(replace(block, high=high), np.random.default_rng(0)).answers
    assert answers[:, :10].all()
    assert (~answers[:, 10]).mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(CHUNK))
    out = ~answers[~answers[:, 10], 10:]
    goes_on = 1 - 1 / 3
    error = 4 * 0.5 / np.sqrt(len(out))
    assert out[:, 1].mean() == pytest.approx(goes_on, abs=error)
    assert out[:, 2].mean() == pytest.approx(goes_on**2, abs=error)
    assert (out[:, 1:] <= out[:, :-1]).all()  # one outage, not two
    assert VenueOutages().fit(h).goes_on == 0.0


def test_venue_when_settings_are_impossible_then_they_are_refused() -> None:
    with pytest.raises(ConfigError, match="chance"):
        VenueOutages(chance=2.0)
    with pytest.raises(ConfigError, match="cap_frac"):
        FundingSpikes(cap_frac=0.0)
