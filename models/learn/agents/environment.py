"""The agents' market: one account on one pair, as a gymnasium environment.

An action names the position to hold; it is decided on what is known at the close of candle t and
filled at the open of candle t + 1, as Freqtrade's backtester fills it.
# DIFF: a training frame carries no opens, so the fill is at the close of candle t. Perpetual
# futures trade around the clock: the next open is that close but for the spread, which the
# slippage within the cost stands for.
# DIFF: actions scale the position, not the stop. The forecast contract has no stop to carry, and
# the strategy sets its own from volatility (`models.trade.decision.sizing`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from models.base.types import Float32Array, FloatArray
from models.base.windows import Span

STATE: Final = 3  # account columns behind the features: position, unrealised profit, margin ratio
OBSERVATION_CLIP: Final = 8.0  # of every observed number, standard deviations
RUIN: Final = 0.01  # of the equity left when a position is liquidated
SMALLEST_SIGMA: Final = 1e-6  # a candle that did not trade has no unit for a profit


@dataclass(frozen=True, kw_only=True)
class AccountRules:
    """What a position costs, and how large it may be.

    Attributes
    ----------
    targets
        Signed leverage (notional over equity) each action asks for, shorts first.
    max_leverage
        Beyond it a position that has eaten its own equity is cut back to its target.
    cost_frac
        Fee and slippage of one fill, as a fraction of the notional that changes hands.
    margin_penalty
        Taken from the reward per unit the margin ratio exceeds 1 by, at the close of a candle.
    life_candles
        Decisions of one episode; also the unit of time of the unrealised profit.
    """

    targets: tuple[float, ...] = (-1.0, 0.0, 1.0)
    max_leverage: float = 1.25
    cost_frac: float = 0.0007
    margin_penalty: float = 0.1
    life_candles: int = 24


@dataclass
class Account:
    """One account, opened flat; the price enters as log returns only."""

    rules: AccountRules
    target: float = 0.0
    leverage: float = 0.0  # signed; drifts away from the target as the price moves
    move: float = 0.0  # log return of the price since the position was opened
    log_equity: float = 0.0  # natural log of equity over initial equity
    traded: float = 0.0  # notional over equity, summed over the fills

    @property
    def margin_ratio(self) -> float:
        """Margin the position needs at the highest leverage allowed, over equity."""
        return abs(self.leverage) / self.rules.max_leverage

    def fill(self, target: float) -> None:
        """Trade to `target`; what is held already is left alone, as Freqtrade leaves a trade."""
        if target == self.target and self.margin_ratio <= 1.0:
            return
        if np.sign(target) != np.sign(self.target):
            self.move = 0.0
        change = abs(target - self.leverage)
        self.traded += change
        # Sized on the equity that is left: the cost of the cost, under 1e-6, is left out.
        self.log_equity += math.log1p(-self.rules.cost_frac * change)
        self.target = self.leverage = target

    def earn(self, log_return: float) -> bool:
        """Let the price move by one candle; False where the position is liquidated."""
        growth = 1.0 + self.leverage * math.expm1(log_return)
        alive = growth > RUIN
        self.log_equity += math.log(max(growth, RUIN))
        if alive:
            self.leverage *= math.exp(log_return) / growth
            self.move += log_return
        else:
            self.target = self.leverage = self.move = 0.0
        return alive

    def observed(self, sigma: float) -> tuple[float, float, float]:
        """Return position, unrealised profit in sigma over the account's life, margin ratio."""
        unit = max(sigma, SMALLEST_SIGMA) * math.sqrt(self.rules.life_candles)
        largest = self.rules.targets[-1]
        side = float(np.sign(self.target))
        return self.leverage / largest, side * self.move / unit, self.margin_ratio


@dataclass(frozen=True, kw_only=True)
class AgentMarket:
    """Rows of one frame, as the account meets them.

    Attributes
    ----------
    features
        (N, F) standardised and clipped, known at each candle's close.
    log_return
        (N,) of the candle itself: what a position held through it earned.
    sigma
        (N,) volatility of one candle.
    runs
        Spans without a missing candle; an episode never leaves the one it began in.
    """

    features: Float32Array
    log_return: FloatArray
    sigma: FloatArray
    runs: tuple[Span, ...]


@dataclass
class _Episode:
    account: Account
    start: int
    stop: int  # of the run it began in
    row: int = field(init=False)

    def __post_init__(self) -> None:
        self.row = self.start


class MarketEnv(gymnasium.Env[Float32Array, np.int64]):
    """Reward = change of log equity, costs included, less a penalty for margin.

    Observation (F + 3,) float32 at the close of candle t: its features, then the account. Actions
    are the indices of `AccountRules.targets`. Episodes start flat on a random row (or on
    `options={"start": row}`) and are truncated after `life_candles` or at the end of a run, and
    terminated by liquidation. All randomness comes from the seed given to `reset`.
    """

    def __init__(self, market: AgentMarket, rules: AccountRules) -> None:
        self.market, self.rules = market, rules
        width = market.features.shape[1] + STATE
        self.observation_space = gymnasium.spaces.Box(
            -OBSERVATION_CLIP, OBSERVATION_CLIP, (width,), np.float32
        )
        self.action_space = gymnasium.spaces.Discrete(len(rules.targets))
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
        self._now = _Episode(Account(self.rules), start, self._stop[start])
        return self._observation(), {}

    def step(
        self, action: np.int64 | int
    ) -> tuple[Float32Array, float, bool, bool, dict[str, Any]]:
        now = self._now
        before = now.account.log_equity
        now.account.fill(self.rules.targets[int(action)])
        now.row += 1
        alive = now.account.earn(float(self.market.log_return[now.row]))
        reward = now.account.log_equity - before
        reward -= self.rules.margin_penalty * max(0.0, now.account.margin_ratio - 1.0)
        over = now.row - now.start >= self.rules.life_candles or now.row + 1 >= now.stop
        return self._observation(), reward, not alive, alive and over, {}

    def _observation(self) -> Float32Array:
        row = self._now.row
        account = self._now.account.observed(float(self.market.sigma[row]))
        out: NDArray[np.float32] = np.empty(self.market.features.shape[1] + STATE, np.float32)
        out[:-STATE] = self.market.features[row]
        out[-STATE:] = np.clip(account, -OBSERVATION_CLIP, OBSERVATION_CLIP)
        return out


def walk(
    targets: FloatArray, log_return: FloatArray, rules: AccountRules, runs: tuple[Span, ...]
) -> Account:
    """Return the account that held `targets` (N,), decided at each row's close, over `runs`.

    It is closed at the end of each run, at the usual cost.
    """
    account = Account(rules)
    for run in runs:
        for row in range(run.start, run.stop - 1):
            account.fill(float(targets[row]))
            account.earn(float(log_return[row + 1]))
        account.fill(0.0)
    return account
