"""What a bot that trades needs: settings, keys, a person's word, a watchdog, an account alone."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from freqtrade.enums import RunMode
from freqtrade.exceptions import FreqtradeException

from models.base.errors import PackError
from models.operate.control.commands import CONTROL_FOLDER
from models.operate.control.home import LEASE_FILE, home_of
from models.operate.control.lease import holder_of
from models.operate.control.owner import BotStage
from models.operate.control.state_file import STATE_FILE
from models.operate.control.store import ControlStore
from models.operate.control.watch import WITHIN_S
from models.operate.control.watch_sign import watched_ago_s
from strategies.account.acknowledgement import leverage_digest
from strategies.account.identity import account_holder, bot_identity
from strategies.desk.folder.finding import Finding, LookedAt, Weight, advice, missing, sound
from strategies.desk.folder.services import ENVIRONMENT_FILE
from strategies.desk.folder.settings import judged_settings
from strategies.desk.folder.written import environment_line, pack_line, watchdog_line

_MODES = {"dry-run": RunMode.DRY_RUN, "live": RunMode.LIVE}


def looked_at_settings(looked: LookedAt, stage: str) -> Iterator[Finding]:
    """Tell what a bot of this stage would refuse or override when it starts."""
    try:
        judged = judged_settings([looked.config_file(stage)], "", mode=_MODES[stage])
    except (PackError, FreqtradeException) as error:
        yield missing("settings", str(error), f"mend {looked.config_file(stage)}, or config.json")
        return
    if judged.refused:
        yield missing("settings", "\n".join((f"{judged.refused} are refused", *judged.lines)),
                      f"mend {looked.config_file(stage)}, or config.json")  # fmt: skip
    elif judged.lines:
        yield advice("settings", "\n".join(("safety overrides", *judged.lines)),
                     "as they stand, the bot starts")  # fmt: skip
    else:
        yield sound("settings", "safety can rely on all of them")


def looked_at_telegram(looked: LookedAt, stage: str) -> Iterator[Finding]:
    """Tell whether a person hears of what happens."""
    block = looked.live.get("telegram") or {}
    if block.get("enabled") and block.get("token") and block.get("chat_id"):
        yield sound("telegram", "token and chat are set")
    else:
        file = looked.folder / ENVIRONMENT_FILE
        first = "" if file.is_file() else f"{environment_line(looked.folder)}    and "
        yield advice("telegram", "off: nobody is told anything",
                     f"{first}fill in its three lines in {file}")  # fmt: skip


def looked_at_running(looked: LookedAt, stage: str) -> Iterator[Finding]:
    """Tell whether a bot of this stage runs already."""
    home = home_of(looked.folder, BotStage(stage)) / CONTROL_FOLDER
    try:
        holder = holder_of(home / LEASE_FILE)
    except OSError as error:
        yield missing("state", f"{home} cannot be looked at: {error}", "look at its permissions")
        return
    if holder is not None:
        yield advice("bot", f"runs already: {holder}", "end it before you start another")


def looked_at_keys(looked: LookedAt, unreadable: str) -> Iterator[Finding]:
    """Tell whether the account's keys are there, and who may read them."""
    file = looked.folder / ENVIRONMENT_FILE
    if unreadable:
        yield missing("keys", f"{file} cannot be read: {unreadable}", "look at its permissions")
    block = (looked.live.get("original_config") or looked.live)["exchange"]
    lacking = [name for name in ("key", "secret") if not str(block.get(name) or "").strip()]
    if lacking:
        names = " and ".join(f"FREQTRADE__EXCHANGE__{name.upper()}" for name in lacking)
        yield missing("keys", f"neither environment nor {file} has {names}",
                      f"{environment_line(looked.folder)}    (and fill them in)")  # fmt: skip
    else:
        yield sound("keys", "key and secret are set")
    yield from _read_by_others(file)


def _read_by_others(file: Path) -> Iterator[Finding]:
    if file.is_file() and stat.S_IMODE(file.stat().st_mode) & 0o077:
        yield missing("keys", f"others may read {file}", f"chmod 600 {file}")


def looked_at_acknowledgement(looked: LookedAt) -> Iterator[Finding]:
    """Tell whether a person has accepted the risk of exactly these settings."""
    control = home_of(looked.folder, BotStage.LIVE) / CONTROL_FOLDER
    try:  # reading a state that is not there would begin one
        begun = (control / STATE_FILE).exists()
        accepted = ControlStore(control).read().acknowledged if begun else ()
        digest = leverage_digest(looked.live)
    except (PackError, OSError) as error:
        yield missing("acknowledgement", str(error), "put the control state back from a backup")
        return
    cure = pack_line(looked.installed, "acknowledge", str(looked.folder))
    if digest in accepted:
        yield sound("acknowledgement", "the risk of these settings was accepted")
    elif accepted:
        yield missing("acknowledgement", "it was given for other settings than these", cure)
    else:
        yield missing("acknowledgement", "nobody has accepted the risk: nothing is opened", cure)


def looked_at_watchdog(looked: LookedAt) -> Iterator[Finding]:
    """Tell whether a watchdog looks after the live bot."""
    ago_s = watched_ago_s(home_of(looked.folder, BotStage.LIVE) / CONTROL_FOLDER)
    if ago_s is not None and ago_s <= WITHIN_S:
        yield sound("watchdog", f"looked {ago_s:.0f} s ago")
    else:
        said = "none has looked" if ago_s is None else f"looked {ago_s:.0f} s ago, not since"
        cure = f"in a terminal of its own: {watchdog_line(looked.folder, looked.installed)}"
        yield missing("watchdog", said, f"{cure}\nor as a service, see README.md there")


def looked_at_account(looked: LookedAt, before: list[Finding]) -> Iterator[Finding]:
    """Tell whether another bot of this machine trades the account; asked only where it answers."""
    answers = all(f.weight is not Weight.MISSING for f in before if f.what in ("exchange", "keys"))
    if not answers:
        return
    try:
        bot = bot_identity(looked.live)
        holder = account_holder(bot)
        own = holder_of(home_of(looked.folder, BotStage.LIVE) / CONTROL_FOLDER / LEASE_FILE)
    except (PackError, OSError) as error:
        yield missing("account", str(error), "look at keys and connection")
        return
    if holder is not None and (own is None or holder.pid != own.pid):
        cure = "one bot, one account: give this one a sub-account, and a key of that"
        yield missing("account", f"another bot trades it: {holder}", cure)
    elif not bot.uid:
        cure = "look at the key: futures allowed, this machine's address allowed"
        yield missing("account", "the exchange does not take the key, or names no account", cure)
    else:
        yield sound("account", "no other bot of this machine's user trades it")
