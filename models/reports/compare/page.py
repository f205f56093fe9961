"""The comparison as a page for people and a file for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from models.reports.compare.figures import forest
from models.reports.page import report_page, write_page
from models.reports.text import TableColumn, known, markdown_table, show

COMPARISON_COLUMNS: Final = (
    TableColumn("accuracy", "direction right", "pct", "of moves beyond costs"),
    TableColumn("accuracy_top", "most confident tenth", "pct",
                "the same, where the model is surest"),
    TableColumn("gain_millibits", "gain", "millibits",
                "log loss per candle below the class frequencies'"),
    TableColumn("gain_volatility", "of it volatility", "millibits",
                "whether the price moves beyond costs at all"),
    TableColumn("gain_direction", "of it direction", "millibits",
                "up or down, given that it moves: what a trade needs"),
    TableColumn("gain_over_reference", "over the reference", "millibits",
                "paired, candle by candle"),
    TableColumn("coverage", "coverage", "pct", "of the 90 % interval"),
    TableColumn("net_return", "net result", "gain",
                "log return of one unit of stake, after costs"),
    TableColumn("net_sharpe", "Sharpe, net", "signed", ""),
    TableColumn("stressed_return", "costs x2, one candle late", "gain",
                "the same rules, worse luck"),
)  # fmt: skip

PROMISE_COLUMNS: Final = (
    TableColumn("coverage", "coverage", "pct", "of the 90 % interval"),
    TableColumn("tenth_low", "lowest tenth of sigma", "pct",
                "coverage where it is lowest of ten groups by forecast volatility", interval=False),
    TableColumn("tenth_high", "highest tenth", "pct", "and where it is highest", interval=False),
    TableColumn("hours_low", "lowest three hours", "pct",
                "coverage where it is lowest of eight parts of the day", interval=False),
    TableColumn("hours_high", "highest three hours", "pct", "and where it is highest",
                interval=False),
    TableColumn("worst_month", "worst 30 days", "pct", "coverage of the worst 30 days in a row",
                interval=False),
    TableColumn("interval_score", "interval score", "bps",
                "width and what misses cost; lower is better"),
    TableColumn("passed", "candles that pass", "count",
                "a seed, whose edge's lower bound pays the cost", interval=False),
    TableColumn("claimed", "claimed", "bps", "log return these promised, to their side"),
    TableColumn("realised", "realised", "bps", "what came of it, before costs"),
    TableColumn("slope", "slope", "signed", "of what came on what was claimed; kept in full at 1"),
)  # fmt: skip


def write_comparison(
    rows: Sequence[Mapping[str, Any]], run: Mapping[str, Any], reports_dir: Path, created_ms: int
) -> Path:
    """Write the comparison to a new folder of `reports_dir` and return the folder.

    Parameters
    ----------
    rows
        As `models.studies.compare.measure_models` returns them.
    run
        What was run: title, data, spans, seeds, reference, versions, commit; JSON-able.
    """
    numbers = {"format": 1, "kind": "compare", "headline": comparison_verdict(rows)[0],
               "run": dict(run), "models": list(rows)}  # fmt: skip
    texts = {"table.md": comparison_markdown(rows)}
    return write_page(numbers, comparison_page(rows, run), texts, reports_dir, created_ms)


def comparison_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the tables as Markdown, one line per model in each."""
    heads = ["model", *(column.heading for column in COMPARISON_COLUMNS), "trades", "fit, s"]
    compared = markdown_table(
        heads,
        [
            [
                row["title"],
                *(column.cell(row) for column in COMPARISON_COLUMNS),
                show(row["trades"], "count"),
                f"{row['fit_seconds']:.1f}",
            ]
            for row in rows
        ],
    )
    promised = markdown_table(
        ["model", *(column.heading for column in PROMISE_COLUMNS)],
        [[row["title"], *(column.cell(row) for column in PROMISE_COLUMNS)] for row in rows],
    )
    return f"{compared}\n{promised}"


def comparison_page(rows: Sequence[Mapping[str, Any]], run: Mapping[str, Any]) -> str:
    """Return the self-contained page."""
    figures = {
        "accuracy": forest(rows, "accuracy", "direction right, moves beyond costs", 0.5),
        "gain": forest(rows, "gain_millibits", "gain over class frequencies, millibits", 0.0),
        "over": forest(rows, "gain_over_reference", f"gain over {run['reference']}, millibits", 0),
        "net": forest(rows, "net_return", "net result of one unit of stake, log return", 0.0),
    }
    return report_page(
        "compare",
        figures,
        run=run,
        rows=rows,
        columns=COMPARISON_COLUMNS,
        promises=PROMISE_COLUMNS,
        labels={
            name: f"{figure.layout.xaxis.title.text}, by model, with intervals"
            for name, figure in figures.items()
        },
        verdict=comparison_verdict(rows),
    )


def comparison_verdict(rows: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Return a headline and a sentence: whose edge survives costs, and who beats the reference."""
    earning = [r["title"] for r in rows if known(r["net_return"]["low"])
               and r["net_return"]["low"] > 0 and r["stressed_return"]["low"] > 0]  # fmt: skip
    better = [r["title"] for r in rows if known(r["gain_over_reference"]["low"])
              and r["gain_over_reference"]["low"] > 0]  # fmt: skip
    leaking = [r["title"] for r in rows if r["accuracy"]["value"] > 0.6]
    if leaking:
        return (
            f"Look for the leak: {', '.join(leaking)}.",
            "Nobody gets 60 % of directions right from candles.",
        )
    compared = f"{', '.join(better) if better else 'None'} beat the reference beyond its interval"
    counted = f"{sum(r['seeds'] for r in rows)} trained series were looked at; intervals are not "
    if not earning:
        return (
            "No edge here.",
            "No model's net result is above zero at normal costs and at double costs one candle "
            f"late. {compared}. {counted}corrected for that.",
        )
    return (
        f"Above zero on this span: {', '.join(earning)}.",
        f"{compared}. {counted}corrected for that: expect the best of many to shrink.",
    )
