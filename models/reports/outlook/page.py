"""What may become of the account a bot holds now, as a page and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go

from models.operate.control.outlook import Odds, Outlook, OutlookHorizon
from models.operate.control.shocks import SILENT_MS, CoinShocks, PairShock
from models.reports.page import report_page, write_page
from models.reports.style import BLUE, GREY, ORANGE, RED, packed, styled, tinted
from models.reports.text import MISSING, markdown_table, show, utc
from models.trade.risk.worst_hours import no_worse_than_assumed, recorded

LIKELY: Final = 0.01  # a chance of liquidation from which on the page is a warning in red


def write_outlook_page(
    outlook: Outlook,
    shocks: CoinShocks | None,
    run: Mapping[str, Any],
    reports_dir: Path,
    created_ms: int,
) -> Path:
    """Write the page and its numbers to a new folder of `reports_dir` and return the folder.

    Parameters
    ----------
    outlook, shocks
        As the bot keeps them; None: nothing is known of the hour to come.
    run
        Title, whose it is, versions; JSON-able.
    """
    verdict = outlook_verdict(outlook)
    numbers = {
        "format": 1, "kind": "outlook", "headline": verdict[1], "run": dict(run),
        "outlook": asdict(outlook), "shocks": None if shocks is None else asdict(shocks),
    }  # fmt: skip
    page = report_page(
        "outlook", {"equity": _equity_figure(outlook), "sizes": _size_figure(outlook)}, run=run,
        verdict=verdict, outlook=outlook, of=utc(outlook.time_ms), until=utc(outlook.until_ms),
        held_heads=_HELD_HEADS, held=_held(outlook), heads=_HEADS, lines=_lines(outlook),
        size_heads=_size_heads(outlook), sizes=_sizes(outlook), distance=_distance(outlook),
        shock_heads=_SHOCK_HEADS, shocks=_shocks(shocks, created_ms),
        missing=() if shocks is None else shocks.missing,
    )  # fmt: skip
    texts = {"table.md": outlook_markdown(outlook, shocks, created_ms)}
    texts = {"table.md": outlook_markdown(outlook, shocks, created_ms)}
    return write_page(numbers, page, texts, reports_dir, created_ms)


def outlook_markdown(outlook: Outlook, shocks: CoinShocks | None, now_ms: int) -> str:
    """Return the horizons, the sizes and the hour to come as Markdown tables."""
    tables = [
        markdown_table(_HEADS, _lines(outlook)),
        markdown_table(_size_heads(outlook), _sizes(outlook)),
    ]
    if shocks is not None:
        tables.append(markdown_table(_SHOCK_HEADS, _shocks(shocks, now_ms)))
    return "\n".join(tables)


def outlook_verdict(outlook: Outlook) -> tuple[str, str, str]:
    """Return (kind, headline, sentence): how likely liquidation is, and who says so."""
    last = outlook.horizons[-1]
    headline = (
        f"Were nobody to act, {show(last.liquidated.share, 'pct2')} of "
        f"{outlook.paths:,} paths are liquidated within {_days(last)}."
    )
    passed = "has passed its tests as a forecast" if outlook.engine_passed else (
        "has not passed its tests as a forecast"
    )  # fmt: skip
    sentence = f"The engine '{outlook.engine}' {passed}. Stops, guards and people are left out."
    if last.liquidated.high >= LIKELY:
        return "bad", headline, sentence
    return "good" if outlook.engine_passed else "warn", headline, sentence


_HELD_HEADS = ["pair", "amount", "mark", "of the equity"]
_HEADS = ["within", "half of all paths", "mean", "worst 1 %, mean", "worst 0.1 %, mean",
          "liquidated", "95 % of it", "at closes only"]  # fmt: skip
_SHOCK_HEADS = ["pair", "from candles until", "down", "on record", "up", "on record", "counts"]


def _held(outlook: Outlook) -> list[list[str]]:
    return [
        [p.pair, f"{p.amount_base:+,g}", f"{p.mark:,g}",
         show(p.amount_base * p.mark / outlook.equity_quote, "rate")]
        for p in outlook.positions
    ]  # fmt: skip


def _lines(outlook: Outlook) -> list[list[str]]:
    low, high = (outlook.levels.index(level) for level in (0.25, 0.75))
    return [
        [
            _days(one), f"{_money(one.equity[low])} to {_money(one.equity[high])}",
            _money(one.mean), _money(one.worst_1), _money(one.worst_01),
            *_chance(one.liquidated), show(one.liquidated_at_closes.share, "pct2"),
        ]
        for one in outlook.horizons
    ]  # fmt: skip


def _size_heads(outlook: Outlook) -> list[str]:
    return ["all positions, of the equity", *(f"within {_days(one)}" for one in outlook.horizons)]


def _sizes(outlook: Outlook) -> list[list[str]]:
    return [
        [f"{one.leverage:g}×", *(_chance(odds)[0] for odds in one.liquidated)]
        for one in outlook.by_leverage
    ]


def _shocks(shocks: CoinShocks | None, now_ms: int) -> list[list[str]]:
    return [] if shocks is None else [_shock(one, now_ms) for one in shocks.known]


def _shock(one: PairShock, now_ms: int) -> list[str]:
    record, ahead = recorded(one.pair), no_worse_than_assumed(one.fall_frac, one.rise_frac)
    worse = [
        name for name, possible, past in (
            ("down", ahead.fall_frac, record.fall_frac), ("up", ahead.rise_frac, record.rise_frac)
        ) if possible > past
    ]  # fmt: skip
    counts = f"the hour to come, {' and '.join(worse)}" if worse else "the record"
    if one.until_ms < now_ms - SILENT_MS:
        counts = "silent since: not opened"
    return [
        one.pair, utc(one.until_ms),
        *(show(value, "pct") for value in (
            one.fall_frac, record.fall_frac, one.rise_frac, record.rise_frac
        )),
        counts,
    ]  # fmt: skip


def _distance(outlook: Outlook) -> list[str]:
    """Return the least distance to liquidation on the middle path and on the worst 5 %."""
    found = (outlook.distance[outlook.levels.index(level)] for level in (0.5, 0.05))
    return [show(value, "pct") for value in found]


def _chance(odds: Odds) -> list[str]:
    return [
        show(odds.share, "pct2"),
        f"{show(odds.low, 'pct2')} to {show(odds.high, 'pct2')}",
    ]


def _money(value: float | None) -> str:
    return MISSING if value is None else f"{value:,.0f}"


def _days(one: OutlookHorizon) -> str:
    return f"{one.days:g} d"


def _equity_figure(outlook: Outlook) -> go.Figure:
    """Return the equity's quantiles over the days to come, from what it is now."""
    days = np.array([0.0, *(one.days for one in outlook.horizons)])
    fig = go.Figure()
    for k, level in enumerate(outlook.levels):
        values = [outlook.equity_quote, *(one.equity[k] for one in outlook.horizons)]
        if any(value is None for value in values):
            continue  # too few paths tell it
        middle = level == 0.5
        fig.add_scatter(
            x=packed(days), y=packed(np.array(values, dtype=float)), mode="lines+markers",
            name="the middle path" if middle else f"{level:.1%} of paths are below",
            line={"color": BLUE if middle else ORANGE if level < 0.5 else GREY,
                  "width": 2.5 if middle else 1.2},
            hovertemplate=f"%{{x:g}} d: %{{y:,.0f}}<extra>{level:.1%}</extra>",
        )  # fmt: skip
    return styled(
        fig, 320, xaxis={"title": "days"}, yaxis={"title": "equity", "rangemode": "tozero"}
    )


def _size_figure(outlook: Outlook) -> go.Figure:
    """Return the chance of liquidation over the size, a line a horizon, with its interval."""
    sizes = packed(np.array([one.leverage for one in outlook.by_leverage]))
    fig = go.Figure()
    for k, (one, colour) in enumerate(zip(outlook.horizons, _colours(outlook), strict=True)):
        odds = [size.liquidated[k] for size in outlook.by_leverage]
        share = np.array([o.share for o in odds])
        fig.add_scatter(
            x=sizes, y=packed(share), mode="lines+markers", name=f"within {_days(one)}",
            line={"color": colour, "width": 2},
            error_y={
                "type": "data", "symmetric": False, "color": tinted(colour, 0.5),
                "array": packed(np.array([o.high for o in odds]) - share),
                "arrayminus": packed(share - np.array([o.low for o in odds])),
            },
            hovertemplate="%{x:g}×: %{y:.2%}<extra>" + _days(one) + "</extra>",
        )  # fmt: skip
    fig.add_vline(x=outlook.leverage, line={"color": GREY, "dash": "dot", "width": 1})
    return styled(
        fig, 320, xaxis={"title": "all positions over the equity; dotted: now"},
        yaxis={"title": "liquidated", "tickformat": ".1%", "rangemode": "tozero"},
    )  # fmt: skip


def _colours(outlook: Outlook) -> Sequence[str]:
    return [(BLUE, ORANGE, RED)[k % 3] for k in range(len(outlook.horizons))]
