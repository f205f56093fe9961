"""The exchange and the account of a storm of orders, and the judge of what reaches it.

Strategy, guards, permits and gate are the real ones. At every order that reaches the exchange the
account is added up from what is held and what rests, and `Beyond` is raised if that is more than
the hard limits allow. Prices stand still for as long as a permit is valid.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pandas as pd
from freqtrade.enums import TradingMode
from freqtrade.exceptions import InvalidOrderException, TemporaryError

from models.base.files import wall_clock_ms
from models.operate.control.state import Person
from models.trade.risk.snapshot import MarketState, Stage
from models.trade.risk.worst_hours import recorded
from strategies.account.tiers import load_binance_tiers
from strategies.BitcoinCrossMargin import BitcoinCrossMargin
from strategies.guard.permits import VALID_S
from tests.test_strategies.worlds import analysed, config

BTC, ETH, LTC = PAIRS = ("BTC/USDT:USDT", "ETH/USDT:USDT", "LTC/USDT:USDT")
WALLET: Final = 10_000.0
# So small that each of them is reached before a repeat of the worst hour forbids more.
LIMITS: Final = {"max_order_equity_frac": 0.3, "max_gross_leverage": 0.9, "max_net_leverage": 0.5}
WORST_HOUR_LOSS_FRAC: Final = 0.25
MAX_LEVERAGE: Final = 3.0
ANN: Final = Person("ann", "command line")
RECONCILED_S: Final = 20.0  # the books are compared within this time after a lost answer
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
class StormMarket:
    """One account, its exchange, and the bot's strategy; `begin` clears all but the strategy."""

    folder: Path
    rng: random.Random = field(default_factory=lambda: random.Random(0))
    now_s: float = 0.0
    live: bool = False
    sent: int = 0  # orders of new risk that reached the exchange
    stopped: int = 0

    def __post_init__(self) -> None:
        # The edge is waived: the storm wants the largest orders on both sides of one forecast.
        breakwater = {"limits": LIMITS, "decision": {"without": ["quantiles"]},
                      "guards": {"max_repeats": 10**6, "max_orders_per_minute": 10**6,
                                 "jitter_frac": 0.0}}  # fmt: skip
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
            create_order=self.execute,
            create_stoploss=self.place,
            cancel_order=None,
            trading_mode=TradingMode.FUTURES,
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
        lost = sum(abs(a) * self.marks[p] * recorded(p).against(new.sign)
                   for p, a in self.held.items() if a * new.sign > 0)  # fmt: skip
        lost += sum(r.remaining * self.marks[r.pair] * recorded(r.pair).against(new.sign)
                    for r in waiting if r.sign == new.sign)  # fmt: skip
        if not lost <= WORST_HOUR_LOSS_FRAC * equity * slack:
            raise Beyond(f"a repeat of the worst hour would cost {lost:.1f}: {said}")
        if not leverage <= MAX_LEVERAGE * slack:
            raise Beyond(f"leverage {leverage:g}: {said}")

    def _book(self, trade: Any, filled: float, rate: float) -> None:
        if filled > 0:
            cost = trade.amount * trade.open_rate + filled * rate
            trade.amount += filled
            trade.open_rate = cost / trade.amount
            trade.stake_amount = cost / trade.leverage

    def move(self, most: float) -> None:
        """Move all prices by at most `most`; no permit outlives it."""
        self.now_s += VALID_S
        for pair in PAIRS:
            self.marks[pair] *= math.exp(self.rng.uniform(-most, most))
            if most >= 1.0:
                self.marks[pair] = 100.0
