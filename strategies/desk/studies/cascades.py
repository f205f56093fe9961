"""`breakwater cascades`: how well liquidation cascades can be timed, by what, on several coins.

Simple hazards and one network, on the same folds, tested on rows none of them was fitted on.
Trainings are kept, so that a stopped run goes on where it was.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from models.base import columns
from models.base.errors import ConfigError, InputError
from models.base.types import Artifact, Candles, FloatArray
from models.base.units import DAY_MS, HOUR_MS, MINUTE_MS
from models.data.features.rolling import lag, rolling_mean
from models.data.feeds.candles import FUNDING_MS
from models.data.feeds.point_in_time import join
from models.learn import catalog
from models.learn.jobs.executor import Executor, ProcessExecutor
from models.learn.training.settings import ModelSettings
from models.reports.cascades.page import cascades_markdown, write_cascades
from models.studies.cascades import folds as cut
from models.studies.cascades import network as neural
from models.studies.cascades.baselines import BASELINES
from models.studies.cascades.chosen import chosen_rates, hour_by_hour, measure_chosen
from models.studies.cascades.folds import EPISODE_OUT, SCHEMES, WALK_FORWARD, CascadeFold
from models.studies.cascades.measure import measure_hazards, paired_recall
from models.studies.cascades.panel import SIDES, Coin, build
from strategies.desk.backtests.data import load_checked, load_funding
from strategies.desk.backtests.results import commit
from strategies.desk.studies.cascade_labels import agreement, counted, rule_of, tiers
from strategies.desk.studies.feed_files import BAR_MS, read_open_interest
from strategies.desk.studies.walk import kept_artifact
from strategies.desk.terminal.places import USER_DATA
from strategies.desk.terminal.room import kept_report
from strategies.desk.terminal.waiting import CountedSteps, PatientWait

COINS = ("BTC", "ETH", "LTC", "BCH", "XRP")
_FUNDING_LAG_MS = MINUTE_MS  # from the payment to when its rate can be read
_BAR_LAG_MS = 5 * MINUTE_MS
_BLOCK_DAYS, _BLOCK_GROUPS = 90, 5  # of the folds that leave out whole episodes
_LOOKBACK = 169  # candles the features reach back


@dataclass(frozen=True, kw_only=True)
class CascadeOptions:
    """What the person asked for."""

    data: Path
    feeds: Path | None = None
    network: str = "hedge"  # catalogue key; empty: the simple hazards only
    schemes: tuple[str, ...] = (WALK_FORWARD,)
    coins: tuple[str, ...] = COINS
    hedged: str = "LTC"
    start: str = "2022-01-01"  # of the test span
    folds: int = 5
    by_close: bool = False  # onsets by the close only, to compare with those by excursion
    day: str = ""  # YYYY-MM-DD of the test span to tell hour by hour, of the leading and the hedged
    seed: int = 0
    userdir: Path = USER_DATA
    settings: Mapping[str, Any] = field(default_factory=dict)  # of model_training_parameters

    def __post_init__(self) -> None:
        if self.folds < 1:
            raise ConfigError(f"expected folds >= 1, got {self.folds}")
        if self.hedged not in self.coins:
            raise ConfigError(f"expected {self.hedged} among the coins, got {self.coins}")
        if self.network and self.network not in catalog.names():
            raise ConfigError(
                f"unknown model {self.network!r}", cure=f"known: {', '.join(catalog.names())}"
            )
        if strange := [s for s in self.schemes if s not in SCHEMES]:
            raise ConfigError(f"unknown schemes {strange}", cure=f"known: {', '.join(SCHEMES)}")


def run_cascades(options: CascadeOptions, executor: Executor | None = None) -> int:
    """Fit, forecast, measure and write the report; return the process exit code."""
    settings = ModelSettings.from_blocks(options.settings, where="settings")
    executor = executor or ProcessExecutor(threads=settings.training.threads)
    horizon, edges = settings.labels.cascade_horizon_candles, settings.labels.bin_edges
    with PatientWait("reading the coins"):
        coins = load_coins(options, horizon)
    made = {scheme: folds_of(scheme, coins, options, horizon) for scheme in options.schemes}
    fitted = len(BASELINES) + bool(options.network)
    steps = CountedSteps(1 + fitted * sum(map(len, made.values())))
    steps.step(f"{len(coins)} coins, {sum(len(c) for c in coins)} candles")
    tables: list[dict[str, Any]] = []
    facts: list[dict[str, Any]] = []
    for scheme, folds in made.items():
        answers = _simple(coins, folds, edges, steps)
        if options.network:
            served, trained = _network(coins, folds, options, executor, steps)
            answers[catalog.titles()[options.network]] = served
            facts += [{"scheme": scheme, **f} for f in trained]
        with PatientWait(f"measuring {scheme}"):
            tables += _tables(scheme, coins, answers, options, edges)
    run = _provenance(options, coins, settings, facts)
    print(f"\n{cascades_markdown(tables)}", flush=True)
    now_ms = int(datetime.now(tz=UTC).timestamp() * 1000)
    folder = kept_report(
        lambda place: write_cascades(tables, run, place, now_ms), options.userdir / "reports"
    )
    print(f"report: {folder / 'index.html'}")
    return 0


def _tables(
    scheme: str,
    coins: list[Coin],
    answers: Mapping[str, HazardAnswers],
    options: CascadeOptions,
    edges: tuple[int, ...],
) -> list[dict[str, Any]]:
    """Return one scheme's table over all coins, where it tests them, and over the hedged one."""
    out: list[dict[str, Any]] = []
    scores = {name: said.hazards for name, said in answers.items()}
    rates = {name: said.rates for name, said in answers.items()}
    for only in (None, options.hedged):
        if only or scheme != cut.COIN_OUT:
            rows = measure_hazards(coins, scores, edges, only, options.seed)
            out.append(
                {
                    "scheme": scheme,
                    "coin": only or "all coins",
                    "rows": rows,
                    "chosen": measure_chosen(coins, scores, rates, edges, only, options.seed),
                    "against": _against(coins, scores, rows, only, options, edges[-1]),
                }
            )
    if options.day:
        shown = [c for c in coins if c.name in (coins[0].name, options.hedged)]
        day_ms = int(np.datetime64(options.day, "ms").astype(np.int64))
        out[-1]["hours"] = hour_by_hour(shown, scores, rates, day_ms)
    return out


# -- data -------------------------------------------------------------------------------------


def load_coins(options: CascadeOptions, horizon: int) -> list[Coin]:
    """Return the coins of the data directory that have candles, with what feeds there are."""
    markets = {}
    for coin in options.coins:
        file = options.data / "futures" / f"{coin}_USDT_USDT-1h-futures.feather"
        if coin == options.hedged or file.is_file():
            markets[coin] = load_checked(options.data, f"{coin}/USDT:USDT", "1h")
    lead = next(iter(markets.values()))
    return [
        build(name, candles, HOUR_MS, rule_of(name, horizon, by_close=options.by_close), horizon,
              lead, _feeds(name, candles, options))
        for name, candles in markets.items()
    ]  # fmt: skip


def _feeds(coin: str, candles: Candles, options: CascadeOptions) -> dict[str, FloatArray]:
    """Return the feeds on the coin's candles as they were public at each close."""
    close = candles.time_ms + HOUR_MS
    try:
        paid, rate = load_funding(options.data, f"{coin}/USDT:USDT")
    except InputError as error:
        if "funding" not in error.where:
            raise
        paid, rate = np.array([], dtype=np.int64), np.array([])
    paid = paid // HOUR_MS * HOUR_MS  # some payments are stamped milliseconds late
    ends, interest = read_open_interest(options.feeds, coin)
    with np.errstate(divide="ignore"):
        change = np.log(interest) - lag(np.log(interest), 6)  # a day of bars
    sources = {
        "funding": (paid, rate, _FUNDING_LAG_MS, FUNDING_MS + HOUR_MS),
        "funding_3d": (paid, rolling_mean(rate, 9), _FUNDING_LAG_MS, FUNDING_MS + HOUR_MS),
        "interest_1d": (ends, change, _BAR_LAG_MS, 2 * BAR_MS),
    }
    out: dict[str, FloatArray] = {}
    for name, (about, values, late, longest) in sources.items():
        joined = join(close, about, values, lag_ms=late, longest_ms=longest)
        own = neural.feed_columns(name, joined)
        out |= {key.removeprefix(columns.FEED): value for key, value in own.items()}
    return out


# -- fitting ----------------------------------------------------------------------------------


def folds_of(
    scheme: str, coins: list[Coin], options: CascadeOptions, horizon: int
) -> list[CascadeFold]:
    """Return the folds of one scheme."""
    times = {c.name: c.time_ms for c in coins}
    start_ms = int(np.datetime64(options.start, "ms").astype(np.int64))
    if scheme == EPISODE_OUT:
        onsets = np.concatenate([c.time_ms[c.onset.any(axis=1)] for c in coins])
        return cut.episodes_out(
            times, onsets, start_ms, _BLOCK_DAYS * DAY_MS, _BLOCK_GROUPS,
            (horizon + _LOOKBACK) * HOUR_MS,
        )  # fmt: skip
    walked = cut.walk_forward(times, start_ms, options.folds, (horizon + 1) * HOUR_MS)
    return walked if scheme == WALK_FORWARD else cut.coins_out(walked, (options.hedged,))


class HazardAnswers(NamedTuple):
    """What one hazard said of the tested rows, by coin; NaN elsewhere."""

    hazards: dict[str, FloatArray]  # (N, 2, K)
    rates: dict[str, FloatArray]  # (N, 2) false alarms a week, counted before the test

    @classmethod
    def blank(cls, coins: list[Coin], made: list[CascadeFold], bins: int) -> HazardAnswers:
        tested = [c for c in coins if any(c.name in fold.test for fold in made)]
        return cls(
            {c.name: np.full((len(c), 2, bins), np.nan) for c in tested},
            {c.name: np.full((len(c), 2), np.nan) for c in tested},
        )


def _simple(
    coins: list[Coin], made: list[CascadeFold], edges: tuple[int, ...], steps: CountedSteps
) -> dict[str, HazardAnswers]:
    answers = {}
    for name, fit in BASELINES.items():
        said = answers[name] = HazardAnswers.blank(coins, made, len(edges))
        for fold in made:
            hazard = fit(coins, fold.train, edges)
            rates = chosen_rates(fit, hazard, coins, fold.train, edges)
            for coin in coins:
                if coin.name in fold.test:
                    rows = fold.test[coin.name]
                    said.hazards[coin.name][rows] = hazard(coin)[rows]
                    said.rates[coin.name][rows] = rates[coin.name][rows]
            steps.step(f"{name}, {fold.name}")
    return answers


def _network(
    coins: list[Coin],
    made: list[CascadeFold],
    options: CascadeOptions,
    executor: Executor,
    steps: CountedSteps,
) -> tuple[HazardAnswers, list[dict[str, Any]]]:
    """Return what was served of the tested rows, and the facts of each training."""
    edges = ModelSettings.from_blocks(options.settings, where="settings").labels.bin_edges
    said, facts = HazardAnswers.blank(coins, made, len(edges)), []
    for fold in made:
        main = neural.main_coin(fold, options.hedged)
        job = neural.cascade_job(options.network, main, coins, fold, options.settings, options.seed)
        artifact = kept_artifact(options.userdir, job, executor)
        for coin in coins:
            if coin.name in fold.test:
                rows = fold.test[coin.name]
                said.hazards[coin.name][rows] = neural.hazards(artifact, coin)[rows]
                said.rates[coin.name][rows] = neural.rates(artifact, coin)[rows]
        facts.append(_training_facts(artifact, coins, fold, main))
        source, seconds = facts[-1]["hazard_source"], facts[-1]["seconds"]
        steps.step(f"{job.title}: hazard of {source}, {seconds} s")
    return said, facts


def _training_facts(
    artifact: Artifact, coins: list[Coin], fold: CascadeFold, main: str
) -> dict[str, Any]:
    """Return what one training serves, and its error of the peak beside the plain median's."""
    m = artifact.manifest
    guess = neural.peak_guess(coins, fold)
    errors = [
        neural.peak_errors(
            coin,
            neural.answers(artifact, coin)[columns.LABEL_PEAK],
            fold.test[coin.name],
            guess,
        )
        for coin in coins
        if coin.name in fold.test
    ]
    own, plain = (np.concatenate(part) for part in zip(*errors, strict=True))
    return {
        "fold": fold.name,
        "chosen_on": main,
        "hazard_source": m.get("hazard_source", "network"),
        "hazard_validation_loss": m.get("hazard_validation_loss"),
        "hazard_scale": m["calibration"]["hazard"],
        "peaks": len(own),
        "peak_error_h": float(np.mean(own)),
        "peak_error_of_median_h": float(np.mean(plain)),
        "seconds": m["seconds"]["all"],
    }


def _against(
    coins: list[Coin],
    scores: Mapping[str, Mapping[str, FloatArray]],
    rows: list[dict[str, Any]],
    only: str | None,
    options: CascadeOptions,
    window: int,
) -> list[dict[str, Any]]:
    """Return, by side, the network's recall less that of the best simple hazard, paired."""
    if not options.network:
        return []
    title = catalog.titles()[options.network]
    chosen = [c for c in coins if only in (None, c.name)]
    out = []
    for at, side in enumerate(SIDES):
        rivals = [r for r in rows if r["side"] == side and r["name"] != title]
        best = max(rivals, key=lambda r: r["recall_1"]["value"])["name"]
        apart = paired_recall(chosen, scores, title, best, at, window, options.seed)
        out.append({"side": side, "rival": best, **apart.as_dict()})
    return out


def _provenance(
    options: CascadeOptions, coins: list[Coin], settings: ModelSettings, facts: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return what the report says of how it was made."""
    digest = hashlib.sha256()
    for coin in coins:
        digest.update(np.column_stack([coin.candles.open, coin.candles.close]).tobytes())
    last = max(int(c.time_ms[-1]) for c in coins)
    return {
        "title": f"Timing liquidation cascades, {options.hedged} and {len(coins) - 1} more",
        "onsets": "by the close" if options.by_close else "by excursion",
        "span": f"tested from {options.start} to "
        f"{datetime.fromtimestamp(last / 1000, tz=UTC):%Y-%m-%d}",
        "hedged": options.hedged,
        "network": catalog.titles().get(options.network, ""),
        "data_sha256": digest.hexdigest(),
        "counts": [counted(coin) for coin in coins],
        "agreement": agreement(coins, settings.labels.cascade_horizon_candles),
        "tiers": tiers(coins, options.feeds),
        "trainings": facts,
        "horizon_candles": settings.labels.cascade_horizon_candles,
        "seed": options.seed,
        "commit": commit(),
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("breakwater", "torch", "onnxruntime", "numpy", "xgboost-cpu")
        },
    }
