"""The validation's tables as lines of cells, for its page and for Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from models.reports.text import MISSING, TableColumn, cell, known, show
from models.studies.validate.gates import GATE_NAMES

SKILL_COLUMNS: Final = (
    TableColumn("gain_millibits", "gain", "millibits",
                "log loss per candle below the class frequencies'"),
    TableColumn("gain_volatility", "of it volatility", "millibits",
                "whether the price moves beyond costs at all"),
    TableColumn("gain_direction", "of it direction", "millibits",
                "up or down, given that it moves: what a trade needs"),
    TableColumn("gain_over_reference", "over the reference", "millibits",
                "a regression of volatility that takes no side; paired, candle by candle"),
    TableColumn("over_linear", "over Linear", "millibits", "of all three classes together"),
    TableColumn("over_trees", "over XGBoost", "millibits", "the same"),
    TableColumn("coverage", "coverage", "pct", "of the 90 % interval"),
    TableColumn("claimed", "claimed", "bps", "log return promised where the edge pays the cost"),
    TableColumn("realised", "realised", "bps", "what came of it, before costs"),
    TableColumn("slope", "slope", "signed", "of what came on what was claimed; kept in full at 1"),
)  # fmt: skip
_GROUPS: Final = (("regime", "worst market"), ("sigma", "worst tenth of sigma"),
                  ("hour", "worst hours"))  # fmt: skip


class CellTable(NamedTuple):
    """A table as text: its name, what it shows, and its cells."""

    name: str
    caption: str
    heads: Sequence[str]
    lines: Sequence[Sequence[str]]


def validation_tables(report: Mapping[str, Any]) -> dict[str, CellTable]:
    """Return every table of the report by its name."""
    rows, odds = report["rows"], report["odds"]
    made = [_gates(rows), _crashes(rows), _money(rows), _sizes(rows), _regimes(rows), _odds(odds)]
    if report.get("paths"):
        made.append(_paths(report["paths"]))
    return {table.name: table for table in made}


def _gates(rows: Sequence[Mapping[str, Any]]) -> CellTable:
    lines = [
        [row["title"], "pass" if row["passed"] else "fail",
         *("pass" if gate["passed"] else "fail" for gate in row["gates"])]
        for row in rows
    ]  # fmt: skip
    heads = ("model, traded by", "all", *GATE_NAMES)
    return CellTable("gates", "Every model and every gate", heads, lines)


def _crashes(rows: Sequence[Mapping[str, Any]]) -> CellTable:
    names = [crash["name"] for crash in rows[0]["crashes"]]
    coin = ["the coin", *(show(crash["coin"], "gain") for crash in rows[0]["crashes"])]
    lines = [
        [row["title"], *(show(crash["net"], "gain") for crash in row["crashes"])]
        for row in rows
        if row["trades"]
    ]
    return CellTable("crashes", "What was made and lost in each named crash",
                     ("model, traded by", *names), [coin, *lines])  # fmt: skip


def _money(rows: Sequence[Mapping[str, Any]]) -> CellTable:
    heads = ("model, traded by", "trades", "before costs", "net", "costs x2", "costs x3",
             "1 candle late", "2 late", "3 late", "Sharpe", "deepest fall")  # fmt: skip
    lines = []
    for row in rows:
        found = row["conditions"]
        values = [found["gross"], *found["costs"].values(), *found["late"].values()]
        lines.append([
            row["title"], show(row["trades"], "count"), *(show(v, "gain") for v in values),
            show(row["sharpe"], "signed"), show(row["drawdown"], "pct"),
        ])  # fmt: skip
    return CellTable("money", "What was earned, dearer and later", heads, lines)


def _sizes(rows: Sequence[Mapping[str, Any]]) -> CellTable:
    sizes = [float(size) for size in rows[0]["conditions"]["sizes"]]
    lines = [
        [row["title"], *(show(v, "gain") for v in row["conditions"]["sizes"].values())]
        for row in rows
        if row["trades"]
    ]
    heads = ("model, traded by", *(f"{size:,.0f} USDT" for size in sizes))
    return CellTable("sizes", "What was earned by stakes that move the price", heads, lines)


def _regimes(rows: Sequence[Mapping[str, Any]]) -> CellTable:
    first = rows[0]["regimes"]
    share = ["share of candles", *(show(part["rows_frac"], "pct") for part in first)]
    coin = ["the coin", *(show(part["coin"], "gain") for part in first)]
    lines = [
        [row["title"], *(show(part["net"], "gain") for part in row["regimes"])]
        for row in rows
        if row["trades"]
    ]
    heads = ("model, traded by", *(part["name"] for part in first))
    return CellTable("regimes", "What was earned in every kind of market", heads,
                     [share, coin, *lines])  # fmt: skip


def _odds(odds: Mapping[str, Mapping[str, Any]]) -> CellTable:
    heads = ("model", "error", "floor", "smooth error", "Brier skill", *(t for _, t in _GROUPS))
    lines = []
    for title, found in odds.items():
        if not found:
            lines.append([title, *([MISSING] * (len(heads) - 1))])
            continue
        whole = found["overall"]
        lines.append([
            title, show(whole["error"], "ratio3"), show(whole["floor"], "ratio3"),
            show(whole["smooth"], "ratio3"), cell(whole["brier_skill"], "pct"),
            *(_worst(found["parts"], group) for group, _ in _GROUPS),
        ])  # fmt: skip
    return CellTable("odds", "How far probabilities are from what came", heads, lines)


def _worst(parts: Sequence[Mapping[str, Any]], group: str) -> str:
    """Return the part of a group whose error is furthest beyond its floor."""
    inside = [part for part in parts if part["group"] == group and known(part["error"])]
    if not inside:
        return MISSING
    worst = max(inside, key=lambda part: float(part["error"] - part["floor"]))
    error, floor = show(worst["error"], "ratio3"), show(worst["floor"], "ratio3")
    return f"{worst['name']}: {error} (floor {floor})"


def _paths(paths: Sequence[Mapping[str, Any]]) -> CellTable:
    heads = ("model, traded by", "paths", "gain, mb", "of it direction", "net, lowest", "median",
             "highest", "Sharpe, lowest", "median", "highest")  # fmt: skip
    lines = [
        [row["title"], show(row["paths"], "count"), cell(row["gain"], "millibits"),
         cell(row["direction"], "millibits"), *(show(v, "gain") for v in row["net"]),
         *(show(v, "signed") for v in row["sharpe"])]
        for row in paths
    ]  # fmt: skip
    return CellTable("paths", "Every path of combinatorial purged cross-validation", heads, lines)
