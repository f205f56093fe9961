"""Errors say problem, place and cure, and keep all three on the way out of a worker."""

from __future__ import annotations

import pickle

import cloudpickle
import pytest

from models.base import errors
from models.base.errors import ConfigError, PackError

KINDS = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, PackError)
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("pickler", [pickle, cloudpickle], ids=["pickle", "cloudpickle"])
def test_error_when_pickled_then_kind_and_fields_come_back(
    kind: type[PackError], pickler: object
) -> None:
    error = kind("expected 2, got 3", where="row 7", cure="drop it")
    copy = pickle.loads(pickler.dumps(error))  # type: ignore[attr-defined]
    assert type(copy) is kind
    assert (copy.problem, copy.where, copy.cure) == ("expected 2, got 3", "row 7", "drop it")
    assert str(copy) == str(error)


def test_error_when_printed_then_empty_parts_leave_no_line() -> None:
    assert str(ConfigError("wrong")) == "wrong"
    assert str(ConfigError("wrong", cure="fix it")) == "wrong\n  cure:  fix it"
    assert str(ConfigError("wrong", where="here")) == "wrong\n  where: here"


def test_family_when_listed_then_the_agreed_kinds_are_there() -> None:
    names = {kind.__name__ for kind in KINDS}
    assert {
        "PackError", "ConfigError", "InputError", "AlignmentError",
        "ArtifactError", "TrainingError", "ControlError",
    } <= names  # fmt: skip
