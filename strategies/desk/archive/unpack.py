"""From the bytes of an archive's file to those of the CSV in it, and no further than sound."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
import zlib
from typing import Final

from models.base.errors import InputError

LARGEST_ZIP: Final = 16 << 20  # bytes; a day of anything read here has less than 2 MB
LARGEST_CSV: Final = 64 << 20

_CHECKSUM: Final = re.compile(r"([0-9a-f]{64}) [ *]?(\S+)\s*")


def told_digest(checksum: bytes, name: str) -> str:
    """Return the SHA-256 a checksum file tells of the zip called `name`.

    Raises
    ------
    InputError
        If it is none, or another file's.
    """
    match = _CHECKSUM.fullmatch(checksum.decode("ascii", "replace"))
    if match is None or match[2] != name:
        raise InputError(f"expected a SHA-256 and {name}, got {checksum[:100]!r}")
    return match[1]


def unpacked(data: bytes, digest: str, name: str) -> bytes:
    """Return the CSV in a zip.

    Raises
    ------
    InputError
        If the zip is not what its checksum says, is torn, holds something else than its CSV, or
        would unpack to more than `LARGEST_CSV`.
    """
    found = hashlib.sha256(data).hexdigest()
    if found != digest:
        raise InputError(
            f"expected SHA-256 {digest[:12]}.., got {found[:12]}.. ({len(data)} bytes)"
        )
    wanted = f"{name.removesuffix('.zip')}.csv"
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            if (names := packed.namelist()) != [wanted]:
                raise InputError(
                    f"expected {wanted} in it, got {', '.join(names)[:80] or 'nothing'}"
                )
            with packed.open(wanted) as file:
                text = file.read(LARGEST_CSV + 1)  # whatever size it claims
    # RuntimeError: a password, or a way to compress that is not known here.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise InputError(f"expected a zip, got one that cannot be read: {error}") from error
    if len(text) > LARGEST_CSV:
        raise InputError(f"expected at most {LARGEST_CSV >> 20} MB of CSV, got more")
    return text
