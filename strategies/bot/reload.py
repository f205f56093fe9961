"""Whether a running bot may take a new configuration: with `/reload_config` it must stay itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from models.base.errors import ControlError
from models.operate.control.owner import BotStage
from strategies.account.identity import stage_of, stated_identity
from strategies.bot.config import pack_config

# Where a position is open: under other ones it would be found nowhere, or nothing would start.
_FIXED: Final = ("trading_mode", "margin_mode", "db_url", "user_data_dir")
# Who the exchange takes the bot for. It is asked only when the running bot has ended already.
_CREDENTIALS: Final = (
    "key", "api_key", "apiKey", "secret", "password", "uid", "account_id", "accountId",
    "wallet_address", "walletAddress", "private_key", "privateKey",
)  # fmt: skip


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
        directory, margin or, live, a key are others: what is open would be left to nobody.
    """
    pack_config(new)
    now, then = (stated_identity(config, stage_of(config)) for config in (running, new))
    if now != then:
        raise ControlError(
            f"this bot is {now}, the configuration is of {then}: what is open would be left alone",
            cure="end this bot, and start the other one with a --userdir of its own",
        )
    others = [name for name in _FIXED if running.get(name) != new.get(name)]
    if stage_of(running) is BotStage.LIVE:
        held, wanted = _credentials(running), _credentials(new)
        others += [f"exchange.{name}" for name in _CREDENTIALS if held[name] != wanted[name]]
    if others:
        raise ControlError(
            f"{', '.join(others)} cannot change in a running bot: what is open would be left alone",
            cure="close what is open, end this bot, and start it again",
        )


def _credentials(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return them as configured: Freqtrade takes them out of what it hands to a strategy."""
    exchange = (config.get("original_config") or config).get("exchange") or {}
    return {name: exchange.get(name) or None for name in _CREDENTIALS}
