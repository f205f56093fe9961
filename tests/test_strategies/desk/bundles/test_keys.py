"""Keys of bundles: private ones stay private, nothing is written over, what is no key is named."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from models.base.errors import ConfigError
from strategies.desk import cli
from strategies.desk.bundles.keys import (
    key_name,
    make_key,
    private_key,
    raw_public,
    trusted_key,
)


def test_key_when_made_then_only_its_owner_reads_it_whatever_the_umask(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = os.umask(0)
    try:
        assert cli.main(["bundle", "key", str(tmp_path / "my key")]) == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "my key").stat().st_mode) == 0o600
    said, pem = capsys.readouterr().out, (tmp_path / "my key").read_text(encoding="utf-8")
    public = raw_public(private_key(tmp_path / "my key").public_key())
    assert trusted_key(tmp_path / "my key.pub") == public
    assert f"fingerprint: {key_name(public)}\n" in said
    assert not set(pem.splitlines()[1:-1]) & set(said.split())


@pytest.mark.parametrize("there", ["key", "key.pub"])
def test_key_when_a_file_is_there_then_it_is_left_as_it_is(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="never written over"):
        make_key(tmp_path / "key")
    assert [p.name for p in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text(encoding="utf-8") == "mine"


def test_key_when_a_dangling_link_is_there_then_nothing_is_written_through_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="never written over"):
        make_key(tmp_path / "key")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_private_key_when_others_may_read_it_then_it_does_not_sign(
    tmp_path: Path, mode: int
) -> None:
    make_key(tmp_path / "key")
    (tmp_path / "key").chmod(mode)
    with pytest.raises(ConfigError, match=f"got mode {mode:o}") as caught:
        private_key(tmp_path / "key")
    assert "chmod 600" in caught.value.cure


def test_keys_when_taken_for_each_other_then_both_are_refused_by_name(tmp_path: Path) -> None:
    make_key(tmp_path / "key")
    (tmp_path / "key.pub").chmod(0o600)
    with pytest.raises(ConfigError, match="expected a private key"):
        private_key(tmp_path / "key.pub")
    with pytest.raises(ConfigError, match="expected a public key") as caught:
        trusted_key(tmp_path / "key")
    assert "never the other one" in caught.value.cure


def test_keys_when_of_another_kind_or_no_file_then_they_are_refused(tmp_path: Path) -> None:
    other = generate_private_key(SECP256R1())
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "ec").write_bytes(pem)
    (tmp_path / "ec").chmod(0o600)
    with pytest.raises(ConfigError, match="expected an Ed25519 key"):
        private_key(tmp_path / "ec")
    (tmp_path / "large").write_bytes(bytes((1 << 14) + 1))
    for none in (tmp_path / "nowhere", tmp_path, tmp_path / "large"):
        with pytest.raises(ConfigError, match="cannot read the key"):
            private_key(none)
        with pytest.raises(ConfigError, match="cannot read the key"):
            trusted_key(none)


def test_fingerprint_when_said_then_it_is_the_one_every_version_has_said() -> None:
    assert key_name(bytes(32)) == "66687aad-f862bd77-6c8fc18b-8e9f8e20"
