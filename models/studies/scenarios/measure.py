"""From what is kept of every engine to tests, scores beside a reference, and coverage by decile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from models.base.resampling import stationary_indices
from models.base.types import FloatArray
from models.evaluate.metrics.resampling import UNKNOWN, with_interval
from models.evaluate.metrics.trades import wilson
from models.evaluate.tails.coverage import (
    conditional_coverage,
    even_coverage,
    independent_exceedances,
    unconditional_coverage,
)
from models.evaluate.tails.shortfall import shortfall_test
from models.studies.scenarios.losses import LOSS_SIDES
from models.studies.scenarios.record import TAIL_LEVELS, EngineRecord, Trial

INTERVAL: Final = (0.05, 0.95)  # whose coverage is told by decile of volatility
DECILES: Final = 10
_DRAWS: Final = 2_000


def tail_rows(record: EngineRecord, trial: Trial) -> Iterator[dict[str, Any]]:
    """Yield the tests of one engine: a row for each loss, coin, side and level.

    ``coverage`` is Christoffersen's conditional coverage, ``even`` coverage at any volatility,
    ``shortfall`` Acerbi & Szekely's. An engine that answered nowhere has none.
    """
    for o, loss in enumerate(trial.losses):
        rows = record.judged & trial.origins.asked[:, o]
        if rows.sum() < 2:
            continue
        for a, coin in enumerate(trial.history.coins):
            known = trial.origins.volatility[rows, a]
            for s, side in enumerate(LOSS_SIDES):
                for i, level in enumerate(TAIL_LEVELS):
                    cell = (o, a, s, i)
                    hits = record.hits[(rows, *cell)]
                    tests = {
                        "coverage": conditional_coverage(hits, level),
                        "even": even_coverage(hits, known),
                        "shortfall": shortfall_test(
                            record.ratios[(rows, *cell)], record.null[(slice(None), *cell)]
                        ),
                        "unconditional": unconditional_coverage(hits, level),
                        "independent": independent_exceedances(hits),
                    }
                    yield {
                        "engine": record.engine, "loss": loss.title, "coin": coin, "side": side,
                        "level": level, "origins": len(hits), "hits": int(hits.sum()),
                        "expected": level * len(hits),
                        **{name: test._asdict() for name, test in tests.items()},
                    }  # fmt: skip


def energy_rows(
    records: Sequence[EngineRecord], trial: Trial, reference: str, seed: int = 0
) -> list[dict[str, Any]]:
    """Return each engine's mean energy score by loss, and its difference to the reference's.

    The difference is a share of the reference's score, over origins at which both answered; blocks
    of origins are drawn for both at once. Below 0 is nearer to what came. Scores are of all coins'
    log returns together.
    """
    beside = next((r for r in records if r.engine == reference), None)
    out = []
    for record in records:
        for o, loss in enumerate(trial.losses):
            own = record.judged & trial.origins.asked[:, o]
            both = own & beside.judged if beside is not None else np.zeros_like(own)
            against = UNKNOWN
            if beside is not None and both.sum() > 1:
                against = _relative(record.energy[both, o], beside.energy[both, o], seed)
            out.append(
                {
                    "engine": record.engine, "loss": loss.title, "origins": int(own.sum()),
                    "energy": float(record.energy[own, o].mean()) if own.any() else np.nan,
                    "against": against.as_dict(),
                }
            )  # fmt: skip
    return out


def decile_rows(record: EngineRecord, trial: Trial, title: str = "24 h") -> list[dict[str, Any]]:
    """Return how often the central 90 % interval held, by decile of the volatility known before.

    A forecast that does not follow volatility covers too much where it is low and too little where
    it is high.
    """
    o = next(i for i, loss in enumerate(trial.losses) if loss.title == title)
    rows = np.flatnonzero(record.judged & trial.origins.asked[:, o])
    out = []
    for a, coin in enumerate(trial.history.coins):
        order = rows[np.argsort(trial.origins.volatility[rows, a], kind="stable")]
        for number, part in enumerate(np.array_split(order, DECILES), start=1):
            if not len(part):
                continue
            place = record.places[part, o, a]
            inside = int(((place > INTERVAL[0]) & (place < INTERVAL[1])).sum())
            out.append(
                {
                    "engine": record.engine, "coin": coin, "decile": number,
                    "volatility": float(trial.origins.volatility[part, a].mean()),
                    "covered": wilson(inside, len(part)).as_dict(),
                }
            )  # fmt: skip
    return out


def _relative(own: FloatArray, beside: FloatArray, seed: int) -> Any:
    """Return the mean difference over the reference's mean, with a block-bootstrap interval."""
    rows = len(own)
    index = stationary_indices(
        rows, max(1.0, 2 * float(np.cbrt(rows))), _DRAWS, np.random.default_rng(seed)
    )
    draws = (own - beside)[index].sum(axis=1) / beside[index].sum(axis=1)
    return with_interval(float((own - beside).sum() / beside.sum()), draws)
