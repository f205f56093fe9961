"""The positions a config trains its agent on, which are the ones that are traded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from models.base.config import from_mapping
from models.base.policy import AgentPositions

_WHERE: Final = "freqai.model_training_parameters.network"


def agent_positions_of(config: Mapping[str, Any]) -> AgentPositions:
    """Return the positions named where the agent's training reads them; the defaults if none are.

    Raises
    ------
    ConfigError
        If a size or a stop cannot be.

    Examples
    --------
    >>> agent_positions_of({}).leverages
    (0.3, 0.6)
    """
    training = (config.get("freqai") or {}).get("model_training_parameters") or {}
    network, known = training.get("network") or {}, {f.name for f in fields(AgentPositions)}
    own = {name: value for name, value in network.items() if name in known}
    return from_mapping(AgentPositions, own, where=_WHERE)
