"""The lane is left out, or left at its first error, and the bot goes on by Freqtrade's own way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import ccxt
import pandas as pd
import pytest
import requests
from freqtrade.enums import MarginMode, RunMode
from freqtrade.persistence import Trade
from freqtrade.wallets import Wallet

from models.operate.control.state import GuardActor, Person
from models.operate.control.watch import WatchdogConfig
from strategies.BitcoinCrossMargin import BitcoinCrossMargin
from strategies.fast.beforehand import Beforehand
from strategies.fast.candle_watch import CandleWatch
from strategies.fast.lane import NEEDED_SEAMS, Lane, LaneSwitch, longest_loop_s, open_lane
from strategies.fast.newest_candle import NewestCandle
from strategies.fast.paced import PacedLane
from strategies.fast.pacing import PacingConfig
from strategies.fast.stopwatch import Stopwatch
from strategies.seams.fast_mode import FastMode
from tests.test_strategies.worlds import (
    NOW,
    PAIR,
    RATE,
    Provider,
    Wallets,
    analysed,
    config,
    confirm,
    leverage,
    position,
    running,
    stake,
)

ROOMY = {"max_order_equity_frac": 2.0}  # one order may be a whole position
pytestmark = pytest.mark.usefixtures("open_trades")


class Exchange:
    """Freqtrade's exchange and wallets, as far as the lane touches them."""

    margin_mode = MarginMode.CROSS

    def __init__(self) -> None:
        self._params: dict[str, Any] = {"own": 1}
        self._ft_has = {"floor_leverage": True}
        self._exchange_ws, self._last_wallet_refresh = None, datetime.now(UTC)
        self._api = SimpleNamespace(
            fetch_leverages=lambda pairs: {},
            markets={PAIR: {"id": "BTCUSDT"}},
            session=requests.Session(),
        )
        self.prepared: list[tuple[str, float]] = []
        self.read, self._wallets = 0, {"USDT": Wallet("USDT", 1000.0, 0.0, 1000.0)}

    def _lev_prep(self, pair: str, leverage: float, side: str, accept_fail: bool = False) -> None:
        self.prepared.append((pair, leverage))

    def refresh_latest_ohlcv(self, wanted: list[Any], *, cache: bool) -> None: ...

    def update(self, require_update: bool = True) -> None:
        self.read += 1

    def get_proxy_coin(self) -> str:
        return "USDT"

    def get_fee(self, pair: str, taker_or_maker: str = "maker") -> float:
        return 0.0005

    def get_trade_stake_amount(self, pair: str, most: float, update: bool = True) -> float:
        return 100.0 if update else 99.0


class Host:
    """A bot with the lane's parts around it."""

    timeframe = "1h"

    def __init__(self) -> None:
        self.config = {"candle_type_def": "futures"}
        self.exchange = Exchange()
        self.wallets = self.exchange
        self.dp = SimpleNamespace(
            _exchange=self.exchange,
            current_whitelist=lambda: [PAIR],
            ohlcv=lambda *_, **__: pd.DataFrame({"date": []}),
            refresh=lambda wanted: None,
        )
        self.said: list[str] = []

    def gather_informative_pairs(self) -> list[Any]:
        return []

    def look_ahead(self, pairs: list[str]) -> None: ...

    def open(self, **more: Any) -> Lane:
        return open_lane(
            self, more.pop("mode", FastMode.AUTO), PacingConfig(), 3600.0,
            live=True, note=lambda _: None, say=self.said.append, **more,
        )  # fmt: skip


@pytest.fixture
def host() -> Host:
    return Host()


def broken(*_: Any, **__: Any) -> Any:
    raise KeyError("not what this version has")


def is_freqtrades_own(exchange: Exchange) -> bool:
    """Whether nothing of the lane is left in Freqtrade's objects."""
    exchange._lev_prep(PAIR, 3.0, "buy")
    stake = exchange.get_trade_stake_amount(PAIR, 3.0)
    read, _ = exchange.read, exchange.update()
    return (
        exchange._params == {"own": 1}
        and exchange.prepared[-1:] == [(PAIR, 3.0)]
        and stake == 100.0
        and exchange.read == read + 1
        and not isinstance(getattr(exchange._lev_prep, "__self__", None), Beforehand)
    )


# -- which lane -----------------------------------------------------------------------------------


def test_lane_when_it_is_off_then_nothing_waits_nothing_is_touched_and_nothing_is_timed(
    host: Host,
) -> None:
    lane = host.open(mode=FastMode.OFF)
    assert type(lane) is Lane
    lane.start()
    lane.hold(lambda: pytest.fail("nobody waits"))
    lane.entry_leaves(PAIR, 100.0, 2.0)
    with lane.stage(PAIR, "guards"):
        pass
    assert host.exchange._params == {"own": 1}
    assert (lane.latency(), lane.p99_ms(), host.said) == ({}, None, [])


def test_lane_when_a_probe_fails_then_it_is_left_out_and_named(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    gone = replace(NEEDED_SEAMS[0], probe=lambda: "nothing of that name")
    assert type(host.open(seams=(gone, *NEEDED_SEAMS[1:]))) is Lane
    [why] = host.said
    assert gone.name in why
    assert "nothing of that name" in why
    assert why.partition(": ")[2] in caplog.text


def test_lane_when_every_probe_passes_then_it_is_the_fast_one(host: Host) -> None:
    lane = host.open()
    assert isinstance(lane, LaneSwitch)
    assert isinstance(lane.current, PacedLane)
    assert host.said == []


def test_lane_when_it_is_off_then_the_watchdog_is_held_to_freqtrades_throttle() -> None:
    pacing = PacingConfig(tick_s=2.0)
    throttled = {"internals": {"process_throttle_secs": 7}}
    assert longest_loop_s(throttled, FastMode.AUTO, pacing) == 2.0
    assert longest_loop_s(throttled, FastMode.OFF, pacing) == 7.0
    assert longest_loop_s({}, FastMode.OFF, pacing) == 5.0  # Freqtrade's default
    WatchdogConfig().allow(longest_loop_s({}, FastMode.OFF, pacing))


# -- errors ---------------------------------------------------------------------------------------

PARTS: dict[str, tuple[type, str, Callable[[Lane, Host], object]]] = {
    "start": (Stopwatch, "watch_orders", lambda lane, _: lane.start()),
    "wait": (CandleWatch, "hold", lambda lane, _: lane.hold()),
    "settle": (CandleWatch, "settle", lambda lane, _: lane.settle()),
    "stage": (Stopwatch, "took", lambda lane, _: staged(lane)),
    "clock": (Stopwatch, "now_s", lambda lane, _: staged(lane)),
    "look-ahead": (Beforehand, "look_ahead", lambda lane, _: warmed_up(lane)),
    "settings": (Beforehand, "_is_set_up", lambda lane, host: entered(lane, host)),
    "kept": (Beforehand, "_keep", lambda lane, host: entered(lane, host)),
    "account": (Beforehand, "_account_known", lambda lane, host: entered(lane, host)),
    "leaving": (Beforehand, "exit_leaves", lambda lane, _: (warmed_up(lane), lane.exit_leaves())),
    "fee": (Exchange, "get_fee", lambda lane, host: entered(lane, host)),
    "counted": (Beforehand, "_counted_off", lambda lane, host: entered(lane, host)),
    "loop": (Beforehand, "loop_begins", lambda lane, _: (warmed_up(lane), lane.loop_begins())),
}


def staged(lane: Lane) -> None:
    with lane.stage(PAIR, "guards"):
        pass


def warmed_up(lane: Lane) -> None:
    """Come to the moment just before a close, as the wait does."""
    assert isinstance(lane, LaneSwitch)
    lane._asked("candles", lambda fast: fast.watch._warm_up([]), None)  # type: ignore[attr-defined]


def entered(lane: Lane, host: Host) -> None:
    """Do what Freqtrade does for an entry."""
    warmed_up(lane)
    lane.entry_leaves(PAIR, 100.0, 2.0)
    host.exchange.update()  # after the order
    host.exchange.get_trade_stake_amount(PAIR, 3.0)
    host.exchange._lev_prep(PAIR, 2.0, "buy")
    assert host.exchange.prepared == [(PAIR, 2.0)]  # the order goes its way all the same


@pytest.mark.parametrize("part", PARTS)
def test_lane_when_any_part_breaks_then_the_bot_goes_on_freqtrades_own_way_and_says_so_once(
    host: Host, part: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    owner, method, use = PARTS[part]
    lane = host.open()
    monkeypatch.setattr(owner, method, broken)
    use(lane, host)
    assert isinstance(lane, LaneSwitch)
    assert type(lane.current) is Lane
    assert is_freqtrades_own(host.exchange)
    [why] = host.said
    assert "not what this version has" in why
    assert caplog.text.count("The fast lane is left") == 1
    lane.hold()
    lane.settle()
    lane.loop_begins()
    lane.exit_leaves()
    staged(lane)
    assert lane.p99_ms() is None
    assert len(host.said) == 1


def test_lane_when_an_answer_to_an_order_is_not_as_expected_then_it_is_left(host: Host) -> None:
    lane = host.open()
    lane.start()
    [answered] = host.exchange._api.session.hooks["response"]
    assert isinstance(lane, LaneSwitch)
    answered(SimpleNamespace())
    assert host.said == []  # no candle is being worked on: nobody looks
    lane.current.stopwatch.start(0.0)  # type: ignore[attr-defined]
    answered(SimpleNamespace())
    assert type(lane.current) is Lane
    assert len(host.said) == 1


def test_lane_when_the_newest_candle_cannot_be_appended_then_it_is_left(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane = host.open()
    assert isinstance(lane, LaneSwitch)
    monkeypatch.setattr(NewestCandle, "append", broken)
    monkeypatch.setattr(Trade, "get_open_trades", staticmethod(list))
    watch = lane.current.watch  # type: ignore[attr-defined]
    closed = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
    monkeypatch.setattr(watch.pacer, "wait", lambda *_: closed)
    lane.hold()  # what the start has fetched
    lane.hold()
    lane.hold()
    assert type(lane.current) is Lane
    assert "not what this version has" in host.said[0]


@pytest.mark.parametrize("trouble", [ccxt.RequestTimeout("silent"), ConnectionError("reset")])
def test_lane_when_the_exchange_is_in_trouble_then_it_stays(
    host: Host, trouble: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: Any) -> None:
        raise trouble

    lane = host.open()
    assert isinstance(lane, LaneSwitch)
    monkeypatch.setattr(CandleWatch, "hold", silent)
    with pytest.raises(type(trouble)):
        lane.hold()
    monkeypatch.setattr(Beforehand, "look_ahead", silent)
    warmed_up(lane)
    assert isinstance(lane.current, PacedLane)
    assert host.said == []


def test_lane_when_it_cannot_be_made_then_freqtrades_own_way_is_there(host: Host) -> None:
    lane = LaneSwitch(broken, host.said.append)
    assert type(lane.current) is Lane
    assert len(host.said) == 1


def test_stage_when_the_block_raises_then_it_is_the_blocks_error_and_the_lane_stays(
    host: Host,
) -> None:
    lane = host.open()
    assert isinstance(lane, LaneSwitch)
    with pytest.raises(ZeroDivisionError), lane.stage(PAIR, "guards"):
        raise ZeroDivisionError
    assert isinstance(lane.current, PacedLane)


# -- in a strategy --------------------------------------------------------------------------------


def bot(tmp_path: Any, **pack: Any) -> BitcoinCrossMargin:
    made = BitcoinCrossMargin(
        config(user_data_dir=tmp_path, runmode=RunMode.DRY_RUN, breakwater=pack)
    )
    made.dp, made.wallets = Provider(analysed()), Wallets(10_000.0)
    return made


def test_bot_when_its_lane_breaks_then_the_journal_says_so_once_and_the_loop_goes_on(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = bot(tmp_path)
    monkeypatch.setattr(CandleWatch, "hold", broken)
    for _ in range(2):
        made.bot_loop_start(NOW)
    [line] = made.control.journal.entries(kind="lane")
    assert "not what this version has" in line.record["what"]
    assert made.control._loops == 2


def test_bot_when_its_lane_is_off_then_every_hook_answers_as_with_it(
    tmp_path: Any, open_trades: list[Any]
) -> None:
    answers = []
    for fast in FastMode:
        made = running(bot(tmp_path / str(fast), fast=str(fast), limits=ROOMY))
        asked = [leverage(made), stake(made), confirm(made)]
        made.control.store.reduce(GuardActor("test"), "a reason")
        made.bot_loop_start(NOW)
        asked += [confirm(made), made.check_entry_timeout(PAIR, None, None, NOW)]
        open_trades.append(position())
        made.control.store.request_flatten(Person("ann", "telegram"), "enough")
        made.bot_loop_start(NOW)
        asked.append(made.adjust_trade_position(open_trades[0], NOW, RATE, 0.0, 5.0, 5000.0))
        open_trades.clear()
        answers.append(asked)
    assert answers[0] == answers[1]
    assert answers[0][1] > 0
    assert answers[0][2:5] == [True, False, True]
    assert answers[0][5] < 0


@pytest.mark.parametrize("fast", list(FastMode))
def test_bot_when_its_model_answers_first_then_it_books_between_candles_either_way(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, fast: FastMode
) -> None:
    booked: list[int] = []
    made = bot(tmp_path, fast=str(fast))
    made.freqai = SimpleNamespace(catch_up=lambda: booked.append(1))
    monkeypatch.setattr(CandleWatch, "hold", lambda *_: None)
    for _ in range(3):
        made.bot_loop_start(NOW)
    assert len(booked) == 3
