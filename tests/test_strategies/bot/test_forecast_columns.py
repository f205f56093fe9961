"""A backtest with a model whose answers this strategy cannot read ends, and says which is meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from freqtrade.enums import RunMode
from freqtrade.exceptions import OperationalException

from models.base import columns
from strategies.BitcoinCrossMargin import BitcoinCrossMargin
from tests.test_strategies.worlds import PAIR, analysed, config


class XGBoostRegressor:
    """A model of Freqtrade's: it answers with the labels, and nothing else."""

    def start(self, frame: pd.DataFrame, metadata: dict[str, str], strategy: Any) -> pd.DataFrame:
        return frame.drop(columns=list(columns.EXTRAS))


class OfThePack(XGBoostRegressor):
    """One that has not been trained yet answers the same."""

    def catch_up(self) -> None:
        """Nothing waits."""


def strategy(model: Any, runmode: RunMode, folder: Path) -> BitcoinCrossMargin:
    made = BitcoinCrossMargin(config(user_data_dir=folder, runmode=runmode))
    made.freqai = model
    return made


def test_backtest_when_the_model_is_freqtrades_own_then_it_ends_by_name(tmp_path: Path) -> None:
    made = strategy(XGBoostRegressor(), RunMode.BACKTEST, tmp_path)
    with pytest.raises(OperationalException, match="a model of the pack, got XGBoostRegressor"):
        made.populate_indicators(analysed(), {"pair": PAIR})


@pytest.mark.parametrize(
    ("model", "runmode"),
    [(OfThePack(), RunMode.BACKTEST), (XGBoostRegressor(), RunMode.DRY_RUN)],
)
def test_forecast_when_there_is_none_yet_then_it_is_none_and_nothing_ends(
    tmp_path: Path, model: Any, runmode: RunMode
) -> None:
    frame = strategy(model, runmode, tmp_path).populate_indicators(analysed(), {"pair": PAIR})
    assert frame[columns.P_UP].isna().all()
    assert (frame[columns.ABSTAIN] == 1).all()
