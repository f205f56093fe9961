"""The block bootstrap against what it must be: its marginal, its blocks, its clock."""

from __future__ import annotations

import numpy as np
import pytest

from models.base.errors import ConfigError
from models.base.units import HOUR_MS
from models.scenarios.bootstrap import BlockBootstrap
from models.scenarios.paths import CHUNK
from tests.test_models.scenarios.histories import garch_history


def test_bootstrap_when_drawn_then_marginal_and_block_length_are_right() -> None:
    h = garch_history(2_000)
    (block,) = BlockBootstrap(mean_block_days=0.5).fit(h).given(h).draw(CHUNK, 100, 0)
    # The row drawn is known by its close, which no two rows share.
    order = np.argsort(h.close[:, 0])
    row = order[np.searchsorted(h.close[order, 0], block.close[:, :, 0])]
    assert (h.close[row] == block.close).all()
    assert (h.low[row] == block.low).all()
    assert (h.high[row] == block.high).all()
    # Each row is as likely as the other: first draws of blocks are independent uniforms.
    first = row[:, 0]
    error = h.close[:, 0].std() / np.sqrt(CHUNK)
    assert abs(h.close[first, 0].mean() - h.close[:, 0].mean()) < 4 * error
    # A block goes on with probability 1 - 1/12, and a new one follows by chance once in 2,000.
    goes_on = (np.diff(row, axis=1) % 2_000 == 1).mean()
    expected, n = 1 - 1 / 12 + 1 / 12 / 2_000, CHUNK * 99
    assert abs(goes_on - expected) < 4 * np.sqrt(expected * (1 - expected) / n)


def test_bootstrap_when_funding_is_due_then_the_newest_rate_is_paid_at_the_clock() -> None:
    h = garch_history(2_000)
    (block,) = BlockBootstrap().fit(h).given(h).draw(50, 48, 0)
    opens = h.time_ms[-1] + HOUR_MS * np.arange(1, 49)
    paid = (block.funding != 0).all(axis=(0, 2))
    assert (paid == (opens % (8 * HOUR_MS) == 0)).all()
    assert np.isin(block.funding[:, paid], h.funding).all()


def test_bootstrap_when_a_block_has_no_length_then_it_is_refused() -> None:
    with pytest.raises(ConfigError, match="mean_block_days"):
        BlockBootstrap(mean_block_days=0)
