"""The claims: what articles say, what is asked of which models on which candles, and the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from models.base.types import FloatArray
from models.evaluate.metrics.resampling import UNKNOWN, Estimate
from models.studies.claims import delay
from models.studies.claims.measures import (
    better_risk_adjusted,
    faster,
    fewer_false_signals,
    fewer_whipsaws,
    skill_ahead,
    skill_share,
)
from models.studies.claims.verdict import ClaimVerdict, claim_verdict
from models.studies.compare.records import ComparedModel, Truth

CLAIMS: Final[Mapping[int, str]] = {
    1: "GRU trains 30 to 40 % faster than LSTM, at 85 to 90 % of its skill",
    2: "TCN gives 12 % fewer false signals than LSTM on swings, 15 % fewer whipsaws over days",
    3: "Transformer is best on long candles",
    4: "WaveNet is ahead of indicator models at 15 minutes and below",
    5: "Ensembles are ahead of single networks",
    6: "Hybrids are 8 to 12 % better, adjusted for risk",
    7: "A signal that is 65 % right now beats one of 75 % that is 1.5 s late",
}
_SINGLES: Final = ("lstm", "gru", "tcn", "transformer")
_INDICATORS: Final = ("boosted", "ensemble")
_WHIPSAW_CANDLES: Final = 18  # three days of 4 hours
# Claim -> timeframe -> catalogue keys, the subject first.
NEEDED: Final[Mapping[int, Mapping[str, tuple[str, ...]]]] = {
    1: {"1h": ("gru", "lstm")},
    2: {"4h": ("tcn", "lstm")},
    3: dict.fromkeys(("4h", "1d"), ("transformer", "lstm", "gru", "tcn", "boosted")),
    4: dict.fromkeys(("15m", "5m"), ("wavenet", *_INDICATORS)),
    5: {"1h": ("ensemble", *_SINGLES)},
    6: {"1h": ("hybrid", *_SINGLES)},
}
DELAY_HORIZONS: Final = (5, 15, 60)  # minutes


@dataclass(frozen=True, kw_only=True)
class ClaimEvidence:
    """Forecasts of one market's candles by several models, and what came."""

    models: Mapping[str, ComparedModel]  # by catalogue key; one that could not be trained is absent
    truth: Truth
    cost_frac: float  # round trip


@dataclass(frozen=True, kw_only=True)
class TestedClaim:
    """One test of a claim: what was asked, what was found, what it would have had to be."""

    number: int
    test: str
    unit: str  # of `models.reports.text.FORMATS`
    found: Estimate
    least: float  # claimed, at least
    none: float  # no difference at all
    note: str = ""  # why there is no answer

    @property
    def verdict(self) -> ClaimVerdict:
        return claim_verdict(self.found, self.least, self.none)

    def as_dict(self) -> dict[str, Any]:
        """Return the test as a report has it."""
        return {
            "number": self.number,
            "claim": CLAIMS[self.number],
            "test": self.test,
            "unit": self.unit,
            "found": self.found.as_dict(),
            "least": self.least,
            "none": self.none,
            "verdict": self.verdict.value,
            "note": self.note,
        }


def claim_answers(number: int, evidence: Mapping[str, ClaimEvidence]) -> list[TestedClaim]:
    """Return the tests of a claim that stand on forecasts: 2 to 6, and the skill of 1.

    Parameters
    ----------
    evidence
        Of every timeframe in `NEEDED[number]`.
    """
    return [
        _test(number, timeframe, names, evidence[timeframe], *asked)
        for timeframe, names in NEEDED[number].items()
        for asked in _ASKED[number]
    ]


_Measure = Callable[[ComparedModel, Sequence[ComparedModel], ClaimEvidence], Estimate]


def _test(
    number: int,
    timeframe: str,
    names: Sequence[str],
    evidence: ClaimEvidence,
    said: str,
    unit: str,
    least: float,
    none: float,
    measure: _Measure,
) -> TestedClaim:
    absent = [name for name in names if name not in evidence.models]
    found, note = UNKNOWN, f"not trained: {', '.join(absent)}" if absent else ""
    if not absent:
        subject, *rivals = (evidence.models[name] for name in names)
        found = measure(subject, rivals, evidence)
        note = "" if found.low == found.low else "the rival has none, or none beyond its interval"
    return TestedClaim(
        number=number, test=f"{timeframe}: {said}", unit=unit, found=found, least=least,
        none=none, note=note,
    )  # fmt: skip


_AHEAD: Final = (
    "log-loss gain above that of the best of {}, mb per candle", "millibits", 0.0, 0.0,
    lambda a, b, e: skill_ahead(a, b, e.truth),
)  # fmt: skip


def _ahead(of: str) -> tuple[str, str, float, float, _Measure]:
    return (_AHEAD[0].format(of), *_AHEAD[1:])


# Claim -> what is asked on each of its timeframes: words, unit, claimed, no difference, measure.
_ASKED: Final[Mapping[int, Sequence[tuple[str, str, float, float, _Measure]]]] = {
    1: (
        ("GRU's log-loss gain, as a share of LSTM's", "pct", 0.85, 0.85,
         lambda a, b, e: skill_share(a, b[0], e.truth)),
    ),
    2: (
        ("share by which TCN's rate of false signals is below LSTM's", "pct", 0.12, 0.0,
         lambda a, b, e: fewer_false_signals(a, b[0], e.truth)),
        ("share by which TCN has fewer whipsaws within three days", "pct", 0.15, 0.0,
         lambda a, b, e: fewer_whipsaws(a, b[0], e.truth, _WHIPSAW_CANDLES, e.cost_frac)),
    ),
    3: (_ahead("LSTM, GRU, TCN and XGBoost"),),
    4: (_ahead("XGBoost and Ensemble, fed with indicators"),),
    5: (_ahead("LSTM, GRU, TCN and Transformer"),),
    6: (
        ("Hybrid's Sharpe ratio before costs over that of the best network, less one", "pct",
         0.08, 0.0, lambda a, b, e: better_risk_adjusted(a, b, e.truth)),
    ),
}  # fmt: skip


def timing_test(gru_s: FloatArray, lstm_s: FloatArray, steps: int) -> TestedClaim:
    """Return claim 1's test of speed, of seconds of trainings made in turns, (R,) each."""
    return TestedClaim(
        number=1,
        test=f"1h: time GRU needs less for {steps} steps, medians of {len(gru_s)} runs in turns",
        unit="pct", found=faster(gru_s, lstm_s), least=0.30, none=0.0,
    )  # fmt: skip


def delay_tests(close: FloatArray) -> list[TestedClaim]:
    """Return claim 7's tests on closes (N,) of candles of a minute, one for each horizon.

    Late by a whole minute, forty times what is claimed: where the late signal is ahead even then,
    it is so after 1.5 s as well, unless prices move back within the minute.
    """
    return [
        TestedClaim(
            number=7,
            test=f"1m: early minus late by a whole minute, move over {horizon} min, of its mean",
            unit="pct",
            found=delay.now_ahead(close, horizon, 1),
            least=0.0,
            none=0.0,
        )
        for horizon in DELAY_HORIZONS
    ]


def delay_curve(close: FloatArray) -> list[dict[str, Any]]:
    """Return, for each horizon and delay, the share gone and the accuracy that breaks even.

    Delays are 1.5 s, of a random walk, and 1, 2 and 3 minutes, measured.
    """
    rows = []
    for horizon in DELAY_HORIZONS:
        walk = delay.walk_share(horizon)
        rows.append({
            "horizon": horizon, "late": "1.5 s, random walk",
            "gone": Estimate(walk, walk, walk).as_dict(), "walk": walk,
            "needed": delay.accuracy_needed(walk),
        })  # fmt: skip
        for late in (1, 2, 3):
            found = delay.measured_share(close, horizon, late)
            rows.append({
                "horizon": horizon, "late": f"{late} min, measured", "gone": found.as_dict(),
                "walk": late / horizon, "needed": delay.accuracy_needed(found.value),
            })  # fmt: skip
    return rows
