"""The hedge of least expected shortfall that never makes liquidation likelier.

What is minimised, in units of the account's equity, over the legs' ratios and, where the primary
may be reduced, over the share of it that is kept:

- ES99 of the largest loss along the path, at closes, funding included;
- what trading from the legs held now costs;
- `liquidation_weight` times the mean margin shortage of the worst 1 % of paths, where that is > 0;
- `upside_price` times the mean gain of the part of the primary that is cut.

The third is 0 only if at most 1 % of the paths liquidate the account at its extremes (Nemirovski &
Shapiro, "Convex approximations of chance constrained programs", SIAM J. Optimization 2006).

The fourth decides how much is kept. All but it and the third is in proportion to the size: without
a price nothing of the primary would be kept, and above about ES99 over mean gain all of it, until a
limit or the third term asks for less. Legs pay no such price: who hedges with other coins does not
hold the primary for what the market does.

The chance of liquidation itself is counted afterwards: legs are made smaller until no fewer of them
liquidate the account on fewer paths.

Known at the close the paths start from. Breaks where the paths do: an engine fitted on a past in
which the primary never fell alone does not know that it can. For that there is the worst day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from models.base.errors import AlignmentError, ConfigError, InputError
from models.base.types import FloatArray
from models.scenarios.paths import PathBlock
from models.trade.hedging.liquidated_paths import (
    liquidated_paths,
    unraised_legs,
    without_legs,
)
from models.trade.hedging.path_losses import UnitLosses, unit_losses
from models.trade.hedging.policy import HedgeAction
from models.trade.hedging.shortfall_cuts import (
    ShortfallCut,
    ShortfallProgramme,
    least_shortfall,
    worst_mean,
)

_TINY: Final = 1e-9


@dataclass(frozen=True, kw_only=True)
class TailHedgeConfig:
    """What a tail is, what is worth what, and the limits."""

    tail: float = 0.01  # share of the worst paths: 0.01 is ES99
    max_ratio: float = 1.0  # sum of the legs' notionals over the primary's
    may_reduce_primary: bool = False  # in one-way mode that is the hedge with the coin itself
    # Equity of expected shortfall that one of margin shortage is worth; with 4 the primary is cut
    # before the account is liquidated on more than `tail` of the paths.
    liquidation_weight: float = 4.0
    # Equity of expected shortfall that one of mean gain is worth. On weekly paths of 2021 to 2025
    # Litecoin's was 3 to 10 times its mean gain over three days with legs, 4 to 18 times without:
    # below that everything is sold, at 10 the position is kept but for a few weeks.
    upside_price: float = 10.0
    worst_day_equity_frac: float = 0.15  # what a repeat of the primary's worst day may cost
    least_change: float = 0.05  # smaller changes of a ratio are not made
    cost_frac: float = 0.0006  # of one trade: fee, half the spread, impact

    def __post_init__(self) -> None:
        if not (0 < self.tail < 1 and 0 <= self.max_ratio <= 1.5):
            raise ConfigError(
                f"expected 0 < tail < 1 and 0 <= max_ratio <= 1.5, got {self.tail} and "
                f"{self.max_ratio}"
            )
        prices = (self.liquidation_weight, self.upside_price)
        if not all(0 <= p < np.inf for p in prices):
            raise ConfigError(f"expected weights from 0 on, got {prices}")
        if not (0 < self.worst_day_equity_frac <= 1 and 0 <= self.least_change < 1):
            raise ConfigError("expected 0 < worst_day_equity_frac <= 1 and 0 <= least_change < 1")
        if not 0 <= self.cost_frac < 0.05:
            raise ConfigError(f"expected 0 <= cost_frac < 0.05, got {self.cost_frac}")


@dataclass(frozen=True, kw_only=True)
class HedgedAccount:
    """One cross-margin account at the close that the paths start from.

    Attributes
    ----------
    equity_quote
        Wallet and open profit of all positions.
    notional_quote
        Of the primary at its mark, negative for a short.
    held
        (K,) notional of each leg over that of the primary, on the other side.
    rates_frac
        (1 + K,) maintenance rates, the primary first: of the largest notional each may reach.
    worst_day_moves
        (1 + K,) how far the primary went against itself on its worst day, as a fraction, and each
        leg on that day against its own side; 0 for a leg that gained: a gain is not counted. None
        asks for no such limit.
    """

    equity_quote: float
    notional_quote: float
    held: tuple[float, ...]
    rates_frac: tuple[float, ...]
    worst_day_moves: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        money = (self.equity_quote, self.notional_quote)
        if not (np.isfinite(money).all() and self.equity_quote > 0 and self.notional_quote != 0):
            raise InputError(
                f"expected an equity > 0 and a position other than 0, got {money}",
                where="hedged account",
                cure="without a position there is nothing to hedge, and an unknown one is not 0",
            )
        day = self.worst_day_moves
        shares = [*self.held, *self.rates_frac, *(day or ())]
        if not self.held or not all(np.isfinite(x) and x >= 0 for x in shares):
            raise InputError(
                f"expected at least one leg, and ratios, rates and moves >= 0, got {self.held}, "
                f"{self.rates_frac} and {day}",
                where="hedged account",
                cure="name the coins that may hedge the primary; a leg on its own side is no hedge",
            )
        if any(len(x) != 1 + len(self.held) for x in (self.rates_frac, day) if x is not None):
            raise AlignmentError(
                f"expected rates and worst moves of {1 + len(self.held)} positions, got "
                f"{self.rates_frac} and {day}",
                where="hedged account",
                cure="the primary first, then every leg in the order of the paths' coins",
            )

    @property
    def leverage(self) -> float:
        """The primary's notional over equity."""
        return abs(self.notional_quote) / self.equity_quote


@dataclass(frozen=True, kw_only=True)
class TailNumbers:
    """What the paths say of an account, in units of its equity now."""

    es: float  # mean of the worst losses along the path
    liquidated: float  # share of paths, at the extremes


@dataclass(frozen=True, kw_only=True)
class TailHedge:
    """One decision, and what it changes on the paths it was made on.

    Attributes
    ----------
    kept
        Share of the primary that is kept.
    ratio
        (K,) of each leg, to the primary's notional before any cut.
    before, without_legs, after
        As held now, untraded; with the primary kept and no legs; as decided.
    upside
        Mean gain of the whole primary by the end, where it gains: what a cut gives up, in equity.
    cut_needed
        Share of the primary to be cut before a repeat of its worst day is within the limit; 0
        where it is.
    factor
        By which the legs of least shortfall were made smaller, so that they liquidate the account
        on no more paths than fewer legs would; 1 is not at all, or that one was left out.
    gap
        How much less the objective could be at most, before the legs were made smaller.
    """

    kept: float
    ratio: tuple[float, ...]
    before: TailNumbers
    without_legs: TailNumbers
    after: TailNumbers
    upside: float
    cut_needed: float
    factor: float
    action: HedgeAction
    reason: str
    value: float  # of the objective, as decided
    gap: float
    rounds: int
    shape: tuple[int, ...] = field(repr=False)  # of the paths
    cuts: tuple[tuple[ShortfallCut, ShortfallCut], ...] = field(repr=False)


def tail_hedge(
    account: HedgedAccount,
    coins: Sequence[str],
    blocks: Sequence[PathBlock],
    config: TailHedgeConfig,
    last: TailHedge | None = None,
) -> TailHedge:
    """Return the hedge of least expected shortfall over the paths' candles.

    Parameters
    ----------
    coins
        The blocks' columns: the primary, then the legs as in `account.held`.
    blocks
        Paths from the newest known close on; with 1,000 paths ES99 is the mean of ten.
    last
        The decision before: where to look first. Changes the time it takes, and nothing else.

    Raises
    ------
    InputError, AlignmentError
        If the paths are not sound, do not fit the account or are too few, or the account is
        liquidated as it stands.
    """
    if len(coins) != len(account.rates_frac):
        raise AlignmentError(
            f"expected paths of the primary and {len(account.held)} legs, got {list(coins)}",
            where="tail hedge",
            cure="draw scenarios of exactly the coins the account is told of, the primary first",
        )
    _check_alive(account)
    side = 1 if account.notional_quote > 0 else -1
    units = unit_losses(blocks, coins, side, account.rates_frac)
    programme, cut_needed = _programme(account, units, config)
    shape = units.at_closes.shape
    known = last is not None and last.shape == shape
    start = np.array([last.kept, *last.ratio]) if last and known else programme.held
    least = least_shortfall(programme, start, last.cuts if last and known else ())
    chosen = least.units
    if np.abs(chosen - programme.held).max() < config.least_change and programme.allows(
        programme.held
    ):
        chosen = programme.held
    decided, factor = unraised_legs(programme, chosen)
    numbers = [_numbers(programme, w) for w in (programme.held, without_legs(decided), decided)]
    before, without, after = numbers
    action = _action(programme.held, decided)
    shortage, _ = worst_mean(programme.shortages, decided, config.tail)
    return TailHedge(
        kept=float(decided[0]), ratio=tuple(decided[1:].tolist()), before=before,
        without_legs=without, after=after, upside=account.leverage * units.upside,
        cut_needed=cut_needed, factor=factor, action=action,
        reason=_reason(account, coins, config, chosen, decided, numbers, cut_needed),
        value=programme.value(decided, after.es - programme.trading(decided), shortage),
        gap=least.gap, rounds=least.rounds, shape=shape, cuts=least.cuts,
    )  # fmt: skip


def _check_alive(account: HedgedAccount) -> None:
    """Raise where margin is short before any path begins: then nothing here helps."""
    ratios = np.array([1.0, *account.held])
    needed = account.leverage * float(ratios @ np.array(account.rates_frac))
    if needed >= 1:
        raise InputError(
            f"an account whose maintenance margin is {needed:.0%} of its equity is liquidated "
            "before any path begins",
            where="hedged account",
            cure="hold less, or put more into the wallet",
        )


def _programme(
    account: HedgedAccount, units: UnitLosses, config: TailHedgeConfig
) -> tuple[ShortfallProgramme, float]:
    """Return the programme, and the share to cut that its limits leave open."""
    k, leverage = len(account.held), account.leverage
    limits, most = [np.array([0.0] + [1.0] * k)], [config.max_ratio]
    cut_needed = 0.0
    if account.worst_day_moves is not None:
        day, allowed = np.array(account.worst_day_moves), config.worst_day_equity_frac / leverage
        if config.may_reduce_primary or day[0] <= allowed:
            limits.append(day)
            most.append(allowed)
        else:
            cut_needed = 1.0 - allowed / day[0]
    kept = 0.0 if config.may_reduce_primary else 1.0
    price = np.zeros(1 + k)
    price[0] = config.upside_price * leverage * units.upside
    # DIFF: the chance of liquidation counts paths and is not convex; expected shortfall of the
    # margin left stands in for it, as Nemirovski & Shapiro do.
    # DIFF: a loss goes on after a liquidation; a real account's ends with what is left.
    programme = ShortfallProgramme(
        losses=leverage * units.at_closes, shortages=leverage * units.at_extremes,
        tail=config.tail, weight=config.liquidation_weight, cost=leverage * config.cost_frac,
        held=np.array([1.0, *account.held]), price=price, lower=np.array([kept] + [0.0] * k),
        upper=np.array([1.0] + [config.max_ratio] * k), limits=np.array(limits),
        most=np.array(most),
    )  # fmt: skip
    return programme, cut_needed


# -- what is told ---------------------------------------------------------------------------------


def _numbers(programme: ShortfallProgramme, units: FloatArray) -> TailNumbers:
    loss, _ = worst_mean(programme.losses, units, programme.tail)
    return TailNumbers(
        es=loss + programme.trading(units),
        liquidated=float(liquidated_paths(programme, units).mean()),
    )


def _action(held: FloatArray, decided: FloatArray) -> HedgeAction:
    """Return what becomes of the sum of all hedges, the cut of the primary among them."""
    change = float((decided[1:] - held[1:]).sum() + held[0] - decided[0])
    if abs(change) <= _TINY:
        return HedgeAction.MAINTAIN
    return HedgeAction.INCREASE if change > 0 else HedgeAction.DECREASE


def _reason(
    account: HedgedAccount, coins: Sequence[str], config: TailHedgeConfig, chosen: FloatArray,
    decided: FloatArray, numbers: Sequence[TailNumbers], cut_needed: float,
) -> str:  # fmt: skip
    """Return why, in plain words."""
    before, without, after = numbers
    held = np.array([1.0, *account.held])
    changed = [
        f"{coin} {was:.2f} to {now:.2f}"
        for coin, was, now in zip(coins, held, decided, strict=True)
        if abs(now - was) > _TINY
    ]
    said = [
        f"{', '.join(changed)}: the worst {config.tail:.0%} lose {after.es:.1%} of equity on "
        f"average instead of {before.es:.1%}"
        if changed
        else f"nothing is worth its cost; the worst {config.tail:.0%} lose {after.es:.1%} of equity"
        " on average"
    ]
    said.append(
        f"{after.liquidated:.1%} of the paths liquidate, {before.liquidated:.1%} as held, "
        f"{without.liquidated:.1%} without legs"
    )
    less = [
        f"{coin} {now:.2f} instead of {was:.2f}"
        for coin, was, now in zip(coins, chosen, decided, strict=True)
        if now < was - _TINY
    ]
    if less:
        said.append(f"{', '.join(less)}: more would make liquidation likelier")
    if cut_needed:
        moves = account.worst_day_moves or (0.0,)
        said.append(
            f"a repeat of the worst day would cost {account.leverage * moves[0]:.0%} of equity, "
            f"{config.worst_day_equity_frac:.0%} is the limit: no leg holds that, {cut_needed:.0%} "
            "of the position would have to be cut"
        )
    return "; ".join(said)
