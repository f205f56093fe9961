"""Ed25519 keys of bundles: made, kept, named by a fingerprint; who trusts whom is said by hand."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey as PrivateKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PublicKey as PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from models.base.errors import ArtifactError, ConfigError
from models.base.files import open_regular, read_regular, sync_folder, write_atomic

KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
PINNED: Final = "bundle_key.pub"  # in a user directory: whose bundles it takes
_LARGEST: Final = 1 << 14  # bytes of a key file
_MAKE: Final = "make a pair with `breakwater bundle key FILE`"


def make_key(path: Path) -> str:
    """Write a private key to `path` and the public one beside it; return the fingerprint.

    Raises
    ------
    ConfigError
        If there is a file already: a key that is lost cannot be made again.
    """
    public = path.with_name(f"{path.name}.pub")
    for there in (path, public):
        if there.exists() or there.is_symlink():
            raise ConfigError(
                "there is a file already, and a key is never written over",
                where=str(there), cure="name another file, or move this one away",
            )  # fmt: skip
    key = PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    handle = open_regular(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(handle, "wb") as file:
        os.fchmod(handle, 0o600)  # whatever the umask
        file.write(pem)
        file.flush()
        os.fsync(handle)
    write_atomic(public, public_pem(raw_public(key.public_key())))
    sync_folder(path.parent)
    return key_name(raw_public(key.public_key()))


def private_key(path: Path) -> PrivateKey:
    """Return the private key in `path`.

    Raises
    ------
    ConfigError
        If it is none, or others than its owner may read it.
    """
    data = _content(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise ConfigError(
            f"expected a key that only its owner reads (mode 600), got mode {mode:o}",
            where=str(path), cure=f"chmod 600 {path}; make a new one if somebody has read it",
        )  # fmt: skip
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"expected a private key: {error}", where=str(path), cure=_MAKE) from None
    if not isinstance(key, PrivateKey):
        raise ConfigError("expected an Ed25519 key, got another kind", where=str(path), cure=_MAKE)
    return key


def trusted_key(path: Path) -> bytes:
    """Return the public key in `path`, raw.

    Raises
    ------
    ConfigError
        If it is none.
    """
    try:
        key = load_pem_public_key(_content(path))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(
            f"expected a public key: {error}", where=str(path),
            cure="copy the .pub file that `breakwater bundle key` has made; never the other one",
        ) from None  # fmt: skip
    if not isinstance(key, PublicKey):
        raise ConfigError("expected an Ed25519 key, got another kind", where=str(path), cure=_MAKE)
    return raw_public(key)


def raw_public(key: PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def public_pem(raw: bytes) -> bytes:
    """Return a raw public key as the content of a .pub file."""
    key = PublicKey.from_public_bytes(raw)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def key_name(raw: bytes) -> str:
    """Return the name of a public key, as a person compares it.

    Examples
    --------
    >>> key_name(bytes(32))
    '66687aad-f862bd77-6c8fc18b-8e9f8e20'
    """
    digest = hashlib.sha256(raw).hexdigest()
    # 32 digits are 128 bits: nobody finds a second key for them.
    return "-".join(digest[i : i + 8] for i in range(0, 32, 8))


def verify(raw: bytes, signature: bytes, message: bytes, where: str) -> None:
    """Raise ArtifactError unless the key's owner has signed the message."""
    try:
        PublicKey.from_public_bytes(raw).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise ArtifactError(
            f"not signed by {key_name(raw)}, or altered since", where=where,
            cure="take it from where it was made once more; do not serve this one",
        ) from None  # fmt: skip


def _content(path: Path) -> bytes:
    try:
        return read_regular(path, limit=_LARGEST)
    except OSError as error:
        raise ConfigError(
            f"cannot read the key: {error.strerror}", where=str(path), cure=_MAKE
        ) from error
