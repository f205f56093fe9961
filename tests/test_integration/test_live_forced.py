"""Positions the account can no longer bear: sized, cut in stages, and closed by the exchange."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path

from models.operate.control.state import ControlMode
from strategies.desk.loopback.replay import PriceFeed, scripted_feed
from tests.test_integration.fault_rounds import ANN, SYMBOL, Rounds, running_rounds

PRICE = 60_000.0
COST = re.compile(r"a repeat of the worst hour would cost, % of equity \(limit 25\): ([\d.]+)")

# Half the volatility of the shared strategy: the rule of risk alone would enter 1.3 x equity.
CALM = """
    def populate_indicators(self, dataframe, metadata):
        sure = dict.fromkeys(columns.FORECAST, 0.0) | {columns.SIGMA: 0.005}
        sure |= {columns.FALSE_ALARMS_DOWN: 5.0, columns.FALSE_ALARMS_UP: 5.0}
        sure |= {columns.EDGE: 0.05, columns.EDGE_LOW: 0.05}
        return dataframe.assign(do_predict=1, **sure)
"""


def quiet(now_ms: int) -> PriceFeed:
    """Return a market in which a stage is a third of what is to be sold here."""
    return scripted_feed(PRICE, now_ms, volume_per_ms=7e-6)


def shown_cost(rounds: Rounds) -> float:
    """Return what a repeat of the worst hour would cost, as `/risk` has it; percent of equity."""
    found = COST.search(rounds.desk.risk().text)
    return 0.0 if found is None else float(found[1])


def loops(rounds: Rounds, number: int = 5) -> None:
    begun = rounds.loop()
    rounds.bot.wait_for(lambda: rounds.loop() > begun + number, f"{number} loops")


def transferred(rounds: Rounds, amount: float) -> None:
    rounds.venue.transfer(rounds.account, Decimal(str(round(amount, 2))))


def is_counted(rounds: Rounds) -> bool:
    """Whether the losses count from a person's word on: money moved in between is no loss."""
    state = rounds.desk.store
    kept = json.loads((state.folder / "losses.json").read_text(encoding="utf-8"))
    return bool(kept["armed_ms"] == state.read().armed_ms)


def told(rounds: Rounds) -> bool:
    """Whether people are told of it, and the bot stays halted until one has looked."""
    standing = rounds.desk.store.read().standing
    return any("was closed by the exchange itself" in n.reason for n in standing)


def liquidate(rounds: Rounds) -> None:
    """Leave just enough money for the position, and let the price fall by 1 %: short of its stop.

    In one go, so that the bot has no moment in which to reduce.
    """
    with rounds.venue.lock:
        notional = rounds.held() * float(rounds.venue.mark(SYMBOL))
        equity = float(rounds.account.wallet + rounds.account.unrealised(rounds.venue.marks()))
        transferred(rounds, 0.01 * notional - equity)
        rounds.venue.move(SYMBOL, 0.99 * float(rounds.venue.price(SYMBOL)))
        rounds.clock.skip(1.0)
        rounds.venue.advance()
        (forced,) = [o for o in rounds.account.orders.values() if o.client_id[:5] == "autoc"]
    assert forced.filled == forced.quantity


def test_live_position_when_the_account_cannot_bear_it_then_it_is_sized_cut_and_its_end_is_booked(
    tmp_path: Path,
) -> None:
    with running_rounds(tmp_path, quiet, methods=CALM) as rounds:
        bot, desk = rounds.bot, rounds.desk
        desk.resume(ANN)
        bot.wait_for(lambda: rounds.stopped() == rounds.held() > 0, "an entry and its stop")
        # 22.5 % of equity may be lost in a repeat of the worst hour, of which 0.77 x is left.
        entered = rounds.held()
        assert 0.70 < entered * PRICE / 10_000 < 0.78
        bot.wait_for(lambda: 20 < shown_cost(rounds) < 25, "the cost in /risk")
        bot.wait_for(lambda: is_counted(rounds), "a look at the losses since a person resumed")
        # Money leaves the account: the same position is more than it may be.
        transferred(rounds, -4_000)
        bot.wait_for(lambda: shown_cost(rounds) > 25, "the cost beyond its limit in /risk")
        bot.wait_for(lambda: rounds.held() < entered, "a first stage")
        bot.wait_for(lambda: 0 < shown_cost(rounds) < 25, "the cost within its limit again")
        loops(rounds)
        left = rounds.held()
        assert 0.70 < left * PRICE / 6_000 < 0.78  # no further than new positions may go
        bot.wait_for(lambda: rounds.stopped() == left, "a stop as large as what is left")
        assert "of equity, limit 25%: reducing in stages" in bot.log()
        assert len(desk.journal.entries(kind="reduce")) >= 2
        assert desk.store.read().mode is ControlMode.ACTIVE
        liquidate(rounds)
        bot.wait_for(lambda: rounds.open_trade() is None, "the trade closed in the books")
        bot.wait_for(lambda: told(rounds), "a halt for it, among others")
        assert rounds.halted()
        (booked,) = desk.journal.entries(kind="exit.forced")
        assert f"{left:g}" in booked.record["what"]
        # Not taken for an exit of the bot's own, though it was closing in stages just before.
        assert desk.journal.entries(kind="exit.lost") == []
        loops(rounds)
        assert (rounds.held(), rounds.stopped(), rounds.account.open_orders()) == (0, 0, [])
        assert bot.process.poll() is None
