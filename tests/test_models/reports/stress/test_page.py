"""The stress page: the worst is told first, and nothing is better on it than in its numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.reports.stress.page import (
    lowest_by_crash,
    stress_markdown,
    stress_page,
    stress_verdict,
    write_stress,
)
from models.studies.stress.replay import ReplayRules, replay_crash
from models.trade.risk.limits import Limits
from strategies.account.tiers import load_binance_tiers
from tests.test_models.reports.stress.sample import LTC, NAIVE, ROWS, RUN
from tests.test_models.studies.stress.brute import wild_crash


def test_page_when_written_then_the_worst_of_all_is_first_and_every_replay_is_on_it(
    tmp_path: Path,
) -> None:
    folder = write_stress(ROWS, NAIVE, RUN, tmp_path, 1_700_000_000_000)
    page = (folder / "index.html").read_text().split("<script>")[0]
    assert "The worst account fell to −28.0 %; none below −30%." in page
    assert "BTC always long, 2020, switched on 2020-03-12 06:00 UTC: −28.0 % at the lowest." in page
    assert "SIMULATED" not in page
    assert "LTC, hedged" in page
    assert "15 min" in page
    assert "out of reach" in page
    assert "40% away" in page
    assert "2020, BTC/USDT, 5m: 3 holes" in page
    assert "1.0 h" in page
    numbers = json.loads((folder / "report.json").read_text())
    assert [a["coin"] for a in numbers["accounts"]] == ["BTC", "BTC", "LTC", "LTC"]
    assert numbers["naive"][0]["liquidated"] == 8
    assert (folder / "stress.md").read_text() == stress_markdown(ROWS)
    simulated = write_stress(ROWS, NAIVE, {**RUN, "simulated": True}, tmp_path, 0)
    assert "SIMULATED MARKET" in (simulated / "index.html").read_text()


def test_page_when_fills_cost_other_than_now_then_its_sentence_says_what_the_replay_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crash = wild_crash(3, 3_600_000)
    (tiers,) = load_binance_tiers([crash.pair]).values()
    first = replay_crash(crash, ReplayRules(tiers=tiers, limits=Limits()), hour=200).fills[0]
    row = int(np.searchsorted(crash.candles.time_ms, first.time_ms))
    worse = first.price_quote / crash.candles.open[row] - 1
    fee = first.fee_quote / (first.amount_base * first.price_quote)
    page = stress_page(ROWS, NAIVE, RUN)
    said = f"next candle's open, {1e4 * worse:.6g} bp worse, with {1e4 * fee:.6g} bp of fees."
    assert said in page
    monkeypatch.setattr("models.reports.stress.page.SLIPPAGE_FRAC", 0.00125)
    monkeypatch.setattr("models.reports.stress.page.FEE_FRAC", 0.0004)
    page = stress_page(ROWS, NAIVE, RUN)
    assert "12.5 bp worse, with 4 bp of fees" in page
    assert said not in page


def test_table_when_a_crash_was_replayed_in_several_ways_then_the_worst_way_counts() -> None:
    assert lowest_by_crash(ROWS) == {
        ("2020", "BTC"): 0.72 - 1, ("2025", "LTC"): -0.25, ("2020", "LTC, hedged"): 0.9 - 1,
    }  # fmt: skip
    assert "| 2020 | −28.0 % | – | −10.0 % |" in stress_markdown(ROWS)


def test_verdict_when_the_bar_is_missed_or_an_account_died_then_it_says_so() -> None:
    assert stress_verdict(ROWS)[0] == "warn"
    below = replace(LTC, quantiles_frac=[0.69, 0.7, 0.8, 0.9, 0.9])
    kind, headline, _ = stress_verdict([*ROWS, below])
    assert (kind, headline) == ("bad", "An account fell to −31.0 %: below the bar of −30%.")
    kind, headline, sentence = stress_verdict([*ROWS, replace(LTC, liquidated=3)])
    assert (kind, headline) == ("bad", "3 accounts were liquidated.")
    assert "2,800 accounts".replace("2,800", "3,500") in sentence
