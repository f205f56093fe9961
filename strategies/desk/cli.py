"""`breakwater`: the pack's command line, beside Freqtrade's own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from freqtrade.exceptions import FreqtradeException

from models.base.errors import PackError
from strategies.desk.control import add_commands
from strategies.desk.loopback.options import add_exchange_options
from strategies.desk.places import CONFIGS, USER_DATA


def main(arguments: list[str] | None = None) -> int:
    """Run one command; an expected error is printed as a message, never as a traceback."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (PackError, FreqtradeException) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="breakwater", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    demo = commands.add_parser("demo", help="backtest on real or simulated data, with a report")
    demo.add_argument("--data", type=Path, help="a Freqtrade data directory (holds futures/)")
    demo.add_argument("--model", default="LSTMForecaster", help="FreqAI model class")
    demo.add_argument("--strategy", default="BitcoinCrossMargin")
    demo.add_argument("--timerange", help="YYYYMMDD-YYYYMMDD; default: the last 240 days")
    demo.add_argument("--config", type=Path, help="default: config_bitcoin.json")
    demo.add_argument("--userdir", type=Path, help="default: user_data")
    demo.set_defaults(run=_demo)
    compare = commands.add_parser("compare", help="all models on the same walk-forward folds")
    compare.add_argument("--data", type=Path, help="a Freqtrade data directory (holds futures/)")
    compare.add_argument("--models", nargs="+", default=[], help="catalogue names; default: all")
    for name, default, what in (
        ("seeds", 3, "trainings of each model and fold"),
        ("folds", 4, "consecutive test windows that end with the data"),
        ("train-days", 730, "history before each test window"),
        ("test-days", 60, "length of a test window"),
    ):
        compare.add_argument(f"--{name}", type=int, default=default, help=f"{what}; {default}")
    compare.add_argument("--pair", default="BTC/USDT:USDT")
    compare.add_argument("--timeframe", default="1h")
    compare.add_argument("--max-steps", type=int, help="cap on optimiser steps, to try things out")
    compare.add_argument("--userdir", type=Path, help="default: user_data")
    compare.set_defaults(run=_compare)
    hedge = commands.add_parser(
        "hedge-report", help="backtest of the Litecoin hedge, with a report"
    )
    hedge.add_argument("--data", type=Path, help="a Freqtrade data directory (holds futures/)")
    hedge.add_argument("--timerange", help="YYYYMMDD-YYYYMMDD; default: 2021 to the newest candle")
    hedge.add_argument("--config", type=Path, help="default: config_litecoin_hedge.json")
    hedge.add_argument("--model", help="FreqAI model class that may lean on the baseline")
    hedge.add_argument("--userdir", type=Path, help="default: user_data")
    hedge.set_defaults(run=_hedge_report)
    cascades = commands.add_parser("cascades", help="how well liquidation cascades can be timed")
    cascades.add_argument("--data", type=Path, help="a Freqtrade data directory (holds futures/)")
    cascades.add_argument("--feeds", type=Path, help="folder of open interest and liquidations")
    cascades.add_argument("--network", default="hedge", help='catalogue name, or "none"; hedge')
    cascades.add_argument("--all", action="store_true", help="leave out coins and episodes as well")
    cascades.add_argument("--folds", type=int, default=5, help="test spans of the walk-forward; 5")
    cascades.add_argument("--start", default="2022-01-01", help="of the test span; 2022-01-01")
    cascades.add_argument("--max-steps", type=int, help="cap on optimiser steps, to try things out")
    cascades.add_argument("--userdir", type=Path, help="default: user_data")
    cascades.set_defaults(run=_cascades)
    collect = commands.add_parser("collect", help="keep what the feeds say, until stopped")
    collect.add_argument("--config", type=Path, action="append", required=True, help="the bot's")
    collect.add_argument("--sources", nargs="+", default=[], metavar="FEED", help="default: all")
    collect.add_argument("--once", action="store_true", help="ask each feed once")
    collect.add_argument("--status", action="store_true", help="only say how old each feed is")
    collect.add_argument("--userdir", type=Path, help="the bot's; default: as configured")
    collect.set_defaults(run=_collect)
    explain = commands.add_parser("explain", help="what drove one forecast of the newest run")
    explain.add_argument("--time", required=True, help="its candle's open, as 2025-06-01T12:00 UTC")
    explain.add_argument("--pair", help="default: the run's first")
    targets = "advantage (p_up - p_down), return, cascade_down or cascade_up"
    explain.add_argument("--target", default="advantage", help=targets)
    explain.add_argument("--top", type=int, default=12, help="drivers shown; 12")
    explain.add_argument("--data", type=Path, help="the run's data directory; default: as reported")
    explain.add_argument("--strategy", help="the run's strategy; default: as reported")
    explain.add_argument("--userdir", type=Path, help="default: user_data")
    explain.set_defaults(run=_explain)
    stress = commands.add_parser("stress", help="replay crashes with and without the guards")
    stress.add_argument("--data", type=Path, help="data directory, or a folder of them; simulated")
    stress.add_argument("--pair", default="BTC/USDT:USDT")
    stress.add_argument(
        "--config",
        type=Path,
        default=CONFIGS / "config_bitcoin.json",
        help="whose limits; the shipped one",
    )
    stress.add_argument("--every-hours", type=float, default=12.0, help="between two starts; 12")
    stress.add_argument("--userdir", type=Path, default=USER_DATA)
    stress.set_defaults(run=_stress)
    liquidation = commands.add_parser("liquidation", help="share of entries liquidated by leverage")
    liquidation.add_argument("--data", type=Path, required=True, help="a Freqtrade data directory")
    liquidation.add_argument("--pair", nargs="+", default=["BTC/USDT:USDT"])
    liquidation.add_argument("--timeframe", default="1h")
    liquidation.add_argument("--leverage", nargs="+", type=float, default=[2, 3, 5, 10, 20])
    liquidation.add_argument(
        "--notional", type=float, default=10_000.0, help="position size; 10000"
    )
    liquidation.set_defaults(run=_liquidation)
    simulate = commands.add_parser("simulate", help="write a seeded simulated market")
    simulate.add_argument("directory", type=Path)
    simulate.add_argument("--seed", type=int, default=0)
    simulate.set_defaults(run=_simulate)
    exchange = commands.add_parser("exchange", help="serve the loopback exchange until stopped")
    add_exchange_options(exchange)
    add_commands(commands)
    return parser


def _demo(options: argparse.Namespace) -> int:
    from strategies.desk.demo import DemoOptions, run_demo

    given = {
        name: getattr(options, name)
        for name in ("data", "model", "strategy", "timerange", "config", "userdir")
        if getattr(options, name) is not None
    }
    return run_demo(DemoOptions(**given))


def _compare(options: argparse.Namespace) -> int:
    from strategies.desk.compare import CompareOptions, run_compare
    from strategies.desk.data import choose_datadir

    more = {} if options.userdir is None else {"userdir": options.userdir}
    userdir = more.get("userdir", CompareOptions.userdir)
    names = ("seeds", "folds", "train_days", "test_days", "pair", "timeframe")
    training = {} if options.max_steps is None else {"training": {"max_steps": options.max_steps}}
    return run_compare(
        CompareOptions(
            data=choose_datadir(options.data, userdir),
            models=tuple(options.models),
            settings=training,
            **{name: getattr(options, name) for name in names},
            **more,
        )
    )


def _hedge_report(options: argparse.Namespace) -> int:
    from strategies.desk.hedge import HedgeOptions, run_hedge

    names = ("data", "timerange", "config", "model", "userdir")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    return run_hedge(HedgeOptions(**given))


def _cascades(options: argparse.Namespace) -> int:
    from models.studies.cascades.folds import SCHEMES
    from strategies.desk.cascades import CascadeOptions, run_cascades
    from strategies.desk.data import choose_datadir

    more = {} if options.userdir is None else {"userdir": options.userdir}
    userdir = more.get("userdir", CascadeOptions.userdir)
    training = {} if options.max_steps is None else {"training": {"max_steps": options.max_steps}}
    return run_cascades(
        CascadeOptions(
            data=choose_datadir(options.data, userdir),
            feeds=options.feeds,
            network="" if options.network == "none" else options.network,
            schemes=SCHEMES if options.all else SCHEMES[:1],
            folds=options.folds,
            start=options.start,
            settings=training,
            **more,
        )
    )


def _collect(options: argparse.Namespace) -> int:
    from strategies.desk.collect.collector import run_collect

    return run_collect(
        options.config, options.userdir, options.sources, once=options.once, status=options.status
    )


def _explain(options: argparse.Namespace) -> int:
    from strategies.desk.explain import ExplainOptions, run_explain

    names = ("time", "pair", "target", "top", "data", "strategy", "userdir")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    return run_explain(ExplainOptions(**given))


def _stress(options: argparse.Namespace) -> int:
    from strategies.desk.stress import run_stress

    return run_stress(
        options.data, options.pair, options.config, options.userdir, options.every_hours
    )


def _liquidation(options: argparse.Namespace) -> int:
    from strategies.desk.stress import run_liquidation

    return run_liquidation(
        options.data, options.pair, options.timeframe, options.leverage, options.notional
    )


def _simulate(options: argparse.Namespace) -> int:
    from strategies.desk.simulated_data import write_simulated

    write_simulated(options.directory, seed=options.seed)
    print(f"simulated market in {options.directory}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
