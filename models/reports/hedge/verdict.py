"""What the hedge did, in words; and, for programs, whether it meets the bars set beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from models.reports.text import Numbers, between, cell, known, show

CROSS_BAR: Final = 0.60  # share of variance gone, hedged with other coins
SAME_COIN_BAR: Final = 0.95
COST_BAR: Final = 0.051  # of the position a year: EWMA with a band of 0.25, as first measured


def bars(
    ours: Numbers,
    yardstick: Numbers,
    crashes: Sequence[Numbers],
    same_coin: Numbers | None,
    within_one: Numbers | None = None,
) -> list[dict[str, Any]]:
    """Return each bar, what was measured, and whether it holds; None where it is not known.

    Parameters
    ----------
    ours
        `effectiveness` of the strategy as Freqtrade backtested it.
    yardstick
        That of the EWMA with a band of 0.25 on the same candles.
    crashes
        Named ones in the data.
    same_coin
        The perpetual against spot of the same coin, None without spot candles.
    within_one
        The same hedge if the ratio may be at most 1, where it may be more.
    """
    gone = ours["effectiveness"]["value"]
    same = None if same_coin is None else same_coin["effectiveness"]["value"]
    limited = ""
    if within_one is not None:
        inside = show(within_one["effectiveness"]["value"], "ratio3")
        limited = f"; {inside} with a ratio of at most 1"
    spared = [c["name"] for c in crashes if _better(c)]
    missed = [c["name"] for c in crashes if not _better(c)]
    counted = f"{len(spared)} of {len(crashes)}" if crashes else "no named crash in the data"
    return [
        _bar(f"at least {CROSS_BAR:.2f} of the variance gone, hedged with other coins",
             show(gone, "ratio3") + limited, gone >= CROSS_BAR),
        _bar(f"at least {SAME_COIN_BAR:.2f} of it, hedged with the same coin",
             "no spot candles" if same is None else show(same, "ratio3"),
             None if same is None else same >= SAME_COIN_BAR),
        _bar(f"costs at most {show(COST_BAR, 'pct')} of the position a year",
             f"{show(ours['cost_year'], 'pct2')}; EWMA with band 0.25 here "
             f"{show(yardstick['cost_year'], 'pct2')}",
             ours["cost_year"] <= COST_BAR),
        _bar("at an ES99 no worse than that EWMA's",
             f"{show(ours['es99'], 'pct2')} against {show(yardstick['es99'], 'pct2')}",
             ours["es99"] <= yardstick["es99"]),
        _bar("drawdown and ES99 below the unhedged position's in every named crash",
             counted + (f"; not in {', '.join(missed)}" if missed else ""),
             None if not crashes else not missed),
    ]  # fmt: skip


def hedge_did(ours: Numbers, crashes: Sequence[Numbers]) -> list[dict[str, str]]:
    """Return what the hedge did, line by line: what, without it, with it.

    Parameters
    ----------
    ours
        All of `effectiveness` of the strategy as Freqtrade backtested it.
    crashes
        Named ones, or the worst weeks where there are none.
    """
    pairs = (
        ("worst day", "worst_day", "gain"),
        ("worst 30 days", "worst_month", "gain"),
        ("deepest fall", "max_drawdown", "pct"),
        ("mean loss of the worst 1 % of hours", "es99", "pct2"),
    )
    lines = [
        {
            "what": what,
            "without": show(ours[f"{key}_unhedged"], kind),
            "with": show(ours[key], kind),
        }
        for what, key, kind in pairs
    ]
    return lines + [
        {"what": f"fall in: {c['name']}", "without": show(c["drawdown_primary"], "pct"),
         "with": show(c["drawdown_net"], "pct")}
        for c in crashes
    ]  # fmt: skip


def liquidation_lines(survival: Sequence[Numbers], leverage: float) -> list[dict[str, Any]]:
    """Return the shares of entries liquidated with and without the hedge, held the longest.

    Parameters
    ----------
    survival
        As `models.studies.hedge.survival` counts them.
    leverage
        Of the position as configured: that row is marked.
    """
    longest = max((s["horizon_candles"] for s in survival), default=0)
    return [
        {"leverage": show(s["leverage"], "rate"), "days": longest // 24,
         "yours": s["leverage"] == max(leverage, 1.0), "without": show(s["unhedged"], "pct"),
         "with": show(s["cross"], "pct"), "milder": s["cross"] < s["unhedged"]}
        for s in survival
        if s["horizon_candles"] == longest
    ]  # fmt: skip


ACCOUNT_HEADS: Final = (
    "account", "position", "left unhedged", "hours without each leg", "variance gone", "ES99",
    "fees, slippage", "impact", "largest order", "opening at once",
)  # fmt: skip


def account_lines(accounts: Sequence[Numbers]) -> list[list[str]]:
    """Return one line of `ACCOUNT_HEADS` per account of `models.studies.hedge.account_sizes`."""
    return [_account(a) for a in accounts]


def _account(a: Numbers) -> list[str]:
    money = [f"{a[key]:,.0f} USDT" for key in ("equity_quote", "position_quote")]
    if not a["position_quote"]:
        return [money[0], "too small for an order", *["–"] * (len(ACCOUNT_HEADS) - 2)]
    return [
        *money, show(a["unhedged"], "pct"),
        ", ".join(show(share, "pct") for share in a["without_leg"]),
        cell(a["effectiveness"], "ratio3"), show(a["es99"], "pct2"),
        f"{show(a['cost_year'], 'pct2')} a year", f"{show(a['impact_year'], 'pct2')} a year",
        f"{show(a['largest_of_day'], 'pct2')} of a day's volume",
        f"{show(a['opening_of_hour'], 'pct')} of an hour's volume, moves the price "
        f"{show(a['opening_impact'], 'pct2')}",
    ]  # fmt: skip


def hedge_verdict(
    ours: Numbers,
    crashes: Sequence[Numbers],
    model: str | None = None,
    lean: Numbers | None = None,
    years: Sequence[Numbers] = (),
) -> dict[str, str]:
    """Return kind (good, warn or bad), headline and sentence: what the hedge saved, and its price.

    Parameters
    ----------
    ours, crashes
        As for `hedge_did`.
    model, lean
        The forecaster's name, and the paired difference it makes at equal ratio and cost.
    years
        As `models.studies.hedge.spans.by_year` has them.
    """
    gone, price = ours["effectiveness"], show(ours["cost_year"], "pct2")
    closing = f"{_in_crashes(crashes)} {_of_model(model, lean)}"
    if not (known(gone["low"]) and gone["low"] > 0):
        told = f"{cell(gone, 'pct')} of the hourly variance gone, for {price} of it a year."
        headline = "It cannot be told whether the hedge calmed the position."
        return {"kind": "bad", "headline": headline, "sentence": f"{told} {closing}"}
    day, unhedged = (show(ours[key], "gain") for key in ("worst_day", "worst_day_unhedged"))
    sentence = (
        f"{_variance(gone, years)} It takes moves away, good and bad: what the coin lost against "
        f"the instruments stays lost. {closing}"
    )
    kind = "good" if all(_better(c) for c in crashes) else "warn"
    return {
        "kind": kind,
        "headline": f"The position's worst day was {day} with the hedge, {unhedged} without; it "
        f"cost {price} of the position a year in fees and slippage.",
        "sentence": sentence,
    }


def _variance(gone: Numbers, years: Sequence[Numbers]) -> str:
    """Return how much of the variance was gone, from the worst year to the best."""
    values = [y["effectiveness"]["value"] for y in years if known(y["effectiveness"]["value"])]
    whole = f"{show(gone['value'], 'pct')} of the hourly variance gone ({between(gone, 'pct')})"
    if len(values) < 2:
        return f"{whole}."
    ends = show(min(values), "pct"), show(max(values), "pct")
    return f"{whole}; by year from {ends[0]} to {ends[1]}."


def _in_crashes(crashes: Sequence[Numbers]) -> str:
    """Return in which crashes both the fall and the worst hours were milder, and in which not."""
    if not crashes:
        return "There was no crash in the span."
    not_in = [c["name"] for c in crashes if not _better(c)]
    if not not_in:
        every = "the one crash" if len(crashes) == 1 else f"all {len(crashes)} crashes"
        return f"Fall and worst hours were milder in {every} of the span."
    return (
        f"Fall and worst hours were both milder in {len(crashes) - len(not_in)} of "
        f"{len(crashes)} crashes; not in {', '.join(not_in)}."
    )


def _of_model(model: str | None, lean: Numbers | None) -> str:
    ships = "What ships is the baseline, an exponentially weighted ratio inside a no-trade band."
    if model is None or lean is None:
        return f"{ships} No model was asked."
    es = lean["es99"]
    ends = f"{show(es['value'], 'pct2')} ({show(es['low'], 'pct2')} to {show(es['high'], 'pct2')})"
    if known(es["high"]) and es["high"] < 0:
        return f"At equal ratio and cost, {model} changes the ES99 by {ends}: it earns its place."
    return f"{ships} At equal ratio and cost, {model} changes the ES99 by {ends}: no gain."


def _bar(bar: str, got: str, met: bool | None) -> dict[str, Any]:
    return {"bar": bar, "got": got, "met": met}


def _better(crash: Numbers) -> bool:
    fell = bool(crash["drawdown_net"] < crash["drawdown_primary"])
    return fell and bool(crash["es99_net"] < crash["es99_primary"])
