"""OwnSignalsStrategy: a person's own signals, sized, stopped and guarded as the pack's are.

The signals may come from indicators, from any FreqAI model, or from both. Risk is measured by the
past volatility of the traded pair's own closes. No forecast of the pack is asked for, so the guards
of its calibration, drift and hazard are left out; all others stand: hard limits, breakers, control,
reconciliation.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final

import numpy as np
from freqtrade.exceptions import OperationalException
from pandas import DataFrame, Series

from models.base import columns
from models.base.entry import EntryRule, EntryStop
from models.base.errors import ConfigError
from models.base.protocols import LateBooking
from models.data.features.candles import LOOKBACK, sigma_per_candle
from models.data.labels.settings import LabelSettings
from models.trade.risk.run import OWN_SIGNALS, SECOND_SOURCE, Guard
from strategies.bot.config import PackConfig
from strategies.bot.fail_closed import refusing_to_start
from strategies.bot.forecast import ForecastStrategy
from strategies.bot.hooks import runs_always

_VOUCHED: Final = "do_predict"  # FreqAI's word on its own answer; 1 where it vouches for it
_OWN: Final = frozenset(columns.FORECAST) - {*columns.LABELS, *columns.HEDGE_LABELS}


class OwnSignalsStrategy(ForecastStrategy):
    """Base of a strategy that decides by itself; a subclass writes Freqtrade's `populate_*` hooks.

    Whatever FreqAI model is configured answers what the subclass's own `set_freqai_targets` asks.
    Where a frame has FreqAI's `do_predict`, an entry needs a 1 there. A position is left by the
    subclass's exit signal, by its stop, or after `breakwater.decision.max_hold_candles`.
    """

    startup_candle_count = LOOKBACK + 1
    plot_config: ClassVar[dict[str, Any]] = {}  # a subclass's own columns
    stop_horizon_candles: ClassVar[int] = 4  # a stop is three volatilities over so many candles

    @property
    def guards(self) -> Sequence[Guard]:
        """All but those that hold a forecast against what came of it."""
        source = () if self.second_source is None else (SECOND_SOURCE,)
        return (*OWN_SIGNALS, *source)

    def _labels(self, config: Mapping[str, Any]) -> LabelSettings:
        """Return the horizon; the model's own block is not the pack's to read."""
        return LabelSettings(horizon_candles=self.stop_horizon_candles)

    def _alarms(self, pack: PackConfig) -> Mapping[str, float]:
        """Return none: nobody forecasts a hazard."""
        return {}

    def advise_indicators(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        """As Freqtrade does; and put down the volatility that stake, stop and guards go by."""
        frame: DataFrame = super().advise_indicators(dataframe, metadata)
        if taken := sorted(_OWN.intersection(frame)):
            raise OperationalException(
                f"{type(self).__name__} wrote columns whose names the guards read: "
                f"{', '.join(taken)}; give them other names"
            )
        per_candle = sigma_per_candle(frame["close"].to_numpy(np.float64))
        told: dict[str, Any] = {
            **dict.fromkeys((name for name in columns.FORECAST if name not in frame), math.nan),
            columns.SIGMA: per_candle * math.sqrt(self.labels.horizon_candles),
            columns.ABSTAIN: np.where(per_candle > 0, 0.0, 1.0),  # NaN is unknown
        }
        out: DataFrame = frame.assign(**({} if _VOUCHED in frame else {_VOUCHED: 1}), **told)
        return out

    @runs_always
    def bot_start(self, **kwargs: Any) -> None:
        """As ever; and refuse a model whose answers nobody here reads."""
        super().bot_start(**kwargs)
        if isinstance(self.freqai, LateBooking):
            with refusing_to_start():
                raise ConfigError(
                    "expected a FreqAI model that answers this strategy's own targets, got "
                    f"{type(self.freqai).__name__} of the pack, whose forecast it does not read",
                    where="--freqaimodel",
                    cure="name another model, or derive the strategy from BitcoinCrossMargin",
                )

    @abstractmethod
    def populate_indicators(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        """Return the frame with what the signals need; with FreqAI, what `self.freqai` answers."""

    @abstractmethod
    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        """Return the frame with `enter_long` and `enter_short`, each known at the row's close."""

    @abstractmethod
    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        """Return the frame with `exit_long` and `exit_short`."""

    def forecast_stop(self, pair: str, row: Series, now: datetime) -> EntryStop | None:
        """Return that the row gives no signal, or that nobody vouches for what it stands on."""
        if row[_VOUCHED] != 1:
            return self.distrusted(row)
        if row[columns.ABSTAIN] != 0:
            return EntryStop(
                rule=EntryRule.TRUSTED, why="the volatility of the last candles is not known",
                change=f"{LOOKBACK} complete candles behind, and a price that moves",
            )  # fmt: skip
        return self.no_signal(row)

    def forecast_words(self, row: Series) -> str:
        """Return what of the row risk is measured by."""
        return f"volatility {row[columns.SIGMA]:.2%} over {self.labels.horizon_candles} candles"

    def _worth_quote(self, pair: str, side: str, now: datetime, equity_quote: float) -> float:
        """Return no bound: the signal claims no edge to bound a position by."""
        return math.inf
