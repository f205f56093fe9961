"""The reference of settings says what the dataclasses say, and nothing is left out."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum

import pytest

from models.trade.risk.limits import GuardConfig, HardLimits
from strategies.bot.config import PackConfig
from strategies.desk.cli import main
from strategies.desk.settings_page import (
    SettingsBlock,
    field_comments,
    setting_blocks,
    settings_markdown,
)


class Way(StrEnum):
    FAST = "fast"
    SAFE = "safe"


@dataclass(frozen=True, kw_only=True)
class Older:
    """What it takes over."""

    width: float = 2.0  # of the band


@dataclass(frozen=True, kw_only=True)
class Newer(Older):
    """How it is done."""

    # Told in two lines,
    # above it.
    way: Way = Way.SAFE
    pairs: tuple[str, ...] = ()  # a | b
    limit: int | None = None
    share: float = field(default=0.5, metadata={"least": 0.0, "most": 1.0})
    needed: str


def test_page_when_written_then_defaults_kinds_ranges_and_comments_are_the_fields_own() -> None:
    page = settings_markdown([SettingsBlock("breakwater.newer", Newer)])
    assert "| `width` | `2.0` | number | of the band |" in page
    assert '| `way` | `"safe"` | one of "fast", "safe" | Told in two lines, above it. |' in page
    assert "| `pairs` | `[]` | list | a \\| b |" in page
    assert "| `limit` | nothing | whole number or nothing |  |" in page
    assert "| `share` | `0.5` | number, 0 or more, at most 1 |  |" in page
    assert "| `needed` | as said | text |  |" in page


def test_comments_when_read_then_the_newer_class_wins() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Newest(Newer):
        width: float = 3.0  # of all

    assert field_comments(Newest)["width"] == "of all"


def test_blocks_when_listed_then_every_field_of_the_pack_is_in_one() -> None:
    blocks = {block.name: block.kind for block in setting_blocks()}
    assert blocks["breakwater.limits"] is HardLimits
    assert blocks["breakwater.guards"] is GuardConfig
    own = settings_markdown([SettingsBlock("breakwater", PackConfig)])
    for f in fields(PackConfig):
        assert (f"| `{f.name}` |" in own) != (f"breakwater.{f.name}" in blocks), f.name
    assert "breakwater.hedge.primary.read" in blocks


def test_settings_when_a_part_is_named_then_only_its_blocks_are_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["settings", "Limits"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("## `breakwater.limits`")
    assert "## `breakwater.guards`" not in out


def test_settings_when_no_block_is_called_so_then_those_there_are_are_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["settings", "limitz"]) == 2
    err = capsys.readouterr().err
    assert "no block of settings has 'limitz' in its name" in err
    assert "breakwater.limits" in err


def test_settings_when_listed_then_every_one_has_a_meaning_beside_it_in_the_code() -> None:
    mute = [
        f"{block.name}.{f.name} of {block.kind.__name__}"
        for block in setting_blocks()
        for f in fields(block.kind)
        if f"| `{f.name}` |" in settings_markdown([block])
        and not field_comments(block.kind).get(f.name)
    ]
    assert mute == []
