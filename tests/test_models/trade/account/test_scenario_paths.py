"""An account along joint paths: as if each were lived candle by candle, and by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base.errors import AlignmentError, InputError
from models.base.units import HOUR_MS
from models.scenarios.paths import PathBlock
from models.trade.account.audit import audit_account
from models.trade.account.cross import CrossAccount, Position
from models.trade.account.records import Fill, MarketPath
from models.trade.account.scenario_account import ScenarioAccount
from models.trade.account.scenario_paths import PathOutcomes, path_outcomes
from models.trade.account.tiers import MarginTier, MarginTiers
from tests.test_models.trade.account.lived import (
    lived_path,
    random_block,
    random_setup,
)

COINS = ("BTC/USDT:USDT", "LTC/USDT:USDT", "ETH/USDT:USDT")
BTC, LTC, ETH = COINS
STEPS, HORIZONS = 12, (1, 5, 12)


def table(pair: str, rate: float = 0.01) -> MarginTiers:
    tier = MarginTier(floor_quote=0, cap_quote=1e9, maintenance_rate_frac=rate,
                      maintenance_amount_quote=0, max_leverage=50)  # fmt: skip
    return MarginTiers(pair, (tier,))


def setup_of(wallet: float, legs: dict[str, float], **more: Any) -> ScenarioAccount:
    """An account in coins of price 100, entered there; legs are notionals, shorts negative."""
    positions = tuple(
        Position(pair=pair, amount_base=quote / 100, entry_price=100.0)
        for pair, quote in legs.items()
    )
    account = CrossAccount(
        wallet_quote=wallet, positions=positions, tiers={pair: table(pair) for pair in legs}
    )
    return ScenarioAccount(account=account, marks=dict.fromkeys(legs, 100.0), **more)


def path(*candles: tuple[tuple[float, float, float], ...], **more: Any) -> PathBlock:
    """One path: per candle, per coin (close, low, high) as prices over the close before."""
    moves = np.log(np.array(candles, dtype=np.float64))[None]  # (1, T, A, 3)
    shape = moves.shape[:3]
    made: dict[str, Any] = {
        "close": moves[..., 0], "low": moves[..., 1], "high": moves[..., 2],
        "funding": np.zeros(shape), "answers": np.ones(shape[:2], dtype=np.bool_),
    }  # fmt: skip
    return PathBlock(**made | more)


STILL = (1.0, 1.0, 1.0)


@pytest.mark.parametrize("seed", range(40))
def test_paths_when_lived_one_by_one_then_every_number_is_the_same(seed: int) -> None:
    rng = np.random.default_rng(seed)
    setup = random_setup(rng, COINS, stops=seed % 2 == 1, deleveraging=seed % 4 > 1)
    block = random_block(rng, 50, STEPS, len(COINS), size=float(rng.uniform(0.005, 0.06)))
    got = path_outcomes(setup, COINS, block, HORIZONS)
    for row in range(len(block)):
        lived = lived_path(setup, COINS, block, row)
        assert got.at_extremes[row] == lived.at_extremes
        assert got.at_closes[row] == lived.at_closes
        assert got.equity[row] == pytest.approx([lived.equity[h - 1] for h in HORIZONS], abs=1e-7)
        assert got.distance[row] == pytest.approx(lived.distance, abs=1e-9)


def test_paths_when_seeds_are_counted_then_every_kind_of_end_is_among_them() -> None:
    died = lived = between = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        setup = random_setup(rng, COINS, stops=seed % 2 == 1, deleveraging=seed % 4 > 1)
        block = random_block(rng, 50, STEPS, len(COINS), size=float(rng.uniform(0.005, 0.06)))
        got = path_outcomes(setup, COINS, block, HORIZONS)
        died += int((got.at_extremes >= 0).sum())
        lived += int((got.at_extremes < 0).sum())
        between += int(((got.at_extremes >= 0) & (got.at_closes < 0)).sum())
    assert min(died, lived, between) > 100


@pytest.mark.parametrize("seed", range(6))
def test_paths_when_audited_as_fills_then_the_audit_says_the_same(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    setup = random_setup(rng, COINS, stops=False, deleveraging=False, opening=True)
    positions = setup.account.positions
    block = random_block(rng, 20, STEPS, len(COINS), size=0.04)
    block = replace(block, funding=np.where(np.arange(STEPS)[:, None] > 0, block.funding, 0.0))
    got = path_outcomes(setup, COINS, block, HORIZONS)
    for row in range(len(block)):
        audit = audit_account(
            [Fill(time_ms=0, pair=p.pair, amount_base=p.amount_base, price_quote=p.entry_price,
                  fee_quote=setup.account.pending_quote if k == 0 else 0.0)
             for k, p in enumerate(positions)],
            {p.pair: market(setup, block, row, p.pair) for p in positions},
            wallet_quote=setup.account.wallet_quote, tiers=setup.account.tiers,
        )  # fmt: skip
        at_ms = got.at_extremes[row] * HOUR_MS if got.at_extremes[row] >= 0 else None
        assert audit.liquidated_at_ms == at_ms
        assert got.equity[row] == pytest.approx(audit.equity_close[np.array(HORIZONS) - 1])
        assert got.distance[row] == pytest.approx(min(1.0, np.nanmin(audit.distance_worst_frac)))


def market(setup: ScenarioAccount, block: PathBlock, row: int, pair: str) -> MarketPath:
    k = COINS.index(pair)
    close = setup.marks[pair] * np.exp(np.cumsum(block.close[row, :, k]))
    before = np.concatenate(([setup.marks[pair]], close[:-1]))
    return MarketPath(
        pair=pair, time_ms=np.arange(STEPS) * HOUR_MS, open=before, close=close,
        low=before * np.exp(block.low[row, :, k]), high=before * np.exp(block.high[row, :, k]),
        funding_rate=block.funding[row, :, k],
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_scale_when_positions_are_made_larger_then_it_says_who_is_liquidated(seed: int) -> None:
    rng = np.random.default_rng(200 + seed)
    setup = random_setup(rng, COINS, stops=seed % 2 == 1, deleveraging=seed % 4 > 1, opening=True)
    block = random_block(rng, 200, STEPS, len(COINS), size=0.03)
    known = path_outcomes(setup, COINS, block, HORIZONS, largest_scale=6.0)
    seen = 0
    for factor in (0.05, 0.2, 0.5, 0.9, 1.0, 1.3, 2.0, 3.7, 6.0):
        larger = scaled(setup, factor)
        if larger is None:
            continue
        at = path_outcomes(larger, COINS, block, HORIZONS).at_extremes
        died = (at[:, None] >= 0) & (at[:, None] < np.array(HORIZONS))
        assert (died == (known.scale <= factor)).all()
        seen += 1
    assert seen > 2


def scaled(setup: ScenarioAccount, factor: float) -> ScenarioAccount | None:
    """The account with larger positions; None where they are liquidated where they stand."""
    account = replace(
        setup.account,
        positions=tuple(
            replace(p, amount_base=factor * p.amount_base) for p in setup.account.positions
        ),
        pending_quote=factor * setup.account.pending_quote,
    )
    return None if account.is_liquidated(setup.marks) else replace(setup, account=account)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_bounds_when_compared_then_closes_liquidate_later_and_larger_sizes_sooner(
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    setup = random_setup(rng, COINS, stops=bool(seed & 1), deleveraging=bool(seed & 2))
    block = random_block(rng, 40, STEPS, len(COINS), size=0.04)
    got = path_outcomes(setup, COINS, block, HORIZONS, largest_scale=5.0)
    late = np.where(got.at_closes < 0, STEPS, got.at_closes)
    soon = np.where(got.at_extremes < 0, STEPS, got.at_extremes)
    assert (soon <= late).all()
    assert (got.scale[:, 1:] <= got.scale[:, :-1]).all()
    assert ((got.scale <= 5.0) | np.isinf(got.scale)).all()
    assert (got.equity >= 0).all()
    assert ((got.distance == 0) == (got.at_extremes >= 0)).all()


def test_equity_by_hand_when_nothing_happens_but_a_fall_and_funding() -> None:
    setup = setup_of(1_000.0, {BTC: 2_000.0})
    block = path(((0.9, 0.85, 1.0),), ((1.0, 1.0, 1.0),), funding=np.array([[[0.0], [0.01]]]))
    got = path_outcomes(setup, (BTC,), block, (1, 2))
    assert got.equity[0] == pytest.approx([800.0, 782.0])  # 20 x 90 x 1 % paid
    # At 85: equity 700 of 1,700 held; 700 - 1,700 x = 17 (1 - x).
    assert got.distance[0] == pytest.approx(683 / 1_683)


def test_liquidation_by_hand_when_only_the_extreme_reaches_it() -> None:
    setup = setup_of(1_000.0, {BTC: 5_000.0})
    block = path(((0.9, 0.8, 1.0),), (STILL,))
    got = path_outcomes(setup, (BTC,), block, (1, 2))
    assert (got.at_extremes[0], got.at_closes[0]) == (0, -1)
    assert got.equity[0] == pytest.approx([0.0, 0.0])
    narrow = path_outcomes(setup, (BTC,), path(((0.81, 0.805, 1.0),)), (1,))
    assert narrow.at_extremes[0] == 0  # 25 left, 40.25 needed
    assert narrow.equity[0, 0] == 0.0  # 25 less 1.25 % of 4,025


def test_hedge_when_both_legs_swing_then_it_is_not_credited_with_its_own_extreme() -> None:
    setup = setup_of(1_000.0, {LTC: 4_000.0, BTC: -4_000.0})
    # Both fall by a tenth together, then rise by a fifth and come back.
    block = path(((1.0, 0.9, 1.2), (1.0, 0.9, 1.2)))
    got = path_outcomes(setup, (LTC, BTC), block, (1,))
    assert (got.at_extremes[0], got.at_closes[0]) == (0, -1)


@pytest.mark.parametrize(("answers", "price"), [(True, 95.0), (False, 80.0)])
def test_stop_by_hand_when_the_exchange_answers_or_does_not(answers: bool, price: float) -> None:
    setup = setup_of(1_000.0, {BTC: 2_000.0}, stops={BTC: 95.0}, exit_cost_frac=0.001)
    block = path(((0.9, 0.8, 1.0),), ((0.5, 0.5, 1.0),), answers=np.array([[answers, True]]))
    got = path_outcomes(setup, (BTC,), block, (1, 2))
    left = 1_000 + 20 * (price - 100) - 0.001 * 20 * price
    assert got.equity[0] == pytest.approx([left, left])
    assert got.at_extremes[0] == -1


def test_deleveraging_by_hand_when_the_long_crashes_then_the_short_has_earned_nothing() -> None:
    crash = path((STILL, STILL), ((0.8, 0.8, 1.0), (0.8, 0.8, 1.0)), ((0.9, 0.9, 1.0),) * 2)
    legs = {LTC: 2_000.0, BTC: -2_000.0}
    kept = path_outcomes(setup_of(1_000.0, legs), (LTC, BTC), crash, (2, 3))
    assert kept.equity[0] == pytest.approx([1_000.0, 1_000.0])
    taken = setup_of(1_000.0, legs, deleveraging_frac=0.1, exit_cost_frac=0.0)
    got = path_outcomes(taken, (LTC, BTC), crash, (2, 3))
    assert got.equity[0] == pytest.approx([600.0, 440.0])


def test_future_when_it_changes_then_nothing_before_it_does() -> None:
    rng = np.random.default_rng(9)
    setup = random_setup(rng, COINS, stops=True, deleveraging=True)
    block = random_block(rng, 60, STEPS, len(COINS), size=0.02)
    other = random_block(rng, 60, STEPS, len(COINS), size=0.2)
    names = ("close", "low", "high", "funding", "answers")
    mixed = PathBlock(**{
        n: np.concatenate([getattr(block, n)[:, :5], getattr(other, n)[:, 5:]], axis=1)
        for n in names
    })  # fmt: skip
    a, b = (path_outcomes(setup, COINS, x, (1, 5, 12), largest_scale=4.0) for x in (block, mixed))
    assert (a.equity[:, :2] == b.equity[:, :2]).all()
    assert (a.scale[:, :2] == b.scale[:, :2]).all()
    assert not (a.equity[:, 2] == b.equity[:, 2]).all()


def test_coins_when_the_block_has_more_or_other_columns_then_only_names_count() -> None:
    rng = np.random.default_rng(8)
    setup = random_setup(rng, COINS[:2], stops=False, deleveraging=False)
    block = random_block(rng, 30, STEPS, 3, size=0.03)
    turned = PathBlock(
        **{n: getattr(block, n)[:, :, ::-1] for n in ("close", "low", "high", "funding")},
        answers=block.answers,
    )
    a = path_outcomes(setup, COINS, block, HORIZONS)
    b = path_outcomes(setup, COINS[::-1], turned, HORIZONS)
    assert all((getattr(a, n) == getattr(b, n)).all() for n in PathOutcomes.__annotations__)


GOOD = random_block(np.random.default_rng(1), 2, 3, 1, size=0.01)


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"close": np.full((2, 3, 1), np.nan)}, InputError, "finite paths"),
        ({"low": np.full((2, 3, 1), -np.inf)}, InputError, "finite paths"),
        ({"low": np.full((2, 3, 1), 0.5)}, InputError, "low <= close"),
        ({"high": np.full((2, 3, 1), -0.5)}, InputError, "low <= close"),
        ({"funding": np.full((2, 3, 1), 1.5)}, InputError, "funding below 1"),
        ({"low": GOOD.low[:, :2]}, AlignmentError, "one shape"),
        ({"answers": GOOD.answers[:1]}, AlignmentError, "one shape"),
    ],
)
def test_block_when_unsound_then_it_is_refused(
    changes: dict[str, Any], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        path_outcomes(setup_of(1_000.0, {BTC: 500.0}), (BTC,), replace(GOOD, **changes), (3,))


@pytest.mark.parametrize(
    ("coins", "horizons", "scale", "kind", "said"),
    [
        ((BTC,), (4,), None, AlignmentError, "path of 4 candles"),
        ((LTC,), (3,), None, AlignmentError, "no paths of"),
        ((BTC,), (), None, InputError, "horizons that rise"),
        ((BTC,), (0, 2), None, InputError, "horizons that rise"),
        ((BTC,), (2, 2), None, InputError, "horizons that rise"),
        ((BTC,), (2,), 0.0, InputError, "scale > 0"),
        ((BTC,), (2,), float("nan"), InputError, "scale > 0"),
    ],
)
def test_question_when_it_cannot_be_answered_then_it_is_refused(
    coins: Any, horizons: Any, scale: Any, kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        path_outcomes(setup_of(1_000.0, {BTC: 500.0}), coins, GOOD, horizons, largest_scale=scale)


@pytest.mark.parametrize(
    ("legs", "more", "said"),
    [
        ({}, {}, "at least one position"),
        ({BTC: 90_000.0}, {"wallet": 500.0}, "liquidated before"),
        ({BTC: 500.0}, {"exit_cost_frac": 1.0}, "costs from 0"),
        ({BTC: 500.0}, {"liquidation_fee_frac": float("nan")}, "costs from 0"),
        ({BTC: 500.0}, {"deleveraging_frac": 0.0}, "between 0 and 1"),
        ({BTC: 500.0}, {"stops": {BTC: 101.0}}, "stop below the mark 100"),
        ({BTC: -500.0}, {"stops": {BTC: 99.0}}, "stop above the mark 100"),
        ({BTC: 500.0}, {"stops": {BTC: float("nan")}}, "stop below"),
        ({BTC: 500.0}, {"stops": {LTC: 50.0}}, "not held"),
    ],
)
def test_account_when_unsound_then_it_is_refused(
    legs: dict[str, float], more: dict[str, Any], said: str
) -> None:
    more = dict(more)
    with pytest.raises(InputError, match=said):
        setup_of(more.pop("wallet", 1_000.0), legs, **more)
