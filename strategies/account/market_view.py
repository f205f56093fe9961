"""The market and the account as the exchange answers them now; dry-run and live only."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from freqtrade.data.dataprovider import DataProvider
from freqtrade.exchange import Exchange

from models.trade.account.tiers import MarginTiers, from_exchange_tiers
from models.trade.risk.reconciliation import Books
from models.trade.risk.snapshot import MarketState
from strategies.account.exchange_account import books_of_exchange, read_positions
from strategies.seams.data_provider import exchange_of
from strategies.seams.margin_tiers import loaded_tiers

_LEVELS: Final = 20  # of the order book: the cheapest request that shows more than the best
# One entry asks three hooks, which should see the same market; and what was asked for just before a
# candle's close serves the entries after it. Guards warn of older prices and refuse them later.
_KEPT_S: Final = 3.0


class MarketView:
    """Quotes and positions by pair, asked for at most every three seconds.

    Parameters
    ----------
    provider
        Freqtrade's data provider.
    now_ms, monotonic_s
        Clocks.
    """

    def __init__(
        self,
        provider: DataProvider,
        now_ms: Callable[[], int],
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._provider, self._now_ms, self._monotonic_s = provider, now_ms, monotonic_s
        self._kept: dict[str, tuple[float, MarketState]] = {}
        self._books: dict[str, tuple[float, Books]] = {}
        self._tiers: dict[str, tuple[Any, MarginTiers]] = {}  # pair -> Freqtrade's rows, read

    def market(self, pair: str) -> MarketState:
        """Return mark, index, funding, best prices and depth; None where there was no answer."""
        asked_s, kept = self._kept.get(pair, (float("-inf"), None))
        now_s = self._monotonic_s()
        if kept is None or now_s - asked_s > _KEPT_S:
            kept, asked_s = self._ask(pair), now_s
            self._kept[pair] = (asked_s, kept)
        age = kept.price_age_s
        return replace(kept, price_age_s=None if age is None else age + now_s - asked_s)

    def books(self, pair: str) -> Books:
        """Return the position the exchange holds in `pair`; raises if it does not answer."""
        asked_s, kept = self._books.get(pair, (float("-inf"), None))
        now_s = self._monotonic_s()
        if kept is None or now_s - asked_s > _KEPT_S:
            exchange = exchange_of(self._provider)
            kept = books_of_exchange(exchange, read_positions(exchange, pair))
            self._books[pair] = (now_s, kept)
        return kept

    def look_ahead(self, pairs: Iterable[str], *, books: bool) -> None:
        """Ask for what an order of these pairs will need, so that none waits for it.

        Raises
        ------
        FreqtradeException
            If the exchange does not answer; nobody has been told anything wrong then.
        """
        exchange = exchange_of(self._provider)
        held: Mapping[str, float] = {}
        if books:
            held = books_of_exchange(exchange, read_positions(exchange)).positions
        asked_s = self._monotonic_s()
        for pair in pairs:
            self._kept[pair] = (self._monotonic_s(), self._ask(pair))
            if books:
                only = {pair: held[pair]} if pair in held else {}
                self._books[pair] = (asked_s, Books(positions=only))

    def tiers(self, pairs: Collection[str]) -> dict[str, MarginTiers]:
        """Return the exchange's margin tiers of `pairs`, read anew when Freqtrade reloads them."""
        exchange = exchange_of(self._provider)
        loaded = loaded_tiers(exchange)
        for pair in pairs:
            rows, _ = self._tiers.get(pair, (None, None))
            if rows is not loaded[pair]:
                self._tiers[pair] = (loaded[pair], exchange_tiers(exchange, [pair])[pair])
        return {pair: self._tiers[pair][1] for pair in pairs}

    def forget(self, pair: str) -> None:
        """Ask anew next time: an order for the pair is about to be sent."""
        self._books.pop(pair, None)

    def _ask(self, pair: str) -> MarketState:
        premium = self._provider.funding_rate(pair)
        book = self._provider.orderbook(pair, _LEVELS)
        bids, asks = book.get("bids") or [], book.get("asks") or []
        stamps = [premium.get("timestamp"), book.get("timestamp")]
        known = [self._now_ms() - stamp for stamp in stamps if stamp is not None]
        hours = str(premium.get("interval") or "8h").rstrip("h")
        rate = premium.get("fundingRate")
        return MarketState(
            mark=_number(premium.get("markPrice")),
            index=_number(premium.get("indexPrice")),
            bid=float(bids[0][0]) if bids else None,
            ask=float(asks[0][0]) if asks else None,
            bid_depth_quote=_depth(bids),
            ask_depth_quote=_depth(asks),
            funding_8h_frac=None if rate is None else float(rate) * 8 / float(hours),
            # The older of the two; a stamp the exchange does not give tells nothing.
            price_age_s=max(known) / 1000 if stamps[0] is not None else None,
        )


def exchange_tiers(exchange: Exchange, pairs: Iterable[str]) -> dict[str, MarginTiers]:
    """Return the margin tiers Freqtrade has loaded from the exchange; a missing pair raises."""
    tiers = loaded_tiers(exchange)
    return {
        pair: from_exchange_tiers(
            pair, [{**row, "info": {"cum": row["maintAmt"]}} for row in tiers[pair]]
        )
        for pair in pairs
    }


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _depth(levels: list[Any]) -> float | None:
    return sum(float(price) * float(amount) for price, amount, *_ in levels) if levels else None
