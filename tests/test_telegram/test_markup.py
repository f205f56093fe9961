"""The three parse modes are read as strictly as by Telegram."""

from __future__ import annotations

import pytest

from tests.telegram.errors import BotApiError
from tests.telegram.markup import formatted


@pytest.mark.parametrize(
    ("mode", "source", "shown", "kinds"),
    [
        (None, "*as it is*", "*as it is*", []),
        ("Markdown", "*Balance:* `10 USDT`", "Balance: 10 USDT", ["bold", "code"]),
        ("Markdown", r"enter\_tag [site](https://x)", "enter_tag site", ["text_link"]),
        ("Markdown", "```json\n{}```", "{}", ["pre"]),
        ("Markdown", "```\na_b\n```", "a_b\n", ["pre"]),
        ("Markdown", "2 ] and ) are plain", "2 ] and ) are plain", []),
        ("MarkdownV2", r"*a _b_* \- `c.d`", "a b - c.d", ["italic", "bold", "code"]),
        ("MarkdownV2", "__u__ ~s~ ||h|| [l](u)", "u s h l",
         ["underline", "strikethrough", "spoiler", "text_link"]),
        ("MarkdownV2", "```python\na.b```", "a.b", ["pre"]),
        ("HTML", "<b>a &lt; <i>b</i></b> &nbsp;", "a < b &nbsp;", ["italic", "bold"]),
        ("HTML", "&#39;&#x27;&quot;", "\'\'\"", []),
        ("HTML", '<a href="https://x">x</a><pre>y</pre>', "xy", ["text_link", "pre"]),
    ],
)  # fmt: skip
def test_formatted_when_markup_adds_up_then_text_and_entities_are_told_apart(
    mode: str | None, source: str, shown: str, kinds: list[str]
) -> None:
    read = formatted(source, mode)
    assert read.text == shown
    assert [entity["type"] for entity in read.entities] == kinds


@pytest.mark.parametrize(
    ("mode", "source", "reason"),
    [
        ("Markdown", "€ exit_signal", "end of the entity starting at byte offset 8"),
        ("Markdown", "[open", "end of the entity starting at byte offset 0"),
        ("MarkdownV2", "1.5", "Character '.' is reserved"),
        ("MarkdownV2", "*a _b*_", "Can't find end of"),
        ("MarkdownV2", "[a] b", "end of a URL"),
        ("HTML", "a < b", 'Unsupported start tag ""'),
        ("HTML", "<div>a</div>", 'Unsupported start tag "div" at byte offset 0'),
        ("HTML", "<b>a", 'end tag corresponding to start tag "b"'),
        ("HTML", "<b><i>a</b></i>", 'expected "</i>", found "</b>"'),
        ("HTML", "a</b>", "Unexpected end tag at byte offset 1"),
        ("BBCode", "a", "unsupported parse_mode"),
    ],
)
def test_formatted_when_markup_is_broken_then_it_is_refused_with_the_reason(
    mode: str, source: str, reason: str
) -> None:
    with pytest.raises(BotApiError, match="400 Bad Request") as refused:
        formatted(source, mode)
    assert reason in str(refused.value)


def test_formatted_when_characters_lie_outside_the_basic_plane_then_offsets_count_utf16() -> None:
    assert formatted("\N{ROCKET} *go*", "Markdown").entities == [
        {"type": "bold", "offset": 3, "length": 2}
    ]
