"""What of a bundle is not this machine's bot's: each difference by its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import onnxruntime
from freqtrade.enums import RunMode
from freqtrade.exchange import timeframe_to_msecs

from models.base.errors import ArtifactError, ConfigError
from models.base.protocols import KnownModels
from models.data.labels.settings import LabelSettings
from models.learn.training.settings import ModelSettings
from models.serve.rehearsal import admitted
from strategies.desk.bundles.contents import Bundle, BundledModel
from strategies.seams.resolvers import named_model, try_loading
from strategies.seams.training_place import trained_elsewhere

_SHOWN: Final = 8  # differences in one message
_AHEAD_S: Final = 300  # a clock may be off
_NOTHING: Final = "nothing"
_OF: Final = "_gen_"  # FreqAI, in the name of a feature: of which market
_CURES: Final[Mapping[str, str]] = {
    "code": "install the same version of the pack on both machines",
    "freqai": "give both bots the same freqai block, then train and export again",
}


@dataclass(frozen=True)
class Receiver:
    """The bot that is to serve a bundle."""

    folder: str  # name of its folder of models
    parts: Mapping[str, Any]
    pairs: Sequence[str]
    candle_ms: int
    labels: LabelSettings
    expiration_s: float


def receiver_of(config: Mapping[str, Any]) -> Receiver:
    """Return the bot this config starts, as far as its models are concerned; nothing is written.

    Raises
    ------
    ConfigError
        If it trains by itself, or its model is none of the pack's.
    freqtrade.exceptions.FreqtradeException
        If it cannot start.
    """
    stage = RunMode.DRY_RUN if config.get("dry_run", True) else RunMode.LIVE
    config = {**config, "runmode": stage}
    if not trained_elsewhere(config):
        raise ConfigError(
            "this bot trains by itself: its next training would replace what is imported",
            where="breakwater.training = 'here'",
            cure="add --config user_data/config_serve.json, here and where the bot is started",
        )
    loaded = {**try_loading(config).config, "runmode": stage}
    kind = named_model(loaded)
    if not isinstance(kind, KnownModels):
        raise ConfigError(f"expected a model of the pack, got {config['freqaimodel']}")
    folder, parts = kind.identity(loaded)
    freqai = parts["freqai"]
    settings = ModelSettings.from_blocks(freqai["model_training_parameters"], where="freqai")
    return Receiver(
        folder=folder, parts=parts, pairs=tuple(loaded["exchange"]["pair_whitelist"]),
        candle_ms=timeframe_to_msecs(parts["timeframe"]), labels=settings.labels,
        expiration_s=3600 * float(freqai["expiration_hours"]),
    )  # fmt: skip


def require_fit(bundle: Bundle, bot: Receiver, now_s: int, where: str) -> None:
    """Raise ArtifactError unless the bot can serve all of a bundle; says all that differs.

    Every model answers once, in a process of its own, with the libraries of this machine.
    """
    named = list(_differences(bundle.parts, bot.parts))
    if named:
        first = named[0].split(":")[0].split(".")[0]
        more = f"; and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
        raise ArtifactError(
            f"the bundle is of another bot: {'; '.join(named[:_SHOWN])}{more}", where=where,
            cure=_CURES.get(first, "name the bot the bundle was trained for, its configs first"),
        )  # fmt: skip
    strangers = [m.pair for m in bundle.models if m.pair not in bot.pairs]
    if strangers:
        raise ArtifactError(
            f"expected models of {', '.join(bot.pairs)}, got {', '.join(strangers)}", where=where,
            cure="name the bot the bundle was trained for",
        )  # fmt: skip
    for model in bundle.models:
        if model.trained_s > now_s + _AHEAD_S:
            raise ArtifactError(
                f"the model of {model.pair} was trained in the future: it would never be too old",
                where=where, cure="set the clocks of both machines",
            )  # fmt: skip
        _require_model(model, bot, where)


def _differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> Iterator[str]:
    """Yield what differs, named by its dotted path: expected this bot's, got the bundle's."""
    for name in sorted({*theirs, *ours}):
        a, b = ours.get(name, _NOTHING), theirs.get(name, _NOTHING)
        if isinstance(a, dict) and isinstance(b, dict):
            yield from (f"{name}.{line}" for line in _differences(b, a))
        elif a != b:
            shown = (str(value)[: 12 if name == "code" else 60] for value in (a, b))
            yield "{}: expected {}, got {}".format(name, *shown)


def _require_model(model: BundledModel, bot: Receiver, where: str) -> None:
    manifest = model.predictor(where).manifest
    for name, wanted in (
        ("candle_ms", bot.candle_ms), ("horizon_candles", bot.labels.horizon_candles),
    ):  # fmt: skip
        if manifest[name] != wanted:
            raise ArtifactError(
                f"{model.pair}: expected {name} {wanted}, got {manifest[name]}", where=where,
                cure="timeframe and label horizon have to be those the model was trained with",
            )  # fmt: skip
    found, wanted_markets = _markets(manifest["feature_names"]), _wanted(model.pair, bot)
    if found != wanted_markets:
        raise ArtifactError(
            f"{model.pair}: expected features of {', '.join(sorted(wanted_markets))}, "
            f"got {', '.join(sorted(found)) or _NOTHING}",
            where=where,
            cure="the bundle was trained for other pairs or timeframes; train for this bot",
        )
    try:
        admitted(model.data, where)
    except ArtifactError as error:
        raise ArtifactError(
            f"{model.pair}: this machine cannot run the network: {error.problem}", where=where,
            cure=f"onnxruntime here is {onnxruntime.__version__}; install the version the bundle "
            "names (`breakwater bundle show`), on both machines",
        ) from error  # fmt: skip


def _markets(features: Sequence[str]) -> set[str]:
    """Return the markets features are named after: FreqAI ends their names in pair and candles."""
    return {name.partition(_OF)[2] for name in features if _OF in name}


def _wanted(pair: str, bot: Receiver) -> set[str]:
    """Return the markets this bot computes features of, for a forecast of `pair`."""
    feature = bot.parts["freqai"]["feature_parameters"]
    pairs = {pair, *feature.get("include_corr_pairlist", ())}
    return {f"{p.replace(':', '')}_{t}" for p in pairs for t in feature["include_timeframes"]}
