"""New risk that goes round the hooks, in the real bot: it stops at the order gate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.base.files import wall_clock_ms
from models.operate.control.commands import Commands
from models.operate.control.heartbeat import last_beat
from models.operate.control.home import DRY_RUN_HOME
from models.operate.control.review import Answer
from models.operate.control.state import Person
from models.trade.risk.worst_hours import recorded_day
from strategies.desk.loopback.replay import ReplayedMarket, scripted_feed
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.server import running_exchange
from tests.exchange.state import ExchangeState
from tests.telegram.chat import Chat
from tests.telegram.state import BotApiState
from tests.test_integration import given_bot
from tests.test_integration.api_bot import Api
from tests.test_integration.live_bot import BTC, LiveBot, running_bot, settings
from tests.test_integration.running import KEY, SECRET, write_strategy

ANN = Person("ann", "command line")
LTC = "LTC/USDT:USDT"

# An ordinary subclass: it buys more in every loop in which the file is there, and asks nobody.
DCA = (
    given_bot.STRATEGY.replace('timeframe = "1m"', 'timeframe = "1h"')
    + """
    def adjust_trade_position(self, trade, current_time, current_rate, **kwargs):
        from pathlib import Path

        if Path("PAST").exists():
            self.dp._exchange._api.create_order(trade.pair, "market", "buy", 0.5)
        return 3000.0 if Path("BUY_MORE").exists() else None
"""
)


def amount(bot: LiveBot, pair: str = BTC) -> float:
    held: float = bot.trades()[pair]["amount"]
    return held


def loops(bot: LiveBot, desk: Commands, times: int = 2) -> None:
    """Wait for whole loops of the bot."""

    def count() -> int:
        beat = last_beat(desk.store.folder)
        return 0 if beat is None else beat.loop

    begin = count()
    bot.wait_for(lambda: count() > begin + times, f"{times} loops")


def refused(desk: Commands) -> list[str]:
    return [entry.record["rules"][-1] for entry in desk.journal.entries(kind="order.refused")]


def approve(bot: LiveBot, desk: Commands, pair: str) -> None:
    def waiting() -> list[Any]:
        return [p for p in desk.store.read().proposals
                if p.pair == pair and p.answer is Answer.WAITING]  # fmt: skip

    bot.wait_for(waiting, f"a question about {pair}")
    desk.approve(ANN, waiting()[0].id)


@pytest.mark.parametrize("dry_run", [True, False], ids=["dry_run", "live"])
def test_position_when_api_chat_or_a_subclass_would_grow_it_then_the_gate_refuses_and_says_why(
    tmp_path: Path, url: str, state: ExchangeState, telegram: None, api: BotApiState, chat: Chat,
    dry_run: bool,
) -> None:  # fmt: skip
    home = tmp_path / "user_data" / (DRY_RUN_HOME if dry_run else "")
    rest, desk = Api.somewhere(), Commands(home)
    config = {
        **settings(url, [BTC], dry_run=dry_run), **rest.settings(), "stake_amount": "unlimited",
        "breakwater": {"review": {"enabled": True, "expire_s": 900.0}},
    }  # fmt: skip

    def force(pair: str = BTC, **more: Any) -> tuple[int, str]:
        return rest.post("forceenter", pair=pair, side="long", stakeamount=9000.0, **more)

    with running_bot(tmp_path, config, *write_strategy(tmp_path, DCA)) as bot:
        approve(bot, desk, BTC)
        bot.wait_for(lambda: desk.journal.entries(kind="order.filled"), "the approved entry")
        held = amount(bot)
        assert held * 60_000 < 0.051 * 10_000  # an order is 5 % of the equity at most
        bot.wait_for(rest.answers, "the API")
        if not dry_run:  # it would be left to nobody; a dry run leaves nothing
            status, text = rest.delete("trades/1")
            assert status == 502, text
            assert "the exchange holds a position" in text
        # Active: nobody has been asked about this order.
        status, text = force()
        assert status == 502, text
        assert "no guard has been asked for it" in text
        desk.halt(ANN, "a test")
        status, text = force(leverage=20.0)
        assert status == 502, text
        assert "control is HALTED: a test" in text
        assert "Order refused at the gate" in chat.wait_for("60003: control is HALTED").text
        api.wait_for_listener()  # the same, typed in the chat
        ordered = len(bot.orders())
        chat.say(f"/forcelong {BTC} 60004")
        said = chat.wait_for("Refused at the order gate").text
        assert "control is HALTED: a test" in said
        assert (len(bot.orders()), amount(bot)) == (ordered, held)
        (tmp_path / "BUY_MORE").touch()  # the subclass, halted
        loops(bot, desk)
        assert amount(bot) == held
        desk.resume(ANN)  # the subclass, in review mode: a person is asked
        bot.wait_for(lambda: refused_growth(desk), "the subclass's wish to be refused")
        (tmp_path / "BUY_MORE").unlink()
        (tmp_path / "PAST").touch()  # the subclass again, past Freqtrade
        bot.wait_for(lambda: any("past Freqtrade" in why for why in refused(desk)), "a refusal")
        (tmp_path / "PAST").unlink()
        settings_file = tmp_path / "config.json"
        whole = settings_file.read_text(encoding="utf-8")
        settings_file.write_text(whole[:-2], encoding="utf-8")
        status, text = rest.post("reload_config")
        assert status == 502, text
        assert "the bot goes on with the settings it has" in text
        settings_file.write_text(whole, encoding="utf-8")
        assert rest.post("reload_config")[0] == 200  # another exchange object
        bot.wait_for(lambda: "after config reloaded" in bot.log(), "another strategy object")
        bot.wait_for(lambda: force()[0] == 502 and "no guard has been asked" in force()[1],
                     "the gate of the new exchange object")  # fmt: skip
        assert amount(bot) == held
        (trade,) = rest.get("status")
        assert (trade["amount"], trade["has_open_orders"]) == (held, False)
        desk.halt(ANN, "the end")
        status, text = rest.post("forceexit", tradeid=str(trade["trade_id"]))
        assert status == 200, text
        bot.wait_for(lambda: not rest.get("status"), "the exit, which needs no permit")
        assert bot.trades()[BTC]["is_open"] == 0
        entries = [o for o in bot.orders() if o["ft_order_side"] == "buy"]
    assert len(entries) == 1
    whys = refused(desk)
    assert any("no guard" in why for why in whys)
    assert any("control is HALTED" in why for why in whys)
    assert state.unknown == []


def refused_growth(desk: Commands) -> list[Any]:
    return [e for e in desk.journal.entries(kind="entry.refused") if e.record["pair"] == BTC]


HEDGE = """
from strategies.LitecoinHedge import LitecoinHedge


class OwnHedge(LitecoinHedge):
    timeframe = "1m"
"""


@pytest.fixture
def hedged_url() -> Iterator[str]:
    """Where an exchange is served that lists Litecoin."""
    now = wall_clock_ms()
    feeds = {"LTCUSDT": scripted_feed(100.0, now), "BTCUSDT": scripted_feed(60_000.0, now)}
    venue = LoopbackVenue(market=ReplayedMarket(feeds=feeds), clock=wall_clock_ms)
    venue.open_account(KEY, SECRET)
    with running_exchange(ExchangeState(venue=venue), tls=True) as url:
        yield url


def test_hedged_position_when_opened_then_no_larger_than_its_day_and_halted_it_does_not_grow(
    tmp_path: Path, hedged_url: str
) -> None:
    api, desk = Api.somewhere(), Commands(tmp_path / "user_data" / DRY_RUN_HOME)
    config = {
        **settings(hedged_url, [LTC, BTC], dry_run=True), **api.settings(),
        "stake_amount": "unlimited", "timeframe": "1m",
        "breakwater": {
            "limits": {"max_order_equity_frac": 0.5},
            "hedge": {"mode": "own", "primary": {"pair": LTC, "amount_base": 50.0},
                      "instruments": [BTC], "open_primary": True,
                      "baseline": {"halflife_candles": 24.0}},
        },
    }  # fmt: skip
    with running_bot(tmp_path, config, *write_strategy(tmp_path, HEDGE)) as bot:
        bot.wait_for(lambda: LTC in bot.trades(), "the position")
        # Of 10,000 a repeat of Litecoin's worst day may cost 1,500: not 50 of it.
        opened = amount(bot, LTC)
        assert 24.0 < opened <= 1_500 / recorded_day(LTC, at_marks=True).fall_frac / 99.0
        assert "the order of 50 LTC is cut to 24." in bot.log()
        desk.halt(ANN, "a test")
        bot.wait_for(api.answers, "the API")
        status, text = api.post("forceenter", pair=LTC, side="long", stakeamount=2200.0)
        assert status == 502, text
        assert "control is HALTED: a test" in text
        assert amount(bot, LTC) == pytest.approx(opened)
    assert refused(desk)
