"""As much of SVG as two pictures need: boxes, wrapped text, one sheet with a ground of its own.

A picture stands on its own paper, so that it can be read on a dark page as on a light one.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
WIDTH_PER_SIZE = 0.52  # of a letter, on average; there is no font to measure with here


@dataclass
class Sheet:
    """A picture that grows downwards; `y` is where the next thing goes."""

    width: int
    ground: str
    y: float = 0.0
    parts: list[str] = field(default_factory=list)

    def box(
        self, x: float, y: float, width: float, height: float, fill: str,
        stroke: str = "none", radius: float = 6,
    ) -> None:  # fmt: skip
        """Draw a rectangle."""
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius:g}" '
            f'fill="{fill}" stroke="{stroke}"/>'
        )

    def line(
        self, text: str, x: float, y: float, size: float, fill: str, *,
        bold: bool = False, anchor: str = "start",
    ) -> None:  # fmt: skip
        """Write one line; `y` is its foot."""
        weight = ' font-weight="600"' if bold else ""
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{fill}" text-anchor="{anchor}"'
            f"{weight}>{escape(text)}</text>"
        )

    def path(self, points: Sequence[tuple[float, float]], stroke: str) -> None:
        """Draw a line through points."""
        through = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(
            f'<polyline points="{through}" fill="none" stroke="{stroke}" stroke-width="1.5"/>'
        )

    def svg(self, title: str) -> str:
        """Return the picture."""
        height = round(self.y)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {height}" '
            f'width="{self.width}" height="{height}" font-family="{FONT}" role="img">\n'
            f"<title>{escape(title)}</title>\n"
            f'<rect width="{self.width}" height="{height}" rx="10" fill="{self.ground}" '
            f'stroke="#94a3b8"/>\n' + "\n".join(self.parts) + "\n</svg>\n"
        )


def wrapped(text: str, width: float, size: float) -> list[str]:
    """Return the lines of a text in a column of `width`; its own line breaks stay."""
    letters = max(10, int(width / (size * WIDTH_PER_SIZE)))
    return [line for part in text.split("\n") for line in textwrap.wrap(part, letters) or [""]]
