"""The command lines of `what-if`, `stress`, `worst-hours` and `liquidation`."""

from __future__ import annotations

import argparse
from pathlib import Path

from models.base.errors import ConfigError
from strategies.desk.control import Subcommands
from strategies.desk.shared_lines import add_command, given_options, report_places
from strategies.desk.terminal.json_answers import add_json
from strategies.desk.terminal.names import pair_name, timeframe_name
from strategies.desk.terminal.positions import (
    chance_number,
    hedge_ratio,
    position_asked,
    seed_number,
)
from strategies.desk.terminal.typed import DATA_HELP, positive, share_number, whole_number


def add_risk(commands: Subcommands) -> None:
    _add_what_if(commands)
    stress = add_command(
        commands,
        "stress",
        _stress,
        "replay crashes from every hour, behind the guards",
        report_places,
    )
    stress.add_argument("--data", type=Path, help="data directory, or a folder of them; simulated")
    stress.add_argument(
        "--pair", dest="pairs", type=pair_name, nargs="+", help="BTC, ETH and LTC/USDT:USDT"
    )
    stress.add_argument("--config", type=Path, help="whose limits; the shipped one")
    stress.add_argument("--hedge-config", type=Path, help="the hedged account's; the shipped one")
    stress.add_argument(
        "--worst-day", type=share_number, nargs="+", metavar="SHARE",
        help="instead: the hedged position by these worst_day_equity_frac, at 0.2x, 1x and 3x",
    )  # fmt: skip
    stress.add_argument(
        "--history", type=Path, help="with --worst-day: candles from before, the record known then"
    )
    stress.add_argument("--every-hours", type=whole_number, help="between two starts; 1")
    stress.add_argument("--jobs", type=whole_number, help="processes; one for each core")
    stress.add_argument("--userdir", type=Path, help="default: user_data")
    hours = commands.add_parser("worst-hours", help="measure the worst hour of each coin")
    hours.add_argument("--data", type=Path, nargs="+", required=True, help=DATA_HELP)
    hours.add_argument("--source", default="own candles", help="named in the table")
    hours.add_argument("--write", type=Path, help="table to renew: .../worst_hours.json")
    hours.set_defaults(run=_worst_hours, leaves=lambda o: [o.write.parent] if o.write else [])
    liquidation = commands.add_parser("liquidation", help="share of entries liquidated by leverage")
    liquidation.add_argument("--data", type=Path, required=True, help=DATA_HELP)
    liquidation.add_argument("--pair", type=pair_name, nargs="+", default=["BTC/USDT:USDT"])
    liquidation.add_argument("--timeframe", type=timeframe_name, default="1h")
    liquidation.add_argument("--leverage", nargs="+", type=positive, default=[2, 3, 5, 10, 20])
    liquidation.add_argument(
        "--notional", type=positive, default=10_000.0, help="position size; 10000"
    )
    liquidation.set_defaults(run=_liquidation)


def _add_what_if(commands: Subcommands) -> None:
    what_if = add_command(
        commands, "what-if", _what_if, "what positions would probably do to an account"
    )
    what_if.add_argument(
        "--open", dest="opens", type=position_asked, action="append",
        metavar="POSITION", help='"LTC long 2x": coin, side, notional over equity; repeatable',
    )  # fmt: skip
    what_if.add_argument(
        "--held", action="store_true", help="begin with what the bot of --config holds now"
    )
    what_if.add_argument(
        "--hedge", type=hedge_ratio, help="short of Bitcoin, of the net notional, 0 to 1.5; 0"
    )
    what_if.add_argument("--data", type=Path, help=DATA_HELP)
    what_if.add_argument("--equity", type=positive, help="of the account; 1000")
    what_if.add_argument("--engine", help="that draws what may come; har")
    what_if.add_argument("--days", type=whole_number, help="to look ahead; 7")
    what_if.add_argument("--paths", type=whole_number, help="drawn; 10000")
    what_if.add_argument("--seed", type=seed_number, help="of the paths; 0")
    what_if.add_argument(
        "--chance", type=chance_number, help="of liquidation, of the largest position; 0.001"
    )
    what_if.add_argument("--timeframe", type=timeframe_name, help="of the candles; 1h")
    what_if.add_argument("--config", type=Path, help="whose gap limit; the shipped one")
    what_if.add_argument("--userdir", type=Path, help="default: user_data")
    add_json(what_if)


def _what_if(options: argparse.Namespace) -> int:
    from strategies.desk.studies.what_if import run_what_if
    from strategies.desk.studies.what_if_words import WhatIfOptions

    given = given_options(options)
    if not {"opens", "held"} & given.keys():
        raise ConfigError("required: --open, or --held", cure='as --open "LTC long 2x"')
    if {"held", "equity"} <= given.keys():
        raise ConfigError(
            "--equity is what --held reads from the bot", cure="leave one of the two out"
        )
    return run_what_if(WhatIfOptions(**given))


def _stress(options: argparse.Namespace) -> int:
    from strategies.desk.studies.numbered import run_numbered
    from strategies.desk.studies.stress import StressOptions, run_stress

    chosen = StressOptions(**given_options(options))
    if chosen.history is not None and not chosen.worst_day:
        raise ConfigError(
            "--history is read with --worst-day only", cure="add --worst-day 0.15, or leave it out"
        )
    return run_numbered(chosen) if chosen.worst_day else run_stress(chosen)


def _worst_hours(options: argparse.Namespace) -> int:
    from strategies.desk.studies.worst_hours import run_worst_hours

    return run_worst_hours(options.data, options.source, options.write)


def _liquidation(options: argparse.Namespace) -> int:
    from strategies.desk.studies.stress import run_liquidation

    return run_liquidation(
        options.data, options.pair, options.timeframe, options.leverage, options.notional
    )
