"""Formatting options of a message (https://core.telegram.org/bots/api#formatting-options).

A client that forgets to escape a trade's tag learns it from Telegram only: the message is refused.
So the three parse modes are read as strictly as there. Left out of MarkdownV2 are custom emoji and
expandable quotes; they are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from html import unescape
from typing import Any

from tests.telegram.errors import BotApiError, bad_request

Entity = dict[str, Any]  # a MessageEntity

_V2_MARKS = {
    "```": "pre",
    "`": "code",
    "||": "spoiler",
    "__": "underline",
    "_": "italic",
    "*": "bold",
    "~": "strikethrough",
    "[": "text_link",
}
_V2_RESERVED = "_*[]()~`>#+-=|{}.!"
_HTML_TAGS = {
    **dict.fromkeys(("b", "strong"), "bold"),
    **dict.fromkeys(("i", "em"), "italic"),
    **dict.fromkeys(("u", "ins"), "underline"),
    **dict.fromkeys(("s", "strike", "del"), "strikethrough"),
    **dict.fromkeys(("span", "tg-spoiler"), "spoiler"),
    "code": "code",
    "pre": "pre",
    "a": "text_link",
    "blockquote": "blockquote",
}
_HTML_TAG = re.compile(r"<(/?)([a-zA-Z0-9-]*)([^>]*)>?")
_LANGUAGE = re.compile(r"[^\s`]+(?=[\s])")


@dataclass
class Formatted:
    """Text as it is shown, and the entities in it; offsets count UTF-16 units, as in the API."""

    text: str = ""
    entities: list[Entity] = field(default_factory=list)

    def end(self) -> int:
        """Return where the next character will stand."""
        return len(self.text.encode("utf-16-le")) // 2

    def add(self, text: str) -> None:
        """Append characters."""
        self.text += text

    def mark(self, kind: str, start: int, **more: str) -> None:
        """Note an entity from `start` to the end; nothing for an empty one."""
        if self.end() > start:
            length = self.end() - start
            self.entities.append({"type": kind, "offset": start, "length": length, **more})


def formatted(source: str, parse_mode: str | None) -> Formatted:
    """Return `source` read in a parse mode; None means as it stands.

    Raises
    ------
    BotApiError
        400 for an unknown mode and for markup that does not add up.

    Examples
    --------
    >>> formatted("*Balance:* `10 USDT`", "Markdown").text
    'Balance: 10 USDT'
    >>> formatted("exit_signal", "Markdown")
    Traceback (most recent call last):
    ...
    tests.telegram.errors.BotApiError: 400 Bad Request: can't parse entities: Can't find end of the
    entity starting at byte offset 4
    """
    if not parse_mode:
        return Formatted(source)
    parse = _PARSERS.get(parse_mode.lower())
    if parse is None:
        raise bad_request("unsupported parse_mode")
    return parse(source)


def _broken(what: str) -> BotApiError:
    return bad_request(f"can't parse entities: {what}")


def _byte(source: str, at: int) -> int:
    return len(source[:at].encode())


def _markdown(source: str) -> Formatted:
    """Read legacy Markdown: no nesting, and no escapes inside an entity."""
    out, at = Formatted(), 0
    while at < len(source):
        char = source[at]
        if char == "\\" and source[at + 1 : at + 2] in set("_*`["):
            out.add(source[at + 1])
            at += 2
        elif char not in "_*`[":
            out.add(char)
            at += 1
        else:
            at = _legacy_entity(source, at, out)
    return out


def _legacy_entity(source: str, begin: int, out: Formatted) -> int:
    """Read the entity at `begin`; return where the text goes on."""
    opening = "```" if source.startswith("```", begin) else source[begin]
    closing = "]" if opening == "[" else opening
    at, more = begin + len(opening), {}
    if opening == "```":
        at, more = _language(source, at)
    end = source.find(closing, at)
    if end < 0:
        offset = _byte(source, begin)
        raise _broken(f"Can't find end of the entity starting at byte offset {offset}")
    start = out.end()
    out.add(source[at:end])
    at = end + len(closing)
    if opening != "[":
        kind = {"_": "italic", "*": "bold", "`": "code", "```": "pre"}[opening]
        out.mark(kind, start, **more)
    elif source.startswith("(", at):
        until = source.find(")", at)
        until = len(source) if until < 0 else until
        out.mark("text_link", start, url=source[at + 1 : until])
        at = until + 1
    return at


def _language(source: str, at: int) -> tuple[int, dict[str, str]]:
    """Return where a block's text begins, and its language where one is named."""
    named = _LANGUAGE.match(source, at)
    at = named.end() if named else at
    at += source.startswith("\n", at)
    return at, {"language": named.group()} if named else {}


def _markdown_v2(source: str) -> Formatted:
    """Read MarkdownV2: entities nest, and every reserved character has to be escaped."""
    out, at = Formatted(), 0
    opened: list[tuple[str, int, int, dict[str, str]]] = []  # mark, start in text, in source
    while at < len(source):
        char, inside = source[at], opened[-1][0] if opened else ""
        literal = inside in ("`", "```")
        mark = next((m for m in _V2_MARKS if source.startswith(m, at)), None)
        if char == "\\" and "\0" < source[at + 1 : at + 2] <= "~":
            out.add(source[at + 1])
            at += 2
        elif inside and inside == mark and inside != "[":
            _, start, _, more = opened.pop()
            out.mark(_V2_MARKS[inside], start, **more)
            at += len(inside)
        elif literal:
            out.add(char)
            at += 1
        elif inside == "[" and char == "]":
            _, start, _, _ = opened.pop()
            url, at = _url(source, at + 1)
            out.mark("text_link", start, url=url)
        elif mark is not None:
            begin, more = at, {}
            at += len(mark)
            if mark == "```":
                at, more = _language(source, at)
            opened.append((mark, out.end(), begin, more))
        elif char == ">" and (at == 0 or source[at - 1] == "\n"):  # a quotation's line
            at += 1
        elif char in _V2_RESERVED:
            raise _broken(
                f"Character '{char}' is reserved and must be escaped with the preceding '\\'"
            )
        else:
            out.add(char)
            at += 1
    if opened:
        mark, _, begin, _ = opened[-1]
        kind = _V2_MARKS[mark].capitalize()
        raise _broken(f"Can't find end of {kind} entity at byte offset {_byte(source, begin)}")
    return out


def _url(source: str, at: int) -> tuple[str, int]:
    """Return the address in parentheses at `at`, and where the text goes on."""
    end = source.find(")", at)
    if not source.startswith("(", at) or end < 0:
        raise _broken(f"Can't find end of a URL at byte offset {_byte(source, at)}")
    return source[at + 1 : end], end + 1


def _html(source: str) -> Formatted:
    """Read HTML: the listed tags only, properly nested, numeric and four named references."""
    out, at = Formatted(), 0
    opened: list[tuple[str, int, str]] = []  # tag, start in text, address of a link
    for match in _HTML_TAG.finditer(source):
        out.add(_unescaped(source[at : match.start()]))
        at, offset = match.end(), _byte(source, match.start())
        closes, name, rest = match.group(1), match.group(2).lower(), match.group(3)
        if not closes:
            if name not in _HTML_TAGS or not match.group().endswith(">"):
                raise _broken(f'Unsupported start tag "{name}" at byte offset {offset}')
            address = re.search(r'href="([^"]*)"', rest)
            opened.append((name, out.end(), address.group(1) if address else ""))
        elif not opened:
            raise _broken(f"Unexpected end tag at byte offset {offset}")
        else:
            tag, start, url = opened.pop()
            if name not in ("", tag):
                raise _broken(
                    f"Unmatched end tag at byte offset {offset}, "
                    f'expected "</{tag}>", found "</{name}>"'
                )
            out.mark(_HTML_TAGS[tag], start, **({"url": url} if url else {}))
    out.add(_unescaped(source[at:]))
    if opened:
        raise _broken(f'Can\'t find end tag corresponding to start tag "{opened[-1][0]}"')
    return out


def _unescaped(text: str) -> str:
    return re.sub(
        "&(?:lt|gt|amp|quot|#[0-9]+|#x[0-9a-fA-F]+);", lambda m: unescape(m.group()), text
    )


_PARSERS: dict[str, Callable[[str], Formatted]] = {
    "markdown": _markdown,
    "markdownv2": _markdown_v2,
    "html": _html,
}
