"""Everything the hedge's report measures: the backtest, the ladder beside it, crashes, survival."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from models.base.types import FloatArray
from models.studies.hedge import ladder
from models.studies.hedge.account_sizes import KnownLiquidity, by_account
from models.studies.hedge.backtest import AuditedBacktest
from models.studies.hedge.crashes import NAMED, NamedCrash, worst_weeks
from models.studies.hedge.effectiveness import (
    HedgedReturns,
    effectiveness,
    episode,
    paired,
    unhedged,
)
from models.studies.hedge.spans import by_crash, by_year
from models.studies.hedge.survival import Legs, survival
from models.trade.account.tiers import MarginTiers
from models.trade.hedging.policy import HedgeSignal
from models.trade.hedging.rounding import OrderRules
from models.trade.hedging.simulate import HedgePath

YARDSTICK: Final = "EWMA 48 h, band 0.25"  # what the bars of cost and ES99 are set by
_LEVERAGES: Final = (2.0, 3.0, 5.0, 10.0)
_HORIZON_DAYS: Final = (7, 30)

_Numbers = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class HedgeStudy:
    """What is measured.

    Attributes
    ----------
    scene
        The candles of the backtest and a history before them.
    measured
        The returns of `backtest`, as `backtest_returns` gives them.
    signals
        A model's signal at every candle of the scene; None without a model.
    tiers
        Of the primary, then of each hedge.
    same_coin
        The perpetual against spot of the same coin; None without spot candles.
    order_rules, liquidity
        Of the primary, then of each hedge: for accounts of other sizes; None leaves them out.
    leverage
        Of the position, as configured.
    """

    scene: ladder.Scene
    backtest: AuditedBacktest
    measured: HedgedReturns
    signals: Sequence[HedgeSignal] | None
    tiers: Sequence[MarginTiers]
    same_coin: HedgedReturns | None
    order_rules: Sequence[OrderRules] = ()
    liquidity: KnownLiquidity | None = None
    order_margin: float = 1.0  # of the smallest orders, as the strategy plans them
    leverage: float = 2.0  # the position's, whose liquidation is told beside the usual ones


@dataclass(frozen=True, kw_only=True)
class HedgeMeasures:
    """What came of it; every dict is one of `effectiveness` unless named otherwise."""

    backtested: _Numbers
    ours: _Numbers  # the shipped policy, simulated
    limited: _Numbers  # the same, ratio at most 1
    yardstick: _Numbers
    lean: _Numbers | None  # `paired` difference a model makes at equal ratio and cost
    table: list[_Numbers]  # one row per hedge, with its name
    matched: list[_Numbers]  # each baseline at the ratio and cost of ours
    named: list[_Numbers]  # named crashes in the data
    crashes: list[_Numbers]  # those, or the worst weeks where there are none
    same_coin: _Numbers | None
    survival: list[_Numbers]
    path: HedgePath  # of ours
    years: list[_Numbers]  # `models.studies.hedge.spans` of the backtest
    spans: list[_Numbers]  # the same of each of `crashes`
    accounts: list[_Numbers]  # `models.studies.hedge.account_sizes`


def measure_hedge(
    study: HedgeStudy, seed: int, told: Callable[[float], None] | None = None
) -> HedgeMeasures:
    """Return every number of the hedge's report; the same seed gives the same intervals.

    Parameters
    ----------
    told
        Is told which share of the baselines is matched: nearly all of the work.
    """
    rng = np.random.default_rng(seed)
    scene, measured = study.scene, study.measured
    path = scene.ours()
    ours, within_one = scene.returns(path), _within_one(scene)
    lean, leaning = _lean(study, rng)
    targets = scene.targets()
    baselines = {n: effectiveness(r, rng) for n, r in ladder.natural(scene, targets).items()}
    backtested, limited = effectiveness(measured, rng), effectiveness(within_one, rng)
    simulated, bare = effectiveness(ours, rng), effectiveness(unhedged(ours), rng)
    table = [
        {"name": "LitecoinHedge, backtested", "ours": True, **backtested},
        {"name": "the same, simulated", "ours": True, **simulated},
        {"name": "the same, ratio at most 1", "ours": False, **limited},
        {"name": "no hedge", "ours": False, **bare},
        *({"name": n, "ours": False, **effectiveness(r, rng)} for n, r in leaning.items()),
        *({"name": n, "ours": False, **row} for n, row in baselines.items()),
    ]
    matched = _matched(scene, targets, ours, rng, told)
    named = _episodes(measured, NAMED)
    told_of = NAMED if named else worst_weeks(measured.time_ms, measured.primary)
    same = study.same_coin
    return HedgeMeasures(
        backtested=backtested,
        limited=limited,
        yardstick=baselines[YARDSTICK],
        lean=lean,
        table=table,
        matched=matched,
        named=named,
        crashes=named or _episodes(measured, told_of),
        same_coin=None if same is None else effectiveness(same, rng),
        ours=effectiveness(ours, rng),
        survival=_survival(scene, path, study.tiers, study.leverage),
        path=path,
        years=by_year(measured, rng),
        spans=by_crash(measured, told_of, rng),
        accounts=[]
        if study.liquidity is None
        else by_account(
            scene, study.order_rules, study.liquidity, rng, order_margin=study.order_margin
        ),
    )


def _within_one(scene: ladder.Scene) -> HedgedReturns:
    """Return the shipped hedge where the sum of the ratios may be at most 1."""
    limit = min(scene.policy.max_ratio, 1.0)
    tighter = replace(scene, policy=replace(scene.policy, max_ratio=limit))
    return tighter.returns(tighter.ours())


def _lean(
    study: HedgeStudy, rng: np.random.Generator
) -> tuple[_Numbers | None, dict[str, HedgedReturns]]:
    """Return the difference the model makes, and the two hedges it is the difference of."""
    if study.signals is None:
        return None, {}
    scene = study.scene
    with_model = scene.returns(scene.ours(study.signals))
    without, *_ = ladder.matched(scene, scene.baseline_target(), with_model)
    return paired(with_model, without, rng), {
        "baseline and model, simulated": with_model,
        "baseline at its ratio and cost": without,
    }


def _matched(
    scene: ladder.Scene,
    targets: Mapping[str, FloatArray],
    ours: HedgedReturns,
    rng: np.random.Generator,
    told: Callable[[float], None] | None,
) -> list[_Numbers]:
    out: list[_Numbers] = []
    for name, target in targets.items():
        theirs, scale, width = ladder.matched(scene, target, ours)
        out.append({
            "name": name, "scale": scale, "width": width, **effectiveness(theirs, rng),
            "gap": paired(ours, theirs, rng),
        })  # fmt: skip
        if told is not None:
            told(len(out) / len(targets))
    return out


def _episodes(r: HedgedReturns, crashes: Sequence[NamedCrash]) -> list[_Numbers]:
    found = ((c, episode(r, c.start_ms, c.stop_ms)) for c in crashes)
    return [{"name": c.name, **numbers} for c, numbers in found if numbers is not None]


def _survival(
    scene: ladder.Scene, path: HedgePath, tiers: Sequence[MarginTiers], own_leverage: float
) -> list[_Numbers]:
    """Return liquidation shares of entries along the simulated path of the shipped hedge."""
    own, *others = tiers
    rows = slice(scene.start, None)
    long = scene.amount_base > 0
    legs = Legs(
        amount_base=scene.amount_base,
        open=scene.primary.open[rows],
        close=scene.primary.close[rows],
        adverse=(scene.low if long else scene.high)[rows, 0],
        hedge_pnl=path.hedge_pnl[rows],
        hedge_amount=path.amount_base[rows],
        hedge_close=np.column_stack([m.close[rows] for m in scene.hedges]),
        hedge_adverse=(scene.high if long else scene.low)[rows, 1:],
    )
    days = len(legs.close) // 24
    return [
        survival(legs, own, others, leverage=leverage, horizon=24 * horizon)
        for horizon in _HORIZON_DAYS
        for leverage in sorted({*_LEVERAGES, max(own_leverage, 1.0)})
        if days > 2 * horizon
    ]
