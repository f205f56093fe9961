"""The book of models is read as it was written or refused, and told in words and for programs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.base.errors import ControlError, InputError
from models.operate.control.model_book import (
    MODEL_BOOK,
    ROLLBACK_FILE,
    ModelBook,
    PairBook,
    RollbackWish,
    forget_wish,
    read_book,
    read_wish,
    write_book,
    write_wish,
)
from models.operate.control.model_text import model_lines, model_values, rollback_question
from tests.test_models.operate.control.books import BOOK, BTC, DAY_MS, PAIR, generation


def book(**changed: Any) -> ModelBook:
    return replace(BOOK, pairs=(replace(PAIR, **changed),))


def test_book_when_it_is_written_then_it_is_read_as_it_was(tmp_path: Path) -> None:
    assert read_book(tmp_path) is None
    refused = PAIR.without(generation(1), "worse", 5)
    assert refused.earlier == ()
    assert refused.quarantined[0].why == "worse"
    whole = replace(BOOK, pairs=(replace(refused, shadow=generation(3), alarms=("loss",)),))
    write_book(tmp_path, whole)
    assert read_book(tmp_path) == whole
    assert whole.of("ETH/USDT:USDT") == PairBook(pair="ETH/USDT:USDT")


@pytest.mark.parametrize(
    "broken",
    [
        lambda v: v.pop("pairs"),
        lambda v: v.update(identifier=7),
        lambda v: v.update(more=1),
        lambda v: v["pairs"][0].update(serving={"number": 1}),
        lambda v: v["pairs"][0]["watched"]["loss"].update(cusum="high"),
        lambda v: v["pairs"][0].update(ratio="high"),
        lambda v: v.update(pairs=3),
    ],
)
def test_book_when_it_is_no_such_file_then_it_is_refused_and_said(
    tmp_path: Path, broken: Any
) -> None:
    write_book(tmp_path, book())
    values = json.loads((tmp_path / MODEL_BOOK).read_text())
    broken(values)
    (tmp_path / MODEL_BOOK).write_text(json.dumps(values))
    with pytest.raises(InputError, match="expected a book of models"):
        read_book(tmp_path)
    assert model_lines(tmp_path)[0].startswith("the models are not known: expected a book")
    assert model_values(tmp_path)["why"].startswith("expected a book of models")


def test_wish_when_it_is_left_then_it_is_read_until_it_is_forgotten_and_else_refused(
    tmp_path: Path,
) -> None:
    assert read_wish(tmp_path) is None
    wish = RollbackWish(pair="", by="ann by command line", time_ms=7)
    write_wish(tmp_path, wish)
    assert read_wish(tmp_path) == wish
    forget_wish(tmp_path)
    forget_wish(tmp_path)
    assert read_wish(tmp_path) is None
    (tmp_path / ROLLBACK_FILE).write_text('{"pair": 1}')
    with pytest.raises(InputError, match="expected a wish to go back"):
        read_wish(tmp_path)


def test_lines_when_all_is_well_then_they_say_who_serves_how_it_does_and_what_is_next(
    tmp_path: Path,
) -> None:
    assert model_lines(tmp_path) == []
    write_book(tmp_path, book())
    assert model_lines(tmp_path) == [
        f"{BTC}: model 2 (lstm 2) serves, trained until 1970-01-03T00:00:00.000Z for: 30 days in a "
        "calm market; no alarm (loss 2.0 of 7.5; counted until 1970-01-13T00:00:00.000Z)",
        f"{BTC}: trained anew 1970-02-09T00:00:00.000Z (30 days in a calm market, 1.20 times as "
        "volatile as usual), or on an alarm",
    ]
    values = model_values(tmp_path)
    assert (values["why"], values["pairs"][0]["serving"]["number"]) == (None, 2)


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"alarms": ("loss",)}, "ALARM: loss (loss 2.0 of 7.5; counted until"),
        (
            {"ratio": 2.0},
            "trained anew 1970-01-17T00:00:00.000Z (7 days in a volatile or unlike market",
        ),
        ({"held": "a cascade is not over"}, "no model is trained or promoted now: a cascade is"),
        ({"watched": {}}, "nothing of it is counted yet"),
        ({"unwatched": "edge: never claimed"}, "not watched: edge: never claimed"),
        (
            {"shadow": generation(3), "shadow_ms": 10 * DAY_MS},
            "model 3 (lstm 3) answers in shadow until 1970-01-18T00:00:00.000Z",
        ),
        (
            {"quarantined": PAIR.without(generation(3), "worse", 5).quarantined},
            "model 3 (lstm 3) is in quarantine: worse",
        ),
    ],
)
def test_lines_when_something_is_up_then_they_say_it(
    tmp_path: Path, changed: dict[str, Any], line: str
) -> None:
    write_book(tmp_path, book(**changed))
    assert line in "\n".join(model_lines(tmp_path))


def test_question_when_one_can_go_back_then_it_says_what_would_happen_and_else_refuses(
    tmp_path: Path,
) -> None:
    with pytest.raises(ControlError, match="no earlier model to go back to"):
        rollback_question(tmp_path, "")
    write_book(tmp_path, book())
    said = "serve model 1 (lstm 1) again instead of model 2 (lstm 2), which then never serves?"
    assert rollback_question(tmp_path, "") == rollback_question(tmp_path, BTC) == f"{BTC}: {said}"
    with pytest.raises(ControlError, match=f"(?s)no earlier model of ETH.*{BTC}"):
        rollback_question(tmp_path, "ETH")
