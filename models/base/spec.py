"""What is known of an architecture before anything is trained: facts, and no code that trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """One architecture, as the catalogue, the contract tests and user_data/docs/models.md see it.

    Attributes
    ----------
    family
        What it is made of, which decides who fits it: a key of `models.learn.jobs.fitters`.
    config
        Dataclass of its own settings (`model_training_parameters.network`).
    contexts
        Candidate context lengths in candles, shortest first; the smallest whose windowed outputs
        equal the whole pass on the fitted model is served.
    minimum_rows
        Fewest rows each of train, validation and calibration must have, beside twice the longest
        context.
    reads_time
        Whether the model goes by the candle's open time, and of the features by volatility alone:
        by sigma, or by ranges too. Its graph then has one more input column, see
        `models.serve.session.graph_input`.
    directional
        Whether it says which way. One that does not answers with the training rows' shares of up
        and down, given a move, and with a median of zero.
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
    learns_from_others
        Whether other markets' rows and lessons can count with its own training rows.
    cross_fits
        Whether it can be trained as a committee whose members each leave out a block of the rows.
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
    directional: bool = True
    absent: tuple[str, ...] = ()
    description: str = ""
    failure_modes: tuple[str, ...] = ()
    useful_rows: int = 0
    extra: tuple[str, ...] = ()
    competing: bool = False
    reads_feeds: bool = False
    learns_from_others: bool = False
    cross_fits: bool = False

    family: ClassVar[str]

    def candles_read(self, config: Any) -> int | None:
        """Return how many candles can influence one forecast; None where no number bounds it."""
        return None
