"""What made a bot's folder: the version, what was asked, and a digest of each file it wrote."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from models.base.errors import ConfigError, InputError
from models.base.json_files import read_json_object
from models.base.typed import check_fields
from strategies.desk.folder.asked import AskedBot, BotStyle
from strategies.desk.terminal.places import pack_version

RECORD_FILE: Final = "breakwater.json"
_FORMAT: Final = 1
_LARGEST: Final = 1 << 20  # bytes
_CURE: Final = (
    "put a sound copy back, from the folder's backup or repository; or make a new folder with "
    "`breakwater init` and move what you changed over"
)


@dataclass(frozen=True, kw_only=True)
class FolderRecord:
    """The content of `breakwater.json`.

    Attributes
    ----------
    folder
        Where it was written for: its configs have the path.
    files
        Place in the folder -> SHA-256 of what was written there.
    """

    format: int
    version: str
    folder: str
    asked: AskedBot
    files: Mapping[str, str]


def digest_of(data: bytes) -> str:
    """Return the digest of a file's content."""
    return hashlib.sha256(data).hexdigest()


def record_of_files(asked: AskedBot, folder: Path, files: Mapping[str, str]) -> FolderRecord:
    """Return the record of files as this version writes them."""
    digests = {name: digest_of(text.encode()) for name, text in files.items()}
    return FolderRecord(
        format=_FORMAT, version=pack_version(), folder=str(folder), asked=asked, files=digests
    )


def record_text(record: FolderRecord) -> str:
    """Return the content of the record's file."""
    return json.dumps(asdict(record), indent=2) + "\n"


def known_folder(given: Path) -> tuple[Path, FolderRecord]:
    """Return a bot's folder by the path it was made at, where that leads to it, and its record.

    Raises
    ------
    ConfigError, InputError
        As `read_record`.
    """
    folder = given.expanduser().absolute()
    record = read_record(folder)
    made = Path(record.folder)
    return (made if made.is_dir() and made.samefile(folder) else folder), record


def read_record(folder: Path) -> FolderRecord:
    """Return the record of a bot's folder.

    Raises
    ------
    ConfigError
        If it is no folder that `breakwater init` made.
    InputError
        If its record is broken, or a later version's.
    """
    path = folder / RECORD_FILE
    try:
        values = read_json_object(path, limit=_LARGEST, cure=_CURE)
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError(
            f"expected a folder that `breakwater init` made, found no {RECORD_FILE} in it",
            where=str(folder), cure="name another folder, or make one: breakwater init DIR",
        ) from None  # fmt: skip
    if values.get("format") != _FORMAT:
        raise InputError(
            f"expected format {_FORMAT}, got {str(values.get('format'))[:40]}", where=str(path),
            cure="a later version made this folder: install that one, or a later one",
        )  # fmt: skip
    try:
        asked = values["asked"]
        if not isinstance(asked, dict):
            raise TypeError(f"expected asked to be a block, got {type(asked).__name__}")
        given = AskedBot(**{**asked, "style": BotStyle(asked["style"])})
        record = FolderRecord(**{**values, "asked": given})  # type: ignore[arg-type]
        check_fields(record)
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(f"broken: {error}", where=str(path), cure=_CURE) from error
    for name in record.files:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise InputError(f"expected a place in the folder, got {name}", where=str(path),
                             cure=_CURE)  # fmt: skip
    return record
