"""The command lines of `stress`, `worst-hours` and `liquidation`."""

from __future__ import annotations

import argparse
from pathlib import Path

from strategies.desk.control import Subcommands
from strategies.desk.shared_lines import add_command, given_options, report_places
from strategies.desk.terminal.names import pair_name, timeframe_name
from strategies.desk.terminal.typed import DATA_HELP, positive, whole_number


def add_risk(commands: Subcommands) -> None:
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


def _stress(options: argparse.Namespace) -> int:
    from strategies.desk.studies.stress import StressOptions, run_stress

    return run_stress(StressOptions(**given_options(options)))


def _worst_hours(options: argparse.Namespace) -> int:
    from strategies.desk.studies.worst_hours import run_worst_hours

    return run_worst_hours(options.data, options.source, options.write)


def _liquidation(options: argparse.Namespace) -> int:
    from strategies.desk.studies.stress import run_liquidation

    return run_liquidation(
        options.data, options.pair, options.timeframe, options.leverage, options.notional
    )
