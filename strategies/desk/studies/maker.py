"""`breakwater maker`: do the same signals earn more as post-only orders than at market?

Forecasts are walk-forward, and what is sure is measured by the forecasts before. The signals of the
shipped rules, and of the most confident tenth and twentieth of hours, are filled at market and as
maker over detail candles, by a fill model that cannot flatter (`models.studies.maker.quotes`).
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import product
from typing import Any, Final

import numpy as np
from freqtrade.exchange import timeframe_to_msecs

from models.base import columns
from models.base.errors import ConfigError, InputError
from models.base.types import Candles, FloatArray, IntArray
from models.base.units import DAY_MS, MINUTE_MS
from models.data.labels.settings import LabelSettings
from models.learn import catalog
from models.learn.jobs.executor import Executor, ProcessExecutor
from models.reports.maker.page import maker_markdown, maker_verdict, write_maker
from models.studies.maker.measure import FillCosts, TradedWay, measure_ways
from models.studies.maker.quotes import QuoteRules
from models.studies.maker.rules import by_coin, confident
from models.studies.maker.trades import (
    DetailMarket,
    ExecutionStyle,
    TradeRule,
    attempted,
    detail_market,
    later,
)
from models.trade.decision.signals import DecisionConfig, signals
from strategies.bot.data_files import MARKER
from strategies.desk.backtests.data import load_checked, load_funding
from strategies.desk.backtests.results import commit
from strategies.desk.loopback.symbols import LISTED
from strategies.desk.studies.refits import RefitOptions, date_of, midnight_ms, walk_forward_forecast
from strategies.desk.terminal.room import kept_report
from strategies.desk.terminal.waiting import PatientWait

_TAKER: Final = "taker"
_SHARES: Final = (("tenth", 0.1), ("twentieth", 0.05))
_BAR_DAYS: Final = 90  # of forecasts that say what is sure; they come before the span
_PATIENT_MINUTES: Final = 60


@dataclass(frozen=True, kw_only=True)
class MakerOptions(RefitOptions):
    """What the person asked for.

    Attributes
    ----------
    start, stop
        Of the span that is traded; default: that of the detail candles.
    """

    train_days: int = 1460
    detail: str = "5m"  # timeframe of the candles orders rest in
    entry_minutes: int = 15  # an entry rests before it is given up
    exit_minutes: int = 10  # an exit rests before it goes to market
    tick: float = 0.0  # smallest step of the price; 0: the exchange's, of the coins the pack knows
    costs: FillCosts = field(default_factory=FillCosts)
    decision: DecisionConfig = field(default_factory=DecisionConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        step, candle = timeframe_to_msecs(self.detail), timeframe_to_msecs(self.timeframe)
        if step > 5 * MINUTE_MS or candle % step:
            raise ConfigError(
                f"expected detail candles of at most 5 minutes that divide {self.timeframe}, got "
                f"{self.detail}: in longer ones nobody sees in what order things happened",
                cure="give --detail 5m or 1m",
            )
        for name in ("entry_minutes", "exit_minutes"):
            ms = getattr(self, name) * MINUTE_MS
            if not step <= ms <= candle or ms % step:
                raise ConfigError(
                    f"expected {name} in whole candles of {self.detail}, at most "
                    f"{self.timeframe}, got {getattr(self, name)}"
                )
        if not self.tick >= 0:
            raise ConfigError(f"expected tick >= 0, got {self.tick}")


def run_maker(options: MakerOptions, executor: Executor | None = None) -> int:
    """Forecast, fill, measure, and write the page; return the process exit code."""
    candle_ms = timeframe_to_msecs(options.timeframe)
    market = load_checked(options.data, options.pair, options.timeframe)
    options = _within_detail(options)
    detail = _detail(options)
    early = midnight_ms(options.start, "start") - _BAR_DAYS * DAY_MS
    forecast = walk_forward_forecast(
        market,
        candle_ms,
        replace(options, start=date_of(early)),
        executor or ProcessExecutor(workers=options.jobs),
    )
    span = slice(*np.searchsorted(market.time_ms, _span_ms(options)).tolist())
    funding = load_funding(options.data, options.pair)
    over = detail_market(market.time_ms[span], candle_ms, detail, funding)
    rules, styles = trade_rules(forecast, span, options), execution_styles(options)
    with PatientWait("filling and measuring the orders") as waiting:
        ways = traded_ways(rules, styles, over, waiting)
        rows = measure_ways(ways, market.time_ms[span], options.costs, reference=_TAKER)
    headline, sentence = maker_verdict(rows)
    print(f"\n{maker_markdown(rows)}\n{headline} {sentence}", flush=True)
    run, now_ms = _provenance(options, market, detail), int(datetime.now(UTC).timestamp() * 1000)
    folder = kept_report(
        lambda place: write_maker(rows, run, place, now_ms), options.userdir / "reports"
    )
    print(f"report: {folder / 'index.html'}")
    return 0


def trade_rules(
    forecast: Mapping[str, FloatArray], span: slice, options: MakerOptions
) -> list[TradeRule]:
    """Return whose signals are traded, on the rows of the span.

    The shipped rules come twice: the bar of their edge at the costs the labels have, and at the
    lowest a round trip of maker fills could cost.
    """
    here = {name: values[span] for name, values in forecast.items()}
    asked = np.isfinite(here[columns.P_UP]).astype(np.float64)
    absent = [head for head in (columns.HEAD_QUANTILES, columns.HEAD_HAZARD)
              if not np.isfinite(here[columns.OF_HEAD[head][0]]).any()]  # fmt: skip
    config = replace(options.decision, without=tuple(absent))
    label_cost, least = LabelSettings().cost_frac, 2 * options.costs.maker_fee_frac
    hold = config.max_hold_candles
    rules = [
        TradeRule(name=name, title=f"shipped rules, edge above {1e4 * cost:.0f} bps",
                  decided=signals(here, asked, cost, config), max_hold=hold)
        for name, cost in (("shipped", label_cost), ("shipped_low", least))
    ]  # fmt: skip
    window = _BAR_DAYS * DAY_MS // timeframe_to_msecs(options.timeframe)
    for name, share in _SHARES:
        decided = confident(forecast, share, window)
        rules.append(
            TradeRule(
                name=name, title=f"most confident {name}", max_hold=options.horizon_candles,
                decided=type(decided)(*(values[span] for values in vars(decided).values())),
            )
        )  # fmt: skip
    coin = by_coin(len(asked), np.random.default_rng(0))
    return [*rules, TradeRule(name="coin", title="side by a coin (control)", decided=coin,
                              max_hold=options.horizon_candles)]  # fmt: skip


def execution_styles(options: MakerOptions) -> list[ExecutionStyle]:
    """Return the ways to fill an order that are tried, the market order first."""
    tick, step = options.tick, timeframe_to_msecs(options.detail)

    def quoted(minutes: int, follows: bool = True) -> QuoteRules:
        return QuoteRules(tick=tick, patience=minutes * MINUTE_MS // step, follows=follows)

    entry, exit_ = quoted(options.entry_minutes), quoted(options.exit_minutes)
    said = f"maker, {options.entry_minutes} min"
    return [
        ExecutionStyle(name=_TAKER, title="taker"),
        ExecutionStyle(name="maker", title=said, entry=entry, exit=exit_),
        ExecutionStyle(name="maker_patient", title=f"maker, {_PATIENT_MINUTES} min",
                       entry=quoted(_PATIENT_MINUTES), exit=exit_),
        ExecutionStyle(name="maker_waits", title=f"{said}, not following",
                       entry=quoted(options.entry_minutes, follows=False), exit=exit_),
        ExecutionStyle(name="maker_entry", title=f"{said}, exit at market", entry=entry),
    ]  # fmt: skip


def traded_ways(
    rules: list[TradeRule], styles: list[ExecutionStyle], market: DetailMarket,
    waiting: PatientWait,
) -> list[TradedWay]:  # fmt: skip
    """Return every rule at every style, and the same one candle late."""
    return [
        TradedWay(
            name=f"{rule.name}-{style.name}", title=f"{rule.title}; {style.title}",
            rule=rule.name, style=style.name, is_control=rule.name == "coin",
            attempts=attempted(rule, market, style),
            late=attempted(replace(rule, decided=later(rule.decided, 1)), market, style),
        )
        for rule, style in waiting.each(list(product(rules, styles)))
    ]  # fmt: skip


def _within_detail(options: MakerOptions) -> MakerOptions:
    """Return the options with the span there are detail candles for, whole days, and a tick."""
    times = load_checked(options.data, options.pair, options.detail).time_ms
    first = -(-int(times[0]) // DAY_MS) * DAY_MS
    last = (int(times[-1]) + timeframe_to_msecs(options.detail)) // DAY_MS * DAY_MS
    start = midnight_ms(options.start, "start") or first
    stop = midnight_ms(options.stop, "stop") or last
    if not first <= start < stop <= last:
        raise InputError(
            f"expected a span from {date_of(first)} to {date_of(last)}, which is where there are "
            f"candles of {options.detail}, got {date_of(start)} to {date_of(stop)}",
            where=options.pair,
            cure="give other --start and --stop, or bring more detail candles",
        )
    tick = options.tick or _listed_tick(options.pair)
    return replace(options, start=date_of(start), stop=date_of(stop), tick=tick)


def _detail(options: MakerOptions) -> Candles:
    """Return the detail candles of the span, and a day behind it to leave what is still held."""
    start_ms, stop_ms = _span_ms(options)
    whole = load_checked(options.data, options.pair, options.detail)
    return whole.cut(slice(*np.searchsorted(whole.time_ms, (start_ms, stop_ms + DAY_MS)).tolist()))


def _span_ms(options: MakerOptions) -> IntArray:
    return np.array([midnight_ms(options.start, "start"), midnight_ms(options.stop, "stop")])


def _listed_tick(pair: str) -> float:
    """Return the tick of a pair among those the loopback exchange lists."""
    found = [float(symbol.tick) for symbol in LISTED if pair == f"{symbol.base}/USDT:USDT"]
    if not found:
        raise ConfigError(f"the tick of {pair} is not known", cure="give it with --tick")
    return found[0]


def _provenance(options: MakerOptions, market: Candles, detail: Candles) -> dict[str, Any]:
    """Return what the report says of how it was made."""
    digest = hashlib.sha256(np.column_stack([market.open, market.close]).tobytes())
    digest.update(np.column_stack([detail.high, detail.low, detail.close]).tobytes())
    simulated = (options.data / MARKER).is_file()
    return {
        "title": f"{options.pair}: post-only orders against market orders",
        "span": f"{options.start} to {options.stop}, a refit every {options.refit_days} days",
        "data": "simulated market" if simulated else "real candles",
        "simulated": simulated,
        "data_sha256": digest.hexdigest(),
        "model": catalog.titles()[options.model],
        "detail": options.detail,
        "tick": options.tick,
        "entry_minutes": options.entry_minutes,
        "exit_minutes": options.exit_minutes,
        "horizon_candles": options.horizon_candles,
        "train_days": options.train_days,
        "costs": dataclasses.asdict(options.costs),
        "decision": dataclasses.asdict(options.decision),
        "commit": commit(),
        "versions": {
            name: importlib.metadata.version(name) for name in ("breakwater", "freqtrade", "numpy")
        },
    }
