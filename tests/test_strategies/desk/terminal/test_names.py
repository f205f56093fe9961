"""Names a person types: every model has one, and a wrong one ends at once with the nearest."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import ccxt
import pytest

from models.base.errors import ConfigError
from models.learn import catalog
from strategies.desk.cli import main
from strategies.desk.terminal.names import (
    TIMEFRAMES,
    class_names,
    model_class,
    model_key,
    network_key,
    pair_name,
    require_class,
    timeframe_name,
)
from tests.places import ROOT, USER_DATA


@pytest.mark.parametrize("key", catalog.names())
def test_model_when_it_is_named_then_tables_classes_and_pages_have_one_name(key: str) -> None:
    spec, page = catalog.load(key), (USER_DATA / "docs" / "models.md").read_text(encoding="utf-8")
    assert spec.forecaster == catalog.forecasters()[key]
    assert spec.title == catalog.titles()[key] == spec.forecaster.removesuffix("Forecaster")
    assert (ROOT / "freqaimodels" / f"{spec.forecaster}.py").is_file()
    assert f"| {spec.title} | `{spec.forecaster}` |" in page
    for word in (key, spec.forecaster, spec.title, spec.forecaster.lower(), key.upper()):
        assert model_key(word) == network_key(word) == key
        assert model_class(word) == spec.forecaster


@pytest.mark.parametrize(
    ("kind", "word", "said"),
    [
        (model_key, "LTSMForecaster", "did you mean LSTMForecaster?"),
        (model_key, "ltsm", "did you mean LSTMForecaster?"),
        (model_key, "wavnet", "did you mean WaveNetForecaster?"),
        (network_key, "zzzForecaster", "unknown model 'zzzForecaster'. Known: A2CForecaster"),
        (pair_name, "BTC/USDT", "did you mean BTC/USDT:USDT?"),
        (pair_name, "btcusdt", "did you mean BTC/USDT:USDT?"),
        (pair_name, "LTC", "did you mean LTC/USDT:USDT?"),
        (pair_name, "../etc", "expected a perpetual as in BTC/USDT:USDT, got '../etc'"),
        (timeframe_name, "60m", "expected a timeframe of Binance's, got '60m'"),
        (timeframe_name, "1hh", "did you mean 1h?"),
    ],
)
def test_name_when_it_is_typed_wrong_then_the_nearest_is_named(
    kind: Callable[[str], str], word: str, said: str
) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as refused:
        kind(word)
    assert said in str(refused.value)


def test_name_when_it_is_right_then_it_is_taken_as_it_is() -> None:
    assert network_key("none") == "none"
    assert pair_name("1000SHIB/USDT:USDT") == "1000SHIB/USDT:USDT"
    assert timeframe_name("1M") == "1M"
    assert model_class("LightGBMRegressor") == "LightGBMRegressor"  # Freqtrade's own


def test_timeframes_when_listed_then_they_are_the_exchanges_own() -> None:
    assert set(TIMEFRAMES) == set(ccxt.binance().timeframes) - {"1s"}


def test_class_when_no_folder_has_it_then_the_nearest_is_named_and_nothing_is_imported(
    tmp_path: Path,
) -> None:
    (tmp_path / "Mine.py").write_text("raise SystemExit\nclass MineOwn(Base):\n    pass\n")
    assert class_names([tmp_path, tmp_path / "nowhere"]) == {"MineOwn"}
    require_class("model", "MineOwn", [tmp_path])
    with pytest.raises(ConfigError, match=r"unknown model 'MinOwn'; did you mean MineOwn\?"):
        require_class("model", "MinOwn", [tmp_path])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["demo", "--model", "LTSMForecaster"], "did you mean LSTMForecaster?"),
        (["demo", "--strategy", "BitcoinCrosMargin"], "did you mean BitcoinCrossMargin?"),
        (["hedge-report", "--model", "HedgForecaster"], "did you mean HedgeForecaster?"),
        (["compare", "--data", "x", "--models", "lstm", "xgbost"], "mean XGBoostForecaster?"),
        (["compare", "--data", "x", "--reference", "volatile"], "mean VolatilityForecaster?"),
        (["compare", "--data", "x", "--pair", "BTC/USDT"], "did you mean BTC/USDT:USDT?"),
        (["cascades", "--network", "hedgee"], "did you mean HedgeForecaster?"),
        (["exposure", "--model", "volatilty"], "did you mean VolatilityForecaster?"),
        (["probe", "planted", "--model", "lsmt"], "did you mean LSTMForecaster?"),
        (["stress", "--pair", "LTCUSDT"], "did you mean LTC/USDT:USDT?"),
        (["liquidation", "--data", "x", "--timeframe", "1hour"], "got '1hour'. One of 1m, 3m"),
        (["simulate", "x", "--timeframe", "5min"], "did you mean 5m?"),
        (["claims", "delay", "--data", "x", "--pair", "BTC"], "did you mean BTC/USDT:USDT?"),
    ],
)
def test_command_when_a_name_is_wrong_then_it_ends_before_anything_is_read_or_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    words: list[str], said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    try:
        code = main(words)
    except SystemExit as stopped:
        code = int(str(stopped.code))
    assert code == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
