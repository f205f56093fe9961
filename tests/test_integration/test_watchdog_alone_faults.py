"""What goes wrong around the real watchdog while no bot is there: clock, sign of life, chat."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from models.operate.control.heartbeat import FILE
from models.operate.control.state import ControlMode
from strategies.desk.loopback.account import Customer
from tests.exchange.jumping import set_ahead
from tests.exchange.state import ExchangeState
from tests.telegram.chat import Chat
from tests.telegram.errors import BotApiError
from tests.telegram.faults import Latency, Refusal
from tests.telegram.state import BotApiState
from tests.test_integration.live_bot import BTC, ETH
from tests.test_integration.lone_watchdog import DEAD, PID, Abandoned, told

# -- the machine's clock ---------------------------------------------------------------------------


def test_watchdog_when_its_clock_jumps_and_comes_back_then_it_sees_and_stops_all_the_while(
    tmp_path: Path, url: str, state: ExchangeState, account: Customer, telegram: None, chat: Chat
) -> None:
    left = Abandoned(tmp_path, url, state, account, unprotected_s=1.0)
    clock = tmp_path / "ahead"
    set_ahead(clock, 0.0)
    with left.alive(PID), left.watched("tests.exchange.jumping", str(clock)) as dog:
        left.bid(50_000)
        left.rounds(dog, 2)
        set_ahead(clock, 900.0)
        chat.wait_for("the machine's clock has jumped by +900 s")
        left.hold(0.02)
        dog.wait_for(lambda: not left.bare(), "a stop by a clock the exchange does not believe")
        left.rounds(dog, 12)  # longer than a bot may be silent
        assert not told(chat, DEAD)
        assert not told(chat, "over: the machine's clock has jumped")
        left.hold(-0.5, ETH)
        set_ahead(clock, 0.0)
        chat.wait_for("over: the machine's clock has jumped by +900 s")
        dog.wait_for(lambda: not left.bare(), "the other position stopped")
        assert len(account.open_orders()) == 1  # the bot lives, and its entry is its own
        assert left.desk.store.read().mode is ControlMode.ACTIVE
    assert left.stops("BTCUSDT") == [(-1, 0.02, 57_000.0)]
    assert left.stops("ETHUSDT") == [(1, 0.5, 3_150.0)]
    assert len(told(chat, "watchdog: the machine's clock has jumped")) == 1


# -- the sign of life, and the chat ----------------------------------------------------------------


def test_watchdog_when_the_heartbeat_is_deleted_and_telegram_fails_then_it_acts_and_tells_it_all(
    tmp_path: Path, url: str, state: ExchangeState, account: Customer, telegram: None,
    api: BotApiState, chat: Chat,
) -> None:  # fmt: skip
    left = Abandoned(tmp_path, url, state, account, silence_s=20.0)
    left.beat(0.0)
    left.hold(0.02)
    left.bid(50_000)
    with left.watched() as dog:
        with left.alive(PID):
            left.rounds(dog, 3)
            assert left.bare()  # a bot that lives stops it by itself
        (left.control / FILE).unlink()
        chat.wait_for(f"{FILE}: the bot's sign of life is gone")
        dog.wait_for(lambda: not left.bare(), "a stop")
        dog.wait_for(lambda: not account.open_orders(), "the entry taken back")
        assert left.desk.store.read().mode is ControlMode.REDUCING
        assert not told(chat, DEAD)  # nobody had to wait for the silence
        chat.wait_for(f"0.02 {BTC} had no stop")
        # Refused, whatever is said.
        api.faults.add(Refusal(on="sendMessage", error=BotApiError(400, "Bad Request: no")))
        left.hold(0.01)
        dog.wait_for(lambda: not left.bare(), "a stop that cannot be told")
        dog.wait_for(lambda: "Telegram refuses an alert: Bad Request: no" in dog.log(), "a refusal")
        assert not told(chat, f"0.01 {BTC} had no stop")
        assert f"0.01 {BTC} had no stop" in dog.log()
        api.faults.clear()
        left.hold(-0.5, ETH)
        said = chat.wait_for(f"0.5 {ETH} had no stop; one placed at 3150").text
        assert said.endswith("(1 before this were refused: Bad Request: no; see the log)")
        # Blocked, and then it does not answer at all.
        api.faults.add(Refusal(on="sendMessage", error=BotApiError(403, "Forbidden: blocked")))
        left.hold(0.03)
        dog.wait_for(lambda: not left.bare(), "a stop while the chat is blocked")
        api.faults.clear()
        api.faults.add(Latency(on="sendMessage", before_s=lambda _: 3600.0))
        refused, looks = len(api.faults.struck), Counter[int]()

        def note() -> None:
            looks[len(api.faults.struck)] += "positionRisk" in state.requests[-1]

        state.watchers.append(note)
        for amount in (0.04, 0.05):
            left.hold(amount)
            dog.wait_for(lambda: not left.bare(), "a stop meanwhile")
        # One message hangs for as long as several looks take.
        dog.wait_for(lambda: any(looks[n] > 2 for n in (*looks,) if n > refused), "more looks")
        api.faults.clear()
        for amount in (0.03, 0.04, 0.05):
            chat.wait_for(f"{amount:g} {BTC} had no stop; one placed at 57000")
    assert api.token not in dog.log()
