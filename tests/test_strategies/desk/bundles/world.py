"""A bundle of an echo that fits the shipped Bitcoin bot, and that bot's folders."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from models.base import columns
from models.base.types import Artifact
from models.serve.predictor import Predictor
from models.serve.saved import predictor_from_bytes, predictor_to_bytes
from strategies.desk import cli
from strategies.desk.backtests.configured import configured_by
from strategies.desk.bundles.contents import Bundle, BundledModel, seal
from strategies.desk.bundles.fit import Receiver, receiver_of
from strategies.desk.bundles.keys import make_key, private_key
from tests.places import ROOT, USER_DATA
from tests.test_contract import echo
from tests.test_freqaimodels.bots import Elsewhere

BTC = "BTC/USDT:USDT"
FEATURES = ("%-echo_gen_BTC/USDTUSDT_1h", columns.FEATURE_SIGMA)
LABELS = ("&-return", "&-direction")


def write_config(path: Path, **more: Any) -> Path:
    """Write the config of a bot that serves bundles."""
    config = {
        "add_config_files": [
            str(USER_DATA / "config_bitcoin.json"), str(USER_DATA / "config_serve.json")
        ],
        "strategy_path": str(ROOT / "strategies"),
        "freqaimodel": "LSTMForecaster",
        "freqaimodel_path": str(ROOT / "freqaimodels"),
        "exchange": {"pair_whitelist": [BTC]},
        **more,
    }  # fmt: skip
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def model(change: Callable[[dict[str, Any]], None] | None = None, onnx: bytes = b"") -> bytes:
    """Return the file of an echo over `FEATURES`, its manifest changed."""
    onnx = onnx or echo.graph_of(FEATURES)
    manifest = Elsewhere.manifest_of(FEATURES, onnx)
    if change is not None:
        change(manifest)
    weights = echo.echo_artifact().weights
    return predictor_to_bytes(Predictor(Artifact(onnx=onnx, manifest=manifest, weights=weights)))


@dataclass(frozen=True)
class Desk:
    """A user directory, a bot's config, and a key that signs."""

    folder: Path
    config: Path
    key: Path
    fingerprint: str
    receiver: Receiver

    @property
    def userdir(self) -> Path:
        return self.folder / "user data"

    @property
    def models(self) -> Path:
        """Where the bot looks."""
        return self.userdir / "models" / self.receiver.folder

    def bundle(self, **changes: Any) -> Bundle:
        """Return a bundle that fits, but for `changes`."""
        one = BundledModel(BTC, int(time.time()) - 3600, LABELS, model())
        return replace(Bundle(self.receiver.parts, {"numpy": "2"}, [one]), **changes)

    def written(self, bundle: Bundle, name: str = "a.bundle", key: Path | None = None) -> Path:
        """Write a signed bundle."""
        path = self.folder / name
        path.write_bytes(seal(bundle, private_key(key or self.key)))
        return path

    def take(self, path: Path, *more: str, trust: bool = True) -> int:
        """Type the import."""
        words = ["bundle", "import", str(path), "--config", str(self.config)]
        words += ["--userdir", str(self.userdir), *more]
        return cli.main(words + (["--trust", f"{self.key}.pub"] if trust else []))

    def served(self) -> dict[str, Any]:
        """Return the manifests of the models that serve, by pair."""
        pairs = json.loads((self.models / "pair_dictionary.json").read_text(encoding="utf-8"))
        return {
            pair: predictor_from_bytes(
                (Path(e["data_path"]) / f"{e['model_filename']}_model.arrays").read_bytes()
            ).manifest
            for pair, e in pairs.items()
        }

    def files(self) -> dict[str, bytes]:
        """Return all that is in the user directory."""
        found = sorted(path for path in self.userdir.rglob("*") if path.is_file())
        return {str(p.relative_to(self.userdir)): p.read_bytes() for p in found}


def receiver_at(configs: list[Path], userdir: Path) -> Receiver:
    """Return the bot of config files, as the command reads them."""
    return receiver_of(configured_by(configs, userdir))


def make_desk(folder: Path) -> Desk:
    """Make one in `folder`."""
    (folder / "user data").mkdir()
    config, key = write_config(folder / "config.json"), folder / "signing"
    return Desk(folder, config, key, make_key(key), receiver_at([config], folder / "user data"))
