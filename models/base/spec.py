"""What every architecture provides, whatever it is made of: the face the pipeline trains."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.learn.training.prepare import Prepared


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A trained architecture, before calibration.

    Attributes
    ----------
    onnx
        Graph ``features (B, T, F) float32 -> outputs (B, T, H) float32`` of raw features to the
        outputs of `models.base.heads.HeadLayout`, quantiles in order; checked against its origin.
    seconds
        Spent fitting, without the export.
    weights
        What a later training can go on from; empty where it cannot.
    facts
        What else the manifest tells about the fit (for example `parameters`); JSON-able. A graph
        that reads the time needs `time_origin_ms` here.
    """

    onnx: bytes
    seconds: float
    weights: bytes = b""
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ModelSpec(ABC):
    """One architecture, as the catalogue, the contract tests and the README see it.

    Attributes
    ----------
    config
        Dataclass of its own settings (`model_training_parameters.network`).
    contexts
        Candidate context lengths in candles, shortest first; the smallest whose windowed outputs
        equal the whole pass on the fitted model is served.
    minimum_rows
        Fewest rows each of train, validation and calibration must have, beside twice the longest
        context.
    reads_time
        Whether the model goes by the candle's open time, and of the features by sigma alone. Its
        graph then has one more input column, see `models.serve.session.graph_input`.
    absent
        Heads it does not have, of `models.base.columns.OF_HEAD`: its graph answers NaN there, and
        so do their forecast columns. The strategy enters no trade without them.
    description, failure_modes
        For the model card: how it works, and how it is known to fail, in plain English.
    extra
        Heads it has beside those all share, of `models.base.columns.EXTRA_HEADS`.
    competing
        Whether its hazards of the two sides compete: what is at risk of one has seen neither.
    reads_feeds
        Whether it takes features that start with `models.base.columns.FEED`, NaN where they are
        missing.
    useful_rows
        Training rows below which to expect nothing: training then warns.
    """

    name: str  # catalogue key and file stem
    title: str  # as people write it
    forecaster: str  # FreqAI class
    config: type[Any]
    contexts: tuple[int, ...]
    natural_use: str
    source: str
    minimum_rows: int = 0
    reads_time: bool = False
    absent: tuple[str, ...] = ()
    description: str = ""
    failure_modes: tuple[str, ...] = ()
    useful_rows: int = 0
    extra: tuple[str, ...] = ()
    competing: bool = False
    reads_feeds: bool = False

    @abstractmethod
    def fit(self, data: Prepared) -> Fitted:
        """Train on `data.split.train`, choose on `data.split.validation`, export.

        Calibration rows and later ones must not be looked at. All randomness comes from
        `data.job.seed`.
        """
