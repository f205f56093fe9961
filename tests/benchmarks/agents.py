"""What the agents trade and earn in Freqtrade's own backtest, and whether it is their market's.

Run ``python -m tests.benchmarks.agents --data DIR [--timerange 20250203-20250930] [--days 80]``,
DIR being Freqtrade's data directory of an exchange. Each model is trained by FreqAI on the 730 days
before each window, one seed, and traded by `BitcoinAgent` with the shipped config; the same answers
are then traded by the agents' own market (`tests.test_integration.agent_world`) and the fills
compared one by one. Where a guard let no risk be added, the market is told so. Results carry 95 %
intervals by a stationary bootstrap over days; fees and funding are in them, slippage is not.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from models.base.types import FloatArray, IntArray
from models.base.units import DAY_MS
from models.evaluate.metrics.equity import daily_returns, equity_metrics, excess_return
from strategies.bot.frames import time_ms
from tests.places import ROOT
from tests.test_integration.agent_world import Backtested, backtested, differences, replayed

START_QUOTE = 10_000.0
HOUR_MS = DAY_MS // 24


def equity_of(run: Backtested) -> FloatArray:
    """Return the equity at each candle's close, (N,), from the backtest's fills alone."""
    close = run.frame["close"].to_numpy(np.float64)
    cash, held = np.zeros(len(close)), np.zeros(len(close))
    for fill in run.fills:
        cash[fill.row] -= fill.side * fill.amount_base * fill.price
        cash[fill.row] -= fill.fee_quote + fill.funding_quote
        held[fill.row] += fill.side * fill.amount_base
    out: FloatArray = START_QUOTE + np.cumsum(cash) + np.cumsum(held) * close
    return out


def compared(run: Backtested) -> dict[str, Any]:
    """Return how many fills were compared, and the largest differences of those that pair up."""
    account, last = replayed(run), len(run.frame) - 1
    pairs = [
        (a, b) for a, b in zip(run.fills, account.fills, strict=False) if max(a.row, b.row) < last
    ]

    def largest(name: str) -> float:
        return max((abs(getattr(a, name) - getattr(b, name)) for a, b in pairs), default=0.0)

    found = differences(run, account)
    return {
        "fills": len(pairs),
        "differ": len(found),
        "first": found[:3],
        "kinds": dict(Counter(a.reason for a, _ in pairs)),
        "largest": {
            name: largest(name) for name in ("price", "amount_base", "fee_quote", "funding_quote")
        },
        "closes_cut": len(run.barred),
    }


def earned(run: Backtested) -> dict[str, Any]:
    """Return trades and net result against flat and against holding, each with its interval."""
    rows = slice(run.first + 1, None)
    times: IntArray = time_ms(run.frame)[rows]
    equity = equity_of(run)[rows]
    rng = np.random.default_rng(0)
    measured = equity_metrics(times, equity, START_QUOTE, HOUR_MS, rng)
    largest = run.strategy.positions.leverages[-1]
    price = run.frame["close"].to_numpy(np.float64)[rows]
    bought = float(run.frame["open"].iloc[run.first + 1])
    # Without funding, which a holder of the perpetual would have paid as well.
    hold = START_QUOTE * (1 - largest * run.fee + largest * (price / bought - 1))
    returns = daily_returns(times, equity, START_QUOTE)
    held = daily_returns(times, hold, START_QUOTE)
    return {
        "trades": len(run.trades),
        "net": measured["total_return_frac"],
        "sharpe": measured["sharpe"],
        "max_drawdown": measured["max_drawdown_frac"],
        "hold": float(hold[-1] / START_QUOTE - 1),
        "beyond_hold": excess_return(returns, held, rng).as_dict(),
        "fees_quote": sum(fill.fee_quote for fill in run.fills),
        "funding_quote": sum(fill.funding_quote for fill in run.fills),
    }


def measured_of(model: str, data: Path, timerange: str, days: int, steps: int) -> dict[str, Any]:
    """Train, backtest and replay one model."""
    training = {"network": {"steps": steps}}
    with tempfile.TemporaryDirectory() as folder:
        run = backtested(
            Path(folder), data, timerange, freqaimodel=model,
            strategy_path=str(ROOT / "strategies"), freqaimodel_path=str(ROOT / "freqaimodels"),
            freqai={"backtest_period_days": days, "model_training_parameters": training},
        )  # fmt: skip
    return {**earned(run), "market": compared(run)}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="tests.benchmarks.agents", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--timerange", default="20250203-20250930")
    parser.add_argument("--days", type=int, default=80, help="of each window")
    parser.add_argument("--models", nargs="+", default=["PPOForecaster", "A2CForecaster"])
    parser.add_argument("--steps", type=int, default=40_960)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    logging.disable(logging.INFO)
    report = {}
    for model in options.models:
        report[model] = measured_of(
            model, options.data, options.timerange, options.days, options.steps
        )
        print(model, json.dumps(report[model], indent=1), flush=True)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
