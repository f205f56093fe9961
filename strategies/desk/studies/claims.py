"""`breakwater claims`: what articles promise of models, measured on the same walk-forward folds.

Each claim's models are trained as `breakwater compare` trains them, on the candles and with the
settings of the style the claim is about; a run that was stopped goes on where it was.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from freqtrade.exchange import timeframe_to_msecs

from models.base.errors import ConfigError
from models.base.types import TrainingJob
from models.learn.jobs.executor import Executor, ProcessExecutor
from models.reports.claims.page import claims_markdown, claims_verdict, write_claims
from models.studies.claims.claimed import (
    CLAIMS,
    NEEDED,
    ClaimEvidence,
    TestedClaim,
    claim_answers,
    delay_curve,
    delay_tests,
    timing_test,
)
from strategies.bot.data_files import MARKER
from strategies.bot.styles import STYLES
from strategies.desk.backtests.configured import compared
from strategies.desk.backtests.data import load_checked
from strategies.desk.backtests.results import commit
from strategies.desk.studies.compare import (
    CompareOptions,
    compared_models,
    folds,
    walk_forward_jobs,
)
from strategies.desk.terminal.places import CONFIGS, USER_DATA
from strategies.desk.terminal.room import kept_report
from strategies.desk.terminal.waiting import CountedSteps, PatientWait

# Days of each test window: about as many candles of each length as the data have room for.
_TEST_DAYS: Final[Mapping[str, int]] = {"5m": 20, "15m": 60, "1h": 120, "4h": 240, "1d": 220}
_TIMED: Final = ("gru", "lstm")
_TIMED_STEPS: Final = 40  # of one network; neither ends early in so few
_MINUTES: Final = "1m"  # candles of claim 7


@dataclass(frozen=True, kw_only=True)
class ClaimOptions:
    """What the person asked for."""

    data: Path
    pair: str = "BTC/USDT:USDT"
    only: tuple[int, ...] = ()  # numbers of the claims; none means all
    folds: int = 2
    seeds: int = 2
    train_days: int = 0  # before each test window; 0 is as many as each style trains on
    timings: int = 7  # runs of each network, in turns
    jobs: int = 1  # trainings side by side, but for those that are timed
    userdir: Path = USER_DATA
    settings: Mapping[str, Any] = field(default_factory=dict)  # of model_training_parameters

    def __post_init__(self) -> None:
        for name, least in (
            ("folds", 1),
            ("seeds", 1),
            ("jobs", 1),
            ("train_days", 0),
            ("timings", 3),
        ):
            if getattr(self, name) < least:
                raise ConfigError(f"expected {name} >= {least}, got {getattr(self, name)}")
        if strange := sorted(set(self.only) - set(CLAIMS)):
            raise ConfigError(
                f"unknown claims {strange}",
                cure="; ".join(f"{number}: {claim}" for number, claim in CLAIMS.items()),
            )

    @property
    def asked(self) -> tuple[int, ...]:
        """The claims to be tested, in order."""
        return tuple(number for number in CLAIMS if not self.only or number in self.only)

    def of(self, timeframe: str) -> CompareOptions:
        """Return the comparison of one timeframe, with the settings of its style."""
        (style,) = (made for made in STYLES.values() if made.timeframe == timeframe)
        given = {
            "userdir": self.userdir, "pair": self.pair, "folds": self.folds, "seeds": self.seeds,
            "jobs": self.jobs,
            "settings": self.settings, "test_days": _TEST_DAYS[timeframe],
        }  # fmt: skip
        if self.train_days:
            given["train_days"] = self.train_days
        return CompareOptions(data=self.data, **compared(CONFIGS / style.config, given))


def run_claims(options: ClaimOptions, executor: Executor | None = None) -> int:
    """Train, measure and write the page; return the process exit code."""
    executor = executor or ProcessExecutor(workers=options.jobs)
    with PatientWait("checking every candle") as waiting:
        _require_candles(options, waiting)
    failures: list[str] = []
    evidence = _evidence(options, executor, failures)
    timed = _timed(options, executor) if 1 in options.asked else None
    with PatientWait("measuring the claims") as waiting:
        tests = [
            test for number in waiting.each(options.asked)
            for test in _tests(number, options, evidence, timed)
        ]  # fmt: skip
        curve = _curve(options)
    rows = [test.as_dict() for test in tests]
    print(f"\n{claims_markdown(rows, curve)}\n{' '.join(claims_verdict(rows))}", flush=True)
    run, now_ms = _provenance(options, failures), int(datetime.now(tz=UTC).timestamp() * 1000)
    folder = kept_report(
        lambda place: write_claims(rows, curve, run, place, now_ms), options.userdir / "reports"
    )
    print(f"report: {folder / 'index.html'}")
    for failure in failures:
        print(f"failed: {failure}")
    return 1 if failures else 0


def _require_candles(options: ClaimOptions, waiting: PatientWait) -> None:
    """Look at all candles the claims need, before the first of hours of trainings.

    Raises
    ------
    InputError
        If a file is missing or unsound, or too short for the test windows.
    """
    for timeframe in waiting.each(list(needed_models(options.asked))):
        asked = options.of(timeframe)
        market = load_checked(options.data, options.pair, timeframe)
        folds(market, timeframe_to_msecs(timeframe), asked)
    if 7 in options.asked:
        load_checked(options.data, options.pair, _MINUTES)


def _evidence(
    options: ClaimOptions, executor: Executor, failures: list[str]
) -> dict[str, ClaimEvidence]:
    """Return the forecasts of every timeframe the claims asked for are about."""
    needed = needed_models(options.asked)
    each = options.seeds * options.folds
    progress = CountedSteps(each * sum(len(names) for names in needed.values()))
    out = {}
    for timeframe, names in needed.items():
        asked = options.of(timeframe)
        print(f"{timeframe}: {', '.join(names)}; {asked.train_days} days of training, "
              f"{options.folds} tests of {asked.test_days} days", flush=True)  # fmt: skip
        entries, failed, truth = compared_models(asked, names, executor, progress)
        failures += [f"{timeframe} {line}" for line in failed]
        cost_frac = float(asked.settings["labels"]["cost_frac"])
        out[timeframe] = ClaimEvidence(
            models={entry.name: entry for entry in entries}, truth=truth, cost_frac=cost_frac
        )
    return out


def needed_models(claims: Sequence[int]) -> dict[str, tuple[str, ...]]:
    """Return timeframe -> models that these claims are about, each once.

    Examples
    --------
    >>> needed_models([1, 2])
    {'1h': ('gru', 'lstm'), '4h': ('tcn', 'lstm')}
    """
    out: dict[str, dict[str, None]] = {}
    for number in claims:
        for timeframe, names in NEEDED.get(number, {}).items():
            out.setdefault(timeframe, {}).update(dict.fromkeys(names))
    return {timeframe: tuple(names) for timeframe, names in out.items()}


def _tests(
    number: int,
    options: ClaimOptions,
    evidence: Mapping[str, ClaimEvidence],
    timed: TestedClaim | None,
) -> Iterator[TestedClaim]:
    if number == 1 and timed is not None:
        yield timed
    if number in NEEDED:
        yield from claim_answers(number, evidence)
    if number == 7:
        yield from delay_tests(load_checked(options.data, options.pair, _MINUTES).close)


def _timed(options: ClaimOptions, executor: Executor) -> TestedClaim:
    """Time one network of each kind in turns, on the rows of the newest test's training."""
    asked = replace(options.of("1h"), folds=1)
    alone = {"cross_fit": 1, "max_steps": _TIMED_STEPS, "evaluate_every": _TIMED_STEPS}
    training = {**asked.settings.get("training", {}), **alone}
    asked = replace(asked, settings={**asked.settings, "training": training})
    jobs: dict[str, TrainingJob] = dict(zip(_TIMED, walk_forward_jobs(asked, _TIMED), strict=True))
    seconds: dict[str, list[float]] = {name: [] for name in _TIMED}
    steps = CountedSteps(options.timings + 1)
    for turn in range(-1, options.timings):  # the first one warms up and does not count
        for name in _TIMED if turn % 2 else _TIMED[::-1]:
            spent = executor.run(jobs[name]).manifest["seconds"]["fit"]
            if turn >= 0:
                seconds[name].append(float(spent))
        steps.step("warmed up" if turn < 0 else "timed in turns")
    return timing_test(np.array(seconds["gru"]), np.array(seconds["lstm"]), _TIMED_STEPS)


def _curve(options: ClaimOptions) -> list[dict[str, Any]]:
    if 7 not in options.asked:
        return []
    return delay_curve(load_checked(options.data, options.pair, _MINUTES).close)


def _provenance(options: ClaimOptions, failures: Sequence[str]) -> dict[str, Any]:
    """Return what the report says of how it was made."""
    simulated = (options.data / MARKER).is_file()
    return {
        "title": f"What articles say of models, on {options.pair}",
        "data": "simulated market" if simulated else "real candles",
        "simulated": simulated,
        "folds": options.folds,
        "seeds": list(range(options.seeds)),
        "train_days": options.train_days or "as each style has them",
        "test_days": dict(_TEST_DAYS),
        "settings": {k: dict(v) for k, v in options.settings.items()},
        "failures": list(failures),
        "commit": commit(),
        "versions": {
            name: importlib.metadata.version(name) for name in ("breakwater", "torch", "numpy")
        },
    }
