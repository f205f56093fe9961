"""An explanation as text: a table with no more digits than its error supports."""

from __future__ import annotations

import math
from typing import Final

from models.evaluate.explain.forecast import Explanation

# Target -> (what it is, unit, how many of the unit are 1).
UNITS: Final = {
    "advantage": ("p_up − p_down", "points", 100.0),
    "return": ("median return", "bps", 10_000.0),
    "cascade_down": ("P(cascade down)", "points", 100.0),
    "cascade_up": ("P(cascade up)", "points", 100.0),
}


def measured(value: float, error: float) -> tuple[str, str]:
    """Return value and error as text, both to the error's first digit; exact ones to three places.

    Examples
    --------
    >>> measured(1.2345, 0.037), measured(-12.3, 1.4), measured(0.5, 0.0)
    (('+1.23', '0.04'), ('−12', '1'), ('+0.5', '0'))
    """
    if not error > 0:
        return f"{round(value, 3) + 0.0:+g}".replace("-", "−"), "0"
    digits = max(0, -math.floor(math.log10(error)))
    if round(error, digits) >= 10.0 ** (1 - digits) and digits:  # 0.097 becomes 0.1, not 0.10
        digits -= 1
    shown = round(value, digits) + 0.0  # no "-0.0"
    return f"{shown:+.{digits}f}".replace("-", "−"), f"{error:.{digits}f}"


def attribution_table(explanation: Explanation, top: int = 12) -> str:
    """Return the strongest drivers, the rest, and the blocks of candles, a line each."""
    what, unit, scale = UNITS[explanation.target]
    found = explanation.by_driver(top)
    moved = explanation.total - explanation.base
    rows: list[tuple[str, ...]] = [("", unit, "±", "feature", "candles back")]
    for d in found["drivers"]:
        rows.append(("", *measured(scale * d["value"], scale * d["error"]), d["feature"], d["age"]))
    rest = found["rest"]
    rows.append((
        "", *measured(scale * rest["value"], scale * rest["error"]), f"{rest['count']} others", "",
    ))  # fmt: skip
    rows.append(("=", f"{scale * moved:+.2f}".replace("-", "−"), "", "together", ""))
    ages: list[tuple[str, ...]] = [("", unit, "±", "all features", "candles back")]
    ages += [
        ("", *measured(scale * a["value"], scale * a["error"]), "", a["age"])
        for a in explanation.by_age()
    ]
    head = (
        f"{what}: {scale * explanation.total:+.2f} {unit}; of an average market (every feature at "
        f"its training mean): {scale * explanation.base:+.2f} {unit}"
    ).replace("-", "−")
    return "\n".join((head, "", *_aligned(rows), "", *_aligned(ages)))


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Return the rows with columns of one width, numbers to the right."""
    width = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join((
            row[0].ljust(1), row[1].rjust(width[1]), row[2].rjust(width[2]), row[3].ljust(width[3]),
            row[4],
        )).rstrip()
        for row in rows
    ]  # fmt: skip
