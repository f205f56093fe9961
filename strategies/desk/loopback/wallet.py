"""Signed endpoints about the account: balances, positions, leverage and modes."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from aiohttp import web

from strategies.desk.loopback.account import ZERO, Customer, OpenPosition
from strategies.desk.loopback.endpoint import Params, private
from strategies.desk.loopback.errors import ApiError, mandatory
from strategies.desk.loopback.orders import read_flag, text
from strategies.desk.loopback.symbols import Symbol
from strategies.desk.loopback.tiers import bracket_entry
from strategies.desk.loopback.venue import LoopbackVenue

_EIGHT = Decimal("1e-8")
_ONLY_V2 = ("leverage", "marginType", "isolated", "unrealizedProfit")
_CROSS = {
    "marginType": "cross",
    "isolated": False,
    "isolatedMargin": "0",
    "isolatedWallet": "0",
    "openOrderInitialMargin": "0",
    "adl": 2,
}
_OK = {"code": 200, "msg": "success"}


def position_side(venue: LoopbackVenue, account: Customer, params: Params) -> dict[str, Any]:
    """Answer whether the account is in hedge mode; page "Get Current Position Mode"."""
    return {"dualSidePosition": account.hedge_mode}


def multi_assets(venue: LoopbackVenue, account: Customer, params: Params) -> dict[str, Any]:
    """Answer whether other assets are collateral; page "Get Current Multi-Assets Mode"."""
    return {"multiAssetsMargin": account.multi_assets}


def set_multi_assets(venue: LoopbackVenue, account: Customer, params: Params) -> dict[str, Any]:
    """Change the multi-assets mode; page "Change Multi-Assets Mode"."""
    wanted = read_flag(params, "multiAssetsMargin")
    if wanted == account.multi_assets:
        raise ApiError(-4171, "No need to change multi-assets mode.")
    account.multi_assets = wanted
    return _OK


def account_info(venue: LoopbackVenue, account: Customer, params: Params) -> dict[str, Any]:
    """Answer wallet, margins and positions; pages "Account Information V2" and "V3"."""
    totals = _totals(venue, account)
    held = account.open_positions()
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "updateTime": 0,
        "multiAssetsMargin": account.multi_assets,
        "totalInitialMargin": totals["initialMargin"],
        "totalMaintMargin": totals["maintMargin"],
        "totalWalletBalance": totals["walletBalance"],
        "totalUnrealizedProfit": totals["unrealizedProfit"],
        "totalMarginBalance": totals["marginBalance"],
        "totalPositionInitialMargin": totals["positionInitialMargin"],
        "totalOpenOrderInitialMargin": totals["openOrderInitialMargin"],
        "totalCrossWalletBalance": totals["walletBalance"],
        "totalCrossUnPnl": totals["unrealizedProfit"],
        "availableBalance": totals["availableBalance"],
        "maxWithdrawAmount": totals["availableBalance"],
        "assets": [{"asset": account.asset, **totals}],
        "positions": [_position(venue, account, s) for s in venue.symbols if s.name in held],
    }


def balance(venue: LoopbackVenue, account: Customer, params: Params) -> list[dict[str, Any]]:
    """Answer the balance by asset; pages "Futures Account Balance V2" and "V3"."""
    totals = _totals(venue, account)
    return [
        {
            "accountAlias": account.alias,
            "asset": account.asset,
            "balance": totals["walletBalance"],
            "crossWalletBalance": totals["walletBalance"],
            "crossUnPnl": totals["unrealizedProfit"],
            "availableBalance": totals["availableBalance"],
            "maxWithdrawAmount": totals["availableBalance"],
            "marginAvailable": True,
            "updateTime": venue.at_ms,
        }
    ]


def _totals(venue: LoopbackVenue, account: Customer) -> dict[str, Any]:
    marks = venue.marks()
    profit = account.unrealised(marks)
    positions, orders = account.position_margin(marks), account.order_margin()
    floats = {name: float(mark) for name, mark in marks.items()}
    maintenance = account.margin_state(venue.tiers).maintenance_margin(floats)
    return {
        "walletBalance": _money(account.wallet),
        "unrealizedProfit": _money(profit),
        "marginBalance": _money(account.wallet + profit),
        "maintMargin": _money(Decimal(repr(maintenance))),
        "initialMargin": _money(positions + orders),
        "positionInitialMargin": _money(positions),
        "openOrderInitialMargin": _money(orders),
        "crossWalletBalance": _money(account.wallet),
        "crossUnPnl": _money(profit),
        "availableBalance": _money(account.available(marks)),
        "maxWithdrawAmount": _money(account.available(marks)),
        "marginAvailable": True,
        # ccxt takes an asset with updateTime 0 for one that was never used and skips it.
        "updateTime": venue.at_ms,
    }


def position_risk(venue: LoopbackVenue, account: Customer, params: Params) -> list[dict[str, Any]]:
    """Answer the open positions with their leverage; page "Position Information V2"."""
    wanted = params.get("symbol")
    if wanted is not None:
        venue.symbol(wanted)
    held = account.open_positions()
    return [
        _position(venue, account, s)
        for s in venue.symbols
        if s.name in held and wanted in (None, s.name)
    ]


def position_risk_v3(
    venue: LoopbackVenue, account: Customer, params: Params
) -> list[dict[str, Any]]:
    """Answer the open positions; V3 no longer tells leverage and margin type."""
    rows = position_risk(venue, account, params)
    return [{k: v for k, v in row.items() if k not in _ONLY_V2} for row in rows]


def _position(venue: LoopbackVenue, account: Customer, symbol: Symbol) -> dict[str, Any]:
    held: OpenPosition = account.position(symbol.name)
    mark = venue.mark(symbol.name)
    notional = held.amount * mark
    marks = {name: float(value) for name, value in venue.marks().items()}
    liquidation = account.margin_state(venue.tiers).liquidation_price(symbol.name, marks)
    maintenance = venue.tiers[symbol.name].maintenance_margin(float(notional))
    margin = abs(notional) / account.leverage_of(symbol.name)
    return {
        "symbol": symbol.name,
        "positionSide": "BOTH",
        "positionAmt": text(held.amount),
        "entryPrice": _money(held.entry),
        "breakEvenPrice": _money(held.entry),
        "markPrice": _money(mark),
        "unRealizedProfit": _money(held.unrealised(mark)),
        "unrealizedProfit": _money(held.unrealised(mark)),
        "liquidationPrice": _money(Decimal(repr(liquidation)) if liquidation else ZERO),
        "leverage": str(account.leverage_of(symbol.name)),
        "notional": _money(notional),
        "marginAsset": "USDT",
        "initialMargin": _money(margin),
        "maintMargin": _money(Decimal(repr(maintenance))),
        "positionInitialMargin": _money(margin),
        "updateTime": held.update_ms,
        **_CROSS,
    }


def set_margin_type(venue: LoopbackVenue, account: Customer, params: Params) -> dict[str, Any]:
    """Choose cross margin; page "Change Margin Type". Isolated margin is not kept here."""
    venue.symbol(params.get("symbol"))
    wanted = params.get("marginType")
    if wanted not in ("CROSSED", "ISOLATED"):
        raise mandatory("marginType")
    if wanted == "CROSSED":
        raise ApiError(-4046, "No need to change margin type.")
    raise ApiError(-4168, "Unable to adjust to isolated-margin mode under this exchange.")


def set_leverage(venue: LoopbackVenue, account: Customer, params: Params) -> dict[str, Any]:
    """Choose a symbol's leverage; page "Change Initial Leverage"."""
    symbol = venue.symbol(params.get("symbol")).name
    given = params.get("leverage", "")
    most = int(venue.tiers[symbol].tiers[0].max_leverage)
    if not given.isdigit() or not 1 <= int(given) <= most:
        raise ApiError(-4028, f"Leverage {given} is not valid")
    account.leverage[symbol] = int(given)
    largest = _largest(venue, symbol, int(given))
    return {"symbol": symbol, "leverage": int(given), "maxNotionalValue": largest}


def symbol_config(venue: LoopbackVenue, account: Customer, params: Params) -> list[dict[str, Any]]:
    """Answer margin type and leverage by symbol; page "Symbol Configuration"."""
    wanted = params.get("symbol")
    listed = [venue.symbol(wanted)] if wanted else venue.symbols
    return [
        {
            "symbol": symbol.name,
            "marginType": "CROSSED",
            "isAutoAddMargin": False,
            "leverage": account.leverage_of(symbol.name),
            "maxNotionalValue": _largest(venue, symbol.name, account.leverage_of(symbol.name)),
        }
        for symbol in listed
    ]


def _largest(venue: LoopbackVenue, symbol: str, leverage: int) -> str:
    """Return the largest notional allowed at a leverage, in quote.

    A coin that may be levered less than everyone starts with is told as at the most it may be.
    """
    tiers = venue.tiers[symbol].tiers
    leverage = min(leverage, max(int(t.max_leverage) for t in tiers))
    caps = [t.cap_quote for t in tiers if t.max_leverage >= leverage]
    return str(int(caps[-1]))


def leverage_bracket(
    venue: LoopbackVenue, account: Customer, params: Params
) -> list[dict[str, Any]]:
    """Answer the margin tiers; page "Notional and Leverage Brackets"."""
    wanted = params.get("symbol")
    listed = [venue.symbol(wanted)] if wanted else venue.symbols
    return [bracket_entry(symbol) for symbol in listed]


def commission_rate(venue: LoopbackVenue, account: Customer, params: Params) -> dict[str, Any]:
    """Answer the fee rates; page "User Commission Rate"."""
    return {
        "symbol": venue.symbol(params.get("symbol")).name,
        "makerCommissionRate": text(account.maker_fee),
        "takerCommissionRate": text(account.taker_fee),
    }


def _money(value: Decimal) -> str:
    return text(value.quantize(_EIGHT, ROUND_HALF_UP))


WALLET_ROUTES = (
    web.get("/fapi/v1/positionSide/dual", private(position_side)),
    web.get("/fapi/v1/multiAssetsMargin", private(multi_assets)),
    web.post("/fapi/v1/multiAssetsMargin", private(set_multi_assets)),
    *(web.get(f"/fapi/v{n}/account", private(account_info)) for n in (2, 3)),
    *(web.get(f"/fapi/v{n}/balance", private(balance)) for n in (2, 3)),
    web.get("/fapi/v2/positionRisk", private(position_risk)),
    web.get("/fapi/v3/positionRisk", private(position_risk_v3)),
    web.post("/fapi/v1/marginType", private(set_margin_type)),
    web.post("/fapi/v1/leverage", private(set_leverage)),
    web.get("/fapi/v1/symbolConfig", private(symbol_config)),
    web.get("/fapi/v1/leverageBracket", private(leverage_bracket)),
    web.get("/fapi/v1/commissionRate", private(commission_rate)),
)
