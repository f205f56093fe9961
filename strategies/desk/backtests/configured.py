"""Freqtrade's configuration for a command of the desk, from any directory."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from freqtrade.configuration import Configuration
from freqtrade.enums import RunMode

from strategies.bot.config import pack_config
from strategies.seams.quiet_log import without_freqtrade_log


def configured(file: Path, userdir: Path) -> dict[str, Any]:
    """Return the configuration in `file` for this user folder, which need not exist yet.

    Parameters
    ----------
    file
        A config file; those it names in ``add_config_files`` are read too.
    userdir
        Wins over the file's own ``user_data_dir``, as ``--userdir`` does.

    Raises
    ------
    freqtrade.exceptions.OperationalException
        If the file is missing or no configuration.
    """
    return configured_by([file], userdir)


def configured_by(files: Sequence[Path], userdir: Path) -> dict[str, Any]:
    """Return the configuration in several files, a later one's settings before an earlier's."""
    # Freqtrade fills the folder it is given, before anybody knows whether the command can run.
    with tempfile.TemporaryDirectory() as scratch, without_freqtrade_log():
        arguments = {"config": [str(file) for file in files], "user_data_dir": scratch}
        config: dict[str, Any] = Configuration(arguments, RunMode.OTHER).get_config()
    return {**config, "user_data_dir": userdir.resolve()}


def compared(file: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `breakwater compare` takes from a config: as its bot trains, asks and decides.

    Pair, timeframe and days of training are the config's where the command line gave none;
    `settings` given there win, setting by setting.

    Parameters
    ----------
    given
        Options of the command line, by name.

    Raises
    ------
    ConfigError
        If the candles asked for are not those of the config's style, or a setting is wrong.
    freqtrade.exceptions.OperationalException
        If the file is missing or no configuration.
    """
    config = configured(file, Path(given.get("userdir") or "user_data"))
    config |= {"timeframe": given.get("timeframe", config.get("timeframe"))}
    freqai, capped = config["freqai"], given.get("settings") or {}
    blocks = freqai["model_training_parameters"]
    return {
        "pair": config["exchange"]["pair_whitelist"][0],
        "train_days": freqai["train_period_days"],
        "decision": pack_config(config).decision,
        **given,
        "timeframe": config["timeframe"],
        "settings": blocks | {k: {**blocks.get(k, {}), **v} for k, v in capped.items()},
    }
