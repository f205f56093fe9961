"""Every file of a bot's folder as text, from what was asked: the same words give the same files."""

from __future__ import annotations

import getpass
import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from freqtrade.exchange import timeframe_to_minutes

from strategies.bot.data_files import MARKER
from strategies.bot.forecast_columns import WARM_UP_CANDLES
from strategies.desk.folder.asked import AskedBot
from strategies.desk.folder.configs import STAGE_FILES, composed_configs, shared_config
from strategies.desk.folder.services import (
    ENVIRONMENT_FILE,
    UNITS_FOLDER,
    Installed,
    unit_name,
    written_compose,
    written_environment,
    written_units,
)

CANDLES: Final = "candles"  # of a folder that replays: what is replayed, and backtested
_STUB: Final = '''\
from {package}.{name} import {name} as Packed


class {name}(Packed):
    """The pack's {what}; what you write here goes over it."""
'''
_IGNORED: Final = """\
.env
*.sqlite*
*.new
backtest_results/
backup/
candles/
control/
data/
dry_run/
feeds/
hyperopt_results/
hyperopts/
journal/
logs/
models/
notebooks/
plot/
reports/
.upgrade*
__pycache__/
"""


def installed_here() -> Installed:
    """Return the programs beside this Python, and whoever is at the machine."""
    programs = Path(sys.executable).parent
    by_name = str(programs) in os.environ.get("PATH", "").split(os.pathsep)
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # as in a container, of a user without a name
        user = str(os.getuid())
    return Installed(programs=programs, user=user, by_name=by_name)


def written_files(asked: AskedBot, folder: Path, installed: Installed) -> dict[str, str]:
    """Return the text of every file by its place in the folder."""
    parts, installed = asked.parts, replace(installed, by_name=False)
    files = {
        **composed_configs(asked, folder),
        f"strategies/{parts.strategy}.py": _STUB.format(
            package="strategies", name=parts.strategy, what="strategy"
        ),
        **written_units(folder, installed),
        "compose.yaml": written_compose(folder),
        f"{ENVIRONMENT_FILE}.example": written_environment(asked),
        ".gitignore": _IGNORED,
        "README.md": _readme(asked, folder, installed),
    }
    if parts.model:
        files[f"freqaimodels/{parts.model}.py"] = _STUB.format(
            package="freqaimodels", name=parts.model, what="model"
        )
    if asked.replays:  # what the replay is downloaded to must not be taken for the market's
        files[f"data/binance/{MARKER}"] = json.dumps({"replayed": True, "files": []}) + "\n"
    return files


def candles_of(asked: AskedBot, folder: Path) -> Path:
    """Return the Freqtrade data directory a backtest of the folder reads."""
    return folder / CANDLES if asked.replays else folder / "data" / asked.exchange


def backtest_line(asked: AskedBot, folder: Path, installed: Installed) -> str:
    """Return the command that backtests the bot."""
    where = ["--datadir", str(folder / CANDLES)] if asked.replays else []
    return line_of(installed, "freqtrade", "backtesting", *_stage_words(folder, "backtest"), *where)


def trade_line(folder: Path, installed: Installed, stage: str) -> str:
    """Return the command that starts the bot at a stage."""
    return line_of(installed, "freqtrade", "trade", *_stage_words(folder, stage))


def pack_line(installed: Installed, *words: str) -> str:
    """Return a command of the pack's."""
    return line_of(installed, "breakwater", *words)


def watchdog_line(folder: Path, installed: Installed) -> str:
    """Return the command that watches the live bot."""
    words = _stage_words(folder, "live")
    return pack_line(installed, "watchdog", "--supervise", *words)


def environment_line(folder: Path) -> str:
    """Return the command that makes the file for keys, which only its owner may read."""
    example, target = folder / f"{ENVIRONMENT_FILE}.example", folder / ENVIRONMENT_FILE
    return shlex.join(["install", "-m", "600", str(example), str(target)])


def keys_words(folder: Path) -> str:
    """Return what puts a folder's keys before a command typed by hand."""
    return f"set -a; . {shlex.quote(str(folder / ENVIRONMENT_FILE))}; set +a"


def download_line(asked: AskedBot, folder: Path, installed: Installed) -> str:
    """Return the command that downloads what a backtest reads."""
    config = shared_config(asked, folder)
    begins = f"{_first_day(asked, config)}-"
    return line_of(
        installed, "freqtrade", "download-data", *_stage_words(folder, "backtest"),
        "--timeframes", *timeframes_read(config), "--timerange", begins,
    )  # fmt: skip


def timeframes_read(config: Mapping[str, Any]) -> list[str]:
    """Return the candles a bot of this config reads, mark prices and funding aside."""
    features = (config.get("freqai") or {}).get("feature_parameters") or {}
    named = [config["timeframe"], config.get("timeframe_detail"),
             *features.get("include_timeframes", ())]  # fmt: skip
    return list(dict.fromkeys(str(one) for one in named if one))


def _first_day(asked: AskedBot, config: Mapping[str, Any]) -> str:
    days = asked.train_days or (config.get("freqai") or {}).get("train_period_days", 0)
    warm_up = WARM_UP_CANDLES * timeframe_to_minutes(config["timeframe"]) // (24 * 60) + 2
    first = datetime.strptime(asked.timerange.split("-")[0], "%Y%m%d")
    return f"{first - timedelta(days=days + warm_up):%Y%m%d}"


def line_of(installed: Installed, program: str, *words: str) -> str:
    """Return a line to type."""
    found = program if installed.by_name else str(installed.programs / program)
    return shlex.join([found, *words])


def _stage_words(folder: Path, stage: str) -> Sequence[str]:
    return ("--userdir", str(folder), "--config", str(folder / STAGE_FILES[stage]))


def _readme(asked: AskedBot, folder: Path, installed: Installed) -> str:
    lines = _replayed_lines if asked.replays else _real_lines
    typed = "\n\n".join(f"{what}:\n\n```sh\n{line}\n```" for what, line in lines(
        asked, folder, installed))  # fmt: skip
    return (
        f"# {folder.name}: {asked.style}, {asked.pair} on {asked.exchange}\n\n"
        "Made by `breakwater init`. No edge is proven; margin can cost you everything you put in.\n"
        f"Settings: `config.json`, and a file for each stage. The strategy: `strategies/`."
        f"\n\n{typed}\n\nTo stop it: a file `HALT` in `control/` (of the dry run in "
        "`dry_run/control/`), or `breakwater halt`.\n"
    )


def _replayed_lines(asked: AskedBot, folder: Path, installed: Installed) -> list[tuple[str, str]]:
    here = str(folder)
    return [
        ("The exchange, in a terminal of its own", pack_line(installed, "exchange", here)),
        ("What is missing, for backtest, dry run and live", pack_line(installed, "doctor", here)),
        ("Backtest", backtest_line(asked, folder, installed)),
        ("Dry run, until Ctrl-C", trade_line(folder, installed, "dry-run")),
        ("What it may do", pack_line(installed, "risk", "--userdir", here)),
        (
            "What it did, and why not",
            pack_line(installed, "journal", "show", "--stage", "dry-run", "--userdir", here),
        ),
        ("Accept the risk", pack_line(installed, "acknowledge", here)),
        ("The watchdog, in a terminal of its own", watchdog_line(folder, installed)),
        ("Live, on the same exchange", trade_line(folder, installed, "live")),
        ("Stop it", pack_line(installed, "halt", "--userdir", here)),
    ]


def _real_lines(asked: AskedBot, folder: Path, installed: Installed) -> list[tuple[str, str]]:
    here = str(folder)
    units = " ".join(unit_name(folder, role) for role in ("watchdog", "bot"))
    copied = f"sudo cp {shlex.quote(str(folder / UNITS_FOLDER))}/*.service /etc/systemd/system/"
    return [
        ("Candles", download_line(asked, folder, installed)),
        ("What is missing, for backtest, dry run and live", pack_line(installed, "doctor", here)),
        ("Backtest", backtest_line(asked, folder, installed)),
        ("Dry run, until Ctrl-C", trade_line(folder, installed, "dry-run")),
        ("What it may do", pack_line(installed, "risk", "--userdir", here)),
        ("Accept the risk", pack_line(installed, "acknowledge", here)),
        ("A file for keys; fill it in", environment_line(folder)),
        ("The services", copied),
        ("Watchdog and bot, live", f"sudo systemctl enable --now {units}"),
        ("Stop it", pack_line(installed, "halt", "--userdir", here)),
    ]  # fmt: skip
