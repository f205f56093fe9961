"""Circuit breakers of the market: prices that disagree, feeds that fall silent, a thin book."""

from __future__ import annotations

from models.trade.risk.limits import Limits
from models.trade.risk.need import intent_of, need, need_price
from models.trade.risk.snapshot import MarketState, Snapshot
from models.trade.risk.verdict import PASSED, Demand, Verdict, limited, refused


def price_collar(s: Snapshot, limits: Limits) -> Verdict:
    """Refuse an order priced away from the mark or the index; a missing reference refuses too."""
    price, market = need_price(intent_of(s).price, "order price"), _market(s)
    for name, reference, most in (
        ("mark", market.mark, limits.soft.collar_mark_frac),
        ("index", market.index, limits.soft.collar_index_frac),
    ):
        off = abs(price / need_price(reference, f"{name} price") - 1)
        if off > most:
            return refused(f"order at {price:g} is {off:.2%} from the {name} {reference:g}")
    return PASSED


def prices_agree(s: Snapshot, limits: Limits) -> Verdict:
    """Refuse new risk while the venue's price, mark and index are apart."""
    market = _market(s)
    bid, ask = need_price(market.bid, "bid"), need_price(market.ask, "ask")
    prices = {
        "venue": (bid + ask) / 2,
        "mark": need_price(market.mark, "mark price"),
        "index": need_price(market.index, "index price"),
    }
    gap = max(prices.values()) / min(prices.values()) - 1
    if gap > limits.soft.max_gap_frac:
        said = ", ".join(f"{name} {price:g}" for name, price in prices.items())
        return refused(f"prices are {gap:.2%} apart: {said}", Demand.WARN)
    return PASSED


def price_fresh(s: Snapshot, limits: Limits) -> Verdict:
    """Warn, stop new risk, then reduce as the price feed falls silent."""
    soft, age = limits.soft, need(_market(s).price_age_s, "age of the price")
    said = f"the newest price is {age:.0f} s old"
    if age > soft.price_silent_s:
        return refused(said, Demand.REDUCING, unknown=True)
    if age > soft.price_stop_s or age < -soft.price_warn_s:  # or from the future: a broken clock
        return refused(said, Demand.WARN)
    if age > soft.price_warn_s:
        return Verdict(reason=said, demand=Demand.WARN)
    return PASSED


def candles_fresh(s: Snapshot, limits: Limits) -> Verdict:
    """Refuse new risk on a forecast from old candles."""
    market = _market(s)
    age = need(market.candle_age_s, "age of the last candle")
    most = limits.soft.max_candle_age * need(market.candle_s, "length of a candle")
    if not 0 <= age <= most:
        return refused(f"the last analysed candle closed {age:.0f} s ago, at most {most:.0f}")
    return PASSED


def spread_tight(s: Snapshot, limits: Limits) -> Verdict:
    """Refuse new risk in a book that has come apart or crossed."""
    market = _market(s)
    bid, ask = need_price(market.bid, "bid"), need_price(market.ask, "ask")
    spread = (ask - bid) / bid
    if not 0 <= spread <= limits.soft.max_spread_frac:
        return refused(f"bid {bid:g} and ask {ask:g} are {spread:.2%} apart", Demand.WARN)
    return PASSED


def depth_enough(s: Snapshot, limits: Limits) -> Verdict:
    """Limit an order to a share of what the book shows, on the side it takes and the way out."""
    market = _market(s)
    depth = min(
        need(market.bid_depth_quote, "depth of bids"), need(market.ask_depth_quote, "depth of asks")
    )
    share = limits.soft.max_depth_frac
    return limited(share * depth, f"one order is limited to {share:.2g} of the visible book")


def funding_bearable(s: Snapshot, limits: Limits) -> Verdict:
    """Refuse a position that would pay more funding than allowed."""
    paid = intent_of(s).side * need(_market(s).funding_8h_frac, "funding rate")
    if paid > limits.soft.max_funding_8h_frac:
        return refused(f"the position would pay {paid:.3%} of funding per 8 h")
    return PASSED


def _market(s: Snapshot) -> MarketState:
    return need(s.market, "market")
