"""Calendar days by hand, and the price path that labels imply."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from models.data.features.candles import sigma_per_candle
from models.data.labels.returns import forward_log_return
from models.learn.prophet.events import events, halvings, last_friday
from models.learn.prophet.path import log_price_path

# Read off a printed calendar.
LAST_FRIDAYS_2024 = ((1, 26), (2, 23), (3, 29), (4, 26), (5, 31), (6, 28),
                     (7, 26), (8, 30), (9, 27), (10, 25), (11, 29), (12, 27))  # fmt: skip


def test_last_friday_when_compared_with_a_calendar_then_every_month_of_2024_agrees() -> None:
    assert [last_friday(2024, m) for m in range(1, 13)] == [
        date(2024, m, d) for m, d in LAST_FRIDAYS_2024
    ]
    assert last_friday(2021, 12) == date(2021, 12, 31)  # the month's last day
    assert last_friday(2025, 2) == date(2025, 2, 28)


def test_halvings_when_listed_then_they_are_the_four_there_were_and_estimates_after() -> None:
    days = halvings(date(2033, 1, 1))
    assert days[:4] == [
        date(2012, 11, 28), date(2016, 7, 9), date(2020, 5, 11), date(2024, 4, 20),
    ]  # fmt: skip
    assert [d.year for d in days[4:]] == [2028, 2032]
    assert halvings(date(2024, 4, 19))[-1] == date(2020, 5, 11)


def test_events_when_a_year_is_asked_then_each_month_expires_once_quarters_apart() -> None:
    found = events(date(2024, 1, 1), date(2024, 12, 31))
    assert [d.month for d in found["quarterly_expiry"]] == [3, 6, 9, 12]
    assert [d.month for d in found["monthly_expiry"]] == [1, 2, 4, 5, 7, 8, 10, 11]
    assert found["halving"] == [date(2024, 4, 20)]


def test_events_when_a_day_ends_the_span_then_it_is_included_and_the_next_is_not() -> None:
    assert events(date(2024, 3, 29), date(2024, 3, 29))["quarterly_expiry"] == [date(2024, 3, 29)]
    assert not any(events(date(2024, 3, 30), date(2024, 4, 19)).values())


# -- the price path --------------------------------------------------------------------------


def labelled(rows: int, horizon: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log price, sigma and the scaled forward return of a random walk."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(0.01 * rng.normal(size=rows)))
    sigma = sigma_per_candle(close)
    return np.log(close), sigma, forward_log_return(close, horizon) / (sigma * np.sqrt(horizon))


@pytest.mark.parametrize("horizon", [1, 2, 4, 24, 37])
def test_path_when_built_from_labels_then_every_return_over_the_horizon_is_the_prices(
    horizon: int,
) -> None:
    price, sigma, label = labelled(1000, horizon)
    path = log_price_path(label, sigma, horizon)
    known = np.isfinite(path)
    assert known[168:].all()  # the first sigma needs 168 returns, and the last price is implied
    assert not known[:168].any()
    ahead = path[168 + horizon :] - path[168:-horizon]
    np.testing.assert_allclose(ahead, price[168 + horizon :] - price[168:-horizon], atol=1e-12)


@pytest.mark.parametrize("horizon", [1, 4, 24])
def test_path_when_compared_with_the_price_then_what_differs_repeats_every_horizon(
    horizon: int,
) -> None:
    price, sigma, label = labelled(6000, horizon)
    apart = (log_price_path(label, sigma, horizon) - price)[168:]
    apart -= apart.mean()
    np.testing.assert_allclose(apart[horizon:], apart[:-horizon], atol=1e-11)
    # A mean of 6000 / horizon interpolation errors of a random walk: far below one candle's 1 %.
    assert np.abs(apart).max() < 0.01 * 3 * horizon / np.sqrt(6000)


def test_path_when_some_labels_are_missing_then_they_are_bridged() -> None:
    price, sigma, label = labelled(2000, 4)
    label[[500, 501, 900]] = np.nan
    path = log_price_path(label, sigma, 4)
    assert np.isfinite(path[168:]).all()
    apart = (path - price)[168:]
    assert np.abs(apart - apart.mean()).max() < 0.05


def test_path_when_no_label_is_known_then_no_price_is() -> None:
    assert np.isnan(log_price_path(np.full(9, np.nan), np.ones(9), 2)).all()


def test_path_when_later_labels_change_then_no_earlier_return_moves() -> None:
    _, sigma, label = labelled(1000, 4)
    other = label.copy()
    other[600:] += 1.0
    one, two = (log_price_path(x, sigma, 4) for x in (label, other))
    np.testing.assert_allclose(one[172:600] - one[168:596], two[172:600] - two[168:596])
