"""A finished FreqAI run, from the models and forecasts it left: what can be explained of it.

The model that made a forecast lies in FreqAI's model directory. The features it was given do not:
FreqAI stores forecasts only. They are computed again from the candles by FreqAI's own data kitchen,
which calls the strategy's hooks and names the columns as in the backtest. A forecast is explained
only if the model, given those features, repeats what the run stored.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from freqtrade.enums import CandleType, RunMode
from freqtrade.exchange import timeframe_to_msecs
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.resolvers import StrategyResolver

from models.base import columns
from models.base.errors import AlignmentError, ArtifactError, InputError
from models.base.files import read_regular
from models.base.types import Float32Array, IntArray
from models.evaluate.explain import (
    EVALUATIONS,
    Explanation,
    WindowForecaster,
    explain,
    importance,
)
from models.evaluate.explain.importance import Importance, evaluations
from models.reports.text import utc
from models.serve.predictor import Predictor
from models.serve.rehearsal import admitted
from models.serve.saved import ENDING
from strategies.bot import frames
from strategies.desk.backtests.data import load_checked
from strategies.desk.backtests.results import predictions
from strategies.desk.terminal.places import STRATEGIES

_SAME = 1e-3  # probabilities further apart than this are not the same forecast
# Of one network for the report: some seconds, whatever the number of features.
_OVERVIEW_EVALUATIONS = 8_000
_FORECAST_EVALUATIONS = 3_000
_MOST_FORECASTS = 64


def newest_run(userdir: Path) -> Path:
    """Return the model directory of the newest backtest; FreqAI stamps it at every start.

    A hedge's run leaves a model directory too, whose forecasts are of the hedge: no backtest.

    Raises
    ------
    InputError
        If there is none.
    """
    stamps = [
        path
        for path in (userdir / "models").glob("*/run_params.json")
        if (path.parent / "backtesting_predictions").is_dir() and not _of_hedge(path.parent)
    ]
    if not stamps:
        raise InputError(
            "no finished run to explain",
            where=str(userdir / "models"),
            cure="run `make demo` first, or give the run's --userdir",
        )
    return max(stamps, key=lambda path: path.stat().st_mtime).parent


def _of_hedge(model_dir: Path) -> bool:
    """Return whether a run's forecasts tell what to do with a hedge's ratio."""
    for path in sorted((model_dir / "backtesting_predictions").glob("*_prediction.feather"))[:1]:
        stored = pd.read_feather(io.BytesIO(read_regular(path)))
        # FreqAI writes 0 where a model says nothing.
        return columns.P_MAINTAIN in stored and bool((stored[columns.P_MAINTAIN] > 0).any())
    return False


@dataclass(frozen=True, kw_only=True)
class SavedRun:
    """What FreqAI left of a run, and where its candles are."""

    model_dir: Path
    datadir: Path
    strategy: str
    strategy_path: Path = STRATEGIES  # folder that has it

    @cached_property
    def params(self) -> dict[str, Any]:
        """Return FreqAI's settings of the run, as it stamped them."""
        path = self.model_dir / "run_params.json"
        try:
            loaded: dict[str, Any] = json.loads(read_regular(path))
        except FileNotFoundError as error:
            raise InputError("the run's models are not there any more", where=str(path)) from error
        return loaded

    @property
    def pairs(self) -> list[str]:
        return list(self.params["pairs"])

    @property
    def candle_ms(self) -> int:
        return int(timeframe_to_msecs(self.params["timeframe"]))

    def features(
        self, pair: str, start_ms: int, stop_ms: int
    ) -> tuple[tuple[str, ...], IntArray, Float32Array]:
        """Return names, times (N,) and rows (N, F) of the features of the candles [start, stop)."""
        config = self._config()
        strategy = StrategyResolver.load_object(
            self.strategy, config, kwargs={"config": config}, extra_dir=str(self.strategy_path)
        )
        settings = self.params["freqai"]["feature_parameters"]
        candles = {
            (p, tf): self._candles(p, tf, start_ms, stop_ms, strategy.startup_candle_count)
            for p in dict.fromkeys([pair, *settings.get("include_corr_pairlist", [])])
            for tf in dict.fromkeys([self.params["timeframe"], *settings["include_timeframes"]])
        }
        by_pair: dict[str, dict[str, pd.DataFrame]] = {}
        for (p, tf), frame in candles.items():
            by_pair.setdefault(p, {})[tf] = frame
        kitchen = FreqaiDataKitchen(config, live=False, pair=pair)
        frame = kitchen.use_strategy_to_populate_indicators(
            strategy, corr_dataframes=by_pair, base_dataframes=by_pair[pair], pair=pair
        )
        frame = kitchen.remove_special_chars_from_feature_names(frame)
        kitchen.find_features(frame)
        names = tuple(kitchen.training_features_list)
        times = frames.time_ms(frame)
        keep = times >= start_ms
        return names, times[keep], frame.loc[keep, list(names)].to_numpy(np.float32)

    def _config(self) -> dict[str, Any]:
        return {
            **self.params,
            "runmode": RunMode.OTHER,
            "candle_type_def": CandleType.FUTURES,
            "trading_mode": "futures",
            "exchange": {"pair_whitelist": self.pairs},
            "user_data_dir": self.model_dir.parents[1],
            "strategy": self.strategy,
            # The kitchen then asks for no time range and makes no directory.
            "freqai_backtest_live_models": True,
        }

    def _candles(
        self, pair: str, timeframe: str, start_ms: int, stop_ms: int, warm_up: int
    ) -> pd.DataFrame:
        step = timeframe_to_msecs(timeframe)
        first = (start_ms // step - warm_up) * step
        c = load_checked(self.datadir, pair, timeframe, start_ms=first, stop_ms=stop_ms)
        values = {name: getattr(c, name) for name in ("open", "high", "low", "close", "volume")}
        return pd.DataFrame({"date": pd.to_datetime(c.time_ms, unit="ms", utc=True), **values})


class PairForecasts:
    """One pair's forecasts of a run, with the models and features behind them."""

    def __init__(self, run: SavedRun, pair: str) -> None:
        self.run, self.pair = run, pair
        self.stored = predictions(run.model_dir, pair)
        self.stored_ms = frames.time_ms(self.stored)
        coin = pair.split("/")[0]
        folders = run.model_dir.glob(f"sub-train-{coin}_*")
        self._folders = {int(path.name.rsplit("_", 1)[1]) * 1000: path for path in folders}
        self._forecasters: dict[Path, WindowForecaster] = {}
        self._features: tuple[tuple[str, ...], IntArray, Float32Array] | None = None

    @property
    def given_ms(self) -> IntArray:
        """Open times of the candles that have a forecast."""
        given: IntArray = self.stored_ms[np.isfinite(self.stored[columns.P_UP].to_numpy())]
        return given

    @property
    def span(self) -> tuple[int, int]:
        """First and last candle with a forecast."""
        if not len(self.given_ms):
            raise InputError(f"the run has no forecast of {self.pair}")
        return int(self.given_ms[0]), int(self.given_ms[-1])

    def forecaster(self, time_ms: int) -> WindowForecaster:
        """Return the model that made the forecast of a candle: the latest trained before it.

        Raises
        ------
        InputError
            If it was not saved, or is not there any more.
        ArtifactError
            If it is damaged or of another version.
        """
        until = [stamp for stamp in self._folders if stamp <= time_ms]
        found = sorted(self._folders[max(until)].glob(f"*{ENDING}")) if until else []
        if not found:
            raise InputError(
                f"the model behind the forecast of {self.pair} at {utc(time_ms)} is not there",
                where=str(self.run.model_dir),
                cure="run it again with freqai.save_backtest_models true",
            )
        if found[0] not in self._forecasters:
            self._forecasters[found[0]] = WindowForecaster(_loaded(found[0]).artifact)
        return self._forecasters[found[0]]

    def load(self, first_ms: int, last_ms: int) -> None:
        """Compute the features behind the forecasts of [first, last].

        Raises
        ------
        InputError
            If there is no forecast at either end, or the candles are not there.
        """
        for time_ms in (first_ms, last_ms):
            self._require(time_ms)
        step = self.run.candle_ms
        # The first model's context may be shorter than that of a later one, which needs less lead.
        trained = [first_ms, *(stamp for stamp in self._folders if first_ms < stamp <= last_ms)]
        longest = max(self.forecaster(time_ms).context for time_ms in trained)
        self._features = self.run.features(
            self.pair, first_ms - (longest - 1) * step, last_ms + step
        )

    def explain(
        self, time_ms: int, target: str = "advantage", evaluations: int = EVALUATIONS,
        told: Callable[[float], None] | None = None,
    ) -> Explanation:  # fmt: skip
        """Return what drove the forecast of a candle.

        Parameters
        ----------
        told
            Is told which share of the evaluations is done.

        Raises
        ------
        InputError
            If there is no forecast, or it does not come out again.
        """
        self._require(time_ms)
        rows, times = self._rows(time_ms)
        return explain(
            self.forecaster(time_ms), rows, times, target, evaluations=evaluations, told=told
        )

    def briefly(self, time_ms: int) -> Explanation:
        """Return what drove the forecast of a candle, with larger errors than `explain`."""
        members = self.forecaster(time_ms).manifest.get("members") or 1
        return self.explain(time_ms, evaluations=_FORECAST_EVALUATIONS // members)

    def overview(self, shares: int = 1) -> Importance:
        """Return the mean size of what moved forecasts spread evenly over the run.

        The `shares` pairs of a run, and the members of an ensemble, divide the time there is.
        """
        forecaster = self.forecaster(self.span[0])
        shares *= forecaster.manifest.get("members") or 1
        once = evaluations(forecaster) * shares
        many = max(8, min(_MOST_FORECASTS, _OVERVIEW_EVALUATIONS // once))
        given = self.given_ms
        rows = np.unique(np.linspace(0, len(given) - 1, many).round().astype(int))
        sample = []
        for time_ms in given[rows].tolist():
            forecaster = self.forecaster(time_ms)
            sample.append((forecaster, forecaster.window(*self._rows(time_ms))))
        return importance(sample)

    def _rows(self, time_ms: int) -> tuple[Float32Array, IntArray]:
        """Return the feature rows and times behind a forecast, proven to be the run's own."""
        if self._features is None:
            raise AlignmentError("features are loaded before forecasts are explained")
        names, times, rows = self._features
        last = int(np.searchsorted(times, time_ms, side="right"))
        forecaster = self.forecaster(time_ms)
        part = slice(max(last - forecaster.context, 0), last)
        made = forecaster.predict(rows[part], times[part], names)
        stored = self.stored.iloc[int(np.searchsorted(self.stored_ms, time_ms))]
        for name in (columns.P_DOWN, columns.P_FLAT, columns.P_UP):
            if not abs(made[name][-1] - stored[name]) <= _SAME:
                raise InputError(
                    f"the forecast of {self.pair} at {utc(time_ms)} does not come out again: "
                    f"{name} is {made[name][-1]:.4f}, the run stored {stored[name]:.4f}",
                    where=f"{self.run.strategy} on {self.run.datadir}",
                    cure="give the run's own --data and --strategy; or the code has changed since",
                )
        return rows[part], times[part]

    def _require(self, time_ms: int) -> None:
        """Raise InputError unless the run has a forecast of this candle."""
        first, last = int(self.stored_ms[0]), int(self.stored_ms[-1])
        problem, where = f"no forecast of {self.pair} at {utc(time_ms)}", str(self.run.model_dir)
        if time_ms not in self.stored_ms:
            raise InputError(
                problem,
                where=where,
                cure=f"give a candle's open time; the run has {self.run.params['timeframe']} "
                f"candles from {utc(first)} to {utc(last)}",
            )
        if time_ms not in self.given_ms:
            start, stop = self.span
            raise InputError(
                f"{problem}: warm-up, the model had too few complete candles behind it",
                where=where,
                cure=f"the run has forecasts from {utc(start)} to {utc(stop)}",
            )


def _loaded(path: Path) -> Predictor:
    """Return the predictor a run kept.

    Raises
    ------
    ArtifactError
        If the file is not the pack's, or must not be run.
    """
    try:
        return admitted(read_regular(path), str(path))
    except OSError as error:
        raise ArtifactError(f"cannot read the model: {error.strerror}", where=str(path)) from error
