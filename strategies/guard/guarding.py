"""Keeps what the guards need between hooks, asks them, and carries out what they demand.

`models.trade.risk` decides; this translates. A backtest has no exchange to ask, no second price and
no person to re-arm: guards that need one are not applicable there (`models.trade.risk.run.GUARDS`).
"""

from __future__ import annotations

import logging
import math
import secrets
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from freqtrade.exceptions import FreqtradeException
from freqtrade.persistence import Trade
from pandas import DataFrame

from models.base.errors import InputError
from models.base.files import write_atomic
from models.base.units import DAY_MS
from models.data.feeds.agreement import SourceAgreement
from models.operate.control.state import GuardActor
from models.operate.journal.chain import JournalEntry
from models.operate.journal.records import Incident
from models.trade.account.tiers import MarginTiers
from models.trade.risk import model
from models.trade.risk.limits import GuardConfig, HardLimits, Limits, jittered
from models.trade.risk.losses import LossState, Transfer
from models.trade.risk.recall import decision_key, reducing_orders, sent_orders, unanswered
from models.trade.risk.reconciliation import Books, differences, lost_entries
from models.trade.risk.reduction import next_step
from models.trade.risk.run import GUARDS, Guard, Standing, decide_order, watch
from models.trade.risk.snapshot import (
    ExchangeAccount,
    Exposure,
    Intent,
    MarketState,
    ModelHealth,
    SentOrder,
    Snapshot,
    Stage,
)
from models.trade.risk.verdict import Demand, RiskDecision
from strategies.account.exchange_account import read_transfers, resting_orders
from strategies.account.market_view import MarketView
from strategies.account.snapshot import (
    books_of,
    candle_market,
    exposure_of,
    model_health,
    pending_of,
)
from strategies.account.tiers import load_binance_tiers
from strategies.bot.frames import candles
from strategies.bot.stops import protect
from strategies.fast.answers import when_executed, when_taken
from strategies.fast.beforehand import Beforehand
from strategies.guard.acknowledgement import may_isolate
from strategies.guard.adoption import adopt_exits, reopen_exit
from strategies.guard.loss_book import LossBook
from strategies.guard.reconciling import Reconciler
from strategies.guard.second_source import SecondSource
from strategies.human.control import Control

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

_BLIND_MS: Final = 60_000  # the exchange's account is asked for every few seconds


class Guarding:
    """The guards of one strategy.

    Parameters
    ----------
    strategy
        Whose data provider, wallets, labels and decision settings are read when asked.
    hard, soft
        Limits as configured; soft ones are jittered outside backtests.
    stage
        Where the bot runs.
    control
        None in a backtest.
    guards
        Those that apply to the strategy's orders.
    """

    def __init__(
        self,
        strategy: Any,
        *,
        hard: HardLimits,
        soft: GuardConfig,
        stage: Stage,
        control: Control | None,
        guards: Sequence[Guard] = GUARDS,
    ) -> None:
        self._strategy, self._stage, self._control = strategy, stage, control
        self._guards = guards
        seed = None if control is None else installation_seed(control.store.folder)
        self.limits = Limits(hard=hard, soft=jittered(soft, seed))
        self.leverage: dict[str, float] = {}  # pair -> what Freqtrade was told last
        self._view: MarketView | None = None
        self._beforehand: Beforehand | None = None
        # A kill -9 forgets neither what was sent nor what may have been executed since.
        journal = [] if control is None else _last_day(control)
        self._sent: deque[SentOrder] = deque(sent_orders(journal))
        self._approved = unanswered(journal)  # pair -> signed amount of the last entry
        self._losses = None if control is None else LossBook(control.store.folder)
        self._books = Reconciler(strategy) if stage is Stage.LIVE else None
        # Pair -> when its last reducing order was let through.
        self._leaving = reducing_orders(journal)
        self._targets: dict[str, float] = {}  # pair -> amount to get down to
        self._next_step_ms: dict[str, int] = {}
        self._shed_pairs: dict[str, float] = {}  # pair -> share the position guards want closed
        self._shed_all = 0.0
        self._said: dict[str, str] = {}

    # -- new risk -----------------------------------------------------------------------------

    def decide(
        self, pair: str, side: str, notional: float, price: float, now: datetime
    ) -> RiskDecision:
        """Return how much of an order for new risk may be sent; never raises for a broken input."""
        sign = -1 if side == "short" else 1
        key = _known("the decision's candle", lambda: self._key(pair, side))
        order = Intent(
            pair=pair, side=sign, notional_quote=notional, leverage=self.leverage.get(pair),
            price=price, key=key or "",
        )  # fmt: skip
        market = _known(f"the market of {pair}", lambda: self._market(pair, now))
        mark = price if market is None or market.mark is None else market.mark
        snapshot = Snapshot(
            now_ms=_ms(now),
            stage=self._stage,
            intent=order,
            exposure=_known("the account", lambda: self.exposure(pair, mark)),
            market=market,
            model=self._model_seen(pair, sign),
            sent=self._recent(_ms(now)),
            losses=self.losses,
            control_mode=None if self._control is None else self._control.store.read().mode,
            differences=_known("the exchange's books", lambda: self._differences_of(pair)),
            exchange=self.exchange,
            second=self._second(pair),
        )
        decision = decide_order(snapshot, self.limits, self._guards)
        self._obey(decision)
        return decision

    def sent(self, pair: str, side: str, amount: float, now: datetime) -> None:
        """Remember an order that was let through; `amount` in base units."""
        sign = -1 if side == "short" else 1
        key = self._key(pair, side)
        self._approved[pair] = sign * amount
        self._quotes().forget(pair)
        self._answered(when_taken)
        self._sent.append(SentOrder(time_ms=_ms(now), pair=pair, side=sign, key=key))
        self._look_soon()

    def leaving(self, pair: str) -> None:
        """Note that an order that reduces `pair` is about to be sent; the next loop looks after it.

        Sent a second time because the first answer was lost, it would reduce twice.
        """
        self._answered(when_executed)
        if self._beforehand is not None:
            self._beforehand.ordered()
        if self._control is not None:
            self._leaving[pair] = self._control.clock()
            self._look_soon()

    def _answered(self, when: Callable[[Any], None]) -> None:
        if self._stage is Stage.LIVE:
            when(self._strategy.dp._exchange)

    def _look_soon(self) -> None:
        """Let the next loop see whether the answer to an order was lost."""
        if self._books is not None:
            self._books.hurry()

    def look_ahead(self, pairs: Sequence[str]) -> None:
        """Ask just before a candle closes for what its orders need, off the way to them."""
        if self._stage is not Stage.BACKTEST:
            self._quotes().look_ahead(pairs, books=self._stage is Stage.LIVE)
        if self._stage is Stage.LIVE:
            if self._beforehand is None:
                self._beforehand = Beforehand(self._strategy.dp._exchange, self._strategy.wallets)
            self._beforehand.look_ahead(pairs)

    # -- standing: positions and the account ------------------------------------------------------

    def loop(self, now: datetime) -> None:
        """Look after open positions: losses, margin, books, feeds, and what must be closed."""
        if self._control is None:
            return
        self._answered(when_executed)
        trades, now_ms = Trade.get_open_trades(), _ms(now)
        exposure = _known("the account", self.exposure)
        ratio = _known("the margin ratio", lambda: exposure and _own_ratio(exposure))
        odd = _known("the exchange's books", lambda: self._reconcile(trades, now_ms, ratio))
        account = Snapshot(
            now_ms=now_ms, stage=self._stage, exposure=exposure, differences=odd,
            losses=_known("the losses", lambda: self._observe(exposure, now_ms)),
            exchange=self.exchange,
        )  # fmt: skip
        seen = watch(account, self.limits, Standing.ACCOUNT, self._guards)
        self._obey(seen)
        flatten = self._control.store.read().flatten is not None
        self._shed_all = 1.0 if flatten else seen.shed_frac
        self._shed_pairs = {}
        for trade in trades:
            self._shed_pairs[trade.pair] = self._watch_position(trade, now).shed_frac
        self._targets = {p: t for p, t in self._targets.items() if self._shed(p) > 0}

    def _watch_position(self, trade: Any, now: datetime) -> RiskDecision:
        pair, sign = trade.pair, -1 if trade.is_short else 1
        position = Snapshot(
            now_ms=_ms(now), stage=self._stage,
            market=_known(f"the market of {pair}", lambda: self._market(pair, now)),
            model=self._model_seen(pair, sign),
        )  # fmt: skip
        seen = watch(position, self.limits, Standing.POSITION, self._guards)
        self._obey(seen, trade.pair)
        return seen

    def reduction_quote(
        self, trade: Any, rate: float, smallest_quote: float, now: datetime
    ) -> float:
        """Return the notional of `trade` to close now, in a staged way; 0 for none."""
        share, pair = self._shed(trade.pair), trade.pair
        if share <= 0 or _ms(now) < self._next_step_ms.get(pair, 0):
            return 0.0
        target = self._targets.setdefault(pair, trade.amount * (1 - share))
        closed = _known(f"the volume of {pair}", lambda: self._candle_market(pair, now))
        step = next_step(
            now_ms=_ms(now),
            held_quote=trade.amount * rate,
            target_quote=target * rate,
            volume_1h_quote=None if closed is None else closed.volume_1h_quote,
            max_volume_frac=self.limits.soft.step_volume_frac,
            smallest_quote=smallest_quote,
        )
        self._next_step_ms[pair] = step.next_ms
        return step.notional_quote

    def _shed(self, pair: str) -> float:
        return max(self._shed_all, self._shed_pairs.get(pair, 0.0))

    @property
    def exchange(self) -> ExchangeAccount | None:
        """The exchange's own count of the account as of its last answer; live only."""
        return None if self._books is None else self._books.account

    @property
    def losses(self) -> LossState | None:
        """What has been lost since when, as of the last loop; None before it."""
        return None if self._losses is None else self._losses.state

    # -- what the guards read -----------------------------------------------------------------

    def exposure(self, pair: str = "", rate: float = 0.0) -> Exposure:
        """Return the account at the newest prices known, `pair` at `rate`."""
        strategy = self._strategy
        if strategy.wallets is None:
            raise InputError("Freqtrade has not provided its wallets")
        trades = Trade.get_open_trades()
        prices = {pair: rate} if pair else {}
        for trade in trades:
            if trade.pair not in prices:
                prices[trade.pair] = self._price(trade.pair)
        return exposure_of(
            strategy.wallets.get_total(strategy.config["stake_currency"]),
            trades,
            prices,
            self._tiers(prices),
            isolated=may_isolate(strategy.config),
        )

    def _price(self, pair: str) -> float:
        if self._stage is not Stage.BACKTEST:
            mark = self._mark(pair)
            if mark is not None:
                return mark
        return float(self._frame(pair)["close"].iloc[-1])

    def _mark(self, pair: str) -> float | None:
        """Return the mark price; while the exchange is silent, what fail-over allows instead."""
        try:
            return self._quotes().market(pair).mark
        except FreqtradeException:
            source = self._source
            if source is None or not source.config.fail_over:
                raise
            return source.last_close(pair)

    @property
    def _source(self) -> SecondSource | None:
        return getattr(self._strategy, "second_source", None)

    def _second(self, pair: str) -> SourceAgreement | None:
        """Return how the second source agrees as far as it has told; None if it has not."""
        if self._source is None:
            return None
        try:
            return self._source.compare(pair, candles(self._frame(pair)))
        except InputError:
            return None

    def sources(self, pair: str, now: datetime) -> tuple[str, SourceAgreement | None]:
        """Return why the second source forbids new risk in `pair`, if so, and the comparison."""
        seen = self._second(pair)
        snapshot = Snapshot(
            now_ms=_ms(now),
            stage=self._stage,
            market=MarketState(candle_s=self._candle_s),
            second=seen,
        )
        return watch(snapshot, self.limits, Standing.SOURCE, self._guards).reason, seen

    def _tiers(self, pairs: Mapping[str, float]) -> dict[str, MarginTiers]:
        if self._stage is Stage.LIVE:
            return self._quotes().tiers(pairs)
        return load_binance_tiers(pairs)

    def _candle_market(self, pair: str, now: datetime) -> MarketState:
        return candle_market(self._frame(pair), now, self._candle_s)

    def _market(self, pair: str, now: datetime) -> MarketState:
        candles = self._candle_market(pair, now)
        if self._stage is Stage.BACKTEST:
            return candles
        return replace(
            self._quotes().market(pair),
            volume_1h_quote=candles.volume_1h_quote,
            candle_age_s=candles.candle_age_s,
            candle_s=candles.candle_s,
        )

    def _model_seen(self, pair: str, sign: int) -> ModelHealth | None:
        if not any(guard.check.__module__ == model.__name__ for guard in self._guards):
            return None
        return _known(f"the model of {pair}", lambda: self._model(pair, sign))

    def _model(self, pair: str, sign: int) -> ModelHealth:
        strategy = self._strategy
        return model_health(
            self._frame(pair),
            sign,
            horizon_candles=strategy.labels.horizon_candles,
            candle_s=self._candle_s,
            without=strategy.decision.without,
            latency_ms=self._latency_ms(),
        )

    def _latency_ms(self) -> float | None:
        watch = self._strategy.stopwatch
        whole = None if watch is None else watch.summary.whole
        return None if whole is None else whole.p99

    def _recent(self, now_ms: int) -> tuple[SentOrder, ...]:
        while self._sent and now_ms - self._sent[0].time_ms >= DAY_MS:
            self._sent.popleft()
        return tuple(self._sent)

    def _observe(self, exposure: Exposure | None, now_ms: int) -> LossState | None:
        """Fold in the open equity: live the exchange's own, which comes with its transfers."""
        book, account = self._losses, self.exchange
        if book is None:
            return None
        if account is None or now_ms - account.time_ms >= _BLIND_MS:
            equity = None if exposure is None else exposure.equity_quote
            return equity and book.observe(now_ms, equity, self._armed_ms())
        if account.time_ms != now_ms:  # not asked for in this loop
            return book.state
        transfers = None
        if book.asks(account.wallet_quote):
            transfers = _known("deposits and withdrawals", lambda: self._transfers(book, now_ms))
        return book.observe(
            now_ms, account.equity_quote, self._armed_ms(), transfers, account.wallet_quote
        )

    def _transfers(self, book: LossBook, now_ms: int) -> list[Transfer]:
        stake = self._strategy.config["stake_currency"]
        return read_transfers(self._strategy.dp._exchange, stake, book.since_ms(now_ms), now_ms)

    def _armed_ms(self) -> int:
        """Return when a person last resumed."""
        if self._control is None:
            return 0
        state = self._control.store.read()
        return state.since_ms if state.may_add_risk else 0

    def _differences_of(self, pair: str) -> tuple[str, ...]:
        """Return what the exchange holds of `pair` that the books do not."""
        if self._stage is not Stage.LIVE:
            return ()
        if self._books is not None and self._books.unanswered:
            raise InputError(f"the exchange does not tell its {', '.join(self._books.unanswered)}")
        trades = [t for t in Trade.get_open_trades() if t.pair == pair]
        return differences(books_of(trades), self._quotes().books(pair), pending_of(trades))

    def _reconcile(self, trades: list[Any], now_ms: int, ratio: float | None) -> Any:
        """Return the differences that have lasted longer than a fill takes to be noticed."""
        if self._books is None:
            return ()

        def found(theirs: Books, ours: Books) -> None:
            self._protect_lost(theirs, ours)
            self._book_lost(trades, theirs, ours)

        return self._books.turn(
            trades, now_ms, armed_ms=self._armed_ms(), computed_ratio=ratio,
            found=found, left=self._note_leftover,
        )  # fmt: skip

    def booked(self, pair: str, order: Any, now: datetime) -> None:
        """Remember a fill that Freqtrade has written down."""
        if self._books is not None:
            self._books.booked(pair, order, _ms(now))

    def _protect_lost(self, theirs: Books, ours: Books) -> None:
        """Stop a position whose entry was executed and never answered; a person sees to the rest.

        Freqtrade does not know of it and never will.
        """
        frac, exchange = self._strategy.sizing.max_stop_frac, self._strategy.dp._exchange
        for pair, amount in lost_entries(theirs, ours, self._approved):
            mark = self._quotes().market(pair).mark
            if mark is None or self._control is None:
                continue
            ask = partial(resting_orders, exchange, [pair])
            stops = _known(f"the orders of {pair}", ask) or []
            if sum(order.amount for order in stops if order.is_bots_stop) < abs(amount):
                protect(exchange, pair, amount, mark, frac)
            del self._approved[pair]
            what = f"{pair}: an entry of {amount:g} was executed and its answer lost"
            self._control.record("entry.lost", Incident(what=what, done="stopped at the exchange"))

    def _note_leftover(self, what: str) -> None:
        if self._control is not None:
            self._control.record("stop.left", Incident(what=what, done="cancelled"))

    def _book_lost(self, trades: list[Any], theirs: Books, ours: Books) -> None:
        """Give trades the exits that were executed and that they have not heard of."""
        for trade in trades:
            asked_ms, pair = self._leaving.get(trade.pair), trade.pair
            missing = abs(ours.positions[pair]) - abs(theirs.positions.get(pair, 0.0))
            if asked_ms is None or self._control is None or missing <= 0:
                continue
            exchange = self._strategy.dp._exchange
            for what in reopen_exit(trade, missing) or adopt_exits(
                trade, exchange, asked_ms, missing
            ):
                self._control.record("exit.lost", Incident(what=what, done="found and booked"))

    def _quotes(self) -> MarketView:
        if self._view is None:
            clock = self._control.clock if self._control is not None else _no_clock
            self._view = MarketView(self._strategy.dp, clock)
        return self._view

    def _frame(self, pair: str) -> DataFrame:
        frame, _ = self._strategy.dp.get_analyzed_dataframe(pair, self._strategy.timeframe)
        if frame.empty:
            raise InputError(f"no analysed candles for {pair}")
        return frame

    def _key(self, pair: str, side: str) -> str:
        """Return the name of the decision on the newest candle: one order each."""
        return decision_key(pair, side, _ms(self._frame(pair)["date"].iloc[-1]))

    @property
    def _candle_s(self) -> float:
        return float(self._strategy.candle_ms / 1000)

    # -- consequences -------------------------------------------------------------------------

    def _obey(self, decision: RiskDecision, pair: str = "") -> None:
        """Carry out demands through control; say what is new once."""
        if self._control is None:
            return
        for finding in decision.findings:
            guard = GuardActor(finding.guard)
            if finding.demand is Demand.HALTED:
                self._control.store.halt(guard, finding.reason)
            elif finding.demand is Demand.REDUCING:
                self._control.store.reduce(guard, finding.reason)
            elif finding.demand is Demand.WARN:
                self._warn(f"{finding.guard} {pair}".strip(), finding.reason)

    def _warn(self, who: str, reason: str) -> None:
        kind = "".join(c for c in reason if not c.isdigit())  # the same warning with another age
        if self._control is not None and self._said.get(who) != kind:
            self._said[who] = kind
            logger.warning("%s: %s", who, reason)
            self._control.record("guard.warned", Incident(what=f"{who}: {reason}"))


def installation_seed(folder: Path) -> int:
    """Return the secret number of this installation, drawn at its first start.

    Raises
    ------
    InputError
        If there is one and it is not a number.
    """
    path = folder / "seed"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(path, str(secrets.randbits(64)).encode())
    try:
        return int(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(
            f"expected a whole number, got {error}", where=str(path), cure="remove the file"
        ) from error


def _own_ratio(exposure: Exposure) -> float:
    return exposure.account.margin_ratio(exposure.marks)


def _known(what: str, ask: Callable[[], _T]) -> _T | None:
    """Return the answer, or None if there is none: unknown, which refuses new risk."""
    try:
        return ask()
    except Exception as error:  # noqa: BLE001 - of whatever kind, it is not known
        logger.warning("%s cannot be had: %s", what, error)
        return None


def _last_day(control: Control) -> list[JournalEntry]:
    return control.journal.entries(since_ms=control.clock() - DAY_MS)


def _ms(now: datetime) -> int:
    return math.floor(now.timestamp() * 1000)


def _no_clock() -> int:
    raise InputError("a backtest has no clock")
