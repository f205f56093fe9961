"""Python source as a tree, whatever else is being cleared away in the same process."""

from __future__ import annotations

import ast
import gc


def parse(source: str) -> ast.Module:
    """Return what `ast.parse` makes of `source`, with no garbage collected meanwhile.

    CPython before 3.11.8 counts the depth of the trees it builds once per process. A finalizer
    whose error is printed has the printed lines parsed too, and where that falls into the building
    of a tree it ends in "SystemError: AST constructor recursion depth mismatch" (its issue 106905).
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(source)
    finally:
        if collects:
            gc.enable()
