"""A storm of orders at one strategy: hooks, API, fills, halts and rogue orders in random sequence.

Freqtrade's part is played as its source has it: `execute_entry`, `execute_trade_exit`,
`handle_replace_order`, `_rpc_force_entry`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

from freqtrade.exceptions import DependencyException
from freqtrade.strategy.strategy_wrapper import strategy_safe_wrapper

from models.operate.control.state import GuardActor
from tests.test_strategies.bot.storm_market import (
    ANN,
    PAIRS,
    RECONCILED_S,
    WALLET,
    Beyond,
    Resting,
    StormMarket,
)


class Storm(StormMarket):
    """One step after the other, each drawn by chance."""

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
        if self.lost_s is not None and self.now_s - self.lost_s >= RECONCILED_S:
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
        amount, side = rng.choice((0.5, 5.0, 20.0, 29.9, 500.0)), rng.choice(("buy", "sell"))
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
            trade = next((t for t in self.trades if t.pair == pair), None)
            if trade is not None and trade.open_orders and trade.entry_side != side:
                continue  # Freqtrade's books have one side to a trade
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
