"""What the watchdog sees: each row of an answer by itself, and the markets it keeps an eye on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ccxt
import pytest

from models.base.errors import InputError
from models.operate.control.watch import Resting, WatchedPosition
from strategies.desk.watch.look import EARLIER, GuardedMarkets, SeenAccount, look
from strategies.desk.watch.venue import ToldRows, Venue
from tests.test_strategies.desk.watch.scripted import (
    BTC,
    ETH,
    ScriptedWorld,
    entry,
    market,
    own_stop,
)

SOL = "SOL/USDT:USDT"


@pytest.fixture
def world(tmp_path: Path) -> ScriptedWorld:
    return ScriptedWorld(tmp_path)


# -- the markets ----------------------------------------------------------------------------------


def resting(symbol: str, trigger: float | None, *, own: bool = True) -> Resting:
    return Resting(id="1", symbol=symbol, side=-1, amount=1.0, reduce_only=True, trigger=trigger,
                   own=own, bot=False)  # fmt: skip


@pytest.mark.parametrize(
    ("orders", "is_kept"),
    [([], False), ([resting(BTC, None)], False), ([resting(BTC, 9.0)], True),
     ([resting(BTC, None), resting(BTC, 9.0)], True)],
)  # fmt: skip
def test_market_when_it_held_a_position_then_it_is_looked_at_until_no_stop_rests_in_it(
    orders: list[Resting], is_kept: bool
) -> None:
    guarded = GuardedMarkets()
    guarded.note(SeenAccount(positions={BTC: WatchedPosition(symbol=BTC, amount=1.0, mark=9.0)}))
    guarded.note(SeenAccount(orders={BTC: orders}))
    assert list(guarded.symbols) == [BTC]  # nobody knows whether it holds one still
    guarded.note(SeenAccount(whole=True))
    assert list(guarded.symbols) == [BTC]  # its orders are not seen
    guarded.note(SeenAccount(orders={BTC: orders}, whole=True))
    assert list(guarded.symbols) == [BTC] * is_kept


class AllMarkets:
    """Answers the question about all markets: first as broken as the test wants, then well."""

    def __init__(self, *answers: ToldRows[Resting] | Exception) -> None:
        self.asked = 0
        self._answers = list(answers)

    def stops(self) -> ToldRows[Resting]:
        self.asked += 1
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_earlier_stops_when_not_all_are_seen_then_they_are_asked_for_each_minute() -> None:
    mine, others = resting(BTC, 9.0), resting(ETH, 9.0, own=False)
    venue = AllMarkets(
        ccxt.NetworkError("no"), ToldRows([mine, others], {"SOLUSDT": "x"}), ToldRows([mine])
    )
    guarded = GuardedMarkets()

    def recalled(now_s: float) -> dict[str, str]:
        return guarded.recall(venue, now_s)  # type: ignore[arg-type]  # the part it asks

    assert recalled(5.0) == {EARLIER: "NetworkError: no"}
    assert recalled(64.9) == {EARLIER: "NetworkError: no"}
    assert (venue.asked, guarded.symbols) == (1, {})
    assert recalled(65.0) == {"an order in SOLUSDT": "x"}
    assert (venue.asked, list(guarded.symbols)) == (2, [BTC])  # not others' stops
    assert recalled(124.9) == {"an order in SOLUSDT": "x"}
    assert recalled(125.0) == {}
    assert recalled(9_999.0) == {}
    assert venue.asked == 3  # nothing is missing any more


@pytest.mark.parametrize(("took_s", "is_recalled"), [(12.0, True), (12.1, False)])
def test_look_when_the_exchange_is_slow_then_other_markets_are_asked_for_while_there_is_time(
    world: ScriptedWorld, took_s: float, is_recalled: bool
) -> None:
    sol = "SOL/USDT:USDT"
    world.account.answers["exchangeInfo"]["symbols"].append(market("SOL", "0.01"))
    world.account.answers["openAlgoOrders"] = [own_stop("SOLUSDT")]
    readings = iter([0.0])
    guarded = GuardedMarkets()
    seen = look(
        Venue(world.account.client), [BTC], guarded, lambda: next(readings, took_s), lambda: None
    )
    assert (sol in guarded.symbols) is is_recalled
    assert (f"the orders of {BTC}" in seen.missing) is not is_recalled


@pytest.mark.parametrize(
    ("row", "name"), [(None, "a row"), ("ETHUSDT", "a row"), ({"symbol": "ETHUSDT"}, "ETHUSDT")]
)
def test_row_when_it_is_not_read_then_it_is_named_with_the_reason(
    world: ScriptedWorld, row: object, name: str
) -> None:
    world.account.answers["positionRisk"][1] = row
    told = Venue(world.account.client).positions()
    assert [position.symbol for position in told.items] == [BTC]
    assert told.unread == {name: "InputError: left out by ccxt"}


def test_order_when_ccxt_leaves_it_out_then_that_is_said(
    world: ScriptedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.account.client, "parse_orders", lambda *_, **__: [])
    told = Venue(world.account.client).resting(BTC)
    assert (told.items, told.unread) == ([], {"BTCUSDT": "InputError: left out by ccxt"})


@pytest.mark.parametrize(
    "change", [{"notional": "?"}, {"entryPrice": "?"}, {"entryPrice": "0"}, {"markPrice": []}]
)
def test_position_when_ccxt_cannot_parse_it_then_it_is_read_by_the_little_that_matters(
    world: ScriptedWorld, change: dict[str, Any]
) -> None:
    world.account.answers["positionRisk"][1].update(change)
    told = Venue(world.account.client).positions()
    assert told.items[1:] == [WatchedPosition(symbol=ETH, amount=-0.5, mark=3_000.0)]
    assert told.unread == {}


@pytest.mark.parametrize(
    ("change", "is_read"),
    [({}, True), ({"side": "X"}, False), ({"quantity": "-1"}, False), ({"quantity": "0"}, True),
     ({"reduceOnly": None}, False), ({"reduceOnly": ""}, False), ({"reduceOnly": False}, True)],
)  # fmt: skip
def test_stop_when_it_does_not_say_what_it_is_then_it_is_not_taken_for_another_kind_of_order(
    world: ScriptedWorld, change: dict[str, Any], is_read: bool
) -> None:
    world.account.answers["openOrders BTCUSDT"] = []
    world.account.answers["openAlgoOrders BTCUSDT"] = [own_stop("BTCUSDT") | change]
    told = Venue(world.account.client).resting(BTC)
    assert len(told.items) == is_read
    why = {"BTCUSDT": "InputError: expected side, size and kind of an order"}
    assert told.unread == ({} if is_read else why)


@pytest.mark.parametrize(
    ("change", "is_read"),
    [({}, True), ({"side": "X"}, False), ({"origQty": "-1"}, False), ({"origQty": "0"}, True),
     ({"reduceOnly": None}, True)],
)  # fmt: skip
def test_entry_when_it_does_not_say_its_side_or_size_then_it_is_named_as_unread(
    world: ScriptedWorld, change: dict[str, Any], is_read: bool
) -> None:
    world.account.answers["openOrders BTCUSDT"] = [entry("BTC", "BUY", "50000") | change]
    told = Venue(world.account.client).resting(BTC)
    assert len(told.items) == is_read
    assert list(told.unread) == ([] if is_read else ["BTCUSDT"])


def test_order_when_another_market_is_answered_then_it_is_unread(
    world: ScriptedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = world.account.client
    whole = client.parse_order
    monkeypatch.setattr(client, "parse_order", lambda *a, **k: whole(*a, **k) | {"symbol": ETH})
    monkeypatch.setattr(client, "filter_by_symbol_since_limit", lambda rows, *_, **__: rows)
    told = Venue(client).resting(BTC)
    assert (told.items, list(told.unread)) == ([], ["BTCUSDT"])


def test_smallest_order_when_the_exchange_names_none_then_it_is_zero(world: ScriptedWorld) -> None:
    world.account.answers["exchangeInfo"]["symbols"][1]["filters"].pop()
    venue = Venue(world.account.client)
    venue.positions()
    assert (venue.smallest_quote(BTC), venue.smallest_quote(ETH)) == (5.0, 0.0)


def test_position_when_its_market_is_listed_later_then_the_list_is_asked_for_once_more(
    world: ScriptedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, listed = world.account.client, world.account.answers["exchangeInfo"]["symbols"]
    later = listed.pop()
    asked: list[int] = []
    own = client.fetch_markets
    monkeypatch.setattr(client, "fetch_markets", lambda *a, **k: (asked.append(1), own(*a, **k))[1])
    venue = Venue(client)
    told = venue.positions()
    assert [p.symbol for p in told.items] == [BTC]
    assert told.unread == {"ETHUSDT": "InputError: not listed: ETHUSDT"}  # in its words
    assert len(asked) == 2  # it might have been listed since the first list
    listed.append(later)
    assert [p.symbol for p in venue.positions().items] == [BTC, ETH]
    venue.positions()
    assert len(asked) == 3  # not while every market is known


@pytest.mark.parametrize(
    ("account", "ratio"),
    [({"totalMaintMargin": "10", "totalMarginBalance": "1000"}, 0.01),
     ({"totalMaintMargin": "0", "totalMarginBalance": "1000"}, 0.0),
     ({"totalMaintMargin": "0", "totalMarginBalance": "0"}, 1.0),
     ({"totalMarginBalance": "1000"}, None)],
)  # fmt: skip
def test_margin_when_the_exchange_counts_it_or_does_not_then_it_is_a_ratio_or_not_known(
    world: ScriptedWorld, account: dict[str, str], ratio: float | None
) -> None:
    world.account.answers["account"] = {"assets": [], "positions": [], **account}
    assert Venue(world.account.client).margin_ratio() == ratio


@pytest.mark.parametrize("maintenance", ["-10", "nan", "inf"])
def test_margin_when_it_makes_no_sense_then_it_is_refused(
    world: ScriptedWorld, maintenance: str
) -> None:
    world.account.answers["account"]["totalMaintMargin"] = maintenance
    with pytest.raises(InputError, match="expected a margin ratio >= 0"):
        Venue(world.account.client).margin_ratio()


def test_volume_when_an_hour_is_whole_then_it_is_that_ones_and_not_of_the_one_that_runs(
    world: ScriptedWorld,
) -> None:
    whole = [1_699_992_000_000, "90", "120", "80", "100", "7", 0, "0", 0, "0", "0", "0"]
    runs = [1_699_995_600_000, "100", "110", "100", "105", "2", 0, "0", 0, "0", "0", "0"]
    world.account.answers["klines BTCUSDT"] = [whole, runs]
    venue = Venue(world.account.client)
    venue.positions()
    assert venue.volume_1h_quote(BTC) == 700.0
    world.account.answers["klines BTCUSDT"] = [runs]  # listed within the hour
    assert venue.volume_1h_quote(BTC) is None


def test_row_when_it_is_empty_then_it_is_no_position_and_nothing_is_missing(
    world: ScriptedWorld,
) -> None:
    world.account.answers["positionRisk"][1].update(positionAmt="0.000", notional="0")
    told = Venue(world.account.client).positions()
    assert ([position.symbol for position in told.items], told.unread) == ([BTC], {})


@pytest.mark.parametrize(
    ("mark", "last", "read"),
    [("0.5", 9.0, 0.5), ("0", 0.25, 0.25), ("0", 0.0, 3_000.0), ("nan", float("inf"), 3_000.0)],
)
def test_mark_when_it_is_none_then_the_first_price_there_is_counts(
    world: ScriptedWorld, monkeypatch: pytest.MonkeyPatch, mark: str, last: float, read: float
) -> None:
    world.account.answers["positionRisk"][1].update(markPrice=mark)
    monkeypatch.setattr(world.account.client, "fetch_ticker", lambda symbol: {"last": last})
    assert Venue(world.account.client).positions().items[1].mark == read


def test_row_when_its_name_and_error_are_long_then_the_beginning_is_told(
    world: ScriptedWorld,
) -> None:
    world.account.answers["positionRisk"][1] = {"symbol": "Y" * 99, "positionAmt": "x" * 300}
    ((name, why),) = Venue(world.account.client).positions().unread.items()
    assert name == "Y" * 20
    assert why == f"ValueError: could not convert string to float: '{'x' * 300}"[:100]


# -- the date of a request ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("was_ms", "ahead_s", "is_news"),
    [(0, 0.5, False), (0, 0.501, True), (0, -0.5, False), (0, -0.501, True),
     (900_000, 900.0, False), (900_000, 0.0, True), (None, 900.0, False)],
)  # fmt: skip
def test_date_when_the_exchanges_clock_is_asked_for_then_only_a_real_difference_is_news(
    world: ScriptedWorld, monkeypatch: pytest.MonkeyPatch, was_ms: int | None, ahead_s: float,
    is_news: bool,
) -> None:  # fmt: skip
    options = world.account.client.options
    if was_ms is None:
        options.pop("timeDifference", None)
    else:
        options["timeDifference"] = was_ms
    monkeypatch.setattr("strategies.desk.watch.venue.clock_ahead_s", lambda client: ahead_s)
    assert Venue(world.account.client).dates_anew() is is_news
    assert options.get("timeDifference") == (None if was_ms is None else round(1000 * ahead_s))


def test_date_when_the_exchange_does_not_tell_its_time_then_nothing_is_dated_anew(
    world: ScriptedWorld,
) -> None:
    world.account.client.options["timeDifference"] = 7
    world.account.answers["time"] = ccxt.NetworkError("no")
    assert Venue(world.account.client).dates_anew() is False
    assert world.account.client.options["timeDifference"] == 7
