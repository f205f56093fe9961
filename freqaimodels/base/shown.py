"""Freqtrade's web server, which draws what a backtest has forecast and trains nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.base.errors import TrainingError
from models.base.types import Artifact, TrainingJob


class NoExecutor:
    """Runs no job; says which backtest would have left what is missing.

    Parameters
    ----------
    config
        Freqtrade's, as of the request.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config

    def check(self, network: str, blocks: dict[str, Any]) -> None:
        """Judge nothing: where a model is trained, its settings are judged."""

    def run(self, job: TrainingJob) -> Artifact:
        config = self._config
        span = config.get("timerange")
        raise TrainingError(
            f"expected forecasts that a backtest of {span} has left, found none for {job.title}: "
            "the web server trains no model",
            where=f"{config.get('strategy')} with {config.get('freqaimodel')}",
            cure=f"freqtrade backtesting --timerange {span} with the web server's configs, this "
            "strategy and model, then ask again; what a running bot forecasts: /pair_candles",
        )
