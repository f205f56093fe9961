"""From a bot's folder of models to a bundle."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any, Final

from models.base.errors import ArtifactError, ConfigError
from models.base.files import read_regular
from models.base.fingerprint import identifier
from models.base.json_files import read_json_object
from models.base.protocols import MADE_OF
from models.serve.saved import model_file
from strategies.desk.bundles.contents import Bundle, BundledModel

PAIRS_FILE: Final = "pair_dictionary.json"
_TRAIN: Final = "let the bot train first: `freqtrade trade` there, dry or live"
_TOLD: Final = ("breakwater", "freqtrade", "onnxruntime", "numpy")


def bundle_of(folder: Path) -> Bundle:
    """Return the models that serve in a bot's `folder`, each pair's newest.

    Raises
    ------
    ArtifactError
        If there is none, one cannot be served, or what they depend on is not noted.
    """
    parts = _json(folder / MADE_OF)
    if identifier(folder.name, parts) != folder.name and not _other_run(folder.name, parts):
        raise ArtifactError(
            "what is noted beside the models is not what their folder is named after",
            where=str(folder / MADE_OF), cure="the folder was renamed or edited; train again",
        )  # fmt: skip
    entries = _json(folder / PAIRS_FILE)
    models = [
        _bundled(folder, pair, entry)
        for pair, entry in sorted(entries.items())
        if isinstance(entry, dict) and entry.get("model_filename")
    ]
    if not models:
        raise ArtifactError("no pair has a model yet", where=str(folder), cure=_TRAIN)
    return Bundle(parts=parts, versions=versions(), models=models)


def model_folder(userdir: Path, name: str) -> Path:
    """Return the folder of models in a user directory that a person means.

    Parameters
    ----------
    name
        A whole name, or its beginning as configured; empty where there is one only.

    Raises
    ------
    ConfigError
        If none is meant, or several may be.
    """
    root = userdir / "models"
    there = sorted(path.parent for path in root.glob(f"*/{PAIRS_FILE}"))
    meant = [f for f in there if f.name == name] or [
        f for f in there if not name or f.name.startswith(f"{name}--")
    ]
    if len(meant) == 1:
        return meant[0]
    listed = ", ".join(f.name for f in there) or "none"
    if not meant:
        problem = f"no models{f' of {name!r}' if name else ''} there; there are: {listed}"
        raise ConfigError(
            problem, where=str(root), cure=_TRAIN if not there else "name one of them"
        )
    raise ConfigError(
        f"several folders of models may be meant: {', '.join(f.name for f in meant)}",
        where=str(root), cure="name one, --identifier NAME",
    )  # fmt: skip


def versions() -> dict[str, str]:
    """Return the versions that a person compares when two machines answer differently."""
    return {name: importlib.metadata.version(name) for name in _TOLD}


def _other_run(name: str, parts: dict[str, Any]) -> bool:
    return identifier(name, {**parts, "stage": "dry-run"}) == name


def _bundled(folder: Path, pair: str, entry: dict[str, Any]) -> BundledModel:
    name, trained = str(entry["model_filename"]), entry.get("trained_timestamp")
    place = folder / Path(str(entry.get("data_path"))).name
    path = model_file(place, Path(name).name)
    try:
        data = read_regular(path)
    except OSError as error:
        raise ArtifactError(
            f"cannot read the model of {pair}: {error.strerror}", where=str(path),
            cure="a training may just have replaced it; try again",
        ) from error  # fmt: skip
    labels = _json(place / f"{name}_metadata.json").get("label_list")
    if not isinstance(labels, list) or type(trained) is not int:
        raise ArtifactError(f"the entry of {pair} is not whole", where=str(folder), cure=_TRAIN)
    model = BundledModel(pair, trained, tuple(map(str, labels)), data)
    model.predictor(str(path))  # what cannot be served is refused where it can be mended
    return model


def _json(path: Path) -> dict[str, Any]:
    try:
        return dict(read_json_object(path, cure=_TRAIN))
    except FileNotFoundError:
        raise ArtifactError(
            "what the models depend on is not noted", where=str(path),
            cure="start the bot once with this version of the pack; it notes it, and trains anew",
        ) from None  # fmt: skip
