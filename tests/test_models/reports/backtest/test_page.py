"""The report: same numbers on the page and in the file, nothing hidden, nothing fetched."""

from __future__ import annotations

import dataclasses
import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import plotly.offline
import pytest

from models.base import columns
from models.base.errors import AlignmentError, InputError
from models.reports.backtest.build import backtest_numbers
from models.reports.backtest.card import model_card
from models.reports.backtest.figures_account import equity_figure
from models.reports.backtest.page import backtest_page, write_report
from models.reports.backtest.record import Reference, RunRecord
from models.reports.backtest.verdict import backtest_verdict
from models.reports.packing import PackedText, unpack_text
from models.reports.style import band, thinned
from models.reports.text import show
from tests.test_models.reports.records import PAIR, idle_record, make_audit, make_record

BANNER = "SIMULATED MARKET — these numbers say nothing about real markets"
SHOWN = re.compile(r'data-key="([^"]+)" data-value="([^"]*)"')


@pytest.fixture(scope="module")
def record() -> RunRecord:
    return make_record(days=45)


@pytest.fixture(scope="module")
def n(record: RunRecord) -> dict[str, Any]:
    return backtest_numbers(record)


@pytest.fixture(scope="module")
def page(record: RunRecord, n: dict[str, Any]) -> str:
    return backtest_page(record, n)


def own_text(page: str) -> str:
    """Return a page without what is packed in it."""
    return re.sub(r'<script type="text/plain".*?</script>', "", page, flags=re.DOTALL)


def packed_in(page: str, what: str) -> str:
    """Return a text that is packed in a page."""
    (found,) = re.findall(rf'id="{what}-packed" data-size="(\d+)">(.*?)</script>', page, re.DOTALL)
    return unpack_text(PackedText(found[1], int(found[0])))


def at(n: Any, key: str) -> Any:
    for part in key.split("."):
        n = n[int(part)] if isinstance(n, list) else n.get(part)
        if n is None:
            return None
    return n


def test_page_when_written_then_every_number_equals_the_file(
    record: RunRecord, tmp_path: Path
) -> None:
    folder = write_report(record, tmp_path)
    saved = json.loads((folder / "report.json").read_text())
    shown = SHOWN.findall((folder / "index.html").read_text())
    assert len(shown) > 60
    for key, raw in shown:
        assert json.loads(html.unescape(raw)) == at(saved, key), key
    keys = {key for key, _ in shown}
    assert {"equity.sharpe.value", "account.max_margin_ratio", "money.residual_quote"} <= keys


def test_page_when_simulated_then_every_section_says_so(page: str) -> None:
    assert page.count(BANNER) == page.count("<section ") == 12


def test_page_when_there_are_intervals_then_it_shows_where_they_hold(
    page: str, n: dict[str, Any]
) -> None:
    assert 'id="fig-held-volatility"' in page
    assert 'id="fig-held-hour"' in page
    interval = n["forecast"]["pooled"]["interval"]
    assert len(interval["by_volatility_decile"]) == 10
    assert len(interval["by_hour"]) == 8
    assert interval["score_bps"]["value"] > interval["width_bps"]  # some are missed


def test_page_when_real_then_no_banner(record: RunRecord) -> None:
    real = dataclasses.replace(record, data_label="real")
    text = backtest_page(real, backtest_numbers(real))
    assert BANNER not in text
    assert "SIMULATED" not in text


def test_page_when_something_failed_then_first_thing_on_it(record: RunRecord) -> None:
    failed = dataclasses.replace(record, failures=("training 2 <died>",))
    n = backtest_numbers(failed)
    assert n["verdict"]["sentences"][0]["level"] == "bad"
    text = backtest_page(failed, n)
    assert text.index("training 2 &lt;died&gt;") < text.index('id="equity"')


def test_page_when_rendered_then_fetches_nothing(page: str) -> None:
    own = own_text(page)
    assert len(own) < len(page)
    assert not re.search(r"""(?:src|href)\s*=\s*["']?\s*(?:https?:)?//""", own)
    assert "default-src 'none'" in own
    assert packed_in(page, "plotly") == plotly.offline.get_plotlyjs()
    assert len(page.encode()) < 2_000_000


def test_report_when_config_has_secrets_then_they_are_not_in_it(page: str) -> None:
    assert "not for print" not in page
    assert "(settings left out)" in page


def test_numbers_when_made_then_valid_json_and_repeatable(record: RunRecord, n: Any) -> None:
    assert json.loads(json.dumps(n, allow_nan=False)) == n
    assert backtest_numbers(record) == n


def test_numbers_when_forecasts_are_nan_then_null_and_dashes(record: RunRecord) -> None:
    series = record.forecasts[0]
    nothing = {name: np.full(len(series.time_ms), np.nan) for name in columns.FORECAST}
    empty = dataclasses.replace(
        record, forecasts=(dataclasses.replace(series, values=nothing),), trades=()
    )
    n = backtest_numbers(empty)
    assert n["forecast"]["pooled"]["direction"]["accuracy"]["value"] is None
    assert n["trades"]["win_rate"]["value"] is None
    text = backtest_page(empty, n)
    assert "NaN" not in own_text(text) + packed_in(text, "figures")
    assert 'data-value="null">–</span>' in text


def test_report_when_there_are_no_forecasts_at_all_then_still_written(
    record: RunRecord, tmp_path: Path
) -> None:
    bare = dataclasses.replace(record, forecasts=(), trainings=(), trades=())
    assert (write_report(bare, tmp_path) / "index.html").exists()


def test_page_when_there_was_no_trade_then_nothing_is_drawn_or_said_of_falls_and_intervals(
    record: RunRecord,
) -> None:
    idle = idle_record(record)
    n = backtest_numbers(idle)
    page = own_text(backtest_page(idle, n))
    shown = re.sub(r"<[^>]+>", "", page)
    assert "– to" not in shown
    assert "to –" not in shown
    assert "– to –" not in model_card(idle, n)
    for gone in ("equity", "margin", "money", "list"):
        assert f'id="{gone}"' not in page
        assert f'href="#{gone}"' not in page
    assert 'data-figure="waterfall"' not in page
    axis = equity_figure(idle).layout.yaxis2
    assert axis.range == (-0.1, 0.0)  # not from -100 % to 100 %
    assert equity_figure(record).layout.yaxis2.range is None


def test_waterfall_when_summed_then_reaches_the_final_equity(n: Any) -> None:
    money = n["money"]
    total = money["start_quote"] + sum(s["quote"] for s in money["steps"])
    assert total + money["residual_quote"] == pytest.approx(money["final_quote"], abs=1e-9)
    assert money["residual_quote"] == pytest.approx(0.0, abs=1e-6)
    assert money["final_quote"] == n["equity"]["final_quote"]
    assert money["engine"]["residual_quote"] == pytest.approx(0.0, abs=1e-6)


def test_report_when_account_is_liquidated_then_red_and_the_waterfall_still_reconciles(
    record: RunRecord,
) -> None:
    candles = record.candles[PAIR]
    lead = int(np.searchsorted(candles.time_ms, record.start_ms))
    dead = dataclasses.replace(record, audit=make_audit(candles, record.trades, lead, size=25.0))
    n = backtest_numbers(dead)
    assert not n["verdict"]["survived"]
    assert n["verdict"]["sentences"][0]["headline"].startswith("Liquidated on ")
    assert n["money"]["residual_quote"] == pytest.approx(0.0, abs=1e-6)
    assert "Liquidated on " in backtest_page(dead, n)


def test_verdict_when_nothing_could_liquidate_then_not_called_flat(n: Any) -> None:
    changed = json.loads(json.dumps(n))
    changed["account"]["min_distance_frac"] = None
    said = backtest_verdict(changed)["sentences"][0]
    assert said["headline"] == "Survived under the account model."
    assert "100 %" in said["detail"]


def test_write_report_when_called_twice_then_both_stay_and_latest_is_the_second(
    record: RunRecord, tmp_path: Path
) -> None:
    first, second = write_report(record, tmp_path), write_report(record, tmp_path)
    assert first.name == "backtest-20231114T221320Z"
    assert second.name == "backtest-20231114T221320Z-2"
    link = tmp_path / "latest"
    assert link.is_symlink()
    assert link.readlink() == Path(second.name)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        [first.name, second.name, "latest", "latest-backtest", "index.html"]
    )


def test_write_report_when_drawing_fails_then_nothing_is_left(
    record: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Path:
        raise OSError("disk full")

    monkeypatch.setattr("models.reports.folder._claim", refuse)
    with pytest.raises(OSError, match="disk full"):
        write_report(record, tmp_path)
    assert not list(tmp_path.iterdir())


def test_verdict_when_no_skill_then_no_edge_is_said_plainly(n: Any) -> None:
    assert not n["verdict"]["edge_shown"]
    assert any(s["headline"].startswith("No edge here") for s in n["verdict"]["sentences"])


def test_verdict_when_the_gain_is_volatility_alone_then_it_is_no_edge_and_said_so(n: Any) -> None:
    changed = json.loads(json.dumps(n))
    changed["equity"]["sharpe"] = {"value": 1.0, "low": 0.4, "high": 1.6}
    skill = changed["forecast"]["pooled"]["probability"]
    skill["gain_millibits"] = {"value": 27.9, "low": 20.0, "high": 36.0}
    skill["gain_volatility_millibits"] = {"value": 29.4, "low": 22.0, "high": 37.0}
    skill["gain_direction_millibits"] = {"value": -1.5, "low": -7.8, "high": 4.7}
    said = backtest_verdict(changed)
    assert not said["edge_shown"]
    edge = said["sentences"][-1]
    assert "know how much the price moves, but not where to" in edge["headline"]
    assert "−1.50 millibits (95 % interval −7.80 to +4.70 millibits) where to." in edge["detail"]
    skill["gain_direction_millibits"] = {"value": 7.4, "low": 1.6, "high": 12.7}
    assert backtest_verdict(changed)["edge_shown"]


def test_page_when_there_is_a_volatility_reference_then_it_stands_beside_the_model(
    record: RunRecord, page: str
) -> None:
    assert "No volatility reference: nobody asked for it." in page
    rows = len(record.forecasts[0].time_ms)
    p = np.tile([0.25, 0.5, 0.25], (rows, 1))
    with_one = dataclasses.replace(record, reference=Reference(title="Volatility", p={PAIR: p}))
    numbers = backtest_numbers(with_one)
    found, pooled = numbers["reference"], numbers["forecast"]["pooled"]["probability"]
    gap = pooled["gain_millibits"]["value"] - found["gain_millibits"]["value"]
    assert found["rows"] == numbers["forecast"]["pooled"]["rows_class_known"]
    assert found["over_millibits"]["value"] == pytest.approx(gap)
    text = backtest_page(with_one, numbers)
    shown = {key for key, _ in SHOWN.findall(text)}
    assert {"reference.gain_millibits.value", "reference.over_millibits.value"} <= shown
    edge = numbers["verdict"]["sentences"][-1]["detail"]
    assert "A linear regression of volatility gains" in edge
    assert "beyond that reference" in model_card(with_one, numbers)


def headline(n: Any, part: str) -> dict[str, str]:
    """The one sentence of the verdict with `part` in its headline."""
    (found,) = [s for s in n["verdict"]["sentences"] if part in s["headline"]]
    return found


def believed(record: RunRecord, part: float, **changes: Any) -> RunRecord:
    """The run with `part` of each claim in the edge and its lower bound."""
    series = record.forecasts[0]
    edge = part * series.values[columns.LABEL_RETURN]
    values = {**series.values, columns.EDGE: edge, columns.EDGE_LOW: edge}
    told = dataclasses.replace(series, values=values)
    return dataclasses.replace(record, forecasts=(told,), **changes)


def test_page_when_forecasts_passed_then_what_they_claimed_stands_beside_what_came(
    n: Any, page: str
) -> None:
    passed = n["edge"]["passed"]
    assert n["edge"]["alone"]["rows"] > passed["rows"] > 0
    said = headline(n, "Where the edge passed")
    assert show(passed["claimed_bps"]["value"], "bps_change") in said["headline"]
    assert show(passed["realised_bps"]["value"], "bps_change") in said["headline"]
    assert "contain 1" in said["detail"] or "contains 1" in said["detail"]
    assert f"Entries made: {n['edge']['entries']['rows']}" in said["detail"]
    first = page[page.index('id="verdict"') : page.index('id="equity"')]
    shown = {key for key, _ in SHOWN.findall(first)}
    for group in ("alone", "passed", "entries"):
        for what in ("rows", "claimed_bps.value", "realised_bps.value", "slope.low", "slope.high"):
            assert f"edge.{group}.{what}" in shown
    assert "forecast.pooled.direction.accuracy.value" not in shown
    assert "forecast.pooled.direction.accuracy.value" in {key for key, _ in SHOWN.findall(page)}


def test_edge_when_entries_were_made_then_each_is_held_against_the_candle_it_stood_on(
    record: RunRecord, n: Any
) -> None:
    series = record.forecasts[0]
    opened = {t.open_ms - record.candle_ms: t.side for t in record.trades}
    rows = np.flatnonzero([t in opened for t in series.time_ms.tolist()])
    rows = rows[(series.do_predict[rows] == 1) & np.isfinite(series.outcome_return[rows])]
    side = np.array([opened[int(t)] for t in series.time_ms[rows]])
    claimed = side * series.values[columns.EDGE][rows]
    found = n["edge"]["entries"]
    assert 0 < found["rows_known"] == len(rows) <= len(record.trades)
    assert found["claimed_bps"]["value"] == pytest.approx(1e4 * claimed.mean())
    came = 1e4 * (side * series.outcome_return[rows]).mean()
    assert found["realised_bps"]["value"] == pytest.approx(came)


def test_verdict_when_nothing_passed_then_the_page_says_so(record: RunRecord) -> None:
    nothing = believed(record, 0.0, trades=())
    n = backtest_numbers(nothing)
    said = headline(n, "Nothing passed: no forecast's lower bound was above cost.")
    assert said["level"] == "neutral"
    assert "Its quantiles alone claim 12.0 bps (1 × the round-trip cost) or more" in said["detail"]
    assert f"on {n['edge']['alone']['rows']} candles, +" in said["detail"]
    assert n["edge"]["passed"]["rows"] == 0
    assert "Entries made without it" not in said["detail"]
    entered = headline(backtest_numbers(believed(record, 0.0)), "Nothing passed")
    assert "Entries made without it: " in entered["detail"]  # by rules of the strategy's own
    assert "Nothing passed: no forecast&#39;s lower bound" in backtest_page(nothing, n)


def test_verdict_when_a_person_waived_the_edge_then_it_is_not_said_to_have_passed(
    record: RunRecord,
) -> None:
    n = backtest_numbers(believed(record, 0.0, edge_waived=True))
    assert headline(n, "a person waived it")["level"] == "warn"
    assert not [s for s in n["verdict"]["sentences"] if "passed" in s["headline"]]


def test_verdict_when_the_slope_is_below_one_for_sure_then_it_is_bad(n: Any) -> None:
    for slope, has_one, level, words in (
        ({"value": 0.1, "low": -0.2, "high": 0.4}, False, "bad", "does not contain 1"),
        ({"value": 0.6, "low": 0.1, "high": 1.2}, True, "neutral", "which contains 1"),
        ({"value": 0.6, "low": None, "high": None}, None, "neutral", "cannot be told"),
    ):
        changed = json.loads(json.dumps(n))
        changed["edge"]["passed"] |= {"slope": slope, "slope_has_one": has_one}
        said = headline({"verdict": backtest_verdict(changed)}, "Where the edge passed")
        assert said["level"] == level
        assert words in said["detail"]


def test_verdict_when_the_model_has_no_quantiles_then_it_promises_nothing(
    record: RunRecord,
) -> None:
    n = backtest_numbers(believed(record, np.nan))
    assert n["edge"]["stated"] == 0
    assert "no quantiles" in headline(n, "promises no return")["detail"]
    assert "Claimed against realised" not in backtest_page(record, n)


@pytest.mark.parametrize("bar", [0.2, 1.0, 2.0])
def test_edge_when_the_bar_is_another_then_the_rows_that_pass_are(
    record: RunRecord, bar: float
) -> None:
    series = record.forecasts[0]
    n = backtest_numbers(dataclasses.replace(record, min_edge_costs=bar))
    low = np.abs(series.values[columns.EDGE_LOW])
    inside = (series.time_ms >= record.start_ms) & (series.do_predict == 1)
    assert n["edge"]["passed"]["rows"] == (inside & (low >= bar * series.cost_frac)).sum()
    assert n["edge"]["bar_bps"] == pytest.approx(bar * 1e4 * series.cost_frac)


@pytest.mark.parametrize(("accuracy", "ratio"), [(0.61, 0.5), (0.53, 2.1)])
def test_verdict_when_too_good_then_look_for_the_leak(
    n: Any, accuracy: float, ratio: float
) -> None:
    changed = json.loads(json.dumps(n))
    changed["forecast"]["pooled"]["direction"]["accuracy"]["value"] = accuracy
    changed["equity"]["sharpe"]["value"] = ratio
    said = backtest_verdict(changed)
    assert said["leak_suspected"]
    assert said["sentences"][-1]["headline"] == "Look for the leak."


def test_verdict_when_liquidated_then_says_when_in_red(n: Any) -> None:
    changed = json.loads(json.dumps(n))
    changed["account"]["liquidated_at_ms"] = 1_709_301_600_000
    said = backtest_verdict(changed)
    assert not said["survived"]
    assert said["sentences"][0] | {"detail": ""} == {
        "level": "bad", "headline": "Liquidated on 2024-03-01 14:00 UTC.", "detail": "",
    }  # fmt: skip


def test_record_when_arrays_or_names_do_not_fit_then_refused(record: RunRecord) -> None:
    series = record.forecasts[0]
    with pytest.raises(AlignmentError, match="do_predict has 3"):
        dataclasses.replace(series, do_predict=np.ones(3))
    with pytest.raises(InputError, match="p_sideways"):
        dataclasses.replace(series, values={"p_sideways": np.ones(len(series.time_ms))})
    with pytest.raises(InputError, match="data_label"):
        dataclasses.replace(record, data_label="paper")


def test_thinned_when_series_is_long_then_extremes_and_gaps_survive() -> None:
    x = np.random.default_rng(0).standard_normal(50_000)
    x[1234], x[40_000], x[20_000:20_010] = 99.0, -99.0, np.nan
    rows = thinned(x, 900)
    assert len(rows) <= 910
    assert {1234, 40_000} <= set(rows.tolist())
    assert np.isnan(x[rows]).any()


def test_band_when_there_is_a_gap_then_one_outline_per_side_of_it() -> None:
    low, high = np.array([0.0, 0.0, np.nan, 0.0, 0.0]), np.array([1.0, 1.0, np.nan, 1.0, 1.0])
    area = band(np.arange(5, dtype=np.int64), low, high, "area", "#000")
    np.testing.assert_array_equal(area.x, [0, 1, 1, 0, np.nan, 3, 4, 4, 3, np.nan])
