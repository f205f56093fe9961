"""What the command lines share: a command, its given options, the cap on training steps."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from strategies.desk.control import Subcommands
from strategies.desk.terminal.places import USER_DATA
from strategies.desk.terminal.room import require_room
from strategies.desk.terminal.typed import whole_number

if TYPE_CHECKING:
    from models.learn.jobs.executor import Executor

RunCommand: TypeAlias = Callable[[argparse.Namespace], int]
Leaves: TypeAlias = Callable[[argparse.Namespace], Iterable[Path]]  # where a command writes last

_ASIDE: Final = ("run", "leaves")  # what a command line brings that no option is


def add_command(
    commands: Subcommands, name: str, run: RunCommand, help_text: str, leaves: Leaves | None = None
) -> argparse.ArgumentParser:
    """Add a command; what is not given on its line is left to the defaults of its options.

    Parameters
    ----------
    leaves
        The folders its work ends up in; see `require_place`.
    """
    command = commands.add_parser(name, help=help_text, argument_default=argparse.SUPPRESS)
    command.set_defaults(run=run, leaves=leaves)
    return command


def report_places(options: argparse.Namespace) -> Iterable[Path]:
    """Return where a command with a report writes it, and its trainings."""
    return _in_userdir(options, "reports", "models")


def backtest_places(options: argparse.Namespace) -> Iterable[Path]:
    """Return the same of a command that has Freqtrade run a backtest."""
    return _in_userdir(options, "reports", "models", "backtest_results", "logs")


def _in_userdir(options: argparse.Namespace, *names: str) -> Iterable[Path]:
    userdir = getattr(options, "userdir", None) or USER_DATA
    return [userdir / name for name in names]


def require_place(options: argparse.Namespace) -> None:
    """Refuse a command whose work would have no place in the end; see `require_room`."""
    leaves: Leaves | None = getattr(options, "leaves", None)
    if leaves is not None:
        require_room(leaves(options))


def given_options(options: argparse.Namespace, *besides: str) -> dict[str, Any]:
    """Return what was given on the line, by name, but for the options named in `besides`."""
    return {name: value for name, value in vars(options).items() if name not in (*_ASIDE, *besides)}


def add_max_steps(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--max-steps", type=int, default=None, help="cap on optimiser steps, to try things out"
    )
    command.add_argument("--userdir", type=Path, default=None, help="default: user_data")


def add_walk(command: argparse.ArgumentParser, *, seeds: int, test_days: int) -> None:
    """Add the trainings and the test windows of a walk forward; the numbers are for the help."""
    for name, what in (
        ("seeds", f"trainings of each model and fold; {seeds}"),
        ("folds", "consecutive test windows, the last of which ends with the candles; 4"),
        ("train-days", "history before each test window, half of it at least; 1460"),
        ("test-days", f"length of a test window; {test_days}"),
    ):
        command.add_argument(f"--{name}", type=int, help=what)


def add_executor(command: argparse.ArgumentParser) -> None:
    """Add where the trainings run: a worker of this machine, or a Ray cluster that is there."""
    command.add_argument(
        "--executor", choices=("process", "ray"), help="where trainings run; process, or ray"
    )
    command.add_argument(
        "--ray-address", help="of the Ray cluster, host:6379; default: RAY_ADDRESS"
    )


def add_jobs(command: argparse.ArgumentParser) -> None:
    """Add how many trainings run side by side."""
    command.add_argument(
        "--jobs", type=whole_number, help="trainings side by side, one core each; 1"
    )


def take_place(options: argparse.Namespace) -> dict[str, Any]:
    """Take out of `options` where trainings are to run, as settings of a training."""
    given = vars(options)
    names = ("executor", "ray_address")
    place: dict[str, Any] = {name: given.pop(name) for name in names if name in given}
    return {"executor": "ray", **place} if "ray_address" in place else place


def take_executor(options: argparse.Namespace) -> Executor | None:
    """Take out of `options` where trainings are to run; None for the command's own way.

    Raises
    ------
    ConfigError
        If that is a Ray cluster and Ray is not installed, or nobody has named the cluster.
    """
    from models.learn.jobs.ray_executor import executor_of
    from models.learn.training.settings import TrainingSettings

    place, workers = take_place(options), getattr(options, "jobs", 1)
    return executor_of(TrainingSettings(**place), workers=workers) if place else None


def capped_training(max_steps: int | None) -> dict[str, dict[str, int]]:
    """Return the settings of `model_training_parameters` that cap the steps."""
    return {} if max_steps is None else {"training": {"max_steps": max_steps}}
