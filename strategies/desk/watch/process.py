"""The watchdog as a process: which bot it watches, and how often it looks."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from freqtrade.configuration import Configuration

from models.base.errors import ControlError
from models.operate.control.commands import Commands
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
    watchdog = Watchdog(
        Commands(folder, secrets=secrets_of(config)),
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
    while True:
        started = time.monotonic()
        watchdog.round()
        alerts.deliver()
        time.sleep(max(0.0, settings.every_s - (time.monotonic() - started)))
