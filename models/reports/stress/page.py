"""The stress page: what recorded crashes did to accounts behind the guards, the worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go

from models.base.units import HOUR_MS, MINUTE_MS
from models.reports.page import report_page, write_page
from models.reports.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, styled
from models.reports.text import markdown_table, show, utc
from models.studies.stress.replay import FEE_FRAC, SLIPPAGE_FRAC
from models.studies.stress.summary import NaiveSummary, StressSummary

BAR_FRAC: Final = 0.30  # no account may ever have lost more of what it started with
HEDGED: Final = "hedged"
_COLOURS: Final = (BLUE, ORANGE, GREEN, PURPLE, RED)
STRESS_HEADS: Final = (
    "crash", "account", "candles", "stops refused for", "starts", "lowest equity", "1 % of starts",
    "5 %", "half", "worst start", "worst end", "stop filled beyond its price",
    "liquidation nearest",
    "liquidated", "halted",
)  # fmt: skip


def write_stress(
    rows: Sequence[StressSummary],
    naive: Sequence[tuple[str, NaiveSummary]],
    run: Mapping[str, Any],
    reports_dir: Path,
    created_ms: int,
) -> Path:
    """Write the page and its numbers to a new folder of `reports_dir` and return the folder.

    Parameters
    ----------
    rows
        Every account in every crash, in the order they are shown.
    naive
        The same market without guards, named by crash and coin.
    run
        Title, data, limits, versions; JSON-able. `simulated` says whether any of it is.
    """
    numbers = {
        "format": 1, "kind": "stress", "headline": stress_verdict(rows)[1], "run": dict(run),
        "accounts": [asdict(r) for r in rows],
        "naive": [{"name": name, **asdict(n)} for name, n in naive],
    }  # fmt: skip
    texts = {"stress.md": stress_markdown(rows)}
    return write_page(numbers, stress_page(rows, naive, run), texts, reports_dir, created_ms)


def stress_page(
    rows: Sequence[StressSummary],
    naive: Sequence[tuple[str, NaiveSummary]],
    run: Mapping[str, Any],
) -> str:
    """Return the self-contained page."""
    return report_page(
        "stress",
        {"paths": _paths(worst_of_each(rows))},
        run=run,
        verdict=stress_verdict(rows),
        crashes=list(dict.fromkeys(r.name for r in rows)),
        coins=list(dict.fromkeys(column_of(r) for r in rows)),
        lowest=lowest_by_crash(rows),
        bar=-BAR_FRAC,
        heads=STRESS_HEADS,
        lines=[stress_cells(r) for r in rows],
        worst=worst_of_each(rows),
        column_of=column_of,
        naive=naive,
        slippage_bp=_basis_points(SLIPPAGE_FRAC),
        fee_bp=_basis_points(FEE_FRAC),
        hours=lambda ms: show(None if ms is None else ms / HOUR_MS, "hours"),
    )


def stress_markdown(rows: Sequence[StressSummary]) -> str:
    """Return the lowest equity by crash and coin, and every replay, as Markdown tables."""
    coins, lowest = list(dict.fromkeys(column_of(r) for r in rows)), lowest_by_crash(rows)
    first = markdown_table(
        ["lowest equity, of that at the start", *coins],
        [
            [name, *(show(lowest.get((name, coin)), "gain") for coin in coins)]
            for name in dict.fromkeys(r.name for r in rows)
        ],
    )
    return f"{first}\n{markdown_table(STRESS_HEADS, [stress_cells(r) for r in rows])}"


def stress_verdict(rows: Sequence[StressSummary]) -> tuple[str, str, str]:
    """Return (kind, headline, sentence): the worst account of all, and whether the bar holds."""
    worst = min(rows, key=lambda r: r.lowest_frac)
    lost, dead = worst.lowest_frac - 1, sum(r.liquidated for r in rows)
    where = (
        f"{worst.coin} {worst.account}, {worst.name}, switched on {utc(worst.worst_start_ms)}: "
        f"{show(lost, 'gain')} at the lowest."
    )
    counted = f"{sum(r.starts for r in rows):,} accounts, {dead:,} liquidated."
    held = lost >= -BAR_FRAC and not dead
    headline = (
        f"The worst account fell to {show(lost, 'gain')}; none below −{BAR_FRAC:.0%}."
        if held
        else f"An account fell to {show(lost, 'gain')}: below the bar of −{BAR_FRAC:.0%}."
        if lost < -BAR_FRAC
        else f"{dead} accounts were liquidated."
    )
    known = (
        "The sizes come from a record that has these very hours in it: a repeat of them is borne, "
        "a worse one costs more."
    )
    return "warn" if held else "bad", headline, f"{where} {counted} {known}"


def lowest_by_crash(rows: Sequence[StressSummary]) -> dict[tuple[str, str], float]:
    """Return (crash, column) -> the lowest equity less one, over all replays of both."""
    out: dict[tuple[str, str], float] = {}
    for r in rows:
        key = r.name, column_of(r)
        out[key] = min(out.get(key, np.inf), r.lowest_frac - 1)
    return out


def worst_of_each(rows: Sequence[StressSummary]) -> list[StressSummary]:
    """Return the worst replay of each column."""
    columns = dict.fromkeys(column_of(r) for r in rows)
    return [
        min((r for r in rows if column_of(r) == c), key=lambda r: r.lowest_frac) for c in columns
    ]


def column_of(row: StressSummary) -> str:
    """Return which column of the first table a replay belongs to."""
    return f"{row.coin}, {HEDGED}" if row.account == HEDGED else row.coin


def stress_cells(r: StressSummary) -> list[str]:
    """Return one replay as the cells of `STRESS_HEADS`."""
    refused = "no stops" if r.account == HEDGED else (
        f"{r.outage_s / 60:g} min" if r.outage_s else "–")  # fmt: skip
    q = [show(x - 1, "gain") for x in r.quantiles_frac]
    return [
        r.name, f"{r.coin} {r.account}", f"{r.candle_ms // MINUTE_MS} min {r.market}", refused,
        f"{r.starts}", q[0], q[1], q[2], q[4], utc(r.worst_start_ms).removesuffix(" UTC"),
        show(r.worst_final_frac - 1, "gain"),
        "–" if r.account == HEDGED else show(r.gap_frac, "pct"),
        f"{r.nearest_frac:.0%} away" if np.isfinite(r.nearest_frac) else "out of reach",
        f"{r.liquidated}", f"{r.halts}",
    ]  # fmt: skip


def _paths(worst: Sequence[StressSummary]) -> go.Figure:
    fig = go.Figure()
    for r, colour in zip(worst, _COLOURS * len(worst), strict=False):
        hours = [(t - r.worst.time_ms[0]) / HOUR_MS for t in r.worst.time_ms]
        fig.add_scatter(
            x=hours, y=[x - 1 for x in r.worst.equity_frac], mode="lines",
            name=f"{column_of(r)}, {r.name}", line={"color": colour, "width": 1.8},
            hovertemplate="%{x:.0f} h: %{y:.1%}<extra></extra>",
        )  # fmt: skip
    fig.add_hline(y=-BAR_FRAC, line={"color": GREY, "dash": "dot", "width": 1})
    return styled(
        fig, 360,
        xaxis={"title": "hours since the bot was switched on", "range": [0, _shown_hours(worst)]},
        yaxis={"title": "equity, of that at the start", "tickformat": "+.0%"},
    )  # fmt: skip


def _shown_hours(worst: Sequence[StressSummary]) -> float:
    """Return how far the figure goes: to a tenth beyond the last of the lowest points."""
    lowest = [
        (r.worst.time_ms[int(np.argmin(r.worst.equity_frac))] - r.worst.time_ms[0]) / HOUR_MS
        for r in worst
    ]
    return max([*lowest, 24.0]) * 1.15


def _basis_points(frac: float) -> str:
    return f"{10_000 * frac:g}"
