"""A simulated market of correlated perpetuals, for demos, tests and machines without a network.

It copies what matters for margin: bursts of volatility, fat tails, assets that fall together and
cascades of forced liquidations. It is **not** evidence that a strategy earns money: every number
computed from it must be labelled as simulated.

What can be forecast in it, by construction and nothing else:

- volatility and volume persist (as on real markets);
- cascades excite each other, are likelier in stressed and volatile hours, and hit the side that
  the past days made crowded; their true probability is in `MarketTruth.cascade_probability`;
- after a cascade a fixed share of the move is retraced over the next hours (weak: with the
  default settings about 0.2 % of the variance of hourly returns);
- each regime has a small drift, which nobody is told.

Apart from the last two, returns are a martingale difference: the onset of cascades is paid for by
a small opposite drift, so holding through them earns nothing on average.

Each candle uses random numbers drawn for it alone, so a longer simulation of one seed begins with
the shorter one, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.base.types import Candles, FloatArray, IntArray
from models.base.units import HOUR_MS
from models.data.feeds.candles import FUNDING_MS
from models.simulate.market_config import REGIMES, AssetConfig, SimulatedMarketConfig

VERSION: Final = 1  # raise when the same seed no longer gives the same market
_DAY_H: Final = 24.0
# Relative volume by hour of the day, UTC: Asia's morning is calm, New York's opening is not.
_HOURLY_VOLUME: Final = (
    *(1.03, 0.92, 0.82, 0.74, 0.70, 0.68, 0.73, 0.84, 0.93, 0.91, 0.89, 0.93),
    *(1.24, 1.77, 2.25, 2.00, 1.69, 1.38, 1.23, 1.15, 0.98, 0.83, 0.81, 0.79),
)


@dataclass(frozen=True, kw_only=True)
class PairMarket:
    """What an exchange would have published for one pair."""

    candles: Candles
    mark: Candles  # volume is zero, as in the exchange's mark candles
    funding_time_ms: IntArray  # (P,) full hours at 00, 08 and 16 UTC
    funding_rate: FloatArray  # (P,) fraction of the notional


@dataclass(frozen=True, kw_only=True)
class MarketTruth:
    """What no exchange publishes; all pairs share it."""

    regime: IntArray  # (N,) index into REGIMES
    cascade_index: IntArray  # (K,) candles in which a cascade starts
    cascade_side: IntArray  # (K,) -1 long liquidations (price falls), +1 short squeeze
    cascade_probability: FloatArray  # (N,) of a start in candle t, known at the close of t - 1
    volatility: FloatArray  # (N,) multiple of the usual, known at the close of t - 1


@dataclass(frozen=True, kw_only=True)
class SimulatedMarket:
    """All pairs of one simulation."""

    pairs: dict[str, PairMarket]
    truth: MarketTruth
    config: SimulatedMarketConfig


def simulate_market(config: SimulatedMarketConfig | None = None) -> SimulatedMarket:
    """Simulate the joint market; the same config gives the same numbers on every machine.

    Parameters
    ----------
    config
        Defaults to one year of hours.

    Returns
    -------
    SimulatedMarket
        Candles, mark candles and funding per pair, in the order of ``config.assets``, and the
        hidden truth. Breaks as a model of reality in: order flow, spreads, exchange outages, and
        anything that lasts longer than the regimes.

    Examples
    --------
    >>> market = simulate_market(SimulatedMarketConfig(candles=48))
    >>> list(market.pairs)
    ['BTC/USDT:USDT', 'ETH/USDT:USDT', 'LTC/USDT:USDT']
    >>> btc = market.pairs["BTC/USDT:USDT"]
    >>> len(btc.candles), len(btc.funding_rate)
    (48, 6)
    """
    config = config or SimulatedMarketConfig()
    streams = np.random.SeedSequence(config.seed).spawn(1 + len(config.assets))
    common = _CommonPath(config, streams[0])
    time_ms = config.start_ms + np.arange(config.candles, dtype=np.int64) * config.candle_ms
    pairs = {
        asset.pair: _pair_market(config, asset, common, time_ms, stream)
        for asset, stream in zip(config.assets, streams[1:], strict=True)
    }
    return SimulatedMarket(pairs=pairs, truth=common.truth(), config=config)


class _CommonPath:
    """What the assets share: regimes, volatility, the common factor and the cascades.

    Attributes
    ----------
    shock
        (N,) calm common return in units of the usual hour's sigma.
    cascade
        (N,) cascades and their retracement, same units, compensated to zero mean at the onset.
    """

    def __init__(self, config: SimulatedMarketConfig, seed: np.random.SeedSequence) -> None:
        self.config, n = config, config.candles
        self.hours = config.candle_ms / HOUR_MS
        draws = [np.random.default_rng(s) for s in seed.spawn(8)]
        self.regime = _regime_path(config, self.hours, draws[0].random(n), draws[1].random(n))
        z = _student(draws[2], n, config.tail_dof)
        self.calm_volatility = self._calm_volatility(z, draws[3], draws[4])
        self.drift = _regime_values(config, "drift_per_day")[self.regime] * self.hours / _DAY_H
        self.shock = np.zeros(n)
        self.cascade = np.zeros(n + self._response().size)
        self.volatility = np.zeros(n)
        self.probability = np.zeros(n)
        self.onset_size = np.zeros(n)  # signed, in hours' sigma; zero where none starts
        self._run(z, draws[5].random(n), draws[6].random(n), draws[7].exponential(size=n))
        self.cascade = self.cascade[:n]

    def _calm_volatility(
        self, z: FloatArray, slow: np.random.Generator, fast: np.random.Generator
    ) -> FloatArray:
        """Two decaying parts of log volatility, (N,); shock t moves it from t + 1 on."""
        config, n = self.config, self.config.candles
        rho = config.leverage_effect
        before = np.concatenate([[0.0], np.clip(z[:-1], -3, 3)])
        noise = rho * before + np.sqrt(1 - rho * rho) * fast.standard_normal(n)
        log_vol = config.slow_log_sd * _ar1(
            slow.standard_normal(n), np.exp(-self.hours / (config.slow_days * _DAY_H))
        )
        log_vol += config.fast_log_sd * _ar1(noise, np.exp(-self.hours / config.fast_hours))
        log_vol -= config.slow_log_sd**2 + config.fast_log_sd**2  # mean square 1
        level: FloatArray = np.exp(log_vol) * _regime_values(config, "volatility")[self.regime]
        return np.minimum(level, 6.0)

    def _response(self) -> FloatArray:
        """What a unit cascade adds to the returns from its onset on, (L,)."""
        config = self.config
        fall = max(1, round(config.cascade_hours / self.hours))
        back = max(1, round(3 * config.retrace_hours / self.hours))
        share = np.exp(-np.arange(back) * self.hours / config.retrace_hours)
        response = np.zeros(fall + back)
        response[:fall] = 1.0 / fall
        response[fall:] = -config.retrace_frac * share / share.sum()
        return response

    def _run(self, z: FloatArray, hit: FloatArray, side: FloatArray, excess: FloatArray) -> None:
        """Walk through time: cascades depend on what happened, and change what follows."""
        config, hours, response = self.config, self.hours, self._response()
        base = _regime_values(config, "cascades_per_day")[self.regime] * hours / _DAY_H
        decay = np.exp(-hours / config.excitation_hours)
        vol_decay, crowd_decay = np.exp(-hours / config.fast_hours), np.exp(-hours / 72.0)
        kick = config.excitation * (1 - decay)  # sums to `excitation` triggered cascades
        excited = boost = crowd = 0.0
        mean_size = config.cascade_min_sigma + config.cascade_mean_excess_sigma
        prior = np.log(config.cascade_down_share / (1 - config.cascade_down_share))
        for t in range(config.candles):
            vol = self.calm_volatility[t] * np.exp(boost)
            p = 1 - np.exp(-(base[t] * min(self.calm_volatility[t], 3.0) + excited))
            p_down = 1 / (1 + np.exp(-(prior + crowd)))
            scale = min(max(vol, 0.7), 1.8)  # of sizes: a cascade is large in quiet hours too
            self.volatility[t], self.probability[t] = vol, p
            self.shock[t] = vol * z[t] * np.sqrt(hours)
            kept = 1 - config.retrace_frac
            self.cascade[t] += p * (2 * p_down - 1) * mean_size * scale * kept
            excited, boost = excited * decay, boost * vol_decay
            if hit[t] < p:
                sign = -1.0 if side[t] < p_down else 1.0
                size = config.cascade_min_sigma + config.cascade_mean_excess_sigma * excess[t]
                self.onset_size[t] = sign * min(size, 2 * mean_size) * scale
                self.cascade[t : t + len(response)] += self.onset_size[t] * response
                excited, boost = excited + kick, max(boost, config.aftershock_log_vol)
            # Three days of rising prices leave the longs crowded, and the other way round.
            crowd = crowd * crowd_decay + 0.05 * (self.shock[t] + self.cascade[t])
            crowd = min(max(crowd, -2.0), 2.0)

    def truth(self) -> MarketTruth:
        """Return the hidden state as arrays."""
        onset = np.flatnonzero(self.onset_size)
        return MarketTruth(
            regime=self.regime,
            cascade_index=onset.astype(np.int64),
            cascade_side=np.sign(self.onset_size[onset]).astype(np.int64),
            cascade_probability=self.probability,
            volatility=self.volatility,
        )


def _pair_market(
    config: SimulatedMarketConfig,
    asset: AssetConfig,
    common: _CommonPath,
    time_ms: IntArray,
    seed: np.random.SeedSequence,
) -> PairMarket:
    """Turn the common path and the asset's own shocks into what an exchange publishes."""
    draws = [np.random.default_rng(s) for s in seed.spawn(5)]
    own = _student(draws[0], config.candles, config.tail_dof) * common.volatility
    own *= np.sqrt(common.hours)
    share = asset.common_share
    calm = share * common.shock + np.sqrt(1 - share * share) * own
    calm *= _season(time_ms) ** 0.4
    log_return = asset.sigma_hour * (calm + common.cascade) + common.drift
    log_close = np.log(asset.price) + np.cumsum(log_return)
    log_open = np.concatenate([[np.log(asset.price)], log_close[:-1]])
    log_high, log_low = _extremes(config, asset, common, log_open, log_close, draws[1])
    volume = _volume(config, asset, common, time_ms, log_return, draws[2])
    candles = Candles(
        time_ms=time_ms,
        open=_to_step(np.exp(log_open), asset.tick),
        high=_to_step(np.exp(log_high), asset.tick),
        low=_to_step(np.exp(log_low), asset.tick),
        close=_to_step(np.exp(log_close), asset.tick),
        volume=np.round(np.maximum(np.round(volume / asset.lot), 1) * asset.lot, 8),
    )
    paid_ms, rate = _funding(config, asset, common.hours, time_ms, log_close, draws[3])
    mark = _mark(candles, np.exp(log_open), np.exp(log_close), common.hours)
    return PairMarket(candles=candles, mark=mark, funding_time_ms=paid_ms, funding_rate=rate)


def _extremes(
    config: SimulatedMarketConfig,
    asset: AssetConfig,
    common: _CommonPath,
    log_open: FloatArray,
    log_close: FloatArray,
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    """Return log high and log low: extremes of a Brownian bridge from open to close.

    A cascade's own candle also reaches beyond its close: part of the fall is back before it ends.
    """
    u = rng.random((config.candles, 3))  # high, low, overshoot
    x = log_close - log_open
    variance = (asset.sigma_hour * common.volatility) ** 2 * common.hours
    high = log_open + 0.5 * (x + np.sqrt(x * x - 2 * variance * np.log(1 - u[:, 0])))
    low = log_open + 0.5 * (x - np.sqrt(x * x - 2 * variance * np.log(1 - u[:, 1])))
    reach = asset.sigma_hour * np.abs(common.onset_size) * (0.1 + 0.4 * u[:, 2])
    down, up = common.onset_size < 0, common.onset_size > 0
    return np.where(up, high + reach, high), np.where(down, low - reach, low)


def _volume(
    config: SimulatedMarketConfig,
    asset: AssetConfig,
    common: _CommonPath,
    time_ms: IntArray,
    log_return: FloatArray,
    rng: np.random.Generator,
) -> FloatArray:
    """Return volume in base units: season, size of the move, persistence, cascades."""
    n, hours = config.candles, common.hours
    move = np.abs(log_return) / (asset.sigma_hour * np.sqrt(hours))
    lasting, passing = rng.standard_normal((n, 2)).T  # by candle: keeps longer runs equal
    noise = 0.35 * _ar1(lasting, np.exp(-hours / 36.0)) + 0.25 * passing
    log_volume = 0.5 * np.log(0.25 + move) + 0.35 * np.log(common.volatility) + noise
    log_volume += np.where(common.onset_size != 0, np.log(config.cascade_volume), 0.0)
    level: FloatArray = 1.45 * asset.hour_volume * hours * np.exp(np.clip(log_volume, -4, 4))
    return level * _season(time_ms)


def _funding(
    config: SimulatedMarketConfig,
    asset: AssetConfig,
    hours: float,
    time_ms: IntArray,
    log_close: FloatArray,
    rng: np.random.Generator,
) -> tuple[IntArray, FloatArray]:
    """Return payment times and rates; each follows the day's return up to its payment."""
    first = -(-int(time_ms[0]) // FUNDING_MS) * FUNDING_MS
    paid_ms = np.arange(first, int(time_ms[-1]) + config.candle_ms, FUNDING_MS, dtype=np.int64)
    row = (paid_ms - int(time_ms[0])) // config.candle_ms - 1  # last candle closed by then
    day = max(1, round(_DAY_H / hours))
    past = np.concatenate([np.full(day + 1, log_close[0]), log_close])  # index: row + day + 1
    day_return = past[row + day + 1] - past[row + 1]
    push = day_return / (asset.sigma_hour * np.sqrt(_DAY_H))
    noise = rng.standard_normal(len(paid_ms))
    rate = np.zeros(len(paid_ms))
    last = config.funding_mean
    for k in range(len(paid_ms)):
        last = config.funding_mean + config.funding_persistence * (last - config.funding_mean)
        last += config.funding_response * push[k] + config.funding_noise * noise[k]
        last = min(max(last, -config.funding_cap), config.funding_cap)
        rate[k] = last
    return paid_ms, np.round(rate, 8)


def _mark(candles: Candles, open_: FloatArray, close: FloatArray, hours: float) -> Candles:
    """Return mark candles: a little behind the last price, with shorter wicks."""
    lag = 0.03 / np.sqrt(hours)  # of a move, not yet in the mark at the close
    behind = close - min(lag, 0.3) * (close - open_)
    mark_open = np.concatenate([[open_[0]], behind[:-1]])
    top, bottom = np.maximum(mark_open, behind), np.minimum(mark_open, behind)
    high = top + 0.85 * np.maximum(candles.high - top, 0.0)
    low = bottom - 0.85 * np.maximum(bottom - candles.low, 0.0)
    return Candles(
        time_ms=candles.time_ms,
        open=np.round(mark_open, 8),
        high=np.round(high, 8),
        low=np.round(low, 8),
        close=np.round(behind, 8),
        volume=np.zeros(len(candles)),
    )


def _regime_path(
    config: SimulatedMarketConfig, hours: float, leave: FloatArray, where: FloatArray
) -> IntArray:
    """Return the Markov chain of regimes, (N,), starting in the first."""
    p_leave = 1 - np.exp(-hours / (_DAY_H * _regime_values(config, "days")))
    path = np.zeros(config.candles, dtype=np.int64)
    state = 0
    for t in range(1, config.candles):
        if leave[t] < p_leave[state]:
            state = (state + 1 + int(where[t] * (len(REGIMES) - 1))) % len(REGIMES)
        path[t] = state
    return path


def _regime_values(config: SimulatedMarketConfig, name: str) -> FloatArray:
    return np.array([getattr(regime, name) for regime in config.regimes], dtype=np.float64)


def _student(rng: np.random.Generator, n: int, dof: float) -> FloatArray:
    """Return n Student-t shocks of variance 1, cut at 10 (an hour of 10 sigma is a cascade)."""
    shocks: FloatArray = rng.standard_t(dof, n) * np.sqrt((dof - 2) / dof)
    return np.clip(shocks, -10.0, 10.0)


def _ar1(noise: FloatArray, persistence: float) -> FloatArray:
    """Return a first-order autoregression of variance 1 driven by `noise`, (N,) -> (N,)."""
    out = np.empty_like(noise)
    gain, last = float(np.sqrt(1 - persistence * persistence)), float(noise[0])
    out[0] = last
    for t in range(1, len(noise)):
        last = persistence * last + gain * noise[t]
        out[t] = last
    return out


def _season(time_ms: IntArray) -> FloatArray:
    """Return the hour's relative activity, (N,), mean about 1."""
    by_hour: FloatArray = np.array(_HOURLY_VOLUME) / np.mean(_HOURLY_VOLUME)
    return by_hour[(time_ms // HOUR_MS) % 24]


def _to_step(values: FloatArray, step: float) -> FloatArray:
    """Round to the exchange's step, at least one step."""
    return np.round(np.maximum(np.round(values / step), 1) * step, 8)
