"""Guards on the forecast: new risk needs a healthy model that sees no cascade coming."""

from __future__ import annotations

from models.base.columns import HEAD_HAZARD, HEAD_QUANTILES
from models.trade.risk.limits import Limits
from models.trade.risk.need import need
from models.trade.risk.snapshot import ModelHealth, Snapshot
from models.trade.risk.verdict import PASSED, Demand, Verdict, refused


def forecast_trusted(s: Snapshot, limits: Limits) -> Verdict:
    """Refuse without a forecast that is fresh, in distribution and vouched for."""
    model = _model(s)
    if not need(model.vouched, "forecast"):
        return refused("no trusted forecast: expired, missing or from the warm-up")
    if need(model.abstains, "abstention"):
        return refused("the model abstains: out of distribution, warm-up or unhealthy")
    sigma = need(model.sigma_day, "daily volatility")
    if sigma <= 0:
        return refused(f"expected a volatility > 0, got {sigma:g}")
    return PASSED


def calibrated(s: Snapshot, limits: Limits) -> Verdict:
    """Refuse while the 90 % interval misses too many of the outcomes already known.

    Until there are enough to tell, the calibration on held-out rows at training stands.
    """
    model = _model(s)
    if HEAD_QUANTILES in model.without:
        return PASSED
    if need(model.outcomes, "number of known outcomes") < limits.soft.min_outcomes:
        return PASSED
    coverage = need(model.coverage, "coverage of recent intervals")
    if coverage < limits.soft.min_coverage:
        return refused(f"the 90 % interval held {coverage:.0%} of recent outcomes", Demand.WARN)
    return PASSED


def in_distribution(s: Snapshot, limits: Limits) -> Verdict:
    """Refuse while the day as a whole, not only the last candle, is unlike the training data."""
    novelty = need(_model(s).novelty, "novelty of the day")
    if novelty > limits.soft.max_novelty:
        return refused(f"the last day's candles are novel ({novelty:.2f})", Demand.WARN)
    return PASSED


def not_drifted(s: Snapshot, limits: Limits) -> Verdict:
    """Refuse once the newest candles' features are spread unlike the training sample's.

    Until there are enough of both to tell, nothing is judged: `models.serve.drift`.
    """
    drift = _model(s).drift
    if drift is None:
        return PASSED
    if need(drift, "drift from the training sample") > limits.soft.max_drift:
        return refused(
            f"the market has drifted from the training sample ({drift:.2f})", Demand.WARN
        )
    return PASSED


def fast_enough(s: Snapshot, limits: Limits) -> Verdict:
    """Refuse orders that come too late after the close to be worth what the backtest said.

    Over `max_latency_ms` a bot is slow, and has earned its place only if so short a part of a
    candle cannot cost much of its edge: one candle late, up to three quarters of it are gone
    (METHODS.md 5: Sharpe .24 -> .06 and 1.96 -> 1.24). Until enough candles have been timed there
    is nothing to judge.
    """
    latency = _model(s).latency_ms
    if latency is None:
        return PASSED
    candle_ms = 1000 * need(need(s.market, "market").candle_s, "candle length")
    earned = limits.soft.max_latency_frac * candle_ms
    if need(latency, "latency") > max(limits.soft.max_latency_ms, earned):
        return refused(f"orders leave {latency:.0f} ms after the close (p99)", Demand.WARN)
    return PASSED


def no_cascade(s: Snapshot, limits: Limits) -> Verdict:
    """Refuse adding to, and shed part of, a position the hazard head sees liquidated."""
    model = _model(s)
    if HEAD_HAZARD in model.without:
        return PASSED
    rate = need(model.false_alarms, "rate of false alarms at the hazard of a cascade")
    if rate <= limits.soft.false_alarms_per_week:
        return refused(
            f"a cascade is near: a warning that is wrong {rate:.2g} times a week",
            Demand.WARN,
            limits.soft.cascade_shed_frac,
        )
    return PASSED


def _model(s: Snapshot) -> ModelHealth:
    return need(s.model, "model")
