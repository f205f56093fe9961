"""Libraries that a bot may never use are loaded when they are used, and then are the real ones."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from strategies.desk.backtests.simulated_data import write_simulated
from tests.places import ROOT

SAY = """
import sys
def say(when):
    seldom = {"sklearn", "joblib", "datasieve.transforms.pca", "pyarrow.dataset"}
    print(when, *sorted(seldom & set(sys.modules)))
"""
ALONE = """
from strategies.seams.freqai_imports import import_freqai_alone
import_freqai_alone()
from freqtrade.freqai import data_kitchen, freqai_interface
"""
SERVING = """
from strategies.seams.catalog import seams_in
from strategies.seams.check import gone_seams
from strategies.seams.record import Library
import freqaimodels.LSTMForecaster
assert gone_seams(seams_in([Library.FREQAI])) == ()
data_kitchen.Pipeline()  # FreqAI makes an empty one for each candle
say("serving")
"""
STOCK = """
import numpy as np
from pandas import DataFrame
made = freqai_interface.IFreqaiModel.define_data_pipeline(
    type("Model", (), {"freqai_info": {"feature_parameters": {
        "principal_component_analysis": True, "use_SVM_to_remove_outliers": True,
        "DI_threshold": 1, "use_DBSCAN_to_remove_outliers": True,
        "noise_standard_deviation": 0.1}}, "ft_params": {}})())
rows = DataFrame(np.random.default_rng(0).normal(size=(300, 4)), columns=list("abcd"))
scaled, _, _ = made.fit_transform(rows)
first, second = data_kitchen.train_test_split(np.arange(10), test_size=0.2, shuffle=False)
import datasieve.transforms as ds
from datasieve.transforms.base_transform import BaseTransform
from sklearn.preprocessing import MinMaxScaler
assert isinstance(made["scaler"], ds.SKLearnWrapper)
assert isinstance(made["scaler"], BaseTransform)
assert isinstance(freqai_interface.MinMaxScaler(), MinMaxScaler)
print("pipeline", *(name for name, _ in made.steps), len(first), len(second), scaled.ndim)
say("made")
"""
READING = """
import pandas as pd
from pathlib import Path
from freqtrade.configuration import TimeRange
from freqtrade.data.history import load_pair_history
from freqtrade.enums import CandleType
from strategies.seams.candle_reading import read_candle_files_whole
def read():
    span = TimeRange.parse_timerange("20240410-20240420")
    return load_pair_history("BTC/USDT:USDT", "1h", Path(FOLDER), timerange=span,
                             data_format="feather", candle_type=CandleType.FUTURES)
"""
WHOLE = """
read_candle_files_whole()
whole = read()
say("whole")
"""
FILTERED = """
filtered = read()
say("filtered")
"""
TRADES = """
from freqtrade.data.history.datahandlers import get_datahandler
from freqtrade.constants import DEFAULT_TRADES_COLUMNS
from freqtrade.enums import TradingMode
handler = get_datahandler(Path(FOLDER), "feather")
row = [1712707200000, "7", "market", "buy", 60000.0, 0.1, 6000.0]
rows = pd.DataFrame([row], columns=DEFAULT_TRADES_COLUMNS)
handler.trades_store("BTC/USDT:USDT", rows, TradingMode.FUTURES)
print(len(handler.trades_load("BTC/USDT:USDT", TradingMode.FUTURES)))
say("trades")
"""


def said(*parts: str) -> list[str]:
    """Run parts of a program one after the other in a fresh process; return its lines."""
    done = subprocess.run(
        [sys.executable, "-c", "".join((SAY, *parts))],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_freqai_when_loaded_alone_then_a_serving_model_holds_no_scikit_learn() -> None:
    assert said(ALONE, SERVING)[-1] == "serving"


def test_freqai_when_loaded_by_itself_then_it_brings_what_is_left_out_here() -> None:
    loaded = "import freqtrade.configuration\nimport freqtrade.freqai.freqai_interface\n"
    assert said(loaded, "say('loaded')")[-1] == "loaded datasieve.transforms.pca joblib sklearn"


def test_stock_model_when_it_makes_its_pipeline_then_every_part_is_the_librarys_own() -> None:
    *_, pipeline, made = said(ALONE, STOCK)
    assert pipeline == "pipeline const scaler pca post-pca-scaler svm di dbscan noise 8 2 2"
    assert made == "made datasieve.transforms.pca joblib sklearn"


def test_strategies_when_loaded_then_freqai_is_not() -> None:
    """A bot without a model, a hedge for one, has no use for it."""
    lines = said(
        "import freqtrade.worker, importlib, pathlib\n"
        "for path in pathlib.Path('strategies').glob('[A-Z]*.py'):\n"
        "    importlib.import_module(f'strategies.{path.stem}')\n"
        "print('freqtrade.freqai' in sys.modules)"
    )
    assert lines[-1] == "False"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with simulated candles from 1 April 2024 on."""
    start = datetime(2024, 4, 1, tzinfo=UTC)
    market = tmp_path_factory.mktemp("market") / "simulated"
    return f"FOLDER = {str(write_simulated(market, seed=3, start=start, days=30))!r}\n"


def test_candles_when_read_whole_then_they_are_those_of_the_span_and_no_datasets_are_loaded(
    folder: str,
) -> None:
    same = "print(len(whole), whole.equals(filtered), (whole.dtypes == filtered.dtypes).all())\n"
    *_, whole = said(folder, READING, WHOLE)
    assert whole == "whole"
    *_, filtered, whole, both = said(folder, READING, FILTERED, WHOLE, same)
    assert (filtered, whole) == ("filtered pyarrow.dataset", "whole pyarrow.dataset")
    assert both == "241 True True"  # both ends of the span


def test_datasets_when_somebody_reads_trades_by_them_then_they_are_the_real_ones(
    folder: str,
) -> None:
    *_, read, trades = said(folder, READING, WHOLE, TRADES)
    assert (read, trades) == ("1", "trades pyarrow.dataset")
