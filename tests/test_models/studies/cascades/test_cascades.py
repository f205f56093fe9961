"""The cascade measurements: alarms by hand, folds that share nothing, labels in the future only."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from models.base.errors import InputError
from models.base.heads import cumulative_incidence
from models.base.units import HOUR_MS
from models.data.labels.cascade import cascade_onsets
from models.data.labels.settings import LabelSettings
from models.learn.hazard.alarms import Watch
from models.studies.cascades.alarms import at_rate, clusters, event_bootstrap
from models.studies.cascades.baselines import BASELINES, CONSTANT
from models.studies.cascades.folds import coins_out, episodes_out, walk_forward
from models.studies.cascades.measure import measure_hazards, paired_recall, row_log_likelihood
from models.studies.cascades.network import cascade_job, labels_of, main_coin, peak_errors
from models.studies.cascades.panel import Coin, aligned, close_agreement
from tests.test_models.studies.cascades.worlds import EDGES, ROWS, RULE, coin


@pytest.fixture(scope="module")
def coins() -> list[Coin]:
    return [coin("A", 0), coin("B", 1)]


# -- alarms -----------------------------------------------------------------------------------


def test_rate_when_a_score_knows_then_it_catches_all_and_a_constant_one_none():
    rng = np.random.default_rng(0)
    onsets = np.arange(100, 2000, 170)
    perfect = np.zeros(2000)
    for onset in onsets:
        perfect[onset - 3] = 1.0
    asked = np.ones(2000, bool)
    knows = at_rate([Watch(perfect + 0.01 * rng.random(2000), asked, onsets)], 1.0, 12, 1.0)
    assert knows[0].caught.all()
    flat = at_rate([Watch(np.ones(2000), asked, onsets)], 1.0, 12, 1.0)
    assert not flat[0].caught.any()
    luck = at_rate([Watch(rng.random(2000), asked, onsets)], 1.0, 12, 1.0)
    assert luck[0].false <= 2000 / 168
    assert luck[0].caught.mean() < 0.5


def test_event_bootstrap_when_events_come_in_clusters_then_the_interval_is_wider():
    values = np.repeat(np.tile([0.0, 1.0], 20), 5)
    rng = np.random.default_rng(0)
    whole = event_bootstrap(values, np.repeat(np.arange(40), 5), rng)
    single = event_bootstrap(values, np.arange(200), rng)
    assert whole.std() > 1.8 * single.std()
    assert whole.mean() == pytest.approx(0.5, abs=0.02)


def test_clusters_when_coins_crash_together_then_they_are_one_episode():
    times = np.array([100, 1000, 103, 5000])
    assert clusters(times, 50).tolist() == [0, 1, 0, 2]


# -- rows -------------------------------------------------------------------------------------


def test_coin_when_the_future_changes_then_only_labels_do(coins):
    a = coins[0]
    cut = int(np.flatnonzero(a.onset[:, 0])[7])  # a fall, which the changed market does not have
    m = a.candles
    other = dataclasses.replace(
        m,
        **{
            k: np.where(np.arange(ROWS) < cut, getattr(m, k), 1.3 * getattr(m, k)[::-1])
            for k in ("open", "high", "low", "close", "volume")
        },
    )
    b = coin("A", 0, other)
    np.testing.assert_array_equal(a.features[:cut], b.features[:cut])
    np.testing.assert_array_equal(a.shocks[:cut], b.shocks[:cut])
    np.testing.assert_array_equal(a.waiting[:cut], b.waiting[:cut])
    np.testing.assert_array_equal(a.steps[: cut - 24], b.steps[: cut - 24])
    assert (a.steps[cut - 24 : cut] != b.steps[cut - 24 : cut]).any()


def test_waiting_when_a_hit_was_less_than_a_day_ago_then_no_onset_can_come(coins):
    for c in coins:
        for side in (0, 1):
            rows = np.flatnonzero(c.onset[:, side])
            assert len(rows) > 5
            assert c.waiting[rows - 1, side].all()
            assert not c.waiting[rows, side].any()
            quiet = ~c.waiting[:-1, side] & np.isfinite(c.steps[:-1, side])
            assert not (c.steps[:-1, side][quiet] == 1).any()


def test_agreement_when_a_wick_is_planted_then_it_is_the_excursions_alone(coins):
    a = coins[0]
    by_close, own = dataclasses.replace(RULE, by_close=True), close_agreement(a, RULE)
    wick = int(np.flatnonzero(a.onset[:, 0])[0]) + 60  # in the calm between a fall and a squeeze
    low, volume = a.candles.low.copy(), a.candles.volume.copy()
    low[wick], volume[wick] = 0.9 * a.candles.close[wick - 1], 90.0
    market = dataclasses.replace(a.candles, low=low, volume=volume)
    planted = coin("A", 0, market)
    assert planted.onset[wick, 0]
    assert not cascade_onsets(market, HOUR_MS, -1, by_close)[0][wick]
    falls, squeezes = close_agreement(planted, RULE)
    assert falls.second - falls.second_matched == own[0].second - own[0].second_matched + 1
    assert falls.first == own[0].first == falls.first_matched
    assert squeezes == own[1]


def test_aligned_when_the_other_market_lacks_a_candle_then_it_is_nan_not_the_next():
    out = aligned(np.array([1, 2, 3, 9]), np.array([1, 3]), {"x": np.array([5.0, 7.0])})
    np.testing.assert_array_equal(out["x"], [5, np.nan, 7, np.nan])


# -- folds ------------------------------------------------------------------------------------

TIMES = {"A": HOUR_MS * np.arange(4000), "B": HOUR_MS * np.arange(500, 4000)}


def test_walk_forward_when_cut_then_training_labels_end_before_the_test_begins():
    made = walk_forward(TIMES, 2000 * HOUR_MS, 4, reach_ms=25 * HOUR_MS)
    for name, t in TIMES.items():
        tested = np.sum([fold.test[name] for fold in made], axis=0)
        np.testing.assert_array_equal(tested, t >= 2000 * HOUR_MS)
        for fold in made:
            assert t[fold.train[name]].max() + 24 * HOUR_MS < t[fold.test[name]].min()
    with pytest.raises(InputError, match="after the start"):
        walk_forward(TIMES, 5000 * HOUR_MS, 4, reach_ms=0)


def test_coins_out_when_one_is_asked_then_no_row_of_it_is_fitted_on():
    for fold in coins_out(walk_forward(TIMES, 2000 * HOUR_MS, 2, reach_ms=0), ("B",)):
        assert set(fold.test) == {"B"}
        assert not fold.train["B"].any()
        assert fold.train["A"].any()
        assert main_coin(fold, "B") == "A"


def test_episodes_out_when_cut_then_every_row_is_tested_once_and_far_from_its_training_rows():
    rng = np.random.default_rng(0)
    onsets = np.sort(rng.choice(4000, 25, replace=False)) * HOUR_MS
    reach = 40 * HOUR_MS
    made = episodes_out(TIMES, onsets, 0, 400 * HOUR_MS, 3, reach)
    for name, t in TIMES.items():
        assert (np.sum([fold.test[name] for fold in made], axis=0) == 1).all()
        for fold in made:
            fitted, asked = t[fold.train[name]], t[fold.test[name]]
            nearest = np.abs(fitted[:, None] - asked[None, ::7]).min(axis=1)
            assert nearest.min() >= reach
            edges = asked[1:][np.diff(asked) > HOUR_MS]
            assert all(np.abs(onsets - edge).min() >= reach - HOUR_MS for edge in edges[1:-1])


# -- measures ---------------------------------------------------------------------------------


def test_measure_when_volatility_foretells_then_it_beats_its_opposite_and_luck(coins):
    train = {c.name: np.arange(ROWS) < 3000 for c in coins}
    scores = {}
    for name in (CONSTANT, "High volatility", "Low volatility", "Hawkes"):
        hazard = BASELINES[name](coins, train, EDGES)
        scores[name] = {
            c.name: np.where(np.arange(ROWS)[:, None, None] >= 3025, hazard(c), np.nan)
            for c in coins
        }
    rows = {(r["name"], r["side"]): r for r in measure_hazards(coins, scores, EDGES)}
    for side in (-1, 1):
        high, low = rows["High volatility", side], rows["Low volatility", side]
        assert high["events"] > 8
        assert high["recall_1"]["value"] > max(0.3, low["recall_1"]["value"])
        assert high["recall_1"]["value"] > 2 * high["random"]["1"]
        assert high["lift"] > 1.1
        assert 1 <= high["lead_h"] <= 24
        assert high["false_per_week"] <= 1
    apart = paired_recall(coins, scores, "High volatility", "Low volatility", 0, 24)
    assert apart.low > 0
    same = paired_recall(coins, scores, "Hawkes", "Hawkes", 0, 24)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_likelihood_when_worked_by_hand_then_it_ends_with_the_first_of_both_sides(coins):
    c = coins[0]
    row = int(np.flatnonzero(c.onset[:, 0])[3]) - 2  # the fall is two candles ahead
    hazard = np.full((len(c), 2, 6), 0.1)
    got = row_log_likelihood(c, hazard, 0, EDGES)[row]
    assert got == pytest.approx(np.log(0.9) + np.log(0.1))


def test_boosted_trees_when_fitted_then_they_rank_the_tested_rows(coins):
    train = {c.name: np.arange(ROWS) < 3000 for c in coins}
    hazard = BASELINES["Boosted trees on candles"](coins, train, EDGES)
    c = coins[1]
    p = cumulative_incidence(*np.moveaxis(hazard(c), 1, 0))[0]
    soon = c.usable(0) & (np.arange(ROWS) > 3025) & (c.steps[:, 0] <= 4)
    late = c.usable(0) & (np.arange(ROWS) > 3025) & (c.steps[:, 0] > 24)
    assert p[soon].mean() > 1.3 * p[late].mean()


# -- the network's side -------------------------------------------------------------------------


def test_job_when_rows_are_not_fitted_on_then_it_holds_none_of_them(coins):
    (fold,) = walk_forward({c.name: c.time_ms for c in coins}, int(coins[0].time_ms[2000]), 1,
                           25 * HOUR_MS)  # fmt: skip
    job = cascade_job("hedge", "B", coins, fold, {}, 0)
    assert len(job.time_ms) == 1975
    assert [peer.title.split(",")[0] for peer in job.peers] == ["hedge on A"]
    changed = [
        dataclasses.replace(
            c, candles=c.candles, features=np.where(np.arange(ROWS)[:, None] < 1976, c.features, 9)
        )
        for c in coins
    ]
    again = cascade_job("hedge", "B", changed, fold, {}, 0)
    np.testing.assert_array_equal(job.features, again.features)
    for name, values in job.labels.items():
        np.testing.assert_array_equal(values, again.labels[name])


def test_labels_when_made_from_the_panel_then_they_look_no_further_than_the_purge(coins):
    settings = LabelSettings(cascade_floor_frac=0.04)
    a = labels_of(coins[0], settings)
    m = coins[0].candles
    other = dataclasses.replace(
        m, close=np.where(np.arange(ROWS) < 2000, m.close, 1.2 * m.close),
    )  # fmt: skip
    b = labels_of(coin("A", 0, other), settings)
    last = 2000 - settings.purge_candles
    for name, values in a.items():
        np.testing.assert_array_equal(values[:last], b[name][:last], err_msg=name)


def test_peak_errors_when_the_forecast_is_right_then_they_are_zero(coins):
    c = coins[0]
    actual = np.nanmax(np.where(np.isfinite(c.to_peak), c.to_peak, -1), axis=1) - 1
    own, plain = peak_errors(c, actual, np.ones(ROWS, bool), np.array([100.0, 100.0]))
    assert len(own) == c.onset.sum()
    assert own.max() == 0
    assert plain.min() > 50
