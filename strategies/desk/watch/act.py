"""What the watchdog may do about an account: cancel entries, place and take back stops, close."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

from models.base.files import Clock
from models.operate.control.watch import (
    WatchdogConfig,
    entries,
    stop_price,
    superfluous,
    uncovered,
)
from models.trade.risk.reduction import next_step
from strategies.desk.watch.look import SeenAccount, answer_or_none
from strategies.desk.watch.venue import Venue

WatchdogAction: TypeAlias = tuple[str, Callable[[], None]]  # what it does, in words; and the doing


class Actions:
    """Names what is to be done, one action at a time; whoever asks carries it out."""

    def __init__(self, venue: Venue, config: WatchdogConfig, clock: Clock) -> None:
        self._venue, self._config, self._clock = venue, config, clock
        self._next_step_ms: dict[str, int] = {}  # when more of a position may be closed
        self._bare_since: dict[str, int] = {}  # position without a whole stop -> first seen

    def wanted(
        self, observed: SeenAccount, *, silent: bool, close: bool
    ) -> Iterator[WatchdogAction]:
        """Yield what `observed` asks for.

        Parameters
        ----------
        silent
            Nobody else looks after the account: entries go, and stops come at once.
        close
            Positions are to be closed in stages.
        """
        if silent:
            yield from self._without_entries(observed)
        if close:
            yield from self._closed(observed)
        yield from self._protected(observed, at_once=silent)
        yield from self._tidy(observed)

    def _closed(self, observed: SeenAccount) -> Iterator[WatchdogAction]:
        now = self._clock()
        for symbol, position in observed.positions.items():
            if now < self._next_step_ms.get(symbol, 0):
                continue
            held = abs(position.amount) * position.mark
            step = next_step(
                now_ms=now, held_quote=held, target_quote=0.0,
                volume_1h_quote=answer_or_none(partial(self._venue.volume_1h_quote, symbol)),
                max_volume_frac=self._config.max_volume_frac,
                smallest_quote=answer_or_none(partial(self._venue.smallest_quote, symbol)) or 0.0,
            )  # fmt: skip
            self._next_step_ms[symbol] = step.next_ms
            amount = abs(position.amount) * min(step.notional_quote / held, 1.0)
            what = f"{amount:g} of {abs(position.amount):g} {symbol} closed"
            yield what, partial(self._venue.close, position, amount)

    def _without_entries(self, observed: SeenAccount) -> Iterator[WatchdogAction]:
        for orders in observed.orders.values():
            for order in entries(orders):
                what = f"entry of {order.amount:g} {order.symbol} cancelled"
                yield what, partial(self._venue.cancel, order)

    def _protected(self, observed: SeenAccount, *, at_once: bool) -> Iterator[WatchdogAction]:
        now, since = self._clock(), self._bare_since
        self._bare_since = {}
        for symbol, position in observed.positions.items():
            if symbol not in observed.orders:
                continue  # not seen: perhaps it has a stop
            left = uncovered(position, observed.orders[symbol])
            if left <= 0:
                continue
            self._bare_since[symbol] = since.get(symbol, now)
            if at_once or now - self._bare_since[symbol] >= 1000 * self._config.unprotected_s:
                price = stop_price(position, self._config)
                what = f"{left:g} {symbol} had no stop; one placed at {price:g}"
                yield what, partial(self._venue.protect, position, left, price)

    def _tidy(self, observed: SeenAccount) -> Iterator[WatchdogAction]:
        for symbol, orders in observed.orders.items():
            for order in superfluous(observed.positions.get(symbol), orders):
                yield f"own stop in {symbol} taken back", partial(self._venue.cancel, order)
