"""Mutants no test can catch because they do the same, each with the reason."""

from __future__ import annotations

from typing import Final

_SIDE: Final = "a side is +1 or -1; `sound_order` refuses any other"

_ENTERS: Final = (
    "exactly at max_hazard the exit takes the entry back, whichever way the veto decides"
)
_SIGNALS: Final = "models.trade.decision.signals"

_CALIBRATION: Final = "models.learn.calibration"
_STOP: Final = (
    "Newton's steps square their error: one near 10^-8 is the last that counts, and the next, "
    "which this takes or leaves, is near 10^-16"
)
_CASCADE: Final = "models.data.labels.cascade"
_EPISODES: Final = "models.data.labels.episodes"
_SIDES: Final = "a side is +1 or -1; `cascade_hits` refuses any other"

EQUIVALENT: Final[dict[tuple[str, str], str]] = {
    ("models.trade.risk.verdict", "limited: limit_quote > 0 -> limit_quote >= 0"): (
        "at 0 both branches give 0"
    ),
    ("models.trade.risk.losses", "observe_equity: 0.0 -> 1.0"): (
        "the start of a day without money is a tiny number, whichever: any loss of it is total"
    ),
    ("models.trade.risk.exposure", "net_within: side > 0 -> side >= 0"): _SIDE,
    ("models.trade.risk.margin", "_survivor: order.side > 0 -> order.side >= 0"): _SIDE,
    (
        "models.trade.risk.margin",
        "_moved: side > 0 -> side >= 0",
    ): "a position of 0 is worth 0 either way",
    (
        "models.trade.risk.margin",
        "_HALVINGS: 30 -> 31",
    ): "one halving more than a part in 10^9 changes no order",
    ("models.trade.risk.reconciliation", "differences: max -> min"): (
        "of two amounts that agree to a millionth, which one is taken changes the millionth's "
        "millionth; of two that do not, neither bound is near"
    ),
    (
        "models.trade.risk.run",
        "_size: 0 < asked < math.inf -> 0 <= asked < math.inf",
    ): "a size of 0 is 0 either way",
    (
        _SIGNALS,
        "signals: hazard_long < config.max_hazard -> hazard_long <= config.max_hazard",
    ): _ENTERS,
    (
        _SIGNALS,
        "signals: hazard_short < config.max_hazard -> hazard_short <= config.max_hazard",
    ): _ENTERS,
    (_CALIBRATION, "fit_temperature.log_loss: 1e-12 -> 1.5e-12"): (
        "a row under the floor adds a constant to the loss, whose size moves no minimum of it"
    ),
    (_CALIBRATION, "fit_hazard_scale: 50 -> 51"): (
        "Newton's search arrives in some ten steps or never; this bounds one that does not"
    ),
    (
        _CALIBRATION,
        "fit_hazard_scale: np.abs(step).max() < 1e-08 -> np.abs(step).max() <= 1e-08",
    ): _STOP,
    (_CALIBRATION, "fit_hazard_scale: 1e-08 -> 1.5000000000000002e-08"): _STOP,
    ("models.data.labels.action", "best_action: raised >= lowered -> raised > lowered"): (
        "utility is concave in the hedge ratio: of two steps away from one ratio, opposite and "
        "equal, at most one pays, so that two that pay are never equal"
    ),
    (_CASCADE, "_first_of_each: -merge_candles - 1 -> -merge_candles + 1"): (
        "no row before the fourth can be told, and that is further than a merge from this start too"
    ),
    (_CASCADE, "_first_of_each: 1 -> 2"): "the start lies further than a merge back either way",
    (_EPISODES, "cascade_legs: side < 0 -> side <= 0"): _SIDES,
    (_EPISODES, "cascade_legs: 0 -> 1"): _SIDES,
    (_EPISODES, "_grouped: side < 0 -> side <= 0"): _SIDES,
    (_EPISODES, "_grouped: 0 -> 1"): _SIDES,
    (_EPISODES, "_follow: retrace_frac * side -> retrace_frac / side"): (
        "a side is +1 or -1, and dividing by it is multiplying by it"
    ),
    (
        "models.data.labels.returns",
        "forward_log_return: len(close) > horizon_candles -> len(close) >= horizon_candles",
    ): "a frame of exactly one horizon has no row with a candle that far ahead: nothing is written",
}
