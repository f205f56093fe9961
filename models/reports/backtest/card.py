"""The model card of a run: what the model is, what it saw, how it did, when not to trust it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from models.reports.backtest.record import RunRecord
from models.reports.text import MISSING, between, day, known, show

_REFERENCE: Final = {
    "what volatility alone gains on the same rows (reference)": "gain_millibits",
    "beyond that reference": "over_millibits",
}


def model_card(record: RunRecord, n: Mapping[str, Any]) -> str:
    """Return the card of the run's newest model as Markdown; numbers are those of the report `n`.

    Everything is read from the trainings' manifests and from `n`; nothing is written by hand.
    """
    if not record.trainings:
        return f"# {record.model}\n\nThe run left no trained model to describe.\n"
    m = max(record.trainings, key=lambda t: t.trained_until_ms).manifest
    card = m.get("card", {})
    parts = [
        f"# {card.get('title') or m.get('network', record.model)} for "
        f"{', '.join(record.pairs)} {record.timeframe}",
        _warnings(record, card),
        f"{card.get('description', '')}\n\nSource: {m.get('source', MISSING)}. "
        f"Natural use: {card.get('natural_use', MISSING)}.",
        "## What it is\n\n" + _table(_architecture(m, card)),
        "## What it was trained on\n\n" + _table(_data(m)),
        f"## How it did, {day(record.start_ms)} to {day(record.stop_ms)}\n\n" + _skill(n),
        "## Calibration\n\n" + _table(_calibration(m, n)),
        "## Speed\n\n" + _latency(m),
        "## Known weaknesses\n\n" + "\n".join(f"- {text}" for text in _weaknesses(card, m)),
        f"Data: {record.data_label}, SHA-256 {record.data_sha256[:12]}. Commit "
        f"{record.commit[:12]}. Network SHA-256 {str(m.get('onnx_sha256', ''))[:12]}.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _weaknesses(card: Mapping[str, Any], m: Mapping[str, Any]) -> list[str]:
    absent = [f"has no {head}: those columns are NaN" for head in m.get("absent_heads", ())]
    return [*card.get("failure_modes", ()), *absent] or ["none on record"]


def _warnings(record: RunRecord, card: Mapping[str, Any]) -> str:
    lines = [f"**{text}.**" for text in card.get("warnings", ())]
    if record.data_label == "simulated":
        lines.insert(0, "**Trained and tested on a simulated market: it knows no real prices.**")
    return "\n\n".join(lines)


def _table(rows: Sequence[tuple[str, str]]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _architecture(m: Mapping[str, Any], card: Mapping[str, Any]) -> list[tuple[str, str]]:
    reach = card.get("receptive_field")
    gap = m.get("context_gap_sd", {}).get(str(m.get("context_candles")))
    return [
        ("parameters", show(m.get("parameters"), "count")),
        ("members", str(m.get("members", 1))),
        ("settings", ", ".join(f"{k} {v}" for k, v in m.get("network_config", {}).items())
         or "defaults"),
        ("features", str(len(m.get("feature_names", ())))),
        ("receptive field", f"{reach} candles" if reach else "no fixed end"),
        ("served with", f"{m.get('context_candles', MISSING)} candles of context; differs from the "
         f"whole pass by {gap:.1e} standard deviations" if known(gap) else MISSING),
        ("live", _streaming(m.get("streaming", {}))),
        ("forecasts", f"the next {m.get('horizon_candles', MISSING)} candles; cascades within "
         f"{m.get('cascade_horizon_candles', MISSING)}"),
    ]  # fmt: skip


def _streaming(streaming: Mapping[str, Any]) -> str:
    if not streaming.get("candles"):
        return f"from the whole context: {streaming.get('why', MISSING)}"
    return (f"carried on from candle to candle; over {show(streaming['candles'], 'count')} candles "
            f"it differs from the context by {max(streaming['gap_sd']):.1e} standard "
            f"deviations at most")  # fmt: skip


def _data(m: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows, spans = m.get("rows", {}), m.get("spans_ms", {})
    out = [
        (name, f"{show(rows.get(name), 'count')} candles, {day(span[0])} to {day(span[1])}")
        for name, span in spans.items()
        if not m.get("blocks") or name == "train"
    ]
    if m.get("blocks"):
        out.append((
            "judged and calibrated on",
            f"all of them, each of {m['blocks']} blocks by members that left it out",
        ))  # fmt: skip
    needed = m.get("card", {}).get("useful_rows")
    pool = [
        f"{show(share['rows'], 'count')} candles, {share['falls']} falls and "
        f"{share['squeezes']} squeezes ({share['title']})"
        for share in m.get("pool", ())
    ]
    tuned = [m["fine_tuned"]] if "fine_tuned" in m else []
    return [
        *out,
        *(("pooled", text) for text in pool),
        *(("left out", f"{pair}: {why}") for pair, why in m.get("pool_left_out", {}).items()),
        *(("fine-tuned", f"from {t['from']} after {t['after']}") for t in tuned),
        ("purged between them", f"{rows.get('purge', MISSING)} candles"),
        ("needs about", f"{show(needed, 'count')} training candles"),
    ]


def _skill(n: Mapping[str, Any]) -> str:
    pooled = n["forecast"]["pooled"]
    if not pooled:
        return "It gave no forecast that could be judged."

    def estimate(value: Any, kind: str) -> str:
        if not isinstance(value, Mapping) or not known(value.get("value")):
            return MISSING
        return f"{show(value['value'], kind)} ({between(value, kind)})"

    direction, probability = pooled.get("direction", {}), pooled.get("probability", {})
    interval = pooled.get("interval", {})
    passed = n["edge"].get("passed", {})
    rows = [
        ("forecasts whose edge passed", show(passed.get("rows"), "count")),
        ("return claimed there, before costs", estimate(passed.get("claimed_bps"), "bps_change")),
        ("return that came there", estimate(passed.get("realised_bps"), "bps_change")),
        ("direction right, moves beyond costs", estimate(direction.get("accuracy"), "pct")),
        ("the same, most confident tenth", estimate(direction.get("accuracy_top_decile"), "pct")),
        ("gain over class frequencies", estimate(probability.get("gain_millibits"), "millibits")),
        (
            "of it volatility (does it move at all?)",
            estimate(probability.get("gain_volatility_millibits"), "millibits"),
        ),
        (
            "of it direction (up or down, given that it moves)",
            estimate(probability.get("gain_direction_millibits"), "millibits"),
        ),
        *(
            (text, estimate(n["reference"][name], "millibits"))
            for text, name in _REFERENCE.items()
            if n["reference"]["rows"]
        ),
        ("coverage of the 90 % interval", estimate(interval.get("coverage"), "pct")),
        ("net result of the run", estimate(n["equity"]["total_return_frac"], "gain")),
        ("Sharpe ratio, net", estimate(n["equity"]["sharpe"], "signed")),
    ]
    return _table(rows) + "\n\nBrackets are 95 % block-bootstrap intervals."


def _calibration(m: Mapping[str, Any], n: Mapping[str, Any]) -> list[tuple[str, str]]:
    c = m.get("calibration", {})
    probability = (n["forecast"]["pooled"] or {}).get("probability", {})
    return [
        ("evidence for a move believed", show(c.get("moves_slope"), "ratio")),
        ("evidence for its direction believed", show(c.get("direction_slope"), "ratio")),
        ("part of a claimed return that came true", _believed(c.get("edge"))),
        ("quantiles stretched by the hour", _by_the_hour(c.get("stretch"))),
        ("interval widened by, sigma", show(c.get("conformal_offset"), "signed")),
        ("expected calibration error, P(up)", show(probability.get("ece15_up"), "pct")),
        ("expected calibration error, P(down)", show(probability.get("ece15_down"), "pct")),
        ("hazard", str(c.get("hazard", MISSING))),
    ]


def _by_the_hour(stretch: Mapping[str, Any] | None) -> str:
    if not stretch:
        return MISSING
    least, most = (math.exp(end(stretch["clock"])) for end in (min, max))
    return f"× {show(least, 'ratio')} to × {show(most, 'ratio')}"


def _believed(edge: Mapping[str, Any] | None) -> str:
    if not edge:
        return "it claims none"
    return (f"{show(edge['slope'], 'ratio')}, at least {show(edge['low'], 'ratio')} "
            f"({show(edge['rows'], 'count')} rows)")  # fmt: skip


def _latency(m: Mapping[str, Any]) -> str:
    latency = m.get("latency_us", {})
    if not known(latency.get("p50")):
        return "Not measured."
    return (f"One live forecast of the network: {latency['p50']:.0f} us (p50), "
            f"{latency['p99']:.0f} us (p99), one thread, on the machine that trained it, which "
            f"may have been busy.")  # fmt: skip
