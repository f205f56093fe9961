"""The guards behind the hooks: one order per decision, halts that last, books that agree, exits in
stages, and growth that asks like an entry does."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from freqtrade.enums import RunMode

from models.base import columns
from models.base.errors import InputError
from models.base.files import wall_clock_ms
from models.base.steady import SteadyClock
from models.operate.control.state import ControlMode, GuardActor, Person
from models.serve.latency import CandleLatency
from strategies.account.acknowledgement import leverage_digest
from strategies.account.exchange_account import books_of_exchange, read_positions
from strategies.account.market_view import MarketView, exchange_tiers
from strategies.BitcoinCrossMargin import BitcoinCrossMargin
from strategies.guard.guarding import installation_seed
from strategies.guard.permits import NewRisk
from strategies.human import control
from tests.test_strategies.fakes import Exchange, LiveProvider
from tests.test_strategies.worlds import (
    NOW,
    PAIR,
    RATE,
    BrokenProvider,
    Wallets,
    analysed,
    config,
    confirm,
    position,
    running,
    stake,
)

pytestmark = pytest.mark.usefixtures("open_trades")

ANN = Person("ann", "command line")
LATER = NOW + timedelta(seconds=1)


@pytest.fixture
def make(tmp_path: Path) -> Any:
    def made(kind: type = BitcoinCrossMargin, frame: Any = None, **blocks: Any) -> Any:
        s = kind(config(user_data_dir=tmp_path, **blocks))
        s.dp = LiveProvider(analysed() if frame is None else frame)
        s.wallets = Wallets(10_000.0)
        if s.control is not None and s.config["runmode"] is RunMode.LIVE:
            s.control.store.acknowledge(ANN, leverage_digest(s.config))
        return running(s)

    return made


def again(s: Any) -> bool:
    """Confirm the same decision once more."""
    return s.confirm_trade_entry(PAIR, "market", 5.0, RATE, "GTC", NOW, None, "long")


def adjust(
    s: Any, trade: Any, now: datetime = LATER, min_stake: float = 5.0, max_stake: float = 5000.0
) -> float | None:
    return s.adjust_trade_position(trade, now, RATE, 0.0, min_stake, max_stake)


def mode(s: Any) -> ControlMode:
    return s.control.store.read().mode


# -- entries --------------------------------------------------------------------------------------


def test_entry_when_the_same_decision_is_sent_twice_then_the_second_is_refused(make: Any) -> None:
    s = make()
    assert confirm(s) is True
    assert again(s) is False
    assert confirm(s) is True  # the control: forgotten, it would pass


def test_entry_when_the_side_is_entered_again_and_again_then_a_person_is_needed(make: Any) -> None:
    s = make()
    for minutes in range(3):
        s.dp.frame = analysed(date=NOW - timedelta(minutes=70 - minutes))
        assert s.confirm_trade_entry(PAIR, "market", 5.0, RATE, "GTC", NOW, None, "long") is True
    s.dp.frame = analysed(date=NOW - timedelta(minutes=66))
    assert again(s) is False
    assert mode(s) is ControlMode.HALTED
    assert "3 entries on this side" in s.control.store.read().reason


@pytest.mark.parametrize(
    "premium",
    [{}, {"markPrice": None}, {"markPrice": 0.0}, {"indexPrice": 98.0}, {"markPrice": 102.0},
     {"timestamp": None}, {"timestamp": 1}, {"fundingRate": None}, {"fundingRate": 0.01}],
)  # fmt: skip
def test_entry_when_the_exchange_answers_badly_then_it_is_refused(
    make: Any, premium: dict[str, Any]
) -> None:
    sound = make().dp.funding_rate(PAIR)

    class Answers(LiveProvider):
        def funding_rate(self, pair: str) -> dict[str, Any]:
            return {**sound, "timestamp": wall_clock_ms(), **premium} if premium else {}

    s = make()
    s.dp, s.guarding.readings.view = Answers(analysed()), None
    assert confirm(s) is False
    assert stake(s) == 0.0


def test_entry_when_it_is_a_backtest_then_closed_candles_are_enough(make: Any) -> None:
    s = make(runmode=RunMode.BACKTEST)
    assert s.control is None

    class Candles(BrokenProvider):
        def get_analyzed_dataframe(self, pair: str, timeframe: str) -> Any:
            return analysed(), NOW

    s.dp = Candles()
    s.bot_loop_start(NOW)
    assert stake(s) > 0
    assert confirm(s) is True
    assert again(s) is False  # what it can know, it does know
    s.guarding.leverage.clear()
    assert confirm(s) is False
    online = make()
    online.dp, online.guarding.readings.view = Candles(), None
    assert confirm(online) is False  # the control: online the same answers are not enough


def test_backtest_when_it_runs_then_no_permit_no_loss_and_no_jump_of_a_clock_is_counted(
    make: Any,
) -> None:
    s = make(runmode=RunMode.BACKTEST)
    s.guarding.permit(PAIR, "long", 2.0, RATE)
    assert s.guarding.exposure().pending_long_quote == 0.0
    assert s.guarding.losses is None
    assert s.guarding.true_time(NOW) == NOW


def test_time_when_the_machines_clock_has_jumped_then_that_is_taken_out(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = make()
    assert s.guarding.true_time(NOW) == NOW
    monkeypatch.setattr(type(s.control), "jump_ms", 900_000)
    assert s.guarding.true_time(NOW) == NOW - timedelta(minutes=15)


def test_permit_when_no_leverage_was_ordered_then_it_is_for_none(make: Any) -> None:
    s = make()
    s.guarding.leverage.clear()
    s.guarding.permit(PAIR, "long", 2.0, RATE)
    asked = NewRisk(pair=PAIR, side=1, amount_base=2.0, rate=RATE, leverage=1.0)
    assert s.guarding.permits.why_not(replace(asked, leverage=1.2))
    assert s.guarding.permits.why_not(asked) == ""


def test_restart_when_orders_were_sent_then_they_count_from_when_they_were_and_never_from_later(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent_ms = wall_clock_ms()
    clock_ms = [sent_ms]

    class Clock(SteadyClock):
        def __init__(self) -> None:
            super().__init__(lambda: clock_ms[0], lambda: 1_000.0)

    monkeypatch.setattr(control, "SteadyClock", Clock)
    assert confirm(make()) is True
    for now_ms, counted_ms in ((sent_ms + 3_600_000, sent_ms), (sent_ms - 5_000, sent_ms - 5_000)):
        clock_ms[0] = now_ms
        (order,) = make().guarding.entries.orders
        assert order.time_ms == counted_ms


# -- losses ---------------------------------------------------------------------------------------


def test_losses_when_the_day_has_lost_enough_then_it_halts_and_a_restart_does_not_help(
    make: Any,
) -> None:
    s = make()
    s.wallets.total = 9_801.0
    s.bot_loop_start(LATER)
    assert (mode(s), confirm(s)) == (ControlMode.ACTIVE, True)
    s.wallets.total = 9_799.0
    s.bot_loop_start(LATER)
    assert mode(s) is ControlMode.HALTED
    assert "2.0% lost today" in s.control.store.read().reason
    assert confirm(s) is False
    restarted = make()
    restarted.wallets.total = 9_799.0
    assert (mode(restarted), confirm(restarted)) == (ControlMode.HALTED, False)
    (s.control.store.folder / "state.json").unlink()  # a mode lost is a halt, and so is the loss
    assert confirm(make()) is False


def test_losses_when_a_person_resumes_then_they_count_from_there(make: Any) -> None:
    s = make()
    s.wallets.total = 9_700.0
    s.bot_loop_start(LATER)
    assert mode(s) is ControlMode.HALTED
    s.control.store.resume(ANN)
    s.bot_loop_start(LATER)
    assert (mode(s), confirm(s)) == (ControlMode.ACTIVE, True)
    s.wallets.total = 9_500.0  # 2.06 % of 9,700
    s.bot_loop_start(LATER)
    assert mode(s) is ControlMode.HALTED


def test_losses_when_equity_stands_still_then_they_are_not_written_again(make: Any) -> None:
    s = make()
    path = s.control.store.folder / "losses.json"
    written = path.stat().st_mtime_ns
    s.bot_loop_start(LATER)
    assert path.stat().st_mtime_ns == written
    assert s.guarding.losses.time_ms == int(LATER.timestamp() * 1000)
    s.wallets.total = 9_999.0
    s.bot_loop_start(LATER)
    assert path.stat().st_mtime_ns > written


def test_losses_when_open_positions_lose_then_that_counts_before_anything_is_closed(
    make: Any, open_trades: list[Any]
) -> None:
    s = make()
    open_trades.append(position(amount=20.0, open_rate=111.0))  # 220 below water, of 10,000
    s.bot_loop_start(LATER)
    assert mode(s) is ControlMode.HALTED


def test_losses_when_their_file_is_damaged_then_the_bot_does_not_start_counting_anew(
    make: Any,
) -> None:
    folder = make().control.store.folder
    (folder / "losses.json").write_text('{"losses": {}}', encoding="utf-8")
    with pytest.raises(Exception, match="losses cannot be read"):
        make()


# -- agreement with the exchange ------------------------------------------------------------------


def holds(contracts: float, side: str = "long") -> list[dict[str, Any]]:
    return [{"symbol": PAIR, "contracts": contracts, "side": side}]


def test_entry_when_the_exchange_holds_what_the_books_do_not_then_no_second_order_and_a_halt(
    make: Any,
) -> None:
    s = make(runmode=RunMode.LIVE)
    assert confirm(s) is True
    s.dp._exchange.positions = holds(5.0)  # the order was executed, its answer lost
    assert confirm(s) is False
    assert mode(s) is ControlMode.HALTED
    assert "the exchange holds 5, the books 0" in s.control.store.read().reason


def test_entry_when_its_answer_was_lost_then_the_position_gets_a_stop_once(make: Any) -> None:
    s = make(runmode=RunMode.LIVE)
    assert confirm(s) is True
    s.dp._exchange.positions = holds(4.99)  # rounded to lots
    for seconds in (10, 20):
        s.bot_loop_start(NOW + timedelta(seconds=seconds))
    assert s.dp._exchange.stops == [(PAIR, 4.99, "sell", pytest.approx(90.0))]
    assert mode(s) is ControlMode.ACTIVE  # not yet: it may still be noticed
    s.bot_loop_start(NOW + timedelta(seconds=26))
    assert mode(s) is ControlMode.HALTED
    (lost,) = s.control.journal.entries(kind="entry.lost")
    assert "an entry of 4.99 was executed and its answer lost" in lost.record["what"]
    strange = make(runmode=RunMode.LIVE)
    strange.dp._exchange.positions = holds(3.0)  # nothing of that size was sent: somebody else's
    strange.bot_loop_start(NOW + timedelta(seconds=10))
    assert strange.dp._exchange.stops == []


def test_restart_when_an_entry_was_sent_before_then_its_lost_position_gets_one_stop_at_once(
    make: Any,
) -> None:
    assert confirm(make(runmode=RunMode.LIVE)) is True  # killed before the answer
    stop = {"id": "7", "symbol": PAIR, "side": "sell", "amount": 4.99, "remaining": 4.99,
            "reduceOnly": True, "triggerPrice": 90.0, "info": {}}  # fmt: skip
    for client, placed in (("", 1), ("bwdog1-0", 1), ("x-1", 0)):
        restarted = make(runmode=RunMode.LIVE)
        restarted.dp._exchange.positions = holds(4.99)
        restarted.dp._exchange._api.orders = [{**stop, "clientOrderId": client}] if client else []
        restarted.bot_loop_start(NOW + timedelta(seconds=10))
        restarted.bot_loop_start(NOW + timedelta(seconds=16))
        assert len(restarted.dp._exchange.stops) == placed


def test_restart_when_the_same_decision_was_sent_before_then_it_is_not_sent_again(
    make: Any,
) -> None:
    assert confirm(make()) is True
    assert again(make()) is False


def test_orders_when_they_leave_then_they_are_answered_when_taken_stops_when_executed(
    make: Any, open_trades: list[Any]
) -> None:
    def asked(s: Any) -> Any:
        return s.dp._exchange._params

    for leaves in (confirm, lambda s: s._leaving(PAIR, NOW)):
        s = make(runmode=RunMode.LIVE)
        s.dp._exchange._params = {"kept": 1}
        leaves(s)
        assert asked(s) == {"kept": 1, "newOrderRespType": "ACK"}
        s.bot_loop_start(NOW)  # stops are placed in the next loop
        assert asked(s) == {"kept": 1}
    dry = make()
    assert confirm(dry) is True
    assert asked(dry) == {}


def test_exit_when_it_is_on_its_way_then_entries_wait_for_its_result_and_it_is_not_sent_twice(
    make: Any, open_trades: list[Any]
) -> None:
    s = make(runmode=RunMode.LIVE)
    s.bot_loop_start(NOW + timedelta(seconds=10))
    s._leaving(PAIR, NOW + timedelta(seconds=10))
    assert s.guarding.standing.losses.uncounted == (f"the result of a fill in {PAIR}",)
    assert confirm(s, current_time=NOW + timedelta(seconds=11)) is False
    exit_ = SimpleNamespace(ft_order_side="sell", order_type="market", safe_remaining=5.0)
    trade = position(amount=5.0, stake_amount=250.0)
    s.guarding.standing._shed_all = 1.0
    trade.open_orders = [exit_]
    assert s._staged(trade, RATE, 1.0, NOW) == 0.0
    exit_.order_type = "limit"  # may rest for minutes: what must be closed does not wait for it
    assert s._staged(trade, RATE, 1.0, NOW) > 0.0


def test_books_when_a_difference_passes_by_itself_then_nothing_halts(
    make: Any, open_trades: list[Any]
) -> None:
    s = make(runmode=RunMode.LIVE)
    open_trades.append(position(amount=5.0))  # its stop has just been filled
    for seconds in (10, 16, 24):
        s.bot_loop_start(NOW + timedelta(seconds=seconds))
    open_trades.clear()  # Freqtrade has noticed
    s.bot_loop_start(NOW + timedelta(seconds=30))
    s.bot_loop_start(NOW + timedelta(seconds=60))
    assert mode(s) is ControlMode.ACTIVE


def test_books_when_a_difference_lasts_then_it_halts(make: Any) -> None:
    s = make(runmode=RunMode.LIVE)
    s.dp._exchange.positions = holds(2.0, "short")
    for seconds, expected in (
        (10, ControlMode.ACTIVE),
        (17, ControlMode.ACTIVE),
        (24, ControlMode.ACTIVE),
        (26, ControlMode.HALTED),
    ):
        s.bot_loop_start(NOW + timedelta(seconds=seconds))
        assert mode(s) is expected
    assert "the exchange holds -2, the books 0" in s.control.store.read().reason


def test_books_when_the_exchange_does_not_answer_then_entries_wait_and_nothing_halts(
    make: Any,
) -> None:
    s = make(runmode=RunMode.LIVE)

    def down(pair: str | None = None) -> list[dict[str, Any]]:
        raise ConnectionError("down")

    s.dp._exchange.fetch_positions = down
    for seconds in (10, 30, 60):
        s.bot_loop_start(NOW + timedelta(seconds=seconds))
    assert confirm(s) is False
    assert mode(s) is ControlMode.ACTIVE


def test_exchange_books_and_tiers_when_read_then_sides_and_amounts_are_theirs() -> None:
    exchange = Exchange()
    exchange.positions = [*holds(2.0, "short"), {"symbol": "X", "contracts": 0.0, "side": None}]
    assert books_of_exchange(exchange, read_positions(exchange)).positions == {PAIR: -2.0}
    assert exchange_tiers(exchange, [PAIR])[PAIR].maintenance_margin(1000.0) == 4.0
    with pytest.raises(KeyError):
        exchange_tiers(exchange, ["X"])


def test_tiers_when_freqtrade_reloads_them_then_the_new_ones_count() -> None:
    provider = LiveProvider(pd.DataFrame())
    view = MarketView(provider, lambda: 1_000_000)
    before = view.tiers([PAIR])[PAIR]
    assert view.tiers([PAIR])[PAIR] is before
    (row,) = Exchange._leverage_tiers[PAIR]
    provider._exchange._leverage_tiers = {PAIR: [{**row, "maintenanceMarginRate": 0.01}]}
    assert view.tiers([PAIR])[PAIR].maintenance_margin(1000.0) == 10.0
    with pytest.raises(KeyError):
        view.tiers(["X"])


# -- closing in stages ----------------------------------------------------------------------------


def test_position_when_a_person_wants_it_closed_then_it_goes_in_steps_of_the_volume(
    make: Any, open_trades: list[Any]
) -> None:
    # 6e5 base units at 100 an hour are 1e6 a minute; 5 % of it is 50,000 of notional.
    s = make(frame=analysed(volume=6e5))
    trade = position(amount=1200.0, stake_amount=60_000.0)
    s.wallets.total = 1e6
    open_trades.append(trade)
    s.bot_loop_start(LATER)
    assert adjust(s, trade) is None
    s.control.store.request_flatten(ANN, "enough")
    s.bot_loop_start(LATER)
    assert adjust(s, trade) == pytest.approx(-25_000.0)  # stake at leverage 2
    trade.amount, trade.stake_amount = 700.0, 35_000.0
    assert adjust(s, trade) is None  # the next step is a minute away
    assert adjust(s, trade, LATER + timedelta(seconds=59)) is None
    assert adjust(s, trade, LATER + timedelta(seconds=60)) == pytest.approx(-25_000.0)
    trade.amount, trade.stake_amount = 200.0, 10_000.0
    assert adjust(s, trade, LATER + timedelta(seconds=120)) == pytest.approx(-10_000.0)


def test_position_when_a_cascade_is_near_then_half_of_it_is_closed_once(
    make: Any, open_trades: list[Any]
) -> None:
    s = make(frame=analysed(**{columns.FALSE_ALARMS_DOWN: 0.1}))
    trade = position(amount=10.0, stake_amount=500.0)
    open_trades.append(trade)
    s.bot_loop_start(LATER)
    assert adjust(s, trade) == pytest.approx(-250.0)
    trade.amount, trade.stake_amount = 5.0, 250.0
    s.bot_loop_start(LATER + timedelta(seconds=61))
    assert adjust(s, trade, LATER + timedelta(seconds=61)) is None  # not half of the half
    assert mode(s) is ControlMode.ACTIVE
    short = position(amount=10.0, is_short=True)
    open_trades[:] = [short]
    s.bot_loop_start(LATER)
    assert adjust(s, short) is None  # a crash does not threaten a short


def test_position_when_a_danger_passes_and_comes_back_then_half_of_what_is_held_by_then_goes(
    make: Any, open_trades: list[Any]
) -> None:
    s, trade = make(), position(amount=10.0, stake_amount=500.0)
    open_trades.append(trade)

    def closes(seconds: float, rate: float) -> float | None:
        when = LATER + timedelta(seconds=seconds)
        s.dp.frame = analysed(**{columns.FALSE_ALARMS_DOWN: rate})
        s.bot_loop_start(when)
        return adjust(s, trade, when)

    assert closes(0, 0.1) == pytest.approx(-250.0)
    trade.amount, trade.stake_amount = 5.0, 250.0
    assert closes(61, 5.0) is None  # over, and what it had to come down to is forgotten
    trade.amount, trade.stake_amount = 20.0, 1000.0
    assert closes(122, 0.1) == pytest.approx(-500.0)


def test_position_when_nothing_can_be_read_then_a_flatten_still_closes_it(
    make: Any, open_trades: list[Any]
) -> None:
    s = make()
    trade = position(amount=10.0, stake_amount=500.0)
    open_trades.append(trade)
    s.control.store.request_flatten(ANN, "enough")
    s.dp, s.guarding.readings.view = BrokenProvider(), None
    s.wallets = None
    s.bot_loop_start(LATER)
    assert adjust(s, trade) == pytest.approx(-50.0)  # a tenth, blind
    assert s.confirm_trade_exit(PAIR, trade, "market", 5.0, RATE, "GTC", "x", NOW) is True


def test_position_when_prices_fall_silent_then_the_bot_only_reduces(
    make: Any, open_trades: list[Any]
) -> None:
    class Silent(LiveProvider):
        def funding_rate(self, pair: str) -> dict[str, Any]:
            return {**super().funding_rate(pair), "timestamp": wall_clock_ms() - 61_000}

    s = make()
    s.dp, s.guarding.readings.view = Silent(analysed()), None
    s.bot_loop_start(LATER)
    assert mode(s) is ControlMode.ACTIVE  # flat: nobody needs the price
    open_trades.append(position())
    s.bot_loop_start(LATER)
    assert mode(s) is ControlMode.REDUCING


# -- growth ---------------------------------------------------------------------------------------


class Grows(BitcoinCrossMargin):
    wanted: float | None = 100.0

    def wanted_adjustment(self, trade: Any, current_time: datetime, rate: float) -> float | None:
        return self.wanted


def test_growth_when_it_is_asked_for_then_it_passes_the_guards_like_an_entry(
    make: Any, open_trades: list[Any]
) -> None:
    s, trade = make(Grows), position()
    open_trades.append(trade)
    assert adjust(s, trade) == 100.0
    assert adjust(s, trade) is None  # the same decision
    s.guarding.entries.orders.clear()
    s.wanted = 50_000.0
    assert adjust(s, trade) is None  # 10,000 in one coin: too much for a repeat of its worst hour
    s.guarding.entries.orders.clear()
    assert adjust(s, trade, max_stake=3000.0) == 3000.0  # what Freqtrade offers at most
    s.guarding.entries.orders.clear()
    trade.leverage = 4.0
    assert adjust(s, trade) is None
    trade.leverage = 2.0
    s.control.store.reduce(GuardActor("x"), "y")
    assert adjust(s, trade) is None
    s.wanted = -30.0
    assert adjust(s, trade) == -30.0  # reducing asks nobody
    s.wanted = None
    assert adjust(s, trade) is None


def test_growth_when_anything_breaks_then_nothing_grows(make: Any, open_trades: list[Any]) -> None:
    s, trade = make(Grows), position()
    open_trades.append(trade)
    s.wanted = float("nan")
    assert not (adjust(s, trade) or 0.0) > 0
    s.wanted = 100.0
    s.dp, s.guarding.readings.view = BrokenProvider(), None
    assert adjust(s, trade) is None


# -- small parts ----------------------------------------------------------------------------------


def test_seed_when_the_installation_is_new_then_it_is_drawn_once_and_differs(
    tmp_path: Path,
) -> None:
    first, second = installation_seed(tmp_path / "a"), installation_seed(tmp_path / "b")
    assert installation_seed(tmp_path / "a") == first != second
    (tmp_path / "a" / "seed").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="whole number"):
        installation_seed(tmp_path / "a")


def test_thresholds_when_two_installations_run_then_soft_ones_differ_and_backtests_agree(
    make: Any, tmp_path: Path
) -> None:
    other = BitcoinCrossMargin(config(user_data_dir=tmp_path / "other"))
    mine = make()
    rates = [s.guarding.limits.soft.false_alarms_per_week for s in (mine, other)]
    assert rates[0] != rates[1]
    assert min(rates) >= 0.25
    assert mine.guarding.limits.hard == other.guarding.limits.hard
    assert make(runmode=RunMode.BACKTEST).guarding.limits.soft.false_alarms_per_week == 0.25


def test_latency_when_orders_leave_late_then_entries_stop(make: Any) -> None:
    s = make()
    summary = s.lane.current.stopwatch.summary

    def took(ms: float, times: int) -> None:
        for _ in range(times):
            summary.add(CandleLatency(pair=PAIR, candle_ms=0, at_ms={"sent": ms}))

    took(300_000.0, 19)
    assert confirm(s) is True  # too few to tell
    took(20.0, 1)
    assert confirm(s) is False
    took(20.0, 5000)
    assert confirm(s) is True
    took(35_900.0, 5000)  # slow, but less than 1 % of an hour
    assert summary.slow
    assert confirm(s) is True
    took(36_100.0, 5000)
    assert confirm(s) is False


def test_market_when_asked_three_times_in_a_moment_then_the_exchange_is_asked_once() -> None:
    class Counting(LiveProvider):
        asked = 0

        def funding_rate(self, pair: str) -> dict[str, Any]:
            Counting.asked += 1
            return {"markPrice": "101.5", "indexPrice": 101, "fundingRate": "0.0002",
                    "timestamp": 1_000_000 - 400, "interval": "4h"}  # fmt: skip

        def orderbook(self, pair: str, maximum: int) -> dict[str, Any]:
            return {"bids": [[101, 2.0], [100, 1.0]], "asks": [[102, 3.0]], "timestamp": 999_000}

    clock_s = [50.0]
    view = MarketView(Counting(pd.DataFrame()), lambda: 1_000_000, lambda: clock_s[0])
    seen = view.market(PAIR)
    assert (seen.mark, seen.index, seen.bid, seen.ask) == (101.5, 101.0, 101.0, 102.0)
    assert (seen.bid_depth_quote, seen.ask_depth_quote) == (302.0, 306.0)
    assert seen.funding_8h_frac == pytest.approx(0.0004)
    assert seen.price_age_s == pytest.approx(1.0)  # the older of the two
    clock_s[0] = 53.0
    assert view.market(PAIR).price_age_s == pytest.approx(4.0)  # it does not get younger
    assert Counting.asked == 1
    clock_s[0] = 53.1
    view.market(PAIR)
    assert Counting.asked == 2


def test_market_when_looked_ahead_then_an_order_asks_nothing_until_one_was_sent() -> None:
    provider = LiveProvider(pd.DataFrame())
    provider._exchange = exchange = Exchange()
    exchange.positions = holds(2.0)
    view = MarketView(provider, lambda: 1_000_000, lambda: 50.0)
    view.look_ahead([PAIR, "ETH/USDT:USDT"], books=True)
    exchange.positions = []
    asked: list[str] = []
    provider.funding_rate = asked.append
    assert view.market(PAIR).mark is not None
    assert asked == []
    assert view.books(PAIR).positions == {PAIR: 2.0}
    assert view.books("ETH/USDT:USDT").positions == {}
    view.forget(PAIR)
    assert view.books(PAIR).positions == {}
