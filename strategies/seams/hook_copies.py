"""The deep copy of a trade that Freqtrade hands to each hook.

With every order the trade ever had, it takes minutes a month on a leg that is adjusted for years.
Freqtrade spares its own methods, which it knows by their qualified name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from freqtrade.strategy import IStrategy
from freqtrade.strategy.strategy_wrapper import strategy_safe_wrapper

from strategies.seams.record import Library, Seam


def spare_the_copy(strategy: type[IStrategy], hook: str) -> None:
    """Have Freqtrade hand the trade itself to a hook of `strategy`, which must only read it."""
    getattr(strategy, hook).__qualname__ = getattr(IStrategy, hook).__qualname__


def _probe() -> str:
    given = object()

    def hook(trade: object) -> bool:
        return trade is given

    hook.__qualname__ = IStrategy.adjust_trade_position.__qualname__
    wrapped: Callable[..., Any] = strategy_safe_wrapper(hook, default_retval=False)
    return "" if wrapped(trade=given) else "strategy_safe_wrapper copies the trade all the same"


HOOK_COPIES = Seam(
    name="strategy_safe_wrapper, __qualname__",
    what="a hook takes the name of Freqtrade's own",
    why="a hedge's leg has thousands of orders, copied for each call of a hook",
    since="freqtrade 2025.6",
    without="backtests of a hedge take hours",
    probe=_probe,
    library=Library.EXCHANGE,
)
