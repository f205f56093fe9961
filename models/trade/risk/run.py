"""The one place that runs the guards.

The result of an order for new risk is the smallest notional any guard allows, with every reason.
A guard that raises, for whatever cause, allows nothing. An order that only reduces risk is let
through before any guard is asked: nothing here can keep a position open.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, TypeAlias

from models.trade.risk import exposure, gap, margin, market, model, orders, oversight, second_source
from models.trade.risk.limits import Limits
from models.trade.risk.snapshot import Effect, Intent, Snapshot, Stage
from models.trade.risk.verdict import Demand, RiskDecision, Verdict, refused

Check: TypeAlias = Callable[[Snapshot, Limits], Verdict]

_ALWAYS: Final = frozenset(Stage)
_ONLINE: Final = frozenset({Stage.DRY_RUN, Stage.LIVE})
_LIVE: Final = frozenset({Stage.LIVE})


class Standing(StrEnum):
    """What a guard looks at when there is no order: the account, one position, one market."""

    ACCOUNT = "account"
    POSITION = "position"
    SOURCE = "source"


@dataclass(frozen=True, kw_only=True)
class Guard:
    """A check, where it applies, and what it watches when nobody sends an order."""

    check: Check
    stages: frozenset[Stage] = _ALWAYS  # elsewhere its input cannot exist: not applicable
    standing: Standing | None = None

    @property
    def name(self) -> str:
        return self.check.__name__


# A backtest has no order book, no second price, no person to re-arm and no exchange to agree with.
GUARDS: Final[Sequence[Guard]] = (
    Guard(check=orders.sound_order),
    Guard(check=orders.no_duplicate),
    Guard(check=orders.no_burst, stages=_ONLINE),
    Guard(check=orders.no_repeats, stages=_ONLINE),
    Guard(check=orders.share_of_equity),
    Guard(check=orders.share_of_volume),
    Guard(check=exposure.leverage_within),
    Guard(check=exposure.equity_left),
    Guard(check=exposure.gross_within),
    Guard(check=exposure.net_within),
    Guard(check=gap.worst_hour_bearable, standing=Standing.ACCOUNT),
    Guard(check=margin.margin_ratio, standing=Standing.ACCOUNT),
    Guard(check=margin.margin_agrees, stages=_LIVE, standing=Standing.ACCOUNT),
    Guard(check=margin.distance_kept),
    Guard(check=market.candles_fresh),
    Guard(check=market.price_collar, stages=_ONLINE),
    Guard(check=market.prices_agree, stages=_ONLINE),
    Guard(check=market.price_fresh, stages=_ONLINE, standing=Standing.POSITION),
    Guard(check=market.spread_tight, stages=_ONLINE),
    Guard(check=market.depth_enough, stages=_ONLINE),
    Guard(check=market.funding_bearable, stages=_ONLINE),
    Guard(check=model.forecast_trusted),
    Guard(check=model.calibrated),
    Guard(check=model.in_distribution),
    Guard(check=model.not_drifted),
    Guard(check=model.fast_enough, stages=_ONLINE),
    Guard(check=model.no_cascade, standing=Standing.POSITION),
    Guard(check=oversight.losses_bearable, stages=_ONLINE, standing=Standing.ACCOUNT),
    Guard(check=oversight.control_active, stages=_ONLINE),
    Guard(check=oversight.reconciled, stages=_LIVE, standing=Standing.ACCOUNT),
    Guard(check=oversight.all_known, stages=_ONLINE),
)


# Where a second source of candles is configured.
SECOND_SOURCE: Final = Guard(
    check=second_source.sources_agree, stages=_ONLINE, standing=Standing.SOURCE
)

# Of orders on a person's own signals: no forecast of the pack to hold against what came of it.
_OF_A_FORECAST: Final = (
    model.calibrated, model.in_distribution, model.not_drifted, model.no_cascade,
)  # fmt: skip
OWN_SIGNALS: Final[Sequence[Guard]] = tuple(g for g in GUARDS if g.check not in _OF_A_FORECAST)

# Of a hedge's orders: on no forecast, and able to grow when models fail and markets move.
HEDGING: Final[Sequence[Guard]] = tuple(
    replace(guard, check=margin.distance_floor) if guard.check is margin.distance_kept else guard
    for guard in GUARDS
    if guard.check.__module__ != model.__name__
)


def decide_order(s: Snapshot, limits: Limits, guards: Sequence[Guard] = GUARDS) -> RiskDecision:
    """Return how much of the snapshot's intent may be sent.

    Returns
    -------
    Decision
        Of a reducing intent all of it, unseen. Otherwise at most what was asked and what every
        guard of the stage allows; 0 also without an intent, or if the guards know no stage.
    """
    order = s.intent
    if order is not None and order.effect == Effect.REDUCE:
        return RiskDecision(notional_quote=order.notional_quote)
    verdicts = [_ask(guard, s, limits) for guard in guards if s.stage in guard.stages]
    asked = _size(order)
    smallest = min((v.limit_quote for v in verdicts), default=0.0)
    binding = [v for v in verdicts if v.demand or not 0 < v.limit_quote >= asked]
    said = tuple(v for v in binding if v.reason)
    return _decision(min(asked, smallest), said)


def watch(
    s: Snapshot, limits: Limits, scope: Standing, guards: Sequence[Guard] = GUARDS
) -> RiskDecision:
    """Return what the standing guards of `scope` demand; allows no order.

    A guard that cannot answer says so with a warning: new risk is refused by `decide_order`
    anyway, and an input missing for a moment must not halt the bot until a person comes.
    """
    verdicts = [_ask(g, s, limits) for g in guards if g.standing is scope and s.stage in g.stages]
    return _decision(0.0, tuple(v for v in verdicts if v.reason))


def _size(order: Intent | None) -> float:
    """Return what the order asks for; 0 where that is no finite number > 0."""
    asked = None if order is None else order.notional_quote
    return asked if isinstance(asked, float | int) and 0 < asked < math.inf else 0.0


def _ask(guard: Guard, s: Snapshot, limits: Limits) -> Verdict:
    try:
        verdict = guard.check(s, limits)
        sound = verdict.limit_quote >= 0  # not NaN, and not a guard that returned nothing
    except Exception as error:  # noqa: BLE001 - whatever breaks, the answer is no
        why = str(error) or type(error).__name__
        verdict, sound = refused(why, Demand.WARN, unknown=True), True
    if not sound:
        verdict = refused(f"answered {verdict.limit_quote}", Demand.WARN, unknown=True)
    return replace(verdict, guard=guard.name)


def _decision(allowed: float, findings: Iterable[Verdict]) -> RiskDecision:
    found = tuple(findings)
    return RiskDecision(
        notional_quote=allowed,
        findings=found,
        demand=max((v.demand for v in found), default=Demand.NONE),
        shed_frac=max((v.shed_frac for v in found), default=0.0),
    )
