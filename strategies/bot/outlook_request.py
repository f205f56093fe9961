"""What the process that computes an outlook is asked: the account, the candles, the engine.

Asked with it are the shocks of pairs, held or not: how far each may go in the candle to come.

It is handed over as a file without a name: nothing of it is left, whoever is killed when.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, BinaryIO, Final

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
# Of candles, before shocks are told: of fewer years the confidence bound of a tail is so wide that
# it is beyond the record in most hours, and says nothing of this one (user_data/docs/risk.md).
LEAST_SPAN_MS: Final = 3 * 365 * DAY_MS
_COLUMNS: Final = tuple(f.name for f in fields(Candles))


@dataclass(frozen=True, kw_only=True)
class OutlookConfig:
    """Block `breakwater.outlook`: what may become of the account the bot holds, for `risk`, and how
    far each coin may go in the hour to come, for the gap limit."""

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
class OutlookRequest:
    """One outlook to be computed; positions as if entered at their marks, which is the same.

    Attributes
    ----------
    until_ms
        No candle that closes later counts.
    equity_quote
        At the marks.
    datadir, timeframe
        Where older candles are, and of which length those are that the bot trades.
    """

    asked: OutlookConfig
    time_ms: int
    until_ms: int
    candle_ms: int  # of the outlook: an hour at least
    datadir: str
    timeframe: str
    equity_quote: float
    positions: tuple[OutlookPosition, ...]
    pairs: tuple[str, ...]  # whose shocks are asked for; without positions nothing else is
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


_READER: Final[TypeAdapter[OutlookRequest]] = TypeAdapter(OutlookRequest)


def write_request(file: BinaryIO, request: OutlookRequest, newest: Mapping[str, Candles]) -> None:
    """Write a request, with the candles that the bot has of each pair."""
    plain = _READER.dump_json(request)
    tables = {
        pair: np.column_stack([getattr(candles, name) for name in _COLUMNS]).astype(np.float64)
        for pair, candles in newest.items()
    }
    held: dict[str, Any] = {f"candles {pair}": table for pair, table in tables.items()}
    np.savez(file, request=np.frombuffer(plain, np.uint8), **held)


def read_request(data: bytes) -> tuple[OutlookRequest, dict[str, Candles]]:
    """Return what `write_request` wrote."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        request = _READER.validate_json(file["request"].tobytes())
        newest = {
            name.removeprefix("candles "): _candles(file[name])
            for name in file.files
            if name != "request"
        }
    return request, newest


def _candles(table: np.ndarray[Any, np.dtype[np.float64]]) -> Candles:
    values = dict(zip(_COLUMNS, table.T, strict=True))
    return Candles(**{**values, "time_ms": values["time_ms"].astype(np.int64)})
