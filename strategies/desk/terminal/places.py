"""Where things are: the code, the shipped configs, and the user's own folder.

In a checkout the configs are ``user_data/config_*.json``, beside the code. An installed package
brings them along as its own data. Neither depends on the directory a command is run from; only the
user's folder does.
"""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path
from typing import Final

CODE_ROOT: Final = Path(__file__).resolve().parents[3]  # holds models/, strategies/, freqaimodels/
STRATEGIES: Final = CODE_ROOT / "strategies"
FREQAIMODELS: Final = CODE_ROOT / "freqaimodels"
USER_DATA: Final = Path("user_data")  # of the current directory, as Freqtrade has it

_PACKAGED: Final = Path(__file__).resolve().parent / "configs"  # put there when a wheel is built
CONFIGS: Final = _PACKAGED if _PACKAGED.is_dir() else CODE_ROOT / "user_data"  # config_*.json


def pack_version() -> str:
    """Return the pack's version: the checkout's, else that of the installed package."""
    project = CODE_ROOT / "pyproject.toml"
    if project.is_file():
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
    return metadata.version("breakwater")
