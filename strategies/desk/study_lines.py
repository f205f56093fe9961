"""The command lines of what measures models and rules, `claims` aside."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from strategies.desk.control import Subcommands
from strategies.desk.shared_lines import (
    add_command,
    add_executor,
    add_jobs,
    add_max_steps,
    add_walk,
    capped_training,
    given_options,
    report_places,
    take_executor,
    take_place,
)
from strategies.desk.terminal.names import model_key, network_key, timeframe_name
from strategies.desk.terminal.typed import (
    DATA_HELP,
    add_market_options,
    add_refit_options,
    day_text,
    positive,
    whole_number,
)


def add_studies(commands: Subcommands) -> None:
    """Add `compare`, `cascades`, `exposure`, `maker`, `probe` and `scenarios`."""
    _add_compare(commands)
    _add_cascades(commands)
    _add_exposure(commands)
    _add_maker(commands)
    _add_probe(commands)
    _add_scenarios(commands)


def _add_compare(commands: Subcommands) -> None:
    compare = add_command(
        commands, "compare", _compare, "all models on the same walk-forward folds", report_places
    )
    add_market_options(compare)
    compare.add_argument("--config", type=Path, default=None, help="whose settings; the defaults")
    compare.add_argument("--models", type=model_key, nargs="+", default=[], help="default: all")
    add_walk(compare, seeds=3, test_days=60)
    compare.add_argument(
        "--stop",
        type=day_text,
        help="YYYY-MM-DD, the first day not looked at; default: after the newest candle",
    )
    compare.add_argument(
        "--reference", type=model_key, help="whom all are held against, always in; volatility"
    )
    add_executor(compare)
    add_jobs(compare)
    add_max_steps(compare)


def _add_cascades(commands: Subcommands) -> None:
    cascades = add_command(
        commands,
        "cascades",
        _cascades,
        "how well liquidation cascades can be timed",
        report_places,
    )
    cascades.add_argument("--data", type=Path, default=None, help=DATA_HELP)
    cascades.add_argument("--feeds", type=Path, help="folder of open interest and liquidations")
    cascades.add_argument("--network", type=network_key, default="hedge", help='or "none"; hedge')
    cascades.add_argument(
        "--all", action="store_true", default=False, help="leave out coins and episodes as well"
    )
    cascades.add_argument("--folds", type=int, help="test spans of the walk-forward; 5")
    cascades.add_argument("--start", type=day_text, help="of the test span; 2022-01-01")
    cascades.add_argument("--hedged", help="coin a network is trained for; LTC")
    cascades.add_argument(
        "--day", type=day_text, help="YYYY-MM-DD of the test span, to tell hour by hour"
    )
    cascades.add_argument(
        "--by-close", action="store_true", help="onsets by the close only, to compare labels"
    )
    add_executor(cascades)
    add_max_steps(cascades)


def _add_exposure(commands: Subcommands) -> None:
    exposure = add_command(
        commands,
        "exposure",
        _exposure,
        "whether scaling by volatility pays its way",
        report_places,
    )
    add_refit_options(exposure, "volatility", "a year after the first candle", 730, 24)
    exposure.add_argument("--mean-exposure", type=positive, help="of every way, of equity; 1")
    add_executor(exposure)
    add_jobs(exposure)


def _add_maker(commands: Subcommands) -> None:
    maker = add_command(
        commands,
        "maker",
        _maker,
        "what signals earn as post-only and as market orders",
        report_places,
    )
    add_refit_options(maker, "lstm", "where detail candles begin", 1460, 4)
    maker.add_argument("--detail", help="timeframe of the candles that orders rest in; 5m")
    maker.add_argument("--entry-minutes", type=whole_number, help="then it is given up; 15")
    maker.add_argument("--exit-minutes", type=whole_number, help="then it goes to market; 10")
    maker.add_argument("--tick", type=positive, help="of the price; default: as known of the coin")
    add_executor(maker)
    add_jobs(maker)


def _add_probe(commands: Subcommands) -> None:
    probe = add_command(
        commands, "probe", _probe, "controls of a model and of the rules that trade it"
    )
    probe.add_argument("kind", choices=("altered-future", "planted", "shuffled", "oracle"))
    add_market_options(probe)
    probe.add_argument("--model", type=model_key, help="the oracle needs none; lstm")
    probe.add_argument("--train-days", type=whole_number, help="before the tested span; 730")
    probe.add_argument("--test-days", type=whole_number, help="that end with the data; 240")
    probe.add_argument("--seed", type=int, help="0")
    add_executor(probe)
    add_max_steps(probe)


def _add_scenarios(commands: Subcommands) -> None:
    scenarios = add_command(
        commands,
        "scenarios",
        _scenarios,
        "which engine of scenarios to believe, and the lows it holds possible",
        report_places,
    )
    scenarios.add_argument("--data", type=Path, default=None, help=DATA_HELP)
    scenarios.add_argument("--event", type=Path, help="another, whose later candles follow")
    scenarios.add_argument(
        "--coins", nargs="+", help="as BTC LTC; default: BTC ETH LTC BCH XRP, those there are"
    )
    scenarios.add_argument("--engines", nargs="+", help="default: all")
    scenarios.add_argument("--timeframe", type=timeframe_name, help="1h")
    scenarios.add_argument(
        "--start", type=day_text, help="YYYY-MM-DD, of what is judged; half of the candles"
    )
    scenarios.add_argument("--stop", type=day_text, help="YYYY-MM-DD; default: the newest candle")
    scenarios.add_argument("--refit-days", type=whole_number, help="between two fits; 365")
    scenarios.add_argument("--paths", type=whole_number, help="at each origin; 2048")
    scenarios.add_argument(
        "--far-paths", type=whole_number, help="of the lows to come and of crash days; 102400"
    )
    scenarios.add_argument("--seed", type=int, help="0")
    scenarios.add_argument("--userdir", type=Path, default=None, help="default: user_data")


def _compare(options: argparse.Namespace) -> int:
    from strategies.desk.backtests.configured import compared
    from strategies.desk.backtests.data import choose_datadir
    from strategies.desk.studies.compare import CompareOptions, run_compare

    place, capped = take_place(options), capped_training(options.max_steps).get("training", {})
    asked = given_options(options, "data", "models", "max_steps", "config") | {
        "userdir": options.userdir or CompareOptions.userdir,
        "models": tuple(options.models),
        "settings": {"training": {**capped, **place}} if capped or place else {},
    }
    if options.config:
        asked = compared(options.config, asked)
    data = choose_datadir(options.data, asked["userdir"], asked.get("timeframe", "1h"))
    return run_compare(CompareOptions(data=data, **asked))


def _cascades(options: argparse.Namespace) -> int:
    from models.studies.cascades.folds import SCHEMES
    from strategies.desk.backtests.data import choose_datadir
    from strategies.desk.studies.cascades import CascadeOptions, run_cascades

    executor, userdir = take_executor(options), options.userdir or CascadeOptions.userdir
    return run_cascades(
        CascadeOptions(
            data=choose_datadir(options.data, userdir),
            userdir=userdir,
            network="" if options.network == "none" else options.network,
            schemes=SCHEMES if options.all else SCHEMES[:1],
            settings=capped_training(options.max_steps),
            **given_options(options, "data", "userdir", "network", "all", "max_steps"),
        ),
        executor,
    )


def _exposure(options: argparse.Namespace) -> int:
    from strategies.desk.studies.exposure import ExposureOptions, run_exposure

    return _refitted(options, ExposureOptions, run_exposure)


def _maker(options: argparse.Namespace) -> int:
    from strategies.desk.studies.maker import MakerOptions, run_maker

    return _refitted(options, MakerOptions, run_maker)


def _refitted(options: argparse.Namespace, kind: Any, run: Callable[[Any, Any], int]) -> int:
    from strategies.desk.backtests.data import choose_datadir

    executor = take_executor(options)
    userdir = options.userdir or kind.userdir
    data = choose_datadir(options.data, userdir)
    given = given_options(options, "data", "userdir")
    return run(kind(data=data, userdir=userdir, **given), executor)


def _probe(options: argparse.Namespace) -> int:
    from strategies.desk.backtests.data import choose_datadir
    from strategies.desk.studies.probe import ProbeOptions, run_probe

    executor, userdir = take_executor(options), options.userdir or ProbeOptions.userdir
    data = choose_datadir(options.data, userdir)
    given = given_options(options, "data", "userdir", "max_steps")
    return run_probe(
        ProbeOptions(
            data=data, userdir=userdir, settings=capped_training(options.max_steps), **given
        ),
        executor,
    )


def _scenarios(options: argparse.Namespace) -> int:
    from strategies.desk.backtests.data import choose_datadir
    from strategies.desk.studies.scenarios import ScenarioOptions, run_scenarios

    userdir = options.userdir or ScenarioOptions.userdir
    data = choose_datadir(options.data, userdir, getattr(options, "timeframe", "1h"))
    given = given_options(options, "data", "userdir")
    names: dict[str, Any] = {n: tuple(given.pop(n)) for n in ("coins", "engines") if n in given}
    return run_scenarios(ScenarioOptions(data=data, userdir=userdir, **names, **given))
