"""Mutants no test can catch because they do the same, each with the reason."""

from __future__ import annotations

from typing import Final

_SIDE: Final = "a side is +1 or -1; `sound_order` refuses any other"

_ENTERS = "exactly at max_hazard the exit takes the entry back, whichever way the veto decides"
_SIGNALS: Final = "models.trade.decision.signals"

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
}
