"""What an exchange answered before ccxt made sense of it, and its rows parsed one at a time.

ccxt parses a list whole: one row it cannot read takes all others with it, and an answer that is no
list at all (a proxy's page) passes for an empty one. `Exchange.request`, which every call of a
client goes through, and `parse_market` are replaced on the object for the time of a question. It
writes a precision of 10**40 digits down zero by zero: `parse_precision` is replaced for good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import ccxt

from models.base.errors import InputError
from strategies.seams.record import Library, Seam, lacks_method, lacks_text, problems

_MOST_DIGITS = 32  # of a price or a size; ether is counted in 18

ParsedRow: TypeAlias = Mapping[str, Any]  # one object as ccxt parses it
AskRows: TypeAlias = Callable[[], Sequence[ParsedRow]]


@dataclass(frozen=True, kw_only=True)
class AnsweredRow:
    """One row of an answer: as it came, and what ccxt makes of it (nothing: it leaves it out)."""

    raw: object
    parsed: tuple[ParsedRow, ...] = ()
    error: str = ""  # why ccxt cannot parse it


def rows_apart(client: ccxt.Exchange, ask: AskRows) -> list[AnsweredRow]:
    """Ask once and return the rows of the last answer, each parsed by itself.

    Raises
    ------
    ccxt.BaseError
        The exchange's or the network's own word instead of an answer.
    InputError
        If the answer is no list.
    """
    answers: list[Any] = []
    own = client.request

    def kept(*question: Any, **more: Any) -> Any:
        answers.append(own(*question, **more))
        return answers[-1]

    with _answering(client, kept):
        try:
            ask()
        except ccxt.BaseError:
            if not (answers and isinstance(answers[-1], list)):
                raise
        except Exception:  # noqa: BLE001 - a row of any kind: which, is seen below
            pass
    if not (answers and isinstance(answers[-1], list)):
        got = type(answers[-1]).__name__ if answers else "nothing"
        raise InputError(f"expected a list from the exchange, got {got}")
    *before, rows = answers
    return [_alone(client, ask, before, row) for row in rows]


def _alone(client: ccxt.Exchange, ask: AskRows, before: list[Any], row: object) -> AnsweredRow:
    answers = iter([*before, [row]])
    with _answering(client, lambda *_, **__: next(answers)):
        try:
            return AnsweredRow(raw=row, parsed=tuple(ask()))
        except Exception as error:  # noqa: BLE001 - of any kind: this row cannot be read
            return AnsweredRow(raw=row, error=type(error).__name__)


def bound_precision(client: ccxt.Exchange) -> None:
    """Have a client refuse, with InputError, a precision it would never finish writing down."""
    written = client.parse_precision

    def precision(digits: Any) -> Any:
        if digits is not None and abs(int(digits)) > _MOST_DIGITS:
            raise InputError(f"expected at most {_MOST_DIGITS} digits, got {str(digits)[:40]}")
        return written(digits)

    vars(client)["parse_precision"] = precision


def list_markets_apart(client: ccxt.Exchange) -> None:
    """Have a client know the markets that can be read; one that cannot is as if not listed.

    Raises
    ------
    ccxt.BaseError, InputError
        If none can be had.
    """
    own = client.parse_market

    def parsed(market: Any) -> Any:
        try:
            return own(market)
        except Exception:  # noqa: BLE001 - of any kind: this one is not known, the others are
            return None

    with _standing_in(client, "parse_market", parsed):
        try:
            found = client.fetch_markets()
        except ccxt.BaseError:
            raise
        except Exception as error:
            raise InputError("expected a list of markets from the exchange") from error
    markets = [market for market in found if market]
    if not markets:
        raise InputError("expected a list of markets from the exchange, got none")
    client.set_markets(markets)


@contextmanager
def _answering(client: ccxt.Exchange, answer: Callable[..., Any]) -> Iterator[None]:
    with _standing_in(client, "request", answer):
        yield


@contextmanager
def _standing_in(client: ccxt.Exchange, name: str, instead: Callable[..., Any]) -> Iterator[None]:
    vars(client)[name] = instead
    try:
        yield
    finally:
        del vars(client)[name]


def _probe() -> str:
    return problems(
        lacks_method(ccxt.Exchange, "request", "path", "api", "method", "params"),
        lacks_text(ccxt.Exchange, "request", "self.fetch2("),
        lacks_method(ccxt.binanceusdm, "parse_market", "market"),
        lacks_method(ccxt.Exchange, "parse_precision", "precision"),
        "" if "request" not in vars(ccxt.binanceusdm()) else "ccxt sets request on the object",
    )


RAW_ANSWERS = Seam(
    name="Exchange.request, parse_market, parse_precision",
    what="replaced on the object while a question lasts",
    why="one row that cannot be read must not hide the others",
    since="ccxt 4.5.90",
    without="one broken row of an answer blinds the watchdog",
    probe=_probe,
    library=Library.EXCHANGE,
)
