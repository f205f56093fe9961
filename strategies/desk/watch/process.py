"""The watchdog as a process: which bot it watches, and how often it looks."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from models.base.errors import ControlError
from models.operate.control.commands import CONTROL_FOLDER, Commands
from models.operate.control.heartbeat import last_beat
from models.operate.control.home import home_of, state_place
from models.operate.control.owner import BotIdentity, OwnedPlace, read_owner
from models.operate.control.watch import WITHIN_S
from models.operate.control.watch_sign import sign_watch, watched_ago_s
from strategies.account.collateral import require_stake_collateral
from strategies.account.config_files import config_of_files
from strategies.account.identity import bot_identity, hold_watch, stage_of, stated_identity
from strategies.bot.config import pack_config
from strategies.desk.watch.alerts import Alerts
from strategies.desk.watch.deadline import answered_in_time
from strategies.desk.watch.pulse import Pulse
from strategies.desk.watch.unhurried import log_unhurried
from strategies.desk.watch.venue import Venue, venue_client
from strategies.desk.watch.watchdog import Watchdog
from strategies.human.secrets import keep_out_of_log, secrets_of


def run_watchdog(
    configs: Sequence[Path], userdir: Path | None, pulse: int | None = None, name: str = ""
) -> int:
    """Watch the bot of these config files until a person ends the process.

    Parameters
    ----------
    pulse
        File descriptor on which a supervisor listens for signs of life.
    name
        What messages call the bot.
    """
    config = config_of_files(configs)
    settings = pack_config(config).watchdog
    folder = _userdir(config, userdir)
    alerts = Alerts(config, name)
    dry = bool(config["dry_run"])
    if not dry:
        require_stake_collateral(config)
    # A dry run's wallet may have been named on the bot's command line; it has no account to watch.
    with answered_in_time():
        bot = stated_identity(config, stage_of(config)) if dry else bot_identity(config)
    place = state_place(folder, bot)
    doubt = _doubt(place, bot)
    hold_watch(bot, folder)
    secrets = secrets_of(config)
    keep_out_of_log(secrets)
    commands = Commands(home_of(folder, bot.stage), secrets=secrets)
    alive = Pulse(pulse, alerts.say)
    watchdog = Watchdog(
        commands,
        None if dry else Venue(
            venue_client(config), stake=config["stake_currency"], in_time=answered_in_time
        ),
        config["exchange"]["pair_whitelist"], settings, alerts.say, alive=alive,
        whose=partial(_strange, place, bot),
    )  # fmt: skip
    # Freqtrade has set up its own while reading the config, buffered and meant for a bot.
    log_unhurried()
    alerts.say(f"watchdog: watching {folder}" + (", dry-run: heartbeat and feed only" * dry))
    if doubt:
        alerts.say(f"watchdog: watching all the same, but {doubt}")
    if _is_unused(commands.store.folder):
        alerts.say(f"watchdog: no bot has given a sign of life in {folder} yet")
    steps = (
        alive, watchdog.round, alerts.deliver_beside,
        lambda: sign_watch(commands.store.folder, os.getpid()),
    )  # fmt: skip
    while True:
        started = time.monotonic()
        for step in steps:
            _survived(step)
        time.sleep(max(0.0, settings.every_s - (time.monotonic() - started)))


def check_watchdog(configs: Sequence[Path], userdir: Path | None) -> int:
    """Print when a watchdog looked last; return 0 if that is no longer ago than it may be."""
    config = config_of_files(configs)
    home = home_of(_userdir(config, userdir), stage_of(config))
    ago_s = watched_ago_s(home / CONTROL_FOLDER)
    print("no watchdog" if ago_s is None else f"a watchdog looked {ago_s:.0f} s ago")
    return 0 if ago_s is not None and ago_s <= WITHIN_S else 1


def _userdir(config: Mapping[str, Any], userdir: Path | None) -> Path:
    folder = Path(userdir or config["user_data_dir"])
    if not folder.is_dir():
        raise ControlError("expected the bot's user directory", where=str(folder))
    return folder


def _is_unused(control: Path) -> bool:
    """Whether no bot has ever run there: perhaps it is not the bot's directory."""
    try:
        return last_beat(control) is None
    except ControlError:  # there is something, which the first round will tell
        return False


def _survived(step: Callable[[], object]) -> None:
    """Take a step; whatever it raises is logged, and the next look comes in time."""
    try:
        step()
    except Exception:  # of any kind: only a person ends the watchdog
        logging.getLogger(__name__).exception("a step of the watchdog failed")


def _doubt(place: OwnedPlace, bot: BotIdentity) -> str:
    """Return why the state may be another bot's, or nothing.

    Raises
    ------
    ControlError
        If it is known to be another's: the wrong account would be looked after.
    """
    try:
        owner = read_owner(place.owner)
    except ControlError as error:
        return f"{error.problem} ({place.owner})"
    if owner is None:
        return ""
    if why := owner.differs(bot):
        raise ControlError(
            f"{place.name} belongs to {owner}; these config files are of another bot: {why}",
            where=str(place.owner), cure="give the watchdog the bot's own config files and keys",
        )  # fmt: skip
    return "nobody can tell whether its key is of the bot's account" if owner.doubts(bot) else ""


def _strange(place: OwnedPlace, bot: BotIdentity) -> str:
    """Return why a state that was the bot's is another's now, or nothing."""
    try:
        _doubt(place, bot)
    except ControlError as error:
        return f"the control state is not obeyed: {error.problem}"
    return ""
