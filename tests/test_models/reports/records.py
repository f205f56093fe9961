"""A small synthetic run for the report's tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from models.base import columns
from models.base.types import Candles
from models.data.labels.cascade import CascadeConfig, candles_to_onset, cascade_onsets
from models.data.labels.returns import cost_aware_class, forward_log_return
from models.reports.backtest.record import (
    ForecastSeries,
    RunRecord,
    TradeRecord,
    TrainingRecord,
)
from models.simulate.market_config import SimulatedMarketConfig
from models.simulate.simulated_market import simulate_market
from models.trade.account.audit import AccountAudit, Fill, MarketPath, audit_account
from models.trade.account.tiers import MarginTier, MarginTiers
from models.trade.decision.signals import DecisionConfig

HOUR = 3_600_000
PAIR = "BTC/USDT:USDT"
HORIZON, CASCADE_HORIZON, COST = 4, 24, 0.0012


def make_record(days: int = 92, seed: int = 3, skill: float = 0.0, **changes: Any) -> RunRecord:
    """Return a run of `days` of hourly candles; `skill` mixes the outcome into the forecast."""
    rng = np.random.default_rng(seed)
    lead = 35 * 24  # the cascade label needs a month of history
    market = simulate_market(SimulatedMarketConfig(candles=lead + days * 24, seed=seed))
    candles = market.pairs[PAIR].candles
    start_ms = int(candles.time_ms[lead])
    forecast = make_forecast(candles, rng, skill)
    trades = make_trades(candles, forecast, rng, lead)
    values: dict[str, Any] = {
        "title": "Bitcoin cross margin, LSTM",
        "strategy": "BitcoinCrossMargin",
        "model": "LSTMForecaster",
        "pairs": (PAIR,),
        "timeframe": "1h",
        "candle_ms": HOUR,
        "start_ms": start_ms,
        "stop_ms": int(candles.time_ms[-1]),
        "stake_currency": "USDT",
        "start_wallet_quote": 10_000.0,
        "engine": {"final_balance": 10_000.0 + sum(t.profit_quote for t in trades)},
        "candles": {PAIR: candles},
        "trades": trades,
        "forecasts": (forecast,),
        "trainings": tuple(make_training(start_ms + i * 30 * 24 * HOUR) for i in range(3)),
        "audit": make_audit(candles, trades, lead),
        "data_label": "simulated",
        "data_source": f"simulated market, seed {seed}",
        "data_sha256": "ab" * 32,
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "config": {"exchange": {"name": "binance", "key": "not for print"}, "max_open_trades": 1},
        "seeds": {"market": seed, "training": 0},
        "command": "breakwater backtest --model lstm",
        "created_ms": 1_700_000_000_000,
        "decision": DecisionConfig(),
    }
    return RunRecord(**{**values, **changes})


def idle_record(record: RunRecord, believed: float = 0.0) -> RunRecord:
    """Return the run without a trade, with `believed` of each claim in the edge's lower bound."""
    lead = len(record.candles[PAIR]) - len(record.audit.time_ms)
    series = record.forecasts[0]
    edge = believed * series.values[columns.LABEL_RETURN]
    told = {**series.values, columns.EDGE: edge, columns.EDGE_LOW: edge}
    return replace(
        record, trades=(), audit=make_audit(record.candles[PAIR], (), lead),
        engine={"final_balance": record.start_wallet_quote},
        forecasts=(replace(series, values=told),),
    )  # fmt: skip


def make_forecast(candles: Candles, rng: np.random.Generator, skill: float) -> ForecastSeries:
    n = len(candles)
    r = forward_log_return(candles.close, HORIZON)
    outcome = cost_aware_class(r, COST)
    step = np.diff(np.log(candles.close), prepend=np.log(candles.close[0]))
    square = np.convolve(step**2, np.ones(72) / 72)[:n]
    sigma = np.sqrt(np.maximum(square, 1e-7) * HORIZON)
    signal = 0.12 * rng.standard_normal(n) + skill * np.nan_to_num(outcome)
    logits = np.column_stack((-signal, np.full(n, -0.9), signal))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    z = (-1.62, -0.6, 0.0, 0.6, 1.62)
    claim = 0.8 * signal * sigma  # of which more is believed than came true
    base = np.clip(0.02 + 6 * (sigma / np.median(sigma) - 1) * 0.01, 0.004, 0.4)
    hazard = np.clip(base * np.exp(0.4 * rng.standard_normal(n)), 0, 1)
    onset = {
        side: candles_to_onset(
            *cascade_onsets(candles, HOUR, side, CascadeConfig(floor_frac=0.02)), CASCADE_HORIZON
        )
        for side in (-1, 1)
    }
    values = {
        columns.LABEL_RETURN: claim,
        columns.LABEL_DIRECTION: p[:, 2] - p[:, 0],
        columns.LABEL_CASCADE_DOWN: hazard,
        columns.LABEL_CASCADE_UP: 0.5 * hazard,
        columns.P_DOWN: p[:, 0], columns.P_FLAT: p[:, 1], columns.P_UP: p[:, 2],
        columns.RETURN_LOW: -1.75 * sigma, columns.RETURN_HIGH: 1.75 * sigma,
        columns.SIGMA: sigma,
        **{k: v * sigma + claim for k, v in zip(columns.RETURN_QUANTILES, z, strict=True)},
        columns.EDGE: 0.9 * claim, columns.EDGE_LOW: 0.7 * claim, columns.ABSTAIN: np.zeros(n),
        columns.FALSE_ALARMS_DOWN: 0.3 / hazard, columns.FALSE_ALARMS_UP: 0.3 / hazard,
    }  # fmt: skip
    do_predict = np.ones(n)
    do_predict[1100:1130] = 0
    return ForecastSeries(
        pair=PAIR, time_ms=candles.time_ms,
        values={k: np.where(do_predict == 1, v, np.nan) for k, v in values.items()},
        do_predict=do_predict, horizon_candles=HORIZON, cost_frac=COST, outcome_return=r,
        outcome_class=outcome, outcome_cascade_down=onset[-1], outcome_cascade_up=onset[1],
    )  # fmt: skip


def make_trades(
    candles: Candles, forecast: ForecastSeries, rng: np.random.Generator, lead: int
) -> tuple[TradeRecord, ...]:
    out, t = [], lead + 5
    edge = forecast.values[columns.LABEL_DIRECTION]
    while t < len(candles) - 30:
        if not abs(edge[t]) > 0.12:
            t += 1
            continue
        held = int(rng.integers(3, 24))
        side = 1 if edge[t] > 0 else -1
        opened, closed = float(candles.open[t + 1]), float(candles.open[t + 1 + held])
        leverage = float(rng.choice([1.0, 2.0, 3.0]))
        stake = 6_000.0
        amount = stake * leverage / opened
        fee = 0.0005 * amount * (opened + closed)
        funding = -side * 0.0001 * (held // 8) * amount * opened
        out.append(
            TradeRecord(
                pair=PAIR, side=side, open_ms=int(candles.time_ms[t + 1]),
                close_ms=int(candles.time_ms[t + 1 + held]), open_rate=opened, close_rate=closed,
                amount_base=amount, leverage=leverage, stake_quote=stake, fee_quote=fee,
                funding_quote=funding,
                profit_quote=side * amount * (closed - opened) - fee + funding,
                enter_tag="forecast" if side > 0 else "forecast_short",
                exit_reason=str(rng.choice(["horizon", "stop", "flip", "risk.reduce"])),
            )
        )  # fmt: skip
        t += held + 2
    return tuple(out)


def make_audit(
    candles: Candles, trades: tuple[TradeRecord, ...], lead: int, size: float = 1.0
) -> AccountAudit:
    """Return the audit of `trades`, `size` times as large, marked at the candles themselves."""
    fills = []
    for t in trades:
        amount, half = size * t.side * t.amount_base, size * t.fee_quote / 2
        fills += [
            Fill(time_ms=t.open_ms, pair=PAIR, amount_base=amount, price_quote=t.open_rate,
                 fee_quote=half),
            Fill(time_ms=t.close_ms, pair=PAIR, amount_base=-amount, price_quote=t.close_rate,
                 fee_quote=half),
        ]  # fmt: skip
    c = slice(lead, None)
    time_ms = candles.time_ms[c]
    market = MarketPath(
        pair=PAIR, time_ms=time_ms, open=candles.open[c], high=candles.high[c],
        low=candles.low[c], close=candles.close[c],
        funding_rate=np.where(time_ms % (8 * HOUR) == 0, 0.0001, np.nan),
    )  # fmt: skip
    tier = MarginTier(
        floor_quote=0, cap_quote=1e9, maintenance_rate_frac=0.004, maintenance_amount_quote=0,
        max_leverage=100,
    )  # fmt: skip
    return audit_account(
        sorted(fills, key=lambda f: f.time_ms), {PAIR: market}, wallet_quote=10_000.0,
        tiers={PAIR: MarginTiers(PAIR, (tier,))}, slippage_frac=0.0001,
    )  # fmt: skip


def make_training(until_ms: int) -> TrainingRecord:
    day = 24 * HOUR
    manifest = {
        "network": "lstm",
        "parameters": 53_000,
        "context_candles": 96,
        "context_gap_sd": {"96": 4.1e-5},
        "calibration": {
            "moves_slope": 0.84,
            "direction_slope": 0.31,
            "rows": 420,
            "edge": {"slope": 0.9, "low": 0.7, "rows": 420},
        },
        "spans_ms": {"train": [until_ms - 180 * day, until_ms - 60 * day]},
        "rows": {"train": 2880, "validation": 700, "calibration": 420, "purge": 24},
        "metrics": {
            "validation": {"gain_millibits": 1.3},
            "calibration": {"accuracy_moving": 0.531, "coverage_raw": 0.88},
        },
        "seconds": {"fit": 41.2},
        "seed": 0,
        "versions": {"torch": "2.13.0+cpu", "onnxruntime": "1.31.1"},
        "onnx_sha256": "f00d" * 16,
    }
    return TrainingRecord(pair=PAIR, trained_until_ms=until_ms, manifest=manifest)
