"""Feed payloads: the documented examples, and everything that is not as documented."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import InputError
from models.feeds import payloads

# The examples of the providers' own documentation, with a second row each.
FUNDING: list[dict[str, Any]] = [
    {"symbol": "BTCUSDT", "fundingRate": "-0.03750000", "fundingTime": 1570608000000,
     "markPrice": "34287.54619963"},
    {"symbol": "BTCUSDT", "fundingRate": "0.00010000", "fundingTime": 1570636800000,
     "markPrice": "34287.54619963"},
]  # fmt: skip
INTEREST: list[dict[str, Any]] = [
    {"symbol": "BTCUSDT", "sumOpenInterest": "20403.63700000",
     "sumOpenInterestValue": "150570784.07809979", "timestamp": "1583127900000"},
    {"symbol": "BTCUSDT", "sumOpenInterest": "20401.36700000",
     "sumOpenInterestValue": "149940752.14464448", "timestamp": "1583128200000"},
]  # fmt: skip
RATIO: list[dict[str, Any]] = [
    {"symbol": "BTCUSDT", "longShortRatio": "1.9559", "longAccount": "0.6617",
     "shortAccount": "0.3382", "timestamp": "1583139900000"},
]  # fmt: skip
FEAR: dict[str, Any] = {
    "name": "Fear and Greed Index",
    "data": [
        {"value": "47", "value_classification": "Neutral", "timestamp": "1551157200",
         "time_until_update": "68499"},
        {"value": "40", "value_classification": "Fear", "timestamp": "1551070800"},
    ],
    "metadata": {"error": None},
}  # fmt: skip
FORCED: dict[str, Any] = {
    "e": "forceOrder", "E": 1568014460893,
    "o": {"s": "BTCUSDT", "S": "SELL", "o": "LIMIT", "f": "IOC", "q": "0.014", "p": "9910",
          "ap": "9910", "X": "FILLED", "l": "0.014", "z": "0.014", "T": 1568014460893},
}  # fmt: skip
LISTS = [
    (payloads.funding, FUNDING, "fundingRate", "fundingTime"),
    (payloads.open_interest, INTEREST, "sumOpenInterest", "timestamp"),
    (payloads.long_short_ratio, RATIO, "longShortRatio", "timestamp"),
]


def test_payloads_when_as_documented_then_values_stand_at_their_times():
    out = payloads.funding(FUNDING, "BTCUSDT")
    assert out.time_ms.tolist() == [1570608000000, 1570636800000]
    assert out.values.tolist() == [-0.0375, 0.0001]
    assert payloads.open_interest(INTEREST, "BTCUSDT").values.tolist() == [20403.637, 20401.367]
    assert payloads.long_short_ratio(RATIO, "BTCUSDT").values.tolist() == [1.9559]
    out = payloads.fear_greed(FEAR)  # newest first, in seconds
    assert out.time_ms.tolist() == [1551070800000, 1551157200000]
    assert out.values.tolist() == [40, 47]
    forced = payloads.liquidation(FORCED, "BTCUSDT")
    assert (forced.time_ms, forced.side) == (1568014460893, -1)
    assert forced.notional_quote == pytest.approx(138.74)


def test_payload_when_empty_then_the_series_is_empty_not_an_error():
    for parse, _, _, _ in LISTS:
        assert len(parse([], "BTCUSDT")) == 0


@pytest.mark.parametrize(("parse", "good", "value", "when"), LISTS)
@pytest.mark.parametrize(
    "bad", [None, "", "n/a", "nan", "inf", "-2e9", [], {}, True], ids=lambda v: repr(v)
)
def test_payload_when_a_field_is_no_such_number_then_the_row_is_named(
    parse, good, value, when, bad
):
    for name in (value, when):
        rows = copy.deepcopy(good)
        rows[-1][name] = bad
        with pytest.raises(InputError, match=f"row {len(rows) - 1}: expected.*{name}"):
            parse(rows, "BTCUSDT")
        del rows[-1][name]
        with pytest.raises(InputError, match=f"{name}, got None"):
            parse(rows, "BTCUSDT")


@pytest.mark.parametrize(("parse", "good", "value", "when"), LISTS)
def test_payload_when_it_is_of_another_market_or_tells_a_time_twice_then_it_is_refused(
    parse, good, value, when
):
    with pytest.raises(InputError, match="expected symbol LTCUSDT, got 'BTCUSDT'"):
        parse(good, "LTCUSDT")
    assert len(parse([good[0], good[0]], "BTCUSDT")) == 1
    other = {**good[0], value: "0.5"}
    with pytest.raises(InputError, match="is told twice"):
        parse([good[0], other], "BTCUSDT")


@pytest.mark.parametrize("payload", [None, "text", b"bytes", 3, {"code": -1121, "msg": "Invalid"}])
def test_payload_when_it_is_an_error_or_no_list_then_it_says_what_came(payload):
    for parse, _, _, _ in LISTS:
        with pytest.raises(InputError, match="expected a list, got"):
            parse(payload, "BTCUSDT")
    with pytest.raises(InputError, match="fear and greed"):
        payloads.fear_greed(payload)
    with pytest.raises(InputError, match="expected a forceOrder event"):
        payloads.liquidation(payload, "BTCUSDT")


def test_payload_when_times_are_in_another_unit_then_it_is_refused():
    seconds = [{**FUNDING[0], "fundingTime": 1570608000}]
    with pytest.raises(InputError, match="expected fundingTime from"):
        payloads.funding(seconds, "BTCUSDT")
    milli = {**FEAR, "data": [{"value": "40", "timestamp": "1551070800000"}]}
    with pytest.raises(InputError, match="expected timestamp from"):
        payloads.fear_greed(milli)


def test_ratio_when_its_shares_do_not_add_up_then_it_is_refused():
    with pytest.raises(InputError, match=r"longAccount \+ shortAccount is 0.9"):
        payloads.long_short_ratio([{**RATIO[0], "shortAccount": "0.2383"}], "BTCUSDT")


def test_fear_greed_when_the_provider_reports_an_error_or_nonsense_then_it_is_refused():
    with pytest.raises(InputError, match="the provider says 'down'"):
        payloads.fear_greed({**FEAR, "metadata": {"error": "down"}})
    with pytest.raises(InputError, match="expected value from 0 to 100, got 101"):
        payloads.fear_greed({"data": [{"value": "101", "timestamp": "1551070800"}]})


@pytest.mark.parametrize(
    ("field", "bad", "said"),
    [("S", "HOLD", "side SELL or BUY"), ("ap", "-1", "average price"), ("z", None, "filled"),
     ("s", "LTCUSDT", "expected symbol"), ("T", 12, "expected T")],
)  # fmt: skip
def test_liquidation_when_a_field_is_wrong_then_it_is_named(field, bad, said):
    event = {**FORCED, "o": {**FORCED["o"], field: bad}}
    with pytest.raises(InputError, match=said):
        payloads.liquidation(event, "BTCUSDT")


def test_payload_when_many_rows_are_bad_then_five_are_named_and_the_rest_counted():
    rows = [{**FUNDING[0], "fundingRate": "x", "fundingTime": 1570608000000 + i} for i in range(9)]
    with pytest.raises(InputError, match=r"row 4: .*and 4 more"):
        payloads.funding(rows, "BTCUSDT")


@settings(max_examples=100, deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=5),
                    lambda x: st.lists(x, max_size=3)
                    | st.dictionaries(st.sampled_from(["symbol", "data", "o", "e", "timestamp",
                                                       "fundingTime", "fundingRate"]), x),
                    max_leaves=8))  # fmt: skip
def test_payload_when_it_is_anything_at_all_then_it_is_a_series_or_a_refusal(payload):
    for parse in (payloads.funding, payloads.open_interest, payloads.long_short_ratio):
        try:
            out = parse(payload, "BTCUSDT")
        except InputError:
            continue
        assert np.isfinite(out.values).all()
    with pytest.raises(InputError):
        payloads.liquidation(payload, "BTCUSDT")
