"""`breakwater claim`: a person says that a folder of state, and a trades database, are this bot's.

For what no bot can know: whose a folder of an earlier version is, that a new API key is of the same
account, that a broken owner file was this bot's. What is known to be another's cannot be claimed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from models.base.errors import ControlError
from models.base.files import wall_clock_ms
from models.operate.control.commands import CONTROL_FOLDER, JOURNAL_FOLDER, Commands
from models.operate.control.home import home_of, move_in, state_place, waiting_to_move
from models.operate.control.owner import (
    BotIdentity,
    BotPlace,
    BotStage,
    NewerOwnerError,
    Owner,
    owner_of,
)
from models.operate.control.state import Person
from models.operate.control.state_file import STATE_FILE
from models.operate.journal.journal import Journal
from models.operate.journal.records import ControlChange
from strategies.account.config_files import config_of_files
from strategies.account.identity import bot_identity
from strategies.account.trades_database import MADE_UP, trades_place
from strategies.desk.terminal.typed import typed

_WORD: Final = "claim"


def run_claim(configs: Sequence[Path], userdir: Path | None, strategy: str, by: Person) -> int:
    """Show whose state and database are, ask, and write down that they are this bot's; 0 if so."""
    config = config_of_files(configs)
    bot = bot_identity(config, strategy)
    if not bot.strategy:
        raise ControlError("expected a strategy", cure="name it: --strategy, as for the bot")
    folder = Path(userdir or config["user_data_dir"])
    if not folder.is_dir():
        raise ControlError("expected the bot's user directory", where=str(folder))
    places: list[BotPlace] = [state_place(folder, bot)]
    if (database := trades_place(config, bot, missing=False)) is not None:
        places.append(database)
    for place in places:
        # While it runs, a bot of theirs would go on with what is claimed here.
        place.take(f"`breakwater claim` of {by}")
    found = {place.name: _claimable(place, bot) for place in places}
    print(f"This bot is {bot}.")
    for name, said in found.items():
        print(f"{name}: {said}")
    print(_held(folder, bot))
    if typed(f"type {_WORD} if all of that is this bot's: ") != _WORD:
        raise ControlError(f"{_WORD} was not confirmed; nothing has changed")
    move_in(folder, bot)
    for place in places:
        _write(place, bot)
    desk = Commands(home_of(folder, bot.stage))
    mode = desk.store.read().mode
    change = ControlChange(command=_WORD, by=str(by), reason="; ".join(found.values()),
                           before=mode, after=mode)  # fmt: skip
    desk.journal.append(f"control.{_WORD}", change)
    print(f"{'; '.join(found)}: this bot's from now on; control is {mode}")
    return 0


def _claimable(place: BotPlace, bot: BotIdentity) -> str:
    """Return whose `place` is so far; ControlError if it is known to be another's."""
    owner = _known(place)
    if isinstance(owner, str):
        return owner
    if owner is not None and (why := owner.differs(bot)):
        raise ControlError(
            f"{place.name} belongs to {owner}: {why}. That cannot be claimed",
            where=place.where, cure=place.instead,
        )  # fmt: skip
    if owner is None:
        return f"nobody's so far{': ' if place.doubt else ''}{place.doubt}"
    return f"{owner}" + ("; the API key is a new one" if owner.doubts(bot) else "")


def _known(place: BotPlace) -> Owner | str | None:
    """Return the owner written down, None for nobody, or why that cannot be read."""
    try:
        return place.read()
    except NewerOwnerError:
        raise
    except ControlError as error:
        return error.problem


def _write(place: BotPlace, bot: BotIdentity) -> None:
    owner = _known(place)
    known = owner.learned(bot) if isinstance(owner, Owner) else owner_of(bot, wall_clock_ms())
    place.write(known)


def _held(folder: Path, bot: BotIdentity) -> str:
    """Return what will be the bot's: the control state as it stands.

    Raises
    ------
    ControlError
        If the orders in its journal are of the other stage.
    """
    old = waiting_to_move(folder, bot.stage)
    home = home_of(folder, bot.stage) if old is None else old.parent
    journal = Journal(home / JOURNAL_FOLDER)
    fills = journal.entries(kind="order.filled", limit=1)
    for fill in fills:
        made_up = str(fill.record["order_id"]).startswith(MADE_UP)
        if made_up is not (bot.stage is BotStage.DRY_RUN):
            raise ControlError(
                f"the orders in its journal are of a {'dry run' if made_up else 'live bot'}, "
                f"and this bot is {bot}. That cannot be claimed",
                where=str(journal.folder), cure=state_place(folder, bot).instead,
            )  # fmt: skip
    if not (home / CONTROL_FOLDER / STATE_FILE).exists():
        return "no control state yet: it begins with ACTIVE"  # to look must not make one
    return Commands(home).risk().text
