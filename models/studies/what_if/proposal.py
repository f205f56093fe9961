"""Positions that somebody thinks of opening, as an account that scenarios can be put to work on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.base.errors import InputError
from models.trade.account.cross import CrossAccount, Position
from models.trade.account.scenario_account import ScenarioAccount
from models.trade.account.tiers import MarginTiers

LARGEST_HEDGE: Final = 1.5  # of what it hedges


@dataclass(frozen=True)
class Opening:
    """A position not opened yet."""

    pair: str
    side: int  # +1 long, -1 short
    leverage: float  # notional over the account's equity

    def __str__(self) -> str:
        coin, side = self.pair.partition("/")[0], "long" if self.side > 0 else "short"
        return f"{coin} {side} {self.leverage:g}x"


@dataclass(frozen=True)
class Hedge:
    """A short of another coin: `ratio` of the notional that the openings are net long."""

    pair: str
    ratio: float


def with_hedge(openings: Sequence[Opening], hedge: Hedge) -> tuple[Opening, ...]:
    """Return the openings and the hedge's short among them.

    Raises
    ------
    InputError
        If the ratio is not in (0, 1.5], the hedge's coin is opened already, or the openings are
        not net long.

    Examples
    --------
    >>> LTC, BTC = "LTC/USDT:USDT", "BTC/USDT:USDT"
    >>> [str(o) for o in with_hedge([Opening(LTC, 1, 2.0)], Hedge(BTC, 0.5))]
    ['LTC long 2x', 'BTC short 1x']
    """
    if not 0 < hedge.ratio <= LARGEST_HEDGE:
        raise InputError(
            f"expected a hedge ratio above 0, up to {LARGEST_HEDGE:g}, got {hedge.ratio:g}",
            where="hedge",
            cure="1 is a short as large as what it hedges; leave the hedge out for none",
        )
    coin = hedge.pair.partition("/")[0]
    if any(o.pair == hedge.pair for o in openings):
        raise InputError(
            f"{coin} is opened already, and the hedge is a short of it",
            where="hedge",
            cure=f"open {coin} at the size it has after hedging, and leave the hedge out",
        )
    net = sum(o.side * o.leverage for o in openings)
    if net <= 0:
        raise InputError(
            f"the hedge is a short of {coin} against longs, and these positions are net "
            f"{net:+g}x of equity",
            where="hedge",
            cure="leave the hedge out, or open longs to be hedged",
        )
    return (*openings, Opening(hedge.pair, -1, hedge.ratio * net))


def on_top(held: Sequence[Opening], opened: Sequence[Opening]) -> tuple[Opening, ...]:
    """Return what is held once more is opened: one net position of a coin, none where it is nil.

    Examples
    --------
    >>> LTC, BTC = "LTC/USDT:USDT", "BTC/USDT:USDT"
    >>> more = on_top([Opening(LTC, 1, 1.0), Opening(BTC, -1, 0.5)], [Opening(LTC, -1, 1.5)])
    >>> [str(o) for o in more]
    ['LTC short 0.5x', 'BTC short 0.5x']
    """
    net: dict[str, float] = {}
    for o in (*held, *opened):
        net[o.pair] = net.get(o.pair, 0.0) + o.side * o.leverage
    return tuple(
        Opening(pair, 1 if size > 0 else -1, abs(size)) for pair, size in net.items() if size
    )


def proposed_account(
    openings: Sequence[Opening],
    *,
    held: Sequence[Opening] = (),
    equity_quote: float,
    marks: Mapping[str, float],
    tiers: Mapping[str, MarginTiers],
    cost_frac: float = 0.001,
    deleveraging_frac: float | None = None,
) -> ScenarioAccount:
    """Return the account right after the openings, entered at the marks.

    Parameters
    ----------
    openings
        All that the account then holds.
    held
        What it held before: only the difference costs anything, and the exchange is asked only
        about what grows.
    equity_quote
        Before anything is opened.
    cost_frac
        Fee and slippage of an order, of its notional.

    Raises
    ------
    InputError
        If equity or a leverage is not > 0, a coin is opened twice, or the exchange would not let
        the account open so much.
    """
    if not (np.isfinite(equity_quote) and equity_quote > 0):
        raise InputError(f"expected equity > 0, got {equity_quote}", where="account")
    pairs = [o.pair for o in openings]
    twice = sorted({pair.partition("/")[0] for pair in pairs if pairs.count(pair) > 1})
    if twice:
        raise InputError(
            f"{', '.join(twice)} is opened twice",
            where="openings",
            cure="one-way mode holds one net position of a coin: add them up",
        )
    before = {o.pair: o.side * o.leverage for o in held}
    grown = [o for o in openings if o.pair not in before or o.leverage > o.side * before[o.pair]]
    for opening in grown:
        _check_opening(opening, equity_quote, tiers[opening.pair])
    if grown:
        _check_margin(openings, equity_quote, tiers)
    after = {o.pair: o.side * o.leverage for o in openings}
    traded = {**before, **after}.keys()
    gross = sum(abs(after.get(p, 0.0) - before.get(p, 0.0)) for p in traded) * equity_quote
    return ScenarioAccount(
        account=CrossAccount(
            wallet_quote=equity_quote,
            positions=tuple(
                Position(
                    pair=o.pair,
                    amount_base=o.side * o.leverage * equity_quote / marks[o.pair],
                    entry_price=marks[o.pair],
                )
                for o in openings
            ),
            tiers=tiers,
            pending_quote=cost_frac * gross,
        ),
        marks={pair: marks[pair] for pair in pairs},
        exit_cost_frac=cost_frac,
        deleveraging_frac=deleveraging_frac,
    )


def _check_opening(opening: Opening, equity: float, tiers: MarginTiers) -> None:
    """Refuse a position that the exchange takes at no equity."""
    if not (np.isfinite(opening.leverage) and opening.leverage > 0 and opening.side in (1, -1)):
        raise InputError(f"expected a leverage > 0, got {opening.leverage:g}", where=opening.pair)
    notional = opening.leverage * equity
    if notional > tiers.tiers[-1].cap_quote:
        raise InputError(
            f"{opening} is a position of {notional:,.0f}, the exchange takes up to "
            f"{tiers.tiers[-1].cap_quote:,.0f}",
            where=opening.pair,
        )
    most = tiers.max_leverage(notional)
    if opening.leverage > most:
        raise InputError(
            f"{opening} is a position of {notional:,.0f}, and of one so large the exchange grants "
            f"{most:g}x at most",
            where=opening.pair,
            cure=f"open {most:g}x or less",
        )


def _check_margin(
    openings: Sequence[Opening], equity: float, tiers: Mapping[str, MarginTiers]
) -> None:
    """Refuse openings whose initial margins are more than the equity."""
    needed = sum(
        o.leverage * equity / tiers[o.pair].max_leverage(o.leverage * equity) for o in openings
    )
    if needed > equity:
        raise InputError(
            f"{', '.join(map(str, openings))}: the exchange wants {needed:,.0f} of initial margin, "
            f"and there are {equity:,.0f}",
            where="openings",
            cure="open less of one of them",
        )
