"""The only FreqAI adapter: config check, training elsewhere, prediction from an artifact.

FreqAI's own data pipeline is not used: it drops rows, which makes sequences jump in time, and
rescales them with pickled scikit-learn objects. Here a training job carries raw arrays to a worker
process, and what comes back is ONNX bytes and a manifest.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from freqtrade.configuration import TimeRange  # first: loads freqtrade before FreqAI
from freqtrade.enums import RunMode
from freqtrade.exceptions import OperationalException
from freqtrade.exchange import timeframe_to_msecs
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.strategy import IStrategy
from pandas import DataFrame

from freqaimodels.base.challenged import challenged
from freqaimodels.base.fast_answers import FastAnswers, fast_answers_run
from freqaimodels.base.history import unify_dates
from freqaimodels.base.identity import identity_of, note_parts, take_identity
from freqaimodels.base.learning_on import LearningOn
from freqaimodels.base.model_files import PredictorFiles, RefusedModels
from freqaimodels.base.pool import Pool, noted
from freqaimodels.base.settings import read_settings, refuse_settings, retraining_of
from freqaimodels.base.shown import NoExecutor
from freqaimodels.base.succession import Succession, open_succession
from freqaimodels.base.told import in_service, log_training
from models.base import columns
from models.base.errors import ArtifactError, PackError
from models.base.types import Artifact, TrainingJob
from models.base.windows import MAX_CONTEXT_CANDLES
from models.learn.jobs.executor import Executor
from models.learn.jobs.job import MarketRows
from models.learn.jobs.ray_executor import executor_of
from models.serve.predictor import Predictor
from strategies.seams.frames import time_ms
from strategies.seams.freqai_model import SeamedModel
from strategies.seams.freqai_tensorboard import leave_tensorboard_out
from strategies.seams.freqai_trained_time import replace_trained_time, true_trained_time
from strategies.seams.training_place import trained_elsewhere

logger = logging.getLogger(__name__)

_FIRST_RETRY_S, _LONGEST_RETRY_S = 5.0, 300.0  # pause after a failed retraining, doubled each time


class PackModel(SeamedModel):
    """Base of the pack's FreqAI models; a subclass names its network.

    Parameters
    ----------
    config
        Freqtrade's config. `freqai.identifier` gets a suffix derived from code, config and data.

    Raises
    ------
    OperationalException
        If the FreqAI block has unknown, unsuitable or out-of-range settings.
    """

    network: ClassVar[str]

    def __init__(self, config: dict[str, Any]) -> None:
        try:
            self.settings = read_settings(config, self.network)
            self._shows = config.get("runmode") is RunMode.WEBSERVER
            self.executor: Executor = NoExecutor(config) if self._shows else self.make_executor()
            live = config.get("runmode") in (RunMode.LIVE, RunMode.DRY_RUN)
            retraining_of(config)
            self._trains = not (live and trained_elsewhere(config))
            parts = take_identity(config, type(self).__name__, trains=self._trains)
            if self._trains:  # else what it would judge with is not installed
                self.executor.check(self.network, config["freqai"]["model_training_parameters"])
            fast = fast_answers_run(config)
        except PackError as error:
            raise OperationalException(str(error)) from error
        # Even with TensorBoard off, FreqAI's getter imports the package that imports torch.
        leave_tensorboard_out()
        super().__init__(config)
        if live:
            note_parts(self.full_path, parts)
        self._failure: Exception | None = None
        self._refused = RefusedModels()
        self._pause_s: dict[str, float] = {}  # before the next try, by pair whose training failed
        self.candle_ms = timeframe_to_msecs(config["timeframe"])
        self.fast = FastAnswers(self, config, self.candle_ms, MAX_CONTEXT_CANDLES, runs=fast)
        self._strategy: IStrategy  # who asks for the forecasts
        self._pool = Pool(config, self.settings.labels, self.settings.training, self.dd)
        self._learning_on: LearningOn | None = None
        self._trainer: int | None = None  # thread that asks who is due
        live = live and self._trains
        if live and self.settings.training.fine_tune:
            self._learning_on = LearningOn(
                self.settings.labels, config["timeframe"], self.candle_ms, self.dd
            )
        self._succession: Succession | None = None
        if live:
            asks = config, self.dd, self._job, self.fast.close
            self._succession = open_succession(*asks, self.model_files(), self.settings.labels)
        if self._learning_on or self._succession:
            replace_trained_time(self.dd, self._pair_dict_info)
        if live and "pairs" in config:
            # What FreqAI downloads next, once, before the first candle.
            config["pairs"] = list(dict.fromkeys([*config["pairs"], *self._pool.pairs]))

    @classmethod
    def try_settings(cls, config: dict[str, Any]) -> None:
        """Raise PackError for settings no bot can start with: before a running one reloads them."""
        refuse_settings(config, cls.network)

    @classmethod
    def identity(cls, config: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return under which name a bot of this config keeps its models, and why there."""
        return identity_of(config, cls.__name__)

    def make_executor(self) -> Executor:  # a seam for tests
        return executor_of(self.settings.training)

    def model_files(self) -> PredictorFiles:
        return PredictorFiles()

    # -- training ---------------------------------------------------------------------------

    def train(
        self, unfiltered_df: DataFrame, pair: str, dk: FreqaiDataKitchen, **kwargs: Any
    ) -> Predictor:
        """Return a predictor for `pair` trained on `unfiltered_df` (features, labels, dates).

        FreqAI hands over candles up to the end of the training window only, so labels that would
        need later candles are NaN; every head masks its own.
        """
        self._failure = None
        try:
            job = self._job(unfiltered_df, pair, tuple(dk.training_features_list))
            dk.data_dictionary = {
                "train_features": unfiltered_df[list(job.feature_names)].tail(MAX_CONTEXT_CANDLES),
                "train_dates": unfiltered_df["date"],
            }
            if self._learning_on:
                job = self._learning_on.teach(job, pair)
            artifact = self._fit_pooled(job, unfiltered_df, pair, dk)
            if self._learning_on:
                artifact = self._learning_on.noted(artifact, job, pair)
        except Exception as error:
            self._failure = error
            raise
        predictor = self._served(artifact, job, pair, dk)
        dk.data["breakwater_manifest"] = predictor.manifest
        log_training(predictor.manifest)
        return predictor

    def _job(self, unfiltered_df: DataFrame, pair: str, names: tuple[str, ...]) -> TrainingJob:
        """Return the job of the rows FreqAI hands over; a label it lacks is left out."""
        rows = MarketRows(
            features=unfiltered_df[list(names)].to_numpy(np.float32),
            feature_names=names,
            labels={
                name: unfiltered_df[name].to_numpy(np.float64)
                for name in (*columns.LABELS, *columns.HEDGE_LABELS, *columns.AHEAD)
                if name in unfiltered_df
            },
            time_ms=time_ms(unfiltered_df),
            candle_ms=self.candle_ms,
        )
        return rows.job(
            self.network,
            settings=self.freqai_info["model_training_parameters"],
            seed=int(self.freqai_info.get("seed", 0)),
            title=f"{self.network} {pair} until {unfiltered_df['date'].iloc[-1]:%Y-%m-%d}",
        )

    def _served(
        self, artifact: Artifact, job: TrainingJob, pair: str, dk: FreqaiDataKitchen
    ) -> Predictor:
        """Return what is to serve from now on: the trained one, live only if it may."""
        newest = job.features[-MAX_CONTEXT_CANDLES:]
        newest_ms = job.time_ms[-MAX_CONTEXT_CANDLES:]
        predictor = Predictor(artifact, history=newest, history_time_ms=newest_ms)
        if dk.live:
            # A network that cannot be run is refused here, while the model before it still serves.
            predictor.predict(newest, newest_ms, job.feature_names)
            # FreqAI refuses to append a live prediction without a mean and deviation per column.
            dk.data["labels_mean"] = dict.fromkeys(columns.FORECAST, 0.0)
            dk.data["labels_std"] = dict.fromkeys(columns.FORECAST, 0.0)
            return self._successor(predictor, pair, job, dk)
        return predictor

    def _successor(
        self, new: Predictor, pair: str, job: TrainingJob, dk: FreqaiDataKitchen
    ) -> Predictor:
        """Return the new model, or the serving one where the new one is clearly worse, or waits.

        The serving one then counts as trained now: it has just been found the better of two, or its
        successor is being tried, so it does not expire for want of one.
        """
        champion = self.dd.model_dictionary.get(pair)
        if isinstance(champion, Predictor) and (self.settings.training.challenge or job.warm_start):
            served = challenged(champion, new, pair, job)
            if served.artifact.onnx is champion.artifact.onnx:
                if self._succession:
                    why = served.manifest["challenge"]["why"]
                    self._succession.refuse(new, pair, job, why)
                return served
            new = served
        if self._succession is None:
            return new
        expired = dk.check_if_model_expired(self.dd.pair_dict[pair]["trained_timestamp"])
        return self._succession.succeed(new, pair, job, expired=expired)

    def _fit_pooled(
        self, job: TrainingJob, frame: DataFrame, pair: str, dk: FreqaiDataKitchen
    ) -> Artifact:
        """Train on the job's own rows, and on those of the pool's coins where there is a pool."""
        if not self._pool.pairs:
            return self.fit({"job": job}, dk)
        peers, left_out = self._pool.peers(job, frame, pair, self._strategy, dk.live)
        artifact = self.fit({"job": replace(job, peers=peers)}, dk)
        return replace(artifact, manifest=noted(artifact.manifest, left_out))

    def fit(
        self, data_dictionary: dict[str, Any], dk: FreqaiDataKitchen, **kwargs: Any
    ) -> Artifact:
        """Run the training job in `data_dictionary["job"]` and return its artifact."""
        return self.executor.run(data_dictionary["job"])

    def without_model(self, dk: FreqaiDataKitchen) -> None:
        """Stop the backtest: FreqAI would go on with zeros and exit with success."""
        if self._shows:
            raise OperationalException(str(self._failure)) from self._failure
        raise OperationalException(
            f"Training {dk.pair} raised exception {self._failure!r}; the backtest stops here."
        ) from self._failure

    def start(
        self, dataframe: DataFrame, metadata: dict[str, Any], strategy: IStrategy
    ) -> DataFrame:
        """Answer for the frame of a pair; in a backtest, train first."""
        self._strategy = strategy
        if self._succession:
            self._succession.attend(strategy)
        answered: DataFrame = super().start(dataframe, metadata, strategy)
        return answered

    # -- live retraining --------------------------------------------------------------------

    def first_to_train(self) -> Iterable[str]:
        """Return no pair; one joins the queue when the strategy asks for its forecast.

        FreqAI would train every pair of the whitelist: a hedge asks about one of three.
        """
        return ()

    def start_live(
        self,
        dataframe: DataFrame,
        metadata: dict[str, Any],
        strategy: IStrategy,
        dk: FreqaiDataKitchen,
    ) -> FreqaiDataKitchen:
        """Answer for the newest candle, after mending what would end retraining unnoticed."""
        # Before FreqAI appends the newest candles, and whatever strategy asks. Never in the way
        # of the forecast: a failed retraining leaves a model in service, this might not.
        try:
            with self.dd.history_lock:
                unify_dates(self.dd.historic_data)
        except Exception:
            logger.exception("Candle history keeps its mixed dates; retraining may fail")
        if self.scanning and not self.training_thread_alive():
            logger.error("FreqAI's training thread has ended; starting it again")
            self.scanning = False
        pair = metadata["pair"]
        if pair not in self.train_queue:
            self.train_queue.append(pair)
        if self.fast.waits_for_booking(pair):
            self.catch_up()
        if not self.fast.answer(pair, dataframe, strategy, dk):
            self.catch_up()
            self.fast.close(pair)
            try:
                dk = super().start_live(dataframe, metadata, strategy, dk)
            except ArtifactError as error:
                self._refused.tell(pair, error, strategy.dp.send_msg)
                raise
            self.fast.open(pair, strategy, dk)
        return dk

    def catch_up(self) -> None:
        """Book the answers given since the last call, and look whether a cascade is over.

        Between candles, when nobody waits for it.
        """
        self.fast.book()
        if self._succession:
            self._succession.obey()
        if not self._trains and self.train_queue:
            for pair in self.dd.serve_newest(self._strategy.dp.send_msg):
                self.fast.close(pair)
        if self._learning_on is None:
            return
        for pair in tuple(self.train_queue):
            try:
                self._learning_on.look(pair)
            except Exception:
                logger.exception("Nobody looks whether a cascade of %s is over", pair)

    def in_training_thread(self, train: Callable[[], None]) -> None:
        """Train in FreqAI's thread; what ends the thread gets into the log, not only to stderr."""
        if not self._trains:
            logger.info("nothing is trained here: models come with `breakwater bundle import`")
            return self.wait_unless_stopped(threading.TIMEOUT_MAX)
        self._trainer = threading.get_ident()
        try:
            train()
        except Exception:
            logger.exception("FreqAI's training thread raised exception and ends")
        finally:
            self._trainer = None

    def _pair_dict_info(self, pair: str) -> tuple[str, int]:
        """Return FreqAI's entry of `pair`: file, and when it was trained.

        Never, its training thread is told of a pair that is due: it then trains at once, whatever
        `live_retrain_hours`. Everybody else, who asks for the model's age, is told the truth.
        """
        name, trained = true_trained_time(self.dd, pair)
        if threading.get_ident() != self._trainer:
            return name, trained
        due = self._learning_on is not None and self._learning_on.is_due(pair)
        if self._succession is None:
            return name, 0 if due else trained
        told = self._succession.told_time(pair, trained, due)
        if told:
            self.train_queue.rotate(-1)  # FreqAI asks about the first only, until it is trained
        return name, told

    def extract_data_and_train_model(
        self,
        new_trained_timerange: TimeRange,
        pair: str,
        strategy: IStrategy,
        dk: FreqaiDataKitchen,
        data_load_timerange: TimeRange,
    ) -> None:
        """Retrain `pair`; a failure is told with its reason and leaves the old model in service."""
        entry = self.dd.pair_dict[pair]
        served, trained = self.dd.model_dictionary.get(pair), entry["trained_timestamp"]
        try:
            super().extract_data_and_train_model(
                new_trained_timerange, pair, strategy, dk, data_load_timerange
            )
        except Exception as error:
            if self.dd.model_dictionary.get(pair) is served:
                # FreqAI dates the new model before saving it; the old one must not get younger.
                entry["trained_timestamp"] = trained
            message = (
                f"Training {pair} raised exception {type(error).__name__}: {error}\n"
                f"{in_service(entry['trained_timestamp'], self.freqai_info)}"
            )
            logger.exception(message)
            strategy.dp.send_msg(message)
            # FreqAI would try again a second later, for as long as the cause stays.
            pause = self._pause_s.get(pair, _FIRST_RETRY_S)
            self._pause_s[pair] = min(2 * pause, _LONGEST_RETRY_S)
            self.wait_unless_stopped(pause)
        else:
            self._pause_s.pop(pair, None)
            if self._learning_on:
                self._learning_on.trained(pair)

    # -- prediction -------------------------------------------------------------------------

    def predict(
        self, unfiltered_df: DataFrame, dk: FreqaiDataKitchen, **kwargs: Any
    ) -> tuple[DataFrame, npt.NDArray[np.int_]]:
        """Return the forecast columns, and 1 where a row has a forecast, 0 where it has none.

        Row t is the forecast made at the close of candle t, in backtest and live alike. A running
        bot asks with `first=False` and reads the last row: it gets that one only.
        """
        dk.find_features(unfiltered_df)
        names = tuple(dk.training_features_list)
        rows = unfiltered_df[list(names)].to_numpy(np.float32), time_ms(unfiltered_df), names
        first = kwargs.get("first", True)
        forecast = self.model.predict(*rows) if first else self.model.latest(*rows, series=dk.pair)
        frame = DataFrame({name: forecast[name] for name in columns.FORECAST})
        dk.DI_values = np.zeros(len(frame))
        return frame, np.isfinite(frame[columns.P_UP].to_numpy()).astype(np.int_)
