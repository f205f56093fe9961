"""JSON files whose content is checked before anybody believes it."""

from __future__ import annotations

import json
from pathlib import Path

from models.base.errors import InputError
from models.base.files import read_regular

_CURE = "put a sound copy of the file back, or move it away; nothing was changed"


def read_json_object(path: Path, *, limit: int = 64 << 20, cure: str = _CURE) -> dict[str, object]:
    """Return the object the JSON file `path` consists of.

    Raises
    ------
    FileNotFoundError
        If there is none.
    InputError
        If it is no regular file, cannot be read, or is anything but one JSON object.
    """
    try:
        value = json.loads(read_regular(path, limit=limit))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputError(
            f"cannot read it: {error.strerror or error}", where=str(path), cure=cure
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"expected JSON, got something else: {error}", where=str(path), cure=cure
        ) from error
    if not isinstance(value, dict):
        raise InputError(
            f"expected a JSON object, got {type(value).__name__}", where=str(path), cure=cure
        )
    return value
