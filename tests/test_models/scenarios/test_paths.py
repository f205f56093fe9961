"""The face of scenarios: what is known when, and streams that do not depend on each other."""

from __future__ import annotations

import numpy as np
import pytest

from models.base.errors import InputError
from models.base.units import HOUR_MS
from models.scenarios.paths import CHUNK, CoinHistory, chunks


def test_until_when_a_candle_has_not_closed_then_it_is_not_known() -> None:
    rows = np.zeros((3, 1))
    history = CoinHistory(
        coins=("BTC/USDT:USDT",), candle_ms=HOUR_MS, time_ms=np.arange(3) * HOUR_MS,
        close=rows, low=rows, high=rows, funding=rows,
    )  # fmt: skip
    assert len(history.until(3 * HOUR_MS).close) == 3
    assert len(history.until(3 * HOUR_MS - 1).close) == 2


def test_chunks_when_more_paths_are_asked_for_then_the_first_streams_stay() -> None:
    few = [(n, rng.random()) for n, rng in chunks(2 * CHUNK, 5)]
    more = [(n, rng.random()) for n, rng in chunks(2 * CHUNK + 1, 5)]
    assert few == more[:2]
    assert more[2][0] == 1
    assert len({first for _, first in more}) == 3


@pytest.mark.parametrize(("paths", "seed"), [(0, 0), (1, -1)])
def test_chunks_when_nothing_can_be_drawn_then_it_is_refused(paths: int, seed: int) -> None:
    with pytest.raises(InputError, match="at least 1 path"):
        list(chunks(paths, seed))
