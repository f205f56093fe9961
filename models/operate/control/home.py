"""Where a bot keeps its state: a home with control and journal, one for live and one for dry-run.

Live is at home in Freqtrade's user directory itself, a dry run in a folder of it: money made up
and money owned never meet in one file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from models.base.errors import ControlError
from models.operate.control.commands import CONTROL_FOLDER, JOURNAL_FOLDER
from models.operate.control.owner import OWNER_FILE, BotIdentity, BotStage, OwnedPlace, read_owner

DRY_RUN_HOME: Final = "dry_run"  # in Freqtrade's user directory
LEASE_FILE: Final = "bot.lock"
LOSSES_FILE: Final = "losses.json"  # written in a bot's first loop


def home_of(userdir: Path, stage: BotStage) -> Path:
    """Return the folder that holds control and journal of the bot of this stage."""
    return userdir / DRY_RUN_HOME if stage is BotStage.DRY_RUN else userdir


def homes_in(userdir: Path) -> dict[BotStage, Path]:
    """Return the homes that a bot or a person has used; `userdir` may be a dry run's itself."""
    owner = read_owner(userdir / CONTROL_FOLDER / OWNER_FILE) if userdir.is_dir() else None
    if owner is not None and owner.stage is BotStage.DRY_RUN:
        return {BotStage.DRY_RUN: userdir}
    found = {stage: home_of(userdir, stage) for stage in (BotStage.LIVE, BotStage.DRY_RUN)}
    return {stage: home for stage, home in found.items() if _used(home / CONTROL_FOLDER)}


def _used(control: Path) -> bool:
    """Whether there is more than the lock of somebody who only looked whether it is free."""
    return control.is_dir() and any(path.name != LEASE_FILE for path in control.iterdir())


def state_place(userdir: Path, bot: BotIdentity) -> OwnedPlace:
    """Return the state of `bot` in a user directory, and why it may be another bot's."""
    control = home_of(userdir, bot.stage) / CONTROL_FOLDER
    return OwnedPlace(
        name=str(control),
        owner=control / OWNER_FILE,
        lock=control / LEASE_FILE,
        instead=f"start this bot with a --userdir of its own, as {_own_userdir(userdir, bot)}"
        + (f", or move {control.parent} away to start anew" if control.parent != userdir else ""),
        doubt=_doubt(userdir, control),
    )


def _own_userdir(userdir: Path, bot: BotIdentity) -> str:
    name = "".join(c for c in bot.strategy.lower() if c.isalnum()) or "other"
    return f"{userdir}_{name}_{bot.stage.value.replace('-', '_')}"


def _doubt(userdir: Path, control: Path) -> str:
    """Return what an earlier version left that knew no owners: losses of nobody knows which bot."""
    for folder in (control, userdir / CONTROL_FOLDER):
        if (folder / LOSSES_FILE).exists() and not (folder / OWNER_FILE).exists():
            return f"{folder} holds the losses of a bot, dry-run or live"
    return ""


def waiting_to_move(userdir: Path, stage: BotStage) -> Path | None:
    """Return the control folder of an earlier version that may be this stage's, if it is not home.

    It knew no owners, and kept dry-run and live in one place.
    """
    old = userdir / CONTROL_FOLDER
    unowned = (old / LOSSES_FILE).exists() and not (old / OWNER_FILE).exists()
    return old if unowned and home_of(userdir, stage) != userdir else None


def move_in(userdir: Path, bot: BotIdentity) -> None:
    """Move what an earlier version kept for dry-run and live alike into the home of `bot`.

    What decides whether it was moved goes last: a kill in between is made good by the next call.

    Raises
    ------
    ControlError
        If something of that name is there already, or it cannot be moved.
    """
    home = home_of(userdir, bot.stage)
    old, new = waiting_to_move(userdir, bot.stage), home / CONTROL_FOLDER
    if old is None:
        return
    names = sorted((p.name for p in old.iterdir()), key=lambda name: name == LOSSES_FILE)
    moves = [(userdir / JOURNAL_FOLDER, home / JOURNAL_FOLDER)]
    moves += [(old / name, new / name) for name in names if name != LEASE_FILE]
    try:
        new.mkdir(parents=True, exist_ok=True)
        for source, target in moves:
            if not source.exists():
                continue
            if target.exists():
                raise FileExistsError(f"{target} is there already")
            os.rename(source, target)
    except OSError as error:
        raise ControlError(
            f"the state of {old} cannot be moved: {error}", where=str(home),
            cure="move it by hand, or move it away to start anew",
        ) from error  # fmt: skip
