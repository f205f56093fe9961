"""The judged engines as a page for people and a file for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import plotly.graph_objects as go

from models.reports.page import report_page, write_page
from models.reports.scenarios.words import TEST_WORDS, one_in, p_value, rejections_in_words
from models.reports.text import cell, markdown_table, show
from models.studies.scenarios.envelope import LOW_LEVELS
from models.studies.scenarios.rule import LEAST_BELIEVED, RANKED_BY, coin_of

ENGINE_HEADS: Final = (
    "engine", "verdict", "tests rejected", "energy score, 24 h", "168 h", "24 h, worst price",
    "what fails",
)  # fmt: skip
TAIL_HEADS: Final = (
    "coin, loss", "side", "origins", "beyond 1 %: came / expected", "p: how often and when",
    "p: at any volatility", "p: how far", "beyond 5 %: came / expected", "p: how often and when",
    "p: at any volatility", "p: how far",
)  # fmt: skip
_SIDE_WORDS: Final = {"long": "falls", "short": "rises"}


def write_scenarios(
    study: Mapping[str, Any],
    figures: Mapping[str, go.Figure],
    run: Mapping[str, Any],
    reports_dir: Path,
    created_ms: int,
) -> Path:
    """Write page and numbers to a new folder of `reports_dir` and return the folder.

    Parameters
    ----------
    study
        ``believed`` and ``shown`` engine (empty if none), the ``reference`` of energy scores,
        ``judged_coins``, ``engines`` (verdicts), ``notes``, and rows of
        `models.studies.scenarios`: ``tails``, ``energy``, ``deciles``, ``lows``, ``crashes``.
    figures
        Title to figure: fans, ``Lows of every engine``, coverage by decile.
    run
        What was run; JSON-able.
    """
    numbers = {"format": 1, "kind": "scenarios", "headline": scenarios_headline(study)[1],
               "run": dict(run), **study}  # fmt: skip
    texts = {"table.md": scenarios_markdown(study)}
    return write_page(numbers, scenarios_page(study, figures, run), texts, reports_dir, created_ms)


def scenarios_headline(study: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return the level, a headline and why: which engine is believed, and which fail."""
    engines = study["engines"]
    failing = [e["engine"] for e in engines if not e["passes"]]
    if not study["shown"]:
        return ("bad", "No engine gave an answer.", "What each said instead stands below.")
    if not study["believed"] and not any(e["enough"] for e in engines):
        return (
            "bad", "Too few origins to believe any engine.",
            f"Below {LEAST_BELIEVED:,} hardly anything is rejected, right or wrong. Start earlier. "
            f"Shown is {study['shown']}.",
        )  # fmt: skip
    if not study["believed"]:
        own = next(e for e in engines if e["engine"] == study["shown"])
        return (
            "bad", "No engine passes: believe none of them.",
            f"Shown is {own['engine']}, with the fewest tests rejected: {len(own['rejected'])} of "
            f"{own['tests']}: {rejections_in_words(own['rejected'])}.{_others(engines, own)}",
        )  # fmt: skip
    passing = [e["engine"] for e in engines if e["passes"]]
    nearest = f", and of {len(passing)} that pass it was nearest" if len(passing) > 1 else ""
    own = next(e for e in engines if e["engine"] == study["believed"])
    fails = f" Rejected: {', '.join(failing)}." if failing else " No other is rejected."
    return (
        "good", f"Believe {own['engine']}.",
        f"None of its {own['tests']} tests is rejected{nearest}.{fails}",
    )  # fmt: skip


def _why_not(engine: Mapping[str, Any]) -> str:
    if not engine["tests"]:
        return "no answer"
    return "fails" if engine["rejected"] or engine["failures"] else "too few origins"


def _others(engines: Sequence[Mapping[str, Any]], own: Mapping[str, Any]) -> str:
    """Return how many tests of the engines that are not shown are rejected."""
    words = [
        f"{e['engine']} {len(e['rejected'])}" if e["tests"] else f"{e['engine']} without an answer"
        for e in engines if e["engine"] != own["engine"]
    ]  # fmt: skip
    return f" Of the others: {', '.join(words)}." if words else ""


def engine_cells(engine: Mapping[str, Any], study: Mapping[str, Any]) -> list[str]:
    """Return one engine's line: verdict, rejections, how near it was, what fails."""
    own = {e["loss"]: e for e in study["energy"] if e["engine"] == engine["engine"]}
    verdict = "believed" if engine["engine"] == study["believed"] else "passes"
    gave_up = "; ".join(f"{fold}: {why}" for fold, why in engine["failures"].items())
    why = [text for text in (rejections_in_words(engine["rejected"]), gave_up) if text]
    return [
        engine["engine"],
        verdict if engine["passes"] else _why_not(engine),
        f"{len(engine['rejected'])} of {engine['tests']}",
        *(
            "reference"
            if engine["engine"] == study["reference"]
            else cell(own[loss]["against"], "gain")
            for loss in (RANKED_BY, "168 h", "24 h, worst price")
        ),
        "; ".join(why) or "nothing",
    ]


def low_cells(study: Mapping[str, Any], engine: str) -> list[list[str]]:
    """Return a line for each coin: the low within 24 hours at each level."""
    own = [r for r in study["lows"] if r["engine"] == engine]
    coins = dict.fromkeys(r["coin"] for r in own)
    return [[coin_of(coin), *(cell(r, "pct") for r in own if r["coin"] == coin)] for coin in coins]


def low_heads() -> list[str]:
    """Return the heads of `low_cells`."""
    return ["coin", *(f"{100 * (1 - level):.6g} % low" for level in LOW_LEVELS)]


def tail_cells(rows: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    """Return a line for each coin, loss and side of one engine: both levels beside each other."""
    by: dict[tuple[str, str, str], list[str]] = {}
    for r in rows:
        key = (r["coin"], r["loss"], r["side"])
        head = [f"{coin_of(r['coin'])}, {r['loss']}", _SIDE_WORDS[r["side"]], str(r["origins"])]
        by.setdefault(key, head).extend(
            [f"{r['hits']} / {r['expected']:.1f}", *(p_value(r[test]["p"]) for test in TEST_WORDS)]
        )
    return list(by.values())


def crash_cells(
    study: Mapping[str, Any], coins: Sequence[str]
) -> tuple[list[str], list[list[str]]]:
    """Return heads and lines: crash days by judged coin, and how seldom each engine drew them."""
    rows = [r for r in study["crashes"] if coin_of(r["coin"]) in coins]
    engines = list(dict.fromkeys(r["engine"] for r in rows))
    lines: dict[tuple[str, str], list[str]] = {}
    for r in rows:
        key = (r["day"], r["coin"])
        lines.setdefault(key, [f"{r['day']}, {r['what']}: {coin_of(r['coin'])}",
                               show(r["came"], "gain"), *["–"] * len(engines)])  # fmt: skip
        lines[key][2 + engines.index(r["engine"])] = (
            f"{one_in(r['as_low'], r['paths'])}; lowest {show(r['lowest'], 'pct')}"
        )
    return ["day", "low that came", *engines], list(lines.values())


def scenarios_markdown(study: Mapping[str, Any]) -> str:
    """Return the tables as Markdown."""
    coins = study["judged_coins"]
    parts = [
        markdown_table(ENGINE_HEADS, [engine_cells(e, study) for e in study["engines"]]),
        markdown_table(low_heads(), low_cells(study, study["shown"])),
        markdown_table(*crash_cells(study, coins)),
    ]
    for engine in study["engines"]:
        own = [r for r in study["tails"] if r["engine"] == engine["engine"]]
        if own:
            parts.append(f"### {engine['engine']}\n\n{markdown_table(TAIL_HEADS, tail_cells(own))}")
    return "\n".join(parts)


def scenarios_page(
    study: Mapping[str, Any], figures: Mapping[str, go.Figure], run: Mapping[str, Any]
) -> str:
    """Return the self-contained page."""
    coins = study["judged_coins"]
    named = {f"figure-{i}": (title, figure) for i, (title, figure) in enumerate(figures.items())}
    tails = [
        (
            e["engine"],
            tail_cells(
                r for r in study["tails"]
                if r["engine"] == e["engine"] and coin_of(r["coin"]) in coins
            ),
        )
        for e in study["engines"]
    ]  # fmt: skip
    crash_heads, crash_lines = crash_cells(study, coins)
    return report_page(
        "scenarios",
        {place: figure for place, (_, figure) in named.items()},
        run=run, study=study, headline=scenarios_headline(study), engine_heads=ENGINE_HEADS,
        engine_lines=[engine_cells(e, study) for e in study["engines"]],
        low_heads=low_heads(), low_lines=[
            [text.replace(" (", "\n(") for text in line]
            for line in low_cells(study, study["shown"])
        ],
        crash_heads=crash_heads, crash_lines=crash_lines, tail_heads=TAIL_HEADS,
        tails=[(engine, lines) for engine, lines in tails if lines],
        places={title: place for place, (title, _) in named.items()},
    )  # fmt: skip
