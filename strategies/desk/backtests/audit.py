"""`breakwater audit`: a finished Freqtrade backtest, of any strategy, held against a real account.

Freqtrade's engine adds up trades. A cross-margin account is one balance marked at every candle,
with maintenance margin, funding as it was paid, and slippage; it can be liquidated inside a candle
that every single trade survives.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from freqtrade.data.btanalysis import get_latest_backtest_filename, load_backtest_stats

from models.base.errors import ConfigError, InputError, PackError
from models.reports.text import utc
from models.trade.account.audit import AccountAudit
from strategies.desk.backtests.data import choose_datadir, load_checked
from strategies.desk.backtests.results import audit, fills
from strategies.desk.terminal.places import USER_DATA

_USUAL_SLIPPAGE: Final = 0.0002  # per fill: the engine fills at the open
_ROUNDED: Final = 1e-3  # of a price: what a tick may be beyond the candle's own extreme


@dataclass(frozen=True, kw_only=True)
class AuditOptions:
    """What the person asked for."""

    result: Path | None = None  # Freqtrade's .zip or .json; default: the newest of the userdir
    strategy: str = ""  # of several in one result
    data: Path | None = None
    slippage_frac: float = _USUAL_SLIPPAGE
    userdir: Path = USER_DATA
    json: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.slippage_frac < 0.05:
            raise ConfigError(f"expected 0 <= --slippage < 0.05, got {self.slippage_frac}")


def run_audit(options: AuditOptions) -> int:
    """Audit one backtest and print what came of the account; 1 if it was liquidated."""
    path = options.result or _newest(options.userdir / "backtest_results")
    name, result = _result(path, options.strategy)
    _require_audited(path, result)
    start_ms, stop_ms = int(result["backtest_start_ts"]), int(result["backtest_end_ts"])
    pairs = sorted({*result["pairlist"], *(t["pair"] for t in result["trades"])})
    datadir = choose_datadir(options.data, options.userdir).resolve()
    _require_own_market(result, datadir)
    wallet = float(result["starting_balance"])
    done = audit(
        result["trades"], pairs, datadir, (start_ms, stop_ms), wallet, options.slippage_frac
    )
    engine = wallet + sum(float(t["profit_abs"]) for t in result["trades"])
    if options.json:
        told = {"strategy": name, "result": str(path), "engine_final_quote": engine}
        print(json.dumps({**told, **done.summary(), "off_quote": done.reconcile(engine)}))
    else:
        span = f"{utc(start_ms)} to {utc(stop_ms)}"
        print(f"{name}, {', '.join(pairs)}, {span}, {len(result['trades'])} trades")
        print(f"result: {path}\ncandles: {datadir}\n")
        print("\n".join(audit_lines(done, engine, str(result["stake_currency"]))))
    return 1 if done.liquidated_at_ms is not None else 0


def audit_lines(done: AccountAudit, engine_final_quote: float, currency: str) -> list[str]:
    """Return what came of the account, a line for each figure."""
    s = done.summary()
    start = done.start_wallet_quote
    rows = [
        ("final equity, by Freqtrade", f"{engine_final_quote:,.2f} {currency}"),
        ("final equity, of the account", f"{s['final_equity_quote']:,.2f} {currency}"
         f" ({s['final_equity_quote'] / start - 1:+.2%})"),
        ("price alone", f"{done.realised_quote:+,.2f}"),
        ("fees", f"{-done.fees_quote:+,.2f}"),
        ("funding", f"{done.funding_quote:+,.2f}"),
        ("slippage", f"{-done.slippage_quote:+,.2f}"),
        ("deepest fall, at closes", f"{s['max_drawdown_close_frac']:.2%}"),
        ("deepest fall, inside candles", f"{s['max_drawdown_worst_frac']:.2%}"),
        ("margin in use, at most", f"{s['max_margin_ratio']:.2%} of what liquidates,"
         f" {utc(s['max_margin_ratio_at_ms'])}"),
        ("nearest to liquidation", _distance(s)),
    ]  # fmt: skip
    wide = max(len(name) for name, _ in rows)
    lines = [f"{name:{wide}}  {value}" for name, value in rows]
    if done.liquidated_at_ms is not None:
        lines.append(f"\nLIQUIDATED {utc(done.liquidated_at_ms)}: what the backtest shows of the "
                     f"time after it never happens ({done.ignored_fills} fills)")  # fmt: skip
    else:
        lines.append("\nnot liquidated")
        off = done.reconcile(engine_final_quote)
        if abs(off) > 1e-4 * start:
            lines.append(
                f"Freqtrade's books and the account differ by {off:+,.2f} {currency} before "
                "slippage: in funding, fees or fills"
            )
    return lines


def _distance(s: Mapping[str, Any]) -> str:
    if s["min_distance_frac"] is None:
        return "no position was held"
    worst = s["min_distance_worst_frac"]
    inside = "" if worst is None else f", {worst:.1%} inside a candle"
    return f"{s['min_distance_frac']:.1%} away{inside}, {utc(s['min_distance_at_ms'])}"


def _newest(folder: Path) -> Path:
    try:
        return Path(folder, get_latest_backtest_filename(folder))
    except ValueError as error:
        raise InputError(
            "no finished backtest",
            where=str(folder),
            cure="run `freqtrade backtesting` first, or name its result",
        ) from error


def _result(path: Path, strategy: str) -> tuple[str, Mapping[str, Any]]:
    """Return the name and the result of the strategy asked for, or of the only one."""
    try:
        every: Mapping[str, Any] = load_backtest_stats(path)["strategy"]
        names: Sequence[str] = sorted(every)
    except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(
            f"expected a result that `freqtrade backtesting` wrote, got {error}",
            where=str(path),
            cure="name the .zip of its backtest_results",
        ) from error
    name = strategy or (names[0] if len(names) == 1 else "")
    if name not in every:
        raise ConfigError(
            f"expected one strategy of the result, got {strategy or 'none of several'}",
            where=str(path),
            cure=f"--strategy, one of {', '.join(names)}",
        )
    return name, every[name]


def _require_audited(path: Path, result: Mapping[str, Any]) -> None:
    """Refuse what the account model knows nothing of."""
    mode, margin = result.get("trading_mode"), result.get("margin_mode")
    if mode != "futures" or margin not in (None, "cross"):
        raise PackError(
            f"expected a backtest of futures on cross margin, got {mode} {margin or ''}".rstrip(),
            where=str(path),
            cure="set trading_mode futures and margin_mode cross in its config",
        )


def _require_own_market(result: Mapping[str, Any], datadir: Path) -> None:
    """Refuse candles the trades cannot have been filled in: those of another market."""
    timeframe = str(result["timeframe"])
    done = fills(result["trades"])
    for pair in sorted({fill.pair for fill in done}):
        candles = load_checked(datadir, pair, timeframe)
        own = [fill for fill in done if fill.pair == pair]
        row = np.searchsorted(candles.time_ms, [fill.time_ms for fill in own], side="right") - 1
        price = np.array([fill.price_quote for fill in own])
        low, high = candles.low[row] * (1 - _ROUNDED), candles.high[row] * (1 + _ROUNDED)
        outside = (row < 0) | (price < low) | (price > high)
        if outside.any():
            first = own[int(outside.argmax())]
            raise InputError(
                f"{int(outside.sum())} of {len(own)} fills of {pair} lie outside these candles, "
                f"the first at {first.price_quote:g}, {utc(first.time_ms)}",
                where=str(datadir),
                cure="give the candles the backtest ran on: --data",
            )
