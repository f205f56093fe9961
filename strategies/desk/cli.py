"""`breakwater`: the pack's command line, beside Freqtrade's own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

from freqtrade.exceptions import FreqtradeException

from models.base.errors import PackError
from strategies.desk.claims_line import add_claims
from strategies.desk.control import Subcommands, add_commands
from strategies.desk.loopback.options import add_exchange_options
from strategies.desk.typed import (
    DATA_HELP,
    add_market_options,
    add_refit_options,
    leave_stdout,
    make_speakable,
    positive,
    whole_number,
)

_OWN: Final = ("", "models", "strategies", "freqaimodels")
_INTERRUPTED, _CLOSED = 130, 141  # as a shell says it

RunCommand: TypeAlias = Callable[[argparse.Namespace], int]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; an expected error is printed as a message, never as a traceback."""
    make_speakable()
    options = _parser().parse_args(arguments)
    run: RunCommand = options.run
    try:
        code = run(options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever read it has read enough
        leave_stdout()
        return _CLOSED
    except (PackError, FreqtradeException) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # a full disk, a folder that may not be written
        if getattr(options, "pulse", None) is not None:
            raise  # to a supervisor 2 means settings that no second try would mend
        print(f"error: {error}\n  cure:  look at disk and permissions", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: only what was said to be done is sure to be", file=sys.stderr)
        return _INTERRUPTED
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in _OWN:
            raise  # not a missing extra, a mistake of ours
        print(
            f"error: {error}; a machine that trains and reports needs "
            "pip install 'breakwater[train,report]'",
            file=sys.stderr,
        )
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="breakwater", description=__doc__,
        epilog="exit codes: 0 done, 1 a check has found something, 2 not done, 130 interrupted, "
        "141 nobody reads on",
    )  # fmt: skip
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_backtests(commands)
    _add_compare(commands)
    add_claims(commands)
    _add_cascades(commands)
    _add_exposure(commands)
    _add_maker(commands)
    _add_probe(commands)
    _add_collect(commands)
    _add_explain(commands)
    _add_risk(commands)
    simulate = commands.add_parser("simulate", help="write a seeded simulated market")
    simulate.add_argument("directory", type=Path)
    simulate.add_argument("--seed", type=int, default=0)
    simulate.add_argument("--timeframe", default="1h", help="1h")
    simulate.set_defaults(run=_simulate)
    exchange = commands.add_parser("exchange", help="serve the loopback exchange until stopped")
    add_exchange_options(exchange)
    doctor = commands.add_parser("doctor", help="whether this Freqtrade is the one the pack knows")
    doctor.add_argument(
        "--config",
        type=Path,
        action="append",
        default=[],
        help="judge the settings of a bot with this config, too",
    )
    doctor.add_argument("--strategy", default="", help="default: the config's")
    doctor.add_argument("--freqaimodel", default="", help="the bot's; default: the config's")
    doctor.set_defaults(run=_doctor)
    settings = commands.add_parser("settings", help="every setting, its default and its meaning")
    settings.add_argument("part", nargs="?", default="", help="of a block's name, as limits")
    settings.set_defaults(run=_settings)
    add_commands(commands)
    return parser


def _add(
    commands: Subcommands, name: str, run: RunCommand, help_text: str
) -> argparse.ArgumentParser:
    """Add a command; what is not given on its line is left to the defaults of its options."""
    command = commands.add_parser(name, help=help_text, argument_default=argparse.SUPPRESS)
    command.set_defaults(run=run)
    return command


def _given(options: argparse.Namespace, *besides: str) -> dict[str, Any]:
    """Return what was given on the line, by name, but for the options named in `besides`."""
    return {name: value for name, value in vars(options).items() if name not in ("run", *besides)}


def _add_backtests(commands: Subcommands) -> None:
    demo = _add(commands, "demo", _demo, "backtest on real or simulated data, with a report")
    demo.add_argument("--data", type=Path, help=DATA_HELP)
    demo.add_argument("--model", help="FreqAI model class; LSTMForecaster")
    demo.add_argument("--strategy", help="BitcoinCrossMargin")
    demo.add_argument("--timerange", help="YYYYMMDD-YYYYMMDD; default: the last 240 days")
    demo.add_argument("--config", type=Path, help="default: config_bitcoin.json")
    demo.add_argument("--userdir", type=Path, help="default: user_data")
    hedge = _add(
        commands, "hedge-report", _hedge_report, "backtest of the Litecoin hedge, with a report"
    )
    hedge.add_argument("--data", type=Path, help=DATA_HELP)
    hedge.add_argument("--timerange", help="YYYYMMDD-YYYYMMDD; default: 2021 to the newest candle")
    hedge.add_argument("--config", type=Path, help="default: config_litecoin_hedge.json")
    hedge.add_argument("--model", help="FreqAI model class that may lean on the baseline")
    hedge.add_argument("--userdir", type=Path, help="default: user_data")


def _add_compare(commands: Subcommands) -> None:
    compare = _add(commands, "compare", _compare, "all models on the same walk-forward folds")
    add_market_options(compare)
    compare.add_argument("--config", type=Path, default=None, help="whose settings; the defaults")
    compare.add_argument("--models", nargs="+", default=[], help="catalogue names; default: all")
    for name, what in (
        ("seeds", "trainings of each model and fold; 3"),
        ("folds", "consecutive test windows that end with the data; 4"),
        ("train-days", "history before each test window, half of it at least; 1460"),
        ("test-days", "length of a test window; 60"),
    ):
        compare.add_argument(f"--{name}", type=int, help=what)
    compare.add_argument("--reference", help="whom all are held against, always in; volatility")
    _add_max_steps(compare)


def _add_cascades(commands: Subcommands) -> None:
    cascades = _add(commands, "cascades", _cascades, "how well liquidation cascades can be timed")
    cascades.add_argument("--data", type=Path, default=None, help=DATA_HELP)
    cascades.add_argument("--feeds", type=Path, help="folder of open interest and liquidations")
    cascades.add_argument("--network", default="hedge", help='catalogue name, or "none"; hedge')
    cascades.add_argument(
        "--all", action="store_true", default=False, help="leave out coins and episodes as well"
    )
    cascades.add_argument("--folds", type=int, help="test spans of the walk-forward; 5")
    cascades.add_argument("--start", help="of the test span; 2022-01-01")
    cascades.add_argument("--hedged", help="coin a network is trained for; LTC")
    cascades.add_argument("--day", help="YYYY-MM-DD of the test span, to tell hour by hour")
    cascades.add_argument(
        "--by-close", action="store_true", help="onsets by the close only, to compare labels"
    )
    _add_max_steps(cascades)


def _add_exposure(commands: Subcommands) -> None:
    exposure = _add(commands, "exposure", _exposure, "whether scaling by volatility pays its way")
    add_refit_options(exposure, "volatility", "a year after the first candle", 730, 24)
    exposure.add_argument("--mean-exposure", type=positive, help="of every way, of equity; 1")


def _add_maker(commands: Subcommands) -> None:
    maker = _add(commands, "maker", _maker, "what signals earn as post-only and as market orders")
    add_refit_options(maker, "lstm", "where detail candles begin", 1460, 4)
    maker.add_argument("--detail", help="timeframe of the candles that orders rest in; 5m")
    maker.add_argument("--entry-minutes", type=whole_number, help="then it is given up; 15")
    maker.add_argument("--exit-minutes", type=whole_number, help="then it goes to market; 10")
    maker.add_argument("--tick", type=positive, help="of the price; default: as known of the coin")


def _add_probe(commands: Subcommands) -> None:
    probe = _add(commands, "probe", _probe, "controls of a model and of the rules that trade it")
    probe.add_argument("kind", choices=("altered-future", "planted", "shuffled", "oracle"))
    add_market_options(probe)
    probe.add_argument("--model", help="catalogue name; the oracle needs none; lstm")
    probe.add_argument("--train-days", type=whole_number, help="before the tested span; 730")
    probe.add_argument("--test-days", type=whole_number, help="that end with the data; 240")
    probe.add_argument("--seed", type=int, help="0")
    _add_max_steps(probe)


def _add_max_steps(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--max-steps", type=int, default=None, help="cap on optimiser steps, to try things out"
    )
    command.add_argument("--userdir", type=Path, default=None, help="default: user_data")


def _add_collect(commands: Subcommands) -> None:
    collect = commands.add_parser("collect", help="keep what the feeds say, until stopped")
    collect.add_argument("--config", type=Path, action="append", required=True, help="the bot's")
    collect.add_argument("--sources", nargs="+", default=[], metavar="FEED", help="default: all")
    collect.add_argument("--once", action="store_true", help="ask each feed once")
    collect.add_argument("--status", action="store_true", help="only say how old each feed is")
    collect.add_argument("--userdir", type=Path, help="the bot's; default: as configured")
    collect.set_defaults(run=_collect)


def _add_explain(commands: Subcommands) -> None:
    explain = _add(commands, "explain", _explain, "what drove one forecast of the newest run")
    explain.add_argument("--time", required=True, help="its candle's open, as 2025-06-01T12:00 UTC")
    explain.add_argument("--pair", help="default: the run's first")
    targets = "advantage (p_up - p_down), return, cascade_down or cascade_up"
    explain.add_argument("--target", help=targets)
    explain.add_argument("--top", type=int, help="drivers shown; 12")
    explain.add_argument("--data", type=Path, help="the run's data directory; default: as reported")
    explain.add_argument("--strategy", help="the run's strategy; default: as reported")
    explain.add_argument("--userdir", type=Path, help="default: user_data")


def _add_risk(commands: Subcommands) -> None:
    stress = _add(commands, "stress", _stress, "replay crashes from every hour, behind the guards")
    stress.add_argument("--data", type=Path, help="data directory, or a folder of them; simulated")
    stress.add_argument("--pair", dest="pairs", nargs="+", help="BTC, ETH and LTC/USDT:USDT")
    stress.add_argument("--config", type=Path, help="whose limits; the shipped one")
    stress.add_argument("--hedge-config", type=Path, help="the hedged account's; the shipped one")
    stress.add_argument("--every-hours", type=whole_number, help="between two starts; 1")
    stress.add_argument("--jobs", type=whole_number, help="processes; one for each core")
    stress.add_argument("--userdir", type=Path, help="default: user_data")
    hours = commands.add_parser("worst-hours", help="measure the worst hour of each coin")
    hours.add_argument("--data", type=Path, nargs="+", required=True, help=DATA_HELP)
    hours.add_argument("--source", default="own candles", help="named in the table")
    hours.add_argument("--write", type=Path, help="table to renew: .../worst_hours.json")
    hours.set_defaults(run=_worst_hours)
    liquidation = commands.add_parser("liquidation", help="share of entries liquidated by leverage")
    liquidation.add_argument("--data", type=Path, required=True, help=DATA_HELP)
    liquidation.add_argument("--pair", nargs="+", default=["BTC/USDT:USDT"])
    liquidation.add_argument("--timeframe", default="1h")
    liquidation.add_argument("--leverage", nargs="+", type=positive, default=[2, 3, 5, 10, 20])
    liquidation.add_argument(
        "--notional", type=positive, default=10_000.0, help="position size; 10000"
    )
    liquidation.set_defaults(run=_liquidation)


def _demo(options: argparse.Namespace) -> int:
    from strategies.desk.demo import DemoOptions, run_demo

    return run_demo(DemoOptions(**_given(options)))


def _hedge_report(options: argparse.Namespace) -> int:
    from strategies.desk.hedge import HedgeOptions, run_hedge

    return run_hedge(HedgeOptions(**_given(options)))


def _explain(options: argparse.Namespace) -> int:
    from strategies.desk.explain import ExplainOptions, run_explain

    return run_explain(ExplainOptions(**_given(options)))


def _compare(options: argparse.Namespace) -> int:
    from strategies.desk.compare import CompareOptions, run_compare
    from strategies.desk.configured import compared
    from strategies.desk.data import choose_datadir

    asked = _given(options, "data", "models", "max_steps", "config") | {
        "userdir": options.userdir or CompareOptions.userdir,
        "models": tuple(options.models),
        "settings": _training(options.max_steps),
    }
    if options.config:
        asked = compared(options.config, asked)
    data = choose_datadir(options.data, asked["userdir"], asked.get("timeframe", "1h"))
    return run_compare(CompareOptions(data=data, **asked))


def _cascades(options: argparse.Namespace) -> int:
    from models.studies.cascades.folds import SCHEMES
    from strategies.desk.cascades import CascadeOptions, run_cascades
    from strategies.desk.data import choose_datadir

    userdir = options.userdir or CascadeOptions.userdir
    return run_cascades(
        CascadeOptions(
            data=choose_datadir(options.data, userdir),
            userdir=userdir,
            network="" if options.network == "none" else options.network,
            schemes=SCHEMES if options.all else SCHEMES[:1],
            settings=_training(options.max_steps),
            **_given(options, "data", "userdir", "network", "all", "max_steps"),
        )
    )


def _exposure(options: argparse.Namespace) -> int:
    from strategies.desk.exposure import ExposureOptions, run_exposure

    return _refitted(options, ExposureOptions, run_exposure)


def _maker(options: argparse.Namespace) -> int:
    from strategies.desk.maker import MakerOptions, run_maker

    return _refitted(options, MakerOptions, run_maker)


def _refitted(options: argparse.Namespace, kind: Any, run: Callable[[Any], int]) -> int:
    from strategies.desk.data import choose_datadir

    userdir = options.userdir or kind.userdir
    data = choose_datadir(options.data, userdir)
    return run(kind(data=data, userdir=userdir, **_given(options, "data", "userdir")))


def _probe(options: argparse.Namespace) -> int:
    from strategies.desk.data import choose_datadir
    from strategies.desk.probe import ProbeOptions, run_probe

    userdir = options.userdir or ProbeOptions.userdir
    data = choose_datadir(options.data, userdir)
    given = _given(options, "data", "userdir", "max_steps")
    return run_probe(
        ProbeOptions(data=data, userdir=userdir, settings=_training(options.max_steps), **given)
    )


def _training(max_steps: int | None) -> dict[str, dict[str, int]]:
    """Return the settings of `model_training_parameters` that cap the steps."""
    return {} if max_steps is None else {"training": {"max_steps": max_steps}}


def _collect(options: argparse.Namespace) -> int:
    from strategies.desk.collect.collector import run_collect

    return run_collect(
        options.config, options.userdir, options.sources, once=options.once, status=options.status
    )


def _stress(options: argparse.Namespace) -> int:
    from strategies.desk.stress import StressOptions, run_stress

    return run_stress(StressOptions(**_given(options)))


def _worst_hours(options: argparse.Namespace) -> int:
    from strategies.desk.worst_hours import run_worst_hours

    return run_worst_hours(options.data, options.source, options.write)


def _liquidation(options: argparse.Namespace) -> int:
    from strategies.desk.stress import run_liquidation

    return run_liquidation(
        options.data, options.pair, options.timeframe, options.leverage, options.notional
    )


def _simulate(options: argparse.Namespace) -> int:
    from strategies.desk.simulated_data import write_simulated

    write_simulated(options.directory, seed=options.seed, timeframe=options.timeframe)
    print(f"simulated market in {options.directory}")
    return 0


def _settings(options: argparse.Namespace) -> int:
    from strategies.desk.settings_page import run_settings

    return run_settings(options.part)


def _doctor(options: argparse.Namespace) -> int:
    from strategies.desk.doctor import run_doctor

    code = run_doctor()
    if not options.config:
        return code
    # Not before the probes have said what of Freqtrade is not as expected.
    from strategies.desk.settings import judge_settings

    refused = judge_settings(options.config, options.strategy, options.freqaimodel)
    return max(code, min(refused, 1))


if __name__ == "__main__":
    sys.exit(main())
