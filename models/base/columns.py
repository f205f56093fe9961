"""Names of the columns a forecast travels in, from the model to the strategy and the report.

All are known at the close of the candle they stand on. A row without a forecast is NaN in every
one of them (FreqAI overwrites NaN by zero on its way back; `strategies/base` restores it).
"""

from __future__ import annotations

import re
from typing import Final

# Quantile levels of the forward-return head, in the order of the outputs.
QUANTILES: Final = (0.05, 0.25, 0.50, 0.75, 0.95)
# Direction classes, in the order of the logits. "flat" = inside round-trip cost.
CLASSES: Final = ("down", "flat", "up")
SIDE_NAMES: Final = ("down", "up")  # of cascades, in the order of the outputs

# FreqAI pairs every label column (prefix "&-") with a prediction of the same name.
# Label value -> prediction value:
LABEL_RETURN: Final = "&-return"  # log return over the horizon / sigma -> median, log return
LABEL_DIRECTION: Final = "&-direction"  # -1, 0, 1 -> p_up - p_down
LABEL_CASCADE_DOWN: Final = "&-cascade_down"  # candles to onset -> P(onset within the horizon)
LABEL_CASCADE_UP: Final = "&-cascade_up"
LABELS: Final = (LABEL_RETURN, LABEL_DIRECTION, LABEL_CASCADE_DOWN, LABEL_CASCADE_UP)
# Labels of the heads only some models have (`models.base.spec.ModelSpec.extra`):
LABEL_PEAK: Final = "&-peak"  # 1 + candles to the peak, inside a cascade -> expected candles to it
LABEL_ACTION: Final = "&-action"  # +1, 0, -1 -> p_increase - p_decrease
HEDGE_LABELS: Final = (LABEL_PEAK, LABEL_ACTION)
# What an order decided on row t meets in candle t + 1, log distances from row t's close: handed
# over as labels are, known one candle later, and no prediction of FreqAI's has their names.
AHEAD_OPEN: Final = "ahead_open"
AHEAD_HIGH: Final = "ahead_high"
AHEAD_LOW: Final = "ahead_low"
AHEAD_CLOSE: Final = "ahead_close"
AHEAD_PRICES: Final = (AHEAD_OPEN, AHEAD_HIGH, AHEAD_LOW, AHEAD_CLOSE)
AHEAD_FUNDING: Final = "ahead_funding"  # a long pays it at that open, per notional at row t's close
AHEAD: Final = (*AHEAD_PRICES, AHEAD_FUNDING)

P_DOWN: Final = "p_down"  # calibrated class probabilities, sum to 1
P_FLAT: Final = "p_flat"
P_UP: Final = "p_up"
RETURN_QUANTILES: Final = tuple(f"r_q{round(100 * q):02d}" for q in QUANTILES)  # log return
# The return the model claims (the mean of its quantiles, a log return over the horizon) times the
# part of it that came true on rows it was not trained on; and times that part's lower bound.
EDGE: Final = "edge"
EDGE_LOW: Final = "edge_low"  # never further from zero than EDGE, never of the other sign
RETURN_LOW: Final = "r_low"  # ends of the conformal 90 % interval of the log return
RETURN_HIGH: Final = "r_high"
SIGMA: Final = "sigma"  # volatility of the log return over the horizon: a forecast, or an estimate
HAZARD_DOWN: Final = "hazard_down"  # P(cascade onset in the next candle)
HAZARD_UP: Final = "hazard_up"
# False alarms a week of warning whenever a cascade is as probable as it is now, or more, counted on
# rows the model was not trained on: the fewer, the graver. Never 0; NaN where nobody can tell.
FALSE_ALARMS_DOWN: Final = "false_alarms_down"
FALSE_ALARMS_UP: Final = "false_alarms_up"
# Rates of false alarms a person may choose, per week: one in two years, and one a day.
LEAST_FALSE_ALARMS: Final = 0.01
MOST_FALSE_ALARMS: Final = 7.0
NOVELTY: Final = "novelty"  # distance from the training data; > 1 is out of distribution
DRIFT: Final = "drift"  # of the newest candles from the training sample; > 1 is drifted
PEAK_PASSED: Final = "peak_passed"  # P(the peak is now or behind), given that one is inside
P_DECREASE: Final = "p_decrease"  # P(lowering the hedge by a tenth is best), sum to 1
P_MAINTAIN: Final = "p_maintain"
P_INCREASE: Final = "p_increase"
POLICY: Final = "policy"  # an agent's action for each position held: `models.base.policy`
ABSTAIN: Final = "abstain"  # 1 where the forecast must not be acted on, else 0

EXTRAS: Final = (
    P_DOWN, P_FLAT, P_UP, *RETURN_QUANTILES, RETURN_LOW, RETURN_HIGH, EDGE, EDGE_LOW, SIGMA,
    HAZARD_DOWN, HAZARD_UP, FALSE_ALARMS_DOWN, FALSE_ALARMS_UP, NOVELTY, DRIFT, ABSTAIN,
)  # fmt: skip
HEDGE: Final = (*HEDGE_LABELS, PEAK_PASSED, P_DECREASE, P_MAINTAIN, P_INCREASE)
FORECAST: Final = (*LABELS, *EXTRAS, *HEDGE, POLICY)

# Heads a model may be without (every one answers the classes); their columns then are NaN.
HEAD_QUANTILES: Final = "quantiles"
HEAD_HAZARD: Final = "hazard"
# Heads only some models have.
HEAD_PEAK: Final = "peak"
HEAD_ACTION: Final = "action"
HEAD_VOLATILITY: Final = "volatility"  # without it, SIGMA is the past's
HEAD_POLICY: Final = "policy"
EXTRA_HEADS: Final = (HEAD_PEAK, HEAD_ACTION, HEAD_VOLATILITY, HEAD_POLICY)
OF_HEAD: Final = {
    HEAD_QUANTILES: (LABEL_RETURN, *RETURN_QUANTILES, RETURN_LOW, RETURN_HIGH, EDGE, EDGE_LOW),
    HEAD_HAZARD: (
        LABEL_CASCADE_DOWN, LABEL_CASCADE_UP, HAZARD_DOWN, HAZARD_UP, FALSE_ALARMS_DOWN,
        FALSE_ALARMS_UP,
    ),
    HEAD_PEAK: (LABEL_PEAK, PEAK_PASSED),
    HEAD_ACTION: (LABEL_ACTION, P_DECREASE, P_MAINTAIN, P_INCREASE),
    HEAD_VOLATILITY: (),
    HEAD_POLICY: (POLICY,),
}  # fmt: skip

# Classic indicators among the features (models/data/features/indicators.py).
INDICATORS: Final = (
    "macd", "macd_histogram", "bollinger_position", "bollinger_width", "atr_fast_slow", "dmi_14",
    "adx_14", "mfi_14", "volume_below", "poc_distance",
)  # fmt: skip

FEATURE_SIGMA: Final = "%-sigma"  # the feature column that carries sigma per candle, unscaled
FEED: Final = (
    "%-feed_"  # features that start so may be missing (NaN) in any row, if a model says so
)

_FEATURE = re.compile(r"%-(.+?)(_gen_[A-Z0-9]+/.*)?$")


def feature_name(column: str) -> str:
    """Return the name a feature was computed under.

    FreqAI puts "%-" before it and "gen" (no indicator period), the pair and the timeframe behind.

    Examples
    --------
    >>> feature_name("%-range_mid_gen_BTC/USDTUSDT_1h"), feature_name("%-range_mid")
    ('range_mid', 'range_mid')
    """
    match = _FEATURE.match(column)
    return match.group(1) if match else column
