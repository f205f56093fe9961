"""An agent's trades in Freqtrade's own backtest, and in its own market, side by side."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from freqtrade.configuration import Configuration
from freqtrade.enums import CandleType, MarginMode, RunMode, TradingMode
from freqtrade.exchange import amount_to_contract_precision, price_to_precision
from freqtrade.exchange.exchange_utils import ROUND_DOWN, ROUND_UP
from freqtrade.optimize.backtesting import Backtesting
from freqtrade.persistence import LocalTrade

from models.base.policy import NO_CHOICE
from models.base.types import BoolArray, FloatArray
from models.base.windows import Span
from models.learn.agents.account import Account, AccountRules, AgentFill, Rounding
from models.learn.agents.environment import AgentMarket, walk
from strategies.bot.agent import AgentStrategy
from tests.exchange.client import ccxt_config
from tests.exchange.server import running_exchange
from tests.places import USER_DATA

PAIR: Final = "BTC/USDT:USDT"
HOUR: Final = pd.Timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Backtested:
    """One backtest: its fills in order, the analysed candles, and what the account had."""

    fills: list[AgentFill]
    frame: pd.DataFrame  # the analysed candles, the warm-up too
    first: int  # row of the first that was decided on
    funding: FloatArray  # (N,) a long pays at each candle's open, per base unit
    trades: list[LocalTrade]
    final_quote: float
    fee: float
    rounding: Rounding
    strategy: AgentStrategy
    barred: frozenset[pd.Timestamp]  # closes at which a guard let no new risk pass, or not all


def config_of(
    folder: Path, datadir: Path, url: str, timerange: str, **changes: Any
) -> dict[str, Any]:
    """Return the shipped config of the agents, pointed to the loopback exchange."""
    userdir = folder / "user_data"
    userdir.mkdir(parents=True, exist_ok=True)
    file = userdir / "config_test.json"
    made: dict[str, Any] = {"add_config_files": [str(USER_DATA / "config_agent.json")], **changes}
    file.write_text(json.dumps(made), encoding="utf-8")
    config: dict[str, Any] = Configuration.from_files([str(file)])
    config["exchange"]["ccxt_config"] = ccxt_config(url)
    config.update(
        runmode=RunMode.BACKTEST, user_data_dir=userdir, datadir=datadir, timerange=timerange,
        candle_type_def=CandleType.FUTURES, trading_mode=TradingMode.FUTURES,
        margin_mode=MarginMode.CROSS, export="none", original_config={}, pairs=[PAIR],
        config_files=[file],
    )  # fmt: skip
    return config


@contextmanager
def backtest_of(
    folder: Path, datadir: Path, timerange: str, changes: Mapping[str, Any]
) -> Iterator[Backtesting]:
    """Yield Freqtrade's backtester with the strategy of the config."""
    with running_exchange() as url:
        config = config_of(folder, datadir, url, timerange, **changes)
        try:
            yield Backtesting(config)
        finally:
            Backtesting.cleanup()


def backtested(folder: Path, datadir: Path, timerange: str, **changes: Any) -> Backtested:
    """Run Freqtrade's backtest and return what was filled."""
    with backtest_of(folder, datadir, timerange, changes) as one:
        data, span = one.load_bt_data()
        strategy = one.strategylist[0]
        one._set_strategy(strategy)
        barred = _note_cuts(strategy)
        frame = strategy.ft_advise_signals(
            strategy.advise_all_indicators(data)[PAIR], {"pair": PAIR}
        )
        start = pd.Timestamp(span.startts, unit="s", tz="UTC")
        result = one.backtest(
            {PAIR: frame.copy()}, span.startdt, frame["date"].iloc[-1].to_pydatetime()
        )
        trades = list(LocalTrade.bt_trades)
        exchange = one.exchange
        step, mode = exchange.get_precision_amount(PAIR), one.precision_mode
        tick, price_mode = one.get_pair_precision(PAIR, start)
    return Backtested(
        fills=_fills(trades, frame, one.fee),
        frame=frame,
        first=int((frame["date"] < start).sum()),
        funding=_funding(one.futures_data[PAIR], frame),
        trades=trades,
        final_quote=float(result["final_balance"]),
        fee=one.fee,
        strategy=strategy,
        barred=frozenset(barred),
        rounding=Rounding(
            amount=lambda x: amount_to_contract_precision(x, step, mode, 1.0),
            # Freqtrade averages in decimals, where half a tick is half a tick.
            price=lambda x: price_to_precision(round(x, 9), tick, price_mode),
            stop=lambda x, side: price_to_precision(
                x, tick, price_mode, rounding_mode=ROUND_UP if side > 0 else ROUND_DOWN
            ),
        ),
    )


def _note_cuts(strategy: AgentStrategy) -> set[pd.Timestamp]:
    """Have the closes noted at which the guards let less pass than was wanted."""
    cut: set[pd.Timestamp] = set()
    decide = strategy.guarding.decide

    def noting(pair: str, side: str, notional: float, price: float, now: Any) -> Any:
        decision = decide(pair, side, notional, price, now)
        if decision.notional_quote < notional * (1 - 1e-6):
            cut.add(pd.Timestamp(now) - HOUR)
        return decision

    strategy.guarding.decide = noting  # type: ignore[method-assign]
    return cut


def _fills(trades: list[LocalTrade], frame: pd.DataFrame, fee: float) -> list[AgentFill]:
    rows = {date: row for row, date in enumerate(frame["date"])}
    out = []
    for trade in trades:
        for order in trade.orders:
            entry = order.ft_order_side == trade.entry_side
            side = (1 if entry else -1) * (-1 if trade.is_short else 1)
            last = order is trade.orders[-1]
            stop = last and "stop" in str(trade.exit_reason)
            kind = "entry" if order is trade.orders[0] else "growth" if entry else "reduction"
            out.append(AgentFill(
                rows[pd.Timestamp(order.order_filled_date)], side, float(order.safe_price),
                float(order.safe_filled), fee * order.safe_price * order.safe_filled,
                -float(order.funding_fee or 0.0),
                "stop" if stop else "exit" if last else kind,
            ))  # fmt: skip
    return out


def _funding(paid: pd.DataFrame, frame: pd.DataFrame) -> FloatArray:
    per_unit = pd.Series((paid["open_fund"] * paid["open_mark"]).to_numpy(), index=paid["date"])
    return per_unit.reindex(frame["date"]).fillna(0.0).to_numpy(np.float64)


def market_of(run: Backtested) -> AgentMarket:
    """Return the candles of a backtest as the agent's own market."""
    prices = {name: run.frame[name].to_numpy(np.float64) for name in ("open", "high", "low")}
    return AgentMarket(
        features=np.zeros((len(run.frame), 1), np.float32),
        **prices,
        close=run.frame["close"].to_numpy(np.float64),
        funding=run.funding,
        sigma=np.nan_to_num(run.frame["sigma"].to_numpy(np.float64)),
        runs=(Span(0, len(run.frame)),),
    )


def replayed(run: Backtested, **changes: Any) -> Account:
    """Return the account that traded the same answers in the agent's market; `changes` to it."""
    rules = AccountRules(positions=run.strategy.positions, cost_frac=run.fee)
    may_grow: BoolArray = ~run.frame["date"].isin(list(run.barred)).to_numpy()
    account = Account(changes.pop("rules", rules), equity_quote=10_000.0, rounding=run.rounding)
    choices = run.strategy._choices(run.frame)
    choices[: run.first] = NO_CHOICE
    market = dataclasses.replace(market_of(run), **changes)
    return walk(choices, market, account, may_grow)


def differences(run: Backtested, account: Account) -> list[str]:
    """Return each fill in which a backtest and a market differ, in words.

    What either still holds at the end it leaves in its own way, and is not compared.
    """
    last = len(run.frame) - 1
    theirs = [fill for fill in run.fills if fill.row < last]
    ours = [fill for fill in account.fills if fill.row < last]
    out = [f"{len(theirs)} fills in the backtest, {len(ours)} in the market"] * (
        len(theirs) != len(ours)
    )
    for a, b in zip(theirs, ours, strict=False):
        same = (a.row, a.side, a.reason) == (b.row, b.side, b.reason)
        close = (
            a.price == b.price
            and abs(a.amount_base - b.amount_base) < 1.5e-3
            and abs(a.fee_quote - b.fee_quote) < 1e-6
            and abs(a.funding_quote - b.funding_quote) < 1e-6
        )
        if not (same and close):
            out.append(f"{a} in the backtest, {b} in the market")
    return out
