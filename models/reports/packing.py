"""Text packed small enough to travel inside a page: gzip, written in seven bits a letter.

Plotly alone is 4.8 MB of text. Browsers unpack gzip themselves; what they cannot be handed in a
page of UTF-8 is bytes. Base64 would take a third more than the bytes; seven bits a letter, which
UTF-8 spends one byte on, take a seventh more. `templates/page.js` has the way back.
"""

from __future__ import annotations

import gzip
import re
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

# Letters that do not survive in a script element: NUL, carriage return, and what begins a tag. Each
# of them and the letter after it become one character of two bytes, so that nothing is longer.
UNSAFE: Final = "\0\r<"
_PAIR: Final = re.compile(f"[{UNSAFE}](.)", re.DOTALL)
_ONE_OF_PAIR: Final = re.compile("[\x80-\u01ff]")


class PackedText(NamedTuple):
    """What stands in the page, and how many bytes of gzip it is."""

    letters: str
    size: int


@lru_cache(maxsize=4)
def pack_text(text: str) -> PackedText:
    """Return `text` packed; the same text gives the same letters.

    Examples
    --------
    >>> unpack_text(pack_text("a wave < a wall"))
    'a wave < a wall'
    """
    data = gzip.compress(text.encode(), 9, mtime=0)
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    bits = np.append(bits, np.ones(-len(bits) % 7 + 7, np.uint8))  # the last letter is a safe one
    values = np.packbits(bits.reshape(-1, 7), axis=1)[:, 0] >> 1
    letters = _PAIR.sub(
        lambda m: chr((UNSAFE.index(m[0][0]) + 1) << 7 | ord(m[1])),
        values.tobytes().decode("ascii"),
    )
    return PackedText(letters, len(data))


def unpack_text(packed: PackedText) -> str:
    """Return the text again, as a browser does."""
    letters = _ONE_OF_PAIR.sub(
        lambda m: UNSAFE[(ord(m[0]) >> 7) - 1] + chr(ord(m[0]) & 0x7F), packed.letters
    )
    values = np.frombuffer(letters.encode("ascii"), np.uint8)
    bits = np.unpackbits(values[:, None], axis=1)[:, 1:].reshape(-1)
    return gzip.decompress(np.packbits(bits[: 8 * packed.size]).tobytes()).decode()
