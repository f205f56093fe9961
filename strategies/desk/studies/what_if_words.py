"""The answer of `breakwater what-if`, and how it is told: plain words, a table, JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from models.base.files import Clock, wall_clock_ms
from models.base.units import DAY_MS
from models.data.feeds.candles import iso
from models.studies.what_if.gap import GapAnswer
from models.studies.what_if.proposal import Opening
from models.studies.what_if.replay import CrashReplay
from models.trade.account.scenario_account import ScenarioAccount
from models.trade.account.scenario_scale import LEVERAGES, LargestScale
from models.trade.account.scenario_summary import LEVELS, AccountDistribution, Chance
from models.trade.risk.worst_hours import WorstDay, recorded_day
from strategies.desk.backtests.data import MARKER
from strategies.desk.studies.coin_candles import CoinCandles
from strategies.desk.studies.held_account import HeldAccount
from strategies.desk.terminal.places import CONFIGS, USER_DATA
from strategies.desk.terminal.positions import TypedPosition

_PASSED: Final = (
    "This engine is the default by the rule of `breakwater scenarios`: its losses of 1 and 5 %, an "
    "hour to a week ahead, held on candles it was not fitted on. Rarer ones nothing can test."
)
_NOT_PASSED: Final = (
    "This engine has not passed the rule of `breakwater scenarios`: its chances are not measured "
    "to be right."
)
_AT: Final = {level: k for k, level in enumerate(LEVELS)}


@dataclass(frozen=True, kw_only=True)
class WhatIfOptions:
    """What somebody thinks of opening, and how it is looked at."""

    opens: Sequence[TypedPosition] = ()
    held: bool = False  # begins with what the bot of `config` holds in `userdir`
    hedge: float = 0.0  # short of Bitcoin, of what the openings are net long
    data: Path | None = None
    equity: float = 1_000.0
    engine: str = "har"  # the one that the rule of `breakwater scenarios` believes
    days: int = 7
    paths: int = 10_000
    seed: int = 0
    chance: float = 0.001  # of liquidation, that the largest position may have
    timeframe: str = "1h"
    config: Path = CONFIGS / "config_bitcoin.json"  # whose gap limit
    userdir: Path = USER_DATA
    json: bool = False
    clock: Clock = wall_clock_ms


@dataclass(frozen=True, kw_only=True)
class AccountAnswer:
    """All that is told of one account, without a hedge or with it."""

    title: str
    openings: tuple[Opening, ...]
    base: tuple[Opening, ...]  # without the hedge: what is made larger and smaller
    setup: ScenarioAccount
    gap: GapAnswer
    distribution: AccountDistribution
    by_leverage: tuple[tuple[Chance, ...], ...]  # LEVERAGES x horizons
    largest: LargestScale | str  # or why none can be told
    crashes: tuple[CrashReplay, ...]  # the worst first


@dataclass(frozen=True, kw_only=True)
class WhatIfAnswer:
    """The answer: the account as asked; where a hedge was, that too, taken away or never."""

    options: WhatIfOptions
    data: Path
    coins: CoinCandles
    engine_notes: tuple[str, ...]
    horizons: tuple[int, ...]  # candles
    accounts: tuple[AccountAnswer, ...]
    held: HeldAccount | None = None

    @property
    def simulated(self) -> bool:
        return (self.data / MARKER).is_file()


def asked_leverage(openings: Sequence[Opening]) -> float:
    """Return the notional of all openings over the equity."""
    return sum(o.leverage for o in openings)


def gap_words(openings: Sequence[Opening], gap: GapAnswer) -> str:
    """Return what the gap limit says of positions, before anything else is told."""
    cost = (
        f"a repeat of the worst hour would cost {gap.cost_frac:.1%} of equity, and new positions "
        f"may risk {gap.limit_frac:.1%} (the gap limit)"
    )
    if gap.allowed:
        return f"Can be opened: {cost}."
    return (
        f"Cannot be opened: {cost}.\n"
        f"The largest that can: {_as_large(openings, gap.largest_factor)}."
    )


def held_words(held: HeldAccount, now: Sequence[Opening], gap: GapAnswer) -> str:
    """Return what a bot holds now, and what a repeat of the worst hour would cost that."""
    told = f"Held now by {held.whose}, at {iso(held.time_ms)}: equity {_money(held.equity_quote)}"
    if not now:
        return f"{told}, no position."
    return (
        f"{told}, {', '.join(_sized(o) for o in now)}. A repeat of the worst hour would cost it "
        f"{gap.cost_frac:.1%} of equity, and new positions may risk {gap.limit_frac:.1%} (the gap "
        "limit)."
    )


def added_words(gap: GapAnswer, largest: Sequence[Opening]) -> str:
    """Return whether the gap limit lets positions be opened on top of those held.

    Parameters
    ----------
    largest
        The largest part of them that it does; none where it lets nothing be added.
    """
    cost = f"together, a repeat of the worst hour would cost {gap.cost_frac:.1%} of equity"
    if gap.allowed:
        return f"Can be opened on top: {cost}."
    part = f"The largest that can: {_as_large(largest, 1.0)}." if largest else "Nothing of it can."
    return f"Cannot be opened on top: {cost}.\n{part}"


def worst_day_words(openings: Sequence[Opening], shown: Mapping[str, WorstDay]) -> str:
    """Return what a repeat of each coin's worst day would cost, on record or in its candles."""
    costs = [
        f"{o} {o.leverage * recorded_day(o.pair).or_worse(shown[o.pair]).against(o.side):.1%}"
        for o in openings
    ]
    return (
        f"A repeat of the coin's worst day would cost {', '.join(costs)} of equity; a hedge with "
        "other coins is credited nothing for it."
    )


def what_if_words(answer: WhatIfAnswer) -> str:
    """Return the whole answer for a person."""
    parts = [_plain(answer, one) for one in answer.accounts]
    return "\n".join([*parts, "", _table(answer), "", _sizes(answer), "", _about(answer)])


def what_if_values(answer: WhatIfAnswer) -> dict[str, Any]:
    """Return the whole answer for a program."""
    options, history = answer.options, answer.coins.gathered.history
    return {
        "equity": options.equity, "engine": options.engine, "paths": options.paths,
        "seed": options.seed, "timeframe": options.timeframe, "data": str(answer.data),
        "simulated": answer.simulated, "pairs": list(history.coins),
        "first_ms": int(history.time_ms[0]), "until_ms": until_ms(answer.coins),
        "held": None if answer.held is None else asdict(answer.held),
        "notes": _notes(answer), "horizons_days": list(_days(answer)),
        "levels": list(LEVELS), "leverages": list(LEVERAGES), "chance": options.chance,
        "accounts": [_account_values(one) for one in answer.accounts],
    }  # fmt: skip


def _account_values(one: AccountAnswer) -> dict[str, Any]:
    d = one.distribution
    return {
        "title": one.title, "deleveraging_frac": one.setup.deleveraging_frac,
        "openings": [asdict(o) for o in one.openings],
        "gap": {**asdict(one.gap), "allowed": one.gap.allowed},
        "equity": d.equity.tolist(), "mean": d.mean.tolist(),
        "worst_1": d.worst_1.tolist(), "worst_01": d.worst_01.tolist(),
        "liquidated": [asdict(c) for c in d.at_extremes],
        "liquidated_at_closes": [asdict(c) for c in d.at_closes],
        "distance": d.distance.tolist(), "first_passage": d.first_passage.tolist(),
        "by_leverage": [[asdict(c) for c in row] for row in one.by_leverage],
        "largest": one.largest if isinstance(one.largest, str) else asdict(one.largest),
        "crashes": [asdict(c) for c in one.crashes],
    }  # fmt: skip


def _plain(answer: WhatIfAnswer, one: AccountAnswer) -> str:
    d, days = one.distribution, answer.options.days
    low, middle, high = (_money(d.equity[-1, _AT[level]]) for level in (0.25, 0.5, 0.75))
    alone = one is answer.accounts[0]
    who = one.title[0].upper() + one.title[1:]
    if alone:
        named = ", ".join(map(_sized, one.openings))
        who = f"{who}, {named}" if one.title == "held now" else named
    return (
        f"{who}: in {_day_words(days)} an account of {_money(answer.options.equity)} is probably "
        f"worth {low} to {high} (half of all paths), {middle} in the middle. "
        f"The worst 1 % of paths leave {_money(d.worst_1[-1])} on average, the worst 0.1 % "
        f"{_money(d.worst_01[-1])}. It is liquidated in {_chance(d.at_extremes[-1])} of them."
    )


def _table(answer: WhatIfAnswer) -> str:
    heads = [one.title for one in answer.accounts]
    rows: list[tuple[str, Callable[[AccountAnswer], str]]] = []
    for k, days in enumerate(_days(answer)):
        rows.append((f"liquidated within {days:g} d", partial(_within, k)))
    rows += [
        ("of these, by closes alone", lambda one: _chance(one.distribution.at_closes[-1])),
        ("worst 1 %, quantile", lambda one: _money(one.distribution.equity[-1, _AT[0.01]])),
        ("worst 1 %, mean", lambda one: _money(one.distribution.worst_1[-1])),
        ("worst 0.1 %, quantile", lambda one: _money(one.distribution.equity[-1, _AT[0.001]])),
        ("worst 0.1 %, mean", lambda one: _money(one.distribution.worst_01[-1])),
        ("mean", lambda one: _money(one.distribution.mean[-1])),
        ("least margin distance, middle path",
         lambda one: _frac(one.distribution.distance[_AT[0.5]])),
        ("least margin distance, worst 5 %",
         lambda one: _frac(one.distribution.distance[_AT[0.05]])),
        ("worst named crash, replayed", lambda one: _crash(one.crashes)),
        (f"largest with at most {answer.options.chance:.2%} in {_day_words(answer.options.days)}",
         lambda one: _largest(one)),
    ]  # fmt: skip
    lines = [_line(["", *heads]), _line(["---"] * (1 + len(heads)))]
    lines += [_line([name, *(say(one) for one in answer.accounts)]) for name, say in rows]
    return "\n".join(lines)


def _within(horizon: int, one: AccountAnswer) -> str:
    return _chance(one.distribution.at_extremes[horizon])


def _sizes(answer: WhatIfAnswer) -> str:
    """Return the chance of liquidation by size and horizon, of all accounts in one cell."""
    which = ", alone / hedged / never taken away" if len(answer.accounts) > 1 else ""
    heads = [f"liquidated, all positions together{which}",
             *(f"within {days:g} d" for days in _days(answer))]  # fmt: skip
    lines = [_line(heads), _line(["---"] * len(heads))]
    for row, size in enumerate(LEVERAGES):
        cells = [
            " / ".join(f"{one.by_leverage[row][k].share:.2%}" for one in answer.accounts)
            for k in range(len(answer.horizons))
        ]
        lines.append(_line([f"{size:g}x", *cells]))
    return "\n".join(lines)


def _about(answer: WhatIfAnswer) -> str:
    from models.scenarios.catalog import PASSING_ENGINES  # may need what is not installed

    options, history = answer.options, answer.coins.gathered.history
    coins = " and ".join(pair.partition("/")[0] for pair in history.coins)
    marks = ", ".join(
        f"{pair.partition('/')[0]} {mark:g}" for pair, mark in answer.coins.marks.items()
    )
    lines = [
        f"{options.paths:,} paths of the engine {options.engine!r} (seed {options.seed}), fitted "
        f"on {options.timeframe} candles of {coins}, {iso(int(history.time_ms[0]))} to "
        f"{iso(until_ms(answer.coins))}, and begun there: {marks}.",
        _PASSED if options.engine in PASSING_ENGINES else _NOT_PASSED,
        "Brackets are what another seed could say; whether the engine is right is another "
        "question. Liquidation is counted where every position meets its own worst price of a "
        "candle at once; by closes alone is the least it can be. Nobody acts on the way. A hedge "
        "can be taken away: in a candle that moves a tenth against one side the exchange closes "
        "the other, before it has earned anything.",
    ]
    lines += [f"note: {note}" for note in _notes(answer)]
    if answer.simulated:
        lines.append("SIMULATED candles: nothing here is about a real market.")
    return "\n".join(lines)


def _notes(answer: WhatIfAnswer) -> list[str]:
    return [*answer.coins.gathered.notes, *answer.engine_notes]


def _crash(crashes: Sequence[CrashReplay]) -> str:
    if not crashes:
        return "none in these candles"
    worst = crashes[0]
    return (
        f"{worst.name}: lowest {worst.lowest_equity_frac:.0%} of equity, "
        f"{worst.liquidated} of {worst.starts} starts liquidated"
    )


def _largest(one: AccountAnswer) -> str:
    found = one.largest
    if isinstance(found, str):
        return found
    size = _as_large(one.base, found.factor)
    return f"{size}: {_chance(found.chance)}" if found.bounded else f"{size}, or more"


def _as_large(openings: Sequence[Opening], factor: float) -> str:
    """Return the openings times a factor, rounded down."""
    return ", ".join(
        str(Opening(o.pair, o.side, math.floor(100 * o.leverage * factor) / 100)) for o in openings
    )


def until_ms(coins: CoinCandles) -> int:
    """Return when the newest candle of a history closes."""
    history = coins.gathered.history
    return int(history.time_ms[-1]) + history.candle_ms


def _sized(opening: Opening) -> str:
    """Return a position as it is said; what is held has no round size."""
    return str(replace(opening, leverage=round(opening.leverage, 2)))


def _days(answer: WhatIfAnswer) -> list[float]:
    candle_ms = answer.coins.gathered.history.candle_ms
    return [candles * candle_ms / DAY_MS for candles in answer.horizons]


def _day_words(days: int) -> str:
    return "1 day" if days == 1 else f"{days} days"


def _money(value: float) -> str:
    return "not told by so few paths" if math.isnan(value) else f"{value:,.0f}"


def _frac(value: float) -> str:
    if math.isnan(value):
        return "not told by so few paths"
    return "100 % or more" if value >= 1 else f"{value:.1%}"


def _chance(chance: Chance) -> str:
    return f"{chance.share:.2%} ({100 * chance.low:.2f} to {100 * chance.high:.2f})"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
