"""What leaves of a text that repeats a secret, whole or cut off."""

from __future__ import annotations

import pytest

from models.operate.journal.records import masked

SECRET = "aK3yOfTheExchange0123456789"


@pytest.mark.parametrize("length", range(8, len(SECRET) + 1))
def test_masked_when_words_were_cut_in_the_midst_of_a_secret_then_its_beginning_is_gone(
    length: int,
) -> None:
    assert masked(f"GET ?k={SECRET[:length]}", [SECRET]) == "GET ?k=***"
    assert masked(f"{SECRET[:length]} and {SECRET}!", [SECRET]) == "*** and ***!"


def test_masked_when_a_secret_is_short_then_words_that_begin_like_it_stay() -> None:
    assert masked("a password is asked for", ["password1234"]) == "a password is asked for"
    assert masked("it was password1234", ["password1234"]) == "it was ***"


@pytest.mark.parametrize(
    "secret",
    ["https://u:s3cr3t@example.org/hook/1", "postgresql://u:p4ss@h/db", "Entering {pair} 1 x"],
)
def test_masked_when_a_secret_is_an_address_or_a_sentence_then_others_keep_their_beginning(
    secret: str,
) -> None:
    said = f"see {secret[:8]} of another"
    assert masked(said, [secret]) == said
    assert masked(f"see {secret}", [secret]) == "see ***"
