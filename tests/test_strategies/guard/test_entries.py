"""What is read for an order of new risk, and what is remembered of those let through."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ccxt
import numpy as np
import pandas as pd
import pytest
from freqtrade.enums import RunMode
from freqtrade.exceptions import TemporaryError

from models.base import columns
from models.base.errors import InputError
from models.base.units import HOUR_MS
from models.operate.control.shocks import PairShock
from models.trade.risk import model
from models.trade.risk.run import GUARDS, Guard
from models.trade.risk.snapshot import SentOrder
from models.trade.risk.worst_hours import WorstHour, worst_24_hours, worst_hour
from strategies.BitcoinCrossMargin import BitcoinCrossMargin
from strategies.guard.entries import market_known, model_known
from strategies.guard.foresight import Foresight
from strategies.guard.guarding import installation_seed
from strategies.seams.frames import time_ms
from tests.test_strategies.fakes import LiveProvider
from tests.test_strategies.worlds import (
    NOW,
    PAIR,
    RATE,
    BrokenProvider,
    Wallets,
    analysed,
    config,
    position,
    running,
)

pytestmark = pytest.mark.usefixtures("open_trades")

OTHER = "LTC/USDT:USDT"
DAY = timedelta(days=1)
MOMENT = timedelta(milliseconds=1)


@pytest.fixture
def make(tmp_path: Path) -> Any:
    def made(runmode: RunMode = RunMode.DRY_RUN, **blocks: Any) -> Any:
        s = BitcoinCrossMargin(config(user_data_dir=tmp_path, runmode=runmode, **blocks))
        s.dp, s.wallets = LiveProvider(analysed()), Wallets(10_000.0)
        return running(s)

    return made


# -- orders ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "sign"), [("long", 1), ("short", -1)])
def test_order_when_it_was_let_through_then_its_side_and_amount_are_remembered(
    make: Any, side: str, sign: int
) -> None:
    s = make()
    assert s.guarding.decide(PAIR, side, 500.0, RATE, NOW).allowed
    s.guarding.sent(PAIR, side, 5.0, NOW)
    (sent,) = s.guarding.entries.orders
    assert isinstance(sent, SentOrder)
    assert (sent.pair, sent.side, sent.time_ms) == (PAIR, sign, round(1000 * NOW.timestamp()))
    assert s.guarding.recovery.approved[PAIR] == sign * 5.0
    assert not s.guarding.decide(PAIR, side, 500.0, RATE, NOW).allowed  # the same decision
    other = "short" if side == "long" else "long"
    assert s.guarding.decide(PAIR, other, 500.0, RATE, NOW).allowed  # another


def test_order_when_a_day_old_then_it_is_forgotten_and_the_younger_stays(make: Any) -> None:
    s = make()
    s.guarding.sent(PAIR, "long", 5.0, NOW)
    s.guarding.sent(PAIR, "short", 5.0, NOW + MOMENT)
    s.guarding.decide(PAIR, "long", 500.0, RATE, NOW + DAY - MOMENT)
    assert [order.side for order in s.guarding.entries.orders] == [1, -1]
    s.guarding.decide(PAIR, "long", 500.0, RATE, NOW + DAY)
    assert [order.side for order in s.guarding.entries.orders] == [-1]
    s.guarding.decide(PAIR, "long", 500.0, RATE, NOW + DAY + MOMENT)
    assert list(s.guarding.entries.orders) == []


def test_model_when_no_guard_asks_for_it_then_nobody_does(make: Any) -> None:
    s = make()
    asks = [guard for guard in GUARDS if guard.check.__module__ == model.__name__]
    others = [guard for guard in GUARDS if guard not in asks]

    def known(guards: list[Guard]) -> bool:
        return model_known(s.guarding.readings, s.guarding.unknowns, guards, PAIR, 1) is not None

    assert known(asks)
    assert known([*others, *asks])
    s.dp = BrokenProvider()  # as a hedge's, which has no model to tell of
    assert not known(others)
    assert s.guarding.unknowns.of(PAIR) == set()


@pytest.mark.parametrize(
    ("threat", "refused"),
    [(columns.FALSE_ALARMS_UP, "short"), (columns.FALSE_ALARMS_DOWN, "long")],
)
def test_order_when_a_cascade_threatens_one_side_then_that_side_is_refused_and_the_other_is_not(
    make: Any, threat: str, refused: str
) -> None:
    s = make()
    s.dp.frame = analysed(**{threat: 0.1})
    for side in ("long", "short"):
        assert s.guarding.decide(PAIR, side, 500.0, RATE, NOW).allowed is (side != refused)


def test_order_when_anything_of_the_account_is_unknown_then_it_is_refused_until_that_is_known(
    make: Any,
) -> None:
    s = make()
    s.guarding.unknowns.note("another venue", "silent")
    decision = s.guarding.decide(PAIR, "long", 500.0, RATE, NOW)
    assert not decision.allowed
    assert "another venue" in decision.reason
    s.guarding.unknowns.known("another venue")
    assert s.guarding.decide(PAIR, "long", 500.0, RATE, NOW).allowed


@pytest.mark.parametrize("mode", [RunMode.DRY_RUN, RunMode.BACKTEST])
def test_market_when_a_price_is_missing_then_that_is_unknown_where_there_is_one_to_be_had(
    make: Any, mode: RunMode
) -> None:
    s, what = make(mode), f"all prices of {PAIR}"
    s.dp = Unmarked(analysed())
    s.guarding.readings.view = None
    market_known(s.guarding.readings, s.guarding.unknowns, PAIR, NOW)
    assert s.guarding.unknowns.is_unknown(what) is (mode is RunMode.DRY_RUN)
    s.dp = LiveProvider(analysed())
    s.guarding.readings.view = None
    market_known(s.guarding.readings, s.guarding.unknowns, PAIR, NOW)
    assert not s.guarding.unknowns.is_unknown(what)


class Marked(LiveProvider):
    mark: float | None = 98.0

    def funding_rate(self, pair: str) -> dict[str, Any]:
        return {**super().funding_rate(pair), "markPrice": self.mark}


class Unmarked(Marked):
    mark = None


@pytest.mark.parametrize(
    ("provider", "price", "rate"),
    [(Marked, 101.0, 98.0), (Unmarked, 101.0, 101.0), (None, 101.0, 101.0), (None, 0.0, 0.0)],
)
def test_order_when_a_mark_price_is_known_then_the_account_is_valued_at_it_else_at_the_orders(
    make: Any, monkeypatch: pytest.MonkeyPatch, provider: Any, price: float, rate: float
) -> None:
    s = make()
    s.dp = BrokenProvider() if provider is None else provider(analysed())
    s.guarding.readings.view = None
    valued: list[tuple[str, float]] = []
    monkeypatch.setattr(s.guarding.readings, "exposure", lambda *at: valued.append(at))
    assert not s.guarding.decide(PAIR, "long", 500.0, price, NOW).allowed
    assert valued == [(PAIR, rate)]


# -- the account ----------------------------------------------------------------------------------


def test_account_when_a_pair_is_named_then_its_rate_counts_and_the_others_are_read(
    make: Any, open_trades: list[Any]
) -> None:
    s = make()
    open_trades.append(position(amount=2.0, open_rate=90.0))
    assert s.guarding.exposure().marks == {PAIR: RATE}
    assert s.guarding.exposure(PAIR, 95.0).marks == {PAIR: 95.0}
    assert s.guarding.exposure(PAIR, 95.0).equity_quote == pytest.approx(10_010.0)
    open_trades.clear()
    assert s.guarding.exposure().equity_quote == pytest.approx(10_000.0)


@pytest.mark.parametrize(("side", "pending"), [("long", (200.0, 0.0)), ("short", (0.0, 200.0))])
def test_account_when_an_order_is_permitted_then_it_counts_on_its_side_before_it_is_booked(
    make: Any, side: str, pending: tuple[float, float]
) -> None:
    s = make()
    s.guarding.permit(PAIR, side, 2.0, RATE)
    exposure = s.guarding.exposure()
    assert (exposure.pending_long_quote, exposure.pending_short_quote) == pending


def test_account_when_the_stage_is_live_then_tiers_are_the_exchanges_else_the_packaged(
    make: Any, open_trades: list[Any]
) -> None:
    open_trades.append(position(amount=20_000.0, open_rate=RATE))  # 2,000,000 of notional
    made = {mode: make(mode) for mode in (RunMode.DRY_RUN, RunMode.LIVE, RunMode.BACKTEST)}
    margin = {
        mode: (e := s.guarding.exposure()).account.maintenance_margin(e.marks)
        for mode, s in made.items()
    }
    assert margin[RunMode.LIVE] == pytest.approx(8_000.0)  # 0.4 %, the fake exchange's only tier
    assert margin[RunMode.DRY_RUN] == margin[RunMode.BACKTEST] == pytest.approx(11_500.0)


def test_account_when_freqtrade_has_provided_no_wallets_then_it_is_unknown(make: Any) -> None:
    s = make()
    s.wallets = None
    with pytest.raises(InputError, match="has not provided its wallets"):
        s.guarding.exposure()


def test_price_when_it_is_a_backtest_then_the_newest_candles_close_counts(
    make: Any, open_trades: list[Any]
) -> None:
    s = make(RunMode.BACKTEST)
    s.dp.frame = pd.concat([analysed(close=90.0), analysed(close=95.0), analysed(close=97.0)])
    open_trades.append(position())
    assert s.guarding.exposure().marks == {PAIR: 97.0}


# -- what may happen to the account ---------------------------------------------------------------


def falling(count: int) -> pd.DataFrame:
    """Return hourly candles, each worse than all before: only its own day and hour are worst."""
    close = RATE * np.exp(-((np.arange(count) / 60.0) ** 3))
    date = pd.date_range(end=NOW, periods=count, freq="1h").floor("h")
    return pd.DataFrame({"date": date, "high": close * 1.001, "low": close * 0.999, "close": close})


def test_worst_moves_when_candles_come_one_by_one_then_they_are_those_of_all_at_once(
    make: Any,
) -> None:
    s, every = make(), falling(140)

    def shown(begin: int, end: int) -> tuple[Any, Any]:
        s.dp.frame = every[begin:end]
        seen = s.guarding.exposure(PAIR, RATE)
        return seen.worst_hours[PAIR], seen.worst_days[PAIR]

    def all_at_once(end: int) -> tuple[Any, Any]:
        rows = every[:end]
        prices = (rows[name].to_numpy() for name in ("high", "low", "close"))
        moves = (time_ms(rows), *prices, HOUR_MS)
        return worst_hour(*moves), worst_24_hours(*moves)

    assert shown(0, 40) == all_at_once(40)
    for end in (41, 42, 50, 85, 86, 140):  # the bot may have been away for a while
        assert shown(max(end - 100, 0), end) == all_at_once(end)
        assert shown(end - 1, end) == all_at_once(end)  # nothing new, however little is shown
    assert shown(0, 60) == all_at_once(60)  # another run: what came later is forgotten
    assert shown(0, 0) == all_at_once(60)


def test_account_when_an_order_is_on_its_way_in_another_coin_then_that_coin_counts_too(
    make: Any, open_trades: list[Any]
) -> None:
    s = make()
    s.guarding.permit(OTHER, "short", 2.0, RATE)
    open_trades.append(position(amount=1.0))
    seen = s.guarding.exposure(PAIR, 95.0)
    assert seen.marks == {PAIR: 95.0, OTHER: RATE}
    assert seen.worst_hours.keys() == {PAIR, OTHER}
    assert seen.at_marks is False  # it has stops: a traded price closes a position, too


def test_account_when_scenarios_speak_of_a_coin_then_it_is_sized_by_that_and_else_as_before(
    make: Any, tmp_path: Path
) -> None:
    s = make()
    assert s.guarding.exposure(PAIR, RATE).foreseen == {}
    before = s.guarding.decide(PAIR, "long", 1e6, RATE, NOW).notional_quote
    clock = [int(NOW.timestamp() * 1000)]
    ahead = Foresight(tmp_path, lambda: clock[0])
    s.guarding.size_by(ahead)
    assert s.guarding.decide(PAIR, "long", 1e6, RATE, NOW).notional_quote == before
    wild = PairShock(pair=PAIR, until_ms=clock[0], fall_frac=0.75, rise_frac=0.1)
    ahead.take([wild], [], (PAIR,))
    seen = s.guarding.exposure(PAIR, RATE)
    assert seen.foreseen == {PAIR: WorstHour(fall_frac=0.75, rise_frac=0.1)}
    decision = s.guarding.decide(PAIR, "long", 1e6, RATE, NOW)
    assert decision.notional_quote == pytest.approx(0.225 * 10_000 / 0.75)
    assert decision.notional_quote < before
    clock[0] += 26 * HOUR_MS
    decision = s.guarding.decide(PAIR, "long", 1e6, RATE, NOW)
    assert decision.notional_quote == 0.0
    assert "scenarios have said nothing of BTC/USDT:USDT since" in decision.reason


@pytest.mark.parametrize("named", [{}, {"USDT": SimpleNamespace(total=None)}])
def test_account_when_the_exchange_names_no_balance_then_it_is_unknown_and_not_nothing(
    make: Any, monkeypatch: pytest.MonkeyPatch, named: dict[str, Any]
) -> None:
    s = make(RunMode.LIVE)
    monkeypatch.setattr(s.wallets, "get_all_balances", lambda: named, raising=False)
    with pytest.raises(InputError, match="names no balance in USDT"):
        s.guarding.exposure()
    dry = make()
    monkeypatch.setattr(dry.wallets, "get_all_balances", lambda: named, raising=False)
    assert dry.guarding.exposure().equity_quote == pytest.approx(10_000.0)


@pytest.mark.parametrize("fails_over", [True, False])
def test_price_when_the_exchange_is_silent_then_the_second_source_counts_where_that_is_allowed(
    make: Any, monkeypatch: pytest.MonkeyPatch, open_trades: list[Any], fails_over: bool
) -> None:
    def silent(pair: str) -> Any:
        raise TemporaryError("no answer") from ccxt.NetworkError("away")

    s = make()
    monkeypatch.setattr(s.dp, "funding_rate", silent)
    s.guarding.readings.view = None
    s.second_source = SimpleNamespace(
        config=SimpleNamespace(fail_over=fails_over), last_close=lambda pair: 93.0
    )
    open_trades.append(position(amount=1.0))
    if fails_over:
        assert s.guarding.exposure().marks == {PAIR: 93.0}
    else:
        with pytest.raises(TemporaryError, match="no answer"):
            s.guarding.exposure()


# -- a price that is missing ----------------------------------------------------------------------


def test_exposure_when_one_held_pair_has_no_price_then_the_message_names_it_and_the_cure(
    make: Any, open_trades: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    s, gone, why = make(), "1000PEPE/USDT:USDT", ccxt.BadSymbol("no such market")

    def refused(pair: str) -> dict[str, Any]:
        if pair != gone:
            return asked(pair)
        raise TemporaryError("Could not get it") from why

    asked: Any = s.dp.funding_rate
    monkeypatch.setattr(s.dp, "funding_rate", refused)
    open_trades += [position(amount=1.0), position(pair=gone, amount=5.0)]

    def unknown() -> str:
        s.guarding.loop(NOW)
        found = {u.what: u.why for u in s.control.store.read().unknown}
        return found["the account's exposure"]

    assert f"no price of {gone}, which is held" in unknown()
    assert unknown().endswith("delisted, in a dry run: /delete")
    why = ccxt.NetworkError("away")  # then nobody is told to close anything
    assert unknown() == "TemporaryError: Could not get it"


# -- ahead of a candle's close --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "asked"),
    [(RunMode.LIVE, [([PAIR], True)]), (RunMode.DRY_RUN, [([PAIR], False)]),
     (RunMode.BACKTEST, [])],
)  # fmt: skip
def test_look_ahead_when_live_then_books_too_and_in_a_backtest_nothing_is_asked(
    make: Any, monkeypatch: pytest.MonkeyPatch, mode: RunMode, asked: list[Any]
) -> None:
    s = make(mode)
    seen: list[Any] = []
    monkeypatch.setattr(
        s.guarding.readings.quotes,
        "look_ahead",
        lambda pairs, *, books: seen.append((pairs, books)),
    )
    s.guarding.look_ahead([PAIR])
    assert seen == asked


def test_candle_when_its_length_is_told_then_it_is_in_seconds(make: Any) -> None:
    assert make().guarding.readings.candle_s == 3600.0


# -- the installation -----------------------------------------------------------------------------


def test_seed_when_its_folder_is_there_or_deep_then_it_is_drawn_all_the_same(
    tmp_path: Path,
) -> None:
    assert installation_seed(tmp_path) == int((tmp_path / "seed").read_text(encoding="utf-8"))
    deep = tmp_path / "a" / "b"
    assert installation_seed(deep) == installation_seed(deep)
