"""What a line of the journal may hold: typed records of plain values, and nothing else.

No record has a field for a configuration, a request or an exception's arguments, so a key has no
way in; texts are scrubbed on top of that. Add a record by subclassing `JournalRecord`.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Final, TypeAlias

from models.base.errors import InputError

Plain: TypeAlias = str | int | float | bool | None

_LONGEST_TEXT: Final = 1000
_BEGINNING: Final = 8  # characters of a secret that are known as its beginning
_MASK: Final = "***"
_NAMED: Final = re.compile(
    r"(?i)((?:api[-_]?key|secret|token|password|passphrase|signature)\W{1,4})[\w./+=-]+"
)
# One word with a digit in it: the beginning of an address or of a sentence stands in other texts.
_KEY: Final = re.compile(r"(?=.*\d)[\w.:+=-]{16,}")
_BOT_TOKEN: Final = re.compile(r"\d{6,12}:[\w-]{30,}")  # Telegram's


@dataclass(frozen=True, kw_only=True)
class JournalRecord:
    """Base of every record; fields are plain values, or mappings and sequences of them."""


@dataclass(frozen=True, kw_only=True)
class DecisionRecord(JournalRecord):
    """What the bot decided about one pair, from what, and which rules spoke."""

    action: str  # "enter", "refuse", "wait", "exit", "reduce"
    pair: str
    side: str  # "long" or "short"
    reason: str
    rules: tuple[str, ...] = ()  # that fired, in words
    trade_id: int | None = None
    candle_ms: int | None = None  # open time of the candle the forecast stands on
    forecast: Mapping[str, float] = field(default_factory=dict)  # models.base.columns names
    interval: tuple[float, float] | None = None  # ends of the 90 % interval, price
    inputs: Mapping[str, float] = field(default_factory=dict)  # account and market numbers
    notional_quote: float | None = None
    rate: float | None = None
    leverage: float | None = None


@dataclass(frozen=True, kw_only=True)
class OrderFilled(JournalRecord):
    """An order the exchange has filled; `decision` is the number of the line that led to it."""

    trade_id: int
    pair: str
    side: str  # "buy", "sell" or "stoploss"
    order_id: str
    amount_base: float
    rate: float
    opens: bool
    decision: int | None = None


@dataclass(frozen=True, kw_only=True)
class TradeOutcome(JournalRecord):
    """A closed trade."""

    trade_id: int
    pair: str
    exit_reason: str
    profit_quote: float
    profit_frac: float  # of the stake
    held_s: float


@dataclass(frozen=True, kw_only=True)
class ControlChange(JournalRecord):
    """A command or a guard's word, and what it did to the mode."""

    command: str
    by: str
    reason: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Incident(JournalRecord):
    """Something that went wrong or was repaired, and what was done about it."""

    what: str
    detail: str = ""
    done: str = ""


def plain(record: JournalRecord, secrets: Collection[str] = ()) -> dict[str, Any]:
    """Return a record as JSON values: texts scrubbed, numbers that JSON cannot hold as text.

    Raises
    ------
    InputError
        If it is no record, or a field holds anything but plain values.

    Examples
    --------
    >>> plain(Incident(what="GET ?signature=abc123 failed"))["what"]
    'GET ?signature=*** failed'
    """
    if not isinstance(record, JournalRecord):
        raise InputError(f"expected a record of the journal, got {type(record).__name__}")
    hidden = [secret for secret in secrets if secret]
    return {
        item.name: plain_values(getattr(record, item.name), hidden, item.name)
        for item in dataclasses.fields(record)
    }


def scrubbed(text: str, secrets: Collection[str] = ()) -> str:
    """Return `text` without anything that is, or looks like, a key; cut where it is very long.

    For a line of a file.
    """
    return keyless(text, secrets)[:_LONGEST_TEXT]


def keyless(text: str, secrets: Collection[str] = ()) -> str:
    """Return `text`, whole, without anything that is, or looks like, a key: of an error's words."""
    return _NAMED.sub(rf"\1{_MASK}", masked(text, secrets))


def masked(text: str, secrets: Collection[str] = (), instead: str = _MASK) -> str:
    """Return `text`, whole, without the secrets that are known.

    For prose, in which "the token is refused" is no key. The words of an error may have been cut in
    the midst of one: the beginning of a long key is taken out as well.

    Examples
    --------
    >>> masked("GET ?key=s3cr3t-k3y-0f-", ["s3cr3t-k3y-0f-m1ne"])
    'GET ?key=***'
    """
    for secret in secrets:
        text = text.replace(secret, instead)
        if _KEY.fullmatch(secret):
            text = _without_beginnings(text, secret, instead)
    return _BOT_TOKEN.sub(instead, text)


def _without_beginnings(text: str, secret: str, instead: str) -> str:
    begin, rest = secret[:_BEGINNING], secret[_BEGINNING:]
    first, *others = text.split(begin)
    more = (sum(1 for _ in takewhile(_is_same, zip(part, rest, strict=False))) for part in others)
    return first + "".join(instead + part[n:] for part, n in zip(others, more, strict=True))


def _is_same(pair: tuple[str, str]) -> bool:
    return pair[0] == pair[1]


def plain_values(value: Any, secrets: Collection[str] = (), where: str = "") -> Any:
    """Return values as JSON has them, every text in them scrubbed.

    Raises
    ------
    InputError
        If one is no plain value; `where` names it.

    Examples
    --------
    >>> plain_values([{"why": "GET ?signature=abc123 failed"}, 1.5])
    [{'why': 'GET ?signature=*** failed'}, 1.5]
    """
    if isinstance(value, str):
        return scrubbed(value, secrets)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):  # numpy's float64 is a float; its others are refused
        number = value if type(value) in (int, float) else float(value)
        return number if math.isfinite(number) else str(number)
    if isinstance(value, Mapping):
        return {
            scrubbed(str(k), secrets): plain_values(v, secrets, where) for k, v in value.items()
        }
    if isinstance(value, tuple | list):
        return [plain_values(v, secrets, where) for v in value]
    raise InputError(f"expected plain values, got {type(value).__name__}", where=where)
