"""The first screen: what the run showed, in sentences a person can act on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from models.reports.text import Numbers, between, known, show, utc

# Beyond these a backtest on candles is more likely to see the future than to forecast it.
LEAK_ACCURACY: Final = 0.60
LEAK_SHARPE: Final = 2.0
_NOTHING: Final = "Nothing passed"


def backtest_verdict(n: Numbers) -> dict[str, Any]:
    """Return flags and sentences for the report's numbers.

    Returns
    -------
    dict
        ``survived``, ``edge_shown``, ``leak_suspected`` and ``sentences``, each with a level
        (good, neutral, warn, bad), a headline and its detail.
    """
    edge = _edge_shown(n)
    first = _untraded(n) if n["advice"] else [_survival(n), _result(n), *_claims(n)]
    sentences = [*first, _edge(n, edge)]
    leaks = _leaks(n)
    if leaks:
        sentences.append(
            _say("warn", "Look for the leak.", " ".join(leaks) + " Honest figures on candles of "
                 "five minutes or more are 51 to 56 % accuracy and a net Sharpe ratio below 1.")
        )  # fmt: skip
    if n["failures"]:
        sentences.insert(
            0, _say("bad", f"What failed: {len(n['failures'])}.", " · ".join(n["failures"]))
        )
    return {
        "survived": n["account"]["liquidated_at_ms"] is None,
        "edge_shown": edge,
        "leak_suspected": bool(leaks),
        "sentences": sentences,
    }


def backtest_headline(n: Numbers) -> str:
    """Return the run in a line: what failed, why it did not trade, or what it made."""
    if n["failures"] or n["advice"] or n["account"]["liquidated_at_ms"] is not None:
        first: str = n["verdict"]["sentences"][0]["headline"]
        return first
    return _result(n)["headline"]


def _untraded(n: Numbers) -> list[dict[str, str]]:
    """Return why nothing was traded, and what was claimed; one sentence where both are the same."""
    advice, claims = n["advice"], _claims(n)
    if advice["at"] == "edge" and claims and claims[0]["headline"].startswith(_NOTHING):
        detail = f"{advice['why']} {claims[0]['detail']}"
        return [_say("neutral", f"No trade. {claims[0]['headline']}", detail)]
    return [_say("warn", advice["headline"], advice["why"]), *claims]


def _say(level: str, headline: str, detail: str) -> dict[str, str]:
    return {"level": level, "headline": headline, "detail": detail}


def _survival(n: Numbers) -> dict[str, str]:
    a = n["account"]
    if a["liquidated_at_ms"] is not None:
        return _say(
            "bad",
            f"Liquidated on {utc(a['liquidated_at_ms'])}.",
            f"The account model closes everything there: "
            f"{show(n['run']['start_wallet_quote'], 'money')} became "
            f"{show(n['equity']['final_quote'], 'money')} {n['run']['stake_currency']}. What the "
            "engine books afterwards did not happen, and intervals over a ruined account mean "
            "little.",
        )
    if not a["held"]:
        return _say("neutral", "Survived: no position was held.", "Nothing could be liquidated.")
    return _say("good", "Survived under the account model.", _nearest(a))


def _nearest(a: Mapping[str, Any]) -> str:
    """Return how near the account came to its liquidation."""
    ratio = show(a["max_margin_ratio"], "ratio3")
    highest = (
        f"Highest margin ratio {ratio} on {utc(a['max_margin_ratio_ms'])} "
        "(worst price inside the candle; 1 is liquidation)."
    )
    if not known(a["min_distance_frac"]):
        return (
            "At no candle's close would even a move of 100 % against every position have "
            f"liquidated the account. {highest}"
        )
    return (
        f"At its closest, on {utc(a['min_distance_ms'])}, a further adverse move of "
        f"{show(a['min_distance_frac'], 'pct')} would have liquidated the account. {highest}"
    )


def _result(n: Numbers) -> dict[str, str]:
    total, hold, gap = (
        n["equity"]["total_return_frac"],
        n["buy_and_hold"]["total_return_frac"],
        n["excess_over_hold_frac"],
    )
    if n["account"]["liquidated_at_ms"] is not None:
        against = "the account did not live to the end"
    elif not (known(gap["low"]) and known(gap["high"])):
        against = "cannot be compared with buy and hold: too few days"
    elif gap["low"] > 0:
        against = "better than buy and hold"
    elif gap["high"] < 0:
        against = "worse than buy and hold"
    else:
        against = "not distinguishable from buy and hold"
    currency = n["run"]["stake_currency"]
    return _say(
        "bad" if total["value"] < 0 else "neutral",
        f"Net result {show(total['value'], 'gain')}, {against}.",
        f"{show(n['run']['start_wallet_quote'], 'money')} became "
        f"{show(n['equity']['final_quote'], 'money')} {currency} in "
        f"{show(n['equity']['days'], 'days')} ({between(total, 'gain')}). "
        f"Buy and hold, unlevered and without costs: {show(hold['value'], 'gain')}; staying flat: "
        f"0 %. Difference to buy and hold: {show(gap['value'], 'points')} "
        f"({between(gap, 'points')}).",
    )


def _claims(n: Numbers) -> list[dict[str, str]]:
    """Return whether the returns that were promised came; nothing without forecasts."""
    e = n["edge"]
    if not n["forecast"]["pooled"]:
        return []
    if not e["stated"]:
        why = "It has no quantiles, and no edge to hold against what happened."
        return [_say("neutral", "The model promises no return.", why)]
    bar = f"{show(e['bar_bps'], 'bps')} ({e['min_edge_costs']:g} × the round-trip cost)"
    alone = f"Its quantiles alone claim {bar} or more on {_group(e['alone'], ' candles')}."
    if e["waived"]:
        made = f"{alone} Entries made: {_group(e['entries'])}."
        return [_say("warn", "Entries were asked for no edge: a person waived it.", made)]
    if not e["passed"]["rows"]:
        needed = (
            f"An entry needs {bar} at the lower bound of its claim, which is shrunk by what came "
            f"true on rows the model was not trained on. {alone}"
        )
        if e["entries"]["rows"]:  # of a strategy with rules of its own
            needed += f" Entries made without it: {_group(e['entries'])}."
        headline = f"{_NOTHING}: no forecast's lower bound was above cost."
        return [_say("neutral", headline, needed)]
    return [_against(e, bar, alone)]


def _against(e: Numbers, bar: str, alone: str) -> dict[str, str]:
    """Return the sentence of a run in which forecasts passed."""
    passed, slope = e["passed"], e["passed"]["slope"]
    says = {None: "whether it contains 1 cannot be told", True: "which contains 1",
            False: "which does not contain 1"}[passed["slope_has_one"]]  # fmt: skip
    level = "bad" if known(slope["high"]) and slope["high"] < 1 else "neutral"
    return _say(
        level,
        f"Where the edge passed, {show(passed['claimed_bps']['value'], 'bps_change')} were "
        f"claimed and {show(passed['realised_bps']['value'], 'bps_change')} came.",
        f"The lower bound reached {bar} on {_group(passed, ' candles')}. Slope of what came on the "
        f"claim: {show(slope['value'], 'ratio')} ({between(slope, 'ratio')}), {says}. Entries "
        f"made: {_group(e['entries'])}. {alone}",
    )


def _group(g: Numbers, unit: str = "") -> str:
    """Return a group of rows in words."""
    claimed, came = g["claimed_bps"], g["realised_bps"]
    if not g["rows_known"]:
        return f"{show(g['rows'], 'count')}{unit}, none of them with an edge and a known outcome"
    return (
        f"{show(g['rows'], 'count')}{unit}, {show(claimed['value'], 'bps_change')} on average, of "
        f"which {show(came['value'], 'bps_change')} came ({between(came, 'bps_change')})"
    )


def _edge_shown(n: Numbers) -> bool:
    # A gain that is volatility alone says when to stand aside, not which side to take.
    return _positive(n["equity"]["sharpe"]) and _positive(_gain(n, "direction_"))


def _positive(estimate: Numbers) -> bool:
    return known(estimate.get("low")) and estimate["low"] > 0


def _gain(n: Numbers, part: str = "") -> Numbers:
    """Return the log-loss gain, or its part "volatility_" or "direction_"; empty if unknown."""
    found: Numbers = n["forecast"]["pooled"].get("probability", {}).get(f"gain_{part}millibits", {})
    return found


def _edge(n: Numbers, edge: bool) -> dict[str, str]:
    ratio, gain = n["equity"]["sharpe"], _gain(n)
    parts = [f"Sharpe ratio {show(ratio['value'], 'ratio')} ({between(ratio, 'ratio')})."]
    if n["advice"]:
        parts = []  # without a trade there is no ratio
    if gain:
        parts.append(
            f"Forecasts against constant class frequencies: {show(gain['value'], 'millibits')} "
            f"per candle ({between(gain, 'millibits')})."
        )
        parts += _parts_of_gain(n) + _beside_reference(n)
    else:
        parts.append("No forecast has a known outcome.")
    if edge:
        parts.append("One run is one draw: it does not know how many others were tried before it.")
        return _say("good", "An edge is not ruled out.", " ".join(parts))
    return _say("bad", f"No edge here: {_why_no_edge(n)}.", " ".join(parts))


def _parts_of_gain(n: Numbers) -> list[str]:
    volatility, direction = _gain(n, "volatility_"), _gain(n, "direction_")
    if not (volatility and direction):
        return []
    return [
        f"Of it, {show(volatility['value'], 'millibits')} "
        f"({between(volatility, 'millibits')}) is knowing whether the price moves, and "
        f"{show(direction['value'], 'millibits')} ({between(direction, 'millibits')}) where to."
    ]


def _beside_reference(n: Numbers) -> list[str]:
    """Return what a regression that knows volatility only gains on the same rows."""
    gain, over = (n["reference"].get(name, {}) for name in ("gain_millibits", "over_millibits"))
    if not (known(gain.get("value")) and known(over.get("value"))):
        return []
    return [
        f"A linear regression of volatility gains {show(gain['value'], 'millibits')} on the same "
        f"rows; beyond it are {show(over['value'], 'millibits')} ({between(over, 'millibits')})."
    ]


def _why_no_edge(n: Numbers) -> str:
    ratio, gain, direction = n["equity"]["sharpe"], _gain(n), _gain(n, "direction_")
    reasons = []
    if n["advice"]:
        reasons.append("nothing was traded")
    elif known(ratio.get("high")) and ratio["high"] < 0:
        reasons.append("the Sharpe ratio is below zero")
    elif not _positive(ratio):
        reasons.append(
            "the Sharpe ratio cannot be told from zero"
            if known(ratio.get("low"))
            else "the Sharpe ratio is not known"
        )
    if not _positive(gain):
        reasons.append("the forecasts do not beat constant class frequencies")
    elif not _positive(direction):
        reasons.append("the forecasts know how much the price moves, but not where to")
    return " and ".join(reasons)


def _leaks(n: Numbers) -> list[str]:
    found = []
    accuracy = n["forecast"]["pooled"].get("direction", {}).get("accuracy", {}).get("value")
    if known(accuracy) and accuracy > LEAK_ACCURACY:
        found.append(
            f"Direction accuracy {show(accuracy, 'pct')} is above {show(LEAK_ACCURACY, 'pct')}."
        )
    ratio = n["equity"]["sharpe"]["value"]
    if known(ratio) and ratio > LEAK_SHARPE:
        found.append(
            f"Net Sharpe ratio {show(ratio, 'ratio')} is above {show(LEAK_SHARPE, 'ratio')}."
        )
    return found


__all__ = ["LEAK_ACCURACY", "LEAK_SHARPE", "backtest_headline", "backtest_verdict"]
