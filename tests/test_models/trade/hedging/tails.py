"""Joint paths with fat tails for the tail hedge, and its objective written a second time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.base.types import FloatArray
from models.scenarios.paths import PathBlock
from models.trade.hedging.tail_hedge import HedgedAccount, TailHedgeConfig

COINS = ("LTC/USDT:USDT", "BTC/USDT:USDT", "ETH/USDT:USDT")
RATES = (0.01, 0.004, 0.005)


def block_of(
    close: FloatArray, below: FloatArray | float = 0.0, above: FloatArray | float = 0.0
) -> PathBlock:
    """Return paths of closes whose extremes are further out by `below` and `above`."""
    paid = np.zeros_like(close)
    paid[:, ::2] = 1e-3
    return PathBlock(
        close=close, low=np.minimum(close, 0) - below, high=np.maximum(close, 0) + above,
        funding=paid, answers=np.ones(close.shape[:2], dtype=np.bool_),
    )  # fmt: skip


def fat_paths(paths: int, steps: int, legs: int, seed: int = 0) -> PathBlock:
    """Return paths of a primary that follows its legs, and has shocks of its own."""
    rng = np.random.default_rng(seed)
    market = 0.01 * rng.standard_t(4, (paths, steps, 1))
    hedges = market + 0.005 * rng.standard_t(4, (paths, steps, legs))
    own = 0.008 * rng.standard_t(3, (paths, steps, 1))
    close = np.concatenate((0.7 * hedges.mean(axis=2, keepdims=True) + own, hedges), axis=2)
    below, above = 0.004 * np.abs(rng.standard_normal((2, *close.shape)))
    return block_of(close, below, above)


def account_of(leverage: float, held: Sequence[float], **more: object) -> HedgedAccount:
    """Return an account of 1,000 whose primary is `leverage` times that, short if negative."""
    return HedgedAccount(
        equity_quote=1_000.0, notional_quote=1_000.0 * leverage, held=tuple(held),
        rates_frac=RATES[: 1 + len(held)], **more,  # type: ignore[arg-type]
    )  # fmt: skip


def mean_of_worst(values: FloatArray, tail: float) -> float:
    """Return the least over x of ``x + mean(max(values - x, 0)) / tail``: Rockafellar & Uryasev.

    The least is at one of the values.
    """
    over = np.maximum(values[:, None] - values[None, :], 0.0).mean(axis=0)
    return float((values + over / tail).min())


def objective(
    account: HedgedAccount, block: PathBlock, config: TailHedgeConfig, kept: float,
    ratio: Sequence[float],
) -> tuple[float, float]:  # fmt: skip
    """Return the objective and the share of paths liquidated, candle by candle in money."""
    side = 1.0 if account.notional_quote > 0 else -1.0
    size = abs(account.notional_quote)
    notional = np.array([side * kept * size, *(-side * size * r for r in ratio)])  # at price 1
    traded = size * (abs(1 - kept) + float(np.abs(np.subtract(ratio, account.held)).sum()))
    cost = config.cost_frac * traded
    paths, steps, _ = block.close.shape
    price, paid = np.ones((paths, len(notional))), np.zeros(paths)
    loss, short = np.full(paths, -np.inf), np.full(paths, -np.inf)
    gain = np.zeros(paths)
    for t in range(steps):
        paid = paid + (notional * price * block.funding[:, t]).sum(axis=1)
        extreme = np.where(notional > 0, block.low[:, t], block.high[:, t])
        worst = price * np.exp(extreme)
        margin = (np.abs(notional) * worst * account.rates_frac).sum(axis=1)
        equity = account.equity_quote - cost + (notional * (worst - 1)).sum(axis=1) - paid
        short = np.maximum(short, margin - equity)
        price = price * np.exp(block.close[:, t])
        loss = np.maximum(loss, paid - (notional * (price - 1)).sum(axis=1))
    own = np.exp(block.close[:, :, 0].sum(axis=1)) - 1
    before = np.exp(np.cumsum(block.close[:, :, 0], axis=1) - block.close[:, :, 0])
    gain = size * side * (own - (before * block.funding[:, :, 0]).sum(axis=1))
    upside = np.maximum(gain, 0).mean()
    value = mean_of_worst(loss, config.tail) + cost - config.upside_price * kept * upside
    value += config.liquidation_weight * max(mean_of_worst(short, config.tail), 0.0)
    return value / account.equity_quote, float((short >= 0).mean())
