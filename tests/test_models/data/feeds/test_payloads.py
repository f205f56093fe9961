"""Feed payloads: the documented examples, and everything that is not as documented."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base.errors import InputError
from models.data.feeds import payloads

# ccxt's unified structures, and the examples of the providers' own documentation.
FUNDING: list[dict[str, Any]] = [
    {"symbol": "BTC/USDT:USDT", "fundingRate": -0.0375, "timestamp": 1570608000000, "info": {}},
    {"symbol": "BTC/USDT:USDT", "fundingRate": 0.0001, "timestamp": 1570636800000, "info": {}},
]
INTEREST: list[dict[str, Any]] = [
    {"symbol": "BTC/USDT:USDT", "openInterestAmount": 20403.637, "timestamp": 1583127900000},
    {"symbol": "BTC/USDT:USDT", "openInterestAmount": 20401.367, "timestamp": 1583128200000},
]
RATIO: list[dict[str, Any]] = [
    {"symbol": "BTC/USDT:USDT", "longShortRatio": 1.9559, "timestamp": 1583139900000},
]
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
    "symbol": "BTC/USDT:USDT", "side": "sell", "price": 9910.0, "contracts": 0.014,
    "timestamp": 1568014460893,
}  # fmt: skip
BOOK: dict[str, Any] = {
    "symbol": "BTC/USDT:USDT", "timestamp": 1591702613943,
    "bids": [[99.5, 2.0], [99.2, 3.0], [90.0, 50.0]], "asks": [[100.5, 1.0], [102.0, 9.0]],
}  # fmt: skip
BLOCK: dict[str, Any] = {"id": "0" * 64, "height": 3, "timestamp": 1648829449, "tx_count": 4}
SUMMARY: list[dict[str, Any]] = [
    {"txid": "a", "fee": 0, "vsize": 200, "value": 99_000_000_000_000},
    {"txid": "b", "fee": 300, "vsize": 140.25, "value": 150_000_000_000},
    {"txid": "c", "fee": 200, "vsize": 140.25, "value": 100},
    {"txid": "d", "fee": 10, "vsize": 140.25, "value": 88_000_000_000_000},
]
CONTEXT: dict[str, Any] = {"code": 200, "state": 652382, "limit": 100}
MOVED: dict[str, Any] = {
    "data": [
        {"id": 1, "is_coinbase": True, "output_total": 200_000_000_000},
        {"id": 2, "is_coinbase": False, "output_total": 200_000_000_000},
        {"id": 3, "is_coinbase": False, "output_total": 207506},
    ],
    "context": CONTEXT,
}
STATS: dict[str, Any] = {
    "data": {"blocks": 652383, "mempool_transactions": 7866}, "context": CONTEXT,
}  # fmt: skip
VOTES: dict[str, Any] = {
    "id": "litecoin", "sentiment_votes_up_percentage": 62.5,
    "last_updated": "2024-04-07T15:24:51.021Z",
}  # fmt: skip
LISTS = [
    (payloads.funding, FUNDING, "fundingRate", "timestamp"),
    (payloads.open_interest, INTEREST, "openInterestAmount", "timestamp"),
    (payloads.long_short_ratio, RATIO, "longShortRatio", "timestamp"),
]


def test_payloads_when_as_documented_then_values_stand_at_their_times():
    out = payloads.funding(FUNDING, "BTC/USDT:USDT")
    assert out.time_ms.tolist() == [1570608000000, 1570636800000]
    assert out.values.tolist() == [-0.0375, 0.0001]
    assert payloads.open_interest(INTEREST, "BTC/USDT:USDT").values.tolist() == [
        20403.637,
        20401.367,
    ]
    assert payloads.long_short_ratio(RATIO, "BTC/USDT:USDT").values.tolist() == [1.9559]
    out = payloads.fear_greed(FEAR)  # newest first, in seconds
    assert out.time_ms.tolist() == [1551070800000, 1551157200000]
    assert out.values.tolist() == [40, 47]
    forced = payloads.liquidation(FORCED, "BTC/USDT:USDT", 1.0)
    assert (forced.time_ms, forced.side) == (1568014460893, -1)
    assert forced.notional_quote == pytest.approx(138.74)


def test_payload_when_empty_then_the_series_is_empty_not_an_error():
    for parse, _, _, _ in LISTS:
        assert len(parse([], "BTC/USDT:USDT")) == 0


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
            parse(rows, "BTC/USDT:USDT")
        del rows[-1][name]
        with pytest.raises(InputError, match=f"{name}, got None"):
            parse(rows, "BTC/USDT:USDT")


@pytest.mark.parametrize(("parse", "good", "value", "when"), LISTS)
def test_payload_when_it_is_of_another_market_or_tells_a_time_twice_then_it_is_refused(
    parse, good, value, when
):
    with pytest.raises(InputError, match="expected symbol LTC/USDT:USDT, got 'BTC/USDT:USDT'"):
        parse(good, "LTC/USDT:USDT")
    assert len(parse([good[0], good[0]], "BTC/USDT:USDT")) == 1
    other = {**good[0], value: "0.5"}
    with pytest.raises(InputError, match="is told twice"):
        parse([good[0], other], "BTC/USDT:USDT")


@pytest.mark.parametrize("payload", [None, "text", b"bytes", 3, {"code": -1121, "msg": "Invalid"}])
def test_payload_when_it_is_an_error_or_no_list_then_it_says_what_came(payload):
    for parse, _, _, _ in LISTS:
        with pytest.raises(InputError, match="expected a list, got"):
            parse(payload, "BTC/USDT:USDT")
    with pytest.raises(InputError, match="fear and greed"):
        payloads.fear_greed(payload)
    with pytest.raises(InputError, match="payload of liquidation"):
        payloads.liquidation(payload, "BTC/USDT:USDT")


def test_payload_when_times_are_in_another_unit_then_it_is_refused():
    seconds = [{**FUNDING[0], "timestamp": 1570608000}]
    with pytest.raises(InputError, match="expected timestamp from"):
        payloads.funding(seconds, "BTC/USDT:USDT")
    milli = {**FEAR, "data": [{"value": "40", "timestamp": "1551070800000"}]}
    with pytest.raises(InputError, match="expected timestamp from"):
        payloads.fear_greed(milli)


def test_fear_greed_when_the_provider_reports_an_error_or_nonsense_then_it_is_refused():
    with pytest.raises(InputError, match="the provider says 'down'"):
        payloads.fear_greed({**FEAR, "metadata": {"error": "down"}})
    with pytest.raises(InputError, match="expected value from 0 to 100, got 101"):
        payloads.fear_greed({"data": [{"value": "101", "timestamp": "1551070800"}]})


@pytest.mark.parametrize(
    ("field", "bad", "said"),
    [("side", "hold", "side sell or buy"), ("price", -1, "expected price from 0"),
     ("contracts", None, "number in contracts"), ("symbol", "LTC/USDT:USDT", "expected symbol"),
     ("timestamp", 12, "expected timestamp"), ("price", "x", "number in price")],
)  # fmt: skip
def test_liquidation_when_a_field_is_wrong_then_it_is_named(field, bad, said):
    with pytest.raises(InputError, match=said):
        payloads.liquidation({**FORCED, field: bad}, "BTC/USDT:USDT")


def test_liquidation_when_the_exchange_names_the_position_then_the_side_is_the_other():
    assert payloads.liquidation(FORCED, "BTC/USDT:USDT", sells_long="buy").side == 1
    bought = {**FORCED, "side": "buy"}
    assert payloads.liquidation(bought, "BTC/USDT:USDT", sells_long="buy").side == -1


def test_open_interest_when_counted_in_contracts_then_it_is_told_in_base_units():
    out = payloads.open_interest(INTEREST, "BTC/USDT:USDT", 0.01)
    assert out.values.tolist() == pytest.approx([204.03637, 204.01367])


def test_order_book_when_as_documented_then_depth_ends_at_the_distance():
    book = payloads.order_book(BOOK, "BTC/USDT:USDT", 2.0, 0.01)
    assert (book.time_ms, book.mid, book.spread_frac) == (1591702613943, 100.0, 0.01)
    assert book.bid_quote == pytest.approx(2 * (99.5 * 2 + 99.2 * 3))  # 90 is too far
    assert book.ask_quote == pytest.approx(2 * 100.5)
    assert payloads.order_book({**BOOK, "timestamp": None}, "BTC/USDT:USDT", 1, 1).time_ms is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"symbol": "LTC/USDT:USDT"}, "expected symbol"), ({"bids": []}, "bids: expected levels"),
     ({"asks": None}, "asks: expected levels"), ({"bids": [[99, 1], [99.5, 1]]}, "out of order"),
     ({"asks": [[101, -1]]}, "expected amount from 0"), ({"asks": [[101]]}, "price and amount"),
     ({"bids": [[0, 1]]}, "out of order"), ({"bids": [["x", 1]]}, "number in price"),
     ({"bids": [[101, 1]]}, "not below the best ask"), ({"timestamp": 5}, "expected timestamp")],
)  # fmt: skip
def test_order_book_when_it_is_not_one_then_it_is_refused(changed, said):
    with pytest.raises(InputError, match=said):
        payloads.order_book({**BOOK, **changed}, "BTC/USDT:USDT", 1.0, 0.01)


def test_chain_when_as_documented_then_what_people_moved_is_counted():
    assert payloads.mempool({"count": 8134, "vsize": 3444604, "total_fee": 29204625}) == 8134
    assert payloads.blockchair_mempool(STATS) == 7866
    (block,) = payloads.blocks([BLOCK])
    assert (block.id, block.height, block.time_ms) == ("0" * 64, 3, 1648829449000)
    with_extension = payloads.block_transfers(SUMMARY, 1000, extension=True)
    assert (with_extension.count, with_extension.value_base) == (1, 1500.0)
    assert payloads.block_transfers(SUMMARY, 1000).count == 2  # the last one is a person's
    found, complete = payloads.blockchair_transfers(MOVED, 1000)
    assert (found.count, found.value_base, complete) == (1, 2000.0, True)
    full = {**MOVED, "context": {**CONTEXT, "limit": 3}}
    assert not payloads.blockchair_transfers(full, 1000)[1]


@pytest.mark.parametrize(
    ("parse", "payload", "said"),
    [
        (payloads.mempool, {"vsize": 1}, "number in count"),
        (payloads.mempool, [], "expected a block"),
        (payloads.mempool, {"count": -1}, "expected count from 0"),
        (payloads.blocks, [], "expected a list"),
        (payloads.blocks, [{**BLOCK, "id": "../../admin"}], "its hash in id"),
        (payloads.blocks, [{**BLOCK, "timestamp": 1648829449000}], "expected timestamp"),
        (payloads.blocks, [{**BLOCK, "height": None}], "number in height"),
        (payloads.blockchair_mempool, {"data": None, "context": {"code": 402, "error": "limit"}},
         "the provider says 'limit'"),
        (payloads.blockchair_mempool, {"data": [], "context": CONTEXT}, "expected a block"),
        (payloads.blockchair_mempool, {"context": CONTEXT}, "expected data and context"),
    ],
)  # fmt: skip
def test_chain_when_it_is_not_as_documented_then_it_is_refused(parse, payload, said):
    with pytest.raises(InputError, match=said):
        parse(payload)


@pytest.mark.parametrize("payload", [[], {}, None, [None], [{}, {"value": "x"}], [{}, {}]])
def test_transfers_when_they_are_none_then_they_are_refused(payload):
    if payload != [None]:  # the miner's own is not read
        with pytest.raises(InputError):
            payloads.block_transfers(payload, 1.0)
    with pytest.raises(InputError):
        payloads.blockchair_transfers({"data": payload or 3, "context": CONTEXT}, 1.0)


def test_votes_when_as_documented_then_the_share_stands_at_its_time():
    out = payloads.votes(VOTES, "litecoin")
    assert (out.time_ms.tolist(), out.values.tolist()) == ([1712503491021], [0.625])


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"id": "bitcoin"}, "expected the coin litecoin"), ({"last_updated": "today"}, "its zone"),
     ({"last_updated": "2024-04-07T15:24:51"}, "its zone"), ({"last_updated": None}, "its zone"),
     ({"sentiment_votes_up_percentage": None}, "expected a number"),
     ({"sentiment_votes_up_percentage": 101}, "from 0 to 100")],
)  # fmt: skip
def test_votes_when_they_are_not_as_documented_then_they_are_refused(changed, said):
    with pytest.raises(InputError, match=said):
        payloads.votes({**VOTES, **changed}, "litecoin")


def test_payload_when_many_rows_are_bad_then_five_are_named_and_the_rest_counted():
    rows = [{**FUNDING[0], "fundingRate": "x", "timestamp": 1570608000000 + i} for i in range(9)]
    with pytest.raises(InputError, match=r"row 4: .*and 4 more"):
        payloads.funding(rows, "BTC/USDT:USDT")


@settings(max_examples=100, deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=5),
                    lambda x: st.lists(x, max_size=3)
                    | st.dictionaries(st.sampled_from(["symbol", "data", "o", "e", "timestamp",
                                                       "timestamp", "fundingRate"]), x),
                    max_leaves=8))  # fmt: skip
def test_payload_when_it_is_anything_at_all_then_it_is_a_series_or_a_refusal(payload):
    for parse in (payloads.funding, payloads.open_interest, payloads.long_short_ratio):
        try:
            out = parse(payload, "BTC/USDT:USDT")
        except InputError:
            continue
        assert np.isfinite(out.values).all()
    for refuse in (
        lambda: payloads.liquidation(payload, "BTC/USDT:USDT"),
        lambda: payloads.order_book(payload, "BTC/USDT:USDT", 1.0, 0.01),
        lambda: payloads.votes(payload, "litecoin"),
        lambda: payloads.mempool(payload),
        lambda: payloads.blocks(payload),
        lambda: payloads.blockchair_transfers(payload, 1.0),
    ):
        with pytest.raises(InputError):
            refuse()
