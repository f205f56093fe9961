"""An error repeats a secret: none of the ways its words reach a person or a file shows it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from freqtrade.enums import RPCMessageType
from telegram.error import NetworkError
from telegram.helpers import escape_markdown

from models.operate.control.commands import Commands
from models.operate.control.home import DRY_RUN_HOME
from models.operate.control.state import GuardActor, Person
from models.operate.control.unknown import Unknown
from strategies.BitcoinCrossMargin import BitcoinCrossMargin
from strategies.bot.fail_closed import on_error_return
from strategies.desk.watch.alerts import Alerts
from strategies.desk.watch.telling import Telling
from strategies.guard.gate import OrderRefusedError
from strategies.human import secrets
from strategies.human.hearing import Hearing
from strategies.human.messages import Reply
from strategies.human.secrets import keep_out_of_log
from tests.planted_secrets import Secrets
from tests.test_strategies.fakes import LiveProvider
from tests.test_strategies.human.desk import Desk
from tests.test_strategies.worlds import (
    NOW,
    PAIR,
    RATE,
    Wallets,
    analysed,
    config,
    confirm,
    running,
    stake,
)

pytestmark = pytest.mark.usefixtures("open_trades")

SECRET = Secrets().at("exchange.ccxt_config.headers.X-Broker-Token")
ERROR = ConnectionError(f"no answer, asked with {{'headers': {SECRET}}}")


@pytest.fixture(autouse=True)
def _log(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave the log of the other tests as it was."""
    before = logging.getLogRecordFactory()
    monkeypatch.setattr(secrets, "_unsaid", [])
    yield
    logging.setLogRecordFactory(before)


@pytest.fixture
def bot(tmp_path: Path) -> Any:
    """A dry run's strategy with a secret where no list of names has it."""
    headers = {"ccxt_config": {"headers": {"X-Broker-Token": SECRET}}}
    s = BitcoinCrossMargin(config(user_data_dir=tmp_path, original_config={"exchange": headers}))
    s.dp = LiveProvider(analysed())
    s.wallets = Wallets(10_000.0)
    return running(s)


def raising(*_: object, **__: object) -> Any:
    raise ERROR


def test_entry_when_an_error_refuses_it_then_no_word_of_it_has_the_secret(
    bot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bot, "_objection", raising)
    monkeypatch.setattr(bot, "_require_openable", raising)
    assert confirm(bot) is False
    assert "no answer" in bot.control.reasons[PAIR]  # what force-enter answers
    said = [bot.control.reasons[PAIR], bot.control.refusals[PAIR].why]
    monkeypatch.setattr(bot, "_sigma", raising)
    assert stake(bot) == 0.0  # a hook that breaks: what `on_error_return` keeps
    said += [bot.control.reasons[PAIR], bot.control.refusals[PAIR].why]
    bot.bot_loop_start(NOW)
    commands = bot.control.commands
    said += [commands.why_now(), commands.risk().text, str(commands.why_values())]
    said += [path.read_text() for path in (tmp_path / DRY_RUN_HOME).rglob("*") if path.is_file()]
    assert any("no answer" in text for text in said[4:])
    assert [text for text in said if SECRET in text] == []
    assert "no answer, asked with" in caplog.text
    assert SECRET not in caplog.text


def test_trouble_when_an_error_tells_of_it_then_obstacles_and_refusals_do_not_repeat_it(
    bot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot.control.forbid("pairs", str(ERROR))
    full = OSError(28, f"no space for {SECRET}")
    monkeypatch.setattr(bot.control.journal, "append", lambda *_: (_ for _ in ()).throw(full))
    assert bot.control.record("x", None) is None
    said = [*bot.control.obstacles(), bot.control.refusal()]
    assert any("no answer" in text for text in said)
    assert any("no space for" in text for text in said)
    assert [text for text in said if SECRET in text] == []


def test_order_when_an_error_stops_it_at_the_gate_then_neither_api_nor_message_has_the_secret(
    bot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot.gate.permits, "take", raising)
    with pytest.raises(OrderRefusedError, match="no answer") as refused:
        bot.gate.create_order(
            pair=PAIR, ordertype="market", side="buy", amount=1.0, rate=RATE, leverage=1.0
        )
    assert SECRET not in refused.value.message
    bot.dp.send_msg(str(ERROR), always_send=True)  # as a model's failed training says
    assert len(bot.dp.said) == 2
    assert [text for text in bot.dp.said if SECRET in text] == []


@pytest.mark.parametrize("word", ["halt", "reduce", "request_flatten", "note", "flattened"])
def test_state_when_a_guards_word_is_an_errors_then_the_secret_is_not_in_its_file(
    tmp_path: Path, word: str
) -> None:
    store = Commands(tmp_path, secrets=[SECRET]).store
    if word == "flattened":
        store.request_flatten(GuardActor("loss"), "lost")
    for _ in range(2):
        getattr(store, word)(GuardActor("loss"), f"{ERROR}, signature=abc123")
    text = (store.folder / "state.json").read_text(encoding="utf-8")
    assert "no answer" in text
    assert SECRET not in text
    assert "abc123" not in text
    assert len([n for n in store.read().standing if "no answer" in n.reason]) <= 1  # still the same


def test_state_when_what_is_unknown_is_noted_then_the_secret_is_not_in_its_file(
    tmp_path: Path,
) -> None:
    store = Commands(tmp_path, secrets=[SECRET]).store
    store.note_unknown([Unknown(what="fees", since_ms=1, why=str(ERROR))], [str(ERROR)])
    text = (store.folder / "state.json").read_text(encoding="utf-8")
    assert text.count("no answer") == 2
    assert SECRET not in text


def test_state_when_a_guards_word_is_long_then_all_of_it_stays(tmp_path: Path) -> None:
    store = Commands(tmp_path, secrets=[SECRET]).store
    store.halt(GuardActor("loss"), "x" * 5000 + " the end")
    assert store.read().standing[0].reason.endswith(" the end")


def test_halt_when_a_person_says_why_then_his_words_stay_but_for_a_secret_of_the_bot(
    tmp_path: Path,
) -> None:
    store = Commands(tmp_path, secrets=[SECRET]).store
    store.halt(Person("ann", "test"), f"the token leaked: {SECRET}")
    [notice] = store.read().standing
    assert notice.reason == "the token leaked: ***"


def test_telegram_when_it_is_out_of_reach_then_the_words_of_that_have_no_secret(
    tmp_path: Path,
) -> None:
    commands = Commands(tmp_path, lambda: 1, secrets=[SECRET])
    seconds = iter([0.0, 100.0, 200.0, 300.0])
    hearing = Hearing(commands, lambda: next(seconds))
    hearing.polled(NetworkError(f"no answer of {SECRET}"))
    said = [*hearing.troubles(), commands.risk().text]
    assert all("no answer of ***" in text for text in said)


@pytest.mark.parametrize("kind", [RPCMessageType.STATUS, RPCMessageType.STRATEGY_MSG])
def test_chat_when_freqtrade_or_the_strategy_repeats_an_error_then_the_secret_is_left_out(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, kind: RPCMessageType
) -> None:
    marked = "own_key_of*mine"  # which markdown does not leave as it is
    monkeypatch.setattr(desk.commands, "secrets", (SECRET, marked))
    name = "msg" if kind is RPCMessageType.STRATEGY_MSG else "status"
    shown = marked if kind is RPCMessageType.STRATEGY_MSG else escape_markdown(marked)
    desk.client.send_msg({"type": kind, name: f"of {kind}: {SECRET} and {shown}"})
    assert "(secret) and (secret)" in desk.ann.wait_for(f"of {kind}").text


def test_chat_when_a_command_breaks_then_its_answer_has_no_secret(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.commands, "secrets", (SECRET, "a&b<key>"))

    def broken() -> Reply:
        raise ConnectionError(f"not there: {SECRET} or a&b<key>")

    monkeypatch.setattr(desk.commands, "why_now", broken)
    desk.ann.say("/why")
    answer = desk.ann.wait_for("because of a fault in the bot").text
    assert "not there: (secret) or (secret)" in answer


def test_watchdog_when_an_error_repeats_a_secret_then_neither_chat_nor_log_shows_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bot = {"telegram": {"enabled": True, "token": "t" * 40, "chat_id": "17"}, "bad": {"x": SECRET}}
    commands = Commands(tmp_path, secrets=[SECRET])
    alerts = Alerts(bot)
    telling = Telling(commands.journal, alerts.say, lambda: 0.0, 60.0, commands.store.masked)
    # The secret begins where the line is cut: half of one would not be known for one.
    [told] = telling.failed("the account", ConnectionError("x" * 120 + SECRET))
    assert SECRET[:10] not in told
    telling.tell({"trouble": [str(ERROR)]})
    assert [text for text in alerts._unsent if SECRET in text] == []
    assert len(alerts._unsent) == 1
    assert SECRET not in caplog.text


def test_log_when_a_record_is_made_anywhere_then_message_and_trace_have_no_secret(
    caplog: pytest.LogCaptureFixture,
) -> None:
    keep_out_of_log([SECRET])
    log = logging.getLogger("ccxt.somewhere")
    try:
        raising()
    except ConnectionError:
        log.exception("GET %s failed", SECRET)
    log.warning("the token is refused: see %s", "the log")  # prose stays
    assert "GET *** failed" in caplog.text
    assert "ConnectionError: no answer" in caplog.text
    assert "the token is refused: see the log" in caplog.text
    assert SECRET not in caplog.text


@on_error_return(0.0)
def broken_hook(strategy: Any, *, pair: str, side: str, rate: float) -> float:
    raise ERROR


def test_hook_when_it_breaks_then_what_it_leaves_for_the_api_has_no_secret(bot: Any) -> None:
    assert broken_hook(bot, pair=PAIR, side="long", rate=RATE) == 0.0
    assert "no answer" in bot.control.reasons[PAIR]
    assert SECRET not in bot.control.reasons[PAIR]
