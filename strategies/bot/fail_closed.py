"""Hooks that refuse new risk when they break.

Freqtrade's own wrapper does the opposite: an exception in `confirm_trade_entry` approves the
trade, one in `custom_stake_amount` uses the full proposed stake.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from freqtrade.exceptions import OperationalException

from models.base.errors import NoForecastError, PackError

logger = logging.getLogger(__name__)

_P = ParamSpec("_P")
_R = TypeVar("_R")
_S = TypeVar("_S")


def on_error_return(safe: _S) -> Callable[[Callable[_P, _R]], Callable[_P, _R | _S]]:
    """Decorate a hook so that any exception is logged and answered with `safe`.

    A missing forecast is logged as the ordinary event it is, all else as an error with its trace.

    `safe` must be the answer that adds no risk and blocks no exit: False for an entry, 0 for a
    stake, 1 for a leverage, True for leaving, None for "keep the stop that is there".
    """

    def decorate(hook: Callable[_P, _R]) -> Callable[_P, _R | _S]:
        @functools.wraps(hook)
        def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _R | _S:
            try:
                return hook(*args, **kwargs)
            except NoForecastError as error:
                _note_reason(error.problem, safe, args, kwargs)
                logger.info("%s: %s; answering %r", hook.__name__, error.problem, safe)
                return safe
            except Exception as error:
                _note_reason(f"{type(error).__name__}: {error}", safe, args, kwargs)
                logger.exception("%s raised exception; answering %r", hook.__name__, safe)
                return safe

        # Freqtrade reads argument names with getfullargspec, which does not follow wrappers, and
        # without this would not ask `custom_stoploss` at the moment of the fill.
        guarded.__signature__ = inspect.signature(hook)  # type: ignore[attr-defined]
        return guarded

    return decorate


def _note_reason(
    why: str, safe: object, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> None:  # fmt: skip
    """Keep why a hook of a strategy refuses a pair, for who asked; an entry's is written down."""
    strategy: Any = next(iter(args), None)
    if getattr(strategy, "control", None) is None or "pair" not in kwargs:
        return
    strategy.control.note_reason(kwargs["pair"], why)
    rate = kwargs.get("rate", kwargs.get("current_rate"))
    if safe == 0 and "side" in kwargs and rate is not None:  # False and 0 refuse an entry
        strategy.refuse_entry(kwargs["pair"], kwargs["side"], rate, why)


@contextmanager
def refusing_to_start() -> Iterator[None]:
    """Raise what the pack finds wrong as the error with which Freqtrade ends a start."""
    try:
        yield
    except PackError as error:
        raise OperationalException(str(error)) from error
