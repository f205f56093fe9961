"""The agents' market: one account on one pair, as a gymnasium environment.

An action names the position to hold and its stop; it is decided on what is known at the close of
candle t and filled at the open of candle t + 1: `models.learn.agents.account`.
# DIFF: of the account an observation shows only which position is held. Unrealised profit and
# margin would have to be known when a whole frame is forecast, which nobody can; the stop bounds
# the one, the small sizes the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from models.base.policy import NO_CHOICE
from models.base.types import BoolArray, Float32Array, FloatArray, IntArray
from models.base.windows import Span
from models.learn.agents.account import RUIN, Account, AccountRules, AgentCandle

OBSERVATION_CLIP: Final = 8.0  # of every observed number, standard deviations


@dataclass(frozen=True, kw_only=True)
class AgentMarket:
    """Rows of one frame, as an account meets them.

    Attributes
    ----------
    features
        (N, F) standardised and clipped, known at each candle's close.
    open, high, low, close
        (N,) prices of the candle itself, in any one unit.
    funding
        (N,) what a long pays per base unit at the candle's open.
    sigma
        (N,) volatility of the log return over the horizon, known at the candle's close.
    runs
        Spans without a missing candle; an episode never leaves the one it began in.
    """

    features: Float32Array
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    funding: FloatArray
    sigma: FloatArray
    runs: tuple[Span, ...]

    def candle(self, row: int) -> AgentCandle:
        return AgentCandle(
            float(self.open[row]), float(self.high[row]), float(self.low[row]),
            float(self.funding[row]),
        )  # fmt: skip


@dataclass
class _Episode:
    account: Account
    start: int
    stop: int  # of the run it began in
    row: int
    log_equity: float = 0.0  # over the initial equity, at the close of `row`


class MarketEnv(gymnasium.Env[Float32Array, np.int64]):
    """Reward = change of log equity, costs and funding included.

    Observation (F + K,) float32 at the close of candle t: its features, then which of the K
    positions is held, as ones and zeros. Actions are indices of positions. Episodes start flat on a
    random row (or on `options={"start": row}`) and are truncated after `life_candles` or at the end
    of a run, and terminated by liquidation. All randomness comes from the seed given to `reset`.
    """

    def __init__(self, market: AgentMarket, rules: AccountRules) -> None:
        self.market, self.rules = market, rules
        positions = len(rules.positions.targets)
        width = market.features.shape[1] + positions
        self.observation_space = gymnasium.spaces.Box(
            -OBSERVATION_CLIP, OBSERVATION_CLIP, (width,), np.float32
        )
        self.action_space = gymnasium.spaces.Discrete(positions)
        # Any row with a next candle can be the first of an episode.
        self._stop = {row: r.stop for r in market.runs for row in range(r.start, r.stop - 1)}
        self._starts = np.fromiter(self._stop, dtype=np.int64)
        self._now: _Episode

    @property
    def account(self) -> Account:
        return self._now.account

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32Array, dict[str, Any]]:
        super().reset(seed=seed)
        start = (options or {}).get("start")
        if start is None:
            start = int(self.np_random.choice(self._starts))
        self._now = _Episode(Account(self.rules), start, self._stop[start], start)
        return self._observation(), {}

    def step(
        self, action: np.int64 | int
    ) -> tuple[Float32Array, float, bool, bool, dict[str, Any]]:
        now, market = self._now, self.market
        sigma = float(market.sigma[now.row])
        now.row += 1
        account, before = now.account, now.log_equity
        account.live_through(now.row, market.candle(now.row), int(action), sigma, may_grow=True)
        equity = account.equity(float(market.close[now.row]))
        alive = equity > RUIN
        now.log_equity = math.log(max(equity, RUIN))
        over = now.row - now.start >= self.rules.life_candles or now.row + 1 >= now.stop
        reward = now.log_equity - before
        return self._observation(), reward, not alive, alive and over, {}

    def _observation(self) -> Float32Array:
        seen = self.market.features.shape[1]
        out: NDArray[np.float32] = np.zeros(seen + len(self.rules.positions.targets), np.float32)
        out[:seen] = self.market.features[self._now.row]
        out[seen + self.account.held] = 1.0
        return out


def walk(
    choices: IntArray, market: AgentMarket, account: Account, may_grow: BoolArray | None = None
) -> Account:
    """Take `account` through the market's runs by tables of actions (N, K); return it.

    Row t's table is decided at its close; a row without one keeps what is held. What is held at the
    end of a run is left at its last close.

    Parameters
    ----------
    may_grow
        (N,) whether guards let risk be added on what was decided on the row; everywhere by default.
    """
    for run in market.runs:
        for row in range(run.start, run.stop - 1):
            chosen = int(choices[row, account.held])
            account.live_through(
                row + 1, market.candle(row + 1), None if chosen == NO_CHOICE else chosen,
                float(market.sigma[row]), may_grow=may_grow is None or bool(may_grow[row]),
            )  # fmt: skip
        account.close(run.stop - 1, float(market.close[run.stop - 1]))
    return account
