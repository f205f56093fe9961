"""A bot's configs, composed from the shipped ones: what all stages share, and a file for each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from freqtrade.configuration.load_config import load_from_files

from strategies.desk.folder.asked import SHIPPED_PAIR, AskedBot, BotStyle
from strategies.desk.terminal.places import CONFIGS

SHARED_FILE: Final = "config.json"
STAGE_FILES: Final[Mapping[str, str]] = {
    "backtest": "config_backtest.json", "dry-run": "config_dry_run.json",
    "live": "config_live.json",
}  # fmt: skip
_LOOPBACK_CONFIG: Final = "config_loopback_live.json"
_SHIPPED_PORT: Final = ":18080/"
_OTHER_FLOOR: Final = 0.04  # of a cascade: user_data/docs/own-data.md
_BITCOIN_FLOOR: Final = 0.03


def composed_configs(asked: AskedBot, folder: Path) -> dict[str, str]:
    """Return the text of each config file by its name."""
    configs = {
        SHARED_FILE: shared_config(asked, folder),
        STAGE_FILES["backtest"]: _backtest(asked),
        STAGE_FILES["dry-run"]: {"dry_run": True, **_stage("dry_run", asked, folder)},
        STAGE_FILES["live"]: {"dry_run": False, **_live(asked), **_stage("live", asked, folder)},
    }
    for name in STAGE_FILES.values():
        configs[name] = {"add_config_files": [SHARED_FILE], **configs[name]}
    return {name: json.dumps(config, indent=2) + "\n" for name, config in configs.items()}


def shared_config(asked: AskedBot, folder: Path) -> dict[str, Any]:
    """Return what backtest, dry run and live bot share: the shipped config of the style."""
    config: dict[str, Any] = load_from_files([str(CONFIGS / asked.parts.config)])
    for name in ("add_config_files", "config_files", "strategy_path", "freqaimodel_path"):
        config.pop(name, None)  # its classes lie in its own folder
    config |= {
        "bot_name": folder.name, "user_data_dir": str(folder), "strategy": asked.parts.strategy,
        "stake_currency": asked.pair.rpartition(":")[2],
    }  # fmt: skip
    if asked.parts.model:
        config["freqaimodel"] = asked.parts.model
    _put_exchange(config, asked)
    _put_pair(config, asked)
    config["telegram"] = {"enabled": False, "token": "", "chat_id": ""}
    return config


def _put_exchange(config: dict[str, Any], asked: AskedBot) -> None:
    if not asked.replays:
        config["exchange"]["name"] = asked.exchange
        return
    text = (CONFIGS / _LOOPBACK_CONFIG).read_text(encoding="utf-8")
    block = json.loads(text.replace(_SHIPPED_PORT, f":{asked.loopback_port}/"))["exchange"]
    config["exchange"] |= block


def _put_pair(config: dict[str, Any], asked: AskedBot) -> None:
    freqai = config.get("freqai")
    if freqai is not None:
        freqai["identifier"] = identifier_of(asked)
        labels = freqai["model_training_parameters"]["labels"]
        if asked.pair != SHIPPED_PAIR and labels.get("cascade_floor_frac") == _BITCOIN_FLOOR:
            labels["cascade_floor_frac"] = _OTHER_FLOOR
    pairs = [asked.pair]
    if asked.style is BotStyle.HEDGE:
        hedge = config["breakwater"]["hedge"]
        stake = asked.pair.rpartition(":")[2]
        others = [one.replace("USDT", stake) for one in hedge["instruments"]]
        hedge["instruments"] = [one for one in others if one != asked.pair]
        hedge["primary"] |= {"pair": asked.pair, "amount_base": asked.amount_base}
        pairs += hedge["instruments"]
        config["max_open_trades"] = len(pairs)
    config["exchange"]["pair_whitelist"] = pairs


def _backtest(asked: AskedBot) -> dict[str, Any]:
    freqai: dict[str, Any] = {}
    if asked.parts.model:  # models of a backtest are not the bot's
        freqai["identifier"] = f"{identifier_of(asked)}_backtest"
    if asked.train_days:
        freqai["train_period_days"] = asked.train_days
    return {"dry_run": True, "timerange": asked.timerange, **({"freqai": freqai} if freqai else {})}


def identifier_of(asked: AskedBot) -> str:
    """Return what FreqAI calls the bot's models."""
    return f"{asked.style}_{asked.pair.partition('/')[0].lower()}"


def _stage(name: str, asked: AskedBot, folder: Path) -> dict[str, Any]:
    return {
        "db_url": f"sqlite:///{folder}/{name}.sqlite",
        "api_server": {
            "enabled": False, "listen_ip_address": "127.0.0.1", "listen_port": asked.api_port,
            "username": "", "password": "",
        },
    }  # fmt: skip


def _live(asked: AskedBot) -> dict[str, Any]:
    live: dict[str, Any] = {}
    if asked.style is BotStyle.HEDGE:  # a position that a person has closed stays closed
        live["breakwater"] = {"hedge": {"open_primary": False}}
    if asked.replays:  # made up, and good for nothing else: `breakwater exchange` prints them
        live["exchange"] = {"key": "loopback-key", "secret": "loopback-secret"}
    return live
