"""A hedged position, small and made up, and the report of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from models.reports.hedge.figures import crash_figure, hedge_equity_figure, ratio_figure
from models.reports.hedge.verdict import (
    account_lines,
    bars,
    hedge_did,
    hedge_verdict,
    liquidation_lines,
)
from models.studies.hedge import ladder
from models.studies.hedge.crashes import worst_weeks
from models.studies.hedge.effectiveness import effectiveness, episode, paired
from models.studies.hedge.spans import by_crash, by_year
from models.studies.hedge.survival import Legs, survival
from models.trade.account.tiers import MarginTier, MarginTiers
from models.trade.hedging.baseline import BaselineConfig
from models.trade.hedging.policy import PolicyConfig
from models.trade.hedging.simulate import Costs, HedgeMarket

HOUR = 3_600_000
TIER = MarginTier(floor_quote=0, cap_quote=1e9, maintenance_rate_frac=0.01,
                  maintenance_amount_quote=0, max_leverage=50)  # fmt: skip
TIERS = MarginTiers("X", (TIER,))


def legs(fall: float, hedge: float) -> Legs:
    """A long that falls by `fall` on the third day, and a short of `hedge` of it."""
    close = np.full(96, 100.0)
    close[60:] = 100.0 * (1 - fall)
    moved = np.diff(close, prepend=100.0)
    short = np.full((96, 1), -hedge)
    return Legs(
        amount_base=1.0, open=np.full(96, 100.0), close=close, adverse=close,
        hedge_pnl=-hedge * moved, hedge_amount=short, hedge_close=close[:, None],
        hedge_adverse=close[:, None],
    )  # fmt: skip


def make_scene() -> ladder.Scene:
    """A position that moves with its instrument, and on its own."""
    rng = np.random.default_rng(4)
    rows = 3200
    common, own = 0.006 * rng.standard_normal((2, rows))
    beta = 0.7 + 0.2 * np.sin(np.arange(rows) / 300)
    leg = 1000 * np.exp(np.cumsum(common))
    price = 100 * np.exp(np.cumsum(beta * common + 0.5 * own))

    def market(pair: str, close: np.ndarray) -> HedgeMarket:
        opened = np.concatenate((close[:1], close[:-1]))
        return HedgeMarket(pair=pair, open=opened, close=close, funding_rate=np.zeros(rows))

    return ladder.Scene(
        time_ms=np.arange(rows) * HOUR, primary=market("LTC", price), hedges=[market("BTC", leg)],
        low=np.column_stack([price, leg]), high=np.column_stack([price, leg]), amount_base=1.0,
        start=1200, costs=Costs(), baseline=BaselineConfig(halflife_candles=48.0),
        policy=PolicyConfig(),
    )  # fmt: skip


def sample(scene: ladder.Scene) -> tuple[dict[str, Any], dict[str, go.Figure], dict[str, Any]]:
    """Return the numbers and figures of a report, and the measures of its hedge."""
    ours = scene.returns(scene.ours())
    row = effectiveness(ours, np.random.default_rng(0))
    weeks = worst_weeks(ours.time_ms, ours.primary, 2)
    crashes = [{"name": w.name, **(episode(ours, w.start_ms, w.stop_ms) or {})} for w in weeks]
    lost = [survival(legs(0.25, 0.5), TIERS, [TIERS], leverage=5.0, horizon=48)]
    out = {
        "format": 1, "kind": "hedge", "verdict": hedge_verdict(row, crashes),
        "bars": bars(row, row, crashes, None),
        "paid": [("fees", "−1 USDT", "−0.10 %"), ("the hedge in all", "−5 USDT", "–")],
        "years": by_year(ours, np.random.default_rng(1)),
        "spans": by_crash(ours, weeks, np.random.default_rng(1)),
        "account_lines": account_lines(
            [{"equity_quote": 90.0, "position_quote": 0.0},
             {"equity_quote": 3e6, "position_quote": 6e5, "unhedged": 0.02,
             "without_leg": [1.0, 0.1],
              "trades": 9, "effectiveness": row["effectiveness"], "es99": 0.02, "cost_year": 0.01,
              "impact_year": 0.003, "largest_of_day": 1e-4, "opening_impact": 0.002,
              "opening_of_hour": 0.05}]
        ),
        "liquidations": liquidation_lines(lost, 5.0),
        "headline": "h", "did": hedge_did(row, crashes),
        "failures": ["something raised exception"], "ours": row, "account": [("fees", "1 USDT")],
        "table": [{"name": "ours <b>", "ours": True, **row}], "crashes": crashes,
        "matched": [{"name": "OLS", **row, "gap": paired(ours, ours, np.random.default_rng(0))}],
        "survival": lost,
        "same_coin": None,
        "run": {"title": "Hedge", "span": "s", "position": "p", "data": "d", "simulated": True,
                "slippage": "0.01 %", "max_ratio": 1.0, "number": "15.0 %"},
    }  # fmt: skip
    figures = {
        "equity": hedge_equity_figure(ours.time_ms, {"position": ours.primary.cumsum()}),
        "ratio": ratio_figure(ours.time_ms, {"BTC": ours.ratio}),
        "crashes": crash_figure(crashes),
    }
    return out, figures, row
