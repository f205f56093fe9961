"""What a restarted bot recalls of its orders, from the journal it wrote itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from models.operate.journal.journal import Journal
from models.operate.journal.records import DecisionRecord, OrderFilled
from models.trade.risk.recall import reducing_orders, sent_orders, unanswered
from models.trade.risk.snapshot import SentOrder

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
ENTRY = DecisionRecord(action="enter", pair=BTC, side="long", reason="",
                       candle_ms=1_700_000_040_000, notional_quote=6_000.0,
                       rate=60_000.0)  # fmt: skip
FILL = OrderFilled(trade_id=1, pair=BTC, side="buy", order_id="7", amount_base=0.1, rate=6e4,
                   opens=True)  # fmt: skip


def journal(folder: Path) -> Journal:
    return Journal(folder, lambda: 1_700_000_100_000)


def test_recall_when_entries_were_let_through_then_only_unfilled_ones_are_unanswered(
    tmp_path: Path,
) -> None:
    written = journal(tmp_path)
    written.append("entry.refused", ENTRY)
    assert unanswered(written.entries()) == {}
    written.append("entry.accepted", ENTRY)
    written.append("entry.accepted", replace(ENTRY, pair=ETH, side="short", rate=3_000.0))
    assert unanswered(written.entries()) == {BTC: 0.1, ETH: -2.0}
    written.append("order.filled", replace(FILL, opens=False))  # an exit answers no entry
    written.append("order.filled", FILL)
    assert unanswered(written.entries()) == {ETH: -2.0}
    assert sent_orders(written.entries()) == [
        SentOrder(time_ms=1_700_000_100_000, pair=BTC, side=1, key=f"{BTC} long 2023-11-14T22:14"),
        SentOrder(
            time_ms=1_700_000_100_000, pair=ETH, side=-1, key=f"{ETH} short 2023-11-14T22:14"
        ),
    ]


def test_recall_when_positions_were_left_then_it_knows_when(tmp_path: Path) -> None:
    written = journal(tmp_path)
    written.append("entry.accepted", ENTRY)
    assert reducing_orders(written.entries()) == {}
    written.append("reduce", replace(ENTRY, action="reduce"))
    written.append("exit", replace(ENTRY, action="exit", pair=ETH))
    assert reducing_orders(written.entries()) == {BTC: 1_700_000_100_000, ETH: 1_700_000_100_000}
