"""What FreqAI asks of a strategy: features, labels, and the frame with its forecast columns."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from freqtrade.enums import TRADE_MODES, RunMode
from freqtrade.strategy import IStrategy
from pandas import DataFrame

from models.base import columns
from models.base.errors import ConfigError
from models.base.protocols import LateBooking
from models.base.windows import MAX_CONTEXT_CANDLES
from models.data.features import candles as features
from models.data.features.frame import pair_features
from models.data.labels.settings import LabelSettings
from models.data.labels.targets import label_columns
from strategies.bot import frames
from strategies.bot.fail_closed import refusing_to_start
from strategies.seams.candle_reading import read_candle_files_whole
from strategies.seams.freqai_imports import import_freqai_alone

# Feature lookback plus the longest context a network may be served with.
WARM_UP_CANDLES = features.LOOKBACK + MAX_CONTEXT_CANDLES + 5


class ForecastColumns(IStrategy):  # type: ignore[misc]  # Freqtrade ships no types
    """FreqAI's hooks, for every strategy that may be served by a model of the pack."""

    labels: LabelSettings
    candle_ms: int
    plot_config: ClassVar[dict[str, Any]] = {
        "main_plot": {
            "interval_low": {"color": "#9ecae1", "fill_to": "interval_high"},
            "interval_high": {"color": "#9ecae1"},
        },
        "subplots": {
            "probability": {
                columns.P_UP: {"color": "#0072b2"},
                columns.P_FLAT: {"color": "#999999"},
                columns.P_DOWN: {"color": "#d55e00"},
            },
            "edge": {
                columns.EDGE: {"color": "#56b4e9"},
                columns.EDGE_LOW: {"color": "#0072b2"},
            },
            "volatility": {columns.SIGMA: {"color": "#009e73"}},
            "hazard": {
                columns.LABEL_CASCADE_DOWN: {"color": "#d55e00"},
                columns.LABEL_CASCADE_UP: {"color": "#0072b2"},
            },
            "trust": {
                columns.NOVELTY: {"color": "#cc79a7"},
                columns.ABSTAIN: {"color": "#000000"},
            },
        },
    }

    def load_freqAI_model(self) -> None:
        """Load the model, and FreqAI with it; no libraries that neither will use."""
        if (self.config.get("freqai") or {}).get("enabled"):
            import_freqai_alone()
            if self.config["runmode"] in TRADE_MODES:
                read_candle_files_whole()
        super().load_freqAI_model()

    def feature_engineering_expand_basic(
        self, dataframe: DataFrame, metadata: dict[str, Any], **kwargs: Any
    ) -> DataFrame:
        """Features of each pair and timeframe FreqAI is told to include."""
        computed = pair_features(frames.candles(dataframe))
        return dataframe.assign(**{f"%-{name}": values for name, values in computed.items()})

    def feature_engineering_standard(
        self, dataframe: DataFrame, metadata: dict[str, Any], **kwargs: Any
    ) -> DataFrame:
        """Clock features, and the volatility that scales labels and forecasts."""
        clock = features.calendar_features(frames.time_ms(dataframe), self.candle_ms)
        sigma = features.sigma_per_candle(dataframe["close"].to_numpy(np.float64))
        return dataframe.assign(
            **{f"%-{name}": values for name, values in clock.items()},
            **{columns.FEATURE_SIGMA: sigma},
        )

    def set_freqai_targets(
        self, dataframe: DataFrame, metadata: dict[str, Any], **kwargs: Any
    ) -> DataFrame:
        """Labels; each is NaN where the frame does not reach far enough ahead."""
        labels = label_columns(frames.candles(dataframe), self.candle_ms, self.labels)
        return dataframe.assign(**labels)

    def with_forecasts(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        """Ask FreqAI for the forecast columns, and put NaN back where there is none."""
        answered = self.freqai.start(dataframe, metadata, self)
        self._require_forecasts(answered)
        return frames.with_interval_prices(frames.restore_missing_forecasts(answered))

    def _require_forecasts(self, answered: DataFrame) -> None:
        """End a backtest on a model that answers with labels only: it would trade nothing."""
        if self.config["runmode"] is not RunMode.BACKTEST or columns.P_UP in answered:
            return
        if isinstance(self.freqai, LateBooking):  # a model of the pack
            return
        with refusing_to_start():
            raise ConfigError(
                f"expected a model of the pack, got {type(self.freqai).__name__}, whose answers "
                "have no calibrated probabilities",
                where="--freqaimodel",
                cure="use one of freqaimodels/, or a strategy with signals of its own: "
                "user_data/docs/extending.md",
            )
