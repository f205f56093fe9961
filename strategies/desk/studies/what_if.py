"""`breakwater what-if`: what positions would probably do to an account, before they are opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from freqtrade.exchange import timeframe_to_msecs

from models.base.errors import ConfigError, InputError
from models.base.units import DAY_MS
from models.scenarios.paths import CoinHistory, Engine, FittedEngine, PathBlock
from models.studies.what_if.gap import GapAnswer, ask_gap_limit
from models.studies.what_if.proposal import Hedge, Opening, on_top, proposed_account, with_hedge
from models.studies.what_if.replay import replayed_crashes
from models.trade.account.scenario_account import ADL_FALL_FRAC, ScenarioAccount
from models.trade.account.scenario_paths import PathOutcomes
from models.trade.account.scenario_scale import (
    LEVERAGES,
    LargestScale,
    chances_by_leverage,
    largest_with_chance,
)
from models.trade.account.scenario_summary import (
    account_outcomes,
    distribution_of,
    outcome_bytes,
)
from models.trade.account.tiers import MarginTiers
from strategies.account.tiers import load_binance_tiers
from strategies.desk.backtests.data import choose_datadir
from strategies.desk.studies.coin_candles import CoinCandles, gather_coins, pair_in
from strategies.desk.studies.held_account import HeldAccount, read_held
from strategies.desk.studies.stress import limits_of
from strategies.desk.studies.what_if_words import (
    AccountAnswer,
    WhatIfAnswer,
    WhatIfOptions,
    added_words,
    asked_leverage,
    gap_words,
    held_words,
    until_ms,
    what_if_values,
    what_if_words,
    worst_day_words,
)
from strategies.desk.terminal.json_answers import print_json
from strategies.desk.terminal.waiting import PatientWait

HEDGE_COIN: Final = "BTC"
_HORIZON_DAYS: Final = (1, 3, 7, 14, 30, 90)
_THREADS: Final = 2
_MEMORY_BYTES: Final = 2 * 2**30  # of the outcomes


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """One account to be looked at."""

    title: str
    openings: tuple[Opening, ...]
    base: tuple[Opening, ...]  # without the hedge
    setup: ScenarioAccount
    gap: GapAnswer
    opens: bool  # whether anything is opened for it


def run_what_if(options: WhatIfOptions) -> int:
    """Print the answer; 1 if the gap limit would not let the positions be opened."""
    held = read_held(options.config, options.userdir, options.clock) if options.held else None
    if held is not None:
        options = replace(options, equity=held.equity_quote)
    data = choose_datadir(options.data, options.userdir, options.timeframe)
    horizons, engine = _horizons(options), _engine(options.engine)
    opened = _openings(options, data)
    coins = gather_coins([data], _pairs(options, data, opened, held), options.timeframe)
    now = () if held is None else held.openings(coins.marks, until_ms(coins))
    plans = _plans(options, coins, now, opened)
    _check_room(options.paths, len(horizons), len(plans))
    if not options.json:
        _print_first(options, plans, coins, held, now)
    answer = _answered(options, data, coins, horizons, plans, engine, held)
    if options.json:
        print_json(what_if_values(answer))
    else:
        print(f"\n{what_if_words(answer)}")
    return 0 if all(plan.gap.allowed for plan in plans if plan.opens) else 1


def _print_first(
    options: WhatIfOptions,
    plans: Sequence[_Plan],
    coins: CoinCandles,
    held: HeldAccount | None,
    now: tuple[Opening, ...],
) -> None:
    """Print what is held, what the gap limit says, and what the worst day would cost."""
    said = [] if held is None else [held_words(held, now, plans[0].gap)]
    opened = [plan for plan in plans if plan.opens]
    if opened and now:
        said.append(added_words(opened[0].gap, _largest_added(options, coins, now, opened[0])))
    elif opened:
        said.append(gap_words(opened[0].openings, opened[0].gap))
    if len(opened) > 1 and opened[1].gap.cost_frac > opened[0].gap.cost_frac:
        words = gap_words(opened[1].openings, opened[1].gap)
        said.append(f"With the hedge, {opened[1].openings[-1]}: {words}")
    base = (opened or plans)[0].openings
    print("\n".join([*said, worst_day_words(base, coins.worst_days)]), flush=True)


def _openings(options: WhatIfOptions, data: Path) -> tuple[Opening, ...]:
    return tuple(
        Opening(pair_in(data, options.timeframe, typed.coin), typed.side, typed.leverage)
        for typed in options.opens
    )


def _pairs(
    options: WhatIfOptions, data: Path, opened: Sequence[Opening], held: HeldAccount | None
) -> list[str]:
    """Return every pair that is held, opened or hedged with; all have candles."""
    kept = [] if held is None else [pair_in(data, options.timeframe, p) for p in held.amounts]
    hedge = [pair_in(data, options.timeframe, HEDGE_COIN)] if options.hedge else []
    pairs = list(dict.fromkeys([*kept, *(o.pair for o in opened), *hedge]))
    if not pairs:
        raise InputError(
            "the bot holds nothing now, and nothing is opened",
            where="--held",
            cure='say what you think of opening: --open "LTC long 2x"',
        )
    return pairs


def _horizons(options: WhatIfOptions) -> tuple[int, ...]:
    """Return the horizons in candles: the usual ones, and the last day asked about."""
    candle_ms = timeframe_to_msecs(options.timeframe)
    days = [*[d for d in _HORIZON_DAYS if d < options.days], options.days]
    out = tuple(dict.fromkeys(d * DAY_MS // candle_ms for d in days if d * DAY_MS >= candle_ms))
    if not out:
        raise InputError(
            f"expected at least one candle of {options.timeframe} in {options.days} days",
            where="--days",
        )
    return out


def _plans(
    options: WhatIfOptions,
    coins: CoinCandles,
    now: tuple[Opening, ...],
    opened: tuple[Opening, ...],
) -> list[_Plan]:
    """Return the account as it is, with the openings, with the hedge, and one that is kept."""
    limits = limits_of(options.config, options.userdir)
    base = on_top(now, opened) if now else opened
    asked: list[tuple[str, tuple[Opening, ...], float | None]] = []
    if now:
        asked.append(("held now", now, ADL_FALL_FRAC))
    if opened:
        title = f"with {', '.join(map(str, opened))}" if now else "alone"
        asked.append((title, base, ADL_FALL_FRAC))
    if options.hedge:
        hedged = with_hedge(base, Hedge(f"{HEDGE_COIN}/USDT:USDT", options.hedge))
        also = "and " if now and opened else ""
        asked.append((f"{also}with {hedged[-1]}", hedged, ADL_FALL_FRAC))
        asked.append(("with it, never taken away", hedged, None))
    tiers = load_binance_tiers(list(coins.candles))
    plans = []
    for title, positions, deleveraging_frac in asked:
        setup = _setup(options, coins, tiers, positions, now, deleveraging_frac)
        gap = ask_gap_limit(setup, limits, coins.worst_hours)
        kept = now if positions == now else base
        plans.append(
            _Plan(title=title, openings=positions, base=kept, setup=setup, gap=gap,
                  opens=positions != now)
        )  # fmt: skip
    return plans


def _setup(
    options: WhatIfOptions,
    coins: CoinCandles,
    tiers: Mapping[str, MarginTiers],
    positions: tuple[Opening, ...],
    now: tuple[Opening, ...],
    deleveraging_frac: float | None,
) -> ScenarioAccount:
    return proposed_account(
        positions,
        held=now,
        equity_quote=options.equity,
        marks=coins.marks,
        tiers={o.pair: tiers[o.pair] for o in positions},
        deleveraging_frac=deleveraging_frac,
    )


def _largest_added(
    options: WhatIfOptions, coins: CoinCandles, now: tuple[Opening, ...], plan: _Plan
) -> tuple[Opening, ...]:
    """Return the largest part of what is opened, in hundredths, that the gap limit allows."""
    limits = limits_of(options.config, options.userdir)
    tiers = load_binance_tiers(list(coins.candles))
    opened = on_top(plan.base, [replace(o, side=-o.side) for o in now])
    for percent in range(99, 0, -1):
        part = tuple(replace(o, leverage=o.leverage * percent / 100) for o in opened)
        setup = _setup(options, coins, tiers, on_top(now, part), now, None)
        if ask_gap_limit(setup, limits, coins.worst_hours).allowed:
            return part
    return ()


def _answered(
    options: WhatIfOptions,
    data: Path,
    coins: CoinCandles,
    horizons: tuple[int, ...],
    plans: Sequence[_Plan],
    engine: Engine,
    held: HeldAccount | None,
) -> WhatIfAnswer:
    history = coins.gathered.history
    fitted = _fitted(engine, history)
    largest = max(LEVERAGES) / min(asked_leverage(plan.base) for plan in plans)
    with PatientWait(f"drawing {options.paths} paths") as waiting:
        drawn = fitted.given(history).draw(options.paths, horizons[-1], options.seed)
        outcomes = account_outcomes(
            [plan.setup for plan in plans], history.coins, _told(drawn, options.paths, waiting),
            horizons, threads=_THREADS, largest_scale=largest,
        )  # fmt: skip
    return WhatIfAnswer(
        options=options,
        data=data,
        coins=coins,
        engine_notes=fitted.notes,
        horizons=horizons,
        held=held,
        accounts=tuple(
            _account(options, plan, lived, history, horizons, largest)
            for plan, lived in zip(plans, outcomes, strict=True)
        ),
    )


def _told(blocks: Iterable[PathBlock], paths: int, waiting: PatientWait) -> Iterator[PathBlock]:
    done = 0
    for block in blocks:
        yield block
        done += len(block)
        waiting.done(done / paths)


def _account(
    options: WhatIfOptions,
    plan: _Plan,
    lived: PathOutcomes,
    history: CoinHistory,
    horizons: tuple[int, ...],
    largest: float,
) -> AccountAnswer:
    asked = asked_leverage(plan.base)
    return AccountAnswer(
        title=plan.title,
        openings=plan.openings,
        base=plan.base,
        setup=plan.setup,
        gap=plan.gap,
        distribution=distribution_of(lived, horizons),
        by_leverage=chances_by_leverage(lived.scale, asked),
        largest=_largest(lived, options.chance, largest),
        crashes=tuple(replayed_crashes(plan.setup, history, horizons[-1])),
    )


def _largest(lived: PathOutcomes, chance: float, largest: float) -> LargestScale | str:
    try:
        return largest_with_chance(lived.scale[:, -1], chance, largest)
    except InputError as error:  # too few paths to tell: said in its place
        return error.problem


def _check_room(paths: int, horizons: int, accounts: int) -> None:
    needed = outcome_bytes(paths, horizons, accounts)
    if needed > _MEMORY_BYTES:
        raise InputError(
            f"{paths:,} paths would need {needed / 2**30:.1f} GiB for their outcomes, the limit is "
            f"{_MEMORY_BYTES / 2**30:.0f}",
            where="--paths",
            cure=f"ask for {_MEMORY_BYTES // outcome_bytes(1, horizons, accounts):,} at most",
        )


@contextmanager
def _complete(engine: str) -> Iterator[None]:
    """Say what of an engine's own libraries is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the engine {engine!r} needs {error.name}, which is not installed",
            where="--engine",
            cure="pip install 'breakwater[tails]', or --engine bootstrap, which needs nothing more",
        ) from error


def _engine(name: str) -> Engine:
    with _complete(name):
        from models.scenarios.catalog import scenario_engine

        return scenario_engine(name)


def _fitted(engine: Engine, history: CoinHistory) -> FittedEngine:
    with _complete(engine.name), PatientWait(f"fitting {engine.name}"):
        return engine.fit(history)
