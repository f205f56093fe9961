"""The command lines of what happens when many act alike: `crowding` and `venues`."""

from __future__ import annotations

import argparse
from pathlib import Path

from strategies.desk.control import Subcommands
from strategies.desk.shared_lines import add_command, given_options, report_places
from strategies.desk.terminal.typed import positive, whole_number


def add_crowds(commands: Subcommands) -> None:
    """Add `crowding` and `venues`."""
    crowding = add_command(
        commands, "crowding", _crowding, "how much deeper copies of this bot make a fall",
        report_places,
    )  # fmt: skip
    for name, what in (
        ("agents", "copies; 100"),
        ("falls", "of every lever and adoption; 32"),
        ("fall-minutes", "that the fall from outside takes; 60"),
        ("jobs", "processes; 1"),
    ):
        crowding.add_argument(f"--{name}", type=whole_number, help=what)
    crowding.add_argument("--seed", type=int, help="of the falls; 0")
    for name, what in (
        ("fall-frac", "of price, from outside; 0.06"),
        ("depth", "of the usual depth while it falls; 0.2"),
        ("half-life", "minutes until half of what was taken from the book is back; 60"),
    ):
        crowding.add_argument(f"--{name}", type=positive, help=what)
    crowding.add_argument("--impact", help="square-root, linear or none; square-root")
    crowding.add_argument("--data", type=Path, help="a folder of recorded crashes to fall like")
    crowding.add_argument("--config", type=Path, help="whose limits and stops; the shipped one")
    crowding.add_argument("--target-config", type=Path, help="whose target; the shipped one")
    crowding.add_argument("--userdir", type=Path, help="default: user_data")
    venues = add_command(
        commands, "venues", _venues, "when exchanges' liquidations push each other down",
        report_places,
    )  # fmt: skip
    venues.add_argument("--fall-frac", type=positive, help="of price, from outside; 0.06")
    venues.add_argument("--fall-minutes", type=positive, help="that it takes; 10")
    venues.add_argument("--userdir", type=Path, help="default: user_data")


def _crowding(options: argparse.Namespace) -> int:
    from strategies.desk.studies.crowding import CrowdingOptions, run_crowding

    return run_crowding(CrowdingOptions(**given_options(options)))


def _venues(options: argparse.Namespace) -> int:
    from strategies.desk.studies.venues import VenueOptions, run_venues

    return run_venues(VenueOptions(**given_options(options)))
