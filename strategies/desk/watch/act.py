"""What the watchdog may do about an account: cancel entries, place and take back stops, close."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeAlias

from models.base.units import Seconds
from models.operate.control.watch import (
    WatchdogConfig,
    WatchedPosition,
    entries,
    stop_price,
    superfluous,
    uncovered,
)
from models.trade.risk.reduction import next_step
from strategies.desk.watch.look import SeenAccount, answer_or_none
from strategies.desk.watch.venue import Venue

# What it does, in words; and the doing, which may return what was done instead.
WatchdogAction: TypeAlias = tuple[str, Callable[[], str | None]]


class Actions:
    """Names what is to be done, one action at a time; whoever asks carries it out.

    Each symbol is judged by itself: where that fails, the failure is the action, and the next
    symbol has its turn. Waits are by monotonic time.
    """

    def __init__(self, venue: Venue, config: WatchdogConfig, monotonic: Seconds) -> None:
        self._venue, self._config, self._monotonic = venue, config, monotonic
        self._next_step_ms: dict[str, int] = {}  # when more of a position may be closed
        self._bare_since: dict[str, float] = {}  # position without a whole stop -> first seen
        self._unseen: dict[str, float] = {}  # stops placed where the orders cannot be seen

    def wanted(
        self, seen: SeenAccount, *, unattended: bool, no_entries: bool, close: bool
    ) -> Iterator[WatchdogAction]:
        """Yield what `seen` asks for.

        Parameters
        ----------
        unattended
            Nobody else looks after the account: stops come at once.
        no_entries
            What could open a position goes.
        close
            Positions are to be closed in stages.
        """
        if no_entries:
            yield from _each(seen.orders, partial(self._without_entries, seen))
        if close:
            yield from _each(seen.positions, partial(self._closed, seen))
        since = self._bare_since
        self._bare_since = {s: at for s, at in since.items() if not seen.is_settled(s)}
        yield from _each(
            seen.positions, partial(self._protected, seen, since, at_once=unattended)
        )  # fmt: skip
        yield from _each(seen.orders, partial(self._tidy, seen))

    def _without_entries(self, seen: SeenAccount, symbol: str) -> Iterator[WatchdogAction]:
        for order in entries(seen.orders[symbol]):
            what = f"entry of {order.amount:g} {order.symbol} cancelled"
            yield what, partial(self._venue.cancel, order)

    def _closed(self, seen: SeenAccount, symbol: str) -> Iterator[WatchdogAction]:
        position, now_ms = seen.positions[symbol], round(1000 * self._monotonic())
        if now_ms < self._next_step_ms.get(symbol, now_ms):
            return
        held = abs(position.amount) * position.mark
        step = next_step(
            now_ms=now_ms, held_quote=held, target_quote=0.0,
            volume_1h_quote=answer_or_none(partial(self._venue.volume_1h_quote, symbol)),
            max_volume_frac=self._config.max_volume_frac,
            smallest_quote=answer_or_none(partial(self._venue.smallest_quote, symbol)) or 0.0,
        )  # fmt: skip
        amount = abs(position.amount) * min(step.notional_quote / held, 1.0)
        what = f"{amount:g} of {abs(position.amount):g} {symbol} closed"
        yield what, partial(self._close, position, amount, step.next_ms)

    def _close(self, position: WatchedPosition, amount: float, next_ms: int) -> str | None:
        """Close a step; say how much of it the exchange filled, where it tells."""
        filled = self._venue.close(position, amount)
        self._next_step_ms[position.symbol] = next_ms  # one that failed is tried again sooner
        if filled is None:
            return None
        return f"{filled:g} of {abs(position.amount):g} {position.symbol} closed"

    def _protected(
        self, seen: SeenAccount, since: dict[str, float], symbol: str, *, at_once: bool
    ) -> Iterator[WatchdogAction]:
        position, now_s = seen.positions[symbol], self._monotonic()
        is_seen = seen.is_read(symbol)
        left = uncovered(position, seen.orders.get(symbol, ()))
        if is_seen:
            self._unseen.pop(symbol, None)
        elif self._unseen.get(symbol) == position.amount:
            return  # a stop was placed for it and may well be there
        if left <= 0:
            return
        self._bare_since[symbol] = since.get(symbol, now_s)
        # Orders that are not seen may hold a stop: a while later another one is the lesser evil.
        waits = not (at_once and is_seen)
        if waits and now_s - self._bare_since[symbol] < self._config.unprotected_s:
            return
        if not is_seen:
            if not at_once:
                return  # a bot that lives sees for itself
            what = f"the orders of {symbol} cannot be seen; a stop for {left:g} placed"
            yield what, partial(self._protect_unseen, position, left)
            return
        price = stop_price(position, self._config)
        what = f"{left:g} {symbol} had no stop; one placed at {price:g}"
        yield what, partial(self._venue.protect, position, left, price)

    def _protect_unseen(self, position: WatchedPosition, left: float) -> None:
        self._venue.protect(position, left, stop_price(position, self._config))
        self._unseen[position.symbol] = position.amount

    def _tidy(self, seen: SeenAccount, symbol: str) -> Iterator[WatchdogAction]:
        if not seen.is_settled(symbol):
            return  # what cannot be seen may be what these stops protect
        for order in superfluous(seen.positions.get(symbol), seen.orders[symbol]):
            yield f"own stop in {symbol} taken back", partial(self._venue.cancel, order)


def _each(
    symbols: Iterable[str], judge: Callable[[str], Iterator[WatchdogAction]]
) -> Iterator[WatchdogAction]:
    for symbol in symbols:
        try:
            actions = list(judge(symbol))
        except Exception as error:  # noqa: BLE001 - of any kind: the next symbol has its turn
            yield f"{symbol} looked after", partial(_fail, error)
            continue
        yield from actions


def _fail(error: Exception) -> None:
    raise error
