"""Who a bot is: stage, strategy and account, the account named by the exchange where it does."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import ccxt
from freqtrade.enums import TRADE_MODES, RunMode

from models.base.errors import PackError
from models.operate.control.lease import Holder, holder_of, take_lease
from models.operate.control.owner import BotIdentity, BotStage
from strategies.account.exchange_client import account_client, say_unverified_once

logger = logging.getLogger(__name__)

# Fixed: TMPDIR, HOME and XDG_RUNTIME_DIR are each shell's own, and two bots would not meet there.
LOCKS_IN: Final = Path("/tmp")
# The sticky bit keeps a file from being tidied away by age while a bot of weeks holds it.
_KEPT: Final = 0o1600


def bot_identity(config: Mapping[str, Any], strategy: str = "") -> BotIdentity:
    """Return who the bot of a Freqtrade config is; live, the exchange is asked once, weight 5.

    Parameters
    ----------
    strategy
        Name of its class; by default as configured, empty where a command was not told.
    """
    # The bot's own client says nothing by itself, and a dry run asks through no other.
    say_unverified_once((config.get("exchange") or {}).get("ccxt_config") or {})
    bot = stated_identity(config, stage_of(config), strategy)
    if bot.stage is BotStage.DRY_RUN:
        # Its account is the wallet it was given: with another one, its losses would be made up.
        return replace(bot, uid=json.dumps(config.get("dry_run_wallet"), sort_keys=True))
    block = config.get("exchange") or {}
    # The bot wipes the exchange's keys from the config before it loads the strategy.
    original = (config.get("original_config") or config).get("exchange") or block
    return _with_account(bot, {**original, "name": block.get("name")})


def stated_identity(config: Mapping[str, Any], stage: BotStage, strategy: str = "") -> BotIdentity:
    """Return who the bot of a Freqtrade config is at that stage, without its account."""
    return BotIdentity(
        stage=stage,
        exchange=str((config.get("exchange") or {}).get("name") or ""),
        stake=str(config.get("stake_currency") or ""),
        strategy=strategy or str(config.get("strategy") or ""),
    )


def stage_of(config: Mapping[str, Any]) -> BotStage:
    """Return whose money the bot of a Freqtrade config trades."""
    mode = config.get("runmode")
    dry = mode is RunMode.DRY_RUN if mode in TRADE_MODES else bool(config.get("dry_run"))
    return BotStage.DRY_RUN if dry else BotStage.LIVE


def _with_account(bot: BotIdentity, block: Mapping[str, Any]) -> BotIdentity:
    if not block.get("name"):
        return bot
    client = account_client(block)
    return replace(
        bot,
        key=str(client.apiKey or client.walletAddress or ""), uid=account_uid(client),
        where=json.dumps(client.urls.get("api"), sort_keys=True),
    )  # fmt: skip


def hold_account(bot: BotIdentity) -> None:
    """Keep a second bot of this machine off the same exchange account until this process ends.

    Each would find positions of the other's that it cannot explain, and halt. On another machine,
    as another user, or in a container with a /tmp of its own nothing but those halts tells. Like
    every lease it dies with its process.

    Raises
    ------
    ControlError
        If another bot of this machine's user trades the account.
    """
    _hold(
        bot, str(bot), "bot", "the exchange account of this API key",
        "one bot, one account: give this one a sub-account, and a key of that",
    )  # fmt: skip


def hold_watch(bot: BotIdentity, userdir: Path) -> None:
    """Keep a second watchdog of this machine off the same account until this process ends.

    Watching another folder it would take the bot of this one for dead: cancel its entries, and
    perhaps sell what it holds.

    Raises
    ------
    ControlError
        If another watchdog of this machine's user watches the account.
    """
    _hold(
        bot, f"the watchdog of {userdir}", "watchdog", "the watch over this exchange account",
        "one watchdog, one account: end the other one, or give each bot a sub-account of its own",
    )  # fmt: skip


def _hold(bot: BotIdentity, who: str, role: str, what: str, cure: str) -> None:
    if (path := _account_lock(bot, role)) is None:
        return
    folder = path.parent
    if why := _unusable(folder):
        logger.warning("a second %s on this account would go unnoticed: %s", role, why)
        return
    take_lease(path, who, what=what, cure=cure)
    try:
        path.chmod(_KEPT)
    except OSError as error:
        logger.warning("what tidies %s up may remove the lock in it: %s", folder, error)


def account_holder(bot: BotIdentity) -> Holder | None:
    """Return which bot of this machine's user trades the same account now; None if none does.

    Raises
    ------
    OSError
        If its lock is there and cannot be looked at.
    """
    path = _account_lock(bot, "bot")
    return None if path is None else holder_of(path)


def _account_lock(bot: BotIdentity, role: str) -> Path | None:
    """Return the file that one bot, or one watchdog, of an account locks; None in a dry run."""
    name = bot.uid or bot.key
    if not name or bot.stage is BotStage.DRY_RUN:  # any number of wallets can be made up
        return None
    digest = hashlib.sha256(f"{bot.exchange} {bot.where} {name}".encode()).hexdigest()
    file = f"{digest}.lock" if role == "bot" else f"{digest}.{role}.lock"
    return LOCKS_IN / f"breakwater-{os.getuid()}" / file


def _unusable(folder: Path) -> str:
    """Return why no lock can be kept in this user's folder, made if need be, or nothing."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        return str(error)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        return f"{folder} is not a folder of this user's"
    return "" if os.access(folder, os.W_OK) else f"{folder} is read-only"


def account_uid(client: Any) -> str:
    """Return the exchange's own name of the account; empty if it does not tell one now.

    Binance's balance of USD-M futures carries a "unique account code", which any key may read.
    Where a wallet is the account, its address is.
    """
    if client.walletAddress:
        return str(client.walletAddress).lower()
    if client.id != "binance" or not client.apiKey:
        return ""
    try:
        return str(client.fapiPrivateV3GetBalance()[0]["accountAlias"])
    except (ccxt.BaseError, PackError, LookupError, TypeError, ValueError) as error:
        # The key's fingerprint still tells the account; a new key waits for an answer.
        logger.warning("the exchange does not tell the account's name: %s", type(error).__name__)
        return ""
