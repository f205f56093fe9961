"""Replay of a backtest's fills against the cross-margin account, candle by candle.

What Freqtrade's backtest cannot say: whether the *account* would have lived. Conservative on
purpose: within a candle all positions meet their own adverse extreme at once, and a position
closed inside a candle faces that candle's extreme first.

Source: Binance, "Liquidation price of USDⓈ-M futures contracts",
https://www.binance.com/en/support/faq/b3c689c1f50a44cabb3a84e663b81d93. Breaks where the exchange
liquidates in steps instead of all at once, and inside a candle, whose true path is not known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from models.base.types import FloatArray
from models.trade.account.checks import check_fills, check_settings, common_grid
from models.trade.account.distance import total_margin, uniform_distance
from models.trade.account.ledger import Ledger, Stages
from models.trade.account.records import AccountAudit, Fill, MarketPath, account_drawdown
from models.trade.account.tiers import MarginTiers

__all__ = ["AccountAudit", "Fill", "MarketPath", "audit_account", "account_drawdown"]


def audit_account(
    fills: Sequence[Fill],
    markets: Mapping[str, MarketPath],
    *,
    wallet_quote: float,
    tiers: Mapping[str, MarginTiers],
    slippage_frac: float = 0.0,
    liquidation_fee_frac: float = 0.0125,
    stop_at_liquidation: bool = True,
) -> AccountAudit:
    """Replay `fills` over `markets` and return the account's path.

    Parameters
    ----------
    fills
        Oldest first. A fill at exactly a candle's open happens before the candle; one later in
        the candle happens inside it: the positions before *and* after it face the candle's
        adverse extremes.
    markets
        Mark candles and funding by pair, all on one gap-free time grid.
    wallet_quote
        Wallet before the first fill.
    tiers
        Margin tiers by pair, of every market.
    slippage_frac
        Extra cost of every fill as a fraction of its notional, kept apart from fees.
    liquidation_fee_frac
        Of the notional closed by a liquidation (Binance: up to 1.25 % of notional for BTC).
    stop_at_liquidation
        If False, the liquidation is recorded but nothing is closed and the replay goes on.

    Returns
    -------
    AccountAudit
        Funding is exchanged at each funding time by the positions held before the fills of that
        instant. At a liquidation everything is closed at the adverse extreme, later fills are
        ignored (those of the same candle that come after it too), and the account cannot fall
        below zero.

    Raises
    ------
    InputError, AlignmentError
        If fills or markets are unsorted, unknown, outside the span, off the grid or not finite.

    Examples
    --------
    >>> from models.trade.account.tiers import MarginTier
    >>> tier = MarginTier(floor_quote=0, cap_quote=1e6, maintenance_rate_frac=0.01,
    ...                   maintenance_amount_quote=0, max_leverage=50)
    >>> path = MarketPath(
    ...     pair="X", time_ms=np.array([0, 60_000]), open=np.array([100.0, 101.0]),
    ...     high=np.array([102.0, 104.0]), low=np.array([95.0, 100.0]),
    ...     close=np.array([101.0, 103.0]), funding_rate=np.array([np.nan, 0.001]))
    >>> buy = Fill(time_ms=0, pair="X", amount_base=10.0, price_quote=100.0, fee_quote=0.5)
    >>> audit = audit_account([buy], {"X": path}, wallet_quote=500.0,
    ...                       tiers={"X": MarginTiers("X", (tier,))})
    >>> audit.equity_worst[0]  # 500 - 0.5 + 10 * (95 - 100)
    np.float64(449.5)
    >>> round(audit.funding_quote, 2)  # -10 * 101 * 0.001
    -1.01
    """
    check_settings(wallet_quote, slippage_frac, liquidation_fee_frac, markets, tiers)
    check_fills(fills, markets, common_grid(markets))
    ledger = Ledger(fills, markets, wallet_quote, slippage_frac)
    stages = ledger.stages(tiers)
    hit = np.flatnonzero(stages.equity <= stages.margin)
    if not len(hit):
        return _audit(ledger, stages, tiers)
    candle, booked = int(stages.candle[hit[0]]), int(stages.state[hit[0]])
    at_ms = int(ledger.grid[candle])
    if not stop_at_liquidation:
        return replace(_audit(ledger, stages, tiers), liquidated_at_ms=at_ms)
    # Without the fills it never reached, that stage is the last of its candle.
    ledger = Ledger(fills[:booked], markets, wallet_quote, slippage_frac)
    lived = _audit(ledger, ledger.stages(tiers), tiers)
    fee = liquidation_fee_frac * float(stages.notional[hit[0]])
    dead = _closed(lived, ledger, candle, float(stages.equity[hit[0]]), fee)
    return replace(dead, ignored_fills=len(fills) - booked)


def _audit(ledger: Ledger, stages: Stages, tiers: Mapping[str, MarginTiers]) -> AccountAudit:
    """Return the account's path as if nothing were ever liquidated."""
    tables = [tiers[m.pair] for m in ledger.markets]
    equity, notional = ledger.marked_close()
    worst, maintenance = stages.worst(len(ledger.grid))
    return AccountAudit(
        time_ms=ledger.grid,
        wallet=ledger.wallet_close(),
        equity_close=equity,
        equity_worst=worst,
        maintenance_worst=maintenance,
        margin_ratio_close=_ratio(total_margin(notional, tables), equity),
        margin_ratio_worst=_ratio(maintenance, worst),
        gross_notional=np.abs(notional).sum(axis=1),
        distance_to_liquidation_frac=uniform_distance(equity, notional, tables),
        distance_worst_frac=stages.nearest(len(ledger.grid), tables),
        start_wallet_quote=ledger.wallet,
        fees_quote=float(ledger.fees[-1]),
        funding_quote=float(ledger.funding[-1]),
        slippage_quote=float(ledger.slippage[-1]),
        realised_quote=float(ledger.realised[-1]),
        liquidation_fee_quote=0.0,
        bankruptcy_quote=0.0,
        liquidated_at_ms=None,
        ignored_fills=0,
    )


def _closed(
    lived: AccountAudit, ledger: Ledger, candle: int, equity: float, fee: float
) -> AccountAudit:
    """Return the path with everything closed in `candle` at `equity`, `fee` paid, then nothing."""
    left = max(equity - fee, 0.0)
    funding = float(ledger.funding[candle])

    def ends(values: FloatArray, here: float | None, after: float) -> FloatArray:
        out = values.copy()
        out[candle:] = after
        out[candle] = values[candle] if here is None else here
        return out

    return replace(
        lived,
        wallet=ends(lived.wallet, left, left),
        equity_close=ends(lived.equity_close, left, left),
        equity_worst=ends(lived.equity_worst, None, left),
        maintenance_worst=ends(lived.maintenance_worst, None, 0.0),
        margin_ratio_close=ends(lived.margin_ratio_close, 0.0, 0.0),
        margin_ratio_worst=ends(lived.margin_ratio_worst, None, 0.0),
        gross_notional=ends(lived.gross_notional, 0.0, 0.0),
        distance_to_liquidation_frac=ends(lived.distance_to_liquidation_frac, 0.0, np.nan),
        distance_worst_frac=ends(lived.distance_worst_frac, 0.0, np.nan),
        funding_quote=funding,
        # What the closing made of price: equity is wallet plus price, less every cost so far.
        realised_quote=equity - ledger.wallet - funding + lived.fees_quote + lived.slippage_quote,
        liquidation_fee_quote=fee,
        bankruptcy_quote=max(fee - equity, 0.0),
        liquidated_at_ms=int(ledger.grid[candle]),
    )


def _ratio(margin: FloatArray, equity: FloatArray) -> FloatArray:
    """Return margin / equity, (N,); 0 where flat, inf where there is margin but no equity."""
    safe = np.where(equity > 0, equity, 1.0)
    return np.where(margin > 0, np.where(equity > 0, margin / safe, np.inf), 0.0)
