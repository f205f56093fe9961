"""Freqtrade's configuration for a command of the desk, from any directory."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from freqtrade.configuration import Configuration
from freqtrade.enums import RunMode


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
    # Freqtrade fills the folder it is given, before anybody knows whether the command can run.
    with tempfile.TemporaryDirectory() as scratch:
        arguments = {"config": [str(file)], "user_data_dir": scratch}
        config: dict[str, Any] = Configuration(arguments, RunMode.OTHER).get_config()
    return {**config, "user_data_dir": userdir.resolve()}
