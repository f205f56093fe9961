"""The command line of `breakwater validate`; what it runs is loaded when it runs."""

from __future__ import annotations

import argparse

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
    take_place,
)
from strategies.desk.terminal.names import model_key
from strategies.desk.terminal.typed import add_market_options, day_text


def add_validate(commands: Subcommands) -> None:
    """Add the command; what is not given on its line is left to the defaults of its options."""
    validate = add_command(
        commands, "validate", _validate, "what a sceptic asks before risking money", report_places
    )
    add_market_options(validate)
    validate.add_argument("--models", type=model_key, nargs="+", default=[], help="default: all")
    add_walk(validate, seeds=1, test_days=365)
    validate.add_argument("--stop", type=day_text, help="YYYY-MM-DD, the first day not looked at")
    validate.add_argument(
        "--reference", type=model_key, help="whom all are held against, always in; volatility"
    )
    validate.add_argument(
        "--holdout", type=day_text, help="YYYY-MM-DD, from when on all is kept for one last look"
    )
    validate.add_argument(
        "--open-holdout", action="store_true", default=False, help="this is that look"
    )
    validate.add_argument(
        "--cross-validate",
        type=model_key,
        nargs="*",
        metavar="MODEL",
        help="of them, those that go through other pasts, too; volatility linear boosted",
    )
    add_executor(validate)
    add_jobs(validate)
    add_max_steps(validate)


def _validate(options: argparse.Namespace) -> int:
    from strategies.desk.backtests.data import choose_datadir
    from strategies.desk.studies.compare import CompareOptions
    from strategies.desk.studies.cross_validated import CHEAP
    from strategies.desk.studies.validate import ValidateOptions, run_validate

    place, capped = take_place(options), capped_training(options.max_steps).get("training", {})
    given = given_options(
        options,
        "data",
        "models",
        "max_steps",
        "userdir",
        "holdout",
        "open_holdout",
        "cross_validate",
    )
    userdir = options.userdir or CompareOptions.userdir
    compared = CompareOptions(
        data=choose_datadir(options.data, userdir, given.get("timeframe", "1h")),
        userdir=userdir,
        models=tuple(options.models),
        settings={"training": {**capped, **place}} if capped or place else {},
        **{"seeds": 1, "test_days": 365, **given},
    )
    return run_validate(
        ValidateOptions(
            compared=compared, holdout=getattr(options, "holdout", ""),
            opens_holdout=options.open_holdout,
            cross=tuple(getattr(options, "cross_validate", CHEAP)),
        )
    )  # fmt: skip
