"""The outlook of the current account as `risk` shows it: in words, or for a program."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from models.base.errors import InputError
from models.base.files import iso_ms
from models.operate.control.entry_answer import SILENT_S
from models.operate.control.heartbeat import RELOADING, Heartbeat
from models.operate.control.outlook import Odds, Outlook, OutlookHorizon, read_outlook
from models.operate.control.unknown import span

_HALF: Final = (0.25, 0.75)
_NOT_PASSED: Final = "which has not passed its tests as a forecast"


def shown_outlook(folder: Path, beat: Heartbeat | None, now_ms: int) -> tuple[Outlook | None, str]:
    """Return the outlook that may be shown now, or None and why there is none.

    Neither where nobody has said anything of one: no bot has looped, or it is of an older version.
    """
    if beat is None or beat.outlook is None:
        return None, ""
    if beat.stopped not in ("", RELOADING) or now_ms - beat.time_ms > 1000 * SILENT_S:
        return None, f"the bot does not run, and what it holds now is not known{_last(folder)}"
    if beat.outlook:
        return None, beat.outlook
    try:
        found = read_outlook(folder)
    except InputError as error:
        return None, f"its file cannot be read: {error.problem}"
    if found is None:
        return None, "its file is gone; it is computed anew with the next candle"
    if now_ms > found.old_ms:
        return None, f"it is old: {_of(found)}, {span(now_ms - found.until_ms)} ago"
    return found, ""


def outlook_lines(folder: Path, beat: Heartbeat | None, now_ms: int) -> list[str]:
    """Return the outlook for a person, or in one line why there is none."""
    found, why = shown_outlook(folder, beat, now_ms)
    if found is None:
        return [f"no outlook of this account: {why}"] if why else []
    passed = "" if found.engine_passed else f", {_NOT_PASSED}"
    lines = [
        f"outlook of this account, were nobody to act: {found.paths:,} paths of the engine "
        f"{found.engine!r} (seed {found.seed}){passed}; {_of(found)}"
    ]
    if found.simulated:
        lines.append("SIMULATED candles: the outlook is about no real market")
    lines += [_horizon_line(found, one) for one in found.horizons]
    lines.append(
        f"least distance to liquidation on the way: {_distance(found, 0.5)} on the middle path, "
        f"{_distance(found, 0.05)} on the worst 5 %"
    )
    last = found.horizons[-1]
    sizes = ", ".join(
        f"{one.leverage:g}x {one.liquidated[-1].share:.2%}" for one in found.by_leverage
    )
    lines.append(
        f"liquidated within {last.days:g} d at other sizes (now {found.leverage:.2f}x): {sizes}"
    )
    return [*lines, *(f"note: {note}" for note in found.notes)]


def outlook_values(folder: Path, beat: Heartbeat | None, now_ms: int) -> dict[str, Any]:
    """Return the outlook for a program: `why` there is none, or null and its figures."""
    found, why = shown_outlook(folder, beat, now_ms)
    if found is None:
        return {"why": why or "no bot has said anything of it"}
    return {"why": None, **asdict(found)}


def _of(found: Outlook) -> str:
    """Return what an outlook is of."""
    return (
        f"equity {found.equity_quote:,.0f} as of {iso_ms(found.time_ms)}, candles until "
        f"{iso_ms(found.until_ms)}"
    )


def _last(folder: Path) -> str:
    try:
        found = read_outlook(folder)
    except InputError:
        return ""
    return "" if found is None else f"; the last was of {_of(found)}"


def _horizon_line(found: Outlook, one: OutlookHorizon) -> str:
    low, high = (_money(one.equity[found.levels.index(level)]) for level in _HALF)
    return (
        f"in {one.days:g} d: equity {low} to {high} on half of all paths, "
        f"{_money(one.worst_1)} on the worst 1 % and {_money(one.worst_01)} on the worst 0.1 % "
        f"(means); liquidated {_odds(one.liquidated)}"
    )


def _odds(odds: Odds) -> str:
    return f"{odds.share:.2%} ({100 * odds.low:.2f} to {100 * odds.high:.2f})"


def _distance(found: Outlook, level: float) -> str:
    value = found.distance[found.levels.index(level)]
    return "not told by so few paths" if value is None else f"{value:.1%}"


def _money(value: float | None) -> str:
    return "not told" if value is None else f"{value:,.0f}"
