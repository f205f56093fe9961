"""The one rule that stops a forecast from being entered, in words with numbers.

Which one it is, `models.trade.decision.funnel` says, for a backtest's report as for a bot that
waits; here it is told of one candle.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from models.base import columns
from models.base.entry import EntryRule, EntryStop
from models.trade.decision.funnel import STEP_NAMES, steps_passed
from models.trade.decision.signals import DecisionConfig, expected_return

_EXPIRED: Final = 2  # `do_predict`, as FreqAI says it


def entry_stop(
    row: Mapping[str, float], do_predict: float, cost_frac: float, config: DecisionConfig
) -> EntryStop | None:
    """Return which rule of its own a forecast does not pass, in words with numbers; None for none.

    Parameters
    ----------
    row
        Column name -> value of one candle, the names of `models.base.columns.FORECAST`.
    """
    forecast = {name: np.array([value], dtype=np.float64) for name, value in row.items()}
    passed = int(steps_passed(forecast, np.array([do_predict]), cost_frac, config)[0])
    if passed == len(STEP_NAMES):
        return None
    rule = EntryRule(STEP_NAMES[passed])
    if rule in (EntryRule.FORECAST, EntryRule.TRUSTED):
        why, change = distrust(float(row.get(columns.NOVELTY, math.nan)), do_predict)
        return EntryStop(rule=rule, why=f"no trusted forecast: {why}", change=change)
    claimed = float(expected_return(forecast)[0])
    return {EntryRule.DIRECTION: _no_side, EntryRule.EDGE: _no_edge, EntryRule.HAZARD: _alarm}[
        rule
    ](row, claimed, cost_frac, config)


def distrust(novelty: float, do_predict: float) -> tuple[str, str]:
    """Return why a forecast is not there or not trusted, and what would change that."""
    # FreqAI zeroes what it is asked first after a start: nothing was forecast in the downtime.
    why = "no model yet, FreqAI's first answer after a start, or too few complete candles behind"
    change = "the close of the next candle, once the first model is trained"
    if do_predict == _EXPIRED:
        why = "its model is older than freqai.expiration_hours"
        change = "the next training; if there was none for so long, the log says why"
    elif novelty > 1:
        why = f"the candle is unlike any trained on (novelty {novelty:.2f}, limit 1)"
        change = "a candle of novelty 1 or less, or a model trained on candles like this one"
    return why, change


def _leader(row: Mapping[str, float]) -> tuple[str, int, float]:
    lead = row[columns.P_UP] - row[columns.P_DOWN]
    return ("up", 1, lead) if lead >= 0 else ("down", -1, -lead)


def _no_side(
    row: Mapping[str, float], claimed: float, cost_frac: float, config: DecisionConfig
) -> EntryStop:
    side, _, lead = _leader(row)
    return EntryStop(
        rule=EntryRule.DIRECTION,
        why=f"neither side leads enough: {side} leads by {100 * lead:.1f} points, an entry needs "
        f"{100 * config.min_advantage:g}",
        change=f"a lead of {100 * config.min_advantage:g} points "
        "(breakwater.decision.min_advantage)",
    )


def _no_edge(
    row: Mapping[str, float], claimed: float, cost_frac: float, config: DecisionConfig
) -> EntryStop:
    side, sign, _ = _leader(row)
    needed, low = 1e4 * config.min_edge_costs * cost_frac, 1e4 * row[columns.EDGE_LOW] * sign
    if math.isnan(low):
        why = f"no edge is known for {side}, an entry needs {needed:.3g} bp"
    else:
        why = (
            f"claims {1e4 * claimed * sign:+.1f} bp for {side}, of which {low:+.1f} bp is sure "
            f"(lower bound): an entry needs {needed:.3g} bp"
        )
    return EntryStop(
        rule=EntryRule.EDGE, why=why,
        change=f"a forecast whose lower bound is {needed:.3g} bp or more: "
        f"{config.min_edge_costs:g} round trips of {1e4 * cost_frac:.3g} bp "
        "(breakwater.decision.min_edge_costs)",
    )  # fmt: skip


def _alarm(
    row: Mapping[str, float], claimed: float, cost_frac: float, config: DecisionConfig
) -> EntryStop:
    side, _, _ = _leader(row)
    rate = row[columns.FALSE_ALARMS_DOWN if side == "up" else columns.FALSE_ALARMS_UP]
    limit = config.false_alarms_per_week
    said = (
        "nobody can tell whether a cascade is near" if math.isnan(rate)
        else f"a cascade against {side} is near: such a warning is wrong {rate:.2g} times a week"
    )  # fmt: skip
    return EntryStop(
        rule=EntryRule.HAZARD, why=f"{said}, an entry needs more than {limit:g}",
        change=f"a hazard whose warning is wrong more than {limit:g} times a week "
        "(breakwater.decision.false_alarms_per_week)",
    )  # fmt: skip
