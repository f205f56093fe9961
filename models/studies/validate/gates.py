"""The bars a model has to pass before anybody risks money on it, written before any was measured.

A gate that cannot be measured is not passed. Sources: `models.evaluate.metrics.overfit` for the
first two; the bar of losses is the one at which the pack itself halts and closes
(`models.trade.risk.limits.HardLimits.loss_peak_frac`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from models.trade.risk.limits import HardLimits

LEAST_DSR: Final = 0.95
MOST_PBO: Final = 0.2
MOST_PBO_HIGH: Final = 0.5  # the end of its interval
MOST_P: Final = 0.05
MOST_SHARPE: Final = 3.0  # beyond it is a leak until somebody has shown that it is none
MOST_ACCURACY: Final = 0.6
MOST_LOSS: Final = HardLimits().loss_peak_frac
RIVAL_WORDS: Final[Mapping[str, str]] = {
    "flat": "cash", "hold": "the coin", "target": "the coin at a target risk",
}  # fmt: skip
_IDLE: Final = "it never traded"


class Gate(NamedTuple):
    """One bar, whether it was passed, and in words what was found."""

    name: str
    passed: bool
    words: str

    def as_dict(self) -> dict[str, Any]:
        """Return the gate under its names."""
        return self._asdict()


GATE_NAMES: Final = (
    "no leak", "deflated Sharpe", "overfitting", "better than the coin",
    "twice the costs", "worst market", "claims come true",
)  # fmt: skip


def gates_of(row: Mapping[str, Any], trials: Mapping[str, Any]) -> list[Gate]:
    """Return every gate of one model in one style, in the order of `GATE_NAMES`.

    Parameters
    ----------
    row
        As `models.studies.validate.measure.judged_rows` makes it.
    trials
        Of all trials together: ``pbo`` (value, low, high), ``tried`` and ``over``.
    """
    return [
        _leak(row), _deflated(row), _overfit(trials), _superior(row), _dear(row), _worst(row),
        _claims(row),
    ]  # fmt: skip


def _percent(value: float, sign: str = "+", digits: int = 1) -> str:
    """Return a share as people read it, as the pages do.

    Examples
    --------
    >>> _percent(-0.2), _percent(0.06, "", 0)
    ('−20.0 %', '6 %')
    """
    return f"{100 * value:{sign}.{digits}f} %".replace("-", "−")


def _gate(number: int, passed: bool, words: str) -> Gate:
    return Gate(GATE_NAMES[number], bool(passed), words)


def _leak(row: Mapping[str, Any]) -> Gate:
    signs = []
    if row["noticed"]:
        signs.append(f"it knew candles to come: {row['noticed']}")
    if row["accuracy"] > MOST_ACCURACY:
        signs.append(f"{_percent(row['accuracy'], '')} of directions right, which no candles give")
    if row["sharpe"] > MOST_SHARPE:
        signs.append(f"a Sharpe ratio of {row['sharpe']:.1f}, which needs an audit first")
    found = "; ".join(signs) or "nothing it said changed with another future"
    return _gate(0, not signs, found)


def _deflated(row: Mapping[str, Any]) -> Gate:
    found = row["deflated"]
    if not row["trades"]:
        return _gate(1, False, _IDLE)
    if not np.isfinite(found["probability"]):
        return _gate(1, False, "its returns allow none")
    return _gate(
        1,
        found["probability"] >= LEAST_DSR,
        f"{found['probability']:.3f} of {LEAST_DSR:.2f}: Sharpe {found['observed']:+.2f} where the "
        f"best of {found['trials']} tries of noise has {found['bar']:+.2f}".replace("-", "−"),
    )


def _overfit(trials: Mapping[str, Any]) -> Gate:
    pbo = trials["pbo"]
    if not np.isfinite(pbo["high"]):
        return _gate(2, False, f"not known: {trials['over']} trials have every day of the span")
    return _gate(
        2,
        pbo["value"] <= MOST_PBO and pbo["high"] <= MOST_PBO_HIGH,
        f"{_percent(pbo['value'], '', 0)}, up to {_percent(pbo['high'], '', 0)}, for the best of "
        f"{trials['over']} trials",
    )


def _superior(row: Mapping[str, Any]) -> Gate:
    if not row["trades"]:
        return _gate(3, False, _IDLE)
    behind = [
        RIVAL_WORDS[name]
        for name, found in row["rivals"].items()
        if not (found["superior"] and found["p"] < MOST_P)
    ]
    ahead = [f"{RIVAL_WORDS[n]} (p {f['p']:.3f})" for n, f in row["rivals"].items()]
    words = (
        f"not beyond chance above {', '.join(behind)}" if behind else f"above {', '.join(ahead)}"
    )
    return _gate(3, bool(ahead) and not behind, words)


def _dear(row: Mapping[str, Any]) -> Gate:
    if not row["trades"]:
        return _gate(4, False, _IDLE)
    twice = row["conditions"]["costs"]["2"]
    return _gate(4, twice > 0, _percent(twice))


def _worst(row: Mapping[str, Any]) -> Gate:
    (where, lost), (crash, fell) = row["worst_regime"], row["worst_crash"]
    if not row["trades"]:
        return _gate(5, False, _IDLE)
    low = min(v for v in (lost, fell, 0.0) if np.isfinite(v))
    words = f"{_percent(lost)} in {where or 'no known'} markets, "
    words += f"{_percent(fell)} in {crash}" if np.isfinite(fell) else "no named crash in the span"
    return _gate(5, np.isfinite(lost) and low >= np.log1p(-MOST_LOSS), words)


def _claims(row: Mapping[str, Any]) -> Gate:
    """Pass where claims come true: the interval of their slope holds 1, and is above 0.

    One that holds both says nothing.
    """
    slope: Mapping[str, float] = row["slope"]
    if not np.isfinite(slope["low"]):
        return _gate(6, False, "too few claims to be held against what came")
    return _gate(
        6,
        0.0 < slope["low"] <= 1.0 <= slope["high"],
        f"{slope['value']:.2f} of a claim comes, {slope['low']:.2f} to {slope['high']:.2f}".replace(
            "-", "−"
        ),
    )


def judgement(title: str, gates: Sequence[Gate]) -> str:
    """Return pass or fail in one sentence.

    Examples
    --------
    >>> judgement("LSTM", [Gate("no leak", True, ""), Gate("overfitting", False, "66 %")])
    'LSTM: fails 1 of 2 gates, overfitting (66 %).'
    """
    failed = [gate for gate in gates if not gate.passed]
    if not failed:
        return f"{title}: passes all {len(gates)} gates."
    by: dict[str, list[str]] = {}
    for gate in failed:  # what several say is said once
        by.setdefault(gate.words, []).append(gate.name)
    named = "; ".join(f"{', '.join(names)} ({words})" for words, names in by.items())
    return f"{title}: fails {len(failed)} of {len(gates)} gates, {named}."
