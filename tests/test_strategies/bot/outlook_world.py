"""An account, its candles and a process that is played, for tests of the outlook."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

from models.base.types import Candles
from models.operate.control.outlook import OutlookPosition
from models.trade.account.cross import CrossAccount, Position
from models.trade.risk.snapshot import Exposure
from strategies.account.tiers import load_binance_tiers
from strategies.bot.market_data import load_checked
from strategies.bot.outlook import OutlookKeeper
from strategies.bot.outlook_request import OutlookConfig, OutlookRequest, read_request
from strategies.desk.backtests.simulated_data import write_simulated
from tests.test_models.operate.control.outlooks import HOUR_MS, outlook

BTC, LTC = "BTC/USDT:USDT", "LTC/USDT:USDT"
FEW: Final = OutlookConfig(engine="bootstrap", paths=1_000)


def write_market(folder: Path, days: int = 60) -> Path:
    """Write simulated days of five coins, hourly; return the data directory."""
    return write_simulated(folder, seed=3, start=datetime(2022, 4, 1, tzinfo=UTC), days=days)


def exposure(equity: float = 1_000.0, **amounts: float) -> Exposure:
    """Return an account of this equity that holds amounts of BTC and LTC, at marks of its own."""
    marks = {BTC: 30_000.0, LTC: 100.0}
    held = {BTC: amounts.get("btc", 0.0), LTC: amounts.get("ltc", 0.0)}
    return Exposure(
        account=CrossAccount(
            wallet_quote=equity,
            positions=tuple(
                Position(pair=pair, amount_base=amount, entry_price=marks[pair])
                for pair, amount in held.items() if amount
            ),
            tiers=load_binance_tiers([BTC, LTC]),
        ),
        marks=marks,
    )  # fmt: skip


def request(market: Path, pairs: dict[str, float], **changed: Any) -> OutlookRequest:
    """Return a request for signed notionals over an equity of 1,000, after the market's end."""
    last = {pair: load_checked(market, pair, "1h") for pair in pairs}
    end_ms = min(int(c.time_ms[-1]) for c in last.values()) + HOUR_MS
    marks = {pair: float(c.close[-1]) for pair, c in last.items()}
    made = OutlookRequest(
        asked=FEW, time_ms=end_ms, until_ms=end_ms, candle_ms=HOUR_MS, datadir=str(market),
        timeframe="1h", equity_quote=1_000.0,
        positions=tuple(
            OutlookPosition(pair=pair, amount_base=1_000.0 * size / marks[pair], mark=marks[pair])
            for pair, size in pairs.items()
        ),
        tiers={pair: load_binance_tiers([pair])[pair].tiers for pair in pairs},
    )  # fmt: skip
    return replace(made, **changed)


@dataclass
class Played:
    """A process whose answer and end a test decides on."""

    request: OutlookRequest
    newest: dict[str, Candles]
    answers: BinaryIO
    status: int | None = None
    killed: bool = False

    def poll(self) -> int | None:
        return self.status

    def kill(self) -> None:
        self.killed, self.status = True, -9

    def wait(self, timeout: float | None = None) -> int:
        assert self.status is not None
        return self.status

    def answer(self, text: str | None = None, status: int = 0) -> None:
        """End, having said this; by default an outlook of what was asked."""
        if text is None:
            asked = self.request
            text = json.dumps(asdict(outlook(
                time_ms=asked.time_ms, until_ms=asked.until_ms, equity_quote=asked.equity_quote,
                positions=asked.positions,
            )))  # fmt: skip
        self.answers.write(text.encode())
        self.answers.flush()
        self.status = status


@dataclass
class OutlookWorld:
    """A keeper, its clocks and every process it has started."""

    folder: Path
    now_ms: int = 1_700_000_000_000 // HOUR_MS * HOUR_MS + 60_000
    passed_s: float = 0.0
    started: list[Played] = field(default_factory=list)
    trouble: OSError | None = None

    def keeper(self, config: OutlookConfig = FEW) -> OutlookKeeper:
        """Return a keeper of the folder, as a bot that starts has one."""
        return OutlookKeeper(
            config, self.folder, datadir=self.folder / "data", timeframe="1h", candle_ms=HOUR_MS,
            clock=lambda: self.now_ms, monotonic=lambda: self.passed_s, launch=self._launch,
        )  # fmt: skip

    def _launch(self, asks: BinaryIO, answers: BinaryIO) -> Played:
        if self.trouble is not None:
            raise self.trouble
        self.started.append(Played(*read_request(OutlookRequest, asks.read()), answers=answers))
        return self.started[-1]

    def pass_s(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self.passed_s += seconds
        self.now_ms += round(1_000 * seconds)


def no_candles(pair: str) -> Candles | None:
    """Return what a bot has that analyses none."""
    return None
