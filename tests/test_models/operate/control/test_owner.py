"""State belongs to one stage, one account and one strategy, and says so to every other."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest

from models.base import files
from models.base.errors import ControlError
from models.operate.control import owner as owners
from models.operate.control.home import home_of, homes_in, move_in, state_place
from models.operate.control.owner import (
    BotIdentity,
    BotStage,
    OwnedPlace,
    checked_owner,
    occupy,
    owner_of,
    read_owner,
)

LIVE = BotIdentity(
    stage=BotStage.LIVE, exchange="binance", stake="USDT", strategy="BitcoinCrossMargin",
    key="k" * 64, uid="FzFzXquXXqoC",
)  # fmt: skip
DRY = dataclasses.replace(LIVE, stage=BotStage.DRY_RUN, key="", uid="")


def place(folder: Path, bot: BotIdentity = LIVE) -> OwnedPlace:
    return state_place(folder, bot)


def changed(**values: Any) -> BotIdentity:
    return dataclasses.replace(LIVE, **values)


def everything(folder: Path) -> dict[str, bytes]:
    """Return the content of every file in `folder`, the locks' apart."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "bot.lock"
    }


def test_owner_when_a_bot_starts_first_then_it_is_written_without_key_and_account(
    tmp_path: Path,
) -> None:
    occupied = occupy(place(tmp_path), LIVE)
    text = (tmp_path / "control" / "owner.json").read_text(encoding="utf-8")
    assert LIVE.key not in text
    assert LIVE.uid not in text
    secret = changed(where="https://user:password@127.0.0.1")
    said = f"{secret!r} {secret} {occupied.owner}"
    assert not any(word in said for word in (LIVE.key, LIVE.uid, "password"))
    assert read_owner(tmp_path / "control" / "owner.json") == occupied.owner
    assert occupy(place(tmp_path), LIVE).owner == occupied.owner
    shown = occupied.owner.uid[:8]
    assert f"BitcoinCrossMargin, live on binance in USDT (account #{shown})," in str(occupied.owner)


def test_owner_when_shown_then_its_account_goes_by_the_uid_or_else_the_key_or_by_nothing() -> None:
    by_key, by_nothing = owner_of(changed(uid=""), 0), owner_of(changed(uid="", key=""), 0)
    assert f"in USDT (account #{by_key.keys[0][:8]}), since" in str(by_key)
    assert "in USDT, since 1970-01-01" in str(by_nothing)


@pytest.mark.parametrize(
    ("other", "why"),
    [(changed(stage=BotStage.DRY_RUN), "stage dry-run, not live"),
     (changed(exchange="hyperliquid"), "exchange hyperliquid, not binance"),
     (changed(stake="USDC"), "stake currency USDC, not USDT"),
     (changed(strategy="LitecoinHedge"), "strategy LitecoinHedge, not BitcoinCrossMargin"),
     (changed(uid="another"), "another account of the exchange"),
     (changed(uid="another", key="n" * 64), "another account of the exchange")],
)  # fmt: skip
def test_owner_when_another_bot_starts_then_it_is_refused_by_name_and_nothing_has_changed(
    tmp_path: Path, other: BotIdentity, why: str
) -> None:
    occupy(place(tmp_path), LIVE)
    before = everything(tmp_path)
    with pytest.raises(ControlError) as refused:
        # The very same folder, whatever its default would be.
        occupy(dataclasses.replace(place(tmp_path), instead="use yours"), other)
    assert refused.value.problem.endswith(why)
    assert "belongs to BitcoinCrossMargin, live on binance" in refused.value.problem
    assert refused.value.cure == "use yours"
    assert everything(tmp_path) == before


def test_folder_when_another_bots_then_the_cure_names_one_for_this_bot_alone(
    tmp_path: Path,
) -> None:
    occupy(place(tmp_path), LIVE)
    other = changed(strategy="Litecoin-Hedge 2")
    with pytest.raises(ControlError) as refused:
        occupy(place(tmp_path, other), other)
    assert f"--userdir of its own, as {tmp_path}_litecoinhedge2_live" in refused.value.cure
    unnamed = dataclasses.replace(DRY, strategy="")
    assert f"as {tmp_path}_other_dry_run" in place(tmp_path, unnamed).instead


def test_dry_run_when_its_wallet_is_another_then_it_is_refused_like_another_account(
    tmp_path: Path,
) -> None:
    poor, rich = (dataclasses.replace(DRY, uid=wallet) for wallet in ("1000", "10000"))
    occupy(place(tmp_path, poor), poor)
    with pytest.raises(ControlError, match="another dry_run_wallet") as refused:
        occupy(place(tmp_path, rich), rich)
    assert f"or move {tmp_path / 'dry_run'} away to start anew" in refused.value.cure
    owner = checked_owner(place(tmp_path, DRY), DRY)  # a command knows no wallet
    assert owner is not None
    assert not owner.doubts(DRY)


def test_owner_when_a_command_knows_no_strategy_then_the_rest_is_compared(tmp_path: Path) -> None:
    occupy(place(tmp_path), LIVE)
    assert checked_owner(place(tmp_path), changed(strategy="")) is not None
    with pytest.raises(ControlError, match="stake currency"):
        checked_owner(place(tmp_path), changed(strategy="", stake="BTC"))


def test_key_when_renewed_then_the_uid_vouches_for_it_and_it_is_said(tmp_path: Path) -> None:
    occupy(place(tmp_path), LIVE)
    assert occupy(place(tmp_path), changed(key="n" * 64)).news != ""
    # Known by now: it counts also while the exchange does not answer.
    assert occupy(place(tmp_path), changed(key="n" * 64, uid="")).news == ""
    assert occupy(place(tmp_path), changed(uid="")).news == ""


def test_key_when_renewed_and_the_exchange_tells_no_account_then_a_person_has_to_say_so(
    tmp_path: Path,
) -> None:
    occupy(place(tmp_path), changed(uid=""))
    before = everything(tmp_path)
    with pytest.raises(ControlError, match="has another API key") as refused:
        occupy(place(tmp_path), changed(uid="", key="n" * 64))
    assert "breakwater claim" in refused.value.cure
    with pytest.raises(ControlError, match="has another API key"):
        occupy(place(tmp_path), changed(key="n" * 64))  # a uid nobody can compare
    assert everything(tmp_path) == before
    assert occupy(place(tmp_path), LIVE).owner.uid != ""  # the known key tells the uid
    assert occupy(place(tmp_path), changed(key="n" * 64)).news != ""


def test_fingerprints_when_two_folders_are_compared_then_they_tell_nothing_in_common() -> None:
    first, second = owner_of(LIVE, 0), owner_of(LIVE, 0)
    assert {first.uid, *first.keys}.isdisjoint({second.uid, *second.keys})
    assert first.uid not in first.keys


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"format": 1}', b'{"format": "x"}', b"\xff\xfe",
     b'{"format": 0, "stage": "live"}'],
)  # fmt: skip
def test_owner_when_its_file_is_broken_then_no_bot_starts_and_the_cure_is_named(
    tmp_path: Path, content: bytes
) -> None:
    occupy(place(tmp_path), LIVE)
    (tmp_path / "control" / "owner.json").write_bytes(content)
    with pytest.raises(ControlError, match="it cannot be read whose this is") as refused:
        occupy(place(tmp_path), LIVE)
    assert "breakwater claim" in refused.value.cure
    assert (tmp_path / "control" / "owner.json").read_bytes() == content


@pytest.mark.parametrize(
    "change",
    [{"stage": "paper"}, {"keys": "abc"}, {"keys": [1]}, {"since_ms": "1"}, {"since_ms": True},
     {"salt": ""}, {"uid": 7}, {"strategy": None}, {"more": 1}],
)  # fmt: skip
def test_owner_when_a_field_is_of_another_type_then_no_bot_starts(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    occupy(place(tmp_path), LIVE)
    path = tmp_path / "control" / "owner.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **change}), encoding="utf-8")
    with pytest.raises(ControlError, match="it cannot be read whose this is"):
        occupy(place(tmp_path), LIVE)


def test_owner_when_a_newer_version_wrote_it_then_that_is_said(tmp_path: Path) -> None:
    occupy(place(tmp_path), LIVE)
    path = tmp_path / "control" / "owner.json"
    path.write_text(json.dumps({"format": 2, "new": "thing"}), encoding="utf-8")
    with pytest.raises(ControlError, match="written by a newer version") as refused:
        occupy(place(tmp_path), LIVE)
    assert "start the version that wrote it" in refused.value.cure


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["folder", "fifo"])
def test_owner_when_something_else_lies_in_its_place_then_that_is_an_error_and_no_wait(
    tmp_path: Path, make: Any
) -> None:
    (tmp_path / "control").mkdir()
    make(tmp_path / "control" / "owner.json")
    with pytest.raises(ControlError, match="expected a regular file"):
        occupy(place(tmp_path), LIVE)


def test_owner_when_killed_between_making_and_filling_its_file_then_the_next_start_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        """What a kill -9 is to a test: nothing after it runs."""

    def killed(*_: Any, **__: Any) -> None:
        raise KilledError

    monkeypatch.setattr(files.os, "replace", killed)
    monkeypatch.setattr(Path, "unlink", killed)  # nor does the tidying
    with pytest.raises(KilledError):
        occupy(place(tmp_path), LIVE)
    monkeypatch.undo()
    assert not (tmp_path / "control" / "owner.json").exists()
    assert [p.name for p in (tmp_path / "control").glob(".*")] == [".owner.json.new"]
    assert occupy(place(tmp_path), LIVE).owner.strategy == LIVE.strategy
    assert read_owner(tmp_path / "control" / "owner.json") is not None


def test_owner_when_it_cannot_be_written_then_the_bot_does_not_start_and_the_cure_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(owners, "write_atomic", full)
    with pytest.raises(ControlError, match="No space left on device") as refused:
        occupy(place(tmp_path), LIVE)
    assert "make room" in refused.value.cure


def test_folder_when_reached_by_a_link_or_a_relative_path_then_it_is_the_same_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    first = occupy(place(Path("real")), LIVE)
    assert occupy(place(tmp_path / "link"), LIVE).owner == first.owner
    with pytest.raises(ControlError, match="belongs to"):
        occupy(place(Path("link")), changed(strategy="Another"))


def test_folder_when_copied_then_the_copy_belongs_to_the_same_bot_and_to_no_other(
    tmp_path: Path,
) -> None:
    occupy(place(tmp_path / "a"), LIVE)
    (tmp_path / "b" / "control").mkdir(parents=True)
    copy = tmp_path / "b" / "control" / "owner.json"
    copy.write_bytes((tmp_path / "a" / "control" / "owner.json").read_bytes())
    name = {"who": "Mine", "pid": 7, "host": "elsewhere", "since_ms": 0}
    (tmp_path / "b" / "control" / "bot.lock").write_text(json.dumps(name), encoding="utf-8")
    taken = occupy(place(tmp_path / "b"), LIVE)
    assert taken.owner == read_owner(copy)
    assert taken.news.startswith("last used on elsewhere: if a bot still runs there, two bots")
    with pytest.raises(ControlError, match="another account"):
        occupy(place(tmp_path / "b"), changed(uid="another"))


# -- homes ----------------------------------------------------------------------------------------


def test_homes_when_dry_run_and_live_start_in_one_user_directory_then_they_share_nothing(
    tmp_path: Path,
) -> None:
    occupy(place(tmp_path, LIVE), LIVE)
    occupy(place(tmp_path, DRY), DRY)
    assert homes_in(tmp_path) == {
        BotStage.LIVE: tmp_path, BotStage.DRY_RUN: tmp_path / "dry_run"
    }  # fmt: skip
    # A dry run's home given to a live bot, and to a command.
    with pytest.raises(ControlError, match="belongs to BitcoinCrossMargin, dry-run"):
        occupy(place(tmp_path / "dry_run", LIVE), LIVE)
    assert homes_in(tmp_path / "dry_run") == {BotStage.DRY_RUN: tmp_path / "dry_run"}
    assert homes_in(tmp_path / "nowhere") == {}


def test_old_folder_when_it_holds_losses_of_nobody_knows_whom_then_no_bot_takes_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "losses.json").write_text("{}")
    (tmp_path / "control" / "HALT").touch()
    before = everything(tmp_path)
    for bot in (LIVE, DRY, LIVE, DRY):  # a refusal leaves nothing that lets the next one in
        with pytest.raises(ControlError, match="nobody has written down whose") as refused:
            occupy(place(tmp_path, bot), bot)
        assert f"({bot}), `breakwater claim`" in refused.value.cure
    assert everything(tmp_path) == before


def test_old_folder_when_no_bot_has_looped_in_it_then_its_halt_and_acknowledgement_are_taken_on(
    tmp_path: Path,
) -> None:
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "HALT").touch()
    occupy(place(tmp_path), LIVE)
    assert (tmp_path / "control" / "HALT").exists()


def test_old_folder_when_moved_into_the_dry_runs_home_then_every_file_comes_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("control/state.json", "control/losses.json", "control/HALT", "control/lock",
                 "journal/journal-000001.jsonl"):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    before = everything(tmp_path)
    for steps in range(6):  # killed after each file in turn, and called again
        left = iter(range(steps))
        real = os.rename

        def rename(source: Path, target: Path, left: Any = left, real: Any = real) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt
            real(source, target)

        monkeypatch.setattr(os, "rename", rename)
        try:
            move_in(tmp_path, DRY)
        except KeyboardInterrupt:
            with pytest.raises(ControlError, match="nobody has written down whose"):
                occupy(place(tmp_path, DRY), DRY)
        monkeypatch.undo()
    moved = everything(home_of(tmp_path, BotStage.DRY_RUN))
    assert moved == before
    assert list((tmp_path / "control").glob("*")) == []
