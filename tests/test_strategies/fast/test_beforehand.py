"""What is known from just before the close is not asked again; everything else is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import ccxt
import pytest
from freqtrade.enums import MarginMode
from freqtrade.exceptions import TemporaryError
from freqtrade.wallets import Wallet

from strategies.fast.beforehand import Beforehand

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"


class Desk:
    """Freqtrade's exchange and wallets in one: what they are asked, on a clock a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2025, 1, 1, tzinfo=UTC)
        self.margin_mode, self._ft_has = MarginMode.CROSS, {"floor_leverage": True}
        self.leverages = {BTC: 3, ETH: 20}
        self.mode, self.fails = "cross", False
        self.asked: list[Any] = []
        self._last_wallet_refresh: datetime | None = None
        self._api = SimpleNamespace(fetch_leverages=self._leverages)
        self.theirs = 1000.0  # free at the exchange
        self._wallets = {"USDT": Wallet("USDT", 1000.0, 0.0, 1000.0)}

    def _leverages(self, pairs: list[str]) -> dict[str, Any]:
        if self.fails:
            raise ccxt.RequestTimeout("silent")
        return {p: {"marginMode": self.mode, "longLeverage": self.leverages[p]} for p in pairs}

    def _lev_prep(self, pair: str, leverage: float, side: str, accept_fail: bool = False) -> None:
        self.asked.append((pair, leverage))
        if self.fails and not accept_fail:
            raise TemporaryError("silent")

    def get_proxy_coin(self) -> str:
        return "USDT"

    def get_fee(self, pair: str, taker_or_maker: str = "maker") -> float:
        return {"taker": 0.0005, "maker": 0.0002}[taker_or_maker]

    def update(self, require_update: bool = True) -> None:
        self.asked.append("account")
        self._last_wallet_refresh = self.now
        self._wallets["USDT"] = Wallet("USDT", self.theirs, 1000.0 - self.theirs, 1000.0)

    def get_trade_stake_amount(self, pair: str, most: float, update: bool = True) -> float:
        if update:
            self.update()
        return self._wallets["USDT"].free / 10

    def pass_s(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def told(self) -> list[Any]:
        """Return what was asked since the last call."""
        asked, self.asked = self.asked, []
        return asked


def left(part: str, error: Exception) -> None:
    raise AssertionError(f"{part}: {error}")


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def before(desk: Desk) -> Beforehand:
    known = Beforehand(desk, desk, left, lambda: desk.now)
    known.look_ahead([BTC, ETH])
    assert desk.told() == ["account"]
    desk.pass_s(1.5)
    return known


def enter(
    desk: Desk, before: Beforehand, pair: str, leverage: float, notional: float = 300.0
) -> list[Any]:
    """Do what Freqtrade does for an entry; return what the exchange was asked for."""
    desk.get_trade_stake_amount(pair, 3)
    before.entry_leaves(pair, notional, leverage)
    desk._lev_prep(pair, leverage, "buy")
    desk.theirs -= notional / leverage + 0.0005 * notional
    desk.pass_s(0.01)
    desk.update()  # after the order
    return desk.told()


def test_entry_when_everything_was_told_just_before_then_the_account_is_not_read_again(
    desk: Desk, before: Beforehand
) -> None:
    assert enter(desk, before, BTC, 3.7) == []  # Freqtrade rounds the leverage down
    assert enter(desk, before, ETH, 5.0) == [(ETH, 5.0)]  # another leverage: set
    assert enter(desk, before, ETH, 5.0) == []  # and known from then on


def test_entry_when_it_is_counted_off_then_the_account_is_what_the_exchange_will_tell(
    desk: Desk, before: Beforehand
) -> None:
    enter(desk, before, BTC, 3.0, 600.0)
    enter(desk, before, ETH, 5.0, 500.0)
    counted = desk._wallets["USDT"]
    assert counted.free == pytest.approx(desk.theirs) == pytest.approx(699.45)
    assert counted.used == pytest.approx(300.0)
    assert counted.total == pytest.approx(999.45)  # fees are gone for good
    assert desk.get_trade_stake_amount(BTC, 3) == pytest.approx(69.945)
    assert desk.told() == []


def test_account_when_the_loop_of_the_entries_is_over_then_whoever_reads_it_reads_it(
    desk: Desk, before: Beforehand
) -> None:
    enter(desk, before, BTC, 3.0)
    desk.update()  # a fill is booked
    assert desk.told() == ["account"]
    before.entry_leaves(ETH, 100.0, 2.0)  # refused at the order gate: nothing is read after it
    before.loop_begins()
    desk.update()
    assert desk.told() == ["account"]


def test_account_when_an_entry_was_refused_or_its_answer_lost_then_it_is_not_counted_off(
    desk: Desk, before: Beforehand
) -> None:
    before.entry_leaves(BTC, 300.0, 3.0)
    assert desk.get_trade_stake_amount(ETH, 3) == 100.0  # refused before it left: nothing changed
    desk.update()
    assert desk.told() == ["account"]
    before.entry_leaves(BTC, 300.0, 3.0)
    desk._lev_prep(BTC, 3.0, "buy")  # and no answer
    desk.pass_s(0.01)
    desk.get_trade_stake_amount(ETH, 3)
    assert desk.told() == ["account"]
    before.entry_leaves(BTC, 300.0, 3.0)
    before.exit_leaves()
    desk.update()
    assert desk.told() == ["account"]


def test_entry_when_the_answers_are_old_then_freqtrade_asks(desk: Desk, before: Beforehand) -> None:
    desk.pass_s(2.0)
    assert enter(desk, before, BTC, 3.0) == ["account", (BTC, 3.0)]
    desk.pass_s(3.1)
    before.entry_leaves(BTC, 300.0, 3.0)  # an added order: nobody asked for a stake
    desk._lev_prep(BTC, 3.0, "buy")
    desk.update()
    assert desk.told() == [(BTC, 3.0), "account"]


def test_entry_when_the_clock_went_back_then_freqtrade_asks(desk: Desk, before: Beforehand) -> None:
    desk.pass_s(-60.0)
    assert enter(desk, before, BTC, 3.0) == ["account", (BTC, 3.0)]


def test_entry_when_the_margin_mode_is_another_then_it_is_set(desk: Desk) -> None:
    desk.mode = "isolated"
    before = Beforehand(desk, desk, left, lambda: desk.now)
    before.look_ahead([BTC])
    desk.told()
    assert enter(desk, before, BTC, 3.0) == [(BTC, 3.0)]


@pytest.mark.parametrize("reducing", [True, False], ids=["exit", "entry"])
def test_stake_when_an_order_left_and_the_account_was_not_read_since_then_it_is_read(
    desk: Desk, before: Beforehand, reducing: bool
) -> None:
    desk.pass_s(0.01)
    if reducing:
        before.exit_leaves()
    else:
        desk._lev_prep(BTC, 3.0, "buy")  # and its answer was lost: Freqtrade reads nothing
    desk.pass_s(0.01)
    desk.get_trade_stake_amount(ETH, 3)
    assert desk.told() == ["account"]


def test_look_ahead_when_the_exchange_is_silent_then_nothing_counts_as_known(
    desk: Desk, before: Beforehand
) -> None:
    desk.fails = True
    with pytest.raises(ccxt.RequestTimeout):
        before.look_ahead([BTC])
    with pytest.raises(TemporaryError):
        desk._lev_prep(BTC, 3.0, "buy")
    desk.told()
    desk._lev_prep(BTC, 3.0, "buy", accept_fail=True)  # whether it was set is not told
    desk._lev_prep(BTC, 3.0, "buy", accept_fail=True)
    assert desk.told() == [(BTC, 3.0)] * 2


def test_stake_when_freqtrade_wants_no_update_then_there_is_none(desk: Desk) -> None:
    Beforehand(desk, desk, left, lambda: desk.now)
    desk.get_trade_stake_amount(BTC, 3, update=False)
    assert desk.told() == []
