"""Where the money went: from the starting wallet to the final equity, nothing left over."""

from __future__ import annotations

from typing import Any

from models.reports.backtest.record import RunRecord


def waterfall(record: RunRecord) -> dict[str, Any]:
    """Return the steps from the starting wallet to the audited final equity, quote units.

    Returns
    -------
    dict
        ``steps`` (label, quote), ``start_quote``, ``final_quote``, ``net_quote`` and
        ``residual_quote``, the part of the final equity that no step explains; anything but
        rounding is an error in the account model or in the trades it was given.
    """
    audit = record.audit
    final = float(audit.equity_close[-1]) if len(audit.equity_close) else record.start_wallet_quote
    open_profit = final - float(audit.wallet[-1]) if len(audit.wallet) else 0.0
    steps = [
        ("Price, closed", float(audit.realised_quote)),
        ("Price, open at end", open_profit),
        ("Fees", -float(audit.fees_quote)),
        ("Funding", float(audit.funding_quote)),
        ("Slippage", -float(audit.slippage_quote)),
        ("Liquidation, fee", -float(audit.liquidation_fee_quote)),
        ("Liquidation, borne by exchange", float(audit.bankruptcy_quote)),
    ]
    explained = record.start_wallet_quote + sum(amount for _, amount in steps)
    return {
        "start_quote": record.start_wallet_quote,
        "steps": [{"label": label, "quote": amount} for label, amount in steps],
        "final_quote": final,
        "net_quote": final - record.start_wallet_quote,
        "residual_quote": final - explained,
        "engine": _engine_books(record),
    }


def _engine_books(record: RunRecord) -> dict[str, Any]:
    """Return the engine's own totals over closed trades, and what they leave unexplained."""
    gross = sum(t.gross_quote for t in record.trades)
    fees = sum(t.fee_quote for t in record.trades)
    funding = sum(t.funding_quote for t in record.trades)
    profit = sum(t.profit_quote for t in record.trades)
    return {
        "gross_quote": gross,
        "fees_quote": fees,
        "funding_quote": funding,
        "profit_quote": profit,
        "residual_quote": profit - (gross - fees + funding),
        "final_quote": record.start_wallet_quote + profit,
    }
