"""Whether a running bot may take a new configuration: with `/reload_config` it must stay itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from models.base.errors import ControlError
from strategies.account.identity import stage_of, stated_identity
from strategies.bot.config import pack_config

# Where a position is open: under other ones it would be found nowhere, or nothing would start.
_FIXED: Final = ("trading_mode", "margin_mode", "db_url", "user_data_dir")


def check_reload(running: Mapping[str, Any], new: dict[str, Any]) -> None:
    """Refuse what would make another bot of this one, or none.

    Parameters
    ----------
    running, new
        Freqtrade's configuration as it is in use, and as it would be.

    Raises
    ------
    PackError
        If a setting of ours cannot be read, or stage, exchange, currency, strategy, database, user
        directory or margin are others: what is open would be left to nobody.
    """
    pack_config(new)
    now, then = (stated_identity(config, stage_of(config)) for config in (running, new))
    if now != then:
        raise ControlError(
            f"this bot is {now}, the configuration is of {then}: what is open would be left alone",
            cure="end this bot, and start the other one with a --userdir of its own",
        )
    if others := [name for name in _FIXED if running.get(name) != new.get(name)]:
        raise ControlError(
            f"{', '.join(others)} cannot change in a running bot: what is open would be left alone",
            cure="close what is open, end this bot, and start it again",
        )
