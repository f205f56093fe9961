"""Which fills the journal holds: whoever asks after an order is told of its fill again."""

from __future__ import annotations

from typing import Final, TypeAlias

from models.base.units import MINUTE_MS
from models.operate.journal.journal import Journal
from models.operate.journal.records import JournalRecord, OrderFilled, TradeOutcome

FILLED: Final = "order.filled"
CLOSED: Final = "trade.closed"
_SAME: Final = 1e-9  # relative; amounts are whole steps of the exchange

_OrderKey: TypeAlias = tuple[int, str, str, str]  # trade, pair, side, order


class WrittenFills:
    """The fills and ends of trades in one journal, each to be written once, over restarts too.

    What this process writes is remembered. The journal is read for an order older than that only,
    from its date on, and never twice for the same stretch.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._from_ms = journal.clock()  # every line since then is known
        self._filled: dict[_OrderKey, float] = {}  # how much of it, base units
        self._closed: set[int] = set()

    def note(self, record: JournalRecord) -> None:
        """Remember a line that has been written, if it is a fill or the end of a trade."""
        if isinstance(record, OrderFilled):
            self._filled[_key(record)] = record.amount_base
        elif isinstance(record, TradeOutcome):
            self._closed.add(record.trade_id)

    def holds(self, fill: OrderFilled, ordered_ms: int) -> bool:
        """Return whether a fill is written; one that has grown since is not.

        Parameters
        ----------
        ordered_ms
            When its order was made, UTC milliseconds: no line about it is older.

        Raises
        ------
        OSError
            If the journal cannot be read.
        """
        self._recall(ordered_ms)
        return fill.amount_base <= self._filled.get(_key(fill), 0.0) * (1 + _SAME)

    def holds_end(self, trade_id: int, ordered_ms: int) -> bool:
        """Return whether the end of a trade is written; parameters and errors as of `holds`."""
        self._recall(ordered_ms)
        return trade_id in self._closed

    def _recall(self, ordered_ms: int) -> None:
        since_ms = ordered_ms - MINUTE_MS  # the order has the exchange's date, the line ours
        if since_ms >= self._from_ms:
            return
        for entry in self._journal.entries(kind=FILLED, since_ms=since_ms):
            fill = OrderFilled(**entry.record)
            self._filled[_key(fill)] = fill.amount_base
        ends = self._journal.entries(kind=CLOSED, since_ms=since_ms)
        self._closed |= {entry.record["trade_id"] for entry in ends}
        self._from_ms = since_ms


def _key(fill: OrderFilled) -> _OrderKey:
    return fill.trade_id, fill.pair, fill.side, fill.order_id
