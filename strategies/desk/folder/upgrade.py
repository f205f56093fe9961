"""`breakwater upgrade DIR`: a folder of an earlier version becomes one of this version.

What nobody touched is written anew; what somebody changed stays, with the new text beside it. All
new files are written into a plan first. The plan counts from the moment it has its name: killed
before that, nothing has changed; killed after it, the next `upgrade` carries it out to the end.
Each file is replaced at once, so that no moment shows half of one.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from models.base.errors import ControlError, InputError
from models.base.files import locked, sync_folder, wall_clock_ms
from models.base.json_files import read_json_object
from models.base.typed import check_fields
from models.operate.control.commands import CONTROL_FOLDER
from models.operate.control.home import LEASE_FILE, home_of
from models.operate.control.lease import holder_of
from models.operate.control.owner import BotStage
from models.operate.control.watch import WITHIN_S
from models.operate.control.watch_sign import watched_ago_s
from strategies.desk.folder.create import put_file
from strategies.desk.folder.record import (
    RECORD_FILE,
    FolderRecord,
    digest_of,
    known_folder,
    read_record,
    record_of_files,
    record_text,
)
from strategies.desk.folder.written import installed_here, pack_line, written_files
from strategies.desk.terminal.places import pack_version

_PLAN: Final = ".upgrade"  # a folder with the new files; it has this name only when it is whole
_DRAFT: Final = ".upgrade.draft"
_STEPS: Final = "steps.json"
_LOCK: Final = ".upgrade.lock"
_BACKUPS: Final = "backup"
_NEW: Final = ".new"


@dataclass(frozen=True, kw_only=True)
class UpgradeSteps:
    """What is to be done to a folder; the text of each file lies in the plan beside it.

    Attributes
    ----------
    put, beside
        Places to write: the file itself, or what somebody changed with `.new` after its name.
    remove
        Files no version writes any more, untouched.
    """

    put: tuple[str, ...]
    beside: tuple[str, ...]
    remove: tuple[str, ...]


def run_upgrade(folder: Path) -> int:
    """Bring a bot's folder to this version, and say what is left to a person; 0 when it is done."""
    folder, record = known_folder(folder)
    _refuse_running(folder)
    with locked(folder / _LOCK, attempts=1):
        if is_unfinished(folder):
            carry_out(folder)
            print(f"{folder}: the upgrade that was interrupted is done")
            record = read_record(folder)
        steps, texts, fresh = planned(folder, record)
        if not (steps.put or steps.beside or steps.remove) and fresh == record:
            print(f"{folder}: is of version {record.version} already\nnext: {_next(folder)}")
            return 0
        backup = _backed_up(folder, record)
        _write_plan(folder, steps, texts, fresh)
        carry_out(folder)
    print(_done(folder, record, steps, backup))
    return 0


def is_unfinished(folder: Path) -> bool:
    """Return whether an upgrade was interrupted after it began to count."""
    return (folder / _PLAN).is_dir()


def planned(
    folder: Path, record: FolderRecord
) -> tuple[UpgradeSteps, Mapping[str, str], FolderRecord]:
    """Return what to do, the texts to do it with, and the record afterwards."""
    texts = written_files(record.asked, folder, installed_here())
    fresh = record_of_files(record.asked, folder, texts)
    put, beside = [], []
    for name, digest in fresh.files.items():
        there = _digest_on_disk(folder / name)
        if there == digest:
            continue
        if there in ("", record.files.get(name)):  # not there, or untouched
            put.append(name)
        elif digest != record.files.get(name) and _digest_on_disk(_beside(folder, name)) != digest:
            beside.append(name)
    gone = [
        name for name, digest in record.files.items()
        if name not in fresh.files and _digest_on_disk(folder / name) == digest
    ]  # fmt: skip
    steps = UpgradeSteps(put=tuple(put), beside=tuple(beside), remove=tuple(gone))
    return steps, texts, fresh


def _beside(folder: Path, name: str) -> Path:
    return folder / f"{name}{_NEW}"


def _digest_on_disk(path: Path) -> str:
    """Return the digest of a file, nothing if there is none; a folder in its place is a change."""
    try:
        return digest_of(path.read_bytes())
    except FileNotFoundError:
        return ""
    except (IsADirectoryError, NotADirectoryError):
        return "no file"


def _refuse_running(folder: Path) -> None:
    """Refuse while a bot or a watchdog of either stage runs on the folder."""
    if found := list(_running(folder)):
        raise ControlError(
            "expected nothing to run on this folder, found " + ", ".join(found), where=str(folder),
            cure="halt or flatten, end the bot, then the watchdog, and upgrade after that",
        )  # fmt: skip


def _running(folder: Path) -> Iterator[str]:
    for stage in BotStage:
        control = home_of(folder, stage) / CONTROL_FOLDER
        try:
            holder = holder_of(control / LEASE_FILE)
        except OSError as error:
            raise ControlError(f"whether a bot runs cannot be told: {error}") from error
        if holder is not None:
            yield f"a bot ({holder})"
        ago_s = watched_ago_s(control)
        if ago_s is not None and ago_s <= WITHIN_S:
            yield f"a watchdog of the {stage} bot, which looked {ago_s:.0f} s ago"


def _backed_up(folder: Path, record: FolderRecord) -> Path:
    """Return a copy of every file of the folder's that init or an upgrade wrote, as it is now."""
    when = datetime.fromtimestamp(wall_clock_ms() / 1000, UTC)
    backup = folder / _BACKUPS / f"{record.version}-{when:%Y%m%dT%H%M%S%f}"
    for name in (*record.files, RECORD_FILE):
        if (folder / name).is_file():
            put_file(backup / name, (folder / name).read_bytes())
    sync_folder(backup)
    return backup


def _write_plan(
    folder: Path, steps: UpgradeSteps, texts: Mapping[str, str], fresh: FolderRecord
) -> None:
    draft = folder / _DRAFT
    shutil.rmtree(draft, ignore_errors=True)  # of one that was killed before it counted
    for name in (*steps.put, *steps.beside):
        put_file(draft / "files" / name, texts[name].encode())
    put_file(draft / "files" / RECORD_FILE, record_text(fresh).encode())
    put_file(draft / _STEPS, json.dumps(asdict(steps)).encode() + b"\n")
    sync_folder(draft)
    os.rename(draft, folder / _PLAN)
    sync_folder(folder)


def carry_out(folder: Path) -> None:
    """Do what the plan of a folder says, from wherever it was left; the plan goes last.

    Raises
    ------
    InputError
        If the plan is broken: nothing but a person's hand does that.
    """
    plan = folder / _PLAN
    steps = _read_steps(plan / _STEPS)
    for name in steps.put:
        put_file(folder / name, (plan / "files" / name).read_bytes())
    for name in steps.beside:
        put_file(_beside(folder, name), (plan / "files" / name).read_bytes())
    for name in steps.remove:
        (folder / name).unlink(missing_ok=True)
    put_file(folder / RECORD_FILE, (plan / "files" / RECORD_FILE).read_bytes())
    sync_folder(folder)
    os.rename(plan, folder / _DRAFT)  # in one step it no longer counts
    shutil.rmtree(folder / _DRAFT)


def _read_steps(path: Path) -> UpgradeSteps:
    cure = f"move {path.parent} away and upgrade again; the files before are in {_BACKUPS}"
    try:
        values = read_json_object(path, cure=cure)
        lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        steps = UpgradeSteps(**lists)
        check_fields(steps)
    except (FileNotFoundError, TypeError, ValueError) as error:
        raise InputError(f"broken: {error}", where=str(path), cure=cure) from error
    return steps


def _done(folder: Path, before: FolderRecord, steps: UpgradeSteps, backup: Path) -> str:
    lines = [f"{folder}: from {before.version} to {pack_version()}"]
    lines += [f"written anew: {', '.join(steps.put)}"] if steps.put else []
    lines += [f"no longer used, removed: {', '.join(steps.remove)}"] if steps.remove else []
    lines += [
        f"yours, kept: {name}; merge what is new in {name}{_NEW}, then delete that"
        for name in steps.beside
    ]
    lines += [f"the files before: {backup}", f"next: {_next(folder)}"]
    return "\n".join(lines)


def _next(folder: Path) -> str:
    return pack_line(installed_here(), "doctor", str(folder))
