"""A bundle put where a bot looks for its models, whole or not at all.

All pairs' models go into one folder, written beside its place, made to survive a power cut and
renamed into it; then the one file that says which model serves is replaced. A running bot looks at
that file between candles and takes the models with its next one; a kill at any instant leaves it
the models before.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from models.base import columns
from models.base.errors import ArtifactError
from models.base.files import locked, sync_folder, write_atomic
from models.base.json_files import read_json_object
from models.serve.saved import model_file
from strategies.desk.bundles.contents import Bundle, BundledModel
from strategies.desk.bundles.export import PAIRS_FILE

_PREFIX: Final = "bundle-"
_FRESH: Final = ".fresh-bundle"
_LOCK: Final = "import.lock"
_KEPT: Final = 2  # a bot may be reading the one before


def install_bundle(bundle: Bundle, digest: str, folder: Path, *, older: bool) -> Path:
    """Make the models of a bundle those that serve in a bot's folder; return where they are.

    Parameters
    ----------
    digest
        Of the bundle's file; names the folder its models are put into.
    folder
        Of the bot's models; made if need be.
    older
        Whether models older than those that serve are put in their place.

    Raises
    ------
    ArtifactError
        If they are older and that was not asked for, or the folder is no folder.
    OSError
        If the disk is full or the folder not writable; what served before still does.
    """
    _require_plain(folder)
    served = _served(folder)
    behind = [m.pair for m in bundle.models if m.trained_s < served.get(m.pair, 0)]
    if behind and not older:
        raise ArtifactError(
            f"models that are older than those that serve: {', '.join(behind)}", where=str(folder),
            cure="import the newest bundle; --older if an older one is really meant",
        )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / _LOCK):
        place = folder / f"{_PREFIX}{digest[:16]}"
        if not place.is_dir():
            with _fresh(folder) as fresh:
                for model in bundle.models:
                    _write(model, fresh, place)
                sync_folder(fresh)
                fresh.rename(place)
            sync_folder(folder)
        os.utime(place)  # the newest, also where it has been there before
        entries = {m.pair: _entry(m, place) for m in bundle.models}
        write_atomic(folder / PAIRS_FILE, json.dumps(entries, sort_keys=True).encode())
        _remove_old(folder)
    return place


def _require_plain(folder: Path) -> None:
    """Refuse a link in the place of the models: what it leads to is not the bot's."""
    for path in (folder, folder.parent):
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            raise ArtifactError(
                "expected a folder, got a link or a file", where=str(path),
                cure="move it away; models are put into the user directory itself",
            )  # fmt: skip


def _served(folder: Path) -> dict[str, int]:
    """Return when the models that serve now were trained, by pair."""
    try:
        entries: dict[str, Any] = dict(read_json_object(folder / PAIRS_FILE))
    except FileNotFoundError:
        return {}
    return {
        pair: int(entry["trained_timestamp"])
        for pair, entry in entries.items()
        if isinstance(entry, dict) and type(entry.get("trained_timestamp")) is int
    }


def _write(model: BundledModel, fresh: Path, place: Path) -> None:
    """Write a model and what FreqAI wants beside it."""
    name = _name(model)
    names = model.predictor(model.pair).manifest["feature_names"]
    metadata = {
        "training_features_list": list(names),
        "label_list": list(model.labels),
        # FreqAI appends no live answer without a mean and deviation per column.
        "labels_mean": dict.fromkeys(columns.FORECAST, 0.0),
        "labels_std": dict.fromkeys(columns.FORECAST, 0.0),
        "extra_returns_per_train": {},
        "data_path": str(place),
        "model_filename": name,
    }
    write_atomic(model_file(fresh, name), model.data)
    write_atomic(fresh / f"{name}_metadata.json", json.dumps(metadata, sort_keys=True).encode())


def _entry(model: BundledModel, place: Path) -> dict[str, Any]:
    return {
        "model_filename": _name(model), "trained_timestamp": model.trained_s,
        "data_path": str(place), "extras": {},
    }  # fmt: skip


def _name(model: BundledModel) -> str:
    """Return a file's name for a pair; nothing of the pair but letters and digits gets into it."""
    plain = "".join(c if c.isascii() and c.isalnum() else "_" for c in model.pair).lower()
    return f"cb_{plain}_{model.trained_s}"


@contextmanager
def _fresh(folder: Path) -> Iterator[Path]:
    """Give an empty folder that is gone afterwards, unless it got a name of its own."""
    fresh = folder / _FRESH
    shutil.rmtree(fresh, ignore_errors=True)  # of an import that was killed
    fresh.mkdir()
    try:
        yield fresh
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _remove_old(folder: Path) -> None:
    """Remove imported models but the newest; a failure to is no failure of the import."""
    found = [path for path in folder.glob(f"{_PREFIX}*") if path.is_dir()]
    for path in sorted(found, key=lambda p: p.stat().st_mtime_ns)[:-_KEPT]:
        shutil.rmtree(path, ignore_errors=True)
