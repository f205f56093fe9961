"""One fall, minute by minute: what is forced out, what the copies sell, and how deep it goes.

Within a minute whoever a price sets off sells at once, and whoever that price sets off in turn,
until nobody is left: liquidations take seconds. What was decided in a minute is sold in the next.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from models.base.types import FloatArray
from models.data.features.candles import sigma_per_candle
from models.studies.crowding.background import (
    FallRules,
    LeveragedLongs,
    LeverageHistogram,
    falling_path,
    hourly_past,
    leveraged_longs,
)
from models.studies.crowding.book import LevelBook
from models.studies.crowding.crowd import CopiedRules, Crowd
from models.studies.crowding.impact import ImpactRules, ShapedMarket, SoldInto
from models.studies.crowding.levers import CrowdLevers, CrowdSize


@dataclass(frozen=True, kw_only=True)
class CrowdWorld:
    """Everything but the crowd: the market, the others in it, and the fall from outside."""

    rules: CopiedRules
    impact: ImpactRules = field(default_factory=ImpactRules)
    fall: FallRules = field(default_factory=FallRules)
    others: LeverageHistogram = field(default_factory=LeverageHistogram)
    recorded: FloatArray | None = None  # (T,) log price in place of a simulated fall
    levels: bool = False  # a book of single orders, level by level, in place of its closed form


@dataclass(frozen=True, kw_only=True)
class CrowdedFall:
    """How one fall went; what was sold in days' volumes."""

    trough_frac: float  # lowest price, below that at the start
    path: FloatArray  # (T,) lowest price of each minute, over that at the start
    flow: FloatArray  # (T,) sold in each minute, by all
    forced: float  # by others, liquidated
    sold: dict[str, float]  # by the copies: stops, cuts, guards
    held: float  # by the copies at the start
    left: float  # and at the end
    halted: int  # copies that a loss limit halted
    money: float  # received by all who sold, over the price at the start


def crowded_fall(
    world: CrowdWorld,
    levers: CrowdLevers,
    size: CrowdSize,
    seed: int,
    *,
    market: SoldInto | None = None,
    others: LeveragedLongs | None = None,
) -> CrowdedFall:
    """Return the fall of one seed; the same path, traders and secrets for every crowd and lever.

    Parameters
    ----------
    market, others
        In place of those that the world describes: a book level by level, a chosen trader.
    """
    outside, between, inside = (
        np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(3)
    )
    sigma = world.impact.sigma_day
    path, past = falling_path(world.fall, sigma, outside), hourly_past(sigma, outside)
    path = path if world.recorded is None else world.recorded
    others = leveraged_longs(world.others, sigma, between) if others is None else others
    crowd = Crowd(world.rules, levers, size, past, inside)
    if market is None:
        market = LevelBook(world.impact, between) if world.levels else ShapedMarket(world.impact)
    run = _Fall(crowd, others, market)
    day = float(sigma_per_candle(np.exp(past))[-1]) * math.sqrt(24)
    begins = world.fall.before_min
    for minute, outer in enumerate(path, start=1):
        run.minute(minute, float(outer))
        warned = size.alarm and minute % 60 == 0 and begins < minute <= begins + 60
        crowd.look(minute, run.price, day, warned)
        if minute % 60 == 0:
            crowd.close_hour(minute, math.log(run.price), warned)
    return CrowdedFall(
        trough_frac=1 - min(run.lowest), path=np.array(run.lowest), flow=np.array(run.flows),
        forced=others.sold, sold=dict(crowd.sold), held=float(crowd.first.sum()) / _unit(size),
        left=float(crowd.amount.sum()) / _unit(size),
        halted=int(np.isfinite(crowd.halted_min).sum()), money=run.money,
    )  # fmt: skip


def _unit(size: CrowdSize) -> float:
    return size.day_volume_quote


class _Fall:
    """The price between the crowd, the others, and the book."""

    def __init__(self, crowd: Crowd, others: LeveragedLongs, market: SoldInto) -> None:
        self.crowd, self.others, self.market = crowd, others, market
        self.price, self.money = 1.0, 0.0
        self.lowest: list[float] = []
        self.flows: list[float] = []

    def minute(self, minute: int, outer: float) -> None:
        """Move the reference to `outer`, sell what is due, and all that this sets off."""
        self.market.rest(1.0)
        flow = self._sold(self.crowd.due(minute, self.price), outer, by_crowd=True)
        while True:
            fall = self.market.fall - outer
            forced = self._sold(self.others.forced(fall), outer, by_crowd=False)
            stopped = self._sold(self.crowd.stopped(minute, fall), outer, by_crowd=True)
            flow += forced + stopped
            if not forced + stopped > 0:
                break
        self.price = math.exp(outer - self.market.fall)
        self.lowest.append(self.price)
        self.flows.append(flow)

    def _sold(self, quantity: float, outer: float, *, by_crowd: bool) -> float:
        if quantity > 0:
            paid = self.market.sell(quantity) * math.exp(outer)
            self.money += paid
            if by_crowd:  # all of one moment at one average price
                self.crowd.settle(self.crowd.taken, paid / quantity)
        return quantity
