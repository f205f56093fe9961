"""What the command lines share: a command, its given options, the cap on training steps."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from strategies.desk.control import Subcommands

RunCommand: TypeAlias = Callable[[argparse.Namespace], int]


def add_command(
    commands: Subcommands, name: str, run: RunCommand, help_text: str
) -> argparse.ArgumentParser:
    """Add a command; what is not given on its line is left to the defaults of its options."""
    command = commands.add_parser(name, help=help_text, argument_default=argparse.SUPPRESS)
    command.set_defaults(run=run)
    return command


def given_options(options: argparse.Namespace, *besides: str) -> dict[str, Any]:
    """Return what was given on the line, by name, but for the options named in `besides`."""
    return {name: value for name, value in vars(options).items() if name not in ("run", *besides)}


def add_max_steps(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--max-steps", type=int, default=None, help="cap on optimiser steps, to try things out"
    )
    command.add_argument("--userdir", type=Path, default=None, help="default: user_data")


def capped_training(max_steps: int | None) -> dict[str, dict[str, int]]:
    """Return the settings of `model_training_parameters` that cap the steps."""
    return {} if max_steps is None else {"training": {"max_steps": max_steps}}
