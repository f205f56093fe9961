"""A position as it is typed, right and wrong."""

from __future__ import annotations

import argparse

import pytest

from strategies.desk.terminal.positions import (
    chance_number,
    hedge_ratio,
    position_asked,
    seed_number,
)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("LTC long 2x", ("LTC", 1, 2.0)),
        ("ltc  SHORT .5x", ("LTC", -1, 0.5)),
        ("LTC/USDT:USDT long 1.25x", ("LTC/USDT:USDT", 1, 1.25)),
        ("1000PEPE long 1x", ("1000PEPE", 1, 1.0)),
    ],
)
def test_position_when_typed_as_it_is_then_it_is_read(text: str, position: tuple[object]) -> None:
    assert position_asked(text) == position


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("LTC 2x long", 'did you mean "LTC long 2x"?'),
        ("2x ltc short", 'did you mean "LTC short 2x"?'),
        ("LTC long 2", 'did you mean "LTC long 2x"?'),
        ("LTC long -1x", 'did you mean "LTC short 1x"?'),
        ("LTC short -1x", 'did you mean "LTC long 1x"?'),
        ("LTC long 0x", "a size is above 0x"),
        ("LTC lnog 2x", "did you mean long?"),
        ("LTC up 2x", "a side is long or short"),
        ("LTC long nanx", "got 'LTC long nanx'."),
        ("LTC long 1e9x", "got 'LTC long 1e9x'."),
        ("LTC", "got 'LTC'."),
        ("", "got ''."),
        ("LTC long 2x 3x", "got 'LTC long 2x 3x'."),
        ("long 2x 2x", "got 'long 2x 2x'."),
        ("../x long 2x", "got '../x long 2x'"),
    ],
)
def test_position_when_typed_another_way_then_it_is_said_how(text: str, hint: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        position_asked(text)
    assert 'as in "LTC long 2x"' in str(caught.value)
    assert hint in str(caught.value)


@pytest.mark.parametrize("word", ["-0.1", "1.6", "nan", "half", ""])
def test_ratio_when_out_of_range_then_it_is_refused(word: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"0 to 1\.5"):
        hedge_ratio(word)


@pytest.mark.parametrize("word", ["0", "1", "nan", "-1"])
def test_chance_when_out_of_range_then_it_is_refused(word: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="between 0 and 1"):
        chance_number(word)


@pytest.mark.parametrize("word", ["-1", "1.5", "x"])
def test_seed_when_it_is_none_then_it_is_refused(word: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="from 0"):
        seed_number(word)


def test_numbers_when_they_are_in_range_then_they_are_read() -> None:
    assert (hedge_ratio("0"), hedge_ratio("1.5"), chance_number("0.01"), seed_number("7")) == (
        0.0, 1.5, 0.01, 7,
    )  # fmt: skip
