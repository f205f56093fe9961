"""kill -9 of the running bot: a handful here, a hundred with BREAKWATER_KILLS=100."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from tests.postgres import running_server
from tests.test_integration.killed_bot import Killer, table

logger = logging.getLogger(__name__)


@pytest.mark.slow
def test_live_run_when_killed_anywhere_then_the_next_start_protects_and_forgets_nothing(
    tmp_path: Path,
) -> None:
    kills = int(os.environ.get("BREAKWATER_KILLS", 8))
    seed = int(os.environ.get("BREAKWATER_SEED", 0))
    judged(Killer(tmp_path, seed, logger.info), kills, seed)


@pytest.mark.slow
def test_live_run_when_its_trades_are_on_a_server_and_it_is_killed_then_the_same_holds(
    tmp_path: Path,
) -> None:
    with running_server() as server:
        judged(Killer(tmp_path, 1, logger.info, server.database), 6, 1)


def judged(killer: Killer, kills: int, seed: int) -> None:
    findings = killer.run(kills)
    logger.info("seed %d\n%s", seed, table(findings))
    assert len(findings) == kills
    assert [finding for finding in findings if finding.wrong] == []
    assert killer.state.unknown == []
