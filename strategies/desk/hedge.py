"""The hedge, end to end: checked data, stock `freqtrade backtesting` of LitecoinHedge, a report.

The backtest is the strategy's; the ladder of baselines runs beside it on the same candles, limits
and costs.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from freqtrade.configuration import Configuration
from freqtrade.data.btanalysis import get_latest_backtest_filename, load_backtest_stats
from freqtrade.enums import CandleType
from pandas import DataFrame

from models.base.errors import ConfigError
from models.base.types import Candles, IntArray
from models.base.units import DAY_MS, HOUR_MS
from models.reports.hedge.figures import crash_figure, hedge_equity_figure, ratio_figure
from models.reports.hedge.page import write_hedge_report
from models.reports.hedge.verdict import bars, hedge_verdict
from models.reports.text import day, show
from models.studies.hedge import ladder
from models.studies.hedge.crashes import NAMED, NamedCrash, worst_weeks
from models.studies.hedge.effectiveness import (
    HedgedReturns,
    effectiveness,
    episode,
    paired,
    unhedged,
)
from models.studies.hedge.survival import Legs, survival
from models.trade.account.audit import AccountAudit, Fill, MarketPath, audit_account
from models.trade.hedging.policy import HedgeSignal
from models.trade.hedging.simulate import Costs, HedgeMarket, HedgePath, banded, simulate
from strategies.account.tiers import load_binance_tiers
from strategies.bot import hedge_frame
from strategies.bot.config import PackConfig, pack_config
from strategies.bot.data_check import check_backtest_data
from strategies.bot.hedge import warm_up_candles
from strategies.bot.hedge_config import HedgeConfig, HedgeMode, required_hedge
from strategies.desk.data import (
    DataSummary,
    choose_datadir,
    load_checked,
    load_funding,
)
from strategies.desk.data_files import DataFile
from strategies.desk.demo import (
    DemoOptions,
    backtest_command,
    newest_models,
    run_backtest,
)
from strategies.desk.places import CONFIGS, USER_DATA
from strategies.desk.results import commit, fills, market_path, predictions

_START: Final = "20210101"  # of the default span on real data
_HISTORY_DAYS: Final = 365  # before the span, for baselines that are fitted
_SEED: Final = 20_240_229
_LEVERAGES: Final = (2.0, 3.0, 5.0, 10.0)


@dataclass(frozen=True, kw_only=True)
class HedgeOptions:
    """What the person asked for."""

    config: Path = CONFIGS / "config_litecoin_hedge.json"
    data: Path | None = None
    timerange: str | None = None
    model: str | None = None  # a FreqAI model class; the config needs its freqai block
    userdir: Path = USER_DATA


@dataclass(frozen=True, kw_only=True)
class _Backtest:
    """A finished backtest of the strategy, audited with the hedge and without."""

    both: AccountAudit
    alone: AccountAudit
    fills: Sequence[Fill]
    markets: Mapping[str, MarketPath]  # mark candles, the primary first


def run_hedge(options: HedgeOptions) -> int:
    """Run the backtest and write the report; return the process exit code."""
    config = Configuration.from_files([str(options.config)])
    options.userdir.mkdir(parents=True, exist_ok=True)
    block = pack_config(config)
    hedge = required_hedge(config, block.hedge)
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
    demo = DemoOptions(
        config=options.config, strategy="LitecoinHedge", userdir=options.userdir,
        **({"model": options.model} if options.model else {}),
    )  # fmt: skip
    command = backtest_command(demo, datadir, timerange)
    if not options.model:
        at = command.index("--freqaimodel")
        command[at : at + 4] = []
    log, started = options.userdir / "logs" / "hedge.log", time.time()
    code, failures = run_backtest(command, log)
    if code != 0:
        print(f"freqtrade failed with exit code {code}; log: {log}", file=sys.stderr)
        return code
    print("measuring the baselines", flush=True)
    forecasts = None
    if options.model:
        folder = newest_models(options.userdir, config["freqai"]["identifier"], started)
        forecasts = predictions(folder, hedge.primary.pair)
    folder = _report(
        options, config, hedge, block, data, failures, shlex.join(["freqtrade", *command[3:]]),
        forecasts,
    )  # fmt: skip
    print(f"\nreport: {folder / 'index.html'}\nnumbers: {folder / 'report.json'}")
    if failures:
        print(f"{len(failures)} faults in the log, first: {failures[0]}", file=sys.stderr)
        return 1
    return 0


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


def _report(
    options: HedgeOptions, config: Mapping[str, Any], hedge: HedgeConfig, block: PackConfig,
    data: DataSummary, failures: Sequence[str], command: str, forecasts: DataFrame | None = None,
) -> Path:  # fmt: skip
    datadir = Path(config["datadir"])
    run = _load_backtest(options, config, hedge, block, datadir)
    measured = as_returns(run, hedge)
    start_ms, stop_ms = int(measured.time_ms[0]), int(measured.time_ms[-1]) + HOUR_MS
    scene = _scene(datadir, hedge, block, float(config["fee"]), start_ms, stop_ms)
    rng = np.random.default_rng(_SEED)

    path = scene.ours()
    ours = scene.returns(path)
    lean, leaning = None, []
    if forecasts is not None:
        with_model = scene.returns(scene.ours(_signals(forecasts, scene.time_ms, hedge)))
        without, *_ = ladder.matched(scene, scene.baseline_target(), with_model)
        lean = paired(with_model, without, rng)
        leaning = [("baseline and model, simulated", with_model),
                   ("baseline at its ratio and cost", without)]  # fmt: skip
    tighter = replace(
        scene, policy=replace(hedge.policy, max_ratio=min(hedge.policy.max_ratio, 1.0))
    )
    within_one = tighter.returns(tighter.ours())
    targets = scene.targets()
    natural = ladder.natural(scene, targets)
    numbers = {name: effectiveness(r, rng) for name, r in natural.items()}
    backtested, limited = effectiveness(measured, rng), effectiveness(within_one, rng)
    table = [
        {"name": "LitecoinHedge, backtested", "ours": True, **backtested},
        {"name": "the same, simulated", "ours": True, **effectiveness(ours, rng)},
        {"name": "the same, ratio at most 1", "ours": False, **limited},
        {"name": "no hedge", "ours": False, **effectiveness(unhedged(ours), rng)},
        *({"name": n, "ours": False, **effectiveness(r, rng)} for n, r in leaning),
        *({"name": name, "ours": False, **row} for name, row in numbers.items()),
    ]
    matched = []
    for name, target in targets.items():
        theirs, scale, width = ladder.matched(scene, target, ours)
        matched.append({
            "name": name, "scale": scale, "width": width, **effectiveness(theirs, rng),
            "gap": paired(ours, theirs, rng),
        })  # fmt: skip
    crashes = _episodes(measured, NAMED)
    same_coin = _same_coin(datadir, hedge, block, float(config["fee"]), start_ms, stop_ms, rng)
    rows = bars(backtested, numbers["EWMA 48 h, band 0.25"], crashes, same_coin,
                limited if hedge.policy.max_ratio > 1 else None)  # fmt: skip
    if not crashes:
        crashes = _episodes(measured, worst_weeks(measured.time_ms, measured.primary))
    primary = hedge.primary
    out = {
        "format": 1,
        "kind": "hedge",
        "verdict": hedge_verdict(rows, options.model, lean),
        "lean": lean,
        "bars": rows,
        "failures": list(failures),
        "run": {
            "title": f"Hedge of a {primary.side} Litecoin position",
            "span": f"{day(start_ms)} to {day(stop_ms)}",
            "position": f"{primary.side} {primary.amount_base:g} {primary.pair}, hedged with "
            + " and ".join(hedge.instruments),
            "data": f"{data.source} data, hash {data.sha256[:12]}",
            "simulated": data.source == "simulated",
            "slippage": show(block.slippage_frac, "pct2"),
            "max_ratio": hedge.policy.max_ratio,
            "commit": commit(),
            "command": command,
            "seeds": {"bootstrap": _SEED},
            "data_sha256": data.sha256,
            "config": config.get("breakwater"),
        },
        "ours": effectiveness(ours, rng),
        "account": _tiles(run),
        "table": table,
        "matched": matched,
        "crashes": crashes,
        "survival": _survival(scene, path, hedge),
        "same_coin": same_coin,
    }
    alone = run.alone.equity_close - run.alone.start_wallet_quote
    both = run.both.equity_close - run.both.start_wallet_quote
    figures = {
        "equity": hedge_equity_figure(
            run.both.time_ms, {"position": alone, "hedge": both - alone, "both": both}
        ),
        "ratio": ratio_figure(
            scene.time_ms[scene.start :],
            {m.pair: path.ratio[scene.start :, k] for k, m in enumerate(scene.hedges)},
        ),
        "crashes": crash_figure(crashes),
    }
    now_ms = int(datetime.now(tz=UTC).timestamp() * 1000)
    return write_hedge_report(out, figures, options.userdir / "reports", now_ms)


# -- the backtest ---------------------------------------------------------------------------------


def _load_backtest(
    options: HedgeOptions, config: Mapping[str, Any], hedge: HedgeConfig, block: PackConfig,
    datadir: Path,
) -> _Backtest:  # fmt: skip
    results = options.userdir / "backtest_results"
    stats = load_backtest_stats(results / get_latest_backtest_filename(results))
    result = stats["strategy"]["LitecoinHedge"]
    start_ms, stop_ms = result["backtest_start_ts"], result["backtest_end_ts"]
    pairs = (hedge.primary.pair, *hedge.instruments)
    markets = {pair: market_path(datadir, pair, start_ms, stop_ms) for pair in pairs}
    done = fills(result["trades"])
    more = {
        "wallet_quote": float(result["starting_balance"]),
        "tiers": load_binance_tiers(pairs),
        "slippage_frac": block.slippage_frac,
    }
    own = [f for f in done if f.pair == hedge.primary.pair]
    return _Backtest(
        both=audit_account(done, markets, **more),
        alone=audit_account(own, markets, **more),
        fills=done,
        markets=markets,
    )


def as_returns(run: _Backtest, hedge: HedgeConfig) -> HedgedReturns:
    """Return the audited account's hourly returns while the position was held.

    Costs of the position's own opening and closing are left out: they are not the hedge's.
    """
    time_ms = run.both.time_ms
    paths = list(run.markets.values())
    held = np.zeros((len(time_ms), len(paths)))
    traded, fees = np.zeros(len(time_ms)), np.zeros(len(time_ms))
    for fill in run.fills:
        row = int(np.searchsorted(time_ms, fill.time_ms, side="right")) - 1
        leg = list(run.markets).index(fill.pair)
        held[row:, leg] += fill.amount_base
        if leg:
            traded[row] += abs(fill.amount_base) * fill.price_quote
            fees[row] += fill.fee_quote
    own = paths[0]
    before = np.concatenate((own.open[:1], own.close[:-1]))
    notional = np.abs(held[:, 0]) * before
    rate = np.nan_to_num(np.column_stack([p.funding_rate for p in paths]))
    opens = np.column_stack([p.open for p in paths])
    closes = np.column_stack([p.close for p in paths])
    paid = np.vstack([np.zeros((1, len(paths))), held[:-1]]) * opens * rate
    alone = np.diff(run.alone.equity_close, prepend=run.alone.start_wallet_quote)
    both = np.diff(run.both.equity_close, prepend=run.both.start_wallet_quote)
    slippage = run.both.slippage_quote - run.alone.slippage_quote
    cost = fees + traded * (slippage / max(float(traded.sum()), 1e-9))
    # From the hour after the position was opened to the hour before everything is closed.
    live = np.flatnonzero(np.abs(held[:, 0]) > 0)
    rows = slice(int(live[0]) + 1, int(live[-1]) + 1)
    share = 1.0 / notional[rows]
    legs = np.abs(held[:, 1:] * closes[:, 1:]).sum(axis=1)
    return HedgedReturns(
        time_ms=time_ms[rows],
        primary=alone[rows] * share,
        hedge=(both - alone)[rows] * share,
        cost=cost[rows] * share,
        funding=-paid[rows, 1:].sum(axis=1) * share,
        traded=traded[rows] * share,
        ratio=legs[rows] / (np.abs(held[rows, 0]) * own.close[rows]),
    )


def _tiles(run: _Backtest) -> list[tuple[str, str]]:
    both, alone = run.both.summary(), run.alone.summary()
    gained = [
        s["final_equity_quote"] - r.start_wallet_quote
        for s, r in ((alone, run.alone), (both, run.both))
    ]
    return [
        ("position alone", f"{gained[0]:+,.0f} USDT".replace("-", "−")),
        ("with its hedge", f"{gained[1]:+,.0f} USDT".replace("-", "−")),
        ("account's drawdown alone", show(alone["max_drawdown_close_frac"], "pct")),
        ("with the hedge", show(both["max_drawdown_close_frac"], "pct")),
        ("fees", f"{run.both.fees_quote - run.alone.fees_quote:,.0f} USDT"),
        ("slippage", f"{run.both.slippage_quote - run.alone.slippage_quote:,.0f} USDT"),
        ("funding received by the hedge",
         f"{run.both.funding_quote - run.alone.funding_quote:+,.0f} USDT".replace("-", "−")),
        ("liquidated", "yes" if both["liquidated"] else "no"),
    ]  # fmt: skip


# -- the candles beside it ------------------------------------------------------------------------


def _scene(
    datadir: Path, hedge: HedgeConfig, block: PackConfig, fee: float, start_ms: int, stop_ms: int
) -> ladder.Scene:
    pairs = (hedge.primary.pair, *hedge.instruments)
    first = [int(load_checked(datadir, pair, "1h").time_ms[0]) for pair in pairs]
    from_ms = max(start_ms - _HISTORY_DAYS * DAY_MS, *first)
    candles = [load_checked(datadir, p, "1h", start_ms=from_ms, stop_ms=stop_ms) for p in pairs]
    own, *legs = (_market(datadir, p, c) for p, c in zip(pairs, candles, strict=True))
    time_ms = candles[0].time_ms
    return ladder.Scene(
        time_ms=time_ms,
        primary=own,
        hedges=legs,
        low=np.column_stack([c.low for c in candles]),
        high=np.column_stack([c.high for c in candles]),
        amount_base=hedge.primary.amount_base * (1 if hedge.primary.side == "long" else -1),
        start=int(np.searchsorted(time_ms, start_ms)),
        costs=Costs(fee_frac=fee, slippage_frac=block.slippage_frac),
        baseline=hedge.baseline,
        policy=hedge.policy,
    )


def _signals(forecasts: DataFrame, time_ms: IntArray, hedge: HedgeConfig) -> list[HedgeSignal]:
    """Return the model's signal at every candle, as the strategy sees it."""
    dates = DataFrame({"date": pd.DatetimeIndex(time_ms.astype("datetime64[ms]"), tz="UTC")})
    told = hedge_frame.signal_columns(forecasts, hedge.primary.side)
    told["date"] = told["date"].dt.as_unit("ms")
    frame = hedge_frame.with_signal(dates, told)
    return [hedge_frame.signal_of(row) for _, row in frame.iterrows()]


def _market(datadir: Path, pair: str, c: Candles) -> HedgeMarket:
    paid_ms, rate = load_funding(datadir, pair)
    due = np.zeros(len(c))
    row = np.searchsorted(c.time_ms, paid_ms - paid_ms % HOUR_MS)
    here = (row < len(c)) & (paid_ms >= c.time_ms[0])
    due[row[here]] = rate[here]
    return HedgeMarket(pair=pair, open=c.open, close=c.close, funding_rate=due)


def _episodes(r: HedgedReturns, crashes: Sequence[NamedCrash]) -> list[dict[str, Any]]:
    found = ((c, episode(r, c.start_ms, c.stop_ms)) for c in crashes)
    return [{"name": c.name, **numbers} for c, numbers in found if numbers is not None]


def _survival(scene: ladder.Scene, path: HedgePath, hedge: HedgeConfig) -> list[dict[str, Any]]:
    """Return liquidation shares of entries along the simulated path of the shipped hedge."""
    own, *others = load_binance_tiers([hedge.primary.pair, *hedge.instruments]).values()
    rows = slice(scene.start, None)
    long = scene.amount_base > 0
    legs = Legs(
        amount_base=scene.amount_base,
        open=scene.primary.open[rows],
        close=scene.primary.close[rows],
        adverse=(scene.low if long else scene.high)[rows, 0],
        hedge_pnl=path.hedge_pnl[rows],
        hedge_amount=path.amount_base[rows],
        hedge_close=np.column_stack([m.close[rows] for m in scene.hedges]),
        hedge_adverse=(scene.high if long else scene.low)[rows, 1:],
    )
    days = len(legs.close) // 24
    return [
        survival(legs, own, others, leverage=leverage, horizon=24 * horizon)
        for horizon in (7, 30)
        for leverage in _LEVERAGES
        if days > 2 * horizon
    ]


def _same_coin(
    datadir: Path,
    hedge: HedgeConfig,
    block: PackConfig,
    fee: float,
    start_ms: int,
    stop_ms: int,
    rng: np.random.Generator,
) -> dict[str, Any] | None:
    """Return what the perpetual does for the same coin held as spot; None without spot candles."""
    pair = hedge.primary.pair
    file = DataFile(
        datadir=datadir, pair=pair.split(":")[0], timeframe="1h", candle_type=CandleType.SPOT
    )
    if not file.path.is_file():
        return None
    perp = load_checked(datadir, pair, "1h", start_ms=start_ms, stop_ms=stop_ms)
    time_ms, spot = file.read()
    # Spot had outages: only hours both markets have.
    _, rows, others = np.intersect1d(time_ms, perp.time_ms, return_indices=True)
    if len(rows) < 24 * 30:
        return None
    held = Candles(time_ms=time_ms[rows], **{name: v[rows] for name, v in spot.items()})
    leg = Candles(**{name: getattr(perp, name)[others] for name in perp.__dataclass_fields__})
    own = HedgeMarket(
        pair="spot", open=held.open, close=held.close, funding_rate=np.zeros(len(held))
    )  # fmt: skip
    target = np.ones((len(held), 1))
    costs = Costs(fee_frac=fee, slippage_frac=block.slippage_frac)
    path = simulate(
        held.time_ms, own, hedge.primary.amount_base, [_market(datadir, pair, leg)],
        banded(target, 0.02), costs,
    )  # fmt: skip
    share = 1.0 / path.notional
    r = HedgedReturns(
        time_ms=held.time_ms, primary=path.primary_pnl * share, hedge=path.hedge_pnl * share,
        cost=path.cost * share, funding=path.funding * share, traded=path.traded * share,
        ratio=path.ratio.sum(axis=1),
    )  # fmt: skip
    span = f"{day(int(held.time_ms[0]))} to {day(int(held.time_ms[-1]))}"
    return {**effectiveness(r, rng), "span": span}
