"""Which settings decide how fast an account can be lost, as one digest.

A person acknowledges the risk of these settings before the first live start; a change of any of
them is another risk and asks again. Blocks of the pack are parsed first: a default that is written
down is the same setting as one that is not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from models.base.config import from_mapping
from models.base.policy import AgentPositions
from models.operate.control.commands import CONTROL_FOLDER
from models.operate.control.home import home_of
from models.operate.control.owner import BotStage
from models.operate.control.store import ControlStore
from models.trade.decision.sizing import SizingConfig
from models.trade.decision.volatility_target import VolatilityTargetConfig
from models.trade.risk.limits import GuardConfig, HardLimits
from strategies.account.agent_positions import agent_positions_of
from strategies.account.hedge_config import HedgeConfig

_FORMAT: Final = 2  # of what is acknowledged; what was accepted of an older one is not enough
_PACK: Final[Mapping[str, type[Any]]] = {
    "limits": HardLimits, "sizing": SizingConfig, "guards": GuardConfig, "hedge": HedgeConfig,
    "volatility_target": VolatilityTargetConfig,
}  # fmt: skip
# Came later, and are stricter than nothing: at their defaults what was accepted before still holds.
_LATER: Final[Mapping[str, Any]] = {
    "worst_day_equity_frac": HedgeConfig.worst_day_equity_frac,
    "may_reduce_primary": HedgeConfig.may_reduce_primary,
}
# Those of Freqtrade's settings that may be anything and decide how large a position can get; all
# else that safety leans on has a value it must have (`strategies.account.safety_table`).
FREQTRADE_SETTINGS: Final = (
    "trading_mode", "margin_mode", "stake_amount", "tradable_balance_ratio", "available_capital",
)  # fmt: skip
DEFAULTS: Final = {"tradable_balance_ratio": 0.99}  # that Freqtrade adds after a strategy is made


def leverage_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that bear on leverage, as they stand in a Freqtrade config.

    Raises
    ------
    ConfigError
        If a setting of a block of the pack is unknown, missing, of a wrong type or out of range.
    """
    pack = config.get("breakwater") or {}
    slots, agent = config.get("max_open_trades", -1), agent_positions_of(config)
    # Only where it differs from the default: what was accepted before there were any still holds.
    own = {} if agent == AgentPositions() else {"agent": asdict(agent)}
    return {
        **own,
        **{name: config.get(name, DEFAULTS.get(name)) for name in FREQTRADE_SETTINGS},
        **{name: _parsed(name, pack.get(name)) for name in _PACK},
        "max_open_trades": -1 if slots == float("inf") else slots,  # Freqtrade rewrites its -1
    }


def settings_line(config: Mapping[str, Any]) -> str:
    """Return `leverage_settings` for a person: of the pack's blocks what differs from defaults.

    Examples
    --------
    >>> line = settings_line({"breakwater": {"limits": {"max_leverage": 2.0}}})
    >>> "limits {'max_leverage': 2.0}, sizing default, guards default" in line
    True
    """
    told = []
    for name, value in leverage_settings(config).items():
        if name in _PACK and name != "hedge":
            usual = asdict(_PACK[name]())
            value = {k: v for k, v in value.items() if v != usual[k]} or "default"
        told.append(f"{name} {value}")
    return ", ".join(told)


def _parsed(name: str, block: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if name == "hedge" and block is None:
        return None
    values = asdict(from_mapping(_PACK[name], block or {}, where=f"breakwater.{name}"))
    if name != "hedge":
        return values
    return {key: v for key, v in values.items() if key not in _LATER or v != _LATER[key]}


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
    >>> d = leverage_digest({"breakwater": {"guards": {"max_spread_frac": 0.001}, "limits": {}}})
    >>> a == b, a == c, b == d
    (False, True, True)
    """
    settings = {"format": _FORMAT, **leverage_settings(config)}
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
