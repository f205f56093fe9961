"""An account that lives one path candle by candle, in words of `CrossAccount` alone; and worlds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from models.scenarios.paths import PathBlock
from models.trade.account.cross import CrossAccount, Position
from models.trade.account.scenario_account import ScenarioAccount
from models.trade.account.tiers import MarginTier, MarginTiers


@dataclass
class Lived:
    """What became of the account on one path."""

    equity: list[float] = field(default_factory=list)  # at each close
    at_extremes: int = -1
    at_closes: int = -1
    distance: float = 1.0


def lived_path(setup: ScenarioAccount, coins: Sequence[str], block: PathBlock, row: int) -> Lived:
    """Live one path; slow, and by none of the code that is tested."""
    out, tiers = Lived(), setup.account.tiers
    cash, held = setup.account.wallet_quote, list(setup.account.positions)
    before = {pair: setup.marks.get(pair, 1.0) for pair in coins}
    left = 0.0
    for step in range(block.close.shape[1]):
        close, low, high, funding = (
            {pair: float(x[row, step, k]) for k, pair in enumerate(coins)}
            for x in (block.close, block.low, block.high, block.funding)
        )
        cash -= sum(p.amount_base * before[p.pair] * funding[p.pair] for p in held)
        marks = {
            p.pair: before[p.pair] * float(np.exp((low if p.amount_base > 0 else high)[p.pair]))
            for p in held
        }
        ending = dict(ended(setup, held, before, marks, answers=bool(block.answers[row, step])))
        for pair, (price, by_stop) in ending.items():
            if by_stop:
                marks[pair] = price
        costs = {
            p.pair: setup.exit_cost_frac * abs(p.amount_base) * ending[p.pair][0]
            for p in held if p.pair in ending
        }  # fmt: skip
        pending = setup.account.pending_quote
        faced = CrossAccount(
            wallet_quote=cash, positions=tuple(held), tiers=tiers,
            pending_quote=pending + sum(costs.values()),
        )  # fmt: skip
        if out.at_extremes < 0:
            out.distance = min(out.distance, faced.distance_to_liquidation_frac(marks))
            if faced.is_liquidated(marks):
                out.at_extremes, out.distance = step, 0.0
                fee = setup.liquidation_fee_frac * faced.gross_notional(marks)
                left = max(faced.equity(marks) - fee, 0.0)
        for p in held:
            if p.pair in ending:
                cash += p.amount_base * (ending[p.pair][0] - p.entry_price) - costs[p.pair]
        held = [p for p in held if p.pair not in ending]
        before = {pair: before[pair] * float(np.exp(close[pair])) for pair in coins}
        kept = CrossAccount(
            wallet_quote=cash, positions=tuple(held), tiers=tiers, pending_quote=pending
        )
        if out.at_closes < 0 and kept.is_liquidated(before):
            out.at_closes = step
        out.equity.append(left if out.at_extremes >= 0 else kept.equity(before))
    return out


def ended(
    setup: ScenarioAccount, held: list[Position], before: dict[str, float],
    marks: dict[str, float], *, answers: bool,
) -> list[tuple[str, tuple[float, bool]]]:  # fmt: skip
    """Return (pair, (price, by a stop)) of every position that ends within a candle."""
    out = []
    failing = set()
    for p in held:
        move = (marks[p.pair] / before[p.pair] - 1) * (1 if p.amount_base > 0 else -1)
        if setup.deleveraging_frac is not None and move <= -setup.deleveraging_frac:
            failing.add(p.amount_base > 0)
    for p in held:
        long, stop = p.amount_base > 0, setup.stops.get(p.pair)
        if stop is not None and (marks[p.pair] <= stop if long else marks[p.pair] >= stop):
            out.append((p.pair, (stop if answers else marks[p.pair], True)))
        elif failing == {not long}:
            out.append((p.pair, (before[p.pair], False)))
    return out


def random_tiers(pair: str, rng: np.random.Generator) -> MarginTiers:
    """Return up to five brackets whose margin is continuous, with edges where positions are."""
    count = int(rng.integers(1, 6))
    edges = np.concatenate(([0.0], np.sort(rng.uniform(50, 4_000, count - 1)), [1e9]))
    rates = np.sort(rng.uniform(0.003, 0.4, count))
    amounts = np.concatenate(([0.0], np.cumsum(np.diff(rates) * edges[1:-1])))
    return MarginTiers(pair, tuple(
        MarginTier(floor_quote=a, cap_quote=b, maintenance_rate_frac=r,
                   maintenance_amount_quote=c, max_leverage=1.0)
        for a, b, r, c in zip(edges, edges[1:], rates, amounts, strict=False)
    ))  # fmt: skip


def random_block(
    rng: np.random.Generator, paths: int, steps: int, coins: int, size: float
) -> PathBlock:
    """Return paths with fat tails, funding now and then, and an exchange that fails at times."""
    close = size * rng.standard_t(3, (paths, steps, coins))
    below, above = size * np.abs(rng.standard_normal((2, paths, steps, coins)))
    paid = rng.random((paths, steps, coins)) < 0.2
    return PathBlock(
        close=close, low=np.minimum(close, 0) - below, high=np.maximum(close, 0) + above,
        funding=np.where(paid, rng.normal(0, 0.002, close.shape), 0.0),
        answers=rng.random((paths, steps)) < 0.7,
    )  # fmt: skip


def random_setup(
    rng: np.random.Generator,
    coins: Sequence[str],
    *,
    stops: bool,
    deleveraging: bool,
    opening: bool = False,
) -> ScenarioAccount:
    """Return an account in one to all coins, both sides, that is not liquidated where it stands.

    `opening` has all positions entered at their marks.
    """
    while True:
        pairs = rng.permutation(list(coins))[: int(rng.integers(1, len(coins) + 1))]
        marks = {str(pair): float(rng.uniform(1, 100)) for pair in pairs}
        paid = [1.0 if opening else float(rng.uniform(0.8, 1.2)) for _ in marks]
        positions = tuple(
            Position(pair=pair, entry_price=mark * of_mark,
                     amount_base=float(rng.choice([-1, 1]) * rng.uniform(50, 3_000)) / mark)
            for (pair, mark), of_mark in zip(marks.items(), paid, strict=True)
        )  # fmt: skip
        account = CrossAccount(
            wallet_quote=1_000.0, positions=positions, pending_quote=float(rng.uniform(0, 5)),
            tiers={pair: random_tiers(pair, rng) for pair in marks},
        )  # fmt: skip
        if not account.is_liquidated(marks):
            break
    placed = {
        p.pair: marks[p.pair] * (1 - np.sign(p.amount_base) * float(rng.uniform(0.01, 0.2)))
        for p in positions if stops and rng.random() < 0.6
    }  # fmt: skip
    return ScenarioAccount(
        account=account, marks=marks, stops=placed,
        exit_cost_frac=float(rng.uniform(0, 0.01)),
        deleveraging_frac=float(rng.uniform(0.03, 0.15)) if deleveraging else None,
    )  # fmt: skip
