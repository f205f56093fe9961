"""The command line of `breakwater audit`; what it runs is loaded when it runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from strategies.desk.control import Subcommands
from strategies.desk.shared_lines import add_command, given_options
from strategies.desk.terminal.typed import DATA_HELP


def add_audit(commands: Subcommands) -> None:
    """Add the command; what is not given on its line is left to `AuditOptions`."""
    audit = add_command(commands, "audit", _audit, "any finished backtest, as a margin account")
    audit.add_argument(
        "result", type=Path, nargs="?", default=None, help="Freqtrade's result; the newest"
    )
    audit.add_argument("--strategy", help="of several in the result")
    audit.add_argument("--data", type=Path, help=DATA_HELP)
    audit.add_argument("--slippage", dest="slippage_frac", type=float, help="per fill; 0.0002")
    audit.add_argument("--json", action="store_true", help="one object, for a program")
    audit.add_argument("--userdir", type=Path, help="default: user_data")


def _audit(options: argparse.Namespace) -> int:
    from strategies.desk.backtests.audit import AuditOptions, run_audit

    return run_audit(AuditOptions(**given_options(options)))
