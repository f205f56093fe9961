"""The oracle knows as much as it was asked to, says so truly, and knows nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from models.base import columns
from models.base.errors import InputError
from models.base.types import FloatArray
from models.studies.compare.records import Truth
from models.studies.probe.oracle import break_even, oracle_forecast
from models.trade.decision.signals import DecisionConfig, signals

ROWS, HORIZON, COST = 60_000, 4, 0.0014


@pytest.fixture(scope="module")
def world() -> tuple[Truth, FloatArray]:
    """A walk whose volatility is known: calm and wild spells."""
    rng = np.random.default_rng(0)
    sigma = np.repeat(rng.choice([0.001, 0.002, 0.004], size=ROWS // 60), 60)
    steps = rng.normal(0.0, sigma)
    path = np.cumsum(steps)
    ahead = np.full(ROWS, np.nan)
    ahead[:-HORIZON] = path[HORIZON:] - path[:-HORIZON]
    side = np.where(np.abs(ahead) > COST, np.sign(ahead), 0.0)
    truth = Truth(
        time_ms=np.arange(ROWS, dtype=np.int64) * 3_600_000,
        outcome_class=np.where(np.isnan(ahead), np.nan, side),
        outcome_return=ahead, open=np.exp(path), horizon_candles=HORIZON, candle_ms=3_600_000,
    )  # fmt: skip
    return truth, sigma * np.sqrt(HORIZON)


def auc_of(score: FloatArray, up: np.ndarray) -> float:
    rank = np.argsort(np.argsort(score)) + 1.0
    n = int(up.sum())
    return float((rank[up].sum() - n * (n + 1) / 2) / (n * (~up).sum()))


@pytest.mark.parametrize("auc", [0.5, 0.55, 0.65])
def test_oracle_when_asked_for_an_auc_then_it_has_it_and_every_probability_is_what_it_says(
    world: tuple[Truth, FloatArray], auc: float
) -> None:
    truth, sigma = world
    told = oracle_forecast(truth, sigma, auc, np.random.default_rng(1))
    moved = np.isfinite(truth.outcome_class) & (truth.outcome_class != 0)
    up = told[columns.P_UP] / (told[columns.P_UP] + told[columns.P_DOWN])
    rose = truth.outcome_class[moved] > 0
    assert auc_of(up[moved], rose) == pytest.approx(auc, abs=0.015)
    for low, high in ((0.0, 0.4), (0.4, 0.5), (0.5, 0.6), (0.6, 1.0)):
        here = (up[moved] >= low) & (up[moved] < high)
        if here.sum() > 2000:
            assert rose[here].mean() == pytest.approx(up[moved][here].mean(), abs=0.03)
    known = np.isfinite(truth.outcome_class)
    assert told[columns.P_FLAT][known].mean() == pytest.approx((~moved)[known].mean(), abs=1e-9)


def test_oracle_when_it_claims_an_edge_then_the_edge_comes_true(
    world: tuple[Truth, FloatArray],
) -> None:
    truth, sigma = world
    told = oracle_forecast(truth, sigma, 0.6, np.random.default_rng(2))
    edge = told[columns.EDGE]
    claims = np.isfinite(edge) & (np.abs(edge) >= 0.0005)
    realised = np.sign(edge[claims]) * truth.outcome_return[claims]
    assert realised.mean() == pytest.approx(np.abs(edge[claims]).mean(), rel=0.15)


def test_oracle_when_it_is_a_coin_then_the_rules_do_not_trade(
    world: tuple[Truth, FloatArray],
) -> None:
    truth, sigma = world
    rules = DecisionConfig(without=(columns.HEAD_HAZARD,))
    for auc, trades in ((0.5, False), (0.65, True)):
        told = oracle_forecast(truth, sigma, auc, np.random.default_rng(3))
        side = signals(told, np.isfinite(told[columns.P_UP]).astype(float), COST, rules).side
        assert bool(side.any()) is trades


def test_oracle_when_the_outcome_is_not_known_then_it_says_nothing(
    world: tuple[Truth, FloatArray],
) -> None:
    truth, sigma = world
    told = oracle_forecast(truth, sigma, 0.6, np.random.default_rng(4))
    assert np.isnan(told[columns.P_UP][-HORIZON:]).all()
    assert (told[columns.ABSTAIN][-HORIZON:] == 1).all()
    assert set(told) == set(columns.FORECAST)


@pytest.mark.parametrize("auc", [0.49, 1.0])
def test_oracle_when_the_auc_is_none_then_the_error_says_so(
    world: tuple[Truth, FloatArray], auc: float
) -> None:
    with pytest.raises(InputError, match=f"from 0.5 to below 1, got {auc}"):
        oracle_forecast(*world, auc, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("net", "expected"),
    [([1.0, 1.0], 0.5), ([-1.0, -1.0], np.nan), ([0.0, 1.0], 0.5), ([-1.0, 3.0], 0.525),
     ([1.0, -1.0], np.nan)],
)  # fmt: skip
def test_break_even_when_between_two_then_it_is_where_the_line_crosses(
    net: list[float], expected: float
) -> None:
    assert break_even([0.5, 0.6], net) == pytest.approx(expected, nan_ok=True)
