"""`breakwater cascades`: how well liquidation cascades can be timed, by what, on several coins.

Simple hazards and one network, on the same folds, tested on rows none of them was fitted on.
Trainings are kept, so that a stopped run goes on where it was.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from models.base import columns
from models.base.errors import ConfigError, InputError
from models.base.types import Artifact, Candles, FloatArray
from models.base.units import DAY_MS, HOUR_MS, MINUTE_MS
from models.data.features.rolling import lag, rolling_mean
from models.data.feeds.candles import FUNDING_MS
from models.data.feeds.point_in_time import join
from models.data.labels.cascade import CascadeConfig, coin_floor
from models.data.labels.tiers import confirm_l1, label_agreement, liquidation_spikes
from models.learn import catalog
from models.learn.jobs.executor import Executor, ProcessExecutor
from models.learn.training.settings import ModelSettings
from models.reports.cascades.page import cascades_markdown, write_cascades
from models.studies.cascades import folds as cut
from models.studies.cascades import network as neural
from models.studies.cascades.baselines import BASELINES
from models.studies.cascades.folds import EPISODE_OUT, SCHEMES, WALK_FORWARD, CascadeFold
from models.studies.cascades.measure import measure_hazards, paired_recall
from models.studies.cascades.panel import SIDES, Coin, build, close_agreement
from strategies.desk.compare import kept_artifact
from strategies.desk.data import load_checked, load_funding
from strategies.desk.feed_files import BAR_MS, liquidations, read_open_interest
from strategies.desk.places import USER_DATA
from strategies.desk.results import commit

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
    started = time.monotonic()
    coins = load_coins(options, settings.labels.cascade_horizon_candles)
    _print_progress(started, f"{len(coins)} coins, {sum(len(c) for c in coins)} candles")
    tables: list[dict[str, Any]] = []
    facts: list[dict[str, Any]] = []
    for scheme in options.schemes:
        made = folds_of(scheme, coins, options, settings.labels.cascade_horizon_candles)
        scores = _simple(coins, made, settings.labels.bin_edges, started)
        if options.network:
            served, trained = _network(coins, made, options, executor, started)
            scores[catalog.titles()[options.network]] = served
            facts += [{"scheme": scheme, **f} for f in trained]
        tables += _tables(scheme, coins, scores, options, settings.labels.bin_edges)
        _print_progress(started, f"{scheme}: measured")
    run = _provenance(options, coins, settings, facts)
    folder = write_cascades(
        tables, run, options.userdir / "reports", int(datetime.now(tz=UTC).timestamp() * 1000)
    )
    print(f"\n{cascades_markdown(tables)}\nreport: {folder / 'index.html'}")
    return 0


def _tables(
    scheme: str,
    coins: list[Coin],
    scores: Mapping[str, Mapping[str, FloatArray]],
    options: CascadeOptions,
    edges: tuple[int, ...],
) -> list[dict[str, Any]]:
    """Return one scheme's table over all coins, where it tests them, and over the hedged one."""
    out = []
    for only in (None, options.hedged):
        if only or scheme != cut.COIN_OUT:
            rows = measure_hazards(coins, scores, edges, only, options.seed)
            out.append(
                {
                    "scheme": scheme,
                    "coin": only or "all coins",
                    "rows": rows,
                    "against": _against(coins, scores, rows, only, options),
                }
            )
    return out


def _print_progress(started: float, what: str) -> None:
    print(f"{time.monotonic() - started:5.0f} s  {what}", flush=True)


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
        build(name, candles, HOUR_MS, rule_of(name, horizon), horizon, lead,
              _feeds(name, candles, options))
        for name, candles in markets.items()
    ]  # fmt: skip


def rule_of(coin: str, horizon: int) -> CascadeConfig:
    """Return what counts as a cascade of a coin."""
    return CascadeConfig(floor_frac=coin_floor(coin), longest_ms=horizon * HOUR_MS)


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


def agreement(coins: list[Coin], horizon: int) -> list[dict[str, Any]]:
    """Return how onsets by the close and by excursion match, a row for each coin and side."""
    return [
        {
            "coin": coin.name,
            "side": side,
            "close_only": match.first - match.first_matched,
            "both": match.second_matched,
            "excursion_only": match.second - match.second_matched,
        }
        for coin in coins
        for side, match in zip(
            SIDES, close_agreement(coin, rule_of(coin.name, horizon)), strict=True
        )
    ]


def tiers(coins: list[Coin], options: CascadeOptions) -> list[dict[str, Any]]:
    """Return how the candle label agrees with funding + open interest, and with liquidations."""
    out = []
    for coin in coins:
        close = coin.time_ms + HOUR_MS
        funding = coin.feeds[:, coin.feed_names.index("funding")]
        ends, level = read_open_interest(options.feeds, coin.name)
        if not len(ends):
            continue
        interest = join(close, ends, level, lag_ms=0, longest_ms=BAR_MS).value
        for side_at, side in enumerate(SIDES):
            onset = np.flatnonzero(coin.onset[:, side_at])
            l1 = confirm_l1(onset, side, funding, interest, history=90 * 24, window=24)
            bars, notional = liquidations(options.feeds, coin.name, side)
            spikes = bars[liquidation_spikes(notional, 90 * 6)] if len(bars) else bars
            ranked = bars[len(bars) // 8 :] if len(bars) else bars  # a first part is needed to rank
            inside = close[:0]
            if len(ranked):
                at = close[onset]
                inside = at[(at >= ranked[0]) & (at <= ranked[-1])]
            # A spike's bar ends up to four hours behind the onset in it.
            match = label_agreement(inside, spikes, BAR_MS)._asdict()
            out.append(
                {
                    "coin": coin.name,
                    "side": side,
                    "l0": len(onset),
                    "l1_told": int(l1.told.sum()),
                    "l1_confirmed": int(l1.yes.sum()),
                    "l0_in_l2_span": match["first"],
                    "l2": match["second"],
                    "l0_with_l2": match["first_matched"],
                    "l2_with_l0": match["second_matched"],
                    "l2_bar_end_after_onset_h": match["median_lag"] / HOUR_MS,
                }
            )
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


def _blank(coins: list[Coin], made: list[CascadeFold], bins: int) -> dict[str, FloatArray]:
    tested = {name for fold in made for name in fold.test}
    return {c.name: np.full((len(c), 2, bins), np.nan) for c in coins if c.name in tested}


def _simple(
    coins: list[Coin], made: list[CascadeFold], edges: tuple[int, ...], started: float
) -> dict[str, dict[str, FloatArray]]:
    scores = {}
    for name, fit in BASELINES.items():
        scores[name] = _blank(coins, made, len(edges))
        for fold in made:
            hazard = fit(coins, fold.train, edges)
            for coin in coins:
                if coin.name in fold.test:
                    rows = fold.test[coin.name]
                    scores[name][coin.name][rows] = hazard(coin)[rows]
        _print_progress(started, f"{name}: {len(made)} folds")
    return scores


def _network(
    coins: list[Coin],
    made: list[CascadeFold],
    options: CascadeOptions,
    executor: Executor,
    started: float,
) -> tuple[dict[str, FloatArray], list[dict[str, Any]]]:
    """Return the served hazards of the tested rows, and the facts of each training."""
    edges = ModelSettings.from_blocks(options.settings, where="settings").labels.bin_edges
    out, facts = _blank(coins, made, len(edges)), []
    for fold in made:
        main = neural.main_coin(fold, options.hedged)
        job = neural.cascade_job(options.network, main, coins, fold, options.settings, options.seed)
        artifact = kept_artifact(options.userdir, job, executor)
        for coin in coins:
            if coin.name in fold.test:
                rows = fold.test[coin.name]
                out[coin.name][rows] = neural.hazards(artifact, coin)[rows]
        facts.append(_training_facts(artifact, coins, fold, main))
        source, seconds = facts[-1]["hazard_source"], facts[-1]["seconds"]
        _print_progress(started, f"{job.title}: hazard of {source}, {seconds} s")
    return out, facts


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
        "hazard_source": m.get("hazard_source"),
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
        apart = paired_recall(chosen, scores, title, best, at, options.seed)
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
        "span": f"tested from {options.start} to "
        f"{datetime.fromtimestamp(last / 1000, tz=UTC):%Y-%m-%d}",
        "hedged": options.hedged,
        "network": catalog.titles().get(options.network, ""),
        "data_sha256": digest.hexdigest(),
        "counts": [_counted(coin) for coin in coins],
        "agreement": agreement(coins, settings.labels.cascade_horizon_candles),
        "tiers": tiers(coins, options),
        "trainings": facts,
        "horizon_candles": settings.labels.cascade_horizon_candles,
        "seed": options.seed,
        "commit": commit(),
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("breakwater", "torch", "onnxruntime", "numpy", "xgboost-cpu")
        },
    }


def _counted(coin: Coin) -> dict[str, Any]:
    """Return how many cascades one coin had, and how long they took."""
    to_peak = [float(e.peak - e.onset) for e in coin.episodes] or [np.nan]
    to_end = [float(e.end - e.onset) for e in coin.episodes] or [np.nan]
    return {
        "coin": coin.name,
        "falls": int(coin.onset[:, 0].sum()),
        "squeezes": int(coin.onset[:, 1].sum()),
        "median_candles_to_peak": float(np.median(to_peak)),
        "median_candles_to_end": float(np.median(to_end)),
    }
