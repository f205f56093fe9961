"""kill -9 of the running bot: a handful here, a hundred with BREAKWATER_KILLS=100."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from tests.test_integration.killed_bot import Killer, table

logger = logging.getLogger(__name__)


@pytest.mark.slow
def test_live_run_when_killed_anywhere_then_the_next_start_protects_and_forgets_nothing(
    tmp_path: Path,
) -> None:
    kills = int(os.environ.get("BREAKWATER_KILLS", 8))
    seed = int(os.environ.get("BREAKWATER_SEED", 0))
    killer = Killer(tmp_path, seed, logger.info)
    findings = killer.run(kills)
    logger.info("seed %d\n%s", seed, table(findings))
    assert len(findings) == kills
    assert [finding for finding in findings if finding.wrong] == []
    assert killer.state.unknown == []
