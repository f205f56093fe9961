"""Styles: configs fit their candles, and numbers read at other candles are refused by name."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from freqtrade.configuration import Configuration
from freqtrade.enums import RunMode
from freqtrade.exceptions import OperationalException
from freqtrade.resolvers.strategy_resolver import StrategyResolver

from models.base.errors import ConfigError, InputError
from models.data.labels.settings import LabelSettings
from models.learn import catalog
from models.learn.training.settings import ModelSettings
from models.trade.decision.sizing import SizingConfig
from models.trade.risk.limits import HardLimits
from strategies.bot.config import pack_config
from strategies.bot.data_check import check_backtest_data
from strategies.bot.styles import STYLES, Style, refuse_unfit, require_own_candles
from strategies.desk.backtests.simulated_data import write_simulated
from tests.places import ROOT, USER_DATA


def shipped(style: Style) -> dict[str, Any]:
    config: dict[str, Any] = Configuration.from_files([str(USER_DATA / STYLES[style].config)])
    return config


def unfit(**other: Any) -> None:
    given: dict[str, Any] = {
        "config": {"timeframe": "1h"}, "labels": LabelSettings(), "sizing": SizingConfig(),
        "limits": HardLimits(), "stoploss": -0.5, "alarms": {"rate": 0.25},
    }  # fmt: skip
    refuse_unfit(**(given | other))


def test_styles_when_listed_then_every_one_has_a_config_and_known_models() -> None:
    assert set(STYLES) == set(Style) - {Style.NONE}
    on_disk = {path.name for path in USER_DATA.glob("config_style_*.json")}
    assert {made.config for made in STYLES.values()} == on_disk
    for made in STYLES.values():
        assert set(made.models) <= set(catalog.names())


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_style_when_its_config_is_read_then_all_of_it_is_about_its_own_candles(
    style: Style,
) -> None:
    config, made = shipped(style), STYLES[style]
    freqai = config["freqai"]
    labels = ModelSettings.from_blocks(freqai["model_training_parameters"], where="x").labels
    assert pack_config(config).style is style
    assert config["timeframe"] == made.timeframe
    assert freqai["feature_parameters"]["include_timeframes"] == [made.timeframe]
    assert freqai["feature_parameters"]["label_period_candles"] == labels.purge_candles
    assert pack_config(config).decision.max_hold_candles >= labels.horizon_candles


def test_styles_when_run_beside_each_other_then_no_two_share_models() -> None:
    names = [shipped(style)["freqai"]["identifier"] for style in STYLES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("style", "typed", "cure"),
    [
        (Style.SWING, "1h", "config_style_intraday_1h.json"),
        (Style.SCALP, "15m", "config_style_intraday_15m.json"),
        (Style.POSITION, "4h", "config_style_swing.json"),
    ],
)
def test_style_when_other_candles_are_typed_then_both_and_the_right_style_are_named(
    style: Style, typed: str, cure: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        pack_config({**shipped(style), "timeframe": typed})
    assert f"{style.value} is made for candles of {STYLES[style].timeframe}" in str(caught.value)
    assert f"got '{typed}'" in str(caught.value)
    assert cure in caught.value.cure


def test_style_when_no_style_has_the_candles_typed_then_the_cure_is_its_own() -> None:
    with pytest.raises(ConfigError) as caught:
        require_own_candles(Style.SCALP, {"timeframe": "3m"})
    assert "set it to 5m" in caught.value.cure
    assert "take user_data" not in caught.value.cure


def test_style_when_none_is_named_then_any_candles_pass() -> None:
    require_own_candles(Style.NONE, {"timeframe": "3m"})
    assert pack_config({"timeframe": "2h"}).style is Style.NONE


def test_style_when_misspelled_then_the_known_ones_are_named() -> None:
    with pytest.raises(ConfigError, match="scalp, intraday-15m, intraday-1h, swing, position"):
        pack_config({"breakwater": {"style": "scalping"}})


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_strategy_when_freqtrade_makes_it_at_other_candles_then_it_refuses_in_words(
    style: Style, tmp_path: Path
) -> None:
    config = {
        **shipped(style), "timeframe": "2h", "runmode": RunMode.BACKTEST,
        "user_data_dir": tmp_path, "strategy_path": str(ROOT / "strategies"),
    }  # fmt: skip
    with pytest.raises(OperationalException) as caught:
        StrategyResolver.load_strategy(config)
    assert f"the style {style.value} is made for candles" in str(caught.value)


def test_backtest_when_detail_candles_are_missing_then_it_stops_instead_of_doing_without(
    tmp_path: Path,
) -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    datadir = write_simulated(tmp_path / "data", start=start, days=20, timeframe="4h")
    config = {
        "datadir": datadir, "timeframe": "4h", "timerange": "20240105-20240115",
        "exchange": {"pair_whitelist": ["BTC/USDT:USDT"]},
    }  # fmt: skip
    check_backtest_data({**config, "timeframe_detail": "1h"}, 10)
    with pytest.raises(InputError, match=r"BTC_USDT_USDT-15m-futures\.feather"):
        check_backtest_data({**config, "timeframe_detail": "15m"}, 10)


def test_settings_when_they_are_the_defaults_then_they_fit_every_length_up_to_twelve_hours() -> (
    None
):
    for timeframe in ("1m", "5m", "1h", "4h", "12h"):
        unfit(config={"timeframe": timeframe})


def test_alarms_when_most_candles_would_lie_under_a_false_one_then_refused_with_the_most() -> None:
    # 24 candles of a day at one in four weeks: six sevenths of the time.
    with pytest.raises(ConfigError, match=r"expected rate of at most 0\.15, got 0\.25: an alarm"):
        unfit(config={"timeframe": "1d"})
    unfit(config={"timeframe": "1d"}, labels=LabelSettings(cascade_horizon_candles=14))


def test_stop_when_the_last_resort_is_closer_then_refused_with_both() -> None:
    wide = SizingConfig(max_stop_frac=0.25)
    with pytest.raises(ConfigError, match=r"of at most 0\.5, got 0\.25 x 3"):
        unfit(sizing=wide)
    unfit(sizing=wide, limits=HardLimits(max_leverage=2.0))


@pytest.mark.parametrize(("expires", "timeframe"), [(12, "1d"), (24, "1d"), (1, "1h")])
def test_models_when_they_expire_within_a_candle_then_refused(
    expires: float, timeframe: str
) -> None:
    labels = LabelSettings(cascade_horizon_candles=6)

    def lasting(hours: float, *, enabled: bool = True) -> None:
        freqai = {"enabled": enabled, "expiration_hours": hours}
        unfit(config={"timeframe": timeframe, "freqai": freqai}, labels=labels)

    with pytest.raises(ConfigError, match="would expire before it has answered"):
        lasting(expires)
    lasting(expires, enabled=False)
    lasting(25)
    lasting(0)  # no expiry, which the table of settings refuses


def test_settings_when_several_do_not_fit_then_all_are_listed() -> None:
    freqai = {"enabled": True, "expiration_hours": 6}
    with pytest.raises(ConfigError) as caught:
        unfit(config={"timeframe": "1d", "freqai": freqai}, sizing=SizingConfig(max_stop_frac=0.3))
    assert len(caught.value.cure.split("; ")) == 3
    assert caught.value.where == "settings at candles of 1d"
