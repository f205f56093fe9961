"""The comparison as a page for people and a file for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import plotly.io
import plotly.offline
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from models.reports.folder import write_folder
from models.reports.style import BLUE, GREY, styled
from models.reports.text import MISSING, known, show

# (key, heading, format, what it is)
COLUMNS = (
    ("accuracy", "direction right", "pct", "of moves beyond costs"),
    ("accuracy_top", "most confident tenth", "pct", "the same, where the model is surest"),
    ("gain_millibits", "gain", "millibits", "log loss per candle below the class frequencies'"),
    ("gain_over_reference", "over the reference", "millibits", "paired, candle by candle"),
    ("coverage", "coverage", "pct", "of the 90 % interval"),
    ("net_return", "net result", "gain", "log return of one unit of stake, after costs"),
    ("net_sharpe", "Sharpe, net", "signed", ""),
    ("stressed_return", "costs x2, one candle late", "gain", "the same rules, worse luck"),
)  # fmt: skip


def write_comparison(
    rows: Sequence[Mapping[str, Any]], run: Mapping[str, Any], reports_dir: Path, created_ms: int
) -> Path:
    """Write the comparison to a new folder of `reports_dir` and return the folder.

    Parameters
    ----------
    rows
        As `models.reports.compare.measure.measure` returns them.
    run
        What was run: title, data, spans, seeds, reference, versions, commit; JSON-able.
    """
    numbers = finite({"format": 1, "kind": "compare", "run": dict(run), "models": list(rows)})
    files = {
        "report.json": json.dumps(numbers, indent=1, allow_nan=False) + "\n",
        "index.html": render(rows, run),
        "table.md": markdown(rows),
    }
    return write_folder("compare", files, reports_dir, created_ms)


def finite(value: Any) -> Any:
    """Return `value` with NaN and infinity as None, which JSON can say."""
    if isinstance(value, Mapping):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def cell(estimate: Mapping[str, Any], kind: str) -> str:
    """Return an estimate with its interval as people read it.

    Examples
    --------
    >>> cell({"value": 0.528, "low": 0.503, "high": 0.551}, "pct")
    '52.8 % (50.3 to 55.1)'
    """
    if not known(estimate["value"]):
        return MISSING
    ends = [show(estimate[k], kind).replace(" %", "").replace(" millibits", "")
            for k in ("low", "high")]  # fmt: skip
    return f"{show(estimate['value'], kind).replace(' millibits', '')} ({ends[0]} to {ends[1]})"


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the table as Markdown, one line per model."""
    heads = ["model", *(heading for _, heading, _, _ in COLUMNS), "trades", "fit, s"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in rows:
        cells = [cell(row[key], kind) for key, _, kind, _ in COLUMNS]
        cells += [f"{row['trades']:.0f}", f"{row['fit_seconds']:.1f}"]
        lines.append("| " + " | ".join((row["title"], *cells)) + " |")
    return "\n".join(lines) + "\n"


def forest(rows: Sequence[Mapping[str, Any]], key: str, title: str, null: float) -> go.Figure:
    """Return one interval per model, with the seeds' range behind it and the null as a line."""
    shown = [row for row in reversed(rows) if known(row[key]["value"])]
    names = [row["title"] for row in shown]
    fig = go.Figure()
    if shown and "seed_low" in shown[0][key]:
        for row in shown:
            fig.add_scatter(
                x=[row[key]["seed_low"], row[key]["seed_high"]], y=[row["title"]] * 2, mode="lines",
                line={"width": 9, "color": "rgba(230,159,0,0.35)"}, showlegend=False,
                hoverinfo="skip",
            )  # fmt: skip
        fig.add_scatter(
            x=[None], y=[None], mode="lines", name="range over seeds",
            line={"width": 9, "color": "rgba(230,159,0,0.35)"},
        )  # fmt: skip
    value = [row[key]["value"] for row in shown]
    fig.add_scatter(
        x=value, y=names, mode="markers", name="mean over seeds, 95 % interval",
        marker={"color": BLUE, "size": 8},
        error_x={
            "type": "data", "symmetric": False, "color": BLUE, "thickness": 1.5, "width": 3,
            "array": [row[key]["high"] - row[key]["value"] for row in shown],
            "arrayminus": [row[key]["value"] - row[key]["low"] for row in shown],
        },
    )  # fmt: skip
    fig.add_vline(x=null, line={"color": GREY, "dash": "dot", "width": 1})
    return styled(
        fig,
        110 + 26 * len(shown),
        margin={"l": 8, "r": 12, "t": 60, "b": 8},
        title={
            "text": title,
            "font": {"size": 13},
            "x": 0,
            "y": 1,
            "yanchor": "top",
            "pad": {"t": 4},
        },
        legend={
            "orientation": "h",
            "y": 0.86,
            "yref": "container",
            "yanchor": "top",
            "x": 0,
            "font": {"size": 11},
        },
    )


def render(rows: Sequence[Mapping[str, Any]], run: Mapping[str, Any]) -> str:
    """Return the self-contained page."""
    drawn = {
        "accuracy": forest(rows, "accuracy", "direction right, moves beyond costs", 0.5),
        "gain": forest(rows, "gain_millibits", "gain over class frequencies, millibits", 0.0),
        "over": forest(rows, "gain_over_reference", f"gain over {run['reference']}, millibits", 0),
        "net": forest(rows, "net_return", "net result of one unit of stake, log return", 0.0),
    }
    parts = [f"{json.dumps(k)}:{plotly.io.to_json(v, validate=False)}" for k, v in drawn.items()]
    payload = "{" + ",".join(parts).replace("<", "\\u003c") + "}"
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    package = resources.files("models.reports.compare")
    style = (resources.files("models.reports") / "style.css").read_text(encoding="utf-8")
    template = environment.from_string((package / "template.html").read_text(encoding="utf-8"))
    return template.render(
        rows=rows,
        run=run,
        columns=COLUMNS,
        cell=cell,
        verdict=verdict(rows),
        figures=list(drawn),
        style=Markup(style),
        payload=Markup(payload),
        plotly=Markup(plotly.offline.get_plotlyjs()),
        pretty=lambda value: json.dumps(value, indent=2, ensure_ascii=False, default=str),
    )


def verdict(rows: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Return a headline and a sentence: whose edge survives costs, and who beats the reference."""
    earning = [r["title"] for r in rows if known(r["net_return"]["low"])
               and r["net_return"]["low"] > 0 and r["stressed_return"]["low"] > 0]  # fmt: skip
    better = [r["title"] for r in rows if known(r["gain_over_reference"]["low"])
              and r["gain_over_reference"]["low"] > 0]  # fmt: skip
    leaking = [r["title"] for r in rows if r["accuracy"]["value"] > 0.6]
    if leaking:
        return (
            f"Look for the leak: {', '.join(leaking)}.",
            "Nobody gets 60 % of hourly directions right from candles.",
        )
    told = f"{', '.join(better) if better else 'None'} beat the reference beyond its interval"
    counted = f"{sum(r['seeds'] for r in rows)} trained series were looked at; intervals are not "
    if not earning:
        return ("No edge here.", f"No model's net result is above zero at normal costs and at "
                f"double costs one candle late. {told}. {counted}corrected for that.")  # fmt: skip
    return (
        f"Above zero on this span: {', '.join(earning)}.",
        f"{told}. {counted}corrected for that: expect the best of many to shrink.",
    )
