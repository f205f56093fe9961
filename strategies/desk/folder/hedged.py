"""Whether a hedge's position can bear a repeat of its coin's worst day, before a bot is started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from freqtrade.exchange import timeframe_to_msecs

from models.base.errors import PackError
from models.base.types import Candles
from models.trade.account.cross import CrossAccount
from models.trade.risk.snapshot import Exposure
from models.trade.risk.worst_hours import worst_24_hours
from strategies.account.hedge_config import HedgeConfig, HedgeMode
from strategies.bot.config import pack_config
from strategies.bot.hedge_worst_day import worst_day_rule
from strategies.bot.market_data import load_checked
from strategies.desk.folder.finding import Finding, LookedAt, advice, sound
from strategies.desk.folder.written import candles_of

_WHAT = "worst day"


def looked_at_worst_day(looked: LookedAt) -> Iterator[Finding]:
    """Tell what a repeat would cost the configured position, at the newest close in the folder.

    Nothing of a bot that hedges nothing, without a size, or without candles: that is said there.
    """
    config = looked.tested
    hedge = pack_config(config).hedge
    if hedge is None or not hedge.primary.amount_base > 0:
        return
    try:
        candles = load_checked(
            candles_of(looked.record.asked, looked.folder), hedge.primary.pair, config["timeframe"]
        )
    except PackError:
        return
    yield position_finding(hedge, config, candles)


def position_finding(hedge: HedgeConfig, config: Mapping[str, Any], candles: Candles) -> Finding:
    """Return what a repeat of the worst day would cost a position of the configured size."""
    primary, rule = hedge.primary, worst_day_rule(hedge)
    price = float(candles.close[-1])
    if hedge.mode is HedgeMode.OWN:
        equity, whose = float(config["dry_run_wallet"]), "of dry_run_wallet"
    elif primary.knows_equity:
        equity = primary.equity_behind(primary.amount_base, price)
        whose = f"behind it at {primary.venue}"
    else:
        return advice(
            _WHAT,
            "nobody can say what a repeat would cost: the equity behind the position is not given",
            "set breakwater.hedge.primary.collateral_quote and entry_price",
        )
    step_ms = timeframe_to_msecs(config["timeframe"])
    day = worst_24_hours(candles.time_ms, candles.high, candles.low, candles.close, step_ms)
    exposure = Exposure(
        account=CrossAccount(wallet_quote=equity, positions=(), tiers={}),
        marks={primary.pair: price}, worst_days={primary.pair: day}, at_marks=True,
    )  # fmt: skip
    cost = rule.cost_of(exposure, primary.amount_base * price, equity)
    size = f"{primary.amount_base:g} {rule.coin} at {price:g}, {equity:,.0f} {whose}"
    said = f"{size}: {rule.words(exposure, cost)}"
    if cost.bearable:
        return sound(_WHAT, f"{size}: a repeat would cost {cost.cost_frac:.1%} of equity, "
                     f"{100 * cost.most_frac:g} % is what it may")  # fmt: skip
    return advice(
        _WHAT, said,
        f"set breakwater.hedge.primary.amount_base to {rule.largest_words(exposure, cost)} or "
        "less, or bring more equity",
    )  # fmt: skip
