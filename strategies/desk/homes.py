"""Which bot's state a command of a person's is about: live, dry-run, or both."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from models.base.errors import ControlError
from models.operate.control.commands import CONTROL_FOLDER
from models.operate.control.home import homes_in
from models.operate.control.owner import OWNER_FILE, BotStage, read_owner

# Never asked about: what stops a bot stops every bot of the user directory.
FOR_EVERY_BOT: Final = frozenset({"risk", "halt", "reduce"})


def add_stage(command: argparse.ArgumentParser) -> None:
    """Let a person say which of two bots he means."""
    command.add_argument(
        "--stage", choices=[str(stage) for stage in BotStage],
        help="which bot, where a live one and a dry run keep their state in one user directory",
    )  # fmt: skip


def homes_meant(userdir: Path, stage: str | None, word: str) -> list[Path]:
    """Return the homes a word is for; the user directory itself if no bot has been there.

    Raises
    ------
    ControlError
        If two bots could be meant and the word is not for both.
    """
    homes = homes_in(userdir)
    if stage is not None:
        return [homes.get(BotStage(stage), userdir / "no such bot")]
    if len(homes) > 1 and word not in FOR_EVERY_BOT:
        raise ControlError(
            "two bots keep their state there: " + "; ".join(map(whose, homes.values())),
            where=str(userdir),
            cure=f"say which: {word} --stage live, or --stage dry-run",
        )
    return list(homes.values()) or [userdir]


def whose(home: Path) -> str:
    """Return a home and whose it is, as a person reads it."""
    owner = read_owner(home / CONTROL_FOLDER / OWNER_FILE)
    return f"{home}: {owner or 'no bot has started there yet'}"
