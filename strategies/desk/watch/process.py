"""The watchdog as a process: which bot it watches, and how often it looks."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from freqtrade.configuration import Configuration

from models.base.errors import ControlError
from models.operate.control.commands import Commands
from models.operate.control.home import home_of, state_place
from models.operate.control.owner import BotIdentity, read_owner
from strategies.account.identity import bot_identity, stage_of, stated_identity
from strategies.bot.config import pack_config
from strategies.desk.watch.alerts import Alerts
from strategies.desk.watch.venue import Venue, venue_client
from strategies.desk.watch.watchdog import Watchdog
from strategies.human.control import secrets_of


def run_watchdog(configs: Sequence[Path], userdir: Path | None) -> int:
    """Watch the bot of these config files until the process is ended."""
    config = Configuration.from_files([str(path) for path in configs])
    settings = pack_config(config).watchdog
    folder = Path(userdir or config["user_data_dir"])
    if not folder.is_dir():
        raise ControlError("expected the bot's user directory", where=str(folder))
    alerts = Alerts(config)
    dry = bool(config["dry_run"])
    # A dry run's wallet may have been named on the bot's command line; it has no account to watch.
    bot = stated_identity(config, stage_of(config)) if dry else bot_identity(config)
    doubt = _doubt(folder, bot)
    watchdog = Watchdog(
        Commands(home_of(folder, bot.stage), secrets=secrets_of(config)),
        None if dry else Venue(venue_client(config)),
        config["exchange"]["pair_whitelist"],
        settings,
        alerts.say,
    )
    # Freqtrade has set up its own while reading the config, buffered and meant for a bot.
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", force=True
    )
    alerts.say(f"watchdog: watching {folder}" + (", dry-run: heartbeat and feed only" * dry))
    if doubt:
        alerts.say(f"watchdog: watching all the same, but {doubt}")
    while True:
        started = time.monotonic()
        watchdog.round()
        alerts.deliver()
        time.sleep(max(0.0, settings.every_s - (time.monotonic() - started)))


def _doubt(folder: Path, bot: BotIdentity) -> str:
    """Return why the state may be another bot's, or nothing.

    Raises
    ------
    ControlError
        If it is known to be another's: the wrong account would be looked after.
    """
    place = state_place(folder, bot)
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
