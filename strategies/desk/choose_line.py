"""The command line of `breakwater choose`; what it runs is loaded when it runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from strategies.desk.control import Subcommands
from strategies.desk.shared_lines import add_command, given_options
from strategies.desk.terminal.names import pair_name
from strategies.desk.terminal.typed import DATA_HELP, positive, whole_number


def add_choose(commands: Subcommands) -> None:
    """Add the command; what is not given on its line is asked for, or left to `ChooseOptions`."""
    choose = add_command(commands, "choose", _choose, "what to run here, by what was measured here")
    choose.add_argument("--style", help="scalp, intraday, swing, position, hedge or volatility")
    choose.add_argument("--pair", type=pair_name, help="BTC/USDT:USDT")
    choose.add_argument("--leverage", type=positive, help="of the account, at most; 2")
    choose.add_argument("--skill", help="new, freqtrade or research")
    choose.add_argument("--data", type=Path, help=DATA_HELP)
    choose.add_argument("--cores", type=whole_number, help="that may train; this machine's")
    choose.add_argument(
        "--delay", dest="delay_s", type=float, help="seconds from close to order; as journalled"
    )
    choose.add_argument("--yes", action="store_true", help="ask nothing")
    choose.add_argument("--json", action="store_true", help="one object, for a program")
    choose.add_argument("--userdir", type=Path, help="default: user_data")


def _choose(options: argparse.Namespace) -> int:
    from strategies.desk.studies.choose import ChooseOptions, run_choose

    return run_choose(ChooseOptions(**given_options(options)))
