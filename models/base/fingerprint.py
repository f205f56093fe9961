"""Identifiers that change whenever code, config or data do, so that nothing stale is reused.

FreqAI reuses any model and any prediction it finds under the same `identifier`, even another
model's, as long as the row count matches.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
_CODE = ("models", "freqaimodels", "strategies")
# Cannot change a forecast.
_NOT_CODE = (
    "strategies/desk", "models/evaluate", "models/reports", "models/studies", "models/simulate",
    "models/scenarios",
)  # fmt: skip
_SUFFIX = re.compile(r"--[0-9a-f]{12}$")


def code_digest(root: Path = _ROOT) -> str:
    """Return a digest over the source files a forecast depends on."""
    return _sources_digest(root, _CODE, _NOT_CODE)


def models_digest(root: Path = _ROOT) -> str:
    """Return a digest over all source files of `models`, which whatever is studied depends on."""
    return _sources_digest(root, ("models",), ())


def _sources_digest(root: Path, folders: Iterable[str], besides: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted((root / folder).rglob("*.py")):
            name = path.relative_to(root).as_posix()
            if not name.startswith(besides):
                digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def data_digest(files: Iterable[Path]) -> str:
    """Return a digest over the contents of `files`; a missing file counts as such."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.name.encode() + b"\0")
        digest.update(path.read_bytes() if path.is_file() else b"missing")
    return digest.hexdigest()


def identifier(base: str, parts: Mapping[str, Any]) -> str:
    """Return `base` with a suffix that is a digest of `parts`; an earlier suffix is replaced.

    Examples
    --------
    >>> a = identifier("btc", {"x": 1}); b = identifier(a, {"x": 1}); c = identifier(a, {"x": 2})
    >>> a == b, a == c, len(a) - len("btc")
    (True, False, 14)
    """
    text = json.dumps(parts, sort_keys=True, default=str)
    return f"{_SUFFIX.sub('', base)}--{hashlib.sha256(text.encode()).hexdigest()[:12]}"
