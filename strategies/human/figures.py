"""The account against its limits as named numbers, for people and for the journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from models.operate.control.text import ROOM
from models.serve.latency import TO_DECISION, TO_ORDER, Percentiles
from models.trade.risk.exposure import gross_within, net_within
from models.trade.risk.gap import worst_hour_bearable, worst_loss_quote
from models.trade.risk.limits import HardLimits, Limits
from models.trade.risk.losses import LossState
from models.trade.risk.snapshot import ExchangeAccount, Exposure, Intent, Snapshot, Stage
from models.trade.risk.worst_hours import CALM

_ON_EXPOSURE: Final = (gross_within, net_within, worst_hour_bearable)
_FEW: Final = 3  # pairs that are shown one by one


def account_figures(exposure: Exposure) -> dict[str, float]:
    """Return what the account holds, quote units."""
    return {
        "equity": exposure.equity_quote,
        "gross exposure": exposure.gross_notional_quote,
        "net exposure": exposure.net_notional_quote,
    }


def limit_figures(
    exposure: Exposure,
    losses: LossState | None,
    limits: Limits,
    pairs: Sequence[str],
    refused: str = "",
) -> dict[str, float]:
    """Return how much of each limit is used, and the room for new positions by side.

    Parameters
    ----------
    pairs
        Those something can be opened in now; of many, the room is that in the tightest.
    refused
        Why nothing new is opened now, whatever the limits say: no room is shown then.
    """
    hard = limits.hard
    figures = {} if refused else _room_figures(exposure, limits, pairs)
    figures |= _foreseen_figures(exposure, pairs)
    if exposure.account.positions and (equity := exposure.equity_quote) > 0:
        limit = _percent(hard.worst_hour_loss_frac)
        name = f"a repeat of the worst hour would cost, % of equity (limit {limit})"
        figures[name] = round(100 * worst_loss_quote(exposure) / equity, 1)
    if exposure.account.positions:
        ratio = exposure.account.margin_ratio(exposure.marks)
        figures[f"margin ratio, % (no new risk from {_percent(hard.margin_reduce)})"] = round(
            100 * ratio, 2
        )
    return figures | _loss_figures(losses, hard)


def exchange_figures(account: ExchangeAccount | None) -> dict[str, float]:
    """Return what the exchange itself counts; nothing where it is not asked."""
    if account is None:
        return {}
    figures = {
        "equity by the exchange": account.equity_quote,
        "margin ratio by the exchange, %": round(100 * account.margin_ratio, 2),
    }
    if account.distance_frac is not None:
        figures["distance to liquidation by the exchange, %"] = round(
            100 * account.distance_frac, 2
        )
    return figures


def latency_figures(table: Mapping[str, Percentiles]) -> dict[str, float]:
    """Return how long the way from a candle's close takes, as far as it was measured."""
    figures = {}
    for stage, what in ((TO_DECISION, "decision"), (TO_ORDER, "order")):
        if stage in table:
            seen = table[stage]
            for share, took in (("half", seen.p50), ("95 %", seen.p95), ("99 %", seen.p99)):
                figures[f"candle close to {what}, ms, {share} within"] = took
    return figures


def _room_figures(exposure: Exposure, limits: Limits, pairs: Sequence[str]) -> dict[str, float]:
    """Return the room for new positions by side, and by coin where those are few."""
    figures: dict[str, float] = {}
    for side in ("long", "short"):
        rooms = {pair: _room(exposure, limits, side, pair) for pair in pairs}
        if len(rooms) <= _FEW:
            figures |= {f"{ROOM}{side}s in {p.split('/')[0]}": r for p, r in rooms.items()}
        else:
            figures[f"{ROOM}{side}s in any coin"] = min(rooms.values())
    return figures


def _foreseen_figures(exposure: Exposure, pairs: Sequence[str]) -> dict[str, float]:
    """Return how far each pair may go within an hour by scenarios; of many, the worst."""
    hours = {
        pair.partition(":")[0]: hour
        for pair, hour in exposure.foreseen.items()
        if pair in pairs and pair not in exposure.unforeseen
    }
    if len(hours) > _FEW:
        worst = CALM
        for hour in hours.values():
            worst = worst.or_worse(hour)
        hours = {"any pair": worst}
    return {
        f"{name} within an hour by scenarios, % {way}": round(100 * hour.against(side), 1)
        for name, hour in hours.items()
        for way, side in (("down", 1), ("up", -1))
    }


def _room(exposure: Exposure, limits: Limits, side: str, pair: str) -> float:
    """Return the largest notional the guards on exposure would let through."""
    order = Intent(pair=pair, side=1 if side == "long" else -1, notional_quote=0.0)
    s = Snapshot(now_ms=0, stage=Stage.LIVE, intent=order, exposure=exposure)
    return min(guard(s, limits).limit_quote for guard in _ON_EXPOSURE)


def _loss_figures(losses: LossState | None, hard: HardLimits) -> dict[str, float]:
    if losses is None:
        return {}
    return {
        f"lost {since}, % (halts at {_percent(limit)})": round(100 * lost, 2)
        for since, lost, limit in (
            ("today", losses.day_frac, hard.loss_day_frac),
            ("this week", losses.week_frac, hard.loss_week_frac),
            ("from the peak", losses.peak_frac, hard.loss_peak_frac),
        )
    }


def _percent(frac: float) -> str:
    return f"{100 * frac:g}"
