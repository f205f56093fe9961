"""What the providers document of their payloads, as models that pydantic holds the payloads to.

Fields a model does not name are not looked at: providers add some every year. A number may be sent
as one or as text; what is true or false is none.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError, core_schema

from models.base.errors import InputError

_T = TypeVar("_T")

_LATEST_S: Final = 4_102_444_800  # 2100: a time beyond it is in another unit
_EARLIEST_S: Final = 1_230_768_000  # 2009
_SHOWN: Final = 5  # offenders named
_NUMBER: Final = "number"  # kind of error
_NO_NUMBERS: Final = ("symbol", "side", "id", "bids", "asks", "last_updated")
_HASH: Final = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Within:
    """A finite number in [low, high]; `whole` where only whole ones are meant, as times are."""

    low: float = 0.0
    high: float = math.inf
    whole: bool = False

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        number: CoreSchema
        if self.whole:
            number = core_schema.int_schema(ge=int(self.low), le=int(self.high))
        else:
            number = core_schema.float_schema(ge=self.low, le=self.high, allow_inf_nan=False)
        return core_schema.custom_error_schema(
            core_schema.no_info_before_validator_function(_sent_number, number),
            _NUMBER,
            custom_error_message=_NUMBER,
            custom_error_context={"low": self.low, "high": self.high},
        )


def _sent_number(value: object) -> str | float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError
    return value


def _of_market(value: object, info: ValidationInfo) -> object:
    if value != info.context:
        raise PydanticCustomError(
            "symbol", "expected symbol {wanted}, got {got}",
            {"wanted": info.context, "got": repr(value)},
        )  # fmt: skip
    return value


def _first_two(level: object) -> object:
    """Some exchanges add the number of orders to a level's price and amount."""
    if not isinstance(level, list | tuple) or len(level) < 2:
        raise PydanticCustomError(
            "level", "expected price and amount, got {got}", {"got": shortened(level)}
        )
    return {"price": level[0], "amount": level[1]}


def _hash(value: object) -> str:
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise PydanticCustomError(
            "hash", "expected a block with its hash in id, got {got}", {"got": shortened(value)}
        )
    return value


def _zoned(value: object) -> int:
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise PydanticCustomError(
            "zone",
            "expected a time with its zone in last_updated, got {got}",
            {"got": shortened(value)},
        )
    return int(time.timestamp() * 1000)


_Symbol = Annotated[str, BeforeValidator(_of_market)]
TimeMs = Annotated[int, Within(1000 * _EARLIEST_S, 1000 * _LATEST_S, whole=True)]
TimeS = Annotated[int, Within(_EARLIEST_S, _LATEST_S, whole=True)]
Amount = Annotated[float, Within()]
Count = Annotated[float, Within(0, 1e9)]


class FundingRow(BaseModel):
    """A payment of ccxt's funding rate history."""

    symbol: _Symbol
    time: TimeMs = Field(alias="timestamp")
    value: Annotated[float, Within(-1.0, 1.0)] = Field(alias="fundingRate")


class OpenInterestRow(BaseModel):
    """A reading of ccxt's open interest history."""

    symbol: _Symbol
    time: TimeMs = Field(alias="timestamp")
    value: Amount = Field(alias="openInterestAmount")


class LongShortRow(BaseModel):
    """A reading of ccxt's long/short ratio history."""

    symbol: _Symbol
    time: TimeMs = Field(alias="timestamp")
    value: Amount = Field(alias="longShortRatio")


class FearGreedRow(BaseModel):
    """A day of the Fear & Greed index."""

    time: TimeS = Field(alias="timestamp")
    value: Annotated[float, Within(0.0, 100.0)]


class ForcedOrder(BaseModel):
    """A liquidation as ccxt tells it."""

    symbol: _Symbol
    side: Literal["sell", "buy"]
    time: TimeMs = Field(alias="timestamp")
    price: Amount
    contracts: Amount


class BookLevel(BaseModel):
    """What rests at one price of an order book."""

    price: Amount
    amount: Amount


_Levels = Annotated[list[Annotated[BookLevel, BeforeValidator(_first_two)]], Field(min_length=1)]


class OrderBook(BaseModel):
    """An order book as ccxt tells it, best price first; some exchanges give it no time."""

    symbol: _Symbol
    time: TimeMs | None = Field(default=None, alias="timestamp")
    bids: _Levels
    asks: _Levels


class Sentiment(BaseModel):
    """The votes in a coin's entry at CoinGecko."""

    up_percent: Annotated[float, Within(0.0, 100.0)] = Field(alias="sentiment_votes_up_percentage")
    time: Annotated[TimeMs, BeforeValidator(_zoned)] = Field(alias="last_updated")


class Waiting(BaseModel):
    """The mempool of mempool.space's interface."""

    count: Count


class Statistics(BaseModel):
    """A chain's statistics at Blockchair."""

    count: Count = Field(alias="mempool_transactions")


class BlockRow(BaseModel):
    """A block of mempool.space's interface; its hash becomes part of an address."""

    id: Annotated[str, BeforeValidator(_hash)]
    height: Count
    time: TimeS = Field(alias="timestamp")


class SummaryRow(BaseModel):
    """A transaction in the summary of a block, in 1e-8 coins."""

    moved: Amount = Field(alias="value")


class TransactionRow(BaseModel):
    """A transaction at Blockchair, in 1e-8 coins."""

    moved: Amount = Field(alias="output_total")


def held_to(
    model: TypeAdapter[_T], payload: object, what: str, *, symbol: str = "", item: str = "row"
) -> _T:
    """Return the payload as its model; `item` is what the members of its lists are called.

    Raises
    ------
    InputError
        Naming what is not as documented, at most five offenders.
    """
    try:
        return model.validate_python(payload, context=symbol)
    except ValidationError as error:
        raise refusal(what, [_sentence(one, item) for one in error.errors()]) from error


def refusal(what: str, problems: list[str]) -> InputError:
    """Return the error for a payload that is not as documented."""
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return InputError(
        "; ".join(problems[:_SHOWN]) + more,
        where=f"payload of {what}",
        cure="the provider answered otherwise than documented; use the second source",
    )


def shortened(value: object) -> str:
    """Return a value as it is shown in an error."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _sentence(error: ErrorDetails, item: str) -> str:
    place, name, value = list(error["loc"]), "", error["input"]
    if place and isinstance(place[-1], str) and error["type"] not in ("list_type", "too_short"):
        name = str(place.pop())
    prefix = "".join(f"{item} {p}: " if isinstance(p, int) else f"{p}: " for p in place)
    match error["type"]:
        case "list_type" | "too_short":
            wanted = "levels" if item == "level" else "a list"
            sentence = f"expected {wanted}, got {shortened(value)}"
        case "missing":
            wanted = name if name in _NO_NUMBERS else f"a number in {name}"
            sentence = f"expected {wanted}, got None"
        case "model_type":
            sentence = f"expected a block, got {shortened(value)}"
        case "literal_error":
            expected = error["ctx"]["expected"].replace("'", "")
            sentence = f"expected {name} {expected}, got {value!r}"
        case kind if kind == _NUMBER:
            sentence = _number_sentence(name, value, error["ctx"]["low"], error["ctx"]["high"])
        case _:
            sentence = error["msg"]
    return prefix + sentence


def _number_sentence(name: str, value: object, low: float, high: float) -> str:
    try:
        number = float(_sent_number(value))
    except ValueError:
        return f"expected a number in {name}, got {shortened(value)}"
    if low <= number <= high:
        return f"expected a whole number in {name}, got {value!r}"
    return f"expected {name} from {low:g} to {high:g}, got {number:g}"
