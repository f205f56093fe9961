"""FreqAI's zeros become "no forecast" again; real forecasts are not touched."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.base import columns
from strategies.bot import frames


def forecasts(rows: int, do_predict: float = 1.0) -> pd.DataFrame:
    frame = pd.DataFrame(
        {name: np.linspace(0.1, 0.2, rows) for name in columns.FORECAST}
        | {columns.P_UP: 0.5, columns.P_FLAT: 0.3, columns.P_DOWN: 0.2, columns.ABSTAIN: 0.0}
    )
    return frame.assign(do_predict=do_predict, close=100.0)


def is_missing(frame: pd.DataFrame) -> list[bool]:
    """Return which rows say that there is no forecast, in every column and in both flags."""
    others = [name for name in columns.FORECAST if name != columns.ABSTAIN]
    empty = frame[others].isna().all(axis=1) & (frame[columns.ABSTAIN] == 1)
    whole = frame[list(columns.FORECAST)].notna().all(axis=1)
    assert (empty ^ whole).all()
    assert (frame.loc[empty, "do_predict"] != 1).all()
    return empty.tolist()


def test_forecasts_when_real_then_not_a_number_is_touched() -> None:
    frame = forecasts(5)
    pd.testing.assert_frame_equal(frames.restore_missing_forecasts(frame.copy()), frame)


def test_forecasts_when_rows_are_zero_or_nan_then_they_become_missing() -> None:
    frame = forecasts(5)
    frame.loc[1, list(columns.FORECAST)] = 0.0
    frame.loc[3, list(columns.FORECAST)] = np.nan
    out = frames.restore_missing_forecasts(frame)
    assert is_missing(out) == [False, True, False, True, False]
    assert out["do_predict"].tolist() == [1, 0, 1, 0, 1]
    assert (out["close"] == 100.0).all()


@pytest.mark.parametrize("flag", [0.0, 2.0, -1.0, -2.0])
def test_forecasts_when_freqai_does_not_vouch_then_they_become_missing_and_the_flag_stays(
    flag: float,
) -> None:
    out = frames.restore_missing_forecasts(forecasts(3, do_predict=flag))
    assert is_missing(out) == [True] * 3
    assert (out["do_predict"] == flag).all()


def test_forecasts_when_there_is_no_model_yet_then_all_columns_appear_empty() -> None:
    frame = forecasts(3, do_predict=0.0)[[*columns.LABELS, "do_predict", "close"]]
    out = frames.restore_missing_forecasts(frame.copy())
    assert set(columns.FORECAST) <= set(out.columns)
    assert is_missing(out) == [True] * 3


def test_forecasts_when_the_frame_is_empty_then_it_stays_empty() -> None:
    assert len(frames.restore_missing_forecasts(forecasts(0))) == 0


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_candles_when_read_from_a_frame_then_times_are_milliseconds_in_any_unit(unit: str) -> None:
    dates = pd.date_range("2024-01-01", periods=3, freq="1h", tz="UTC").as_unit(unit)
    frame = pd.DataFrame(
        {"date": dates, "open": 1, "high": 4, "low": 0, "close": 2, "volume": [7, 8, 9]}
    )
    c = frames.candles(frame)
    assert c.time_ms.tolist() == [1_704_067_200_000 + 3_600_000 * i for i in range(3)]
    assert (c.open.tolist(), c.high.tolist(), c.low.tolist()) == ([1.0] * 3, [4.0] * 3, [0.0] * 3)
    assert (c.close.tolist(), c.volume.tolist()) == ([2.0] * 3, [7.0, 8.0, 9.0])
    assert c.volume.dtype == np.float64


def test_forecast_when_read_from_a_frame_then_every_column_is_there_as_floats() -> None:
    out = frames.forecast(forecasts(4).astype({columns.ABSTAIN: int}))
    assert set(out) == set(columns.FORECAST)
    assert {v.dtype for v in out.values()} == {np.dtype(np.float64)}
    with pytest.raises(KeyError, match="p_up"):
        frames.forecast(forecasts(4).drop(columns="p_up"))
