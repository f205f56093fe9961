"""An archive of three days, served."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.feeds.archive import PublicArchive, running_archive
from tests.feeds.imports import three_days


@pytest.fixture
def served() -> Iterator[tuple[PublicArchive, str]]:
    state = three_days()
    with running_archive(state) as url:
        yield state, url
