"""A bundle's bytes: the same again, whole or refused by name, and nothing in them that runs."""

from __future__ import annotations

import io
import pickle
import re
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from models.base.arrays import arrays_to_bytes
from models.base.errors import ArtifactError
from strategies.desk.bundles.contents import (
    Bundle,
    BundledModel,
    Sealed,
    opened,
    read_sealed,
    seal,
)
from strategies.desk.bundles.keys import raw_public
from tests.hostile import Marks
from tests.test_strategies.desk.bundles.world import BTC, LABELS, model

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ONE = BundledModel(BTC, 1_700_000_000, LABELS, model())
BUNDLE = Bundle({"code": "x", "freqai": {"a": 1}}, {"numpy": "2"}, [ONE])


def written(tmp_path: Path, data: bytes) -> Path:
    (tmp_path / "a.bundle").write_bytes(data)
    return tmp_path / "a.bundle"


def signed(content: bytes) -> bytes:
    """Content of whatever kind, signed by the trusted key."""
    head = b"breakwater bundle 1\n" + raw_public(KEY.public_key())
    return head + KEY.sign(head + content) + content


def test_bundle_when_sealed_twice_then_its_bytes_are_the_same_and_come_back(
    tmp_path: Path,
) -> None:
    other = replace(ONE, pair="ETH/USDT:USDT")
    data = seal(replace(BUNDLE, models=[other, ONE]), KEY)
    swapped = replace(BUNDLE, parts=dict(reversed(BUNDLE.parts.items())), models=[ONE, other])
    assert seal(swapped, KEY) == data
    sealed = read_sealed(written(tmp_path, data))
    assert opened(sealed, "") == replace(BUNDLE, models=[ONE, other])
    assert sealed.signer == raw_public(KEY.public_key())


def test_bundle_when_any_byte_is_altered_then_it_is_refused(tmp_path: Path) -> None:
    data = bytearray(seal(BUNDLE, KEY))
    for at in [*range(140), *range(140, len(data), 97), len(data) - 1]:
        changed = data.copy()
        changed[at] ^= 1
        with pytest.raises(ArtifactError) as caught:
            read_sealed(written(tmp_path, bytes(changed)))
        assert caught.value.cure, at
        if at >= 20:
            assert "not signed by" in caught.value.problem


def test_bundle_when_shortened_or_lengthened_then_it_is_refused(tmp_path: Path) -> None:
    data = seal(BUNDLE, KEY)
    for length in [*range(0, 150, 7), len(data) // 2, len(data) - 1]:
        with pytest.raises(ArtifactError, match=r"shortened|not signed by|expected a bundle"):
            read_sealed(written(tmp_path, data[:length]))
    with pytest.raises(ArtifactError, match="not signed by"):
        read_sealed(written(tmp_path, data + b"\0"))


def test_bundle_when_not_signed_then_it_says_so(tmp_path: Path) -> None:
    data = seal(BUNDLE, KEY)
    with pytest.raises(ArtifactError, match="is not signed") as caught:
        read_sealed(written(tmp_path, data[:52] + bytes(64) + data[116:]))
    assert "--key" in caught.value.cure


def test_bundle_when_of_another_format_then_it_names_both(tmp_path: Path) -> None:
    data = seal(BUNDLE, KEY).replace(b"bundle 1\n", b"bundle 2\n", 1)
    with pytest.raises(ArtifactError, match="expected a bundle of format 1, got '2'") as caught:
        read_sealed(written(tmp_path, data))
    assert "export it again" in caught.value.cure


def test_bundle_when_its_first_line_is_no_format_then_only_its_beginning_is_told(
    tmp_path: Path,
) -> None:
    for data, told in ((b"breakwater bundle 1234567890123", r"format 1, got '1234567890'$"),
                       (bytes(range(65, 90)), r"begins with 'ABCDEFGHIJKLMNOPQRST'$")):  # fmt: skip
        with pytest.raises(ArtifactError) as caught:
            read_sealed(written(tmp_path, data))
        assert re.search(told, caught.value.problem)


def test_file_when_larger_than_any_bundle_then_it_is_not_looked_into(tmp_path: Path) -> None:
    with (tmp_path / "a.bundle").open("wb") as file:
        file.truncate((256 << 20) + 1)
    with pytest.raises(ArtifactError, match="cannot read the bundle"):
        read_sealed(tmp_path / "a.bundle")


def archive_with_bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../outside", bytes(1 << 24))
    return file.getvalue()


def archive_with_link() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        link = tarfile.TarInfo("model")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return file.getvalue()


@pytest.mark.parametrize(
    "make",
    [
        archive_with_bomb, archive_with_link, model,
        lambda: pickle.dumps(Marks(Path("/nowhere"))), lambda: b"",
    ],
    ids=["zip", "tar", "model", "pickle", "empty"],
)  # fmt: skip
def test_file_when_it_is_something_else_then_it_is_refused_as_no_bundle(
    tmp_path: Path, make: Callable[[], bytes]
) -> None:
    with pytest.raises(ArtifactError, match="expected a bundle, got a file that begins with"):
        read_sealed(written(tmp_path, make()))


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_file_when_it_is_none_then_that_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArtifactError, match="cannot read the bundle"):
        read_sealed(tmp_path / name)


def arrays(head: bytes, **more: bytes) -> bytes:
    parts = {"head": head, **{name.replace("_", " "): data for name, data in more.items()}}
    return arrays_to_bytes({name: np.frombuffer(data, np.uint8) for name, data in parts.items()})


ROW = b'{"pair": "BTC/USDT:USDT", "trained_s": 1, "labels": ["&-x"]}'


def head(rows: bytes = ROW, rest: bytes = b"") -> bytes:
    return b'{"parts": {}, "versions": {}, "models": [' + rows + b"]" + rest + b"}"


def rows(number: int, trained_s: int = 1) -> list[BundledModel]:
    return [BundledModel(f"{i:03}", trained_s, ("&-x",), b"x") for i in range(number)]


@pytest.mark.parametrize(
    ("models", "fits"),
    [
        (rows(64), True), (rows(65), False),
        (rows(1, (1 << 33) - 1), True), (rows(1, 1 << 33), False), (rows(1, 0), False),
        ([replace(ONE, pair="B" * 63)], True), ([replace(ONE, pair="B" * 64)], False),
        ([replace(ONE, pair="B")], True), ([replace(ONE, pair="")], False),
    ],
)  # fmt: skip
def test_content_when_its_size_is_at_a_bound_then_it_is_taken_up_to_there(
    models: list[BundledModel], fits: bool
) -> None:
    sealed = Sealed(bytes(32), signed_content(models), "")
    if fits:
        assert opened(sealed, "").models == models
        return
    with pytest.raises(ArtifactError, match="holds something else: expected"):
        opened(sealed, "")


def signed_content(models: list[BundledModel]) -> bytes:
    data = seal(replace(BUNDLE, models=models), KEY)
    return data[len(b"breakwater bundle 1\n") + 32 + 64 :]


def test_content_when_something_long_stands_there_then_its_beginning_is_told() -> None:
    content = arrays(head(b'"' + b"A" * 200 + b'"'), model_0=b"x")
    with pytest.raises(ArtifactError, match=f"got '{'A' * 100}'\n"):
        opened(Sealed(bytes(32), content, ""), "")


@pytest.mark.parametrize(
    "content",
    [
        archive_with_bomb(),
        pickle.dumps({"head": 1}),
        arrays(b"no json", model_0=b"x"),
        arrays(b"[" * 100_000, model_0=b"x"),
        arrays(b"[]", model_0=b"x"),
        arrays(head()),
        arrays(head(b""), model_0=b"x"),
        arrays(head(b"")),
        arrays(head().replace(b'"versions": {}', b'"versions": {"numpy": 2}'), model_0=b"x"),
        arrays(head(ROW.replace(b'["&-x"]', b'["&-x", 1]')), model_0=b"x"),
        arrays(head(ROW.replace(b"}", b', "more": 1}')), model_0=b"x"),
        arrays(head(), model_0=b"x", model_1=b"x"),
        arrays(head(), **{"../../../etc/passwd": b"x"}),
        arrays(head(rest=b', "run": "me"'), model_0=b"x"),
        arrays(head(ROW.replace(b'"trained_s": 1', b'"trained_s": true')), model_0=b"x"),
        arrays(head(ROW.replace(b'"trained_s": 1', b'"trained_s": 1e99')), model_0=b"x"),
        arrays(head(ROW.replace(b'"trained_s": 1', b'"trained_s": 99999999999')), model_0=b"x"),
        arrays(head(ROW.replace(b"BTC", b"B\\n")), model_0=b"x"),
        arrays(head(ROW + b"," + ROW), model_0=b"x", model_1=b"x"),
        arrays(head(ROW.replace(b'["&-x"]', b"[]")), model_0=b"x"),
        arrays_to_bytes({"head": np.frombuffer(head(), np.uint8), "model 0": np.zeros(3)}),
    ],
    ids=range(21),
)
def test_content_when_somebody_trusted_signed_something_else_then_it_is_refused(
    tmp_path: Path, content: bytes
) -> None:
    path = written(tmp_path, signed(content))
    with pytest.raises(ArtifactError) as caught:
        opened(read_sealed(path), str(path))
    assert caught.value.where == str(path)
    assert caught.value.cure


def test_model_when_it_is_a_pickle_then_it_is_refused_and_does_not_run(tmp_path: Path) -> None:
    hostile = replace(ONE, data=pickle.dumps(Marks(tmp_path / "ran")))
    path = written(tmp_path, seal(replace(BUNDLE, models=[hostile]), KEY))
    [held] = opened(read_sealed(path), "").models
    with pytest.raises(ArtifactError, match="cannot read the arrays"):
        held.predictor("")
    assert not (tmp_path / "ran").exists()


def test_array_when_its_table_promises_more_than_there_is_then_nothing_is_made_of_it() -> None:
    content = arrays(head(), model_0=b"x")
    claimed = content.replace(b"[1]", b"[9]", 1)
    with pytest.raises(ArtifactError, match="cannot read the arrays"):
        opened(Sealed(bytes(32), claimed, ""), "")
