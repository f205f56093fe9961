"""`breakwater probe`: each control says what it found, fails where it must, as typed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from models.base.errors import ConfigError
from models.base.types import Candles, FloatArray
from strategies.desk.backtests.simulated_data import write_simulated
from strategies.desk.cli import main
from strategies.desk.studies import probe
from strategies.desk.studies.probe import PROBES, ProbeOptions

SHORT = ("--train-days", "150", "--test-days", "40")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_simulated(tmp_path_factory.mktemp("data"), seed=3, days=290)


def typed(data: Path, tmp_path: Path, *words: str) -> int:
    return main(
        ["probe", *words, *SHORT, "--data", str(data), "--userdir", str(tmp_path / "user_data")]
    )


def test_altered_future_when_nothing_looks_ahead_then_it_holds_and_its_control_is_caught(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(data, tmp_path, "altered-future", "--model", "volatility") == 0
    told = capsys.readouterr().out
    assert told.count("features equal bit for bit, training rows equal bit for bit, forecasts") == 5
    assert "control, a column that looks one candle ahead: DIFFER at row" in told
    assert "held: nothing known at a candle changed" in told


def test_altered_future_when_a_feature_looks_ahead_then_it_is_found_everywhere(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = probe.market_features

    def cheating(market: Candles, candle_ms: int) -> Mapping[str, FloatArray]:
        features = dict(honest(market, candle_ms))
        name = next(iter(features))
        return features | {name: np.append(features[name][1:], features[name][-1])}

    monkeypatch.setattr(probe, "market_features", cheating)
    assert typed(data, tmp_path, "altered-future", "--model", "linear", "--max-steps", "20") == 1
    told = capsys.readouterr().out
    assert "LOOK-AHEAD" in told
    assert told.count("features DIFFER") == 5
    assert "forecasts DIFFER" in told


def test_shuffled_when_labels_are_in_random_order_then_nothing_is_known_and_true_ones_are_not(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert typed(data, tmp_path, "shuffled", "--model", "volatility") == 0
    assert "held: trained on labels in random order it knows nothing" in capsys.readouterr().out
    monkeypatch.setattr(probe, "shuffled_labels", lambda labels, rng: dict(labels))  # not shuffled
    assert typed(data, tmp_path, "shuffled", "--model", "volatility") == 1
    assert "INVENTED: skill in volatility" in capsys.readouterr().out


def test_planted_when_a_model_reads_the_feature_then_it_is_found_and_else_it_is_said(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(data, tmp_path, "planted", "--model", "boosted") == 0
    assert "held: the direction that was planted is found" in capsys.readouterr().out
    assert typed(data, tmp_path, "planted", "--model", "volatility") == 1
    assert "NOT FOUND" in capsys.readouterr().out


def test_oracle_when_run_then_it_trains_nothing_and_says_where_the_rules_break_even(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(data, tmp_path, "oracle") == 0
    told = capsys.readouterr().out
    assert " 0.50 " in told
    assert told.count("break-even AUC") == 2
    assert not (tmp_path / "user_data").exists()


def test_probe_when_a_name_is_wrong_then_the_error_says_which_are_known(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        typed(data, tmp_path, "planted", "--model", "ltsm")
    assert refused.value.code == 2
    assert "unknown model 'ltsm'" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="unknown probe 'orcale'"):
        ProbeOptions(kind="orcale", data=data)


def test_probe_when_its_kinds_are_listed_then_the_command_takes_the_same() -> None:
    for kind in PROBES:
        with pytest.raises(SystemExit) as left:
            main(["probe", kind, "--help"])
        assert left.value.code == 0
    with pytest.raises(SystemExit) as left:
        main(["probe", "orcale"])
    assert left.value.code == 2
