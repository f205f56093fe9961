"""`breakwater what-if`: what positions would probably do to an account, before they are opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from freqtrade.exchange import timeframe_to_msecs

from models.base.errors import ConfigError, InputError
from models.base.units import DAY_MS
from models.scenarios.paths import CoinHistory, Engine, FittedEngine, PathBlock
from models.studies.stress.hedged import ADL_FALL_FRAC
from models.studies.what_if.gap import GapAnswer, ask_gap_limit
from models.studies.what_if.proposal import Hedge, Opening, proposed_account, with_hedge
from models.studies.what_if.replay import replayed_crashes
from models.trade.account.scenario_account import ScenarioAccount
from models.trade.account.scenario_paths import PathOutcomes
from models.trade.account.scenario_scale import (
    LargestScale,
    chance_at_scale,
    largest_with_chance,
)
from models.trade.account.scenario_summary import (
    account_outcomes,
    distribution_of,
    outcome_bytes,
)
from strategies.account.tiers import load_binance_tiers
from strategies.desk.backtests.data import choose_datadir
from strategies.desk.studies.coin_candles import CoinCandles, gather_coins, pair_in
from strategies.desk.studies.stress import limits_of
from strategies.desk.studies.what_if_words import (
    LEVERAGES,
    AccountAnswer,
    WhatIfAnswer,
    WhatIfOptions,
    asked_leverage,
    gap_words,
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
    setup: ScenarioAccount
    gap: GapAnswer


def run_what_if(options: WhatIfOptions) -> int:
    """Print the answer; 1 if the gap limit would not let the positions be opened."""
    data = choose_datadir(options.data, options.userdir, options.timeframe)
    horizons, engine = _horizons(options), _engine(options.engine)
    _check_room(options.paths, len(horizons), 3 if options.hedge else 1)
    openings = _openings(options, data)
    hedged = _hedged(options, data, openings)
    coins = gather_coins([data], _pairs(openings, hedged), options.timeframe)
    plans = _plans(options, coins, openings, hedged)
    if not options.json:
        day = worst_day_words(openings, coins.worst_days)
        print("\n".join([*_limited(plans), day]), flush=True)
    answer = _answered(options, data, coins, horizons, plans, engine)
    if options.json:
        print_json(what_if_values(answer))
    else:
        print(f"\n{what_if_words(answer)}")
    return 0 if all(plan.gap.allowed for plan in plans) else 1


def _limited(plans: Sequence[_Plan]) -> list[str]:
    """Return what the gap limit says of the account alone, and of its hedge where that is worse."""
    alone, *hedged = plans
    said = [gap_words(alone.openings, alone.gap)]
    if hedged and hedged[0].gap.cost_frac > alone.gap.cost_frac:
        words = gap_words(hedged[0].openings, hedged[0].gap)
        said.append(f"With the hedge, {hedged[0].openings[-1]}: {words}")
    return said


def _openings(options: WhatIfOptions, data: Path) -> tuple[Opening, ...]:
    return tuple(
        Opening(pair_in(data, options.timeframe, typed.coin), typed.side, typed.leverage)
        for typed in options.opens
    )


def _hedged(
    options: WhatIfOptions, data: Path, openings: tuple[Opening, ...]
) -> tuple[Opening, ...]:
    """Return the openings with the hedge; none without one."""
    if options.hedge == 0:
        return ()
    return with_hedge(openings, Hedge(pair_in(data, options.timeframe, HEDGE_COIN), options.hedge))


def _pairs(*openings: Sequence[Opening]) -> list[str]:
    return list(dict.fromkeys(o.pair for some in openings for o in some))


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
    openings: tuple[Opening, ...],
    hedged: tuple[Opening, ...],
) -> list[_Plan]:
    """Return the account alone, with the hedge, and with one that the exchange leaves alone."""
    limits = limits_of(options.config, options.userdir)
    tiers = load_binance_tiers(_pairs(openings, hedged))
    asked: list[tuple[str, tuple[Opening, ...], float | None]] = [
        ("alone", openings, ADL_FALL_FRAC)
    ]
    if hedged:
        asked.append((f"with {hedged[-1]}", hedged, ADL_FALL_FRAC))
        asked.append(("with it, never taken away", hedged, None))
    plans = []
    for title, positions, deleveraging_frac in asked:
        setup = proposed_account(
            positions,
            equity_quote=options.equity,
            marks=coins.marks,
            tiers={o.pair: tiers[o.pair] for o in positions},
            deleveraging_frac=deleveraging_frac,
        )
        gap = ask_gap_limit(setup, limits, coins.worst_hours)
        plans.append(_Plan(title=title, openings=positions, setup=setup, gap=gap))
    return plans


def _answered(
    options: WhatIfOptions,
    data: Path,
    coins: CoinCandles,
    horizons: tuple[int, ...],
    plans: Sequence[_Plan],
    engine: Engine,
) -> WhatIfAnswer:
    history = coins.gathered.history
    fitted = _fitted(engine, history)
    asked = asked_leverage(plans[0].openings)
    with PatientWait(f"drawing {options.paths} paths") as waiting:
        drawn = fitted.given(history).draw(options.paths, horizons[-1], options.seed)
        outcomes = account_outcomes(
            [plan.setup for plan in plans], history.coins, _told(drawn, options.paths, waiting),
            horizons, threads=_THREADS, largest_scale=max(LEVERAGES) / asked,
        )  # fmt: skip
    return WhatIfAnswer(
        options=options,
        data=data,
        coins=coins,
        engine_notes=fitted.notes,
        horizons=horizons,
        accounts=tuple(
            _account(options, plan, lived, history, horizons, asked)
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
    asked: float,
) -> AccountAnswer:
    return AccountAnswer(
        title=plan.title,
        openings=plan.openings,
        setup=plan.setup,
        gap=plan.gap,
        distribution=distribution_of(lived, horizons),
        by_leverage=tuple(
            tuple(chance_at_scale(lived.scale[:, k], size / asked) for k in range(len(horizons)))
            for size in LEVERAGES
        ),
        largest=_largest(lived, options.chance, max(LEVERAGES) / asked),
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
