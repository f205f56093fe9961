"""The command line of `breakwater claims`; what it runs is loaded when it runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from strategies.desk.control import Subcommands
from strategies.desk.shared_lines import (
    add_command,
    add_executor,
    add_jobs,
    capped_training,
    given_options,
    report_places,
    take_executor,
)
from strategies.desk.terminal.names import pair_name
from strategies.desk.terminal.typed import whole_number


def add_claims(commands: Subcommands) -> None:
    """Add the command; what is not given on its line is left to `ClaimOptions`."""
    claims = add_command(
        commands, "claims", _claims, "what articles say of models, measured", report_places
    )
    claims.add_argument("--data", type=Path, default=None, help="Freqtrade data directory")
    claims.add_argument("--pair", type=pair_name, help="BTC/USDT:USDT")
    claims.add_argument("--only", nargs="+", type=int, metavar="CLAIM", help="1 to 7; all")
    claims.add_argument("--folds", type=whole_number, help="test windows of each timeframe; 2")
    claims.add_argument("--seeds", type=whole_number, help="trainings of each model and fold; 2")
    claims.add_argument("--train-days", type=whole_number, help="default: each style's own")
    claims.add_argument("--timings", type=whole_number, help="runs of GRU and LSTM, in turns; 7")
    claims.add_argument("--max-steps", type=whole_number, help="cap on optimiser steps")
    add_executor(claims)
    add_jobs(claims)
    claims.add_argument("--userdir", type=Path, default=None, help="default: user_data")


def _claims(options: argparse.Namespace) -> int:
    from strategies.desk.backtests.data import choose_datadir
    from strategies.desk.studies.claims import ClaimOptions, run_claims

    executor = take_executor(options)
    given = given_options(options)
    userdir = given.pop("userdir") or ClaimOptions.userdir
    data = choose_datadir(given.pop("data"), userdir)
    settings = capped_training(given.pop("max_steps", None))
    only = tuple(given.pop("only", ()))
    return run_claims(
        ClaimOptions(data=data, userdir=userdir, settings=settings, only=only, **given),
        executor,
    )
