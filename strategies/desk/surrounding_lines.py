"""The command lines of `simulate`, `exchange`, `collect`, `feeds import` and `settings`."""

from __future__ import annotations

import argparse
from pathlib import Path

from strategies.desk.archive.layout import ARCHIVE_KINDS
from strategies.desk.control import Subcommands
from strategies.desk.loopback.options import add_exchange_options
from strategies.desk.terminal.json_answers import add_json, print_json
from strategies.desk.terminal.names import timeframe_name
from strategies.desk.terminal.typed import typed_day


def add_surroundings(commands: Subcommands) -> None:
    """Add the commands about what is around a bot: its market, feeds and settings."""
    simulate = commands.add_parser("simulate", help="write a seeded simulated market")
    simulate.add_argument("directory", type=Path)
    simulate.add_argument("--seed", type=int, default=0)
    simulate.add_argument("--timeframe", type=timeframe_name, default="1h", help="1h")
    simulate.set_defaults(run=_simulate)
    exchange = commands.add_parser("exchange", help="serve the loopback exchange until stopped")
    add_exchange_options(exchange)
    exchange.add_argument("folder", type=Path, nargs="?", help="a bot's own: its candles and port")
    exchange.set_defaults(run=_exchange)
    settings = commands.add_parser("settings", help="every setting, its default and its meaning")
    settings.add_argument("part", nargs="?", default="", help="of a block's name, as limits")
    add_json(settings)
    settings.set_defaults(run=_settings)
    _add_collect(commands)
    _add_feeds(commands)


def _add_collect(commands: Subcommands) -> None:
    collect = commands.add_parser("collect", help="keep what the feeds say, until stopped")
    collect.add_argument("--config", type=Path, action="append", required=True, help="the bot's")
    collect.add_argument("--sources", nargs="+", default=[], metavar="FEED", help="default: all")
    collect.add_argument("--once", action="store_true", help="ask each feed once")
    collect.add_argument("--status", action="store_true", help="only say how old each feed is")
    collect.add_argument("--userdir", type=Path, help="the bot's; default: as configured")
    collect.set_defaults(run=_collect)


def _add_feeds(commands: Subcommands) -> None:
    feeds = commands.add_parser("feeds", help="give the collected feeds a past")
    words = feeds.add_subparsers(required=True, metavar="word")
    take = words.add_parser("import", help="from the exchange's public archive, by day")
    take.add_argument("--symbols", nargs="+", default=[], help="as LTCUSDT; default: of the coins")
    take.add_argument("--from", dest="start", type=typed_day, required=True, help="YYYY-MM-DD")
    take.add_argument("--to", dest="stop", type=typed_day, help="YYYY-MM-DD; default: 2 days ago")
    take.add_argument(
        "--kinds", nargs="+", default=[], choices=ARCHIVE_KINDS, help="of files; default: all"
    )
    take.add_argument("--archive", default="", help="its address; default: the exchange's")
    take.add_argument("--config", type=Path, action="append", default=[], help="the bot's")
    take.add_argument(
        "--userdir", type=Path, help="the bot's; default: user_data, or as configured"
    )
    take.set_defaults(run=_feeds_import)


def _feeds_import(options: argparse.Namespace) -> int:
    from strategies.desk.archive.importing import run_feeds_import

    return run_feeds_import(
        configs=options.config, userdir=options.userdir, symbols=options.symbols,
        kinds=options.kinds, start=options.start, stop=options.stop, archive=options.archive,
    )  # fmt: skip


def _collect(options: argparse.Namespace) -> int:
    from strategies.desk.collect.collector import run_collect

    return run_collect(
        options.config, options.userdir, options.sources, once=options.once, status=options.status
    )


def _simulate(options: argparse.Namespace) -> int:
    from strategies.desk.backtests.simulated_data import write_simulated

    write_simulated(options.directory, seed=options.seed, timeframe=options.timeframe)
    print(f"simulated market in {options.directory}")
    return 0


def _settings(options: argparse.Namespace) -> int:
    from strategies.desk.settings_page import run_settings, settings_values

    if options.json:
        print_json(settings_values(options.part))
        return 0
    return run_settings(options.part)


def _exchange(options: argparse.Namespace) -> int:
    from strategies.desk.folder_commands import serve_alone, serve_folder

    return serve_alone(options) if options.folder is None else serve_folder(options)
