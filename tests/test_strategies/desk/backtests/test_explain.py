"""`breakwater explain` on a run whose model repeats one feature: what comes out is known."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import shutil
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.base import columns
from models.base.errors import PackError
from models.base.types import Artifact
from models.base.units import HOUR_MS
from models.data.features.candles import candle_features
from models.reports.backtest.record import TradeRecord
from models.serve.drift import fit_drift
from models.serve.predictor import Predictor
from models.serve.saved import predictor_from_bytes, predictor_to_bytes
from strategies.desk.backtests.data import MARKER, load_checked, write_simulated
from strategies.desk.backtests.explain import ExplainOptions, chosen, drivers_of, run_explain
from strategies.desk.backtests.saved_run import PairForecasts, SavedRun
from strategies.desk.cli import main
from tests.hostile import Marks
from tests.test_contract.echo import CONTEXT, echo_artifact, graph_of, plain_calibration

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
START = datetime(2024, 1, 1, tzinfo=UTC)
START_MS = 1_704_067_200_000
FIRST, ROWS = 24 * 25, 48  # hours of the run's first candle, and its candles
SETTINGS = {
    "feature_parameters": {
        "include_timeframes": ["1h"], "include_corr_pairlist": [ETH],
        "indicator_periods_candles": [1], "include_shifted_candles": 0,
    },
    "model_training_parameters": {},
    "identifier": "bitcoin--0123456789ab",
}  # fmt: skip


def hour(n: int) -> int:
    return START_MS + n * HOUR_MS


def iso(n: int) -> str:
    return datetime.fromtimestamp(hour(n) / 1000, tz=UTC).strftime("%Y-%m-%dT%H:%M")


@pytest.fixture(scope="module")
def datadir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("market") / "data"
    write_simulated(folder, start=START, days=30)
    (folder / MARKER).unlink()
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, datadir: Path) -> Path:
    """A user directory as a run leaves it; its model repeats BTC's return of one candle."""
    userdir = tmp_path_factory.mktemp("run")
    model_dir = userdir / "models" / SETTINGS["identifier"]
    (model_dir / "backtesting_predictions").mkdir(parents=True)
    params = {"freqai": SETTINGS, "timeframe": "1h", "pairs": [BTC], "stake_currency": "USDT"}
    (model_dir / "run_params.json").write_text(json.dumps(params), encoding="utf-8")
    run = SavedRun(model_dir=model_dir, datadir=datadir, strategy="BitcoinCrossMargin")
    names, times, rows = run.features(BTC, hour(FIRST), hour(FIRST + ROWS))

    predictor = Predictor(artifact(names))
    folder = model_dir / f"sub-train-BTC_{hour(FIRST) // 1000}"
    folder.mkdir()
    (folder / "cb_btc_1_model.arrays").write_bytes(predictor_to_bytes(predictor))
    forecast = pd.DataFrame(predictor.predict(rows, times, names)).assign(
        date=pd.to_datetime(times, unit="ms", utc=True)
    )
    forecast["do_predict"] = np.isfinite(forecast[columns.P_UP]).astype(int)
    forecast.fillna(0.0).to_feather(
        model_dir / "backtesting_predictions" / "cb_btc_1_prediction.feather"
    )
    report = userdir / "reports" / "backtest-20240101T000000Z"
    report.mkdir(parents=True)
    told = {
        "run": {"strategy": "BitcoinCrossMargin"},
        "provenance": {"datadir": str(datadir)},
    }
    (report / "report.json").write_text(json.dumps(told), encoding="utf-8")
    return userdir


def artifact(names: tuple[str, ...]) -> Artifact:
    """The echo over the strategy's features: it repeats the first of them."""
    onnx, manifest = graph_of(names), echo_artifact().manifest
    flat = {"mean": [0.0] * len(names), "std": [1.0] * len(names), "threshold": 100.0}
    more = {
        "feature_names": list(names),
        "calibration": plain_calibration(names),
        "novelty": flat,
        "drift": fit_drift(np.zeros((1, len(names)), np.float32)),
        "onnx_sha256": Artifact.digest(onnx),
    }
    return Artifact(onnx=onnx, manifest={**manifest, **more})


@pytest.fixture
def userdir(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(made, tmp_path / "user"))


def model_dir(userdir: Path) -> Path:
    return userdir / "models" / str(SETTINGS["identifier"])


def saved(userdir: Path, datadir: Path) -> SavedRun:
    return SavedRun(model_dir=model_dir(userdir), datadir=datadir, strategy="BitcoinCrossMargin")


def refusal(userdir: Path, **changes: Any) -> str:
    options = ExplainOptions(**{"time": iso(FIRST + 20), "userdir": userdir, **changes})
    with pytest.raises(PackError) as error:
        run_explain(options)
    return str(error.value)


# -- features -------------------------------------------------------------------------------------


def test_features_when_computed_again_then_they_are_those_of_their_own_pair_and_candle(
    made: Path, datadir: Path
) -> None:
    names, times, rows = saved(made, datadir).features(BTC, hour(FIRST), hour(FIRST + 10))
    assert times.tolist() == [hour(FIRST + i) for i in range(10)]
    for pair in (BTC, ETH):
        candles = load_checked(datadir, pair, "1h")
        expected = candle_features(candles)["return_4"][FIRST : FIRST + 10]
        column = names.index(f"%-return_4_gen_{pair.replace(':', '')}_1h")
        np.testing.assert_allclose(rows[:, column], expected, rtol=1e-5)


# -- the command ----------------------------------------------------------------------------------


def test_explain_when_the_model_repeats_one_feature_then_the_table_names_it(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "--time", iso(FIRST + 20), "--userdir", str(made)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{BTC}, forecast at the close of the candle of 2024-01-26 20:00 UTC"
    table = lines[lines.index("") + 3 :]
    assert table[1].split()[2:] == ["BTC", "return_1", "last"]
    assert "others" in table[2]


def test_explain_when_the_time_has_a_zone_then_it_is_the_same_candle(made: Path) -> None:
    assert main(["explain", "--time", f"{iso(FIRST + 22)}+02:00", "--userdir", str(made)]) == 0


def test_explain_when_something_is_wrong_then_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "--time", "2024-01-01", "--userdir", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: no finished run to explain")
    assert "make demo" in said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"time": "noon"}, "expected a time such as 2025-06-01T12:00, got 'noon'"),
        ({"time": iso(FIRST - 1)}, "from 2024-01-26 00:00 UTC to 2024-01-27 23:00 UTC"),
        ({"time": iso(FIRST + 20).replace(":00", ":30")}, "give a candle's open time"),
        ({"time": iso(FIRST + CONTEXT - 2)}, "warm-up"),
        ({"pair": "LTC/USDT:USDT"}, "the newest run has no LTC/USDT:USDT; it has BTC/USDT:USDT"),
        ({"target": "luck"}, "expected a target among"),
        ({"top": 0}, "expected top >= 1"),
    ],
)
def test_explain_when_an_option_is_wrong_then_it_says_what_there_is(
    made: Path, changes: dict[str, Any], said: str
) -> None:
    assert said in refusal(made, **changes)


def test_explain_when_the_model_was_deleted_then_it_says_so(userdir: Path) -> None:
    for path in model_dir(userdir).glob("sub-train-*/*.arrays"):
        path.unlink()
    assert "save_backtest_models" in refusal(userdir)


def test_explain_when_the_candles_are_not_the_runs_then_refused(
    userdir: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    write_simulated(other, start=START, days=30, seed=99)
    said = refusal(userdir, data=other)
    assert "does not come out again" in said
    assert "--data" in said


def test_explain_when_a_file_is_no_model_of_the_pack_then_refused(userdir: Path) -> None:
    (path,) = model_dir(userdir).glob("sub-train-*/*.arrays")
    sound = path.read_bytes()
    for other in (pickle.dumps(Marks(userdir / "ran")), b"half a fi", sound[:-1], sound + b"x"):
        path.write_bytes(other)
        assert "cannot read the arrays" in refusal(userdir)
    path.unlink()
    os.mkfifo(path)
    assert "expected a regular file, got a FIFO" in refusal(userdir)
    assert not (userdir / "ran").exists()
    pickle.loads(pickle.dumps(Marks(userdir / "ran")))  # the control: that pickle does run
    assert (userdir / "ran").exists()


# -- the report -----------------------------------------------------------------------------------


def trade(opened: int, profit: float) -> TradeRecord:
    return TradeRecord(
        pair=BTC, side=1, open_ms=hour(opened), close_ms=hour(opened + 2), open_rate=1.0,
        close_rate=1.0, amount_base=1.0, leverage=1.0, stake_quote=1.0, fee_quote=0.0,
        funding_quote=0.0, profit_quote=profit,
    )  # fmt: skip


def record(*trades: TradeRecord) -> Any:
    return SimpleNamespace(trades=trades, candle_ms=HOUR_MS, pairs=(BTC,))


def test_drivers_when_there_are_trades_then_the_candle_before_each_entry_is_explained(
    made: Path, datadir: Path
) -> None:
    trades = [trade(FIRST + 10, 5.0), trade(FIRST + 20, -5.0), trade(FIRST + 30, 1.0)]
    found = drivers_of(record(*trades), model_dir(made), datadir, "BitcoinCrossMargin")
    assert found.missing == ""
    assert [(f.which, f.explanation.time_ms) for f in found.forecasts] == [
        ("best trade", hour(FIRST + 9)),
        ("worst trade", hour(FIRST + 19)),
        ("latest trade", hour(FIRST + 29)),
    ]
    assert found.overview[BTC].by_feature[0]["feature"] == "BTC return_1"
    assert found.overview[BTC].by_age[1]["value"] == pytest.approx(0, abs=1e-6)


def test_drivers_when_one_trade_is_the_best_and_the_latest_then_it_is_shown_once(
    made: Path, datadir: Path
) -> None:
    both = record(trade(FIRST + 10, -1.0), trade(FIRST + 20, 5.0))
    pairs = {BTC: PairForecasts(saved(made, datadir), BTC)}
    assert chosen(both, pairs) == [
        ("best, latest trade", BTC, hour(FIRST + 19)),
        ("worst trade", BTC, hour(FIRST + 9)),
    ]


def test_drivers_when_nothing_was_traded_then_the_latest_forecast_is_explained(
    made: Path, datadir: Path
) -> None:
    pairs = {BTC: PairForecasts(saved(made, datadir), BTC)}
    assert chosen(record(), pairs) == [("latest forecast", BTC, hour(FIRST + ROWS - 1))]


def test_drivers_when_the_models_are_gone_then_the_report_says_so(
    userdir: Path, datadir: Path
) -> None:
    shutil.rmtree(next(model_dir(userdir).glob("sub-train-*")))
    found = drivers_of(record(), model_dir(userdir), datadir, "BitcoinCrossMargin")
    assert "the model behind the forecast" in found.missing
    assert found.forecasts == ()


def test_forecaster_when_trained_twice_then_the_later_training_before_the_candle_answers(
    userdir: Path, datadir: Path
) -> None:
    (first,) = model_dir(userdir).glob("sub-train-*")
    second = first.with_name(f"sub-train-BTC_{hour(FIRST + 24) // 1000}")
    second.mkdir()
    predictor = predictor_from_bytes((first / "cb_btc_1_model.arrays").read_bytes())
    manifest = {**predictor.manifest, "title": "second"}
    later = Predictor(dataclasses.replace(predictor.artifact, manifest=manifest))
    (second / "cb_btc_2_model.arrays").write_bytes(predictor_to_bytes(later))
    forecasts = PairForecasts(saved(userdir, datadir), BTC)
    titles = [forecasts.forecaster(hour(FIRST + h)).manifest["title"] for h in (23, 24)]
    assert titles == ["echo", "second"]


# -- which run, beside others ---------------------------------------------------------------------


def test_explain_when_a_hedge_ran_since_then_the_newest_backtest_is_still_the_one(
    userdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hedge = userdir / "models" / "litecoin_hedge--0123456789ab"
    shutil.copytree(model_dir(userdir), hedge)
    for path in (hedge / "backtesting_predictions").glob("*.feather"):
        pd.read_feather(path).assign(**{columns.P_MAINTAIN: 0.4}).to_feather(path)
    os.utime(hedge / "run_params.json", (2_000_000_000, 2_000_000_000))
    assert main(["explain", "--time", iso(FIRST + 20), "--userdir", str(userdir)]) == 0
    assert str(SETTINGS["identifier"]) in capsys.readouterr().out


def test_explain_when_newer_reports_are_of_other_kinds_or_runs_then_its_own_is_read(
    userdir: Path, tmp_path: Path
) -> None:
    reports = userdir / "reports"
    (own,) = reports.glob("backtest-*/report.json")
    n = json.loads(own.read_text())
    own.write_text(json.dumps({**n, "provenance": {
        **n["provenance"], "model_dir": str(model_dir(userdir))}}))  # fmt: skip
    stress = {"run": {"strategy": "None"}, "provenance": {"datadir": "/nowhere"}}
    other = {"run": {"strategy": "Other"}, "provenance": {"datadir": "/nowhere", "model_dir": "x"}}
    for name, numbers in (("stress", stress), ("backtest", other)):
        (reports / f"{name}-20300101T000000Z").mkdir()
        (reports / f"{name}-20300101T000000Z" / "report.json").write_text(json.dumps(numbers))
    (reports / "backtest-20310101T000000Z").mkdir()
    (reports / "backtest-20310101T000000Z" / "report.json").write_text('{"run": ')
    assert main(["explain", "--time", iso(FIRST + 20), "--userdir", str(userdir)]) == 0
