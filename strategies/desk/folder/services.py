"""A bot's folder as services: systemd units, a compose file, and the environment they read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strategies.desk.folder.asked import AskedBot
from strategies.desk.folder.configs import STAGE_FILES

UNITS_FOLDER: Final = "systemd"
ENVIRONMENT_FILE: Final = ".env"
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./+@=,")

_UNIT: Final = """\
# {what}
[Unit]
Description=Breakwater: {role} of {name}
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
User={user}
EnvironmentFile=-{folder}/.env
ExecStart={command}
Restart={restart}
RestartSec={again_s}
TimeoutStopSec={stop_s}
{more}NoNewPrivileges=true

[Install]
WantedBy=multi-user.target
"""

_ENVIRONMENT: Final = """\
# Copy to .env (mode 600) and fill in; take the # away from what you use. Nothing here is a setting
# of the strategy, and nothing of it belongs into a config file, a message or a repository.

# The exchange: a key that may trade futures, and nothing else. No withdrawals.
FREQTRADE__EXCHANGE__KEY=
FREQTRADE__EXCHANGE__SECRET=
# For exchanges whose keys have a password.
#FREQTRADE__EXCHANGE__PASSWORD=

# Telegram: the token that BotFather gave you, and the chat that may command.
#FREQTRADE__TELEGRAM__ENABLED=true
#FREQTRADE__TELEGRAM__TOKEN=
#FREQTRADE__TELEGRAM__CHAT_ID=

# Freqtrade's API and web page, on 127.0.0.1:{port}.
#FREQTRADE__API_SERVER__ENABLED=true
#FREQTRADE__API_SERVER__USERNAME=
#FREQTRADE__API_SERVER__PASSWORD=
#FREQTRADE__API_SERVER__JWT_SECRET_KEY=
"""


@dataclass(frozen=True, kw_only=True)
class Installed:
    """Where the programs are, and who runs them."""

    programs: Path  # the folder with `freqtrade` and `breakwater`
    user: str
    by_name: bool = False  # whether the shell at hand finds them


def unit_name(folder: Path, role: str) -> str:
    """Return the name of a unit's file.

    Examples
    --------
    >>> unit_name(Path("/srv/my bot"), "watchdog"), unit_name(Path("/srv/my bot"), "bot")
    ('breakwater-my-bot-watchdog.service', 'breakwater-my-bot.service')
    """
    plain = "".join(c if c in _PLAIN - set("/+@=,") else "-" for c in folder.name)
    return f"breakwater-{plain}{'' if role == 'bot' else f'-{role}'}.service"


def written_units(folder: Path, installed: Installed) -> dict[str, str]:
    """Return the text of each unit by its place in the folder."""
    live = ["--config", str(folder / STAGE_FILES["live"]), "--userdir", str(folder)]
    units = {
        "bot": ("The bot, live. For a dry run name config_dry_run.json.", "on-failure", 30, 120,
                "freqtrade", ["trade", *live], "KillSignal=SIGINT\n"),
        "watchdog": ("The watchdog: it must not stop with the bot, nor be started by it.",
                     "always", 5, 20, "breakwater", ["watchdog", "--supervise", *live], ""),
        "collector": ("Keeps what feeds tell, from the day it runs; nothing needs it.",
                      "on-failure", 30, 20, "breakwater", ["collect", *live], ""),
    }  # fmt: skip
    return {
        f"{UNITS_FOLDER}/{unit_name(folder, role)}": _UNIT.format(
            what=what, role=role, name=folder.name, user=installed.user, folder=folder,
            command=" ".join(map(_quoted, [str(installed.programs / program), *words])),
            restart=restart, again_s=again_s, stop_s=stop_s, more=more,
        )
        for role, (what, restart, again_s, stop_s, program, words, more) in units.items()
    }  # fmt: skip


def _quoted(word: str) -> str:
    return word if set(word) <= _PLAIN else f'"{word}"'


def written_compose(folder: Path) -> str:
    """Return a compose file: the folder keeps its path in the containers, for its configs have it.

    Two containers do not share /tmp, where a second bot on an account is noticed.
    """
    live = ["--config", str(folder / STAGE_FILES["live"]), "--userdir", str(folder)]
    looked = ["CMD", "breakwater", "watchdog", "--check", *live]
    services = {
        "bot": ("freqtrade", ["trade", *live], ""),
        "watchdog": (
            "breakwater", ["watchdog", "--supervise", *live],
            f"    healthcheck:\n      test: {json.dumps(looked)}\n      interval: 60s\n"
            "      timeout: 30s\n      start_period: 120s\n      retries: 2\n",
        ),
        "collector": ("breakwater", ["collect", *live], ""),
    }  # fmt: skip
    head = (
        "# The image is one you build with Breakwater in it; keys are read from .env.\nservices:\n"
    )
    return head + "".join(_service(folder, *parts) for parts in _named(services))


def _named(
    services: Mapping[str, tuple[str, Sequence[str], str]],
) -> list[tuple[str, str, Sequence[str], str]]:
    return [(name, *parts) for name, parts in services.items()]


def _service(folder: Path, name: str, program: str, words: Sequence[str], more: str) -> str:
    mount = json.dumps(f"{folder}:{folder}")
    return (
        f"  {name}:\n    image: breakwater\n    entrypoint: {json.dumps([program])}\n"
        f"    command: {json.dumps(list(words))}\n    env_file: {ENVIRONMENT_FILE}\n"
        f"    volumes: [{mount}]\n    restart: always\n    init: true\n"
        f"    stop_grace_period: {'120s' if name == 'bot' else '20s'}\n{more}"
    )


def written_environment(asked: AskedBot) -> str:
    """Return `.env.example`: the name of every variable that is read here, and no value."""
    return _ENVIRONMENT.format(port=asked.api_port)
