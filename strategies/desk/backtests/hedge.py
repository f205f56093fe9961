"""The hedge, end to end: checked data, stock `freqtrade backtesting` of LitecoinHedge, a report.

The backtest is the strategy's; the ladder of baselines runs beside it on the same candles, limits
and costs.
"""

from __future__ import annotations

import dataclasses
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from freqtrade.data.btanalysis import get_latest_backtest_filename, load_backtest_stats
from freqtrade.enums import CandleType
from pandas import DataFrame

from models.base.errors import ConfigError
from models.base.types import Candles, IntArray
from models.base.units import DAY_MS, HOUR_MS
from models.reports.hedge.build import hedge_figures, hedge_numbers
from models.reports.hedge.page import hedge_markdown, write_hedge_report
from models.reports.text import day, show
from models.studies.hedge.account_sizes import liquidity
from models.studies.hedge.backtest import AuditedBacktest, backtest_returns
from models.studies.hedge.effectiveness import HedgedReturns
from models.studies.hedge.ladder import Scene
from models.studies.hedge.measure import HedgeStudy, measure_hedge
from models.studies.hedge.same_coin import same_coin_returns
from models.trade.account.audit import audit_account
from models.trade.account.records import AccountAudit, Fill
from models.trade.hedging.policy import HedgeSignal
from models.trade.hedging.rounding import OrderRules
from models.trade.hedging.simulate import Costs, HedgeMarket
from strategies.account.hedge_config import HedgeConfig, HedgeMode, required_hedge
from strategies.account.tiers import load_binance_tiers
from strategies.bot import hedge_frame
from strategies.bot.config import PackConfig, pack_config
from strategies.bot.data_check import check_backtest_data
from strategies.bot.data_files import DataFile
from strategies.bot.hedge_plan import ORDER_MARGIN, warm_up_candles
from strategies.desk.backtests.configured import configured
from strategies.desk.backtests.data import (
    DataSummary,
    choose_datadir,
    load_checked,
    load_funding,
)
from strategies.desk.backtests.demo import (
    DemoOptions,
    backtest_command,
    newest_models,
    require_futures,
    require_model,
    run_backtest,
)
from strategies.desk.backtests.results import commit, fills, market_path, predictions
from strategies.desk.loopback.symbols import LISTED
from strategies.desk.terminal.places import CONFIGS, USER_DATA
from strategies.desk.terminal.room import kept_report
from strategies.desk.terminal.waiting import PatientWait

_START: Final = "20210101"  # of the default span on real data
_HISTORY_DAYS: Final = 365  # before the span, for baselines that are fitted
_MIN_SPOT_DAYS: Final = 30  # of hours that spot and perpetual both have
_SEED: Final = 20_240_229


@dataclass(frozen=True, kw_only=True)
class HedgeOptions:
    """What the person asked for."""

    config: Path = CONFIGS / "config_litecoin_hedge.json"
    data: Path | None = None
    timerange: str | None = None
    model: str | None = None  # a FreqAI model class; the config needs its freqai block
    userdir: Path = USER_DATA


@dataclass(frozen=True, kw_only=True)
class _Run:
    """One run of the command: what was configured, and what it is run on."""

    options: HedgeOptions
    config: Mapping[str, Any]  # Freqtrade's, with the run's timerange and datadir
    pack: PackConfig
    hedge: HedgeConfig
    data: DataSummary

    @property
    def datadir(self) -> Path:
        return self.data.datadir

    @property
    def pairs(self) -> tuple[str, ...]:
        """The primary, then what hedges it."""
        return (self.hedge.primary.pair, *self.hedge.instruments)

    @property
    def costs(self) -> Costs:
        return Costs(fee_frac=float(self.config["fee"]), slippage_frac=self.pack.slippage_frac)

    @property
    def amount_base(self) -> float:
        """Of the primary, negative for a short."""
        primary = self.hedge.primary
        return primary.amount_base * (1 if primary.side == "long" else -1)


def run_hedge(options: HedgeOptions) -> int:
    """Run the backtest and write the report; return the process exit code."""
    run = _prepared(options)
    command = _command(run)
    log, started = options.userdir / "logs" / "hedge.log", time.time()
    code, failures = run_backtest(command, log)
    if code != 0:
        print(f"freqtrade failed with exit code {code}; log: {log}", file=sys.stderr)
        return code
    print("measuring the baselines", flush=True)
    with PatientWait("measuring the baselines") as waiting:
        study = _load_study(run, started)
        measures = measure_hedge(study, _SEED, waiting.done)
        provenance = _provenance(run, study, shlex.join(["freqtrade", *command[3:]]))
    numbers = hedge_numbers(study, measures, provenance, failures, options.model)
    figures, now_ms = hedge_figures(study, measures), int(datetime.now(UTC).timestamp() * 1000)
    print(f"\n{hedge_markdown(numbers['table'])}", flush=True)
    folder = kept_report(
        lambda place: write_hedge_report(numbers, figures, place, now_ms),
        options.userdir / "reports",
    )
    print(f"\nreport: {folder / 'index.html'}\nnumbers: {folder / 'report.json'}")
    if failures:
        print(f"{len(failures)} faults in the log, first: {failures[0]}", file=sys.stderr)
        return 1
    return 0


# -- before the backtest --------------------------------------------------------------------------


def _prepared(options: HedgeOptions) -> _Run:
    """Return the checked configuration and data; prints which.

    Raises
    ------
    ConfigError
        If the config cannot be backtested, or it and the model do not fit.
    """
    config = configured(options.config, options.userdir)
    require_futures(config)
    if options.model is not None:
        require_model(options.model, options.userdir)
    pack = pack_config(config)
    hedge = required_hedge(config, pack.hedge)
    if hedge.mode is not HedgeMode.OWN or not hedge.open_primary:
        raise ConfigError(
            "a backtest needs the position in the same account",
            where=str(options.config),
            cure='set breakwater.hedge.mode "own" and open_primary true; or use --config',
        )
    if bool(options.model) != bool((config.get("freqai") or {}).get("enabled")):
        raise ConfigError(
            f"expected a model where FreqAI is configured, and only there; got {options.model}",
            where=str(options.config),
            cure="with --model, give --config user_data/config_litecoin_hedge_model.json",
        )
    datadir = choose_datadir(options.data, options.userdir).resolve()
    timerange = options.timerange or hedge_timerange(datadir, config, hedge)
    config = {**config, "timerange": timerange, "datadir": datadir}
    data = check_backtest_data(config, warm_up_candles(hedge, bool(options.model)))
    print(f"data: {data.source}, {datadir}", flush=True)
    print(f"span: {timerange}, ratios from the candles before each", flush=True)
    return _Run(options=options, config=config, pack=pack, hedge=hedge, data=data)


def hedge_timerange(datadir: Path, config: Mapping[str, Any], hedge: HedgeConfig) -> str:
    """Return 2021 to the last whole day on real data; all but the warm-up where there is less."""
    candles = load_checked(datadir, hedge.primary.pair, config["timeframe"])
    funding, _ = load_funding(datadir, hedge.primary.pair)
    first = int(candles.time_ms[0]) + (hedge.baseline.candles_needed + 48) * HOUR_MS
    wanted = datetime.strptime(_START, "%Y%m%d").replace(tzinfo=UTC)
    start = max(-(-first // DAY_MS) * DAY_MS, int(wanted.timestamp() * 1000))
    last = min(int(candles.time_ms[-1]), int(funding[-1]) + 8 * HOUR_MS)
    days = (datetime.fromtimestamp(t / 1000, tz=UTC) for t in (start, last // DAY_MS * DAY_MS))
    return "-".join(f"{moment:%Y%m%d}" for moment in days)


def _command(run: _Run) -> list[str]:
    """Return the stock Freqtrade command line, without a model if none is asked for."""
    options = run.options
    demo = DemoOptions(config=options.config, strategy="LitecoinHedge", userdir=options.userdir)
    if options.model:
        demo = dataclasses.replace(demo, model=options.model)
    command = backtest_command(demo, run.datadir, run.config["timerange"])
    if not options.model:
        at = command.index("--freqaimodel")
        command[at : at + 4] = []
    return command


# -- after it -------------------------------------------------------------------------------------


def _load_study(run: _Run, started_s: float) -> HedgeStudy:
    """Return everything that is measured: the finished backtest and the candles beside it."""
    backtest = _audited(run)
    measured = backtest_returns(backtest)
    start_ms, stop_ms = _span(measured)
    scene, candles = _scene(run, start_ms, stop_ms)
    return HedgeStudy(
        scene=scene,
        order_rules=_order_rules(run.pairs),
        order_margin=ORDER_MARGIN,
        liquidity=liquidity(
            np.column_stack([c.close for c in candles]),
            np.column_stack([c.volume for c in candles]),
        ),
        backtest=backtest,
        measured=measured,
        signals=_signals(run, scene.time_ms, started_s) if run.options.model else None,
        tiers=list(load_binance_tiers(run.pairs).values()),
        same_coin=_same_coin(run, start_ms, stop_ms),
        leverage=run.hedge.primary.leverage,
    )


def _span(measured: HedgedReturns) -> tuple[int, int]:
    """Return first hour and end of what is measured, UTC milliseconds."""
    return int(measured.time_ms[0]), int(measured.time_ms[-1]) + HOUR_MS


def _audited(run: _Run) -> AuditedBacktest:
    results = run.options.userdir / "backtest_results"
    stats = load_backtest_stats(results / get_latest_backtest_filename(results))
    result = stats["strategy"]["LitecoinHedge"]
    start_ms, stop_ms = result["backtest_start_ts"], result["backtest_end_ts"]
    markets = {pair: market_path(run.datadir, pair, start_ms, stop_ms) for pair in run.pairs}
    done = fills(result["trades"])
    tiers = load_binance_tiers(run.pairs)

    def audit(kept: Sequence[Fill]) -> AccountAudit:
        return audit_account(
            kept,
            markets,
            wallet_quote=float(result["starting_balance"]),
            tiers=tiers,
            slippage_frac=run.pack.slippage_frac,
        )

    return AuditedBacktest(
        both=audit(done),
        alone=audit([f for f in done if f.pair == run.hedge.primary.pair]),
        fills=done,
        markets=markets,
    )


def _order_rules(pairs: Sequence[str]) -> list[OrderRules]:
    """Return lots and smallest orders as the loopback exchange lists them, of others any amount."""
    listed = {f"{s.base}/USDT:USDT": s for s in LISTED}
    return [
        OrderRules(lot_base=float(listed[p].lot), min_notional_quote=float(listed[p].min_notional))
        if p in listed
        else OrderRules()
        for p in pairs
    ]


def _scene(run: _Run, start_ms: int, stop_ms: int) -> tuple[Scene, list[Candles]]:
    first = [int(load_checked(run.datadir, pair, "1h").time_ms[0]) for pair in run.pairs]
    from_ms = max(start_ms - _HISTORY_DAYS * DAY_MS, *first)
    candles = [
        load_checked(run.datadir, pair, "1h", start_ms=from_ms, stop_ms=stop_ms)
        for pair in run.pairs
    ]
    own, *legs = (_market(run.datadir, p, c) for p, c in zip(run.pairs, candles, strict=True))
    time_ms = candles[0].time_ms
    scene = Scene(
        time_ms=time_ms,
        primary=own,
        hedges=legs,
        low=np.column_stack([c.low for c in candles]),
        high=np.column_stack([c.high for c in candles]),
        amount_base=run.amount_base,
        start=int(np.searchsorted(time_ms, start_ms)),
        costs=run.costs,
        baseline=run.hedge.baseline,
        policy=run.hedge.policy,
    )
    return scene, candles


def _market(datadir: Path, pair: str, c: Candles) -> HedgeMarket:
    paid_ms, rate = load_funding(datadir, pair)
    due = np.zeros(len(c))
    row = np.searchsorted(c.time_ms, paid_ms - paid_ms % HOUR_MS)
    here = (row < len(c)) & (paid_ms >= c.time_ms[0])
    due[row[here]] = rate[here]
    return HedgeMarket(pair=pair, open=c.open, close=c.close, funding_rate=due)


def _signals(run: _Run, time_ms: IntArray, started_s: float) -> list[HedgeSignal]:
    """Return the model's signal at every candle, as the strategy sees it."""
    primary = run.hedge.primary
    identifier = run.config["freqai"]["identifier"]
    folder = newest_models(run.options.userdir, identifier, started_s)
    known = hedge_frame.signal_columns(predictions(folder, primary.pair), primary.side)
    known["date"] = known["date"].dt.as_unit("ms")
    dates = DataFrame({"date": pd.DatetimeIndex(time_ms.astype("datetime64[ms]"), tz="UTC")})
    frame = hedge_frame.with_signal(dates, known)
    return [hedge_frame.signal_of(row) for _, row in frame.iterrows()]


def _same_coin(run: _Run, start_ms: int, stop_ms: int) -> HedgedReturns | None:
    """Return what the perpetual does for the same coin held as spot; None without spot candles."""
    pair = run.hedge.primary.pair
    file = DataFile(
        datadir=run.datadir, pair=pair.split(":")[0], timeframe="1h", candle_type=CandleType.SPOT
    )
    if not file.path.is_file():
        return None
    perpetual = load_checked(run.datadir, pair, "1h", start_ms=start_ms, stop_ms=stop_ms)
    time_ms, spot = file.read()
    # Spot had outages: only hours both markets have.
    _, rows, others = np.intersect1d(time_ms, perpetual.time_ms, return_indices=True)
    if len(rows) < 24 * _MIN_SPOT_DAYS:
        return None
    held = Candles(time_ms=time_ms[rows], **{name: v[rows] for name, v in spot.items()})
    leg = Candles(
        **{name: getattr(perpetual, name)[others] for name in perpetual.__dataclass_fields__}
    )
    own = HedgeMarket(
        pair="spot", open=held.open, close=held.close, funding_rate=np.zeros(len(held))
    )
    return same_coin_returns(
        held.time_ms,
        own,
        _market(run.datadir, pair, leg),
        run.hedge.primary.amount_base,
        run.costs,
    )


def _provenance(run: _Run, study: HedgeStudy, command: str) -> dict[str, Any]:
    """Return what the report says of how it was made."""
    primary, data = run.hedge.primary, run.data
    start_ms, stop_ms = _span(study.measured)
    return {
        "title": f"Hedge of a {primary.side} Litecoin position",
        "span": f"{day(start_ms)} to {day(stop_ms)}",
        "position": f"{primary.side} {primary.amount_base:g} {primary.pair}, hedged with "
        + " and ".join(run.hedge.instruments),
        "data": f"{data.source} data, hash {data.sha256[:12]}",
        "simulated": data.source == "simulated",
        "slippage": show(run.pack.slippage_frac, "pct2"),
        "max_ratio": run.hedge.policy.max_ratio,
        "number": show(run.hedge.worst_day_equity_frac, "pct"),
        "commit": commit(),
        "command": command,
        "seeds": {"bootstrap": _SEED},
        "data_sha256": data.sha256,
        "config": run.config.get("breakwater"),
    }
