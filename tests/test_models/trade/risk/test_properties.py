"""What must hold for any world: warnings never raise exposure, and no forecast passes a limit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.trade.risk.gap import worst_loss_quote
from models.trade.risk.limits import GuardConfig, HardLimits, Limits, jittered
from models.trade.risk.run import GUARDS, Guard, decide_order
from models.trade.risk.snapshot import Effect, ModelHealth, Snapshot, Stage
from models.trade.risk.verdict import Verdict, refused
from models.trade.risk.worst_hours import recorded
from tests.test_models.trade.risk.worlds import (
    EXCHANGE,
    LIMITS,
    MARKET,
    MODEL,
    OTHER,
    PAIR,
    SOUND,
    exposure,
    held,
    lost,
    sent,
    world,
)

near = st.floats(0.9, 1.1)
worlds = st.builds(
    world,
    stage=st.sampled_from(Stage),
    intent__side=st.sampled_from([-1, 1]),
    intent__notional_quote=st.floats(0.01, 1e5),
    intent__leverage=st.floats(1.0, 3.0),
    intent__price=st.floats(99.6, 100.4),
    exposure=st.builds(
        exposure, st.builds(held, st.floats(-150, 150).filter(lambda a: abs(a) > 1e-3)),
        wallet=st.floats(1000, 30_000), pending_long_quote=st.floats(0, 5000),
        pending_short_quote=st.floats(0, 5000),
    ),
    market=st.builds(replace, st.just(MARKET), mark=st.floats(99.7, 100.3),
                     volume_1h_quote=st.floats(1e4, 1e8), ask_depth_quote=st.floats(1e3, 1e7)),
    model=st.builds(replace, st.just(MODEL), sigma_day=st.floats(0.001, 0.1)),
)  # fmt: skip

# Every way in which things get worse; each must leave at most what was allowed before.
WORSE: dict[str, Callable[[Snapshot], Snapshot]] = {
    "poorer": lambda s: _in(s, exposure=_account(s, wallet_quote=-500.0)),
    "pending long": lambda s: _in(s, exposure=replace(s.exposure, pending_long_quote=6000.0)),
    "pending short": lambda s: _in(s, exposure=replace(s.exposure, pending_short_quote=6000.0)),
    "older price": lambda s: _in(s, market=replace(s.market, price_age_s=9.0)),
    "silent price": lambda s: _in(s, market=replace(s.market, price_age_s=99.0)),
    "old candle": lambda s: _in(s, market=replace(s.market, candle_age_s=9999.0)),
    "wide book": lambda s: _in(s, market=replace(s.market, bid=99.0)),
    "thin book": lambda s: _in(s, market=replace(s.market, bid_depth_quote=500.0)),
    "no volume": lambda s: _in(s, market=replace(s.market, volume_1h_quote=100.0)),
    "gap": lambda s: _in(s, market=replace(s.market, index=97.0)),
    "funding": lambda s: _in(s, market=replace(s.market, funding_8h_frac=s.intent.side * 0.01)),
    "hazard": lambda s: _in(s, model=replace(s.model, false_alarms=0.05)),
    "volatile": lambda s: _in(s, model=replace(s.model, sigma_day=0.2)),
    "novel": lambda s: _in(s, model=replace(s.model, novelty=5.0)),
    "drifted": lambda s: _in(s, model=replace(s.model, drift=1.5)),
    "uncalibrated": lambda s: _in(s, model=replace(s.model, coverage=0.1)),
    "abstains": lambda s: _in(s, model=replace(s.model, abstains=True)),
    "slow": lambda s: _in(s, model=replace(s.model, latency_ms=99_999.0)),
    "losing": lambda s: _in(s, losses=lost(day=0.03)),
    "fuller": lambda s: _in(s, exchange=replace(EXCHANGE, maintenance_quote=4000.0)),
    "reducing": lambda s: _in(s, control_mode="REDUCING"),
    "difference": lambda s: _in(s, differences=("BTC",)),
    "not all known": lambda s: _in(s, unknown=("the exchange's positions",)),
    "sent before": lambda s: _in(s, sent=(*s.sent, sent(1), sent(2), sent(3))),
    **{
        f"{part} unknown": lambda s, part=part: _in(s, **{part: None})
        for part in (
            "exposure",
            "market",
            "model",
            "sent",
            "losses",
            "control_mode",
            "differences",
            "unknown",
            "exchange",
        )
    },
}


def _in(s: Snapshot, **changes: Any) -> Snapshot:
    return replace(s, **changes)


def _account(s: Snapshot, **added: float) -> Any:
    account = s.exposure.account
    changed = {name: getattr(account, name) + value for name, value in added.items()}
    return replace(s.exposure, account=replace(account, **changed))


@settings(max_examples=300, deadline=None)
@given(s=worlds, how=st.lists(st.sampled_from(sorted(WORSE)), min_size=1, max_size=3, unique=True))
def test_decision_when_any_warning_is_added_then_exposure_never_rises(
    s: Snapshot, how: list[str]
) -> None:
    before = decide_order(s, LIMITS)
    assert 0 <= before.notional_quote <= s.intent.notional_quote
    worse = s
    # Unknown fields last: nothing is left of them to make worse.
    for name in sorted(how, key=lambda n: n.endswith("unknown")):
        worse = WORSE[name](worse)
    # Halvings of the order find the distance limit to one part in 10^9.
    assert decide_order(worse, LIMITS).notional_quote <= before.notional_quote * (1 + 1e-8)


@pytest.mark.parametrize("name", sorted(WORSE))
def test_warning_when_it_is_the_only_one_then_it_does_limit_a_live_order(name: str) -> None:
    large = replace(SOUND, intent=replace(SOUND.intent, notional_quote=30_000.0))
    before, after = decide_order(large, LIMITS), decide_order(WORSE[name](large), LIMITS)
    most = before.notional_quote
    assert most == pytest.approx(0.9 * 0.25 * 10_000 / recorded(PAIR).fall_frac)
    short = replace(large, intent=replace(large.intent, side=-1))
    other = decide_order(WORSE[name](short), LIMITS).notional_quote
    assert min(after.notional_quote, other) < most or name == "older price"  # which only warns


@settings(max_examples=200, deadline=None)
@given(s=worlds, limit=st.one_of(st.just(math.nan), st.floats(-1e3, 1e5), st.just(math.inf)))
def test_decision_when_one_more_guard_speaks_then_exposure_never_rises(
    s: Snapshot, limit: float
) -> None:
    def more(snapshot: Snapshot, limits: Limits) -> Verdict:
        return Verdict(limit_quote=limit, reason="more")

    before = decide_order(s, LIMITS).notional_quote
    after = decide_order(s, LIMITS, [*GUARDS, Guard(check=more)]).notional_quote
    assert after <= before
    assert after <= max(limit, 0.0) or math.isnan(limit)
    if math.isnan(limit):
        assert after == 0.0
    none = Guard(check=lambda snapshot, limits: refused("no"))
    assert decide_order(s, LIMITS, [none, *GUARDS]).notional_quote == 0.0


@settings(max_examples=200, deadline=None)
@given(s=worlds, share=st.floats(0.1, 0.99), seed=st.integers(0, 1000))
def test_decision_when_limits_are_tightened_or_jittered_then_exposure_never_rises(
    s: Snapshot, share: float, seed: int
) -> None:
    before = decide_order(s, LIMITS).notional_quote * (1 + 1e-8)
    for name in ("max_gross_leverage", "max_net_leverage", "max_order_equity_frac",
                 "max_order_volume_frac", "margin_warn", "worst_hour_loss_frac"):  # fmt: skip
        hard = replace(LIMITS.hard, **{name: getattr(LIMITS.hard, name) * share})
        assert decide_order(s, replace(LIMITS, hard=hard)).notional_quote <= before
    for name, value in (("reserve_quote", 400.0), ("planned_withdrawals_quote", 400.0),
                        ("min_distance_frac", 0.5), ("distance_es99_days", 9.0)):  # fmt: skip
        hard = replace(LIMITS.hard, **{name: value})
        assert decide_order(s, replace(LIMITS, hard=hard)).notional_quote <= before
    soft = jittered(LIMITS.soft, seed)
    assert decide_order(s, replace(LIMITS, soft=soft)).notional_quote <= before


@settings(max_examples=100, deadline=None)
@given(s=worlds, junk=st.floats(), name=st.sampled_from(sorted(WORSE)))
def test_decision_when_risk_is_reduced_then_nothing_in_the_world_stops_it(
    s: Snapshot, junk: float, name: str
) -> None:
    out = replace(s.intent, effect=Effect.REDUCE, price=junk, leverage=None, key="")
    ruined = WORSE[name](s)
    reducing = replace(ruined, intent=out, exposure=None, market=None, control_mode="HALTED")
    assert decide_order(reducing, LIMITS).notional_quote == out.notional_quote


# -- a model tries ------------------------------------------------------------------------------


@dataclass
class Book:
    """Long and short notional of two pairs; everything is marked at 100."""

    amounts: dict[str, float]
    wallet: float = 10_000.0

    def exposure(self) -> Any:
        positions = [held(a, pair=p) for p, a in self.amounts.items() if abs(a) > 1e-9]
        return exposure(*positions, wallet=self.wallet)


def random_model(rng: np.random.Generator) -> ModelHealth:
    """Return whatever a network may come up with, mostly plausible, sometimes garbage."""
    junk = rng.random() < 0.1
    number = rng.choice([math.nan, math.inf, -math.inf, -1.0, 1e300, 0.0]) if junk else None
    return ModelHealth(
        vouched=bool(rng.random() < 0.98),
        abstains=bool(rng.random() < 0.02),
        sigma_day=float(number if number is not None else rng.lognormal(-4, 1)),
        false_alarms=float(rng.random() * 1.5),
        novelty=float(rng.random() * 1.05),
        drift=float(rng.random() * 1.05),
        outcomes=int(rng.integers(0, 1000)),
        coverage=float(rng.uniform(0.7, 1.0)),
        latency_ms=float(rng.uniform(1, 37_000)),
    )


@pytest.mark.parametrize("isolated", [False, True])
@pytest.mark.parametrize(
    ("seed", "outputs"), [(0, 10_000), pytest.param(1, 100_000, marks=pytest.mark.slow)]
)
def test_hard_limits_when_random_model_outputs_come_then_none_passes_them(
    seed: int, outputs: int, isolated: bool
) -> None:
    rng = np.random.default_rng(seed)
    limits = Limits(hard=HardLimits(isolated_leverage=20.0 if isolated else 0.0))
    book, allowed, cut, refusals, beyond = Book(amounts={}), 0, 0, 0, 0
    usable = book.wallet
    for i in range(outputs):
        pair, side = (PAIR, OTHER)[i % 2], int(rng.choice([-1, 1]))
        wanted = float(rng.lognormal(6, 2)) if rng.random() < 0.98 else float(
            rng.choice([math.nan, math.inf, -math.inf, 0.0, -1.0, 1e308]))  # fmt: skip
        leverage = float(rng.uniform(0.5, 25.0)) if rng.random() < 0.3 else 2.0
        now = book.amounts.get(pair, 0.0)
        if now * side < 0:  # a position is closed by exits, not by entries of the other side
            book.amounts[pair] = now = 0.0
        s = replace(
            SOUND, stage=Stage.BACKTEST, model=random_model(rng),
            exposure=replace(book.exposure(), isolated=isolated),
            intent=replace(SOUND.intent, pair=pair, side=side, notional_quote=wanted,
                           leverage=leverage),
        )  # fmt: skip
        decision = decide_order(s, limits)
        taken = decision.notional_quote
        assert math.isfinite(taken)
        assert taken >= 0
        if taken > 0:
            assert taken <= wanted
            assert 1 <= leverage <= (20 if isolated else 3)
            assert taken <= 0.05 * usable * (1 + 1e-9)
            assert s.model.vouched
            assert not s.model.abstains
            assert s.model.false_alarms > 0.25
            book.amounts[pair] = now + side * taken / 100
            if leverage > 3:
                beyond += 1
                stake = 100 * abs(book.amounts[pair]) / leverage
                assert stake <= 0.01 * usable * (1 + 1e-9)
            gross = 100 * sum(abs(a) for a in book.amounts.values())
            net = 100 * sum(book.amounts.values())
            assert gross <= 3 * usable * (1 + 1e-9)
            assert abs(net) <= 2 * usable * (1 + 1e-9)
            account = book.exposure()
            assert worst_loss_quote(account) <= 0.9 * 0.25 * usable * (1 + 1e-9)
            distance = account.account.distance_to_liquidation_frac(account.marks)
            assert distance >= 0.15 - 1e-6
        allowed += taken == wanted
        cut += 0 < taken < wanted
        refusals += taken == 0
        if rng.random() < 0.02:
            book.amounts = {p: a * float(rng.choice([0.0, 0.5])) for p, a in book.amounts.items()}
    assert min(allowed, cut, refusals) > outputs / 50  # every kind of answer was met
    assert beyond > outputs / 50 if isolated else beyond == 0


anything = st.one_of(st.floats(), st.none(), st.floats(0, 200),
                     st.sampled_from([5e-324, 1e-300, 1e300, 1.7e308, -0.0]))  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(
    market=st.fixed_dictionaries(dict.fromkeys(MARKET.__dataclass_fields__, anything)),
    model=st.fixed_dictionaries(
        {f: anything for f in MODEL.__dataclass_fields__ if f != "without"}
    ),
    order=st.fixed_dictionaries(dict.fromkeys(("notional_quote", "leverage", "price"), anything)),
    wallet=st.floats(), side=st.integers(-2, 2), stage=st.sampled_from(Stage),
)  # fmt: skip
def test_decision_when_every_number_may_be_junk_then_it_is_finite_and_never_more_than_asked(
    market: dict[str, Any], model: dict[str, Any], order: dict[str, Any], wallet: float,
    side: int, stage: Stage,
) -> None:  # fmt: skip
    spoiled = replace(
        SOUND, stage=stage, market=replace(MARKET, **market), model=replace(MODEL, **model),
        intent=replace(SOUND.intent, side=side, **order),
    )  # fmt: skip
    if math.isfinite(wallet):
        spoiled = replace(spoiled, exposure=exposure(wallet=wallet))
    taken = decide_order(spoiled, Limits(hard=HardLimits(), soft=GuardConfig())).notional_quote
    assert math.isfinite(taken)
    assert taken >= 0
    if taken > 0:
        assert taken <= order["notional_quote"]
        assert side in (-1, 1)
        assert 1 <= order["leverage"] <= 3
