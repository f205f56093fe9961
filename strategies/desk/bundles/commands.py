"""`breakwater bundle key | export | show | import`: what a person types, and what is said."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models.base.errors import ArtifactError, ConfigError
from models.base.files import write_atomic
from strategies.desk.bundles.contents import Bundle, Sealed, opened, read_sealed, seal
from strategies.desk.bundles.export import bundle_of, model_folder, versions
from strategies.desk.bundles.fit import Receiver, receiver_of, require_fit
from strategies.desk.bundles.install import install_bundle
from strategies.desk.bundles.keys import (
    PINNED,
    key_name,
    make_key,
    private_key,
    public_pem,
    trusted_key,
)


def run_key(path: Path) -> int:
    """Make a pair of keys."""
    name = make_key(path)
    print(f"private key: {path}; it signs, and stays on this machine")
    print(f"public key:  {path}.pub; for the machines that are to take your bundles")
    print(f"fingerprint: {name}")
    return 0


def run_export(path: Path, userdir: Path, identifier: str, key: Path) -> int:
    """Write the models of a bot, signed, to one file."""
    signer = private_key(key)
    folder = model_folder(userdir, identifier)
    if path.resolve().is_relative_to(folder.resolve()) or path.is_dir():
        raise ConfigError("a bundle is a file outside the models", where=str(path), cure="move it")
    bundle = bundle_of(folder)
    write_atomic(path, seal(bundle, signer))
    print("\n".join(_lines(bundle, read_sealed(path))))
    print(f"written to {path}, from {folder}")
    return 0


def run_show(path: Path, trust: Path | None) -> int:
    """Say what is in a bundle; nothing of it is run."""
    sealed = read_sealed(path)
    if trust is not None:
        _require_signer(sealed, trusted_key(trust), path)
    print("\n".join(_lines(opened(sealed, str(path)), sealed)))
    print("signed by a key you trust" if trust else "whether you trust that key is yours to say")
    return 0


def run_import(
    path: Path, userdir: Path, config: Mapping[str, Any],
    *, trust: Path | None, pin: str, older: bool,
) -> int:  # fmt: skip
    """Put the models of a bundle where the bot of this config looks for them."""
    if not userdir.is_dir():
        raise ConfigError(
            "there is no such user directory", where=str(userdir),
            cure="`freqtrade create-userdir` makes one; or name the bot's, --userdir",
        )  # fmt: skip
    sealed = read_sealed(path)
    pinned = _trusted(sealed, userdir, path, trust, pin)
    bundle = opened(sealed, str(path))
    receiver = receiver_of(config)
    now_s = int(time.time())
    require_fit(bundle, receiver, now_s, str(path))
    place = install_bundle(bundle, sealed.digest, userdir / "models" / receiver.folder, older=older)
    if pinned:
        write_atomic(userdir / PINNED, public_pem(sealed.signer))
        print(f"pinned: from now on bundles signed by {pin} are taken there")
    print("\n".join([*_lines(bundle, sealed), *_consequences(bundle, receiver, now_s)]))
    print(f"imported to {place}; a running bot takes it with its next candle")
    return 0


def _trusted(sealed: Sealed, userdir: Path, path: Path, trust: Path | None, pin: str) -> bool:
    """Raise unless a person trusts the signer; return whether he is to be pinned."""
    kept = userdir / PINNED
    if trust is not None:
        _require_signer(sealed, trusted_key(trust), path)
        return False
    if kept.exists():
        _require_signer(sealed, trusted_key(kept), path)
        return False
    if not pin:
        raise ConfigError(
            f"signed by {key_name(sealed.signer)}, and nobody has said that he trusts this key",
            where=str(path),
            cure="--trust FILE.pub; or compare the fingerprint with the one that "
            "`breakwater bundle key` has printed, and type it once: --pin FINGERPRINT",
        )
    if pin != key_name(sealed.signer):
        raise ArtifactError(
            f"expected a bundle signed by {pin}, got one by {key_name(sealed.signer)}",
            where=str(path), cure="take the bundle from the machine whose fingerprint you typed",
        )  # fmt: skip
    return True


def _require_signer(sealed: Sealed, key: bytes, path: Path) -> None:
    if sealed.signer != key:
        raise ArtifactError(
            f"expected a bundle signed by {key_name(key)}, got one by {key_name(sealed.signer)}",
            where=str(path),
            cure="take it from the machine whose key you trust; a new key is pinned by hand, after "
            f"{PINNED} is moved away",
        )


def _lines(bundle: Bundle, sealed: Sealed) -> Iterator[str]:
    """Yield what a person wants to know of a bundle."""
    yield f"digest:      {sealed.digest}"
    yield f"signed by:   {key_name(sealed.signer)}"
    yield f"bot:         {bundle.parts.get('strategy')}, {bundle.parts.get('model')}, " + (
        f"candles of {bundle.parts.get('timeframe')}"
    )
    yield "versions:    " + ", ".join(f"{k} {v}" for k, v in sorted(bundle.versions.items()))
    for model in bundle.models:
        manifest = model.predictor("").manifest
        yield f"{model.pair}: trained until {_utc(model.trained_s)}, " + (
            f"{len(manifest['feature_names'])} features, horizon {manifest['horizon_candles']} "
            f"candles, {len(model.data):,} bytes"
        )
        yield from (f"  card: {w}" for w in manifest.get("card", {}).get("warnings", ()))


def _consequences(bundle: Bundle, bot: Receiver, now_s: int) -> Iterator[str]:
    """Yield what follows from importing it."""
    own = versions()
    for name, theirs in sorted(bundle.versions.items()):
        if own.get(name, theirs) != theirs:
            yield f"note: {name} is {own[name]} here, {theirs} where it was exported"
    for model in bundle.models:
        until = model.trained_s + bot.expiration_s
        if until < now_s:
            yield f"{model.pair} is too old since {_utc(until)}: no entries, exits pass"
        else:
            yield f"{model.pair} is trusted until {_utc(until)}; then entries stop, exits pass"
    for pair in sorted(set(bot.pairs) - {m.pair for m in bundle.models}):
        yield f"{pair} has no model in it: no forecasts of it"


def _utc(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
