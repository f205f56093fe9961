"""The live benchmark counts what it saw, and its tables have a number in every cell."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from models.operate.control.commands import Commands
from models.serve.latency import TO_ORDER, CandleLatency
from tests.benchmarks import live
from tests.benchmarks.live import Contender
from tests.benchmarks.live_bots import PACK
from tests.benchmarks.live_memory import month_in_memory
from tests.exchange.state import Arrival, ExchangeState

ORDER = "POST /fapi/v1/order"
EVEN_MS = 1_700_000_040_000  # a close in an even minute: its candle's minute is odd


def seen(*arrivals: tuple[float, str, int]) -> Contender:
    state = ExchangeState()
    state.arrivals = [Arrival(EVEN_MS + at, line, weight) for at, line, weight in arrivals]
    bot: Any = SimpleNamespace(folder=Path())
    return Contender(PACK, False, bot, state)


def test_count_when_orders_follow_a_close_then_they_belong_to_it_and_its_minute() -> None:
    assert EVEN_MS // 60_000 % 2 == 0
    one = seen(
        (-5.0, ORDER, 0), (40.0, ORDER, 0), (90.0, "GET /fapi/v3/account", 5),
        (120.0, ORDER, 0), (25_000.0, ORDER, 0), (60_050.0, ORDER, 0), (61_000.0, "GET /x", 7),
    )  # fmt: skip
    one.count(EVEN_MS)
    assert (one.entries_ms, one.firsts_ms, one.exits_ms) == ([40.0, 120.0], [40.0], [])
    one.count(EVEN_MS + 60_000)
    assert one.exits_ms == [50.0]
    assert one.weights == [5, 7]
    cells = live.line(one).split()
    assert cells[:3] == [PACK, "2", "40"]
    assert len(live.header().split("close to order, ms")) == 2


def test_stages_when_the_journal_has_candles_then_their_summary_and_each_pairs_share_come_out(
    tmp_path: Path,
) -> None:
    one = seen()
    one.bot.folder = tmp_path
    journal = Commands(tmp_path / "user_data").journal
    for i, pair in enumerate(("A", "B", "C")):
        at = {"decision": 20.0 + 6 * i, "sent": 50.0 + 30 * i}
        journal.append("latency", CandleLatency(pair=pair, candle_ms=0, at_ms=at))
    # A bot that is frozen meets this close an hour late.
    late = {"decision": 3.6e6, "sent": 3.6e6}
    journal.append("latency", CandleLatency(pair="A", candle_ms=60_000, at_ms=late))
    one.count(60_000)
    table = live.stages(one).table()
    assert (table[TO_ORDER].p50, table[TO_ORDER].p99) == (80.0, 110.0)
    assert live.extra_pair_ms(one) == [6.0]
    rows = live.stage_table(live.stages(one))
    assert [row.split()[0] for row in rows[1:]] == list(table)


@pytest.mark.slow
def test_month_when_it_passes_on_the_live_path_then_memory_stays_flat(tmp_path: Path) -> None:
    used = month_in_memory(tmp_path, candles=200)
    # A frame or a session kept per candle would be some 100 KiB to 1 MiB each.
    assert used["month_end_mib"] - used["month_start_mib"] < 20


@pytest.mark.slow
def test_live_benchmark_when_the_pack_runs_two_candles_then_its_tables_are_full(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "live.json"
    few = "--only pack --rounds 1 --candles 2 --no-training --no-startup --memory-candles 24"
    live.main([*few.split(), "--json", str(out)])
    report = json.loads(out.read_text(encoding="utf-8"))
    [pack] = report["latency"]
    assert pack["entries_ms"]
    assert pack["exits_ms"]
    numbers = [*pack["entries_ms"], *pack["cpu_frac"], *report["memory"].values()]
    assert all(math.isfinite(n) and n > 0 for n in numbers)
    assert "close_to_order" in capsys.readouterr().out
