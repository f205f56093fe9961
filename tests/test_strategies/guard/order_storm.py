"""A storm of orders at one strategy: hooks, API, fills, halts and rogue orders in random sequence.

Strategy, guards, permits and gate are the real ones. `Storm` plays Freqtrade's part as its source
has it (`execute_entry`, `execute_trade_exit`, `handle_replace_order`, `_rpc_force_entry`) and the
exchange's, and keeps its own account of what is held and what rests. At every order that reaches
the exchange it adds up by itself what the account would be, and raises `Beyond` if that is more
than the hard limits allow. Prices stand still for as long as a permit is valid.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pandas as pd
from freqtrade.enums import TradingMode
from freqtrade.exceptions import DependencyException, InvalidOrderException, TemporaryError
from freqtrade.strategy.strategy_wrapper import strategy_safe_wrapper

from models.base.files import wall_clock_ms
from models.operate.control.state import GuardActor, Person
from models.trade.risk.snapshot import MarketState, Stage
from strategies.account.tiers import load_binance_tiers
from strategies.BitcoinCrossMargin import BitcoinCrossMargin
from strategies.guard.permits import VALID_S
from tests.test_strategies.worlds import analysed, config

BTC, ETH, LTC = PAIRS = ("BTC/USDT:USDT", "ETH/USDT:USDT", "LTC/USDT:USDT")
WALLET: Final = 10_000.0
LIMITS: Final = {"max_order_equity_frac": 0.8, "max_gross_leverage": 2.0, "max_net_leverage": 1.5}
MAX_LEVERAGE: Final = 3.0
ANN: Final = Person("ann", "command line")
_RECONCILED_S: Final = 20.0  # the books are compared within this time after a lost answer
_TOLERANCE: Final = 1e-5
_LOST_TOLERANCE: Final = 0.05  # an unanswered order counts at its own rate


class Beyond(AssertionError):
    """A hard limit that did not hold."""


class Wild(BitcoinCrossMargin):
    """A subclass that overrides what it likes, in each moment another hook."""

    mood = ""
    wish = 0.0

    def leverage(self, **asked: Any) -> float:
        return 20.0 if self.mood == "levers" else super().leverage(**asked)

    def custom_stake_amount(self, **asked: Any) -> float:
        return self.wish if self.mood == "stakes" else super().custom_stake_amount(**asked)

    def confirm_trade_entry(self, **asked: Any) -> bool:
        return True if self.mood == "confirms" else super().confirm_trade_entry(**asked)

    def adjust_trade_position(self, **asked: Any) -> Any:
        return self.wish if self.mood == "adds" else super().adjust_trade_position(**asked)

    def adjust_entry_price(self, current_order_rate: float, **asked: Any) -> float:
        return current_order_rate * (0.998 if self.mood == "moves" else 1.0)


@dataclass
class Resting:
    """An order in the exchange's book, and in a trade's unless its answer was lost."""

    pair: str
    sign: int
    remaining: float
    price: float
    reduces: bool

    ft_order_side: str = ""
    ft_is_open: bool = True

    @property
    def safe_remaining(self) -> float:
        return self.remaining

    @property
    def safe_price(self) -> float:
        return self.price


@dataclass
class Storm:
    """One account, its exchange, and the bot's strategy; `begin` clears all but the strategy."""

    folder: Path
    rng: random.Random = field(default_factory=lambda: random.Random(0))
    now_s: float = 0.0
    live: bool = False
    sent: int = 0  # orders of new risk that reached the exchange
    stopped: int = 0

    def __post_init__(self) -> None:
        breakwater = {"limits": LIMITS, "guards": {"max_repeats": 10**6,
                      "max_orders_per_minute": 10**6, "jitter_frac": 0.0}}  # fmt: skip
        self.strategy: Any = Wild(config(user_data_dir=self.folder, breakwater=breakwater))
        self.frame = analysed(sigma=0.0005, volume=1e9, date=self.now - timedelta(hours=1))
        self.marks = dict.fromkeys(PAIRS, 100.0)
        self.trades: list[Any] = []
        self.reload()
        self.begin(0)
        self.strategy.wallets = SimpleNamespace(get_total=lambda currency: self.wallet)
        self.strategy.guarding.permits._clock_s = lambda: self.now_s
        self.strategy.guarding.loop(self.now)
        self._spare()

    def _spare(self) -> None:
        """Leave out what costs the time and decides nothing here: candles, journal, tiers."""
        s, read = self.strategy, self.strategy.guarding.readings
        market, model = read.market(BTC, self.now), read.model(BTC, 1)
        tiers = load_binance_tiers(PAIRS)

        def market_of(pair: str, now: datetime) -> MarketState:
            mark = self.marks[pair]
            return replace(market, mark=mark, index=mark, bid=mark * 0.9999, ask=mark * 1.0001)

        read.market, read.model = market_of, lambda pair, sign: model
        read._mark = lambda pair: self.marks[pair]
        read._tiers = lambda prices: {pair: tiers[pair] for pair in prices}
        read.key = lambda pair, side: f"{pair} {side} {self.now_s // 3600}"
        s._sigma = lambda pair, now: 0.0005
        s._last_row, s._numbers = lambda pair: None, dict
        s.control.record = lambda kind, record: 1

    def begin(self, seed: int) -> None:
        """Start a sequence of its own."""
        self.rng = random.Random(seed)
        self.wallet, self.held, self.resting = WALLET, dict.fromkeys(PAIRS, 0.0), []
        self.trades.clear()
        self.lost_s: float | None = None  # when an answer was lost
        self.live = self.rng.random() < 0.5
        self.now_s += 1_000.0  # permits of the sequence before are void
        self.move(1.0)
        s = self.strategy
        s.mood, s.gate._stage = "", Stage.LIVE if self.live else Stage.DRY_RUN
        s.guarding.entries.orders.clear()
        s.guarding.leverage.clear()
        if not s.control.store.read().may_add_risk:
            s.control.store.resume(ANN)

    # -- what Freqtrade provides --------------------------------------------------------------

    def reload(self) -> None:
        """Make the exchange object anew, as `/reload_config` does."""
        self._exchange = SimpleNamespace(
            create_order=self.execute, create_stoploss=self.place, trading_mode=TradingMode.FUTURES
        )
        self.strategy.dp = self

    @property
    def now(self) -> datetime:
        return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=self.now_s)

    def get_analyzed_dataframe(self, pair: str, timeframe: str) -> tuple[pd.DataFrame, datetime]:
        return self.frame, self.now

    def funding_rate(self, pair: str) -> dict[str, Any]:
        mark = self.marks[pair]
        return {"markPrice": mark, "indexPrice": mark, "fundingRate": 0.0,
                "timestamp": wall_clock_ms()}  # fmt: skip

    def orderbook(self, pair: str, maximum: int) -> dict[str, Any]:
        mark = self.marks[pair]
        return {"bids": [[mark * 0.9999, 1e9]], "asks": [[mark * 1.0001, 1e9]]}

    def send_msg(self, message: str, *, always_send: bool = False) -> None:
        self.stopped += 1

    # -- what the exchange does ---------------------------------------------------------------

    def execute(self, **order: Any) -> dict[str, Any]:
        """Take an order that has left the bot, and judge it."""
        sign, pair = (1 if order["side"] == "buy" else -1), order["pair"]
        before = self.held[pair]
        if order["reduceOnly"]:
            amount = order["amount"]
            if self.live:  # a dry run holds nobody to it
                amount = min(amount, max(0.0, -sign * before))
            self._fill(pair, sign, amount)
            after = self.held[pair]
            if abs(after) > abs(before) + 1e-9 or after * before < -1e-9:
                raise Beyond(f"an exit of {pair} went from {before:g} to {after:g}")
            return {"filled": amount, "rest": None}
        resting = Resting(pair, sign, order["amount"], order["rate"], reduces=False,
                          ft_order_side=order["side"])  # fmt: skip
        self._judge(order, resting)
        self.sent += 1
        draw = self.rng.random()
        if draw < 0.05 and self.live:  # the answer is lost, executed or not
            if draw < 0.03:
                self._fill(pair, sign, order["amount"])
                self.lost_s = self.now_s
            raise TemporaryError("no answer")
        if draw < 0.08:
            raise InvalidOrderException("the exchange does not want it")
        part = self.rng.choice((0.0, 0.4, 1.0)) if order["ordertype"] == "limit" else 1.0
        self._fill(pair, sign, part * order["amount"])
        resting.remaining = (1 - part) * order["amount"]
        if resting.remaining > 0:
            self.resting.append(resting)
        return {"filled": part * order["amount"], "rest": resting if resting.remaining else None}

    def place(self, **stop: Any) -> dict[str, Any]:
        return stop

    def _fill(self, pair: str, sign: int, amount: float) -> None:
        self.held[pair] += sign * amount

    def _judge(self, order: Any, new: Resting) -> None:
        """Add up what all of it comes to with `new`, by the exchange's account."""
        equity = self.wallet + sum(
            (-1 if t.is_short else 1) * t.amount * (self.marks[t.pair] - t.open_rate)
            for t in self.trades
        )  # fmt: skip
        slack = 1 + (_TOLERANCE if self.lost_s is None else _LOST_TOLERANCE)
        waiting = [*(r for r in self.resting if not r.reduces), new]
        gross = sum(abs(a) * self.marks[p] for p, a in self.held.items())
        gross += sum(r.remaining * self.marks[r.pair] for r in waiting)
        net = sum(a * self.marks[p] for p, a in self.held.items()) * new.sign
        net += sum(r.remaining * self.marks[r.pair] for r in waiting if r.sign == new.sign)
        size = order["amount"] * self.marks[new.pair]
        leverage = order["leverage"]
        said = f"gross {gross:.1f}, net {net:.1f}, order {size:.1f} of equity {equity:.1f}"
        if not self.strategy.control.store.read().may_add_risk:
            raise Beyond(f"an order left although halted: {said}")
        if not gross <= LIMITS["max_gross_leverage"] * equity * slack:
            raise Beyond(f"gross exposure: {said}")
        if not net <= LIMITS["max_net_leverage"] * equity * slack:
            raise Beyond(f"net exposure: {said}")
        if not size <= LIMITS["max_order_equity_frac"] * equity * (slack + 0.005):  # a lower price
            raise Beyond(f"size of one order: {said}")
        if not leverage <= MAX_LEVERAGE * slack:
            raise Beyond(f"leverage {leverage:g}: {said}")

    # -- Freqtrade's part -----------------------------------------------------------------------

    def enter(
        self, pair: str, short: bool, stake: float, *, trade: Any = None, mode: str = "initial",
        leverage: float | None = None, price: float | None = None,
    ) -> bool:  # fmt: skip
        """`FreqtradeBot.execute_entry`; True if an order was sent."""
        s, rate = self.strategy, price or self.marks[pair]
        side = "short" if short else "long"
        asked = {"pair": pair, "current_time": self.now, "side": side, "entry_tag": ""}
        if trade is None:
            leverage = leverage or strategy_safe_wrapper(s.leverage, default_retval=1.0)(
                **asked, current_rate=rate, proposed_leverage=1.0, max_leverage=125.0)  # fmt: skip
            leverage = min(max(leverage, 1.0), 125.0)
            stake = strategy_safe_wrapper(s.custom_stake_amount, default_retval=stake)(
                **asked, current_rate=rate, proposed_stake=stake, min_stake=5.0, max_stake=1e9,
                leverage=leverage)  # fmt: skip
        else:
            leverage = trade.leverage
        if not stake or not stake > 0:
            return False
        kind = "limit" if self.rng.random() < 0.6 else "market"
        amount = stake / rate * leverage
        if mode == "initial" and not strategy_safe_wrapper(
            s.confirm_trade_entry, default_retval=True
        )(**asked, order_type=kind, amount=amount, rate=rate, time_in_force="GTC"):
            return False
        if trade is not None:
            for order in list(trade.open_orders):
                self.cancel(trade, order)
            self.now_s += self.rng.choice((0.0, 0.2, 5.0, 20.0))
        answer = self._exchange.create_order(
            pair=pair, ordertype=kind, side="sell" if short else "buy", amount=amount, rate=rate,
            leverage=leverage, reduceOnly=False, time_in_force="GTC", initial_order=trade is None,
        )  # fmt: skip
        if trade is None:
            trade = SimpleNamespace(
                pair=pair, is_short=short, amount=0.0, open_rate=rate, leverage=leverage,
                stake_amount=0.0, open_orders=[], open_sl_orders=[], orders=[],
                entry_side="sell" if short else "buy",
            )  # fmt: skip
            self.trades.append(trade)
        self._book(trade, answer["filled"], rate)
        if answer["rest"] is not None:
            trade.open_orders.append(answer["rest"])
        return True

    def _book(self, trade: Any, filled: float, rate: float) -> None:
        if filled > 0:
            cost = trade.amount * trade.open_rate + filled * rate
            trade.amount += filled
            trade.open_rate = cost / trade.amount
            trade.stake_amount = cost / trade.leverage

    def leave(self, trade: Any, amount: float) -> None:
        """`FreqtradeBot.execute_trade_exit`."""
        for order in list(trade.open_orders):
            self.cancel(trade, order)
        if trade not in self.trades or not trade.amount:
            return
        answer = self._exchange.create_order(
            pair=trade.pair, ordertype="market", side="buy" if trade.is_short else "sell",
            amount=amount, rate=self.marks[trade.pair], leverage=trade.leverage, reduceOnly=True,
            time_in_force="GTC", initial_order=False,
        )  # fmt: skip
        out = min(answer["filled"], trade.amount)
        gain = (self.marks[trade.pair] - trade.open_rate) * out * (-1 if trade.is_short else 1)
        self.wallet += gain
        trade.amount -= out
        trade.stake_amount = trade.amount * trade.open_rate / trade.leverage
        if trade.amount <= 1e-12:
            self.trades.remove(trade)

    def cancel(self, trade: Any, order: Resting) -> None:
        """Cancel an order, which deletes a trade that has nothing else."""
        trade.open_orders.remove(order)
        self.resting.remove(order)
        if not trade.amount and not trade.open_orders and trade in self.trades:
            self.trades.remove(trade)

    def move(self, most: float) -> None:
        """Move all prices by at most `most`; no permit outlives it."""
        self.now_s += VALID_S
        for pair in PAIRS:
            self.marks[pair] *= math.exp(self.rng.uniform(-most, most))
            if most >= 1.0:
                self.marks[pair] = 100.0

    # -- one step -------------------------------------------------------------------------------

    def step(self) -> None:
        """Do something."""
        s, rng = self.strategy, self.rng
        s.mood = rng.choice(("", "", "", "levers", "stakes", "confirms", "adds", "moves"))
        s.wish = WALLET * rng.choice((0.01, 0.1, 0.2, 0.5, 3.0))
        steps: tuple[Callable[[], Any], ...] = (
            self._signal, self._signal, self._force_enter, self._adjust, self._adjust,
            self._replace, self._force_exit, self._fills, self._time, self._halts, self._rogue,
            self._cancels,
        )  # fmt: skip
        with suppress(DependencyException):  # Freqtrade logs it and goes on
            rng.choice(steps)()
        if self.lost_s is not None and self.now_s - self.lost_s >= _RECONCILED_S:
            s.control.store.halt(GuardActor("reconciled"), "the exchange holds what nobody knows")

    def _signal(self) -> None:
        free = [p for p in PAIRS if all(t.pair != p for t in self.trades)]
        if free:
            self.enter(self.rng.choice(free), self.rng.random() < 0.5, WALLET)

    def _force_enter(self) -> None:
        pair, short = self.rng.choice(PAIRS), self.rng.random() < 0.5
        trade = next((t for t in self.trades if t.pair == pair), None)
        if trade is not None and trade.open_orders:
            return
        self.enter(pair, trade.is_short if trade else short, self.strategy.wish, trade=trade,
                   mode="pos_adjust" if trade else "initial",
                   leverage=self.rng.choice((None, 2.0, 20.0)))  # fmt: skip

    def _adjust(self) -> None:
        if not self.trades:
            return
        trade = self.rng.choice(self.trades)
        rate = self.marks[trade.pair]
        answer = strategy_safe_wrapper(
            self.strategy.adjust_trade_position, default_retval=(None, ""), supress_error=True
        )(trade=trade, current_time=self.now, current_rate=rate, current_profit=0.0,
          min_stake=5.0, max_stake=1e9)  # fmt: skip
        stake = answer[0] if isinstance(answer, tuple) else answer
        if stake is not None and stake > 0:
            self.enter(trade.pair, trade.is_short, stake, trade=trade, mode="pos_adjust",
                       price=rate)  # fmt: skip
        elif stake is not None and stake < 0:
            self.leave(trade, min(-stake / trade.stake_amount, 1.0) * trade.amount)

    def _replace(self) -> None:
        waiting = [(t, o) for t in self.trades for o in t.open_orders]
        if not waiting:
            return
        trade, order = self.rng.choice(waiting)
        price = strategy_safe_wrapper(
            self.strategy.adjust_order_price, default_retval=order.price
        )(trade=trade, order=order, pair=trade.pair, current_time=self.now,
          proposed_rate=self.marks[trade.pair], current_order_rate=order.price, entry_tag="",
          side="short" if trade.is_short else "long", is_entry=True)  # fmt: skip
        if price and price != order.price:
            stake = order.remaining * order.price / trade.leverage
            self.cancel(trade, order)
            if trade not in self.trades:
                self.trades.append(trade)  # Freqtrade keeps it while it replaces
            try:
                self.enter(trade.pair, trade.is_short, stake, trade=trade, mode="replace",
                           price=price)  # fmt: skip
            finally:
                if not trade.amount and not trade.open_orders:
                    self.trades.remove(trade)

    def _force_exit(self) -> None:
        if self.trades:
            trade = self.rng.choice(self.trades)
            self.leave(trade, trade.amount * self.rng.choice((0.3, 1.0, 1.0)))

    def _fills(self) -> None:
        for trade in self.trades:
            for order in list(trade.open_orders):
                part = order.remaining * self.rng.choice((0.0, 0.5, 1.0))
                self._fill(order.pair, order.sign, part)
                self._book(trade, part, order.price)
                order.remaining -= part
                if order.remaining <= 1e-12:
                    trade.open_orders.remove(order)
                    self.resting.remove(order)

    def _cancels(self) -> None:
        waiting = [(t, o) for t in self.trades for o in t.open_orders]
        if waiting:
            self.cancel(*self.rng.choice(waiting))

    def _time(self) -> None:
        if self.rng.random() < 0.5:
            self.now_s += self.rng.choice((0.5, 14.0, 16.0, 61.0, 3_600.0))
        else:
            self.move(0.01)

    def _halts(self) -> None:
        store = self.strategy.control.store
        if store.read().may_add_risk:
            if self.rng.random() < 0.3:
                store.halt(ANN, "a test")
        elif self.lost_s is None:  # else the books differ, and it would be halted again
            store.resume(ANN)
        if self.rng.random() < 0.3:
            self.reload()

    def _rogue(self) -> None:
        """Hoard permits by confirming entries, and send orders of one's own accord."""
        rng = self.rng
        amount, side = rng.choice((0.5, 5.0, 50.0, 79.9, 500.0)), rng.choice(("buy", "sell"))
        pairs = rng.sample(PAIRS, rng.choice((1, 2, 3)))
        if rng.random() < 0.5:
            for pair in pairs:
                self.strategy.guarding.leverage[pair] = 2.0
                self.strategy.confirm_trade_entry(
                    pair=pair, order_type="market", amount=amount, rate=self.marks[pair],
                    time_in_force="GTC", current_time=self.now, entry_tag="",
                    side="long" if side == "buy" else "short")  # fmt: skip
            if rng.random() < 0.4:
                self.move(0.05)
            if rng.random() < 0.2:
                self.strategy.control.store.halt(ANN, "a test")
        for pair in pairs * rng.choice((1, 2)):
            reduces = rng.random() < 0.2
            with suppress(DependencyException):
                answer = self._exchange.create_order(
                    pair=pair, ordertype="market", side=side, amount=amount,
                    rate=self.marks[pair], leverage=rng.choice((2.0, 2.0, 20.0)),
                    reduceOnly=reduces, time_in_force="GTC", initial_order=True,
                )  # fmt: skip
                self._book_rogue(pair, side, answer["filled"], reduces=reduces)

    def _book_rogue(self, pair: str, side: str, filled: float, *, reduces: bool) -> None:
        """Keep Freqtrade's books in step: what they do not know is another promise's business."""
        trade = next((t for t in self.trades if t.pair == pair), None)
        if reduces and trade is not None:
            trade.amount -= min(filled, trade.amount)
            trade.stake_amount = trade.amount * trade.open_rate / trade.leverage
            if trade.amount <= 1e-12 and not trade.open_orders:
                self.trades.remove(trade)
        elif not reduces and trade is None:
            trade = SimpleNamespace(
                pair=pair, is_short=side == "sell", amount=0.0, open_rate=self.marks[pair],
                leverage=2.0, stake_amount=0.0, open_orders=[], open_sl_orders=[], orders=[],
                entry_side=side,
            )  # fmt: skip
            self.trades.append(trade)
            self._book(trade, filled, self.marks[pair])
        elif not reduces and trade is not None and trade.entry_side == side:
            self._book(trade, filled, self.marks[pair])
        elif trade is not None:  # the other way round: nets
            trade.amount -= filled
            if trade.amount < -1e-12:
                trade.is_short, trade.amount = not trade.is_short, -trade.amount
                trade.entry_side, trade.open_rate = side, self.marks[pair]
            trade.stake_amount = trade.amount * trade.open_rate / trade.leverage
            if abs(trade.amount) <= 1e-12 and not trade.open_orders:
                self.trades.remove(trade)

    def run(self, seed: int, steps: int = 12) -> None:
        """Run one sequence; raises `Beyond` with its seed if a limit did not hold."""
        self.begin(seed)
        try:
            for _ in range(steps):
                self.step()
        except Beyond as error:
            raise Beyond(f"sequence {seed}: {error}") from error
