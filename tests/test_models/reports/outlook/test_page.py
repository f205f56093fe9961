"""The page of an outlook: the chance of liquidation first, and whose figures they are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from models.operate.control.shocks import SILENT_MS, CoinShocks, PairShock
from models.reports.outlook.page import outlook_markdown, outlook_verdict
from tests.test_models.operate.control.outlooks import UNTIL_MS, outlook
from tests.test_models.reports.outlook.sample import SHOCKS, safe, write, write_silent


def test_verdict_when_liquidation_is_likely_then_it_is_the_headline() -> None:
    kind, headline, sentence = outlook_verdict(outlook())
    assert kind == "bad"
    assert headline == "Were nobody to act, 2.03 % of 10,000 paths are liquidated within 7 d."
    assert sentence.startswith("The engine 'mixture' has not passed its tests as a forecast.")


def test_verdict_when_liquidation_is_unlikely_then_it_is_as_good_as_the_engine() -> None:
    kind, headline, sentence = outlook_verdict(safe())
    assert (kind, headline[:30]) == ("good", "Were nobody to act, 0.00 % of ")
    assert sentence.startswith("The engine 'har' has passed its tests as a forecast.")
    assert outlook_verdict(outlook(engine_passed=False, horizons=safe().horizons))[0] == "warn"


def test_page_when_written_then_it_has_the_bots_own_figures_and_numbers_beside(
    tmp_path: Path,
) -> None:
    folder = write(tmp_path, 1_700_000_000_000)
    page = (folder / "index.html").read_text()
    assert "838 to 1,080" in page
    assert "expected at least &lt;26,280&gt; candles" in page
    assert "the hour to come, down" in page
    report = json.loads((folder / "report.json").read_text())
    assert report["kind"] == "outlook"
    assert report["outlook"]["equity_quote"] == 1_000.0
    assert report["shocks"]["known"][0]["fall_frac"] == 0.625
    table = (folder / "table.md").read_text()
    assert table == outlook_markdown(outlook(), SHOCKS, 1_700_000_000_000)
    assert "| LTC/USDT:USDT | 2023-11-14 22:00 UTC | 62.5 % | 57.6 % | 10.0 % |" in table
    assert "| the record |" in table


def test_page_when_nothing_is_known_of_the_hour_to_come_then_it_says_by_what_sizes_go(
    tmp_path: Path,
) -> None:
    page = (write_silent(tmp_path, 1_700_000_000_000) / "index.html").read_text()
    assert "Scenarios say nothing of it: sizes go by the record alone." in page
    assert "SIMULATED" in page


def test_page_when_a_pair_is_silent_or_beyond_what_is_assumed_then_it_says_what_counts() -> None:
    wild = PairShock(pair="NEW/USDT:USDT", until_ms=UNTIL_MS, fall_frac=0.95, rise_frac=9.0)
    silent = replace(SHOCKS.known[0], until_ms=UNTIL_MS - SILENT_MS)
    shocks = CoinShocks(known=(wild, silent), missing=())
    table = outlook_markdown(outlook(), shocks, UNTIL_MS + 1)
    assert "| 95.0 % | 85.0 % | 900.0 % | 250.0 % | the record |" in table
    assert "| silent since: not opened |" in table
    assert "| the hour to come, down |" in outlook_markdown(outlook(), shocks, UNTIL_MS)
