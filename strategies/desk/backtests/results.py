"""A finished `freqtrade backtesting` run, read back as the record a report is made from."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from freqtrade.data.btanalysis import get_latest_backtest_filename, load_backtest_stats
from freqtrade.enums import CandleType
from freqtrade.exchange import timeframe_to_msecs

from models.base import columns
from models.base.errors import InputError
from models.base.files import read_regular
from models.base.types import Candles, FloatArray
from models.data.labels.returns import forward_log_return
from models.data.labels.settings import LabelSettings
from models.data.labels.targets import label_columns
from models.reports.backtest.record import (
    ForecastSeries,
    RunRecord,
    TradeRecord,
    TrainingRecord,
)
from models.trade.account.audit import AccountAudit, Fill, MarketPath, audit_account
from strategies.account.tiers import load_binance_tiers
from strategies.bot import frames
from strategies.bot.config import pack_config
from strategies.desk.backtests.data import MARK_TIMEFRAME, DataSummary, load_checked, load_funding
from strategies.desk.terminal.places import CODE_ROOT

# Exits that happen inside a candle; Freqtrade stamps them with the candle's open time.
_INSIDE_CANDLE = ("stop_loss", "stoploss", "liquidation", "roi")


@dataclass(frozen=True, kw_only=True)
class Run:
    """Where a finished run left its parts."""

    strategy: str
    model: str
    config: Mapping[str, Any]
    results_dir: Path
    model_dir: Path  # user_data/models/<identifier>
    data: DataSummary
    labels: LabelSettings
    slippage_frac: float
    command: str
    created_ms: int
    failures: tuple[str, ...]
    follows_forecasts: bool = False  # whether it enters by `models.trade.decision.signals`
    refused: Mapping[str, int] = field(default_factory=dict)  # the guards' reason -> how often


def load_record(run: Run) -> RunRecord:
    """Return everything the report shows about `run`; audits the account on the way."""
    stats = load_backtest_stats(run.results_dir / get_latest_backtest_filename(run.results_dir))
    result = stats["strategy"][run.strategy]
    start_ms, stop_ms = result["backtest_start_ts"], result["backtest_end_ts"]
    pairs = tuple(run.config["exchange"]["pair_whitelist"])
    timeframe = run.config["timeframe"]
    candles = {pair: load_checked(run.data.datadir, pair, timeframe) for pair in pairs}
    wallet = float(result["starting_balance"])
    decision = pack_config(run.config).decision
    return RunRecord(
        title=f"{run.strategy} with {run.model}",
        strategy=run.strategy,
        model=run.model,
        pairs=pairs,
        timeframe=timeframe,
        candle_ms=timeframe_to_msecs(timeframe),
        start_ms=start_ms,
        stop_ms=stop_ms,
        stake_currency=run.config["stake_currency"],
        start_wallet_quote=wallet,
        engine=_engine(result),
        candles={pair: _between(c, start_ms, stop_ms) for pair, c in candles.items()},
        trades=tuple(_trade(t) for t in result["trades"]),
        forecasts=tuple(_forecast(run, pair, candles[pair]) for pair in pairs),
        trainings=trainings(run.model_dir),
        audit=audit(
            result["trades"],
            pairs,
            run.data.datadir,
            (start_ms, stop_ms),
            wallet,
            run.slippage_frac,
        ),
        data_label=run.data.source,
        data_source=", ".join(sorted({f.path.name for f in run.data.files})),
        data_sha256=run.data.sha256,
        commit=commit(),
        config=run.config,
        seeds={"training": int(run.config["freqai"].get("seed", 0))},
        command=run.command,
        created_ms=run.created_ms,
        failures=run.failures,
        datadir=str(run.data.datadir),
        min_edge_costs=decision.min_edge_costs,
        decision=decision if run.follows_forecasts else None,
        refused=run.refused,
        model_dir=str(run.model_dir),
        edge_waived=columns.HEAD_QUANTILES in decision.without,
    )


def audit(
    trades: list[dict[str, Any]],
    pairs: Sequence[str],
    datadir: Path,
    span_ms: tuple[int, int],
    wallet_quote: float,
    slippage_frac: float,
) -> AccountAudit:
    """Replay the trades of a run against the pack's own cross-margin account."""
    return audit_account(
        fills(trades),
        {pair: market_path(datadir, pair, *span_ms) for pair in pairs},
        wallet_quote=wallet_quote,
        tiers=load_binance_tiers(pairs),
        slippage_frac=slippage_frac,
    )


def fills(trades: list[dict[str, Any]]) -> list[Fill]:
    """Return every order of the engine's trades as a signed fill, oldest first.

    Freqtrade stamps everything with the candle's open. A stop happens inside the candle, so it is
    put one millisecond later, and a new entry of the pair in that candle comes after the stop.
    """
    out = []
    last: dict[str, int] = {}
    for trade in sorted(trades, key=lambda t: (t["open_timestamp"], t["close_timestamp"])):
        inside = any(word in trade["exit_reason"] for word in _INSIDE_CANDLE)
        for order in trade["orders"]:
            entry = order["ft_is_entry"]
            # One millisecond past the open is "inside": the position faced the candle's extreme.
            time_ms = int(order["order_filled_timestamp"]) + (1 if inside and not entry else 0)
            if time_ms < last.get(trade["pair"], 0):
                time_ms = last[trade["pair"]] + 1
            last[trade["pair"]] = time_ms
            out.append(_fill(trade, order, time_ms))
    return sorted(out, key=lambda f: f.time_ms)


def _fill(trade: dict[str, Any], order: dict[str, Any], time_ms: int) -> Fill:
    entry = order["ft_is_entry"]
    amount = float(order["filled"] if order.get("filled") else order["amount"])
    price = float(order["safe_price"])
    fee = trade["fee_open"] if entry else trade["fee_close"]
    return Fill(
        time_ms=time_ms,
        pair=trade["pair"],
        amount_base=amount if entry != trade["is_short"] else -amount,  # a short's entry sells
        price_quote=price,
        fee_quote=amount * price * float(fee),
    )


def market_path(datadir: Path, pair: str, start_ms: int, stop_ms: int) -> MarketPath:
    """Return mark candles of [start, stop] with the funding paid at each candle's open."""
    step = timeframe_to_msecs(MARK_TIMEFRAME)
    stop_ms += step  # the engine's end is the open time of the last candle
    mark = load_checked(
        datadir, pair, MARK_TIMEFRAME, CandleType.MARK, start_ms=start_ms, stop_ms=stop_ms
    )
    paid_ms, rate = load_funding(datadir, pair, start_ms=start_ms, stop_ms=stop_ms)
    funding = np.full(len(mark), np.nan)
    row = (paid_ms - mark.time_ms[0]) // step
    here = (row >= 0) & (row < len(mark))
    funding[row[here]] = rate[here]
    return MarketPath(
        pair=pair,
        time_ms=mark.time_ms,
        open=mark.open,
        high=mark.high,
        low=mark.low,
        close=mark.close,
        funding_rate=funding,
    )


def predictions(model_dir: Path, pair: str) -> pd.DataFrame:
    """Return the forecasts FreqAI stored for `pair`, oldest first.

    Raises
    ------
    InputError
        If there are none.
    """
    coin = pair.split("/")[0].lower()
    folder = model_dir / "backtesting_predictions"
    files = sorted(folder.glob(f"cb_{coin}_*_prediction.feather"))
    if not files:
        raise InputError(f"no stored forecasts for {pair}", where=str(folder))
    frame = pd.concat(
        [pd.read_feather(io.BytesIO(read_regular(path))) for path in files], ignore_index=True
    )
    frame = frame.drop_duplicates("date", keep="last").sort_values("date", ignore_index=True)
    return frames.restore_missing_forecasts(frame)


def trainings(model_dir: Path) -> tuple[TrainingRecord, ...]:
    """Return the manifest of every training the run made or reused, oldest first."""
    out = []
    for path in model_dir.glob("sub-train-*/*_metadata.json"):
        data = json.loads(read_regular(path))
        if "breakwater_manifest" in data:
            coin, stamp = path.parent.name.removeprefix("sub-train-").rsplit("_", 1)
            out.append(
                TrainingRecord(
                    pair=coin,
                    trained_until_ms=int(stamp) * 1000,
                    manifest=data["breakwater_manifest"],
                )
            )
    return tuple(sorted(out, key=lambda t: (t.trained_until_ms, t.pair)))


def commit() -> str:
    """Return the checked-out commit, marked if the tree differs from it, or "unknown"."""
    if not (CODE_ROOT / ".git").exists():  # installed, perhaps inside somebody else's repository
        return "unknown"
    asked = subprocess.run(
        ["git", "describe", "--always", "--abbrev=12", "--dirty"],
        cwd=CODE_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip() if asked.returncode == 0 else "unknown"


def _forecast(run: Run, pair: str, candles: Candles) -> ForecastSeries:
    frame = predictions(run.model_dir, pair)
    times = frames.time_ms(frame)
    outcome = label_columns(candles, timeframe_to_msecs(run.config["timeframe"]), run.labels)
    outcome["return"] = forward_log_return(candles.close, run.labels.horizon_candles)
    row = np.searchsorted(candles.time_ms, times)

    def at(name: str) -> FloatArray:
        values: FloatArray = outcome[name][row]
        return values

    return ForecastSeries(
        pair=pair,
        time_ms=times,
        values=frames.forecast(frame),
        do_predict=frame["do_predict"].to_numpy(np.float64),
        horizon_candles=run.labels.horizon_candles,
        cost_frac=run.labels.cost_frac,
        outcome_return=at("return"),
        outcome_class=at(columns.LABEL_DIRECTION),
        outcome_cascade_down=at(columns.LABEL_CASCADE_DOWN),
        outcome_cascade_up=at(columns.LABEL_CASCADE_UP),
        cascade_horizon_candles=run.labels.cascade_horizon_candles,
    )


def _trade(t: Mapping[str, Any]) -> TradeRecord:
    amount = float(t["amount"])
    fee = amount * (t["open_rate"] * t["fee_open"] + t["close_rate"] * t["fee_close"])
    return TradeRecord(
        pair=t["pair"],
        side=-1 if t["is_short"] else 1,
        open_ms=int(t["open_timestamp"]),
        close_ms=int(t["close_timestamp"]),
        open_rate=float(t["open_rate"]),
        close_rate=float(t["close_rate"]),
        amount_base=amount,
        leverage=float(t["leverage"]),
        stake_quote=float(t["stake_amount"]),
        fee_quote=float(fee),
        funding_quote=float(t.get("funding_fees") or 0.0),
        profit_quote=float(t["profit_abs"]),
        enter_tag=t.get("enter_tag") or "",
        exit_reason=t["exit_reason"],
    )


def _engine(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the engine's own totals, numbers and texts only."""
    return {
        key: value for key, value in result.items() if isinstance(value, int | float | str | bool)
    }


def _between(c: Candles, start_ms: int, stop_ms: int) -> Candles:
    return c.cut((c.time_ms >= start_ms) & (c.time_ms <= stop_ms))
