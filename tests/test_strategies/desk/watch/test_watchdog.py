"""The watchdog, on the loopback exchange through the real ccxt client: it only lowers risk."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ccxt
import pytest

from models.base.errors import ConfigError, ControlError
from models.base.files import locked
from models.operate.control.heartbeat import FILE
from models.operate.control.home import state_place
from models.operate.control.owner import occupy
from models.operate.control.state import ControlMode
from models.operate.control.watch import WatchdogConfig
from strategies.account.identity import bot_identity
from strategies.desk.watch.alerts import Alerts
from strategies.desk.watch.process import run_watchdog
from strategies.desk.watch.venue import Venue, venue_client
from tests.exchange.faults import Answer, Drop
from tests.telegram.chat import Chat
from tests.telegram.errors import BotApiError
from tests.telegram.faults import Refusal
from tests.telegram.server import running_bot_api
from tests.telegram.state import BotApiState
from tests.test_strategies.desk.watch.loopback_world import (
    ANN,
    BTC,
    ETH,
    HOUR,
    SECRET,
    World,
    held,
    running_world,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running_world(tmp_path) as made:
        yield made


# -- a bot that lives ---------------------------------------------------------------------------


def test_watchdog_when_all_is_well_then_it_says_and_changes_nothing(world: World) -> None:
    world.buy()
    world.stop(0.01, 57_000)
    world.trader.create_order(BTC, "limit", "buy", 0.01, 50_000)
    for _ in range(5):
        world.alive(feed_ms=world.now - HOUR, candle_ms=HOUR)
        world.dog.round()
        world.pass_s(10)
    assert world.said == []
    assert world.mode() is ControlMode.ACTIVE
    assert len(world.account.open_orders()) == 1
    assert world.stops() == [("BTCUSDT", -1, 0.01, 57_000.0, True)]


def test_watchdog_when_no_bot_has_ever_run_then_it_waits(world: World) -> None:
    world.trader.create_order(BTC, "limit", "buy", 0.01, 50_000)
    world.dog.round()
    assert world.said == []
    assert len(world.account.open_orders()) == 1


@pytest.mark.parametrize(
    ("late_s", "mode"), [(59.0, ControlMode.ACTIVE), (61.0, ControlMode.REDUCING)]
)  # fmt: skip
def test_watchdog_when_the_feed_is_late_then_no_new_risk(
    world: World, late_s: float, mode: ControlMode
) -> None:
    world.alive(feed_ms=world.now - HOUR - round(1000 * late_s), candle_ms=HOUR)
    world.dog.round()
    assert world.mode() is mode


def test_watchdog_when_the_margin_is_thin_then_no_new_risk(world: World) -> None:
    world.trader.set_leverage(20, BTC)
    world.buy(3.0)  # 180,000 on 10,000
    world.stop(3.0, 56_000)
    world.alive()
    world.dog.round()
    assert world.mode() is ControlMode.ACTIVE
    world.state.venue.move("BTCUSDT", 57_050.0)  # 8,850 lost
    world.dog.round()
    assert world.mode() is ControlMode.REDUCING
    assert world.said[0].startswith("watchdog: margin ratio 0.6")
    assert len(world.account.open_positions()) == 1  # a live bot closes by itself


def test_watchdog_when_a_position_stays_without_a_stop_then_it_places_one(world: World) -> None:
    world.buy(0.02)
    world.stop(0.005, 57_000)  # too small
    world.alive()
    world.dog.round()
    world.pass_s(29.999)
    world.alive()
    world.dog.round()
    assert len(world.stops()) == 1  # the bot still has time
    world.pass_s(0.001)
    world.alive()
    world.dog.round()
    assert world.stops()[1:] == [("BTCUSDT", -1, 0.015, 57_000.0, True)]  # 5 % from 60,000
    world.dog.round()
    assert len(world.stops()) == 2
    world.stop(0.02, 57_500)  # the bot has caught up
    world.dog.round()
    assert [s[2] for s in world.stops()] == [0.005, 0.02]
    assert world.mode() is ControlMode.ACTIVE


def test_watchdog_when_looks_fail_with_a_good_one_between_then_nobody_hears_of_it(
    world: World,
) -> None:
    world.alive()
    for _ in range(2):
        world.dog.round()
        world.state.faults.add(Drop(on="GET /fapi/v3/positionRisk", times=2))
        world.dog.round()
        world.dog.round()
    assert world.said == []


# -- a bot that is silent -----------------------------------------------------------------------


def test_watchdog_when_the_bot_falls_silent_then_entries_go_and_stops_stay(world: World) -> None:
    world.buy(0.01)
    world.stop(0.01, 57_000)
    world.buy(-0.5, ETH)  # a short nobody has protected
    for side, price in (("buy", 50_000), ("sell", 70_000)):
        world.trader.create_order(BTC, "limit", side, 0.01, price)
    world.trader.create_order(BTC, "limit", "sell", 0.01, 66_000, {"reduceOnly": True})
    world.alive()
    world.pass_s(15)
    world.dog.round()
    assert world.said == []
    world.pass_s(1)
    world.dog.round()
    assert [(o.price, o.reduce_only) for o in world.account.open_orders()] == [(66_000, True)]
    assert world.stops() == [
        ("BTCUSDT", -1, 0.01, 57_000.0, True),
        ("ETHUSDT", 1, 0.5, 3_150.0, True),
    ]
    assert world.mode() is ControlMode.REDUCING
    assert world.said[0] == "watchdog: bot 42 has given no sign of life for 16 s"
    assert len(world.said) == 4
    world.dog.round()
    assert len(world.said) == 4  # said once
    kinds = [e.kind for e in world.commands.journal.entries()]
    assert kinds == ["watchdog.alarm", *["watchdog.acted"] * 3]
    assert {float(p.amount) for p in world.account.open_positions().values()} == {0.01, -0.5}


def test_watchdog_when_the_bot_is_back_then_it_says_so_and_only_a_person_resumes(
    world: World,
) -> None:
    world.alive()
    world.pass_s(20)
    world.dog.round()
    world.alive()
    world.dog.round()
    assert world.said[-2:] == [
        "watchdog: over: bot 42 has given no sign of life for 20 s",
        "watchdog: control stays as it is until a person resumes",
    ]
    assert world.mode() is ControlMode.REDUCING
    world.commands.resume(ANN)
    world.dog.round()
    assert world.mode() is ControlMode.ACTIVE


def test_watchdog_when_a_person_resumes_while_the_bot_is_silent_then_it_reduces_again(
    world: World,
) -> None:
    world.alive()
    world.pass_s(20)
    world.dog.round()
    world.commands.resume(ANN)
    world.dog.round()
    assert world.mode() is ControlMode.REDUCING
    assert len(world.said) == 1


@pytest.mark.parametrize("content", [b"", b"{}", b"garbage"])
def test_watchdog_when_the_heartbeat_cannot_be_read_then_the_bot_counts_as_silent(
    world: World, content: bytes
) -> None:
    world.trader.create_order(BTC, "limit", "buy", 0.01, 50_000)
    (world.commands.store.folder / FILE).write_bytes(content)
    world.dog.round()
    assert world.account.open_orders() == []
    assert world.mode() is ControlMode.REDUCING


def test_watchdog_when_its_clock_or_the_bots_is_wrong_then_the_bot_counts_as_silent(
    world: World,
) -> None:
    world.alive(time_ms=world.now + 60_000)
    world.dog.round()
    assert world.mode() is ControlMode.REDUCING


def test_watchdog_when_one_request_fails_then_the_rest_is_done_and_it_is_tried_again(
    world: World,
) -> None:
    world.buy(0.01)
    world.trader.create_order(BTC, "limit", "buy", 0.01, 50_000)
    world.trader.create_order(ETH, "limit", "buy", 0.1, 2_500)
    world.alive()
    world.pass_s(16)
    world.state.faults.add(
        Answer(on="DELETE /fapi/v1/order", status=503, code=-1001, message="busy", times=1)
    )
    world.dog.round()
    assert [o.symbol for o in world.account.open_orders()] == ["BTCUSDT"]
    assert len(world.stops()) == 1
    assert any(text.startswith("watchdog: not done, tried again next round") for text in world.said)
    world.dog.round()
    assert world.account.open_orders() == []


def test_watchdog_when_the_account_cannot_be_seen_for_long_then_a_person_hears_of_it(
    world: World,
) -> None:
    world.alive()
    world.state.faults.add(Drop(on="GET /fapi/v3/positionRisk", times=3))
    world.dog.round()
    world.dog.round()
    assert world.said == []  # a request may fail
    world.dog.round()
    begun = "since 2023-11-14 22:13:20 UTC the account cannot be seen: NetworkError: binance GET"
    assert world.said == [f"watchdog: {begun} (address)"]
    assert world.mode() is ControlMode.ACTIVE  # the bot lives, and its own guards see this too
    world.dog.round()
    assert world.said[1] == f"watchdog: over: {begun} (address)"


def test_watchdog_when_something_lasts_then_it_is_told_since_its_first_round(world: World) -> None:
    world.alive()
    world.state.faults.add(Drop(on="GET /fapi/v3/positionRisk"))
    for _ in range(4):
        world.dog.round()
        world.pass_s(5)
        world.alive()
    (said,) = world.said
    assert said.startswith("watchdog: since 2023-11-14 22:13:20 UTC the account")


def test_watchdog_when_a_stopped_bot_holds_the_locks_then_it_acts_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.trader.create_order(BTC, "limit", "buy", 0.01, 50_000)
    world.alive()
    world.pass_s(16)
    monkeypatch.setattr("models.base.files.time.sleep", lambda _: None)
    folder = world.commands.store.folder
    world.commands.journal.folder.mkdir()
    with locked(folder / "lock"), locked(world.commands.journal.folder / "lock"):
        world.dog.round()
    assert world.account.open_orders() == []
    assert world.mode() is ControlMode.HALTED  # through the file HALT, which needs no lock
    assert len(world.said) == 2


def test_watchdog_when_the_run_is_dry_then_it_watches_the_heartbeat_and_asks_the_exchange_nothing(
    world: World,
) -> None:
    dog = world.watchdog(dry=True)
    world.alive()
    world.pass_s(16)
    dog.round()
    assert world.mode() is ControlMode.REDUCING
    assert world.state.requests == []


def test_venue_when_it_reduces_then_it_can_never_turn_a_position_around(world: World) -> None:
    world.buy(0.01)
    venue = Venue(venue_client(world.config))
    (position,) = venue.positions().items
    venue.close(position, 0.004)
    assert float(world.account.open_positions()["BTCUSDT"].amount) == pytest.approx(0.006)
    venue.close(position, 5.0)
    with pytest.raises(ccxt.BaseError):
        venue.close(position, 5.0)
    assert world.account.open_positions() == {}


def test_venue_when_a_stop_closes_the_whole_position_then_it_covers_it(world: World) -> None:
    world.buy(0.01)
    world.trader.fapiPrivatePostAlgoOrder(
        {"algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET",
         "triggerPrice": "57000", "closePosition": "true"}
    )  # fmt: skip
    world.alive()
    world.pass_s(16)
    world.dog.round()
    assert len(world.stops()) == 1


# -- closing for a silent bot -------------------------------------------------------------------


def test_watchdog_when_told_to_flatten_on_silence_then_it_closes_in_stages_and_stops_the_rest(
    world: World,
) -> None:
    # 3,600 BTC an hour at 60,000; of a minute's share 0.033 % is 1,200, the position 3,000.
    dog = world.watchdog(on_silence="flatten", max_volume_frac=3.3e-4)
    world.buy(0.05)
    world.buy(-0.015, ETH)  # 45; of ETH a step is 59
    world.stop(0.05, 57_000)
    world.alive()
    dog.round()
    assert held(world) == {"BTCUSDT": 0.05, "ETHUSDT": -0.015}
    world.pass_s(16)
    dog.round()
    left = held(world)
    assert set(left) == {"BTCUSDT"}
    assert left["BTCUSDT"] == pytest.approx(0.03, abs=0.002)
    world.pass_s(59)
    dog.round()
    assert held(world) == left  # a step a minute
    world.pass_s(1)
    dog.round()
    assert held(world)["BTCUSDT"] == pytest.approx(0.01, abs=0.002)
    for _ in range(2):
        world.pass_s(61)
        dog.round()
    assert held(world) == {}
    assert {o.side for o in world.account.orders.values() if o.reduce_only} == {-1, 1}


def test_watchdog_when_a_person_asks_for_flattening_then_it_closes_for_a_silent_bot_only(
    world: World,
) -> None:
    world.buy(0.01)
    world.stop(0.01, 57_000)
    world.alive()
    world.commands.flatten(ANN, "storm")
    world.dog.round()
    assert held(world) == {"BTCUSDT": 0.01}  # a live bot does it itself
    world.pass_s(16)
    world.dog.round()
    assert held(world) == {}


def test_watchdog_when_the_margin_is_all_but_gone_then_it_closes_for_a_silent_bot(
    world: World,
) -> None:
    world.trader.set_leverage(20, BTC)
    world.buy(3.0)
    world.stop(3.0, 56_000)
    world.alive()
    world.pass_s(16)
    world.dog.round()
    assert held(world) == {"BTCUSDT": 3.0}
    world.state.venue.move("BTCUSDT", 57_050.0)
    world.dog.round()
    assert "margin ratio 0.6" in " ".join(world.said)  # thin: no new risk, and nothing closed
    assert held(world) == {"BTCUSDT": 3.0}
    world.state.venue.move("BTCUSDT", 57_000.0)  # margin ratio 0.75
    world.dog.round()
    assert held(world).get("BTCUSDT", 0.0) < 3.0


def test_watchdog_when_nobody_knows_the_volume_then_it_closes_in_small_steps_all_the_same(
    world: World,
) -> None:
    dog = world.watchdog(on_silence="flatten")
    world.buy(0.05)
    world.stop(0.05, 57_000)
    world.alive()
    world.pass_s(16)
    world.state.faults.add(Drop(on="GET /fapi/v1/klines"))
    dog.round()
    assert held(world) == {"BTCUSDT": pytest.approx(0.045)}


@pytest.mark.parametrize(("ratio", "left"), [(0.699, {"BTCUSDT": 0.01}), (0.7, {})])
def test_watchdog_when_the_margin_reaches_its_limit_then_it_closes_for_a_silent_bot(
    world: World, monkeypatch: pytest.MonkeyPatch, ratio: float, left: dict[str, float]
) -> None:
    monkeypatch.setattr(Venue, "margin_ratio", lambda _: ratio)
    world.buy(0.01)
    world.stop(0.01, 57_000)
    world.alive()
    world.pass_s(16)
    world.dog.round()
    assert held(world) == left


# Held are 0.01 of BTC at 60,000, 600; of an hour's volume a step may be 5 % of a minute's, 1/1,200.
@pytest.mark.parametrize(
    ("volume", "smallest", "left"),
    [(1_200 * 300.0, 5.0, 0.005), (1_200 * 300.0, 400.0, 0.0), (1_200 * 599.5, None, 0.001),
     (1e9, None, 0.0)],
)  # fmt: skip
def test_watchdog_when_it_closes_a_step_then_no_crumb_the_exchange_would_refuse_is_left(
    world: World, monkeypatch: pytest.MonkeyPatch, volume: float, smallest: float | None,
    left: float,
) -> None:  # fmt: skip
    def answer(*_: object) -> float:
        if smallest is None:
            raise ccxt.NetworkError("nobody knows")
        return smallest

    monkeypatch.setattr(Venue, "volume_1h_quote", lambda *_: volume)
    monkeypatch.setattr(Venue, "smallest_quote", answer)
    dog = world.watchdog(on_silence="flatten")
    world.buy(0.01)
    world.stop(0.01, 57_000)
    world.alive()
    world.pass_s(16)
    dog.round()
    assert held(world).get("BTCUSDT", 0.0) == pytest.approx(left)


# -- the process --------------------------------------------------------------------------------


class Ended(Exception):
    """The process is ended while it sleeps."""


@pytest.fixture
def log_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def run_twice(
    world: World, config: Path, monkeypatch: pytest.MonkeyPatch, *, dry: bool,
    userdir: Path | None = None, **more: Any,
) -> list[float]:  # fmt: skip
    """Run the process for two rounds, of one and of five seconds; return how long it slept."""
    exchange = {**world.config["exchange"], "pair_whitelist": [BTC]}
    content = {**world.config, "exchange": exchange, "dry_run": dry, "stake_currency": "USDT",
               **more}  # fmt: skip
    config.write_text(json.dumps(content), encoding="utf-8")
    readings, slept = iter((100.0, 101.0, 103.0, 108.0)), []
    # This process holds what it watches to its end: another one may be served at that address.
    monkeypatch.setattr("tempfile.tempdir", str(config.parent))

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            raise Ended

    clock = SimpleNamespace(monotonic=lambda: next(readings), sleep=sleep)
    monkeypatch.setattr("strategies.desk.watch.process.time", clock)
    with pytest.raises(Ended):
        run_watchdog([config], userdir)
    return slept


@pytest.mark.parametrize("dry", [True, False])
@pytest.mark.usefixtures("log_restored")
def test_process_when_it_runs_then_it_looks_every_few_seconds_and_logs_at_once(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], dry: bool,
) -> None:  # fmt: skip
    if dry:
        world.dry_run(tmp_path)
    world.alive()  # long ago by the wall clock, which the process reads
    slept = run_twice(world, tmp_path / "config.json", monkeypatch, dry=dry, userdir=tmp_path)
    assert slept == [2.0, 0.0]  # every 3 s, and at once after a round that took longer
    assert world.mode() is ControlMode.REDUCING
    asked = [request for request in world.state.requests if "positionRisk" in request]
    assert len(asked) == (0 if dry else 2)
    (handler,) = logging.getLogger().handlers  # not Freqtrade's, which keeps lines back
    assert type(handler) is logging.StreamHandler
    said = [line.partition("WARNING ")[2] for line in capsys.readouterr().err.splitlines()]
    watching = f"watchdog: watching {tmp_path}"
    assert watching + (", dry-run: heartbeat and feed only" if dry else "") in said


@pytest.mark.usefixtures("log_restored")
def test_process_when_no_bot_has_ever_run_there_then_it_says_so_at_once(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    word = f"no bot has given a sign of life in {tmp_path} yet"
    run_twice(world, tmp_path / "config.json", monkeypatch, dry=False, userdir=tmp_path)
    assert capsys.readouterr().err.count(word) == 1
    (world.commands.store.folder / FILE).mkdir()
    run_twice(world, tmp_path / "config.json", monkeypatch, dry=False, userdir=tmp_path)
    assert word not in capsys.readouterr().err


@pytest.mark.usefixtures("log_restored")
def test_process_when_no_user_directory_is_named_then_the_configs_counts(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.dry_run(tmp_path)
    world.alive()
    config, elsewhere = tmp_path / "config.json", tmp_path / "elsewhere"
    elsewhere.mkdir()
    run_twice(world, config, monkeypatch, dry=True, user_data_dir=str(tmp_path))
    assert world.mode() is ControlMode.REDUCING
    world.commands.resume(ANN)
    more = {"user_data_dir": str(tmp_path)}
    run_twice(world, config, monkeypatch, dry=True, userdir=elsewhere, **more)
    assert world.mode() is ControlMode.ACTIVE  # nobody looked there


@pytest.mark.usefixtures("log_restored")
def test_process_when_the_state_is_another_bots_then_it_does_not_start_and_changes_nothing(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config.json"
    world.alive()
    bot = bot_identity({**world.config, "stake_currency": "USDT", "strategy": "Mine"})
    occupy(state_place(tmp_path, bot), bot)
    run_twice(world, config, monkeypatch, dry=False, userdir=tmp_path)  # no strategy named
    world.commands.resume(ANN)
    with pytest.raises(ControlError, match="belongs to Mine, live on binance"):
        run_twice(world, config, monkeypatch, dry=False, userdir=tmp_path, strategy="Other")
    world.state.venue.open_account("another-key", SECRET)
    world.config["exchange"]["key"] = "another-key"
    with pytest.raises(ControlError, match="another account of the exchange"):
        run_twice(world, config, monkeypatch, dry=False, userdir=tmp_path)
    assert world.mode() is ControlMode.ACTIVE


@pytest.mark.usefixtures("log_restored")
def test_process_when_nobody_can_tell_whose_the_state_is_then_it_watches_and_says_so(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    world.alive()
    (tmp_path / "control" / "owner.json").write_text("{", encoding="utf-8")
    run_twice(world, tmp_path / "config.json", monkeypatch, dry=False, userdir=tmp_path)
    assert "watching all the same, but it cannot be read whose this is" in capsys.readouterr().err
    assert world.mode() is ControlMode.REDUCING


@pytest.mark.usefixtures("log_restored")
def test_process_when_the_user_directory_is_not_there_then_it_does_not_start(
    world: World, tmp_path: Path
) -> None:
    config = tmp_path / "config.json"
    config.write_text(
        json.dumps({**world.config, "dry_run": True, "user_data_dir": str(tmp_path)}),
        encoding="utf-8",
    )
    with pytest.raises(ControlError, match="expected the bot's user directory"):
        run_watchdog([config], tmp_path / "none")


# -- settings and alerts ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [{"silence_s": 24.0}, {"silence_s": 0.0}, {"every_s": 0.0}, {"on_silence": "panic"},
     {"margin_reducing": 0.8}, {"stop_frac": 0.0}, {"unprotected_s": float("nan")},
     {"silence_s": float("nan")}],
)  # fmt: skip
def test_settings_when_they_would_be_too_late_or_make_no_sense_then_they_are_refused(
    settings: dict[str, Any],
) -> None:
    with pytest.raises(ConfigError, match="expected"):
        WatchdogConfig(**settings)


def telegram(state: BotApiState, chat_id: int) -> dict[str, Any]:
    return {"telegram": {"enabled": True, "token": state.token, "chat_id": str(chat_id)}}


def test_alerts_when_telegram_is_down_then_they_are_kept_and_the_token_is_never_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    state = BotApiState()
    chat = Chat(state, 1001)
    alerts = Alerts(telegram(state, 1001))
    with running_bot_api(state) as endpoint:
        monkeypatch.setenv("SSL_CERT_FILE", str(endpoint.certificate))
        monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens there
        alerts.say("watchdog: first")
        alerts.deliver()
        alerts.say("watchdog: second")
        monkeypatch.setenv("https_proxy", endpoint.proxy_url)
        alerts.deliver()
        texts = [message.text for message in chat.received()]
        assert texts == ["watchdog: first", "watchdog: second"]
        alerts.deliver()
        assert len(chat.received()) == 2
    assert "watchdog: first" in caplog.text
    assert state.token not in caplog.text


@pytest.fixture
def telegram_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[BotApiState]:
    state = BotApiState()
    with running_bot_api(state) as endpoint:
        monkeypatch.setenv("SSL_CERT_FILE", str(endpoint.certificate))
        monkeypatch.setenv("https_proxy", endpoint.proxy_url)
        yield state


def refusing(times: int) -> Refusal:
    error = BotApiError(400, "Bad Request: can't parse entities")
    return Refusal(on="sendMessage", times=times, error=error)


def test_alert_when_telegram_refuses_it_then_it_is_sent_plain_and_not_dropped(
    telegram_up: BotApiState,
) -> None:
    chat = Chat(telegram_up, 1001)
    alerts = Alerts(telegram(telegram_up, 1001))
    telegram_up.faults.add(refusing(1))
    alerts.say("watchdog: bot 7 has <b given no sign\u2028 of life \U0001f600")
    alerts.deliver()
    (message,) = chat.received()
    assert message.text == "watchdog: bot 7 has <b given no sign? of life ?"


def test_alert_when_it_is_refused_even_plain_then_the_next_one_tells_of_it(
    telegram_up: BotApiState, caplog: pytest.LogCaptureFixture
) -> None:
    chat = Chat(telegram_up, 1001)
    alerts = Alerts(telegram(telegram_up, 1001))
    telegram_up.faults.add(refusing(4))
    for number in (1, 2, 3, 4):
        alerts.say(f"watchdog: {number}")
    alerts.deliver()
    assert [message.text for message in chat.received()] == [
        "watchdog: 3\n(2 before this were refused: Bad Request: can't parse entities; see the log)",
        "watchdog: 4",
    ]
    assert telegram_up.token not in caplog.text


def test_alert_when_the_bots_topic_is_closed_then_it_comes_outside_it(
    telegram_up: BotApiState,
) -> None:
    chat = Chat(telegram_up, -1001)
    config = telegram(telegram_up, -1001)
    config["telegram"]["topic_id"] = "77"
    alerts = Alerts(config)
    alerts.say("watchdog: x")
    alerts.deliver()
    assert [message.text for message in chat.received()] == ["watchdog: x"]


def test_alerts_when_telegram_is_off_then_the_log_has_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    off = {"telegram": {"enabled": False, "token": "1:a", "chat_id": "1"}}
    alerts = Alerts(off)
    alerts.say("watchdog: x")
    alerts.deliver()
    assert caplog.messages == ["watchdog: x"]
    Alerts(off, "user_data_a").say("watchdog: y")
    assert caplog.messages[1:] == ["user_data_a: watchdog: y"]
