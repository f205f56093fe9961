"""`breakwater stress` and `breakwater liquidation`, and recorded crashes where there are any."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from freqtrade.enums import CandleType

from models.base.errors import InputError
from models.reports.stress.page import BAR_FRAC, stress_verdict
from models.studies.stress.numbered import numbered, rows_of_crash, summarise_numbered
from models.studies.stress.replay import ReplayRules
from models.studies.stress.summary import naive_summary, summarise
from strategies.account.tiers import load_binance_tiers
from strategies.desk.backtests.data import load_checked
from strategies.desk.backtests.simulated_data import write_simulated
from strategies.desk.cli import main
from strategies.desk.studies.crashes import find_crashes, find_hedged
from strategies.desk.studies.numbered import (
    ASKED_LEVERAGES,
    EARLIER_RECORD,
    SHIPPED_RECORD,
    by_number,
)
from strategies.desk.studies.stress import OUTAGE_MS, hedge_rules_of, limits_of, summarise_hedged
from tests.places import SHARED, USER_DATA

EVENTS = SHARED / "data" / "events"
CONFIG = USER_DATA / "config_bitcoin.json"
HEDGE_CONFIG = USER_DATA / "config_litecoin_hedge.json"
PAIR = "BTC/USDT:USDT"
HOUR = 3_600_000


@pytest.fixture(scope="module")
def datadir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("market") / "simulated"
    return write_simulated(folder, seed=3, start=datetime(2024, 1, 1, tzinfo=UTC), days=12)


def test_stress_when_there_is_data_then_every_hour_is_a_start_and_a_page_is_written(
    datadir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["stress", "--data", str(datadir.parent), "--userdir", str(tmp_path),
                 "--pair", PAIR, "--jobs", "1"]  # fmt: skip
    assert main(arguments) == 0
    said = capsys.readouterr().out
    report = json.loads((tmp_path / "reports" / "latest-stress" / "report.json").read_text())
    lone = [a for a in report["accounts"] if a["account"] != "hedged"]
    assert {(a["account"], a["outage_s"]) for a in lone} == {
        (f"always {side}", outage) for side in ("long", "short") for outage in (0.0, 900.0)
    }
    assert {a["starts"] for a in lone} == {12 * 24 - 168 - 24}
    assert {a["between_starts_s"] for a in lone} == {3600.0}
    assert all(a["liquidated"] == 0 for a in report["accounts"])
    assert report["run"]["simulated"]
    assert report["run"]["limits"]["hard"]["worst_hour_loss_frac"] == 0.25
    assert "| lowest equity, of that at the start | BTC | LTC, hedged |" in said
    assert "SIMULATED" in (tmp_path / "reports" / "latest-stress" / "index.html").read_text()


def test_number_when_replayed_then_both_records_are_shown_and_what_was_opened(
    datadir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["stress", "--worst-day", "0.15", "--data", str(datadir), "--history", str(datadir),
                 "--userdir", str(tmp_path), "--jobs", "1"]  # fmt: skip
    code = main(arguments)
    said = capsys.readouterr().out
    report = json.loads((tmp_path / "reports" / "latest-worst-day" / "report.json").read_text())
    rows = report["replays"]
    assert [(r["leverage"], r["record"], r["may_reduce"]) for r in rows] == [
        (leverage, record, may) for record in (SHIPPED_RECORD, EARLIER_RECORD)
        for may in (False, True) for leverage in ASKED_LEVERAGES
    ]  # fmt: skip
    assert {r["starts"] for r in rows} == {48}
    assert code == int(any(r["broken"] for r in rows))
    shipped, then = rows[2], rows[8]
    assert shipped["leverage"] == then["leverage"] == 3.0
    assert shipped["opened_frac"] == pytest.approx(0.15 / shipped["known_frac"], rel=1e-3)
    assert shipped["cut"] == 48
    assert then["known_frac"] < shipped["known_frac"]  # a few days of a calm market
    assert rows[0]["whole"] == 48
    assert "| dearest start, of equity | record as shipped, 15 % |" in said
    assert report["run"]["simulated"]


def test_number_when_a_record_is_known_at_a_moment_then_the_crash_is_not_in_it() -> None:
    rules = hedge_rules_of(HEDGE_CONFIG)
    assert rules is not None
    asked = by_number(rules, 0.15, 3.0, False, None)
    assert asked.limits.hard.max_order_equity_frac == 3.0
    kept = replace(asked.limits.hard, max_order_equity_frac=0.25)
    assert kept == rules.limits.hard  # and no other limit is touched
    assert asked.smallest_quote[PAIR] == 100.0


def test_number_when_there_is_no_crash_then_it_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stress", "--worst-day", "0.15", "--userdir", str(tmp_path)]) == 2
    assert "expected recorded crashes" in capsys.readouterr().err
    (tmp_path / "futures").mkdir()
    assert main(["stress", "--worst-day", "0.15", "--data", str(tmp_path)]) == 2
    assert "no hourly candles and marks of all of LTC/USDT:USDT" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["stress", "--worst-day", "1.5"])


@pytest.mark.slow
@pytest.mark.skipif(not EVENTS.is_dir(), reason="no recorded crashes on this machine")
@pytest.mark.parametrize("name", sorted(p.name for p in EVENTS.glob("*")) or ["none"])
def test_real_crash_when_the_number_is_set_then_no_start_costs_more_by_the_shipped_record(
    name: str,
) -> None:
    rules = hedge_rules_of(HEDGE_CONFIG)
    assert rules is not None
    (crash,) = find_hedged(EVENTS / name, tuple(rules.tiers))
    for leverage in ASKED_LEVERAGES:
        told = summarise_numbered(
            crash, by_number(rules, 0.15, leverage, False, None), leverage, SHIPPED_RECORD
        )
        assert told.broken == {}
        assert told.cost_frac <= 0.15
        assert told.opened_frac >= 0.2 - 1e-9  # it was there
    # The control: let in by a number of the whole equity, the worst of them breaks 15 %.
    loose = by_number(rules, 1.0, 1.0, False, None)
    hour = rows_of_crash(crash).stop - 24
    let_in = numbered(crash, loose, 1.0, hour, rows_of_crash(crash).until)
    assert let_in.opened_frac > told.opened_frac


def test_crashes_when_finer_candles_exist_then_they_are_read_and_the_coarse_whole_beside_a_part(
    datadir: Path,
) -> None:
    (only,) = find_crashes(datadir, PAIR)
    assert (only.candle_ms, only.market) == (HOUR, "perpetual")
    candles = load_checked(datadir, PAIR, "1h")
    assert len(only.candles) == len(candles)
    (crash,) = find_hedged(datadir, ("LTC/USDT:USDT", PAIR, "ETH/USDT:USDT"))
    assert [m.pair for m in crash.marks] == ["LTC/USDT:USDT", PAIR, "ETH/USDT:USDT"]
    marks = load_checked(datadir, PAIR, "1h", CandleType.MARK)
    assert crash.marks[1].close[-1] == marks.close[marks.time_ms == crash.marks[1].time_ms[-1]][0]


def test_stress_when_a_folder_holds_no_candles_then_the_error_says_what_to_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stress", "--data", str(tmp_path), "--jobs", "1"]) == 2
    assert "no futures candles of BTC/USDT:USDT" in capsys.readouterr().err
    with pytest.raises(InputError, match="LTC"):
        find_crashes(tmp_path, "LTC/USDT:USDT")


def test_liquidation_when_asked_for_then_a_table_of_each_pair_is_printed(
    datadir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["liquidation", "--data", str(datadir), "--pair", PAIR, "LTC/USDT:USDT"]
    assert main([*arguments, "--leverage", "3", "20"]) == 0
    said = capsys.readouterr().out
    assert "BTC/USDT:USDT, 1h candles, 2024-01-01 to 2024-01-12, positions of 10000:" in said
    assert said.count("| entries liquidated | 3x | 20x | independent |") == 2
    assert said.count("| long, 1 d |") == said.count("| short, 7 d |") == 2


@pytest.mark.slow
@pytest.mark.skipif(not EVENTS.is_dir(), reason="no recorded crashes on this machine")
@pytest.mark.parametrize("coin", ["BTC", "ETH", "LTC"])
@pytest.mark.parametrize("name", sorted(p.name for p in EVENTS.glob("*")) or ["none"])
def test_real_crash_when_every_hour_is_a_start_then_no_account_falls_below_the_bar(
    name: str, coin: str
) -> None:
    pair = f"{coin}/USDT:USDT"
    (tiers,) = load_binance_tiers([pair]).values()
    for crash in find_crashes(EVENTS / name, pair):
        for side in (1, -1):
            rules = ReplayRules(
                tiers=tiers, limits=limits_of(CONFIG), side=side, outage_ms=OUTAGE_MS
            )
            told = summarise(crash, rules)
            assert told.liquidated == 0
            assert told.lowest_frac > 1 - BAR_FRAC, stress_verdict([told])
        assert (
            naive_summary(crash, ReplayRules(tiers=tiers, limits=limits_of(CONFIG))).liquidated > 0
        )


@pytest.mark.slow
@pytest.mark.skipif(not EVENTS.is_dir(), reason="no recorded crashes on this machine")
@pytest.mark.parametrize("name", sorted(p.name for p in EVENTS.glob("*")) or ["none"])
def test_real_crash_when_litecoin_is_hedged_then_no_start_falls_below_the_bar(name: str) -> None:
    shipped = hedge_rules_of(HEDGE_CONFIG)
    assert shipped is not None
    assert list(shipped.tiers) == ["LTC/USDT:USDT", PAIR, "ETH/USDT:USDT"]
    (crash,) = find_hedged(EVENTS / name, tuple(shipped.tiers))
    greedy = replace(shipped, amount_base=20 * shipped.amount_base)  # what the guards leave of it
    for rules, every_hours, starts in ((shipped, 1, 500), (greedy, 12, 40)):
        told = summarise_hedged(crash, rules, every_hours)
        assert told.starts > starts
        assert told.lowest_frac < 0.999  # it was there: guards that let nothing by are no proof
        assert told.liquidated == 0
        assert told.lowest_frac > 1 - BAR_FRAC, stress_verdict([told])


def test_stress_when_another_coin_is_wanted_and_no_data_named_then_it_answers_for_none(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The simulated crash is one coin's: who asked for another would take it for his."""
    assert main(["stress", "--pair", "LTC/USDT:USDT", "--userdir", str(tmp_path)]) == 2
    assert "expected candles of LTC/USDT:USDT" in capsys.readouterr().err


def test_stress_when_a_history_is_given_that_nothing_reads_then_it_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stress", "--history", str(tmp_path), "--data", str(tmp_path)]) == 2
    assert "--history is read with --worst-day only" in capsys.readouterr().err
