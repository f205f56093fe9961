"""Every architecture has a family, and every family who fits it."""

from __future__ import annotations

import dataclasses

import pytest

from models.learn import catalog
from models.learn.jobs.fitters import FITTERS, fit_architecture
from tests.test_contract import planted


def test_fitters_when_the_catalogue_is_read_then_they_are_those_of_its_families() -> None:
    assert {catalog.load(name).family for name in catalog.names()} == set(FITTERS)


def test_fitters_when_a_spec_is_not_of_its_family_s_kind_then_it_is_named() -> None:
    data = planted.prepared(planted.planted_job("lstm"))
    trees = catalog.load("boosted")
    posing = dataclasses.replace(trees)
    object.__setattr__(posing, "family", "network")
    with pytest.raises(AssertionError, match="boosted is no NetworkSpec"):
        fit_architecture(dataclasses.replace(data, spec=posing))
