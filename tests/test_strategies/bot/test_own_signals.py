"""Own signals: any rule may be written, the pack sizes, stops and guards it all the same."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from freqtrade.exceptions import OperationalException

from models.base import columns
from models.trade.risk import model
from models.trade.risk.run import GUARDS, OWN_SIGNALS
from strategies.bot.own_signals import OwnSignalsStrategy
from tests.test_strategies.worlds import (
    NOW,
    OPENED,
    PAIR,
    RATE,
    Provider,
    Wallets,
    config,
    confirm,
    running,
    stake,
)

pytestmark = pytest.mark.usefixtures("open_trades")

META = {"pair": PAIR}
HOURLY = 0.005  # volatility of a candle of the frames below
OF_A_FORECAST = {"calibrated", "in_distribution", "not_drifted", "no_cascade"}


class Falls(OwnSignalsStrategy):
    """Buys a fall."""

    timeframe = "1h"

    def populate_indicators(self, dataframe: pd.DataFrame, metadata: dict[str, Any]) -> Any:
        return dataframe.assign(fall=dataframe["close"].pct_change() < 0)

    def populate_entry_trend(self, dataframe: pd.DataFrame, metadata: dict[str, Any]) -> Any:
        return dataframe.assign(enter_long=dataframe["fall"].astype(int))

    def populate_exit_trend(self, dataframe: pd.DataFrame, metadata: dict[str, Any]) -> Any:
        return dataframe


class Crowded(Falls):
    """Names a column as the pack names its volatility."""

    def populate_indicators(self, dataframe: pd.DataFrame, metadata: dict[str, Any]) -> Any:
        return dataframe.assign(sigma=1.0)


def candles(n: int = 400, step: float = HOURLY) -> pd.DataFrame:
    """Closes that go up and down by `step`, the last of them at 100."""
    close = RATE * np.exp(step * (np.arange(n)[::-1] % 2))
    dates = pd.date_range(end=OPENED, periods=n, freq="1h")
    return pd.DataFrame({"date": dates, "open": close, "high": close, "low": close,
                         "close": close, "volume": 1e7})  # fmt: skip


def made(folder: Path, kind: type[OwnSignalsStrategy] = Falls, **blocks: Any) -> Any:
    given = {"limits": {"max_order_equity_frac": 2.0}}
    return kind(config(user_data_dir=folder, breakwater=given, **blocks))


def ready(folder: Path, frame: pd.DataFrame | None = None, **columns_: Any) -> Any:
    s = made(folder)
    told = s.advise_indicators(candles() if frame is None else frame, {"pair": PAIR})
    s.dp, s.wallets = Provider(told.assign(**columns_)), Wallets(10_000.0)
    return running(s)


def test_entry_when_the_signal_is_a_persons_own_then_it_is_sized_by_the_past_volatility(
    tmp_path: Path,
) -> None:
    s = ready(tmp_path)
    # 0.5 % an hour is 1 % over four: a stop of three of them, 2 % of equity at risk.
    (row,) = s.dp.frame.tail(1).to_dict("records")
    assert row[columns.SIGMA] == pytest.approx(HOURLY * 2)
    wanted = 10_000 * s.sizing.risk_per_trade_frac / (3 * HOURLY * 2)
    assert stake(s) * 2.0 == pytest.approx(wanted, rel=1e-6)  # at a leverage of 2
    assert confirm(s, amount=wanted / RATE)
    wild = ready(tmp_path, candles(step=2 * HOURLY))
    assert stake(wild) == pytest.approx(stake(s) / 2, rel=1e-6)


def test_entry_when_volatility_is_not_known_then_there_is_none(tmp_path: Path) -> None:
    for frame in (candles(100), candles(step=0.0)):
        s = ready(tmp_path, frame)
        assert stake(s) == 0.0
        assert not confirm(s, amount=1.0)


@pytest.mark.parametrize("word", [0, 2, -1, math.nan])
def test_entry_when_freqai_does_not_vouch_for_its_answer_then_there_is_none(
    tmp_path: Path, word: float
) -> None:
    s = ready(tmp_path, do_predict=word)
    assert stake(s) == 0.0
    assert not confirm(s, amount=1.0)


def test_entry_when_beyond_a_hard_limit_then_it_is_cut_as_ever(tmp_path: Path) -> None:
    s = ready(tmp_path)
    assert not confirm(s, amount=1e4)  # a hundred times the account
    s.dp.frame = s.dp.frame.assign(volume=1.0)
    assert stake(s) == 0.0  # of a market that trades nothing


def test_guards_when_listed_then_only_those_of_a_forecast_are_left_out(tmp_path: Path) -> None:
    assert {g.name for g in GUARDS} - {g.name for g in OWN_SIGNALS} == OF_A_FORECAST
    assert made(tmp_path).guards == OWN_SIGNALS
    assert any(g.check is model.forecast_trusted for g in OWN_SIGNALS)


def test_column_when_it_has_a_name_the_guards_read_then_it_is_refused_by_name(
    tmp_path: Path,
) -> None:
    with pytest.raises(OperationalException, match=r"Crowded wrote .*: sigma; give"):
        made(tmp_path, Crowded).advise_indicators(candles(), {"pair": PAIR})


def test_own_labels_when_they_bear_the_packs_names_then_they_stay(tmp_path: Path) -> None:
    s = made(tmp_path)
    frame = s.advise_indicators(candles().assign(**{"&-return": 0.25}), {"pair": PAIR})
    assert (frame["&-return"] == 0.25).all()
    assert frame[columns.P_UP].isna().all()


def test_volatility_when_the_future_changes_then_it_stays(tmp_path: Path) -> None:
    s, frame = made(tmp_path), candles()
    other = frame.copy()
    other.loc[300:, ["open", "high", "low", "close"]] *= 1.7
    a, b = (s.advise_indicators(f, {"pair": PAIR})[columns.SIGMA] for f in (frame, other))
    assert a[:300].equals(b[:300])
    assert not a.equals(b)


def test_settings_when_the_models_block_is_its_own_then_the_pack_does_not_read_it(
    tmp_path: Path,
) -> None:
    s = made(tmp_path, freqai={"model_training_parameters": {"alpha": 3.0}})
    assert s.labels.horizon_candles == Falls.stop_horizon_candles


def test_answer_when_asked_why_not_then_it_speaks_of_signals_not_of_a_forecast(
    tmp_path: Path,
) -> None:
    def answer(frame: pd.DataFrame, **columns_: Any) -> tuple[str, str]:
        s = made(tmp_path)
        told = s.advise_exit(s.advise_entry(s.advise_indicators(frame, META), META), META)
        stop = s.forecast_stop(PAIR, told.assign(**columns_).iloc[-1], NOW)
        return ("", "") if stop is None else (str(stop.rule), stop.why)

    rising, falling = candles(), candles().iloc[:-1]
    assert answer(falling) == ("direction", "the strategy gives no entry signal on this candle")
    assert answer(rising) == ("", "")
    assert answer(rising, do_predict=2)[1].endswith("older than freqai.expiration_hours")
    assert answer(rising.tail(50)) == ("trusted", "the volatility of the last candles is not known")
    s = made(tmp_path)
    row = s.advise_indicators(rising, META).iloc[-1]
    assert s.forecast_words(row) == "volatility 1.00% over 4 candles"


class _OfThePack:
    """As a model of the pack: it books late."""

    def catch_up(self) -> None:
        raise AssertionError


def test_start_when_the_model_is_the_packs_then_it_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = made(tmp_path)
    monkeypatch.setattr("strategies.bot.guarded.check_all", lambda _: None)
    monkeypatch.setattr(s, "_gate_missing", lambda: "")
    s.control, s.freqai = None, _OfThePack()
    with pytest.raises(OperationalException, match=r"got _OfThePack of the pack.*\n.*--freqaimod"):
        s.bot_start()
    s.freqai = object()
    s.bot_start()
