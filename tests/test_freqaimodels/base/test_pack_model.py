"""The FreqAI adapter: what it refuses, what it identifies itself by, and row t at row t."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pandas as pd
import pytest
from freqtrade.configuration import TimeRange
from freqtrade.enums import RunMode
from freqtrade.exceptions import OperationalException
from freqtrade.freqai import freqai_interface
from freqtrade.freqai.freqai_interface import IFreqaiModel
from freqtrade.freqai.utils import get_tb_logger as stock_tb_logger

from freqaimodels.base import challenged, identity
from freqaimodels.base.pack_model import PackModel, time_ms
from freqaimodels.LSTMForecaster import LSTMForecaster
from models.base import columns
from models.base.errors import AlignmentError, ConfigError, TrainingError
from models.base.types import Artifact, TrainingJob
from models.base.windows import MAX_CONTEXT_CANDLES
from models.serve.predictor import Predictor
from tests.test_contract import echo, streamed
from tests.test_freqaimodels.configs import bitcoin_config


class Elsewhere:
    """Training on another machine that always sends the same artifact back."""

    def __init__(self) -> None:
        self.jobs: list[TrainingJob] = []
        self.failure: Exception | None = None

    def check(self, network: str, blocks: dict[str, Any]) -> None:
        if "hiden" in blocks.get("network", {}):
            raise ConfigError("unknown setting 'hiden'; did you mean 'hidden'?")

    def run(self, job: TrainingJob) -> Artifact:
        self.jobs.append(job)
        if self.failure is not None:
            raise self.failure
        artifact = echo.echo_artifact()
        extra = {
            "seconds": {"all": 0.0},
            "metrics": {"validation": {"gain_millibits": 0.0}},
        }
        return dataclasses.replace(artifact, manifest=artifact.manifest | extra)


class EchoForecaster(LSTMForecaster):
    def make_executor(self) -> Elsewhere:
        return Elsewhere()


def made(config: dict[str, Any]) -> EchoForecaster:
    return EchoForecaster(config)


def frame(rows: int, first: int = 0) -> pd.DataFrame:
    """Rows `first`... of one market, with echo features and labels."""
    x = echo.echo_rows(5000)[first : first + rows]
    dates = pd.date_range("2024-01-01", periods=5000, freq="1h", tz="UTC")[first : first + rows]
    data = dict(zip(echo.NAMES, x.T, strict=True)) | dict.fromkeys(columns.LABELS, 0.0)
    return pd.DataFrame({"date": dates, **data})


def kitchen(live: bool = False) -> Any:
    return SimpleNamespace(
        training_features_list=list(echo.NAMES),
        find_features=lambda frame: None,
        data={}, data_dictionary={}, pair="BTC/USDT:USDT", live=live,
    )  # fmt: skip


def test_model_when_trained_then_the_job_carries_every_row_in_order(tmp_path: Path) -> None:
    model, dk, rows = made(bitcoin_config(tmp_path)), kitchen(), frame(600)
    predictor = model.train(rows, "BTC/USDT:USDT", dk)
    (job,) = model.executor.jobs
    np.testing.assert_array_equal(job.features, rows[list(echo.NAMES)].to_numpy(np.float32))
    assert job.feature_names == echo.NAMES
    assert set(job.labels) == set(columns.LABELS)
    assert job.time_ms[0] == 1_704_067_200_000  # 2024-01-01 00:00 UTC
    assert set(np.diff(job.time_ms)) == {3_600_000} == {job.candle_ms}
    assert job.network == "lstm"
    assert job.seed == 0
    assert len(predictor.history) == MAX_CONTEXT_CANDLES
    assert predictor.history_time_ms[-1] == job.time_ms[-1]
    assert dk.data["breakwater_manifest"]["title"] == "echo"


def test_model_when_it_predicts_after_training_then_row_t_answers_for_row_t(tmp_path: Path) -> None:
    model, dk = made(bitcoin_config(tmp_path)), kitchen()
    model.model = model.train(frame(600), "BTC/USDT:USDT", dk)
    following = frame(400, first=600)
    out, do_predict = model.predict(following, dk)
    np.testing.assert_allclose(out[columns.LABEL_RETURN], following["%-echo"], rtol=1e-6)
    assert do_predict.tolist() == [1] * 400
    assert list(out.columns) == list(columns.FORECAST)
    assert len(dk.DI_values) == 400


def test_model_when_rows_have_no_history_then_do_predict_is_zero_and_nothing_is_made_up(
    tmp_path: Path,
) -> None:
    model, dk = made(bitcoin_config(tmp_path)), kitchen(live=True)
    model.model = model.train(frame(600), "BTC/USDT:USDT", dk)
    rows = frame(50, first=700)  # does not join the training rows
    out, do_predict = model.predict(rows, dk)
    warm = echo.CONTEXT - 1
    assert do_predict.tolist() == [0] * warm + [1] * (50 - warm)
    assert out.drop(columns=columns.ABSTAIN)[:warm].isna().all(axis=None)
    assert (out[columns.ABSTAIN][:warm] == 1).all()
    assert set(dk.data["labels_mean"]) == set(dk.data["labels_std"]) == set(columns.FORECAST)


def test_model_when_a_running_bot_asks_then_it_gets_the_last_row_from_the_pairs_own_past(
    tmp_path: Path,
) -> None:
    model, dk = made(bitcoin_config(tmp_path)), kitchen(live=True)
    model.model = Predictor(streamed.late_artifact())
    other = kitchen(live=True)
    other.pair = "LTC/USDT:USDT"
    for last in range(20, 30):
        for pair, first in ((dk, 0), (other, 1000)):
            rows = frame(20, first=first + last - 20)
            whole, known = model.predict(rows, pair)
            live, do_predict = model.predict(rows, pair, first=False)
            pd.testing.assert_frame_equal(live, whole[-1:].reset_index(drop=True))
            assert do_predict.tolist() == [known[-1]] == [1]
            assert len(pair.DI_values) == 1
    assert {k: v.candles for k, v in model.model._carried.items()} == {dk.pair: 9, other.pair: 9}


def test_model_when_training_fails_then_a_backtest_stops_with_the_reason(tmp_path: Path) -> None:
    model, dk = made(bitcoin_config(tmp_path)), kitchen()
    model.executor.failure = TrainingError("the training worker died", cure="more memory")
    with pytest.raises(TrainingError):
        model.train(frame(600), "BTC/USDT:USDT", dk)
    with pytest.raises(OperationalException, match="the training worker died"):
        model._append_null_backtesting_predictions(dk, frame(5))


class Backtest:
    """What FreqAI's backtest loop asks of the data kitchen, for one window of one pair."""

    def __init__(self, rows: pd.DataFrame) -> None:
        start, middle, stop = rows["date"].iloc[[0, 600, -1]]
        self.dk = MagicMock(**vars(kitchen()))
        self.dk.training_timeranges = [span(start, middle)]
        self.dk.backtesting_timeranges = [span(middle, stop)]
        self.dk.check_if_backtest_prediction_is_valid.return_value = False
        self.dk.backtest_live_models = False
        self.dk.label_list, self.dk.unique_class_list = list(columns.LABELS), []
        self.dk.use_strategy_to_populate_indicators.return_value = rows
        self.dk.buffer_timerange.side_effect = lambda t: t
        self.dk.slice_dataframe.side_effect = lambda t, f: f[
            (f["date"] >= t.startdt) & (f["date"] < t.stopdt)
        ].reset_index(drop=True)
        self.dk.remove_special_chars_from_feature_names.side_effect = lambda f: f
        self.strategy = SimpleNamespace(set_freqai_targets=lambda frame, metadata: frame)

    def run(self, model: IFreqaiModel, rows: pd.DataFrame) -> None:
        model.dk = self.dk
        self.dk.data_path, self.dk.model_filename = model.full_path, "cb_btc"
        model.model_exists = lambda dk: False
        model.save_backtest_models = False
        model.start_backtesting(rows, {"pair": "BTC/USDT:USDT"}, self.dk, self.strategy)


def span(start: pd.Timestamp, stop: pd.Timestamp) -> TimeRange:
    return TimeRange("date", "date", int(start.timestamp()), int(stop.timestamp()))


def test_backtest_when_training_fails_then_freqais_own_loop_stops_with_the_cause(
    tmp_path: Path,
) -> None:
    model, rows = made(bitcoin_config(tmp_path)), frame(900)
    model.executor.failure = TrainingError("the training worker died", where="training lstm")
    with pytest.raises(OperationalException, match="the training worker died") as stopped:
        Backtest(rows).run(model, rows)
    assert "BTC/USDT:USDT" in str(stopped.value)
    assert stopped.value.__cause__ is model.executor.failure


def test_backtest_when_training_fails_in_stock_freqai_then_it_goes_on_with_zeros(
    tmp_path: Path,
) -> None:
    # The control: why the adapter must stop it.
    class Stock(EchoForecaster):
        _append_null_backtesting_predictions = IFreqaiModel._append_null_backtesting_predictions

    model, rows = Stock(bitcoin_config(tmp_path)), frame(900)
    model.executor.failure = TrainingError("the training worker died")
    backtest = Backtest(rows)
    backtest.run(model, rows)
    (made_up,), _ = backtest.dk.append_predictions.call_args
    zeros = backtest.dk.get_predictions_to_append.call_args.args[0]
    assert made_up is backtest.dk.get_predictions_to_append.return_value
    assert (zeros == 0).all(axis=None)


def test_backtest_when_training_works_then_the_same_loop_appends_every_row(tmp_path: Path) -> None:
    model, rows = made(bitcoin_config(tmp_path)), frame(900)
    backtest = Backtest(rows)
    backtest.run(model, rows)
    forecast, do_predict, asked = backtest.dk.get_predictions_to_append.call_args.args
    np.testing.assert_allclose(forecast[columns.LABEL_RETURN], asked["%-echo"], rtol=1e-6)
    assert do_predict.tolist() == [1] * len(asked) == [1] * 299
    assert model.executor.jobs[0].time_ms[-1] < time_ms(asked)[0]


def test_model_when_made_then_freqais_logger_does_not_import_tensorboard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Importing freqtrade.freqai.tensorboard imports torch; here that import fails.
    monkeypatch.setitem(sys.modules, "freqtrade.freqai.tensorboard", None)
    monkeypatch.setitem(sys.modules, "freqtrade.freqai.tensorboard.base_tensorboard", None)
    monkeypatch.setattr(freqai_interface, "get_tb_logger", stock_tb_logger)
    with pytest.raises(ImportError):  # the control: even with TensorBoard off
        freqai_interface.get_tb_logger("joblib", tmp_path, False)
    model = made(bitcoin_config(tmp_path, activate_tensorboard=True))
    logger = freqai_interface.get_tb_logger("joblib", tmp_path, model.activate_tensorboard)
    logger.close()
    assert model.activate_tensorboard is False
    assert model.CONV_WIDTH == MAX_CONTEXT_CANDLES


def test_model_when_made_then_freqai_writes_under_the_users_folder_only(tmp_path: Path) -> None:
    model = made(bitcoin_config(tmp_path))
    assert model.full_path == tmp_path / "models" / model.identifier
    assert model.identifier == model.freqai_info["identifier"]


def test_model_when_predicting_on_other_features_then_the_difference_is_named(
    tmp_path: Path,
) -> None:
    model, dk = made(bitcoin_config(tmp_path)), kitchen()
    model.model = model.train(frame(600), "BTC/USDT:USDT", dk)
    dk.training_features_list = list(reversed(echo.NAMES))
    with pytest.raises(AlignmentError, match="same names, different order"):
        model.predict(frame(50, first=600), dk)


def test_model_when_a_row_has_a_nan_feature_then_it_and_its_successors_have_no_forecast(
    tmp_path: Path,
) -> None:
    model, dk = made(bitcoin_config(tmp_path)), kitchen()
    model.model = model.train(frame(600), "BTC/USDT:USDT", dk)
    rows = frame(50, first=600)
    rows.loc[rows.index[20], echo.NAMES[0]] = np.nan
    out, do_predict = model.predict(rows, dk)
    # Rows 20 to 20 + context - 1 would need the hole.
    expected = np.ones(50)
    expected[20 : 20 + echo.CONTEXT] = 0
    np.testing.assert_array_equal(do_predict, expected)
    assert (np.isfinite(out[columns.P_UP]) == (do_predict == 1)).all()


def test_model_when_settings_are_wrong_then_freqtrade_stops_with_the_nearest_name(
    tmp_path: Path,
) -> None:
    wrong = {"network": {"hiden": 8}}
    with pytest.raises(OperationalException, match="did you mean 'hidden'"):
        made(bitcoin_config(tmp_path, model_training_parameters=wrong))
    with pytest.raises(OperationalException, match="continual_learning"):
        made(bitcoin_config(tmp_path, continual_learning=True))


def test_model_when_its_network_does_not_exist_then_freqtrade_stops_with_its_name(
    tmp_path: Path,
) -> None:
    class Lost(PackModel):
        network = "lost"

    with pytest.raises(OperationalException, match="unknown network 'lost'"):
        Lost(bitcoin_config(tmp_path))


def test_model_when_no_training_parameters_are_given_then_the_defaults_are_used(
    tmp_path: Path,
) -> None:
    model = made(bitcoin_config(tmp_path, model_training_parameters=None))
    model.train(frame(600), "BTC/USDT:USDT", kitchen())
    assert model.executor.jobs[0].settings == {}


def test_time_when_a_frame_counts_in_other_units_then_it_is_milliseconds_all_the_same() -> None:
    dates = pd.date_range("2024-01-01", periods=3, freq="1h", tz="UTC")
    for unit in ("s", "ms", "us", "ns"):
        rows = pd.DataFrame({"date": dates.as_unit(unit)})
        assert time_ms(rows).tolist() == [1_704_067_200_000 + 3_600_000 * i for i in range(3)]
        assert time_ms(rows).dtype == np.int64


# -- identity -----------------------------------------------------------------------------------


def name(config: dict[str, Any]) -> str:
    return made(config).identifier


def write_candles(config: dict[str, Any], text: bytes) -> None:
    folder = config["datadir"] / "futures"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "BTC_USDT_USDT-1h-futures.feather").write_bytes(text)


def test_identity_when_nothing_changed_then_the_model_is_found_again(tmp_path: Path) -> None:
    config = bitcoin_config(tmp_path)
    first = name(config)
    assert first.startswith("bitcoin--")
    assert name(config) == first  # from the config that carries the suffix already
    assert name(bitcoin_config(tmp_path)) == first
    there = {"training": {"executor": "ray", "ray_address": "head:6379"}}
    here = {"training": {}}
    assert name(bitcoin_config(tmp_path, model_training_parameters=there)) == name(
        bitcoin_config(tmp_path, model_training_parameters=here)
    )


def test_identity_when_code_data_timerange_or_settings_change_then_a_backtest_starts_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = [name(bitcoin_config(tmp_path))]
    write_candles(bitcoin_config(tmp_path), b"1")
    seen.append(name(bitcoin_config(tmp_path)))
    write_candles(bitcoin_config(tmp_path), b"2")
    seen.append(name(bitcoin_config(tmp_path)))
    seen.append(name(bitcoin_config(tmp_path) | {"timerange": "20240101-20240301"}))
    seen.append(name(bitcoin_config(tmp_path, seed=1)))
    seen.append(name(bitcoin_config(tmp_path, model_training_parameters={"labels": {}})))
    seen.append(name(bitcoin_config(tmp_path) | {"strategy": "Other"}))
    monkeypatch.setattr(identity, "code_digest", lambda: "other code")
    seen.append(name(bitcoin_config(tmp_path)))
    assert len(set(seen)) == len(seen)


def test_identity_when_live_then_new_data_keep_the_model_and_new_code_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for mode in (RunMode.LIVE, RunMode.DRY_RUN):
        live = {"runmode": mode}
        write_candles(bitcoin_config(tmp_path), b"1")
        first = name(bitcoin_config(tmp_path) | live)
        write_candles(bitcoin_config(tmp_path), b"2")
        assert name(bitcoin_config(tmp_path) | live | {"timerange": None}) == first
        with monkeypatch.context() as patch:
            patch.setattr(identity, "code_digest", lambda: "other code")
            assert name(bitcoin_config(tmp_path) | live) != first
    live, dry = ({"runmode": mode} for mode in (RunMode.LIVE, RunMode.DRY_RUN))
    assert name(bitcoin_config(tmp_path) | live) != name(bitcoin_config(tmp_path) | dry)


def test_model_when_retrained_live_and_clearly_worse_then_the_serving_one_stays_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = bitcoin_config(tmp_path)
    parameters = config["freqai"].setdefault("model_training_parameters", {})
    parameters.setdefault("training", {})["challenge"] = True
    model, dk = made(config), kitchen(live=True)
    first = model.train(frame(600), dk.pair, dk)
    assert "challenge" not in first.manifest  # nobody served before
    model.dd.model_dictionary[dk.pair] = first
    for serves in ("champion", "challenger"):
        monkeypatch.setattr(
            challenged, "challenge", lambda *_, s=serves: {"serves": s, "why": "as told"}
        )
        again = model.train(frame(600, first=300), dk.pair, dk)
        assert again.manifest["challenge"]["serves"] == serves
        assert dk.data["breakwater_manifest"] is again.manifest
        # Whoever serves goes on from the newest rows.
        assert again.history_time_ms[-1] == model.executor.jobs[-1].time_ms[-1]
