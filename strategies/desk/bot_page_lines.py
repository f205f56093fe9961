"""The command lines of a bot's pages: `drift` and `outlook`."""

from __future__ import annotations

import argparse
from pathlib import Path

from strategies.desk.control import USERDIR, Subcommands
from strategies.desk.homes import add_stage


def add_bot_pages(commands: Subcommands) -> None:
    """Add the commands that write a page of a bot, from the files it keeps."""
    for name, about, run in (
        ("drift", "a page of the bot's models, and how they are doing", _drift),
        ("outlook", "a page of what may become of the account the bot holds", _outlook),
    ):
        page = commands.add_parser(name, help=about)
        page.add_argument("--userdir", type=Path, default=USERDIR, help=f"default: {USERDIR}")
        add_stage(page)
        page.set_defaults(run=run)


def _drift(options: argparse.Namespace) -> int:
    from strategies.desk.bot_pages import run_drift

    return run_drift(options.userdir, options.stage)


def _outlook(options: argparse.Namespace) -> int:
    from strategies.desk.bot_pages import run_outlook

    return run_outlook(options.userdir, options.stage)
