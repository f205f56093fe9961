"""The command lines of `simulate`, `exchange`, `collect`, `doctor` and `settings`."""

from __future__ import annotations

import argparse
from pathlib import Path

from strategies.desk.control import Subcommands
from strategies.desk.loopback.options import add_exchange_options
from strategies.desk.names import timeframe_name


def add_surroundings(commands: Subcommands) -> None:
    """Add the commands about what is around a bot: its market, feeds, versions and settings."""
    simulate = commands.add_parser("simulate", help="write a seeded simulated market")
    simulate.add_argument("directory", type=Path)
    simulate.add_argument("--seed", type=int, default=0)
    simulate.add_argument("--timeframe", type=timeframe_name, default="1h", help="1h")
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
    _add_collect(commands)


def _add_collect(commands: Subcommands) -> None:
    collect = commands.add_parser("collect", help="keep what the feeds say, until stopped")
    collect.add_argument("--config", type=Path, action="append", required=True, help="the bot's")
    collect.add_argument("--sources", nargs="+", default=[], metavar="FEED", help="default: all")
    collect.add_argument("--once", action="store_true", help="ask each feed once")
    collect.add_argument("--status", action="store_true", help="only say how old each feed is")
    collect.add_argument("--userdir", type=Path, help="the bot's; default: as configured")
    collect.set_defaults(run=_collect)


def _collect(options: argparse.Namespace) -> int:
    from strategies.desk.collect.collector import run_collect

    return run_collect(
        options.config, options.userdir, options.sources, once=options.once, status=options.status
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
