"""`breakwater cascades`: the command on a simulated market, its feeds, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.base.errors import ConfigError, InputError
from strategies.desk.backtests.simulated_data import write_simulated
from strategies.desk.studies.cascade_labels import tiers
from strategies.desk.studies.cascades import CascadeOptions, load_coins
from strategies.desk.studies.feed_files import BAR_MS, liquidations, read_open_interest
from tests.places import ROOT


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_simulated(tmp_path_factory.mktemp("simulated") / "data")


@pytest.fixture
def feeds(tmp_path: Path) -> Path:
    dates = pd.date_range("2023-01-01", periods=2000, freq="4h", tz="UTC")
    rng = np.random.default_rng(0)
    pd.DataFrame({"date": dates, "close": np.exp(rng.normal(size=2000) / 100)}).to_parquet(
        tmp_path / "coinglass_oi_agg_ohlc_BTC_4h.parquet"
    )
    pd.DataFrame(
        {"date": dates, "aggregated_long_liquidation_usd": rng.lognormal(size=2000),
         "aggregated_short_liquidation_usd": rng.lognormal(size=2000)}
    ).to_parquet(tmp_path / "coinglass_liquidation_BTC_4h.parquet")  # fmt: skip
    return tmp_path


@pytest.mark.slow
def test_command_when_typed_then_hazards_and_a_network_are_measured(
    data: Path, tmp_path: Path
) -> None:
    """The command itself with the real training worker, on the simulated market."""
    typed = ["cascades", "--data", str(data), "--folds", "1", "--start", "2025-07-01"]
    typed += ["--max-steps", "3", "--userdir", str(tmp_path / "user")]
    done = subprocess.run(
        [sys.executable, "-m", "strategies.desk.cli", *typed],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(
        (tmp_path / "user" / "reports" / "latest-cascades" / "report.json").read_text()
    )
    names = {row["name"] for row in report["tables"][0]["rows"]}
    assert {"Constant", "Hawkes", "Hedge", "Boosted trees on candles"} <= names
    (training,) = report["run"]["trainings"]
    assert training["hazard_source"] in ("network", "boosted trees", "constant")
    assert training["hazard_validation_loss"]["network_gain"] is not None
    assert "| Hawkes | " in done.stdout


def test_feeds_when_they_are_bars_then_they_count_from_their_end(feeds: Path, data: Path) -> None:
    ends, interest = read_open_interest(feeds, "BTC")
    assert ends[0] == pd.Timestamp("2023-01-01 04:00", tz="UTC").value // 10**6
    assert len(read_open_interest(feeds, "LTC")[0]) == len(read_open_interest(None, "BTC")[0]) == 0
    assert len(liquidations(feeds, "BTC", 1)[0]) == 2000
    options = CascadeOptions(data=data, feeds=feeds, network="")
    btc = next(c for c in load_coins(options, 24) if c.name == "BTC")
    told = btc.feeds[:, btc.feed_names.index("interest_1d")]
    first = np.flatnonzero(np.isfinite(told))[0]
    close = btc.time_ms[first] + 3_600_000
    assert close - 3_600_000 < ends[6] + 300_000 <= close  # a day of bars, and the lag
    changed = interest.copy()
    changed[7:] *= 2
    frame = pd.DataFrame({"date": pd.to_datetime(ends - BAR_MS, unit="ms"), "close": changed})
    frame.to_parquet(feeds / "coinglass_oi_agg_ohlc_BTC_4h.parquet")
    again = next(c for c in load_coins(options, 24) if c.name == "BTC")
    before = btc.time_ms + 3_600_000 < ends[7] + 300_000
    other = again.feeds[:, again.feed_names.index("interest_1d")]
    np.testing.assert_array_equal(told[before], other[before])
    assert {row["coin"] for row in tiers([again], feeds)} == {"BTC"}


def test_feeds_when_a_column_is_missing_then_the_file_is_named(feeds: Path) -> None:
    name = feeds / "coinglass_oi_agg_ohlc_BTC_4h.parquet"
    pd.read_parquet(name).rename(columns={"close": "price"}).to_parquet(name)
    with pytest.raises(InputError, match="got none called close"):
        read_open_interest(feeds, "BTC")


def test_options_when_wrong_then_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown model 'hegde'"):
        CascadeOptions(data=tmp_path, network="hegde")
    with pytest.raises(ConfigError, match="unknown schemes"):
        CascadeOptions(data=tmp_path, schemes=("random",))
    with pytest.raises(ConfigError, match="folds >= 1"):
        CascadeOptions(data=tmp_path, folds=0)
    with pytest.raises(ConfigError, match="expected DOGE among the coins"):
        CascadeOptions(data=tmp_path, hedged="DOGE")
