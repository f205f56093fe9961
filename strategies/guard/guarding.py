"""The guards of one strategy, in one place: what the hooks ask and what they note.

`models.trade.risk` decides; this room translates. A backtest has no exchange to ask, no second
price and no person to re-arm: guards that need one are not applicable there
(`models.trade.risk.run.GUARDS`).
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from freqtrade.persistence import Order, Trade

from models.base.errors import InputError
from models.base.files import read_regular, write_atomic
from models.base.units import DAY_MS
from models.data.feeds.agreement import SourceAgreement
from models.trade.risk.limits import GuardConfig, HardLimits, Limits, jittered
from models.trade.risk.losses import LossState
from models.trade.risk.run import GUARDS, Guard, Standing, watch
from models.trade.risk.snapshot import ExchangeAccount, Exposure, MarketState, Snapshot, Stage
from models.trade.risk.verdict import RiskDecision
from strategies.guard.consequences import Consequences
from strategies.guard.entries import Entries
from strategies.guard.foresight import Foresight
from strategies.guard.host import Host
from strategies.guard.known import epoch_ms
from strategies.guard.loss_book import LossBook
from strategies.guard.permits import NewRisk, Permits
from strategies.guard.readings import Readings
from strategies.guard.recovery import Recovery
from strategies.guard.standing import StandingWatch
from strategies.guard.unknowns import Unknowns
from strategies.human.control import Control


class Guarding:
    """Keeps what the guards need between hooks, asks them, and carries out what they demand.

    Parameters
    ----------
    host
        The strategy.
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
        host: Host,
        *,
        hard: HardLimits,
        soft: GuardConfig,
        stage: Stage,
        control: Control | None,
        guards: Sequence[Guard] = GUARDS,
    ) -> None:
        seed = None if control is None else installation_seed(control.store.folder)
        self.limits = Limits(hard=hard, soft=jittered(soft, seed))
        self._guards = guards
        # A kill -9 forgets neither what was sent nor what may have been executed since.
        journal = []
        if control is not None:
            now_ms = control.clock()
            journal = [
                # Dated ahead, by a clock that was wrong: it would count until that time has come.
                replace(entry, time_ms=min(entry.time_ms, now_ms))
                for entry in control.journal.entries(since_ms=now_ms - DAY_MS)
            ]
        self._control = control
        losses = None if control is None else LossBook(control.store.folder)
        self.unknowns = Unknowns(control, self.limits.soft)
        self.consequences = Consequences(control, self.unknowns)
        self.permits = Permits()
        clock = None if control is None else control.clock
        self.readings = Readings(host, stage, clock, self.permits)
        self.recovery = Recovery(host, self.readings, control, journal, self.unknowns)
        self.entries = Entries(
            self.readings, self.recovery, limits=self.limits, guards=guards,
            consequences=self.consequences, control=control, losses=losses, journal=journal,
            unknowns=self.unknowns,
        )  # fmt: skip
        self.leverage = self.entries.leverage  # pair -> as ordered from Freqtrade last
        self.standing = StandingWatch(
            self.readings, self.recovery, limits=self.limits, guards=guards,
            consequences=self.consequences, control=control, losses=losses,
            unknowns=self.unknowns,
        )  # fmt: skip

    def true_time(self, now: datetime) -> datetime:
        """Return the time without a jump of the machine's clock; a backtest's as it is."""
        jump_ms = 0 if self._control is None else self._control.jump_ms
        return now - timedelta(milliseconds=jump_ms) if jump_ms else now

    # -- new risk -----------------------------------------------------------------------------

    def decide(
        self, pair: str, side: str, notional: float, price: float, now: datetime
    ) -> RiskDecision:
        """Return how much of an order for new risk may be sent; never raises for a broken input."""
        return self.entries.decide(pair, side, notional, price, self.true_time(now))

    def sent(self, pair: str, side: str, amount: float, now: datetime) -> None:
        """Remember an order that was let through; `amount` in base units."""
        self.entries.sent(pair, side, amount, self.true_time(now))

    def permit(self, pair: str, side: str, amount: float, rate: float) -> None:
        """Let one order of at most `amount` (base units) pass the order gate, at once."""
        if self.readings.stage is Stage.BACKTEST:
            return  # no gate would use it up: as if on its way it would count, by the wall's clock
        sign = -1 if side == "short" else 1
        leverage = self.leverage.get(pair, 1.0)
        self.permits.issue(
            NewRisk(pair=pair, side=sign, amount_base=amount, rate=rate, leverage=leverage)
        )

    def moved(self, trade: Trade, amount: float, rate: float) -> None:
        """Let what is left of a resting entry pass once more, at another price.

        It is the order the guards have let through before, no larger; the gate still asks control.
        """
        self.leverage[trade.pair] = trade.leverage
        self.recovery.approved[trade.pair] = -amount if trade.is_short else amount
        self.permit(trade.pair, trade.trade_direction, amount, rate)
        self.recovery.look_soon()

    def look_ahead(self, pairs: Sequence[str]) -> None:
        """Ask just before a candle closes for what its orders need, off the way to them."""
        stage = self.readings.stage
        if stage is not Stage.BACKTEST:
            self.readings.quotes.look_ahead(pairs, books=stage is Stage.LIVE)

    # -- what stands --------------------------------------------------------------------------

    def loop(self, now: datetime) -> None:
        """Look after open positions: losses, margin, books, feeds, and what must be closed."""
        self.standing.loop(self.true_time(now))

    def reduction_quote(
        self, trade: Trade, rate: float, smallest_quote: float, now: datetime
    ) -> float:
        """Return the notional of `trade` to close now, in a staged way; 0 for none."""
        return self.standing.reduction_quote(trade, rate, smallest_quote, self.true_time(now))

    def close_also(self, share_of: Callable[[Trade, float, float], float]) -> None:
        """Have closed in stages, too, the share of a trade that `share_of` names.

        It is given the trade, its price and the smallest order's notional.
        """
        self.standing.close_also(share_of)

    def size_by(self, foresight: Foresight) -> None:
        """Have what scenarios hold possible count in every size."""
        self.readings.foresight = foresight

    @property
    def losses(self) -> LossState | None:
        """What has been lost since when, as of the last loop; None before it."""
        book = self.standing.losses
        return None if book is None else book.state

    def exposure(self, pair: str = "", rate: float = 0.0) -> Exposure:
        """Return the account at the newest prices known, `pair` at `rate`."""
        return self.readings.exposure(pair, rate)

    def sources(self, pair: str, now: datetime) -> tuple[str, SourceAgreement | None]:
        """Return why the second source forbids new risk in `pair`, if so, and the comparison."""
        agreement = self.readings.second(pair)
        snapshot = Snapshot(
            now_ms=epoch_ms(self.true_time(now)),
            stage=self.readings.stage,
            market=MarketState(candle_s=self.readings.candle_s),
            second=agreement,
        )
        observed = watch(snapshot, self.limits, Standing.SOURCE, self._guards)
        self.consequences.obey(observed, pair, "source")
        return observed.reason, agreement

    # -- lost answers -------------------------------------------------------------------------

    def leaving(self, pair: str, now: datetime) -> None:
        """Note that an order that reduces `pair` leaves now; the next loop looks after it."""
        self.recovery.leaving(pair)
        self.closed(pair, now)  # it may be executed before its fill is booked

    def booked(self, pair: str, order: Order, now: datetime) -> None:
        """Remember a fill that Freqtrade has written down."""
        self.recovery.booked(pair, order, self.true_time(now))

    def held(self) -> tuple[str, ...] | None:
        """Return what the exchange holds now, by pair; None while that is not known."""
        return self.recovery.held()

    def closed(self, pair: str, now: datetime) -> None:
        """Note a fill that took from a position: entries wait until the losses contain it."""
        if self.standing.losses is not None:
            self.standing.losses.closed(pair, epoch_ms(self.true_time(now)))
            self.readings.quotes.forget(pair)  # the position kept for the next seconds is no more

    @property
    def exchange(self) -> ExchangeAccount | None:
        """The exchange's own count of the account as of its last answer; live only."""
        return self.recovery.account


def installation_seed(folder: Path) -> int:
    """Return the secret number of this installation, drawn at its first start.

    Raises
    ------
    InputError
        If there is one and it is not a number.
    """
    path = folder / "seed"
    if not os.path.lexists(path):
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(path, str(secrets.randbits(64)).encode())
    try:
        return int(read_regular(path, limit=1000))
    except (OSError, ValueError) as error:
        raise InputError(
            f"expected a whole number, got {error}", where=str(path), cure="remove the file"
        ) from error
