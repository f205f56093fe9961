"""What the process that computes an outlook is asked: the account, the candles, the engine.

It is handed over as a file without a name: nothing of it is left, whoever is killed when.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, BinaryIO, Final, TypeVar

import numpy as np
from pydantic import TypeAdapter

from models.base.errors import ConfigError
from models.base.types import Candles
from models.base.units import DAY_MS
from models.operate.control.outlook import OutlookPosition
from models.trade.account.cross import CrossAccount, Position
from models.trade.account.scenario_account import ADL_FALL_FRAC, ScenarioAccount
from models.trade.account.tiers import MarginTier, MarginTiers

ENGINE_NAMES: Final = (
    "bootstrap", "filtered", "extreme", "jumps", "hawkes", "mixture", "memory", "har",
)  # fmt: skip
# Of candles: of fewer years the bound of a tail is so wide that it is beyond the record in most
# hours, and says nothing of this one (user_data/docs/risk.md).
LEAST_SPAN_MS: Final = 3 * 365 * DAY_MS
TOO_FEW: Final = "fewer than three years of candles, which freqtrade download-data brings"
_COLUMNS: Final = tuple(f.name for f in fields(Candles))


@dataclass(frozen=True, kw_only=True)
class OutlookConfig:
    """Block `breakwater.outlook`: what may become of the account the bot holds, for `risk`, and how
    far each coin may go within an hour, for the gap limit on entries."""

    enabled: bool = True  # in a process of its own, at the lowest priority; needs the extra tails
    engine: str = "har"  # that draws the paths; `breakwater scenarios` judges them
    seed: int = 0  # the same paths for the same account and candles
    paths: int = 10_000  # more of them narrow the intervals of the chances
    limit_s: float = 600.0  # the process is ended after that, and risk says so
    memory_mib: int = 1024  # that it may have beyond its libraries

    def __post_init__(self) -> None:
        if self.engine not in ENGINE_NAMES:
            raise ConfigError(f"expected engine in {ENGINE_NAMES}, got {self.engine!r}")
        if not (1_000 <= self.paths <= 100_000 and 0 <= self.seed < 2**32):
            raise ConfigError(
                f"expected paths from 1,000 to 100,000 and a seed from 0 on, got {self.paths} and "
                f"{self.seed}"
            )
        if not (5 <= self.limit_s <= 3_600 and 256 <= self.memory_mib <= 65_536):
            raise ConfigError(
                "expected limit_s from 5 to 3600 and memory_mib from 256 to 65536, got "
                f"{self.limit_s} and {self.memory_mib}"
            )


@dataclass(frozen=True, kw_only=True)
class ScenarioRequest:
    """Scenarios to be drawn from the newest candles on.

    Attributes
    ----------
    until_ms
        No candle that closes later counts.
    datadir, timeframe
        Where older candles are, and of which length those are that the bot trades.
    """

    asked: OutlookConfig
    until_ms: int
    candle_ms: int  # of the scenarios: an hour at least
    datadir: str
    timeframe: str


@dataclass(frozen=True, kw_only=True)
class OutlookRequest(ScenarioRequest):
    """One outlook to be computed; positions as if entered at their marks, which is the same.

    Attributes
    ----------
    equity_quote
        At the marks.
    """

    time_ms: int
    equity_quote: float
    positions: tuple[OutlookPosition, ...]
    tiers: dict[str, tuple[MarginTier, ...]]

    def scenario_account(self) -> ScenarioAccount:
        """Return the account as paths go through it; raises InputError if none can."""
        return ScenarioAccount(
            account=CrossAccount(
                wallet_quote=self.equity_quote,
                positions=tuple(
                    Position(pair=p.pair, amount_base=p.amount_base, entry_price=p.mark)
                    for p in self.positions
                ),
                tiers={pair: MarginTiers(pair, tiers) for pair, tiers in self.tiers.items()},
            ),
            marks={p.pair: p.mark for p in self.positions},
            deleveraging_frac=ADL_FALL_FRAC,
        )


@dataclass(frozen=True, kw_only=True)
class ShockRequest(ScenarioRequest):
    """The shocks of some pairs, each by itself."""

    pairs: tuple[str, ...]


_Request = TypeVar("_Request", OutlookRequest, ShockRequest)


def write_request(file: BinaryIO, request: ScenarioRequest, newest: Mapping[str, Candles]) -> None:
    """Write a request, with the candles that the bot has of each pair."""
    plain = TypeAdapter(type(request)).dump_json(request)
    tables = {
        pair: np.column_stack([getattr(candles, name) for name in _COLUMNS]).astype(np.float64)
        for pair, candles in newest.items()
    }
    held: dict[str, Any] = {f"candles {pair}": table for pair, table in tables.items()}
    np.savez(file, request=np.frombuffer(plain, np.uint8), **held)


def read_request(kind: type[_Request], data: bytes) -> tuple[_Request, dict[str, Candles]]:
    """Return what `write_request` wrote of a request of this kind."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        request: _Request = TypeAdapter(kind).validate_json(file["request"].tobytes())
        newest = {
            name.removeprefix("candles "): _candles(file[name])
            for name in file.files
            if name != "request"
        }
    return request, newest


def _candles(table: np.ndarray[Any, np.dtype[np.float64]]) -> Candles:
    values = dict(zip(_COLUMNS, table.T, strict=True))
    return Candles(**{**values, "time_ms": values["time_ms"].astype(np.int64)})
