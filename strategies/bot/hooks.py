"""What the pack does in a hook is done whatever a subclass of it makes of the hook.

An ordinary subclass overrides a hook and forgets `super()`: without this no sign of life, no loss
limit and no stop would be looked after, and nothing would say so.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final, TypeAlias, TypeVar

from freqtrade.strategy import IStrategy

Hook: TypeAlias = Callable[..., Any]
Answers: TypeAlias = Mapping[str, Callable[[Any, Any], Any]]  # hook -> (its answer, ours) -> answer

logger = logging.getLogger(__name__)

# Answer of `confirm_trade_exit`: the exit rests in the book already, and is not sent again.
RESTS: Final = object()

_PACK: Final = "strategies.bot."
_START: Final = "bot_start"
_H = TypeVar("_H", bound=Hook)

# Hooks of ours that have run: of this thread, because Freqtrade's API asks some of them too.
_ran: ContextVar[frozenset[str]] = ContextVar("ran", default=frozenset())


def runs_always(hook: _H) -> _H:
    """Note that a hook of the pack runs, so that it is not run for a subclass that has."""

    @functools.wraps(hook)
    def noting(*args: Any, **kwargs: Any) -> Any:
        _ran.set(_ran.get() | {hook.__name__})
        return hook(*args, **kwargs)

    return noting  # type: ignore[return-value]  # of the same signature


def keep(strategy: IStrategy, answers: Answers) -> None:
    """Have our own part of each hook run after a subclass's that leaves it out, or that raises.

    What a subclass raises is logged and ends there, but for `bot_start`, which keeps a bot from
    starting.

    Parameters
    ----------
    answers
        What counts of two answers, the subclass's and ours.
    """
    for name, answer in answers.items():
        around(strategy, name, functools.partial(_with_ours, _own(strategy, name), answer))


def around(strategy: IStrategy, name: str, act: Callable[[Hook, dict[str, Any]], Any]) -> None:
    """Have `act(hook, arguments)` called in a hook's place; Freqtrade names all arguments."""
    if name in vars(strategy):  # done already: the provider was set a second time
        return
    hook = getattr(strategy, name)

    @functools.wraps(hook)
    def asked(*args: Any, **kwargs: Any) -> Any:
        return hook(*args, **kwargs) if args else act(hook, kwargs)

    setattr(strategy, name, asked)


def _with_ours(
    own: Hook, answer: Callable[[Any, Any], Any], hook: Hook, asked: dict[str, Any]
) -> Any:
    _ran.set(_ran.get() - {own.__name__})
    said = ours = None
    try:
        said = hook(**asked)
    except Exception:  # of any kind: ours has its turn all the same
        if own.__name__ == _START:
            raise
        logger.exception("%s of the strategy raised exception", own.__name__)
    if own.__name__ not in _ran.get():
        ours = own(**asked)
    return answer(said, ours)


def _own(strategy: IStrategy, name: str) -> Hook:
    """Return the pack's own hook, bound: the first class of ours that has one."""
    ours = (c for c in type(strategy).__mro__ if c.__module__.startswith(_PACK))
    owner = next(kind for kind in ours if name in vars(kind))
    own: Hook = vars(owner)[name].__get__(strategy)
    return own
