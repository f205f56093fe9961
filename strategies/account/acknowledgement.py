"""Which settings decide how fast an account can be lost, as one digest.

A person acknowledges the risk of these settings before the first live start; a change of any of
them is another risk and asks again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.operate.control.commands import CONTROL_FOLDER
from models.operate.control.home import home_of
from models.operate.control.owner import BotStage
from models.operate.control.store import ControlStore

_PACK = ("limits", "sizing")
_FREQTRADE = ("trading_mode", "margin_mode", "stake_amount", "tradable_balance_ratio")


def leverage_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that bear on leverage, as they stand in a Freqtrade config."""
    pack = config.get("breakwater") or {}
    slots = config.get("max_open_trades", -1)
    return {
        **{name: config.get(name) for name in _FREQTRADE},
        **{name: pack.get(name) or {} for name in _PACK},
        "max_open_trades": -1 if slots == float("inf") else slots,  # Freqtrade rewrites its -1
    }


def may_isolate(config: Mapping[str, Any]) -> bool:
    """Return whether a position may go beyond the limit on leverage, as far as the config says.

    That takes margin of its own, and a person who has accepted the risk of exactly these settings
    in this user directory; for a backtest, too.
    """
    if config.get("margin_mode") != "isolated" or not config.get("user_data_dir"):
        return False
    live = home_of(Path(config["user_data_dir"]), BotStage.LIVE)
    store = ControlStore(live / CONTROL_FOLDER)
    return leverage_digest(config) in store.read().acknowledged


def leverage_digest(config: Mapping[str, Any]) -> str:
    """Return a digest of `leverage_settings`.

    Examples
    --------
    >>> a = leverage_digest({"breakwater": {"limits": {"max_leverage": 2.0}}})
    >>> b = leverage_digest({"breakwater": {"limits": {"max_leverage": 3.0}}})
    >>> c = leverage_digest({"breakwater": {"limits": {"max_leverage": 2.0}}, "fee": 0.1})
    >>> a == b, a == c
    (False, True)
    """
    text = json.dumps(leverage_settings(config), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
