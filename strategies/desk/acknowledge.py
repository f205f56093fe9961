"""`breakwater acknowledge`: the risk of the configured leverage, measured and then accepted.

A live bot opens nothing until a person has seen how many entries of the past would have been
liquidated and has typed the phrase. Other settings that bear on leverage ask again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from models.base.errors import ControlError, InputError
from models.operate.control.commands import Commands
from models.operate.control.home import home_of, state_place
from models.operate.control.owner import BotStage, checked_owner
from models.operate.control.state import Person
from strategies.account.acknowledgement import leverage_digest, settings_line
from strategies.account.config_files import config_of_files
from strategies.account.identity import stated_identity
from strategies.bot.config import pack_config
from strategies.bot.data_files import MARKER
from strategies.desk.studies.stress import run_liquidation
from strategies.desk.terminal.typed import typed

_BESIDE: Final = (2.0, 3.0, 5.0, 10.0, 20.0)  # leverages shown for comparison
_NOTIONAL: Final = 10_000.0


def phrase(max_leverage: float) -> str:
    """Return what has to be typed.

    Examples
    --------
    >>> phrase(3.0)
    'I can lose this whole account at 3x'
    """
    return f"I can lose this whole account at {max_leverage:g}x"


def run_acknowledge(
    configs: Sequence[Path], userdir: Path | None, data: Path | None, by: Person
) -> int:
    """Show the table for the configured leverage and note the acceptance; 0 if accepted."""
    if userdir is not None and not userdir.is_dir():
        raise ControlError("expected the bot's user directory", where=str(userdir))
    config = config_of_files(configs, userdir)
    limits = pack_config(config).limits
    isolated = config.get("margin_mode") == "isolated"
    most = max(limits.max_leverage, limits.isolated_leverage if isolated else 0.0)
    folder = Path(userdir or config["user_data_dir"])
    if not folder.is_dir():
        raise ControlError("expected the bot's user directory", where=str(folder))
    bot = stated_identity(config, BotStage.LIVE)  # a dry run asks for no acknowledgement
    checked_owner(state_place(folder, bot), bot)
    pairs, history = config["exchange"]["pair_whitelist"], real_data(data, config)
    run_liquidation(history, pairs, "1h", sorted({*_BESIDE, most}), _NOTIONAL)
    shared = "On cross margin they share the account: what one loses, all lose."
    alone = (
        f"Beyond {limits.max_leverage:g}x a position stakes at most "
        f"{limits.isolated_equity_frac:.2%} of equity; liquidated, it loses that stake."
    )
    print(
        f"This bot may open positions of up to {most:g}x. {alone if isolated else shared}\n"
        f"Settings: {settings_line(config)}"
    )
    wanted = phrase(most)
    if typed(f"To accept, type: {wanted}\n> ") != wanted:
        raise ControlError("the risk was not acknowledged; a live bot opens nothing")
    desk = Commands(home_of(folder, BotStage.LIVE))
    print(desk.acknowledge(by, leverage_digest(config)))
    return 0


def real_data(data: Path | None, config: dict[str, Any]) -> Path:
    """Return the directory of real candles to measure on.

    Raises
    ------
    InputError
        If there is none: nothing simulated can tell what leverage did.
    """
    folder = Path(data or config["datadir"])
    if not (folder / "futures").is_dir() or (folder / MARKER).is_file():
        raise InputError(
            "expected real futures candles to measure liquidations on",
            where=str(folder),
            cure="download some, for example with `make data`, or name a directory with --data",
        )
    return folder
