"""Every text becomes something Telegram takes, however long or strange it is."""

from __future__ import annotations

import random

import pytest

from strategies.human.messages import LONGEST, fitted, html, pages, units

WIDE = "\N{GRINNING FACE}"  # two units of UTF-16, which is what Telegram counts
LONG = {
    "one line": "x" * 9000,
    "a long first line": "x" * 5000 + "\nend",
    "many lines": "\n".join(f"line {i}" for i in range(3000)),
    "wide characters": WIDE * 4000,
    "a wide line among others": f"head\n{WIDE * 3000}\nend",
    "markup in every place": "<&>" * 3000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_text_when_it_is_too_long_then_what_is_left_fits_and_begins_the_same(text: str) -> None:
    left = fitted(text)
    assert units(left) <= LONGEST
    assert left[:100] == text[:100]
    assert left != text


def test_text_when_lines_are_left_out_then_it_says_how_many_and_keeps_both_ends() -> None:
    left = fitted(LONG["many lines"]).splitlines()
    (gap,) = [line for line in left if line.endswith("lines left out)")]
    assert int(gap.split()[0][1:]) == 3000 - (len(left) - 1)
    assert (left[0], left[-1]) == ("line 0", "line 2999")


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_pages_when_news_are_long_then_nothing_is_left_out_and_each_fits(text: str) -> None:
    lines = text.splitlines()
    made = pages(lines)
    assert all(0 < units(page) <= LONGEST for page in made)
    assert "".join("".join(made).split("\n")) == "".join(lines)
    assert pages([]) == []


def test_pages_when_the_lines_are_of_any_length_then_all_of_them_come_in_order() -> None:
    rng = random.Random(7)
    for _ in range(200):
        lines = [rng.choice("ab<" + WIDE) * rng.choice([0, 3, 500, 4100]) for _ in range(8)]
        made = pages(lines)
        assert all(units(page) <= LONGEST for page in made)
        assert "".join("".join(made).split("\n")) == "".join(lines)


def test_html_when_a_text_holds_markup_then_it_is_shown_as_it_is() -> None:
    assert html("a <b> & c\nd < e") == "<b>a &lt;b&gt; &amp; c</b>\nd &lt; e"
    assert html("") == "<b></b>"
