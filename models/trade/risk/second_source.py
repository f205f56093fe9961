"""New risk only while two venues tell the same story; asked where a second one is configured."""

from __future__ import annotations

from models.trade.risk.limits import Limits
from models.trade.risk.need import need
from models.trade.risk.snapshot import Snapshot
from models.trade.risk.verdict import PASSED, Verdict, refused


def sources_agree(s: Snapshot, limits: Limits) -> Verdict:
    """Refuse new risk while the second source is silent or disagrees with the exchange.

    The comparison is the last one there is: at a candle's close that of the candle before, whose
    age is part of every reason.
    """
    seen = need(s.second, "second source of candles")
    age_s = (s.now_ms - need(seen.closed_ms, "candle that both sources have")) / 1000
    most_s = limits.soft.max_source_age * need(need(s.market, "market").candle_s, "candle length")
    compared = f"compared on the candle closed {age_s:.0f} s ago"
    if not 0 <= age_s <= most_s:
        return refused(f"sources were last {compared}, at most {most_s:.0f}", unknown=True)
    if seen.odd:
        return refused(f"candles of the sources differ: {seen.odd[-1]}; {compared}")
    gap = need(seen.gap_frac, "gap between the sources")
    if not abs(gap) <= limits.soft.max_source_gap_frac:
        return refused(f"the second source is {gap:+.2%} away, {compared}")
    return PASSED
