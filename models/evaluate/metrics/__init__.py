"""What a run is measured by: equity, trades, forecasts and hazards, each with its interval."""

from models.evaluate.metrics.edge import Claims, edge_metrics
from models.evaluate.metrics.equity import (
    daily_returns,
    drawdown,
    equity_metrics,
    excess_return,
    period_closes,
)
from models.evaluate.metrics.forecast import Forecasts, forecast_metrics, reliability
from models.evaluate.metrics.hazard import average_precision, hazard_metrics
from models.evaluate.metrics.reference import reference_metrics
from models.evaluate.metrics.resampling import Estimate, circular_ratio
from models.evaluate.metrics.skill import SplitGain, split_gain
from models.evaluate.metrics.trades import trade_metrics, wilson

__all__ = [
    "Claims", "Estimate", "Forecasts", "SplitGain", "average_precision", "circular_ratio",
    "daily_returns", "drawdown", "edge_metrics", "equity_metrics", "excess_return",
    "forecast_metrics", "hazard_metrics", "period_closes", "reference_metrics", "reliability",
    "split_gain", "trade_metrics", "wilson",
]  # fmt: skip
