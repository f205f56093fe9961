"""Two sources of one market's candles, and the guard that wants them to agree."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.base.errors import InputError
from models.base.types import Candles
from models.data.feeds.agreement import COMPARED, SourceAgreement, source_agreement
from models.trade.risk.limits import Limits
from models.trade.risk.run import SECOND_SOURCE, Standing, decide_order, watch
from models.trade.risk.second_source import sources_agree
from models.trade.risk.snapshot import Stage
from tests.places import SHARED
from tests.test_models.trade.risk.worlds import LIMITS, NOW, world

MINUTE = 60_000
DATA = SHARED / "data"


def candles(minutes: list[int], closes: Any = 100.0) -> Candles:
    """Return candles that open at these minutes."""
    time_ms = np.array(minutes, dtype=np.int64) * MINUTE
    close = np.broadcast_to(np.asarray(closes, dtype=np.float64), time_ms.shape)
    return Candles(time_ms=time_ms, open=close, high=close, low=close, close=close, volume=close)


def test_agreement_when_both_tell_the_same_then_the_newest_closes_are_compared() -> None:
    seen = source_agreement(
        candles([0, 1, 2], [90, 95, 100]), candles([0, 1, 2], [1, 2, 100.25]), MINUTE
    )
    assert seen == SourceAgreement(closed_ms=3 * MINUTE, gap_frac=pytest.approx(0.0025))


def test_agreement_when_one_is_behind_then_the_newest_common_candle_counts() -> None:
    first, second = candles([5, 6, 7], [100, 101, 102]), candles([4, 5, 6], [7, 7, 100])
    seen = source_agreement(first, second, MINUTE)
    assert (seen.closed_ms, seen.odd) == (7 * MINUTE, ())
    assert seen.gap_frac == pytest.approx(100 / 101 - 1)
    assert source_agreement(second, first, MINUTE).gap_frac == pytest.approx(101 / 100 - 1)


def test_agreement_when_a_candle_is_missing_then_its_time_and_its_owner_are_named() -> None:
    seen = source_agreement(candles([1, 2, 4]), candles([1, 3, 4]), MINUTE)
    assert seen.odd == (
        "1970-01-01T00:02Z: only the first has it",
        "1970-01-01T00:03Z: only the second has it",
    )
    assert seen.closed_ms == 5 * MINUTE


def test_agreement_when_a_candle_was_missing_long_ago_then_nobody_minds_any_more() -> None:
    last = COMPARED + 1
    whole, holed = list(range(1, last + 1)), [1, *range(3, last + 1)]
    assert source_agreement(candles(whole), candles(holed), MINUTE).odd != ()
    assert (
        source_agreement(candles([*whole, last + 1]), candles([*holed, last + 1]), MINUTE).odd == ()
    )


@pytest.mark.parametrize(
    ("minutes", "said"), [([1, 2, 2], "00:02Z: the second has it twice"),
                          ([1, 3, 2], "00:02Z: the second has it out of order")],
)  # fmt: skip
def test_agreement_when_times_repeat_or_go_back_then_it_says_so(
    minutes: list[int], said: str
) -> None:
    (odd, *_) = source_agreement(candles([1, 2, 3]), candles(minutes), MINUTE).odd
    assert said in odd


def test_agreement_when_nothing_is_common_then_there_is_nothing_to_compare() -> None:
    assert source_agreement(candles([]), candles([1]), MINUTE) == SourceAgreement()
    assert source_agreement(candles([1]), candles([]), MINUTE) == SourceAgreement()
    assert source_agreement(candles([1, 2]), candles([8, 9]), MINUTE).closed_ms is None


@pytest.mark.parametrize("price", [0.0, -1.0, math.nan])
def test_agreement_when_a_price_is_none_then_it_agrees_with_nothing(price: float) -> None:
    for a, b in ((100.0, price), (price, 100.0)):
        seen = source_agreement(candles([1], a), candles([1], b), MINUTE)
        assert seen.gap_frac is not None
        assert math.isnan(seen.gap_frac)


def test_agreement_when_candles_have_no_length_then_it_is_an_error() -> None:
    with pytest.raises(InputError, match="longer than 0"):
        source_agreement(candles([1]), candles([1]), 0)


SEEN = SourceAgreement(closed_ms=NOW - 3_600_000, gap_frac=0.001)


def asked(seen: SourceAgreement | None, limits: Limits = LIMITS) -> str:
    return sources_agree(world(second=seen), limits).reason


def test_guard_when_sources_agree_then_it_has_no_objection() -> None:
    assert asked(SEEN) == ""
    assert asked(replace(SEEN, gap_frac=0.003)) == ""
    assert asked(replace(SEEN, gap_frac=-0.003)) == ""
    assert asked(replace(SEEN, closed_ms=NOW - 7_200_000)) == ""
    assert asked(replace(SEEN, closed_ms=NOW)) == ""


@pytest.mark.parametrize("gap", [0.003001, -0.003001])
def test_guard_when_prices_are_apart_then_it_refuses_and_tells_the_age(gap: float) -> None:
    reason = asked(replace(SEEN, gap_frac=gap))
    assert f"{gap:+.2%} away" in reason
    assert "closed 3600 s ago" in reason


@pytest.mark.parametrize("closed", [NOW - 7_200_001, NOW + 1])
def test_guard_when_the_comparison_is_old_or_of_the_future_then_it_does_not_know(
    closed: int,
) -> None:
    verdict = sources_agree(world(second=replace(SEEN, closed_ms=closed)), LIMITS)
    assert "sources were last compared" in verdict.reason
    assert (verdict.limit_quote, verdict.unknown) == (0.0, True)
    known = sources_agree(world(second=replace(SEEN, gap_frac=0.1)), LIMITS)
    assert (known.limit_quote, known.unknown) == (0.0, False)


def test_guard_when_candles_differ_then_it_refuses_with_the_newest() -> None:
    assert "differ: b; compared on" in asked(replace(SEEN, odd=("a", "b")))


@pytest.mark.parametrize(
    ("seen", "said"),
    [(None, "second source of candles"), (SourceAgreement(), "candle that both"),
     (replace(SEEN, gap_frac=None), "gap"), (replace(SEEN, gap_frac=math.nan), "gap")],
)  # fmt: skip
def test_guard_when_anything_is_unknown_then_no_order_passes(
    seen: SourceAgreement | None, said: str
) -> None:
    decision = decide_order(world(second=seen), LIMITS, (SECOND_SOURCE,))
    assert not decision.allowed
    assert said in decision.reason
    looked = watch(world(second=seen), LIMITS, Standing.SOURCE, (SECOND_SOURCE,))
    assert said in looked.reason


def test_guard_when_it_is_a_backtest_then_it_does_not_apply() -> None:
    backtest = world(stage=Stage.BACKTEST, second=None)
    assert watch(backtest, LIMITS, Standing.SOURCE, (SECOND_SOURCE,)).reason == ""


@pytest.mark.skipif(not DATA.is_dir(), reason="wants recorded candles of two venues in ../shared")
def test_tolerance_when_two_real_venues_are_compared_then_alarms_are_those_documented() -> None:
    files = ("segments/2022H2_5m/futures", "okx/futures")
    closes = [
        pd.read_feather(DATA / folder / "BTC_USDT_USDT-5m-futures.feather").set_index("date")
        for folder in files
    ]
    both = pd.concat([frame["close"] for frame in closes], axis=1, join="inner", keys=["a", "b"])
    gap = (both["b"] / both["a"] - 1).abs()
    assert len(gap) == 50_893
    assert (gap > LIMITS.soft.max_source_gap_frac).sum() == 31
    assert np.quantile(gap, [0.5, 0.99, 0.999]) == pytest.approx([5e-4, 1e-3, 1.7e-3], rel=0.05)
