"""What somebody may leave in a live bot's model folder: pickles that run, graphs that loop."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, load_from_string, numpy_helper

from models.base.files import wall_clock_ms
from models.operate.control.commands import Commands
from models.operate.control.heartbeat import last_beat
from models.serve.predictor import Predictor
from models.serve.saved import predictor_from_bytes, predictor_to_bytes
from strategies.desk.backtests.simulated_data import write_simulated
from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.replay import read_market, starting_now
from strategies.desk.loopback.symbols import LISTED
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.state import ExchangeState
from tests.hostile import Marks
from tests.places import ROOT, USER_DATA
from tests.test_integration.live_bot import BTC, LiveBot, running_bot, settings
from tests.test_integration.running import write_strategy

START, TODAY = datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 3, 8, tzinfo=UTC)
REFUSED = f"The model of {BTC} is refused; no forecasts and no entries until it is mended."
PICKLED = (
    "_model.joblib", "_model.pkl", "_feature_pipeline.pkl", "_label_pipeline.pkl",
    "_trained_df.pkl",
)  # fmt: skip

STRATEGY = """
import logging

from strategies.BitcoinCrossMargin import BitcoinCrossMargin

logger = logging.getLogger("freqtrade.test")


class ServedForecast(BitcoinCrossMargin):
    timeframe = "1m"

    def populate_entry_trend(self, dataframe, metadata):
        logger.info("candle do_predict %d", dataframe.iloc[-1]["do_predict"])
        dataframe["enter_long"] = (dataframe["do_predict"] == 1).astype(int)
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        return dataframe
"""


@pytest.fixture
def venue(tmp_path: Path) -> LoopbackVenue:
    datadir = write_simulated(tmp_path / "simulated", seed=11, start=START, days=38, timeframe="1m")
    market = starting_now(
        read_market(datadir, LISTED), int(TODAY.timestamp() * 1000), wall_clock_ms()
    )
    return LoopbackVenue(market=market, clock=wall_clock_ms)


def configuration(url: str) -> dict[str, Any]:
    return settings(url, [BTC], dry_run=False) | {
        "add_config_files": [str(USER_DATA / "config_bitcoin.json")],
        "freqaimodel": "LSTMForecaster",
        "freqaimodel_path": str(ROOT / "freqaimodels"),
        "timeframe": "1m",
        "stake_amount": "unlimited",
        "max_open_trades": 1,
        "dataformat_ohlcv": "feather",
        "breakwater": {"decision": {"without": ["quantiles", "hazard"]},
                       "pacing": {"tick_s": 0.5, "look_s": 0.1}},
        "freqai": {
            "train_period_days": 34,  # cascade labels look back over 30
            "live_retrain_hours": 24,
            "feature_parameters": {"include_timeframes": ["1m"]},
            "model_training_parameters": {
                "training": {"max_steps": 5, "evaluate_every": 5}, "network": {"hidden": 8},
            },
        },
    }  # fmt: skip


def external_data(graph: ModelProto) -> None:
    """Have the first constant read from a file."""
    tensor = graph.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/hostname"


def endless_loop(graph: ModelProto) -> None:
    """Have the graph loop for as long as it pleases."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["still"])], "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []),
         helper.make_tensor_value_info("on", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("still", TensorProto.BOOL, [])],
    )  # fmt: skip
    graph.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    graph.graph.node.insert(0, helper.make_node("Loop", ["", "yes"], [], body=body))


def changed(sound: bytes, change: Callable[[ModelProto], None]) -> bytes:
    """Return the file of a model with its graph changed, all else as it was."""
    known = predictor_from_bytes(sound)
    graph = load_from_string(known.artifact.onnx)
    change(graph)
    onnx = graph.SerializeToString()
    manifest = {**known.artifact.manifest, "onnx_sha256": hashlib.sha256(onnx).hexdigest()}
    artifact = replace(known.artifact, onnx=onnx, manifest=manifest)
    return predictor_to_bytes(Predictor(artifact, known.history, known.history_time_ms))


def forecasts(bot: LiveBot, start: int) -> list[str]:
    """`do_predict` of every candle analysed, from the log's character `start` on."""
    words = bot.log()[start:].split("candle do_predict ")[1:]
    return [word[0] for word in words]


def loops(bot: LiveBot, desk: Commands) -> None:
    """Wait until this very bot has looked after what it holds a few times."""

    def looped() -> bool:
        beat = last_beat(desk.store.folder)
        return beat is not None and beat.pid == bot.process.pid and beat.loop > 4

    bot.wait_for(looped, "loops without a forecast")


@pytest.mark.slow
def test_live_start_when_the_model_folder_holds_a_pickle_or_a_hostile_graph_then_none_of_it_runs(
    tmp_path: Path, url: str, state: ExchangeState, account: Customer
) -> None:
    config, arguments = configuration(url), write_strategy(tmp_path, STRATEGY)
    desk, ran = Commands(tmp_path / "user_data"), tmp_path / "ran"
    with running_bot(tmp_path, config, *arguments) as bot:
        bot.wait_for(lambda: "spent training pairlist" in bot.log(), "a trained model")
    models = tmp_path / "user_data" / "models"
    (file,) = models.rglob("*_model.arrays")
    sound, stem = file.read_bytes(), str(file).removesuffix("_model.arrays")
    folder = file.parent.parent
    for path in (folder / "historic_predictions.pkl", *(Path(f"{stem}{n}") for n in PICKLED)):
        path.write_bytes(pickle.dumps({BTC: Marks(ran)}))
    before = len(bot.log())
    with running_bot(tmp_path, config, *arguments) as bot:
        bot.wait_for(lambda: "1" in forecasts(bot, before), "a forecast of the saved model")
        bot.wait_for(lambda: account.open_algos(), "an entry on it, and its stop")
        held, ordered = float(account.position("BTCUSDT").amount), len(account.orders)
        assert [float(a.quantity) for a in account.open_algos()] == [held]
    assert not ran.exists()
    for hostile, why in (
        (pickle.dumps({BTC: Marks(ran)}), "cannot read the arrays"),
        (changed(sound, external_data), "the network's graph is not one to run"),  # nor tried
        (changed(sound, endless_loop), "the network's graph is not one to run"),
    ):
        file.write_bytes(hostile)
        before = len(bot.log())
        with running_bot(tmp_path, config, *arguments) as bot:
            told = f"{REFUSED}\n{why}"
            bot.wait_for(lambda start=before, t=told: t in bot.log()[start:], told)
            loops(bot, desk)
            assert "1" not in forecasts(bot, before)
            # Looked after all the same: held as it was, and its stop stands.
            assert float(account.position("BTCUSDT").amount) == held
            assert [float(a.quantity) for a in account.open_algos()] == [held]
    assert len(account.orders) == ordered
    assert not ran.exists()
