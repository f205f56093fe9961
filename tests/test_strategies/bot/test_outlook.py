"""The outlook's keeper: when it asks, what it believes, and what it says meanwhile."""

from __future__ import annotations

import errno
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from models.base.errors import ConfigError
from models.base.types import Candles
from models.operate.control.outlook import OUTLOOK_FILE, read_outlook, write_outlook
from models.scenarios.catalog import ENGINES
from strategies.bot.child import PAUSE_S
from strategies.bot.outlook_request import ENGINE_NAMES, OutlookConfig
from tests.test_models.operate.control.outlooks import HOUR_MS, outlook
from tests.test_strategies.bot.outlook_world import (
    BTC,
    FEW,
    LTC,
    OutlookWorld,
    exposure,
    no_candles,
)

COMPUTED = "it is being computed"
CHANGED = "the account has changed since; it is being computed anew"


@pytest.fixture
def world(tmp_path: Path) -> OutlookWorld:
    return OutlookWorld(tmp_path)


def test_outlook_when_a_position_is_held_then_it_is_asked_for_once_and_its_answer_is_kept(
    world: OutlookWorld,
) -> None:
    keeper, held = world.keeper(), exposure(ltc=20.0, btc=-0.01)
    assert keeper.look(held, no_candles) == COMPUTED
    world.pass_s(10 * PAUSE_S)
    assert keeper.look(held, no_candles) == COMPUTED
    (process,) = world.started
    asked = process.request
    assert {p.pair: p.amount_base for p in asked.positions} == {LTC: 20.0, BTC: -0.01}
    assert {p.pair: p.mark for p in asked.positions} == {LTC: 100.0, BTC: 30_000.0}
    assert asked.asked == FEW
    assert asked.equity_quote == 1_000.0
    assert asked.tiers[LTC] == held.account.tiers[LTC].tiers
    assert not (world.folder / OUTLOOK_FILE).exists()
    process.answer()
    assert keeper.look(held, no_candles) == ""
    found = read_outlook(world.folder)
    assert found is not None
    assert found.positions == asked.positions
    assert len(world.started) == 1


def test_outlook_when_entries_lie_behind_then_the_account_is_asked_about_as_it_is_worth_now(
    world: OutlookWorld,
) -> None:
    held = exposure(ltc=20.0)
    (bought,) = held.account.positions
    earlier = replace(held.account, positions=(replace(bought, entry_price=90.0),))
    world.keeper().look(replace(held, account=earlier), no_candles)
    request = world.started[0].request
    assert request.equity_quote == 1_200.0
    account = request.scenario_account()
    later = {LTC: 120.0, BTC: 1.0}
    assert account.account.equity(later) == earlier.equity(later)


def test_outlook_when_a_candle_has_closed_then_it_is_asked_anew_and_the_last_one_shown(
    world: OutlookWorld,
) -> None:
    keeper, held = world.keeper(), exposure(ltc=20.0)
    keeper.look(held, no_candles)
    world.started[0].answer()
    keeper.look(held, no_candles)
    world.pass_s(PAUSE_S)
    keeper.look(held, no_candles)
    assert len(world.started) == 1  # the same hour
    world.pass_s(3_600)
    assert keeper.look(held, no_candles) == ""  # dated: whoever shows it says when it is old
    first, second = world.started
    assert second.request.until_ms == first.request.until_ms + HOUR_MS


def test_outlook_when_the_bot_lacks_the_newest_candle_then_it_is_of_those_the_bot_has(
    world: OutlookWorld,
) -> None:
    keeper, held = world.keeper(), exposure(ltc=20.0)
    opened = world.now_ms // HOUR_MS * HOUR_MS - 2 * HOUR_MS
    one = np.array([100.0])
    known = Candles(time_ms=np.array([opened]), open=one, high=one, low=one, close=one, volume=one)
    keeper.look(held, lambda pair: known)
    (process,) = world.started
    assert process.request.until_ms == opened + HOUR_MS
    assert process.newest[LTC].time_ms.tolist() == [opened]
    assert process.newest[LTC].close.tolist() == [100.0]


@pytest.mark.parametrize(
    "other",
    [exposure(ltc=20.1), exposure(ltc=-20.0), exposure(ltc=20.0, btc=0.01), exposure(btc=20.0),
     exposure(equity=940.0, ltc=20.0), exposure(equity=1_060.0, ltc=20.0)],
)  # fmt: skip
def test_outlook_when_the_account_has_changed_then_no_old_figure_stands_and_it_is_asked_anew(
    world: OutlookWorld, other: object
) -> None:
    keeper, held = world.keeper(), exposure(ltc=20.0)
    keeper.look(held, no_candles)
    world.started[0].answer()
    assert keeper.look(held, no_candles) == ""
    assert keeper.look(other, no_candles) == CHANGED  # type: ignore[arg-type]
    assert len(world.started) == 1  # fills come one after the other
    world.pass_s(PAUSE_S)
    assert keeper.look(other, no_candles) == CHANGED  # type: ignore[arg-type]
    world.started[1].answer()
    assert keeper.look(other, no_candles) == ""  # type: ignore[arg-type]


def test_outlook_when_the_equity_has_hardly_moved_then_it_is_the_same_account(
    world: OutlookWorld,
) -> None:
    keeper = world.keeper()
    keeper.look(exposure(ltc=20.0), no_candles)
    world.started[0].answer()
    world.pass_s(2 * PAUSE_S)
    assert keeper.look(exposure(equity=960.0, ltc=20.0), no_candles) == ""
    assert len(world.started) == 1


def test_outlook_when_the_account_changes_under_the_process_then_its_answer_is_not_waited_for(
    world: OutlookWorld,
) -> None:
    keeper = world.keeper()
    keeper.look(exposure(ltc=20.0), no_candles)
    world.pass_s(PAUSE_S)
    assert keeper.look(exposure(ltc=10.0), no_candles) == COMPUTED
    first, second = world.started
    assert first.killed
    second.answer()
    assert keeper.look(exposure(ltc=10.0), no_candles) == ""


def test_outlook_when_nothing_is_held_then_nothing_of_an_earlier_account_is_left(
    world: OutlookWorld,
) -> None:
    keeper = world.keeper()
    keeper.look(exposure(ltc=20.0), no_candles)
    world.started[0].answer()
    keeper.look(exposure(ltc=20.0), no_candles)
    assert keeper.look(exposure(), no_candles) == "nothing is held"
    assert read_outlook(world.folder) is None
    write_outlook(world.folder, outlook())  # of a bot before this one
    assert world.keeper().look(exposure(), no_candles) == "nothing is held"
    assert read_outlook(world.folder) is None


def test_outlook_when_a_bot_starts_then_the_file_of_the_one_before_is_not_taken_for_its_own(
    world: OutlookWorld,
) -> None:
    write_outlook(world.folder, outlook())
    assert world.keeper().look(exposure(ltc=20.0), no_candles) == COMPUTED
    assert len(world.started) == 1


def test_outlook_when_the_configuration_is_reloaded_then_one_process_works(
    world: OutlookWorld,
) -> None:
    world.keeper().look(exposure(ltc=20.0), no_candles)
    again = world.keeper()
    again.look(exposure(ltc=20.0), no_candles)
    assert [process.killed for process in world.started] == [True, False]


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        (json.dumps({"problem": "expected at least 1001 candles of LTC"}), 3, "expected at least"),
        ("", -9, "its process was ended by SIGKILL"),
        ("", 1, "its process ended with status 1"),
        ('{"time_ms": 17', 0, "its answer cannot be kept"),
        ("", 0, "its answer cannot be kept"),
        (json.dumps(asdict(outlook()) | {"seed": "x"}), 0, "its answer cannot be kept: expected"),
    ],
)
def test_outlook_when_the_process_fails_then_the_reason_is_said_and_nothing_half_written(
    world: OutlookWorld, text: str, status: int, said: str
) -> None:
    keeper, held = world.keeper(), exposure(ltc=20.0)
    keeper.look(held, no_candles)
    world.started[0].answer(text, status)
    assert keeper.look(held, no_candles).startswith(said)
    assert list(world.folder.iterdir()) == []
    world.pass_s(PAUSE_S)
    assert keeper.look(held, no_candles).startswith(said)
    assert len(world.started) == 1  # not again and again
    world.pass_s(3_600)
    keeper.look(held, no_candles)
    world.started[1].answer()
    assert keeper.look(held, no_candles) == ""


def test_outlook_when_a_later_one_fails_then_the_earlier_is_not_shown_in_its_place(
    world: OutlookWorld,
) -> None:
    keeper, held = world.keeper(), exposure(ltc=20.0)
    keeper.look(held, no_candles)
    world.started[0].answer()
    keeper.look(held, no_candles)
    kept = (world.folder / OUTLOOK_FILE).read_bytes()
    world.pass_s(3_600)
    keeper.look(held, no_candles)
    world.started[1].answer('{"time_', -9)
    assert keeper.look(held, no_candles).startswith("its process was ended by SIGKILL")
    assert (world.folder / OUTLOOK_FILE).read_bytes() == kept


def test_outlook_when_the_process_takes_too_long_then_it_is_ended(world: OutlookWorld) -> None:
    keeper, held = world.keeper(replace(FEW, limit_s=120.0)), exposure(ltc=20.0)
    keeper.look(held, no_candles)
    world.pass_s(120.0)
    assert keeper.look(held, no_candles) == COMPUTED
    world.pass_s(1.0)
    assert keeper.look(held, no_candles) == "it took more than 120 s and was ended"
    assert world.started[0].killed


def test_outlook_when_no_process_can_be_started_then_that_is_said(world: OutlookWorld) -> None:
    world.trouble = OSError(errno.EAGAIN, "Resource temporarily unavailable")
    said = world.keeper().look(exposure(ltc=20.0), no_candles)
    assert said == "its process cannot be started: Resource temporarily unavailable"


@pytest.mark.parametrize(
    ("config", "held", "said"),
    [
        (replace(FEW, enabled=False), exposure(ltc=20.0), "it is switched off (breakwater.outlook"),
        (FEW, replace(exposure(ltc=20.0), isolated=True), "positions may be isolated"),
    ],
)
def test_outlook_when_it_is_not_to_be_told_then_no_process_is_started(
    world: OutlookWorld, config: OutlookConfig, held: object, said: str
) -> None:
    found = world.keeper(config).look(held, no_candles)  # type: ignore[arg-type]
    assert found.startswith(said)
    assert world.started == []


def test_settings_when_they_name_an_engine_then_it_is_one_there_is() -> None:
    assert tuple(ENGINES) == ENGINE_NAMES
    for wrong in ({"engine": "oracle"}, {"paths": 10}, {"seed": -1}, {"limit_s": 0.0},
                  {"memory_mib": 1}):  # fmt: skip
        with pytest.raises(ConfigError):
            OutlookConfig(**wrong)  # type: ignore[arg-type]
