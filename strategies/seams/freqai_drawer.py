"""FreqAI's drawer without its pickles: what it keeps of models and answers, as plain data.

FreqAI keeps `historic_predictions.pkl`, every model and two pipelines beside it as pickles, and
loads what it finds: a pickle runs the code it names. It also writes them in place, so that a kill
in the middle leaves half a file that stops the next start. Here the same is kept as arrays and
JSON, replaced whole; a pickle is neither written nor read, whoever put it there.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from freqtrade.configuration import TimeRange  # noqa: F401  # first: loads freqtrade before FreqAI
from freqtrade.exceptions import OperationalException
from freqtrade.freqai import freqai_interface
from freqtrade.freqai.data_drawer import FreqaiDataDrawer
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.freqai.freqai_interface import IFreqaiModel

from models.base.arrays import MODELS_ANEW, arrays_to_bytes
from models.base.errors import ArtifactError, PackError
from models.base.files import read_regular, write_atomic
from models.base.json_files import read_json_object
from strategies.seams.kept_answers import answers_by_pair, are_texts, expect_part, plain_column
from strategies.seams.record import Library, Seam, lacks_method, lacks_text, problems

logger = logging.getLogger(__name__)

ANSWERS: Final = "historic_predictions.arrays"
_METADATA: Final = "_metadata.json"
_RUNS_CODE: Final = ("pickle.load", "read_pickle", "joblib.load", "torch.load")
_LATEST_S: Final = 1 << 33  # a time beyond is none; FreqAI would fail on it every second


class ModelFiles(Protocol):
    """How models become files."""

    def path(self, folder: Path, name: str) -> Path:
        """Return where a model is kept."""
        ...

    def to_bytes(self, model: Any) -> bytes:
        """Return a model as bytes."""
        ...

    def from_bytes(self, data: bytes, where: str) -> Any:
        """Return the model; raise a PackError if it is none, or must not be run."""
        ...


class PlainDrawer(FreqaiDataDrawer):  # type: ignore[misc]  # freqtrade has no types
    """What FreqAI keeps of a bot's models, without pickles.

    Parameters
    ----------
    full_path, config
        As FreqAI's.
    files
        How models become files.

    Raises
    ------
    PackError
        If a file of it is no such file; names it, and the cure.
    """

    def __init__(self, full_path: Path, config: dict[str, Any], files: ModelFiles) -> None:
        self._files = files
        self._pairs_stamp: tuple[int, ...] = ()  # of the file of pairs, when it was last read
        super().__init__(full_path, config)

    # -- answers ----------------------------------------------------------------------------

    def load_historic_predictions_from_disk(self) -> bool:
        """Load what the bot has answered; return whether there is anything."""
        path = self.full_path / ANSWERS
        try:
            data = read_regular(path)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise ArtifactError(str(error.strerror), where=str(path), cure=MODELS_ANEW) from error
        self.historic_predictions = answers_by_pair(data, path)
        return True

    def save_historic_predictions_to_disk(self) -> None:
        """Keep what the bot has answered."""
        answers = self.historic_predictions
        pairs = np.frombuffer(json.dumps(list(answers)).encode(), np.uint8)
        arrays: dict[str, np.ndarray[Any, Any]] = {"pairs": pairs}
        for i, frame in enumerate(answers.values()):
            for name in frame.columns:
                arrays[f"{i} {name}"] = plain_column(frame[name], name)
        write_atomic(self.full_path / ANSWERS, arrays_to_bytes(arrays))

    # -- models -----------------------------------------------------------------------------

    def save_data(self, model: Any, coin: str, dk: FreqaiDataKitchen) -> None:
        """Keep a model; what FreqAI knows of its training stands beside it."""
        folder = Path(dk.data_path)
        folder.mkdir(parents=True, exist_ok=True)
        self._describe(dk)
        write_atomic(self._files.path(folder, dk.model_filename), self._files.to_bytes(model))
        write_atomic(folder / f"{dk.model_filename}{_METADATA}", self._json(dk.data))
        self.model_dictionary[coin] = model
        self.pair_dict[coin]["model_filename"] = dk.model_filename
        self.pair_dict[coin]["data_path"] = str(dk.data_path)
        self.meta_data_dictionary.setdefault(coin, {})["metadata"] = dk.data
        self.save_drawer_to_disk()

    def save_metadata(self, dk: FreqaiDataKitchen) -> None:
        """Keep what FreqAI knows of a training whose model is not kept."""
        folder = Path(dk.data_path)
        folder.mkdir(parents=True, exist_ok=True)
        self._describe(dk)
        write_atomic(folder / f"{dk.model_filename}{_METADATA}", self._json(dk.data))

    def load_data(self, coin: str, dk: FreqaiDataKitchen) -> Any:
        """Return the model that serves `coin`, None before there is one.

        Raises
        ------
        PackError
            If its file is not the pack's, or must not be run.
        """
        entry = self.pair_dict[coin]
        if not entry["model_filename"]:
            return None
        if dk.live:
            dk.model_filename = entry["model_filename"]
            # The folder may have been copied from elsewhere: models are looked for in it only.
            dk.data_path = self.full_path / Path(entry["data_path"]).name
        if coin in self.meta_data_dictionary:
            self._recall(dk, self.meta_data_dictionary[coin]["metadata"])
        else:
            self.load_metadata(dk)
            if dk.live:
                self.meta_data_dictionary[coin] = {"metadata": dk.data}
        model = self.model_dictionary.get(coin) if dk.live else None
        if model is None:
            path = self._files.path(Path(dk.data_path), dk.model_filename)
            model = self._files.from_bytes(_content(path), str(path))
        self.model_dictionary.setdefault(coin, model)
        return model

    def load_metadata(self, dk: FreqaiDataKitchen) -> None:
        """Read what FreqAI knows of a training."""
        self._recall(dk, _metadata(Path(dk.data_path) / f"{dk.model_filename}{_METADATA}"))

    def _describe(self, dk: FreqaiDataKitchen) -> None:
        dk.data["data_path"] = str(dk.data_path)
        dk.data["model_filename"] = str(dk.model_filename)
        dk.data["training_features_list"] = dk.training_features_list
        dk.data["label_list"] = dk.label_list

    def _recall(self, dk: FreqaiDataKitchen, data: dict[str, Any]) -> None:
        dk.data = data
        dk.training_features_list = data["training_features_list"]
        dk.label_list = data["label_list"]

    # -- the drawer's own files -------------------------------------------------------------

    def load_drawer_from_disk(self) -> None:
        """Read which model serves which pair."""
        self._pairs_stamp = _stamp(self.pair_dictionary_path)
        for pair, entry in self._read(self.pair_dictionary_path).items():
            self.pair_dict[pair] = _entry(entry, pair, self.pair_dictionary_path)

    def serve_newest(self, send: Callable[[str], None]) -> list[str]:
        """Serve what the file of pairs names by now; return the pairs another model answers for.

        What cannot be read, or must not be run, leaves the model before it in service, and is
        told once by `send`. Nothing is read while the file is as it was.
        """
        stamp = _stamp(self.pair_dictionary_path)
        if stamp == self._pairs_stamp:
            return []
        self._pairs_stamp = stamp
        changed = []
        try:
            for pair, raw in self._read(self.pair_dictionary_path).items():
                entry = _entry(raw, pair, self.pair_dictionary_path)
                if entry != self.pair_dict.get(pair):
                    self._exchange(pair, entry)
                    changed.append(pair)
                    send(f"{pair}: another model serves now, trained {_utc(entry)}")
        except (PackError, OSError) as error:
            logger.error("the newer models are refused, those before go on: %s", error)
            send(f"The newer models are refused; those before them go on.\n{error}")
        return changed

    def put_in_service(self, pair: str, model: Any, trained_s: int | None = None) -> None:
        """Have another model of the same training set serve `pair`, now and after a restart.

        Parameters
        ----------
        trained_s
            UTC seconds its age is counted from; None leaves that as it is.

        Raises
        ------
        OSError
            If its file cannot be written: the one before serves then.
        """
        entry = self.pair_dict[pair]
        folder, name = self.full_path / Path(entry["data_path"]).name, entry["model_filename"]
        write_atomic(self._files.path(folder, name), self._files.to_bytes(model))
        self.model_dictionary[pair] = model
        if trained_s is not None:
            entry["trained_timestamp"] = trained_s
            self.save_drawer_to_disk()

    def _exchange(self, pair: str, entry: dict[str, Any]) -> None:
        """Have another model serve `pair`, if all of it can be read and may be run."""
        folder, name = self.full_path / Path(entry["data_path"]).name, entry["model_filename"]
        path = self._files.path(folder, name)
        model = self._files.from_bytes(_content(path), str(path))
        metadata = _metadata(folder / f"{name}{_METADATA}")
        self.model_dictionary[pair], self.pair_dict[pair] = model, entry
        self.meta_data_dictionary[pair] = {"metadata": metadata}

    def save_drawer_to_disk(self) -> None:
        """Keep which model serves which pair."""
        with self.save_lock:
            write_atomic(self.pair_dictionary_path, self._json(self.pair_dict))

    def load_global_metadata_from_disk(self) -> dict[str, Any]:
        """Return what FreqAI keeps of the bot as a whole."""
        return self._read(self.global_metadata_path)

    def save_global_metadata_to_disk(self, metadata: dict[str, Any]) -> None:
        """Keep what FreqAI knows of the bot as a whole."""
        with self.save_lock:
            write_atomic(self.global_metadata_path, self._json(metadata))

    def load_metric_tracker_from_disk(self) -> None:
        """Read how long trainings took, where that is kept."""
        if self.freqai_info.get("write_metrics_to_disk", False):
            self.metric_tracker = self._read(self.metric_tracker_path)

    def save_metric_tracker_to_disk(self) -> None:
        """Keep how long trainings took."""
        with self.save_lock:
            write_atomic(self.metric_tracker_path, self._json(self.metric_tracker))

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            return read_json_object(path, cure=MODELS_ANEW)
        except FileNotFoundError:
            return {}

    def _json(self, values: Mapping[str, Any]) -> bytes:
        return json.dumps(values, default=self.np_encoder).encode()


@contextlib.contextmanager
def plain_drawer(files: ModelFiles) -> Iterator[None]:
    """Have a FreqAI model that is made meanwhile keep its things in a `PlainDrawer`.

    Raises
    ------
    OperationalException
        If FreqAI makes its drawer otherwise now: it would load pickles.
    """
    if missing := _probe():
        raise OperationalException(
            f"FreqAI keeps its models otherwise than this pack knows ({missing}): it would load "
            "pickles, which run code. Install the Freqtrade this pack asks for."
        )
    own = freqai_interface.FreqaiDataDrawer
    freqai_interface.FreqaiDataDrawer = lambda path, config: PlainDrawer(path, config, files)
    try:
        yield
    finally:
        freqai_interface.FreqaiDataDrawer = own


def _content(path: Path) -> bytes:
    try:
        return read_regular(path)
    except OSError as error:
        raise ArtifactError(
            f"cannot read the model: {error.strerror}", where=str(path), cure=MODELS_ANEW
        ) from error


def _metadata(path: Path) -> dict[str, Any]:
    """Return what FreqAI knows of a training, checked field by field."""
    data = read_json_object(path, cure=MODELS_ANEW)
    for name in ("training_features_list", "label_list"):
        expect_part(are_texts(data.get(name)), f"{name}: a list of names", data.get(name), path)
    for name in ("labels_mean", "labels_std", "extra_returns_per_train"):
        expect_part(isinstance(data.get(name, {}), dict), f"{name}: a table", data.get(name), path)
    return data


def _stamp(path: Path) -> tuple[int, ...]:
    """Return what is another when a file has been replaced; nothing where there is none."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _utc(entry: Mapping[str, Any]) -> str:
    return f"{datetime.fromtimestamp(entry['trained_timestamp'], UTC):%Y-%m-%d %H:%M} UTC"


def _entry(entry: object, pair: str, path: Path) -> dict[str, Any]:
    """Return what FreqAI keeps of a pair, checked field by field."""
    expect_part(isinstance(entry, dict), f"{pair}: a table", entry, path)
    assert isinstance(entry, dict)
    for name in ("model_filename", "data_path"):
        expect_part(isinstance(entry.get(name), str), f"{pair}.{name}: text", entry.get(name), path)
    name = entry["model_filename"]
    expect_part(Path(name).name == name, f"{pair}.model_filename: a name, no path", name, path)
    trained = entry.get("trained_timestamp")
    timely = type(trained) is int and 0 <= trained < _LATEST_S
    expect_part(timely, f"{pair}.trained_timestamp: UTC seconds", trained, path)
    extras = entry.setdefault("extras", {})
    expect_part(isinstance(extras, dict), f"{pair}.extras: a table", extras, path)
    return entry


def _probe() -> str:
    return problems(
        lacks_text(IFreqaiModel, "__init__", "self.dd = FreqaiDataDrawer(Path(self.full_path)"),
        *(
            lacks_method(FreqaiDataDrawer, name)
            for name in (
                "load_drawer_from_disk", "save_drawer_to_disk", "save_data", "load_data",
                "save_metadata", "load_metadata", "load_historic_predictions_from_disk",
                "save_historic_predictions_to_disk", "load_metric_tracker_from_disk",
                "save_metric_tracker_to_disk", "load_global_metadata_from_disk",
                "save_global_metadata_to_disk",
            )
        ),
        _other_pickles(),
    )  # fmt: skip


def _other_pickles() -> str:
    """Return which further method of FreqAI's reads what runs code."""
    known = {"load_data", "load_historic_predictions_from_disk"}  # replaced here
    found = [
        f"{owner.__name__}.{name}"
        for owner in (FreqaiDataDrawer, IFreqaiModel, FreqaiDataKitchen)
        for name, method in vars(owner).items()
        if inspect.isfunction(method) and name not in known
        and any(text in inspect.getsource(method) for text in _RUNS_CODE)
    ]  # fmt: skip
    return f"{found} load what they find" if found else ""


PLAIN_DRAWER = Seam(
    name="freqai_interface.FreqaiDataDrawer",
    what="replaced while a model is made, by a subclass that reads and writes no pickles",
    why="a pickle in the folder of models runs the code it names when it is loaded",
    since="freqtrade 2026.9",
    without="FreqAI would execute what lies in user_data/models",
    probe=_probe,
    library=Library.FREQAI,
    safety=True,
)
