"""The hedge's verdict says what it did; the bars, for programs, which are met or cannot be told."""

from __future__ import annotations

from typing import Any

from models.reports.hedge.verdict import (
    ACCOUNT_HEADS,
    account_lines,
    bars,
    hedge_did,
    hedge_verdict,
    liquidation_lines,
)

FLUSH = {"name": "flush", "drawdown_net": 0.1, "drawdown_primary": 0.2, "es99_net": 0.01,
         "es99_primary": 0.02}  # fmt: skip
WORSE = {**FLUSH, "name": "squeeze", "es99_net": 0.03}


def numbers(gone: float, es99: float, cost: float, low: float = 0.5) -> dict[str, Any]:
    return {
        "effectiveness": {"value": gone, "low": low, "high": 0.7}, "es99": es99, "cost_year": cost,
        "es99_unhedged": 0.04, "max_drawdown": 0.3, "max_drawdown_unhedged": 0.5,
        "worst_month": -0.1, "worst_month_unhedged": -0.2, "worst_day": -0.05,
        "worst_day_unhedged": -0.15,
    }  # fmt: skip


def test_bars_when_one_is_missed_or_cannot_be_told_then_it_says_so() -> None:
    band = numbers(0.6, 0.02, 0.05)
    all_met = bars(numbers(0.61, 0.02, 0.01), band, [FLUSH], numbers(0.99, 0.0, 0.0))
    assert [r["met"] for r in all_met] == [True] * 5
    untold = bars(numbers(0.61, 0.02, 0.01), band, [], None)
    assert [r["met"] for r in untold] == [True, None, True, True, None]
    missed = bars(numbers(0.59, 0.03, 0.06), band, [FLUSH, WORSE], numbers(0.9, 0.0, 0.0))
    assert [r["met"] for r in missed] == [False] * 5
    assert missed[-1]["got"] == "1 of 2; not in squeeze"


def test_verdict_when_read_then_it_says_what_the_hedge_took_and_what_it_cost() -> None:
    said = hedge_verdict(numbers(0.606, 0.02, 0.0092), [FLUSH])
    assert said["kind"] == "good"
    assert said["headline"] == (
        "The position's worst day was −5.0 % with the hedge, −15.0 % without; it cost 0.92 % of "
        "the position a year in fees and slippage."
    )
    assert "60.6 % of the hourly variance gone (95 % interval 50.0 to 70.0 %)." in said["sentence"]
    assert "milder in the one crash of the span" in said["sentence"]
    years = [{"effectiveness": {"value": v}} for v in (0.7, 0.4, float("nan"))]
    told = hedge_verdict(numbers(0.606, 0.02, 0.0092), [FLUSH], years=years)["sentence"]
    assert "; by year from 40.0 % to 70.0 %." in told
    assert "bar" not in said["headline"] + said["sentence"].replace("baseline", "")


def test_verdict_when_a_crash_was_not_milder_then_it_is_named_and_no_praise() -> None:
    said = hedge_verdict(numbers(0.6, 0.02, 0.01), [FLUSH, WORSE])
    assert said["kind"] == "warn"
    assert "in 1 of 2 crashes; not in squeeze." in said["sentence"]
    none = hedge_verdict(numbers(0.6, 0.02, 0.01), [])
    assert "There was no crash in the span." in none["sentence"]


def test_verdict_when_nothing_is_sure_to_be_gone_then_it_cannot_be_told() -> None:
    for low in (-0.1, 0.0, float("nan")):
        said = hedge_verdict(numbers(0.1, 0.02, 0.01, low=low), [FLUSH])
        assert said["kind"] == "bad"
        assert said["headline"] == "It cannot be told whether the hedge calmed the position."


def test_verdict_when_a_model_leaned_on_it_then_it_earns_its_place_beyond_the_interval_only() -> (
    None
):
    ours = numbers(0.6, 0.02, 0.01)
    gain = {"es99": {"value": -0.001, "low": -0.002, "high": -0.0005}}
    assert "earns its place" in hedge_verdict(ours, [], "HedgeForecaster", gain)["sentence"]
    none = {"es99": {"value": -0.001, "low": -0.002, "high": 0.0005}}
    assert "no gain" in hedge_verdict(ours, [], "HedgeForecaster", none)["sentence"]


def test_did_when_listed_then_without_and_with_stand_beside_each_other() -> None:
    did = hedge_did(numbers(0.6, 0.02, 0.01), [FLUSH, WORSE])
    assert [(row["without"], row["with"]) for row in did] == [
        ("−15.0 %", "−5.0 %"), ("−20.0 %", "−10.0 %"), ("50.0 %", "30.0 %"), ("4.00 %", "2.00 %"),
        ("20.0 %", "10.0 %"), ("20.0 %", "10.0 %"),
    ]  # fmt: skip
    assert [row["what"] for row in did[-2:]] == ["fall in: flush", "fall in: squeeze"]


def test_liquidations_when_listed_then_the_longest_held_counts_and_the_config_s_is_marked() -> None:
    def row(leverage: float, days: int, cross: float) -> dict[str, float]:
        return {"leverage": leverage, "horizon_candles": 24 * days, "unhedged": 0.5, "cross": cross}

    told = liquidation_lines([row(2.0, 7, 0.0), row(2.0, 30, 0.1), row(5.0, 30, 0.6)], 2.0)
    assert [(r["leverage"], r["days"], r["with"], r["yours"], r["milder"]) for r in told] == [
        ("2.00×", 30, "10.0 %", True, True), ("5.00×", 30, "60.0 %", False, False),
    ]  # fmt: skip
    assert [r["yours"] for r in liquidation_lines([row(1.0, 7, 0.0)], 0.2)] == [True]
    assert liquidation_lines([], 2.0) == []


def test_accounts_when_one_is_too_small_for_an_order_then_it_says_so_and_no_number() -> None:
    none = {"equity_quote": 90.0, "position_quote": 0.0}
    large = {"equity_quote": 3e6, "position_quote": 6e5, "unhedged": 0.02,
             "without_leg": [1.0, 0.1],
             "effectiveness": {"value": 0.6, "low": 0.5, "high": 0.7}, "es99": 0.02,
             "cost_year": 0.01, "impact_year": 0.003, "largest_of_day": 1e-4,
             "opening_impact": 0.002, "opening_of_hour": 0.05}  # fmt: skip
    first, second = account_lines([none, large])
    assert first[:3] == ["90 USDT", "too small for an order", "–"]
    assert second == [
        "3,000,000 USDT", "600,000 USDT", "2.0 %", "100.0 %, 10.0 %",
        "0.600 (0.500 to 0.700)", "2.00 %",
        "1.00 % a year", "0.30 % a year", "0.01 % of a day's volume",
        "5.0 % of an hour's volume, moves the price 0.20 %",
    ]  # fmt: skip
    assert len(first) == len(second) == len(ACCOUNT_HEADS)
