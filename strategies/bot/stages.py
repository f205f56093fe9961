"""Hooks whose time is taken, where the lane of their strategy takes times."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")


def timed(name: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Decorate a strategy's hook so that it counts as stage `name` of the pair it is called for."""

    def decorate(hook: Callable[_P, _R]) -> Callable[_P, _R]:
        parameters = inspect.signature(hook)

        @functools.wraps(hook)
        def measured(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            given = parameters.bind(*args, **kwargs).arguments
            pair = given.get("pair") or given["metadata"].get("pair", "")
            with given["self"].lane.stage(pair, name):
                return hook(*args, **kwargs)

        return measured

    return decorate
