"""What is packed into a page is what a browser unpacks, and nothing of it ends its element."""

from __future__ import annotations

import plotly.offline
from hypothesis import given, settings
from hypothesis import strategies as st

from models.reports.packing import UNSAFE, pack_text, unpack_text


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_text_when_packed_then_it_comes_back_and_has_no_unsafe_letter(text: str) -> None:
    packed = pack_text(text)
    assert unpack_text(packed) == text
    assert not set(UNSAFE) & set(packed.letters)
    assert max(map(ord, packed.letters)) < 0x200  # two bytes for two letters, at most


def test_plotly_when_packed_then_it_fits_into_a_page() -> None:
    code = plotly.offline.get_plotlyjs()
    packed = pack_text(code)
    assert unpack_text(packed) == code
    assert len(packed.letters.encode()) <= packed.size * 8 / 7 + 2 < 1_750_000
