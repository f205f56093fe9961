"""What a model depends on, and the folder it is therefore kept in.

FreqAI reuses what it finds under an identifier. Here the identifier ends in a digest of code,
settings and, in a backtest, data; what the digest is of stands beside the models in
`made_of.json`, so that another machine can say which part of it is not its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from freqtrade.enums import RunMode

from freqaimodels.base.settings import candle_files, feed_files
from models.base.files import write_atomic
from models.base.fingerprint import code_digest, data_digest, identifier
from models.base.protocols import MADE_OF
from models.base.windows import MAX_CONTEXT_CANDLES
from models.learn.training.settings import without_places
from strategies.seams.freqai_context import hand_over_candles

_LIVE = (RunMode.LIVE, RunMode.DRY_RUN)


def take_identity(config: dict[str, Any], model: str, *, trains: bool) -> dict[str, Any]:
    """Settle Freqtrade's config for a model; return what its forecasts depend on besides candles.

    Parameters
    ----------
    model
        Name of the FreqAI model's class.
    trains
        Where False, only the candles a forecast needs are downloaded.
    """
    parts = _made_of(config, model)
    config["freqai"]["identifier"] = _folder_name(config, parts)
    if not trains:
        config["freqai"]["train_period_days"] = 1
    return parts


def _made_of(config: dict[str, Any], model: str) -> dict[str, Any]:
    """Return the parts as plain JSON, after setting what no person has a choice in."""
    freqai = config["freqai"]
    freqai["model_training_parameters"] = freqai.get("model_training_parameters") or {}
    freqai["activate_tensorboard"] = False
    hand_over_candles(config, MAX_CONTEXT_CANDLES)
    told = {k: v for k, v in freqai.items() if k != "identifier"}
    told |= {"model_training_parameters": without_places(freqai["model_training_parameters"])}
    parts = {
        "code": code_digest(),
        "model": model,
        "freqai": told,
        "timeframe": config["timeframe"],
        "strategy": config.get("strategy"),
    }
    plain: dict[str, Any] = json.loads(json.dumps(parts, sort_keys=True, default=str))
    return plain


def _folder_name(config: Mapping[str, Any], parts: Mapping[str, Any]) -> str:
    """Return the identifier FreqAI is to keep the models of a run under."""
    parts = dict(parts)
    if config.get("runmode") is RunMode.DRY_RUN:
        parts["stage"] = "dry-run"  # beside a live bot: two would write one folder at once
    if config.get("runmode") not in _LIVE:
        # Live keeps its models over a restart; a backtest must never meet another's.
        parts["data"] = data_digest([*candle_files(config), *feed_files(config)])
        parts["timerange"] = config.get("timerange")
        parts["pairs"] = config["exchange"]["pair_whitelist"]
    return identifier(str(config["freqai"].get("identifier", "breakwater")), parts)


def identity_of(config: Mapping[str, Any], model: str) -> tuple[str, dict[str, Any]]:
    """Return folder and parts of the models of a bot; its config is not changed."""
    own = deepcopy(dict(config))
    parts = take_identity(own, model, trains=True)
    return str(own["freqai"]["identifier"]), parts


def note_parts(folder: Path, parts: Mapping[str, Any]) -> None:
    """Leave beside the models what they depend on."""
    write_atomic(folder / MADE_OF, json.dumps(parts, sort_keys=True, indent=1).encode())
