"""From signals to filled and missed trades: one position at a time, decided at closes.

A signal on row t is known at the close of candle t, which is the open of detail candle
``first[t]``: what it asks for is sent there. Stops are left out, of either style: they are market
orders, and the same ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from models.base.errors import InputError
from models.base.types import BoolArray, Candles, FloatArray, IntArray
from models.base.units import HOUR_MS, MINUTE_MS
from models.studies.maker.quotes import QuoteOutcome, QuoteRules, rested
from models.trade.decision.signals import Signals

AFTER_MS: Final = (5 * MINUTE_MS, HOUR_MS, 4 * HOUR_MS)  # what a fill is followed for


@dataclass(frozen=True, kw_only=True)
class DetailMarket:
    """Detail candles under the rows of decisions.

    Attributes
    ----------
    detail
        (M,) candles without gaps.
    first
        (N,) detail candle that opens at the close of each decision's candle, -1 where none does.
    paid
        (M,) funding a long has paid until the open of each detail candle, of notional, summed up
        from the first on.
    """

    detail: Candles
    first: IntArray
    paid: FloatArray

    @property
    def step_ms(self) -> int:
        """Return the length of a detail candle."""
        return int(self.detail.time_ms[1] - self.detail.time_ms[0])


def detail_market(
    time_ms: IntArray,
    candle_ms: int,
    detail: Candles,
    funding: tuple[IntArray, FloatArray] | None = None,
) -> DetailMarket:
    """Return the detail candles with the place of each decision in them.

    Parameters
    ----------
    time_ms
        (N,) open times of the decisions' candles.
    funding
        Payment times and rates.

    Raises
    ------
    InputError
        If a detail candle is missing, or they do not divide the decisions' candles.
    """
    step = np.diff(detail.time_ms)
    if not len(step) or (step != step[0]).any() or candle_ms % int(step[0]):
        raise InputError(
            f"expected detail candles without gaps that divide {candle_ms // MINUTE_MS} minutes, "
            f"got {len(detail)} with steps of {sorted(set((step // MINUTE_MS).tolist()))} minutes",
            cure="choose a span without holes with --start and --stop",
        )
    row = (time_ms + candle_ms - detail.time_ms[0]) // int(step[0])
    inside = (row >= 1) & (row < len(detail))
    paid_ms, rate = funding if funding is not None else (np.empty(0, np.int64), np.empty(0))
    total = np.concatenate(([0.0], np.cumsum(rate)))
    # At its own time: who holds the position at that moment pays.
    paid = total[np.searchsorted(paid_ms // MINUTE_MS * MINUTE_MS, detail.time_ms, side="right")]
    return DetailMarket(detail=detail, first=np.where(inside, row, -1), paid=paid)


@dataclass(frozen=True, kw_only=True)
class TradeRule:
    """What is wanted at each close, and for how long.

    Attributes
    ----------
    decided
        (N,) side to enter, and whether to leave.
    max_hold
        Candles after which a position is left.
    """

    name: str
    title: str
    decided: Signals
    max_hold: int


@dataclass(frozen=True, kw_only=True)
class ExecutionStyle:
    """How orders are filled: None is a market order."""

    name: str
    title: str
    entry: QuoteRules | None = None
    exit: QuoteRules | None = None  # what it leaves unfilled goes to market


@dataclass(frozen=True, kw_only=True)
class Attempts:
    """What became of every signal acted on, all (A,), in order of time.

    Attributes
    ----------
    decided
        Row of the decision.
    filled
        Whether the entry was. What follows is NaN or 0 where it was not.
    minutes
        From the decision to the end of the detail candle the entry filled in; 0 at market.
    move
        Log return from fill to fill, to the side of the position, funding paid.
    maker_entry, maker_exit
        1 where it was filled as maker, else 0.
    signal_move
        Log return to the side between the prices at which entry and exit were *decided*; known of
        what was missed, too.
    after
        (A, 3) log return to the side from the entry's last quote to the price 5 minutes, an hour
        and four hours after it was filled or given up.
    """

    decided: IntArray
    filled: BoolArray
    minutes: FloatArray
    move: FloatArray
    maker_entry: FloatArray
    maker_exit: FloatArray
    signal_move: FloatArray
    after: FloatArray


def later(decided: Signals, rows: int) -> Signals:
    """Return the signals as somebody acts on them who is `rows` candles late."""
    moved = (np.roll(getattr(decided, field.name), rows) for field in fields(decided))
    out = Signals(*moved)
    for field in fields(decided):
        getattr(out, field.name)[:rows] = 0
    return out


def leaving_row(rule: TradeRule, row: int, side: int) -> int:
    """Return the row on which a position of `side`, entered on `row`, is left; N if on none."""
    leave = rule.decided.exit_long if side > 0 else rule.decided.exit_short
    last = min(row + rule.max_hold, len(leave))
    asked = np.flatnonzero(leave[row + 1 : last])
    return row + 1 + int(asked[0]) if len(asked) else last


def attempted(rule: TradeRule, market: DetailMarket, style: ExecutionStyle) -> Attempts:
    """Return every attempt of a rule at a style.

    While a position is held signals to enter are not heard, nor on the row on which it is left;
    after a missed entry the next row is.

    Raises
    ------
    InputError
        If an order may rest beyond the next decision.
    """
    last = _last_row(market, style)
    made: list[tuple[float, ...]] = []
    row, side_at = 0, rule.decided.side
    while row < len(side_at):
        side, first = int(side_at[row]), int(market.first[row])
        left = leaving_row(rule, row, side) if side and first >= 0 else len(side_at)
        if left >= len(side_at) or not 0 <= market.first[left] <= last:
            row += 1
            continue
        attempt = _attempt(market, style, side, first, int(market.first[left]))
        made.append((row, *attempt))
        row = left + 1 if attempt[0] else row + 1
    return _columns(made)


def _last_row(market: DetailMarket, style: ExecutionStyle) -> int:
    """Return the last detail candle an order may be sent at, and check the patience."""
    rows = market.first[market.first >= 0]
    longest = max((q.patience for q in (style.entry, style.exit) if q is not None), default=1)
    if len(rows) > 1 and longest > int(np.diff(rows).min()):
        raise InputError(
            f"expected orders given up before the next decision, {int(np.diff(rows).min())} detail "
            f"candles later, got a patience of {longest}",
            where=style.title,
        )
    return len(market.detail) - longest - 1


def _attempt(
    market: DetailMarket, style: ExecutionStyle, side: int, first: int, leave: int
) -> tuple[float, ...]:
    """Return what `Attempts` says of one attempt, from `filled` on."""
    close = market.detail.close
    entry = _sent(market.detail, first, side, style.entry)
    signal = side * float(np.log(close[leave - 1] / close[first - 1]))
    after = [_after(market, entry, side, ms) for ms in AFTER_MS]
    if not entry.filled:
        return (0, np.nan, np.nan, 0, 0, signal, *after)
    exit_ = _sent(market.detail, leave, -side, style.exit)
    price = exit_.price if exit_.filled else float(market.detail.open[exit_.row])
    held = float(market.paid[exit_.row] - market.paid[entry.row])
    move = side * (float(np.log(price / entry.price)) - held)
    waited = (entry.row - first) * market.step_ms / MINUTE_MS if style.entry is not None else 0.0
    makers = (style.entry is not None, style.exit is not None and exit_.filled)
    return (1, waited, move, *makers, signal, *after)


def _sent(detail: Candles, row: int, side: int, rules: QuoteRules | None) -> QuoteOutcome:
    if rules is None:
        return QuoteOutcome(True, float(detail.open[row]), row)
    return rested(detail, row, side, rules)


def _after(market: DetailMarket, entry: QuoteOutcome, side: int, ms: int) -> float:
    """Return the log return from the last quote to the price `ms` after it was over."""
    close, at = market.detail.close, entry.row - 1 + ms // market.step_ms
    return side * float(np.log(close[at] / entry.price)) if at < len(close) else float("nan")


def _columns(made: Sequence[tuple[float, ...]]) -> Attempts:
    table = np.array(made, dtype=np.float64).reshape(len(made), 7 + len(AFTER_MS))
    return Attempts(
        decided=table[:, 0].astype(np.int64), filled=table[:, 1] == 1, minutes=table[:, 2],
        move=table[:, 3], maker_entry=table[:, 4], maker_exit=table[:, 5],
        signal_move=table[:, 6], after=table[:, 7:],
    )  # fmt: skip
