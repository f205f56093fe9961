"""From the hedge's measures to the numbers and the figures of its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from models.reports.hedge.figures import crash_figure, hedge_equity_figure, ratio_figure
from models.reports.hedge.verdict import (
    account_lines,
    bars,
    hedge_did,
    hedge_verdict,
    liquidation_lines,
)
from models.reports.text import day, show
from models.studies.hedge.backtest import AuditedBacktest
from models.studies.hedge.measure import HedgeMeasures, HedgeStudy


def hedge_numbers(
    study: HedgeStudy,
    measures: HedgeMeasures,
    run: Mapping[str, Any],
    failures: Sequence[str] = (),
    model: str | None = None,
) -> dict[str, Any]:
    """Return every number of the report under its name.

    Parameters
    ----------
    run
        What was run; JSON-able, see the page's template for what it shows.
    failures
        Faults in the backtest's log.
    model
        The forecaster that leaned on the ratio, if one did.
    """
    m = measures
    limited = m.limited if study.scene.policy.max_ratio > 1 else None
    same_coin = _same_coin(study, m)
    rows = bars(m.backtested, m.yardstick, m.named, same_coin, limited)
    return {
        "format": 1,
        "kind": "hedge",
        "verdict": (verdict := hedge_verdict(m.backtested, m.crashes, model, m.lean, m.years)),
        "headline": verdict["headline"],
        "did": hedge_did(m.backtested, m.crashes),
        "paid": paid_lines(study.backtest, m.backtested),
        "liquidations": liquidation_lines(m.survival, study.leverage),
        "years": m.years,
        "spans": m.spans,
        "accounts": m.accounts,
        "account_lines": account_lines(m.accounts),
        "lean": m.lean,
        "bars": rows,
        "failures": list(failures),
        "run": dict(run),
        "ours": m.ours,
        "account": account_tiles(study.backtest),
        "table": m.table,
        "matched": m.matched,
        "crashes": m.crashes,
        "survival": m.survival,
        "same_coin": same_coin,
    }


def hedge_figures(study: HedgeStudy, measures: HedgeMeasures) -> dict[str, go.Figure]:
    """Return the figures by the id of their place on the page."""
    run, scene = study.backtest, study.scene
    alone = run.alone.equity_close - run.alone.start_wallet_quote
    both = run.both.equity_close - run.both.start_wallet_quote
    return {
        "equity": hedge_equity_figure(
            run.both.time_ms, {"position": alone, "hedge": both - alone, "both": both}
        ),
        "ratio": ratio_figure(
            scene.time_ms[scene.start :],
            {m.pair: measures.path.ratio[scene.start :, k] for k, m in enumerate(scene.hedges)},
        ),
        "crashes": crash_figure(measures.crashes),
    }


def account_tiles(run: AuditedBacktest) -> list[tuple[str, str]]:
    """Return label and text of what the whole account made and paid, with the hedge and without."""
    both, alone = run.both.summary(), run.alone.summary()
    return [
        ("position alone", _usdt(alone["final_equity_quote"] - run.alone.start_wallet_quote)),
        ("with its hedge", _usdt(both["final_equity_quote"] - run.both.start_wallet_quote)),
        ("account's drawdown alone", show(alone["max_drawdown_close_frac"], "pct")),
        ("with the hedge", show(both["max_drawdown_close_frac"], "pct")),
        ("fees", f"{run.both.fees_quote - run.alone.fees_quote:,.0f} USDT"),
        ("slippage", f"{run.both.slippage_quote - run.alone.slippage_quote:,.0f} USDT"),
        ("funding received by the hedge", _usdt(run.both.funding_quote - run.alone.funding_quote)),
        ("liquidated", "yes" if both["liquidated"] else "no"),
    ]


def paid_lines(run: AuditedBacktest, ours: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return what the hedge cost and made, each in money and as a share of the position a year."""
    fees = run.both.fees_quote - run.alone.fees_quote
    slippage = run.both.slippage_quote - run.alone.slippage_quote
    funding = run.both.funding_quote - run.alone.funding_quote
    made = float(
        (run.both.equity_close[-1] - run.both.start_wallet_quote)
        - (run.alone.equity_close[-1] - run.alone.start_wallet_quote)
    )
    return [
        ("fees and slippage of the hedge", _usdt(-fees - slippage),
         show(-ours["cost_year"], "gain2")),
        ("funding the hedge received", _usdt(funding), show(ours["funding_year"], "gain2")),
        ("what the instruments' prices made of it", _usdt(made + fees + slippage - funding), "–"),
        ("the hedge in all", _usdt(made), "–"),
    ]  # fmt: skip


def _usdt(change: float) -> str:
    return f"{change:+,.0f} USDT".replace("-", "−")


def _same_coin(study: HedgeStudy, measures: HedgeMeasures) -> dict[str, Any] | None:
    if study.same_coin is None or measures.same_coin is None:
        return None
    first, last = (day(int(study.same_coin.time_ms[row])) for row in (0, -1))
    return {**measures.same_coin, "span": f"{first} to {last}"}
