"""A bundle as bytes: a magic line, the signer's public key, his signature, and arrays.

The signature is over all that follows and the two before it, and is looked at before anything
is made of the content. The content has no paths, no links, nothing compressed and nothing that
runs when it is read (`models.base.arrays`): what it holds is named here, and any other name refuses
the whole. The same models and the same key make the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from models.base.arrays import arrays_from_bytes, arrays_to_bytes
from models.base.errors import ArtifactError
from models.base.files import read_regular
from models.serve.predictor import Predictor
from models.serve.saved import predictor_from_bytes
from strategies.desk.bundles.keys import KEY_BYTES, SIGNATURE_BYTES, raw_public, verify

_KIND: Final = b"breakwater bundle "
BUNDLE_FORMAT: Final = 1
_MAGIC: Final = _KIND + b"%d\n" % BUNDLE_FORMAT
_LARGEST: Final = 256 << 20  # bytes of a bundle
_MOST_PAIRS: Final = 64
_MOST_S: Final = 1 << 33
AGAIN: Final = "export it again with this version of the pack"


@dataclass(frozen=True)
class BundledModel:
    """One pair's model, and what FreqAI keeps beside it."""

    pair: str
    trained_s: int  # UTC seconds
    labels: tuple[str, ...]  # label columns, as FreqAI names them
    data: bytes  # the model's file

    def predictor(self, where: str) -> Predictor:
        """Return the model; raise ArtifactError if the bytes are none."""
        return predictor_from_bytes(self.data, where)


@dataclass(frozen=True)
class Bundle:
    """What is exported together."""

    parts: Mapping[str, Any]  # what the forecasts depend on: code, model, freqai, ...
    versions: Mapping[str, str]  # of pack and libraries where it was exported, to be told
    models: Sequence[BundledModel]


@dataclass(frozen=True)
class Sealed:
    """A bundle's file whose signature holds; by whom is not yet anybody's trust."""

    signer: bytes  # raw public key
    content: bytes
    digest: str


def seal(bundle: Bundle, key: Ed25519PrivateKey) -> bytes:
    """Return the bytes of a signed bundle."""
    models = sorted(bundle.models, key=lambda model: model.pair)
    rows = [{k: v for k, v in asdict(m).items() if k != "data"} for m in models]
    head = {"parts": dict(bundle.parts), "versions": dict(bundle.versions), "models": rows}
    text = json.dumps(head, sort_keys=True, separators=(",", ":")).encode()
    arrays = {"head": np.frombuffer(text, np.uint8)}
    for i, model in enumerate(models):
        arrays[f"model {i}"] = np.frombuffer(model.data, np.uint8)
    signed = _MAGIC + raw_public(key.public_key())
    content = arrays_to_bytes(arrays)
    return signed + key.sign(signed + content) + content


def read_sealed(path: Path) -> Sealed:
    """Return the file's content, once its signature is found to hold.

    Raises
    ------
    ArtifactError
        If it is no bundle, one of another version, shortened, altered or not signed.
    """
    where = str(path)
    try:
        data = read_regular(path, limit=_LARGEST)
    except OSError as error:
        raise ArtifactError(
            f"cannot read the bundle: {error.strerror}", where=where,
            cure="name the file `breakwater bundle export` has written",
        ) from error  # fmt: skip
    line = data[: len(_MAGIC) + 8].split(b"\n")[0]
    if line + b"\n" != _MAGIC:
        if line.startswith(_KIND):
            raise ArtifactError(
                f"expected a bundle of format {BUNDLE_FORMAT}, got {_told(line[len(_KIND):])}",
                where=where, cure=AGAIN,
            )  # fmt: skip
        raise ArtifactError(
            f"expected a bundle, got a file that begins with {_told(data[:20])}", where=where,
            cure="name the file `breakwater bundle export` has written; no archive, no model",
        )  # fmt: skip
    signer_at, signature_at = len(_MAGIC), len(_MAGIC) + KEY_BYTES
    content_at = signature_at + SIGNATURE_BYTES
    signer, signature = data[signer_at:signature_at], data[signature_at:content_at]
    content = data[content_at:]
    if not content:
        raise ArtifactError("the bundle is shortened", where=where, cure="copy it once more")
    if not any(signature):
        raise ArtifactError(
            "the bundle is not signed", where=where, cure="export it with --key; nobody vouches"
        )
    verify(signer, signature, data[:signature_at] + content, where)
    return Sealed(signer=signer, content=content, digest=hashlib.sha256(data).hexdigest())


def opened(sealed: Sealed, where: str) -> Bundle:
    """Return what a bundle holds; its models are read when they are asked for.

    Raises
    ------
    ArtifactError
        If it holds anything but what a bundle holds.
    """
    arrays = arrays_from_bytes(sealed.content, where=where)
    parts = {name: array.tobytes() for name, array in arrays.items() if array.dtype == np.uint8}
    try:
        head = json.loads(parts.pop("head", b""))
    except (ValueError, RecursionError) as error:
        raise _foreign(f"a head in JSON ({error})", "another", where) from error
    match head:
        case {"parts": dict(made_of), "versions": dict(versions), "models": list(rows), **rest}:
            _expect(not rest, "no more than parts, versions and models", list(rest), where)
        case _:
            raise _foreign("parts, versions and models", head, where)
    _expect(0 < len(rows) <= _MOST_PAIRS, f"1 to {_MOST_PAIRS} models", len(rows), where)
    names = [f"model {i}" for i in range(len(rows))]
    held = [name for name in arrays if name != "head"]
    _expect(held == names == list(parts), f"{names} and nothing else", held, where)
    _expect(all(isinstance(v, str) for v in versions.values()), "versions", versions, where)
    models = [_model(row, parts[name], where) for row, name in zip(rows, names, strict=True)]
    pairs = [model.pair for model in models]
    _expect(sorted(set(pairs)) == pairs, "each pair once, sorted", pairs, where)
    return Bundle(parts=made_of, versions=versions, models=models)


def _model(row: object, data: bytes, where: str) -> BundledModel:
    match row:
        case {"pair": str(pair), "trained_s": int(trained_s), "labels": list(labels), **rest}:
            timely = type(trained_s) is int and 0 < trained_s < _MOST_S
            named = 0 < len(pair) < 64 and pair.isprintable()
            texts = bool(labels) and all(isinstance(label, str) for label in labels)
            _expect(timely and named and texts and not rest, "pair, time and labels", row, where)
            return BundledModel(pair, trained_s, tuple(labels), data)
    raise _foreign("pair, time and labels", row, where)


def _expect(holds: bool, what: str, got: object, where: str) -> None:
    if not holds:
        raise _foreign(what, got, where)


def _foreign(what: str, got: object, where: str) -> ArtifactError:
    return ArtifactError(
        f"the bundle holds something else: expected {what}, got {str(got)[:100]!r}",
        where=where, cure=AGAIN,
    )  # fmt: skip


def _told(begin: bytes) -> str:
    return repr(begin.decode("ascii", "replace"))
