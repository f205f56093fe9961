"""The switch `breakwater.training`: whether a bot trains, or serves what was trained elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from models.base.config import from_mapping
from models.base.errors import ConfigError


class TrainingPlace(StrEnum):
    """Values of `breakwater.training`."""

    HERE = "here"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, kw_only=True)
class _Switch:
    training: TrainingPlace = TrainingPlace.HERE


def trained_elsewhere(config: Mapping[str, Any]) -> bool:
    """Return whether a live bot of this Freqtrade config never trains.

    Raises
    ------
    ConfigError
        If the value is unknown, or nothing would ever end the trust in a model nobody renews.

    Examples
    --------
    >>> trained_elsewhere({"breakwater": {"training": "elsewhere"}, "freqai": {}})
    Traceback (most recent call last):
    models.base.errors.ConfigError: expected freqai.expiration_hours > 0, got 0
      where: breakwater.training = 'elsewhere'
      cure:  say after how many hours without a newer bundle no forecast is to be trusted
    """
    block = config.get("breakwater") or {}
    given = {name: value for name, value in block.items() if name == "training"}
    if from_mapping(_Switch, given, where="breakwater").training is TrainingPlace.HERE:
        return False
    hours = (config.get("freqai") or {}).get("expiration_hours", 0)
    if not (isinstance(hours, int | float) and hours > 0):
        raise ConfigError(
            f"expected freqai.expiration_hours > 0, got {hours!r}",
            where="breakwater.training = 'elsewhere'",
            cure="say after how many hours without a newer bundle no forecast is to be trusted",
        )
    return True
