"""The page and the files of a backtest: `write_report` is what the rest of the pack calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import plotly.graph_objects as go
from markupsafe import Markup, escape

from models.evaluate.metrics.forecast import BLOCK_HOURS
from models.reports.backtest.build import backtest_numbers, forecasts_of
from models.reports.backtest.card import model_card
from models.reports.backtest.figures_account import equity_figure, margin_figure, waterfall_figure
from models.reports.backtest.figures_drivers import (
    ages_figure,
    driven_ages_figure,
    driven_figure,
    features_figure,
    permutation_figure,
)
from models.reports.backtest.figures_forecast import (
    coverage_figure,
    decile_figure,
    fan_figure,
    hazard_figure,
    held_figure,
    quantile_figure,
    reliability_figure,
)
from models.reports.backtest.figures_trades import trades_figure
from models.reports.backtest.record import RunRecord, TradeRecord
from models.reports.page import report_page, write_page
from models.reports.text import known, show

_SHOWN_TRADES: Final = 20
_SECTIONS: Final = (  # id, name, whether it is of trades only
    ("funnel", "From candle to trade", False), ("equity", "Equity", True),
    ("margin", "Margin", True), ("trades", "Price and forecasts", False),
    ("forecast", "Forecasts", False), ("hazard", "Cascades", False),
    ("drivers", "What drove it", False), ("money", "Money", True),
    ("trainings", "Trainings", False), ("list", "Best and worst trades", True),
    ("provenance", "Provenance", False),
)  # fmt: skip
_Figures = dict[str, go.Figure]


def write_report(record: RunRecord, reports_dir: Path) -> Path:
    """Write the report of `record` and point ``latest`` at it; return its folder.

    The folder ``backtest-<UTC time>`` appears whole or not at all. A second report of the same
    second gets a number behind its name.

    Parameters
    ----------
    reports_dir
        Created if missing.

    Returns
    -------
    Path
        Folder with ``index.html`` (self-contained), ``report.json`` (the same numbers) and
        ``card.md`` (the model card).
    """
    n = backtest_numbers(record)
    texts = {"card.md": model_card(record, n)}
    return write_page(n, backtest_page(record, n), texts, reports_dir, record.created_ms)


def backtest_page(record: RunRecord, n: Mapping[str, Any]) -> str:
    """Return the page for `record` and its numbers `n`; every number shown is looked up in `n`."""
    return report_page(
        "backtest",
        figures(record, dict(n)),
        run=n["run"],
        n=n,
        num=number_of(n),
        ends=ends_of(n),
        best=_ranked(record, best=True),
        worst=_ranked(record, best=False),
        places=_places(n),
        pair_keys=[(pair, f"trades-{i}") for i, pair in enumerate(record.pairs)],
        series_keys=[(f.pair, i) for i, f in enumerate(record.forecasts)],
    )


def _places(n: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the sections there are: without a trade, none about its money."""
    traded = bool(n["trades"]["count"])
    return [(id_, name) for id_, name, needs_trade in _SECTIONS if traded or not needs_trade]


def number_of(n: Mapping[str, Any]) -> Callable[[str, str], Markup]:
    """Return a function that shows the number at a dotted key, with the raw value attached."""

    def num(key: str, kind: str) -> Markup:
        value = _at(n, key)
        raw = json.dumps(value)
        shown = escape(show(value, kind))
        return Markup('<span class="num" data-key="{}" data-value="{}">{}</span>').format(
            key, raw, shown
        )

    return num


def ends_of(n: Mapping[str, Any]) -> Callable[[str, str], Markup]:
    """Return a function that shows an estimate's interval; one of too little data has none."""
    num = number_of(n)

    def ends(key: str, kind: str) -> Markup:
        low, high = (f"{key}.{end}" for end in ("low", "high"))
        if not (known(_at(n, low)) and known(_at(n, high))):
            return Markup("not known")
        return Markup("{} to {}").format(num(low, kind), num(high, kind))

    return ends


def _at(n: Mapping[str, Any], key: str) -> Any:
    value: Any = n
    for part in key.split("."):
        value = value[int(part)] if isinstance(value, list) else value.get(part)
        if value is None:
            break
    return value


def figures(record: RunRecord, n: dict[str, Any]) -> _Figures:
    """Return every figure the run has data for, by the id of its place on the page."""
    out: _Figures = _money_figures(record, n) if record.trades else {}
    out |= {f"trades-{i}": trades_figure(record, pair) for i, pair in enumerate(record.pairs)}
    pooled = n["forecast"]["pooled"]
    if pooled and pooled["rows_class_known"]:
        out |= {"reliability": reliability_figure(n), "decile": decile_figure(n)}
    if pooled and pooled["rows_return_known"]:
        out["quantile"] = quantile_figure(n)
        out |= _held_figures(pooled["interval"])
    for i, series in enumerate(record.forecasts):
        pair_metrics = n["forecast"]["pairs"].get(series.pair)
        if pair_metrics and pair_metrics["rows_return_known"]:
            out[f"coverage-{i}"] = coverage_figure(forecasts_of(series, record))
            out[f"fan-{i}"] = fan_figure(series, record)
        if any(n["hazard"][i][side]["rows"] for side in ("down", "up")):
            out[f"hazard-{i}"] = hazard_figure(series, record)
    return out | _driver_figures(n["drivers"])


def _money_figures(record: RunRecord, n: dict[str, Any]) -> _Figures:
    return {
        "equity": equity_figure(record),
        "margin": margin_figure(record),
        "waterfall": waterfall_figure(n, record.stake_currency),
    }


def _held_figures(interval: dict[str, Any]) -> _Figures:
    """Return the interval's coverage by forecast volatility and by time of day."""
    deciles, hours = interval["by_volatility_decile"], interval["by_hour"]
    return {
        "held-volatility": held_figure(
            deciles,
            [str(i) for i in range(1, len(deciles) + 1)],
            "decile of forecast volatility (10 = wildest)",
        ),
        "held-hour": held_figure(
            hours,
            [f"{h['hour_utc']:02d}–{h['hour_utc'] + BLOCK_HOURS:02d}" for h in hours],
            "hour of the candle, UTC",
        ),
    }


def _driver_figures(drivers: dict[str, Any]) -> _Figures:
    out: _Figures = {}
    for i, overview in enumerate(drivers["overview"]):
        out[f"features-{i}"] = features_figure(overview["by_feature"])
        if len(overview["by_age"]) > 1:
            out[f"ages-{i}"] = ages_figure(overview["by_age"])
    for i, forecast in enumerate(drivers["forecasts"]):
        out[f"driven-{i}"] = driven_figure(forecast)
        if len(forecast["by_age"]) > 1:
            out[f"driven-ages-{i}"] = driven_ages_figure(forecast["by_age"])
    for i, training in enumerate(drivers["permutation"]):
        out[f"permutation-{i}"] = permutation_figure(training["features"])
    return out


def _ranked(record: RunRecord, best: bool) -> list[TradeRecord]:
    """Return the best or the worst trades; a trade is in one of the two lists only."""
    ranked = sorted(record.trades, key=lambda t: t.profit_quote, reverse=best)
    return [t for t in ranked if (t.profit_quote > 0) == best][:_SHOWN_TRADES]
