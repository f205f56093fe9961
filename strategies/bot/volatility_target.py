"""VolatilityTargetStrategy: a long position scaled to a target risk by forecast volatility.

Works with any model of the pack that answers `sigma`; `VolatilityForecaster` forecasts it, the
others estimate it from the past. Decided once a candle, at its close, and traded to the edge of a
no-trade band. Growth passes all guards; a reduction passes none.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from freqtrade.persistence import Trade
from pandas import DataFrame, Series

from models.base import columns
from models.base.entry import EntryRule, EntryStop
from models.base.errors import ConfigError, NoForecastError
from models.base.types import BoolArray, FloatArray
from models.trade.decision.volatility_target import (
    VolatilityTargetConfig,
    daily_volatility,
    no_trade_width,
    rebalanced,
    target_exposure,
)
from models.trade.risk.gap import FOR_ENTRIES, hour_of
from models.trade.risk.snapshot import Exposure
from strategies.bot.config import pack_config
from strategies.bot.fail_closed import on_error_return, refusing_to_start
from strategies.bot.forecast import ForecastStrategy
from strategies.bot.stages import timed
from strategies.seams.hook_copies import spare_the_copy

logger = logging.getLogger(__name__)

_TAG = "target"
_STEP = 0.01  # of price: a stop that follows moves by so much at least, not with every tick


@dataclass(frozen=True)
class Rebalance:
    """What a candle's close asks of the position."""

    closed: datetime
    held: float  # notional over equity, both at the close
    wanted: float
    equity_quote: float
    reason: str

    @property
    def change_quote(self) -> float:
        """What to add (> 0) or to take out (< 0), at the close's price."""
        return (self.wanted - self.held) * self.equity_quote


class VolatilityTargetStrategy(ForecastStrategy):
    """Base of the strategies that hold a target risk; the pure part decides how much."""

    can_short = True  # Freqtrade's flag for futures; nothing here signals a short

    def __init__(self, config: dict[str, Any]) -> None:
        with refusing_to_start():
            self.target: VolatilityTargetConfig = pack_config(config).volatility_target
            self.require_settings(config)
        super().__init__(config)

    def require_settings(self, config: Mapping[str, Any]) -> None:
        """As ever; and one pair only, at a reload too."""
        super().require_settings(config)
        _require_one_pair(config)

    # -- signals: there is a trusted forecast, or there is not ----------------------------------

    @timed("decision")
    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        ready = self._trusted(dataframe) & self._calm(dataframe)
        dataframe["enter_long"] = ready.astype(int)
        dataframe["enter_tag"] = np.array([None, _TAG], dtype=object)[ready.astype(int)]
        return dataframe

    @timed("decision")
    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        """Leave altogether where nothing is to be kept in a cascade; else by adjustment only."""
        leave = ~self._calm(dataframe, unknown=True) & (self.target.cascade_keep_frac == 0)
        dataframe["exit_long"] = leave.astype(int)
        dataframe["exit_short"] = 0
        return dataframe

    def _trusted(self, frame: DataFrame) -> BoolArray:
        """Return where the model vouches for its forecast and volatility is known, (N,)."""
        sigma = frame[columns.SIGMA].to_numpy(np.float64)
        vouched = (frame["do_predict"] == 1) & (frame[columns.ABSTAIN] == 0)
        out: BoolArray = vouched.to_numpy() & np.isfinite(sigma) & (sigma > 0)
        return out

    def _calm(self, frame: DataFrame, *, unknown: bool = False) -> BoolArray:
        """Return where no alarm of a fall stands, (N,); `unknown` where nobody can tell."""
        if columns.HEAD_HAZARD in self.decision.without:
            return np.ones(len(frame), dtype=np.bool_)
        false = frame[columns.FALSE_ALARMS_DOWN].to_numpy(np.float64)
        calm = false > self.decision.false_alarms_per_week
        out: BoolArray = np.where(np.isfinite(false), calm, unknown)
        return out

    # -- what is wanted -------------------------------------------------------------------------

    def rebalance(self, pair: str, amount: float, now: datetime) -> Rebalance:
        """Return what the newest candle asks of a position of `amount` base units.

        Everything is valued at the candle's close, so the answer is the same until the next one,
        as it is in a backtest. A forecast that is not trusted, or a hazard that is unknown or over
        its limit, lets nothing grow. Volatility that is not known leaves the position as it is.

        Raises
        ------
        NoForecastError
            If no analysed candle is fresh.
        InputError
            If there is no equity, or an open position has no price.
        """
        row = self._row(pair, now)
        close = float(row["close"])
        state = self._account(pair, close)
        equity = self._usable_quote(state.equity_quote)
        held = amount * close / equity
        target, width, why = self._wanted(row, self._cap(pair, state))
        frame = DataFrame([row])
        grows = bool(self._trusted(frame)[0] and self._calm(frame)[0])
        wanted = rebalanced(np.array([held]), target, width, grows)
        return Rebalance(
            closed=row["date"].to_pydatetime() + timedelta(milliseconds=self.candle_ms),
            held=held, wanted=float(wanted[0]), equity_quote=equity, reason=why,
        )  # fmt: skip

    def _wanted(self, row: Series, cap: float) -> tuple[FloatArray, FloatArray, str]:
        """Return the target exposure and the band around it, (1,) each, and both in words."""
        sigma = np.array([float(row[columns.SIGMA])])
        day = daily_volatility(sigma, self.labels.horizon_candles, self.candle_ms)
        target = target_exposure(day, self.target, cap)
        if not self._calm(DataFrame([row]), unknown=True)[0]:  # NaN: no danger, and no growth
            target = target * self.target.cascade_keep_frac
        width = no_trade_width(target, self.target)
        return target, width, f"volatility {day[0]:.2%} a day, target {target[0]:.3f} of equity"

    def _cap(self, pair: str, state: Exposure) -> float:
        """Return the exposure the limits leave room for: a target beyond it is never reached."""
        limits = self.limits
        worst = hour_of(state, pair).against(1)
        room = FOR_ENTRIES * limits.worst_hour_loss_frac / worst
        return min(limits.max_gross_leverage, limits.max_net_leverage, room)

    # -- orders ---------------------------------------------------------------------------------

    @on_error_return(1.0)
    @timed("guards")
    def leverage(
        self, pair: str, current_time: datetime, current_rate: float, proposed_leverage: float,
        max_leverage: float, entry_tag: str | None, side: str, **kwargs: Any,
    ) -> float:  # fmt: skip
        """Return the configured leverage, less where volatility or the limits ask for less."""
        most = super().leverage(
            pair=pair, current_time=current_time, current_rate=current_rate,
            proposed_leverage=proposed_leverage, max_leverage=max_leverage, entry_tag=entry_tag,
            side=side, **kwargs,
        )  # fmt: skip
        return float(min(self.target.leverage, most))

    @on_error_return(0.0)
    def custom_stake_amount(
        self, pair: str, current_time: datetime, current_rate: float, proposed_stake: float,
        min_stake: float | None, max_stake: float, leverage: float, entry_tag: str | None,
        side: str, **kwargs: Any,
    ) -> float:  # fmt: skip
        if self._no_new_risk(pair, side, current_rate):
            return 0.0
        self.guarding.leverage[pair] = leverage
        target = self._opening(pair, current_rate, current_time)
        stake, why = self._allowed(pair, target, leverage, max_stake, current_rate, current_time)
        return self._large_enough(pair, side, current_rate, stake, leverage, min_stake, why)

    def _opening(self, pair: str, rate: float, now: datetime) -> float:
        """Return the notional a new position is to have: the target itself, not the band's edge."""
        self._require_openable(pair, now)
        state, row = self._account(pair, rate), self._row(pair, now)
        target, _, _ = self._wanted(row, self._cap(pair, state))
        return float(target[0]) * self._usable_quote(state.equity_quote)

    def _require_openable(self, pair: str, now: datetime) -> None:
        """Raise without a fresh, trusted forecast, or where a cascade is to be feared."""
        super()._require_openable(pair, now)
        if not self._calm(DataFrame([self._row(pair, now)]))[0]:
            raise NoForecastError(f"the hazard of a cascade in {pair} is over its limit or unknown")

    def _allowed(
        self, pair: str, notional: float, leverage: float, max_stake: float, rate: float,
        now: datetime,
    ) -> tuple[float, str]:  # fmt: skip
        """Return the stake of as much of `notional` as the guards let through, and why."""
        if not notional > 0:
            return 0.0, "the target itself is nothing"
        decision = self.guarding.decide(pair, "long", notional, rate, now)
        if decision.notional_quote < notional:
            logger.info("%s: %s", pair, decision.reason)
        return min(decision.notional_quote / leverage, max_stake), decision.reason

    def _objection(
        self, pair: str, side: str, amount: float, rate: float, current_time: datetime
    ) -> str:
        """Refuse a short, whoever asks for it; raise without a fresh, trusted forecast."""
        if side != "long":
            return "a target risk is held long"
        return super()._objection(pair, side, amount, rate, current_time)

    @on_error_return(None)
    def adjust_trade_position(
        self, trade: Trade, current_time: datetime, current_rate: float, current_profit: float,
        min_stake: float | None, max_stake: float, **kwargs: Any,
    ) -> float | tuple[float, str] | None:  # fmt: skip
        """Close in stages what the guards want closed; else move to the band, once a candle."""
        least = min_stake or 0.0
        closing = self._staged(trade, current_rate, least, current_time)
        if closing > 0:
            return -closing
        if trade.has_open_orders:
            return None
        plan = self.rebalance(trade.pair, trade.amount, current_time)
        if _has_traded_since(trade, plan.closed):
            return None
        change, held = plan.change_quote, plan.held * plan.equity_quote
        if change > 0:
            stake = self._added(trade, change, max_stake, least, current_rate, current_time)
            return None if stake is None else (stake, plan.reason)
        share = _share_to_close(-change, held, least * trade.leverage)
        if not share > 0:
            return None
        self._note_reduction(trade, current_rate, share, current_time)
        return -share * trade.stake_amount, plan.reason

    def _added(
        self, trade: Trade, notional: float, max_stake: float, least: float, rate: float,
        now: datetime,
    ) -> float | None:  # fmt: skip
        """Return the stake to add, as much of `notional` as guards and exchange allow."""
        pair = trade.pair
        self.guarding.leverage[pair] = trade.leverage
        stake, _ = self._allowed(pair, notional, trade.leverage, max_stake, rate, now)
        if stake < least or not stake > 0:
            return None
        return self.grown(trade, stake, rate, now)

    # -- why not, in words ----------------------------------------------------------------------

    def grows(self, pair: str) -> bool:
        """An open position follows its target."""
        return True

    def forecast_words(self, row: Series) -> str:
        """Return the forecast of volatility for a person."""
        sigma = np.array([float(row.get(columns.SIGMA, np.nan))])
        day = daily_volatility(sigma, self.labels.horizon_candles, self.candle_ms)
        return f"volatility {day[0]:.2%} a day" if np.isfinite(day[0]) else "no volatility"

    def forecast_stop(self, pair: str, row: Series, now: datetime) -> EntryStop | None:
        """Return why the position is not made larger: no trust, an alarm, or the target itself."""
        if not self._trusted(DataFrame([row]))[0]:
            return self.distrusted(row)
        if not self._calm(DataFrame([row]))[0]:
            return EntryStop(
                rule=EntryRule.HAZARD,
                why="the hazard of a cascade is over its limit or unknown",
                change="an alarm that is wrong more often than "
                f"{self.decision.false_alarms_per_week:g} times a week",
            )
        trades = [trade for trade in Trade.get_open_trades() if trade.pair == pair]
        if not trades:
            return None
        plan = self.rebalance(pair, trades[0].amount, now)
        if plan.change_quote > 0 and not _has_traded_since(trades[0], plan.closed):
            return None
        return EntryStop(
            rule=EntryRule.HELD,
            why=f"{plan.held:.3f} of equity is held, and the band around the target reaches no "
            f"further up: {plan.reason}",
            change="a calmer market, or a smaller position than the band allows",
        )  # fmt: skip

    # -- the far stop, and leaving --------------------------------------------------------------

    @on_error_return(None)
    def custom_stoploss(
        self, pair: str, trade: Trade, current_time: datetime, current_rate: float,
        current_profit: float, after_fill: bool, **kwargs: Any,
    ) -> float | None:  # fmt: skip
        """Follow a rising price at `stop_frac` below it; never back down.

        It is for the day the bot is dead: sizes are what keeps losses small. A position that was
        stopped out is opened anew at the next close that has a trusted forecast.
        """
        wanted = current_rate * (1 - self.target.stop_frac)
        first = trade.initial_stop_loss_pct is None or trade.stop_loss <= trade.initial_stop_loss
        step = 0.0 if first else _STEP * current_rate
        if wanted <= trade.stop_loss + step:
            return None
        return self.target.stop_frac * float(trade.leverage)

    @on_error_return(None)
    def custom_exit(
        self, pair: str, trade: Trade, current_time: datetime, current_rate: float,
        current_profit: float, **kwargs: Any,
    ) -> str | None:  # fmt: skip
        """Hold for as long as there is a target; a forecast here is no reason to leave."""
        return None


def _has_traded_since(trade: Trade, closed: datetime) -> bool:
    """Return whether the trade has an entry or exit of this candle, filled or not.

    Its stops do not count: one that follows the price is placed anew many times a day.
    """
    for order in reversed(trade.orders):
        if order.order_date_utc < closed:
            return False
        if order.ft_order_side != "stoploss":
            return True
    return False


def _share_to_close(notional: float, held: float, least: float) -> float:
    """Return the share of a position to close: no order too small, and no crumb left behind.

    Examples
    --------
    >>> [_share_to_close(n, 100.0, 10.0) for n in (0.0, 25.0, 4.0, 95.0, 200.0)]
    [0.0, 0.25, 0.1, 1.0, 1.0]
    """
    if not notional > 0:
        return 0.0
    closed = max(notional, least)
    return 1.0 if held - closed < least else closed / held


def _require_one_pair(config: Mapping[str, Any]) -> None:
    """Raise ConfigError where the target risk would be taken more than once."""
    pairs = (config.get("exchange") or {}).get("pair_whitelist") or []
    if len(pairs) > 1:
        raise ConfigError(
            f"expected one pair, got {len(pairs)}: each would be given the whole target risk",
            where="exchange.pair_whitelist",
            cure="list one pair, or run one bot a pair with its part of target_risk",
        )


# A position that is adjusted for years has thousands of orders, copied for each call of a hook.
for _hook in ("adjust_trade_position", "custom_stoploss", "custom_exit"):
    spare_the_copy(VolatilityTargetStrategy, _hook)
