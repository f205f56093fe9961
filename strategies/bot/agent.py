"""AgentStrategy: holds the position an agent names, with its stop, as the agent's market does.

The agent (`PPOForecaster`, `A2CForecaster`) answers at each close with an action for every position
it could hold; the bot looks up the one it does hold. Entries and growth pass all guards, and what a
guard cuts is cut; leaving and reducing pass none. `models.learn.agents.account` has the rules, and
`tests/test_integration/test_agent_market.py` holds both to the same fills.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from freqtrade.exchange import timeframe_to_msecs
from freqtrade.persistence import Order, Trade
from pandas import DataFrame, Series

from models.base import columns
from models.base.entry import EntryRule, EntryStop
from models.base.errors import ConfigError
from models.base.policy import NO_CHOICE, entry_side, unpacked_policy
from models.base.types import BoolArray, FloatArray, IntArray
from models.base.units import HOUR_MS
from models.data.labels.ahead import ahead_funding
from strategies.account.agent_positions import agent_positions_of
from strategies.bot import frames
from strategies.bot.fail_closed import on_error_return, refusing_to_start
from strategies.bot.forecast import AT_ONCE, ForecastStrategy
from strategies.bot.market_data import MARK_TIMEFRAME
from strategies.bot.stages import timed

logger = logging.getLogger(__name__)

_TAG: Final = "agent"
_LEAVES, _TURNS, _BLIND = "agent leaves", "agent turns", "agent is blind"
_POSITION, _DECIDED, _STOP = "agent_position", "agent_decided_ms", "stop_frac"  # kept by a trade
_SPARE: Final = 1.25  # margin of the largest position over its stake


@dataclass(frozen=True)
class _Named:
    """A position the agent has named, until its order is filled."""

    position: int
    closed_ms: int  # close of the candle it was decided on
    stop_frac: float

    @property
    def tag(self) -> str:
        return f"{_TAG} {self.position}"


class AgentStrategy(ForecastStrategy):
    """Base of the strategies that hold what an agent of the pack names."""

    can_short = True

    def __init__(self, config: dict[str, Any]) -> None:
        with refusing_to_start():
            self.positions = agent_positions_of(config)
            self.require_settings(config)
        super().__init__(config)
        self._named: dict[str, _Named] = {}  # pair -> what its next fill makes of the position
        self._anchors: dict[str, float] = {}  # pair -> price of a fill the stop has yet to follow

    def require_settings(self, config: Mapping[str, Any]) -> None:
        """As ever; one pair, candles of at most an hour, and positions that can be."""
        super().require_settings(config)
        agent_positions_of(config)
        _require_one_market(config, self.timeframe)

    # -- what training is told beside the labels ------------------------------------------------

    def set_freqai_targets(
        self, dataframe: DataFrame, metadata: dict[str, Any], **kwargs: Any
    ) -> DataFrame:
        """Labels, and the funding of the candle ahead; NaN where it is not known."""
        frame = super().set_freqai_targets(dataframe, metadata, **kwargs)
        return frame.assign(**{columns.AHEAD_FUNDING: self._funding(frame, metadata["pair"])})

    def _funding(self, frame: DataFrame, pair: str) -> FloatArray:
        """Return `ahead_funding` of the payments on disk, where a download left them, live as well.

        Not asked of the exchange as informative candles are: the loop would wait for them.
        """
        rates, marks = (
            self.dp.historic_ohlcv(pair, MARK_TIMEFRAME, candle_type=kind)
            for kind in ("funding_rate", "mark")
        )
        if rates.empty or marks.empty:
            logger.warning("%s: no funding on disk; the agent's market has none", pair)
            return np.full(len(frame), np.nan)
        name = "funding_rate" if "funding_rate" in rates else "open"
        paid = rates[["date", name]].rename(columns={name: "rate"})
        both = paid.merge(marks[["date", "open"]], on="date")
        return ahead_funding(
            frames.candles(frame), self.candle_ms, frames.time_ms(both),
            both["rate"].to_numpy(np.float64), both["open"].to_numpy(np.float64),
        )  # fmt: skip

    # -- signals: the one side a row may be entered on ------------------------------------------

    @timed("decision")
    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        choices = self._choices(dataframe)
        self._require_an_agent(dataframe, choices)
        side = entry_side(choices)
        dataframe["enter_long"] = (side > 0).astype(int)
        dataframe["enter_short"] = (side < 0).astype(int)
        dataframe["enter_tag"] = np.array([None, _TAG], dtype=object)[np.abs(side)]
        return dataframe

    @timed("decision")
    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        """Leave by `custom_exit` alone: it depends on what is held."""
        dataframe["exit_long"] = dataframe["exit_short"] = 0
        return dataframe

    def _choices(self, frame: DataFrame) -> IntArray:
        """Return the action for each position held, (N, K); none where no forecast is trusted."""
        table = unpacked_policy(
            frame[columns.POLICY].to_numpy(np.float64), len(self.positions.targets)
        )
        return np.where(_trusted(frame)[:, None], table, NO_CHOICE)

    def _require_an_agent(self, frame: DataFrame, choices: IntArray) -> None:
        """Raise where a model forecasts and names no position: it would be held flat for ever."""
        if not _trusted(frame).any() or (choices != NO_CHOICE).any():
            return
        with refusing_to_start():
            raise ConfigError(
                f"expected a model that names one of {len(self.positions.targets)} positions, got "
                "forecasts without any",
                where="--freqaimodel",
                cure="use PPOForecaster or A2CForecaster, trained with this config's leverages",
            )

    # -- what the agent names -------------------------------------------------------------------

    def _closed_ms(self, row: Series) -> int:
        return int(row["date"].timestamp() * 1000) + self.candle_ms

    def _chosen(self, row: Series, held: int) -> int:
        return int(self._choices(DataFrame([row]))[0, held])

    def _name(self, pair: str, row: Series, position: int) -> _Named:
        stop = self.positions.stop_frac(position, float(row[columns.SIGMA]))
        self._named[pair] = _Named(position, self._closed_ms(row), stop)
        return self._named[pair]

    def _held(self, trade: Trade, rate: float) -> int:
        """Return which position a trade is; the nearest, of one nobody has named."""
        known = trade.get_custom_data(_POSITION)
        if known is not None and 0 <= int(known) < len(self.positions.targets):
            return int(known)
        held = (
            trade.amount * rate / self._usable_quote(self._account(trade.pair, rate).equity_quote)
        )
        return self.positions.nearest(-held if trade.is_short else held)

    def _held_before(self, pair: str, row: Series) -> int | None:
        """Return what an entry on this row comes from: flat, or the position turned round.

        None where the row has been acted on already: a position stopped out, or closed by a person,
        since its close is opened anew at the next close at the earliest.
        """
        closed = row["date"].to_pydatetime() + timedelta(milliseconds=self.candle_ms)
        since = Trade.get_trades_proxy(
            pair=pair, is_open=False, close_date=closed - timedelta(milliseconds=1)
        )
        if not since:
            return self.positions.flat
        last = max(since, key=lambda trade: trade.close_date_utc)
        known = last.get_custom_data(_POSITION)
        return int(known) if last.exit_reason == _TURNS and known is not None else None

    def _acted_on(self, trade: Trade, row: Series) -> bool:
        decided_ms = trade.get_custom_data(_DECIDED)
        return decided_ms is not None and self._closed_ms(row) <= int(decided_ms)

    # -- orders ---------------------------------------------------------------------------------

    @on_error_return(1.0)
    @timed("guards")
    def leverage(
        self, pair: str, current_time: datetime, current_rate: float, proposed_leverage: float,
        max_leverage: float, entry_tag: str | None, side: str, **kwargs: Any,
    ) -> float:  # fmt: skip
        """Return just enough for the largest position, less where the limits ask for less."""
        most = super().leverage(
            pair=pair, current_time=current_time, current_rate=current_rate,
            proposed_leverage=proposed_leverage, max_leverage=max_leverage, entry_tag=entry_tag,
            side=side, **kwargs,
        )  # fmt: skip
        return float(min(math.ceil(_SPARE * self.positions.leverages[-1]), most))

    @on_error_return(0.0)
    def custom_stake_amount(
        self, pair: str, current_time: datetime, current_rate: float, proposed_stake: float,
        min_stake: float | None, max_stake: float, leverage: float, entry_tag: str | None,
        side: str, **kwargs: Any,
    ) -> float:  # fmt: skip
        if self._no_new_risk(pair, side, current_rate):
            return 0.0
        row = self._row(pair, current_time)
        held = self._held_before(pair, row)
        chosen = NO_CHOICE if held is None else self._chosen(row, held)
        target = 0.0 if chosen == NO_CHOICE else self.positions.targets[chosen]
        if not (target < 0 if side == "short" else target > 0):
            if entry_tag != _TAG:  # a person's idea; the row's own other reason is no news
                self.refuse_entry(pair, side, current_rate, f"the agent does not go {side} here")
            return 0.0
        named = self._name(pair, row, chosen)
        self._sized_stop[pair] = named.stop_frac
        notional = abs(target) * self._usable_quote(self._account(pair, current_rate).equity_quote)
        stake, why = self._allowed(
            pair, side, notional, leverage, max_stake, current_rate, current_time
        )
        return self._large_enough(pair, side, current_rate, stake, leverage, min_stake, why)

    def _allowed(
        self, pair: str, side: str, notional: float, leverage: float, max_stake: float,
        rate: float, now: datetime,
    ) -> tuple[float, str]:  # fmt: skip
        """Return the stake of as much of `notional` as the guards let through, and why."""
        self.guarding.leverage[pair] = leverage
        decision = self.guarding.decide(pair, side, notional, rate, now)
        if decision.notional_quote < notional:
            logger.info("%s %s: %s", pair, side, decision.reason)
        return min(decision.notional_quote / leverage, max_stake), decision.reason

    def _objection(
        self, pair: str, side: str, amount: float, rate: float, current_time: datetime
    ) -> str:
        """Refuse what the agent has not named; raise without a fresh, trusted forecast."""
        named = self._named.get(pair)
        target = 0.0 if named is None else self.positions.targets[named.position]
        if not (target < 0 if side == "short" else target > 0):
            return f"the agent has named no {side} position"
        return super()._objection(pair, side, amount, rate, current_time)

    @on_error_return(None)
    def adjust_trade_position(
        self, trade: Trade, current_time: datetime, current_rate: float, current_profit: float,
        min_stake: float | None, max_stake: float, **kwargs: Any,
    ) -> float | tuple[float, str] | None:  # fmt: skip
        """Close in stages what the guards want closed; else move to the size the agent names."""
        least = min_stake or 0.0
        closing = self._staged(trade, current_rate, least, current_time)
        if closing > 0:
            return -closing
        if trade.has_open_orders:
            return None
        pair, side = trade.pair, "short" if trade.is_short else "long"
        row, held = self._row(pair, current_time), self._held(trade, current_rate)
        chosen = NO_CHOICE if self._acted_on(trade, row) else self._chosen(row, held)
        target = 0.0 if chosen == NO_CHOICE else self.positions.targets[chosen]
        if chosen == held or target * (-1 if trade.is_short else 1) <= 0:
            return None
        now_quote = trade.amount * current_rate
        change = (
            abs(target) * self._usable_quote(self._account(pair, current_rate).equity_quote)
            - now_quote
        )
        if abs(change) < least * trade.leverage:
            return None
        if change > 0:
            stake, _ = self._allowed(
                pair, side, change, trade.leverage, max_stake, current_rate, current_time
            )
            if stake < least or not stake > 0:
                return None
            named = self._name(pair, row, chosen)
            grown = self.grown(trade, stake, current_rate, current_time)
            return None if grown is None else (grown, named.tag)
        named, share = self._name(pair, row, chosen), -change / now_quote
        self._note_reduction(trade, current_rate, share, current_time)
        return -share * trade.stake_amount, named.tag

    @on_error_return(None)
    def order_filled(
        self, pair: str, trade: Trade, order: Order, current_time: datetime, **kwargs: Any
    ) -> None:
        """Write a fill down; keep with its trade the position it made, and the stop of that.

        An order of the guards, or a person's, leaves both as they are.
        """
        super().order_filled(pair, trade, order, current_time)
        named = self._named.get(pair)
        first = trade.get_custom_data(_POSITION) is None
        if named is None or not (order.ft_order_tag == named.tag or first):
            return
        if order.ft_order_side == "stoploss":
            return
        trade.set_custom_data(_POSITION, named.position)
        trade.set_custom_data(_DECIDED, named.closed_ms)
        trade.set_custom_data(_STOP, named.stop_frac)
        self._anchors[pair] = float(order.safe_price)
        del self._named[pair]

    # -- why not, in words ------------------------------------------------------------------------

    def grows(self, pair: str) -> bool:
        """An open position follows what the agent names."""
        return True

    def forecast_stop(self, pair: str, row: Series, now: datetime) -> EntryStop | None:
        """Return that nothing more is named, or that nobody vouches for what the agent says."""
        if not _trusted(DataFrame([row]))[0]:
            return self.distrusted(row)
        trades = [trade for trade in Trade.get_open_trades() if trade.pair == pair]
        held = self._held(trades[0], float(row["close"])) if trades else self.positions.flat
        chosen, targets = self._chosen(row, held), self.positions.targets
        if chosen != NO_CHOICE and abs(targets[chosen]) > abs(targets[held]):
            return None
        named = "nothing" if chosen == NO_CHOICE else f"{targets[chosen]:+g}"
        why = f"the agent holds {targets[held]:+g} of equity and names {named}"
        change = "a candle on which the agent names a larger position"
        return EntryStop(rule=EntryRule.DIRECTION, why=why, change=change)

    # -- the stop, and leaving: never blocked ---------------------------------------------------

    @on_error_return(None)
    def custom_stoploss(
        self, pair: str, trade: Trade, current_time: datetime, current_rate: float,
        current_profit: float, after_fill: bool, **kwargs: Any,
    ) -> float | None:  # fmt: skip
        """Stand the named distance from the last fill the agent asked for, and stay there.

        Where the average entry leaves less to lose, Freqtrade takes the distance from there.
        """
        distance = trade.get_custom_data(_STOP)
        if after_fill and distance is not None and pair in self._anchors:
            side, price = -1 if trade.is_short else 1, self._anchors.pop(pair)
            if price != current_rate:  # live: the price has moved on since the fill
                distance = side * (1 - price * (1 - side * distance) / current_rate)
            return float(max(distance, AT_ONCE) * trade.leverage)
        if trade.stop_loss_pct != self.stoploss:
            return None
        # Still the last resort: what should have placed the stop has failed, or was before a start.
        stop: float | None = super().custom_stoploss(
            pair, trade, current_time, current_rate, current_profit, after_fill, **kwargs
        )
        return stop

    @on_error_return(None)
    def custom_exit(
        self, pair: str, trade: Trade, current_time: datetime, current_rate: float,
        current_profit: float, **kwargs: Any,
    ) -> str | None:  # fmt: skip
        """Leave where the agent names flat or the other side, or has long named nothing."""
        row = self._row(pair, current_time)
        if self._acted_on(trade, row):
            return None
        chosen = self._chosen(row, self._held(trade, current_rate))
        if chosen == NO_CHOICE:
            return _BLIND if self._is_blind(pair) else None
        target = self.positions.targets[chosen]
        if target * (-1 if trade.is_short else 1) > 0:
            return None
        return _TURNS if target else _LEAVES

    def _is_blind(self, pair: str) -> bool:
        """Whether no forecast was trusted for as long as a trade on one may last."""
        frame, _ = self.dp.get_analyzed_dataframe(pair, self.timeframe)
        recent = frame.iloc[-self.decision.max_hold_candles :]
        return bool((self._choices(recent) == NO_CHOICE).all())


def _trusted(frame: DataFrame) -> BoolArray:
    """Return where the model vouches for its forecast and volatility is known, (N,)."""
    sigma = frame[columns.SIGMA].to_numpy(np.float64)
    vouched = (frame["do_predict"] == 1) & (frame[columns.ABSTAIN] == 0)
    out: BoolArray = vouched.to_numpy() & np.isfinite(sigma) & (sigma > 0)
    return out


def _require_one_market(config: Mapping[str, Any], timeframe: str) -> None:
    """Raise ConfigError where the agent's market could not be the one that is traded."""
    pairs = (config.get("exchange") or {}).get("pair_whitelist") or []
    if len(pairs) > 1:
        raise ConfigError(
            f"expected one pair, got {len(pairs)}: each would be given the whole position",
            where="exchange.pair_whitelist",
            cure="list one pair, or run one bot a pair with its part of the leverages",
        )
    candle = config.get("timeframe") or timeframe
    if timeframe_to_msecs(candle) > HOUR_MS:
        raise ConfigError(
            f"expected candles of at most 1h, got {candle}: funding would fall inside them",
            where="timeframe",
            cure="use 1h or shorter",
        )
