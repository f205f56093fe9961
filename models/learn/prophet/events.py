"""Days the crypto market knows in advance: halvings, and the expiry of futures and options.

Every date follows from a rule, so a model may look them up for any future row. Weekends and the
weekend gap of CME's futures come every seven days: the weekly seasonality has them. Central-bank
and payroll dates are set by committees and moved for holidays; without a rule they are left out.
"""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from typing import Final

# Blocks 210,000, 420,000, 630,000 and 840,000 of Bitcoin, UTC. A day is certain weeks ahead only:
# years ahead it is known to within a few weeks, which one event in four years can bear.
HALVINGS: Final = (date(2012, 11, 28), date(2016, 7, 9), date(2020, 5, 11), date(2024, 4, 20))
_HALVING_DAYS: Final = 210_000 * 10 / (60 * 24)  # blocks of ten minutes
_FRIDAY: Final = calendar.FRIDAY

HALVING: Final = "halving"
MONTHLY_EXPIRY: Final = "monthly_expiry"
QUARTERLY_EXPIRY: Final = "quarterly_expiry"
WINDOW_DAYS: Final = (-1, 1)  # positions are closed the day before and renewed the day after


def last_friday(year: int, month: int) -> date:
    """Return the day the month's futures and options expire (08:00 UTC, Deribit and Binance).

    Examples
    --------
    >>> last_friday(2024, 3)
    datetime.date(2024, 3, 29)
    """
    last = date(year, month, calendar.monthrange(year, month)[1])
    return last - timedelta(days=(last.weekday() - _FRIDAY) % 7)


def halvings(last: date) -> list[date]:
    """Return the halvings up to `last`; those to come at ten minutes a block.

    Examples
    --------
    >>> halvings(date(2030, 1, 1))[-2:]
    [datetime.date(2024, 4, 20), datetime.date(2028, 4, 17)]
    """
    found = list(HALVINGS)
    while found[-1] <= last:
        ahead = len(found) - len(HALVINGS) + 1
        found.append(HALVINGS[-1] + timedelta(days=int(ahead * _HALVING_DAYS)))
    return [day for day in found if day <= last]


def events(first: date, last: date) -> dict[str, list[date]]:
    """Return name -> days from `first` to `last`, both included, oldest first.

    Examples
    --------
    >>> events(date(2024, 2, 20), date(2024, 4, 20))  # doctest: +NORMALIZE_WHITESPACE
    {'halving': [datetime.date(2024, 4, 20)],
     'monthly_expiry': [datetime.date(2024, 2, 23)],
     'quarterly_expiry': [datetime.date(2024, 3, 29)]}
    """
    fridays = [
        last_friday(year, month)
        for year in range(first.year, last.year + 1)
        for month in range(1, 13)
    ]
    days = {
        HALVING: halvings(last),
        MONTHLY_EXPIRY: [day for day in fridays if day.month % 3],
        QUARTERLY_EXPIRY: [day for day in fridays if day.month % 3 == 0],
    }
    return {name: [d for d in all_ if first <= d <= last] for name, all_ in days.items()}
