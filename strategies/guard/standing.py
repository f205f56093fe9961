"""What stands: the account, open positions, losses, and the closing in stages the guards want."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from freqtrade.persistence import Trade

from models.base.errors import PackError
from models.operate.control.state import GuardActor
from models.operate.journal.records import Incident
from models.trade.risk.limits import Limits
from models.trade.risk.losses import LossState
from models.trade.risk.reduction import next_step
from models.trade.risk.run import Guard, Standing, watch
from models.trade.risk.snapshot import Exposure, Snapshot
from models.trade.risk.verdict import RiskDecision
from strategies.guard.consequences import Consequences
from strategies.guard.entries import market_known, model_known
from strategies.guard.known import epoch_ms
from strategies.guard.loss_book import LossBook
from strategies.guard.readings import Readings
from strategies.guard.recovery import Recovery, open_exits
from strategies.guard.unknowns import Unknowns
from strategies.human.control import Control

logger = logging.getLogger(__name__)

_ALL: Final = "what stands: positions, losses and margin"
_BLIND_MS: Final = 60_000  # the exchange's account is asked for every few seconds


class StandingWatch:
    """Looks after open positions and the account once a loop; dry-run and live only.

    Parameters
    ----------
    losses
        None where nothing is remembered.
    """

    def __init__(
        self,
        readings: Readings,
        recovery: Recovery,
        *,
        limits: Limits,
        guards: Sequence[Guard],
        consequences: Consequences,
        control: Control | None,
        losses: LossBook | None,
        unknowns: Unknowns,
    ) -> None:
        self._readings, self._recovery, self._unknowns = readings, recovery, unknowns
        self._limits, self._guards = limits, guards
        self._consequences, self._control = consequences, control
        self.losses = losses
        self._targets: dict[str, float] = {}  # pair -> amount to get down to
        self._next_step_ms: dict[str, int] = {}
        self._shed_pairs: dict[str, float] = {}  # pair -> share the position guards want closed
        self._shed_all = 0.0
        self._held: frozenset[str] = frozenset()  # pairs of the open trades, as of the last loop
        self._uncounted: frozenset[str] = frozenset()  # what the losses lack, and is noted
        self._untold = ""  # of the losses' date
        self._also: Callable[[Trade, float, float], float] = _nothing_more

    def close_also(self, share_of: Callable[[Trade, float, float], float]) -> None:
        """Close in stages what the strategy itself wants closed, whatever the guards do.

        Parameters
        ----------
        share_of
            Returns the share of a trade, given its price and the smallest order's notional.
        """
        self._also = share_of

    def loop(self, now: datetime) -> None:
        """Look after open positions: losses, margin, books, feeds, and what must be closed."""
        if self._control is None:
            return
        try:
            self._look(self._control, now)
        except Exception as error:
            self._unknowns.note(_ALL, error)
            raise
        else:
            self._unknowns.known(_ALL)
        finally:  # whatever broke, what is unknown goes on being counted
            self._unknowns.settle(self._held | self._recovery.on_exchange)

    def _look(self, control: Control, now: datetime) -> None:
        trades = Trade.get_open_trades()
        self._held = frozenset(trade.pair for trade in trades)
        observed = self._watch_account(trades, now)
        flatten = control.store.read().flatten is not None
        self._shed_all = 1.0 if flatten else observed.shed_frac
        self._shed_pairs = {}
        for trade in trades:
            self._shed_pairs[trade.pair] = self._watch_position(trade, now).shed_frac
        self._targets = {p: t for p, t in self._targets.items() if self._shed(p) > 0}

    def _watch_account(self, trades: list[Trade], now: datetime) -> RiskDecision:
        now_ms, ask = epoch_ms(now), self._unknowns.ask
        exposure = ask("the account's exposure", self._readings.exposure)
        ratio = ask("the margin ratio", lambda: _own_ratio(exposure))
        odd = ask(
            "the exchange's books",
            lambda: self._reconciled(trades, now_ms, ratio),
        )
        account = Snapshot(
            now_ms=now_ms, stage=self._readings.stage, exposure=exposure, differences=odd,
            losses=ask("the losses", lambda: self._observe(exposure, now_ms)),
            exchange=self._recovery.account,
        )  # fmt: skip
        self._note_uncounted()
        observed = watch(account, self._limits, Standing.ACCOUNT, self._guards)
        self._consequences.obey(observed, asked_for="loop")
        return observed

    def _reconciled(
        self, trades: list[Trade], now_ms: int, ratio: float | None
    ) -> tuple[str, ...] | None:
        """Return what differs; not known where a person has resumed while it was looked at.

        What was seen before that may have been put right: all is looked at again in the next turn.
        """
        armed_ms = self._armed_ms()
        odd = self._recovery.reconcile(trades, now_ms, armed_ms, ratio)
        return odd if self._armed_ms() == armed_ms else None

    def _watch_position(self, trade: Trade, now: datetime) -> RiskDecision:
        pair, sign = trade.pair, -1 if trade.is_short else 1
        market = market_known(self._readings, self._unknowns, pair, now)
        model = model_known(self._readings, self._unknowns, self._guards, pair, sign)
        position = Snapshot(
            now_ms=epoch_ms(now), stage=self._readings.stage, market=market, model=model
        )
        observed = watch(position, self._limits, Standing.POSITION, self._guards)
        self._consequences.obey(observed, pair, "loop")
        return observed

    def reduction_quote(
        self, trade: Trade, rate: float, smallest_quote: float, now: datetime
    ) -> float:
        """Return the notional of `trade` to close now, in a staged way; 0 for none.

        None while a market exit is on its way: it would be sent twice.
        """
        share, pair = self._shed(trade.pair), trade.pair
        if any(order.order_type == "market" for order in open_exits(trade)):
            return 0.0
        also = self._also(trade, rate, smallest_quote)
        if max(share, also) <= 0 or epoch_ms(now) < self._next_step_ms.get(pair, 0):
            return 0.0
        target = trade.amount * (1 - also)
        if share > 0:
            target = min(target, self._targets.setdefault(pair, trade.amount * (1 - share)))
        closed = self._unknowns.ask(
            f"the volume of {pair}", lambda: self._readings.candle_market(pair, now), pair=pair
        )
        step = next_step(
            now_ms=epoch_ms(now),
            held_quote=trade.amount * rate,
            target_quote=target * rate,
            volume_1h_quote=None if closed is None else closed.volume_1h_quote,
            max_volume_frac=self._limits.soft.step_volume_frac,
            smallest_quote=smallest_quote,
        )
        self._next_step_ms[pair] = step.next_ms
        return step.notional_quote

    def _shed(self, pair: str) -> float:
        return max(self._shed_all, self._shed_pairs.get(pair, 0.0))

    # -- losses -------------------------------------------------------------------------------

    def _observe(self, exposure: Exposure | None, now_ms: int) -> LossState | None:
        """Fold in the open equity: live the exchange's own, which comes with its transfers."""
        book, account = self.losses, self._recovery.account
        if book is None:
            return None
        self._tell_redated(book.redate(now_ms))
        if account is None or now_ms - account.time_ms >= _BLIND_MS:
            if exposure is None:  # an equity of 0 is known: everything is lost
                return None
            return book.observe(now_ms, exposure.equity_quote, self._armed_ms())
        if account.time_ms != now_ms:  # not asked for in this loop
            return book.state
        transfers = None
        if book.asks(account.wallet_quote):
            transfers = self._unknowns.ask(
                "deposits and withdrawals",
                lambda: self._recovery.transfers(book.since_ms(now_ms), now_ms),
            )
        return book.observe(
            now_ms, account.equity_quote, self._armed_ms(), transfers, account.wallet_quote
        )

    def _note_uncounted(self) -> None:
        """Have it escalated where the losses lack something even after a look at the account.

        Not where something else of the account is unknown, which is why, and is escalated itself.
        """
        waits = frozenset() if self.losses is None else frozenset(self.losses.uncounted)
        others = self._unknowns.of("") - self._uncounted
        for what in waits & self._uncounted if others else waits:
            self._unknowns.note(what, "the losses do not contain it yet")
        for what in self._uncounted - waits:
            self._unknowns.known(what)
        self._uncounted = waits & self._uncounted if others else waits

    def _tell_redated(self, ahead_ms: int) -> None:
        """Tell that the losses were dated ahead, unless by 0; what cannot be told is kept."""
        if ahead_ms:
            what = f"the losses were dated {ahead_ms / 1000:.0f} s ahead: a clock was wrong"
            # A day or a week that began by that clock has begun: its references have moved.
            done = (
                "the date is set aside; the loss from the peak stays, those of day and week count "
                "on from what was written by that clock"
            )
            logger.warning("%s; %s", what, done)
            self._untold = f"{what}; {done}"
            if self._control is not None:
                self._control.record("losses.redated", Incident(what=what, done=done))
        if not self._untold or self._control is None:
            return
        try:
            self._control.store.note(GuardActor("losses"), self._untold)
            self._untold = ""
        except (PackError, OSError) as error:
            logger.error("people cannot be told of the losses' date: %s", error)  # tried again

    def _armed_ms(self) -> int:
        """Return when a person last resumed."""
        if self._control is None:
            return 0
        return self._control.store.read().armed_ms


def _own_ratio(exposure: Exposure | None) -> float | None:
    return None if exposure is None else exposure.account.margin_ratio(exposure.marks)


def _nothing_more(trade: Trade, rate: float, smallest_quote: float) -> float:
    return 0.0
