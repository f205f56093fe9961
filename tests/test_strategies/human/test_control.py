"""The strategy obeys control at once, never traps a position, and writes down what it does."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from freqtrade.enums import RunMode
from freqtrade.exceptions import OperationalException
from freqtrade.persistence import PairLocks

from models.base import columns
from models.operate.control.commands import Commands
from models.operate.control.heartbeat import last_beat
from models.operate.control.home import DRY_RUN_HOME
from models.operate.control.state import ControlMode, GuardActor
from models.operate.journal.journal import Journal
from strategies.account.acknowledgement import leverage_digest
from strategies.account.stops import cancel_outgrown
from strategies.BitcoinAgent import BitcoinAgent
from strategies.BitcoinCrossMargin import BitcoinCrossMargin
from strategies.bot.forecast import ForecastStrategy
from strategies.human.secrets import secrets_of
from strategies.VolatilityTarget import VolatilityTarget
from tests.test_strategies.fakes import ANN, Exchange, LiveProvider
from tests.test_strategies.worlds import (
    NOW,
    OPENED,
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


@pytest.fixture
def make(tmp_path: Path) -> Any:
    def made(frame: pd.DataFrame | None = None, **blocks: Any) -> BitcoinCrossMargin:
        s = BitcoinCrossMargin(config(user_data_dir=tmp_path, **blocks))
        s.dp = LiveProvider(analysed() if frame is None else frame)
        s.wallets = Wallets(10_000.0)
        return running(s)

    return made


def told(s: ForecastStrategy, kind: str = "") -> list[tuple[str, Any]]:
    assert s.control is not None
    return [(e.kind, e.record) for e in s.control.journal.entries(kind=kind)]


def loop(s: ForecastStrategy, seconds: float = 0.0) -> None:
    s.bot_loop_start(NOW + timedelta(seconds=seconds))


class Filled:
    """What is read of a filled order."""

    order_id, safe_price, order_date_utc = "77", RATE, OPENED

    def __init__(self, side: str, amount: float = 5.0) -> None:
        self.ft_order_side, self.safe_filled, self.safe_amount = side, amount, amount


class OpenTrade:
    id, pair, leverage, is_short, is_open = 3, PAIR, 2.0, False, True
    entry_side, exit_side, amount, open_date_utc = "buy", "sell", 5.0, OPENED
    exit_reason, close_profit_abs, close_profit = "max_hold", 12.5, 0.05

    def __init__(self, **changes: Any) -> None:
        self.open_sl_orders: list[Any] = []
        self.kept: dict[str, Any] = {}
        for name, value in changes.items():
            setattr(self, name, value)

    def get_custom_data(self, key: str) -> Any:
        return self.kept.get(key)

    def set_custom_data(self, key: str, value: Any) -> None:
        self.kept[key] = value


def leave(s: ForecastStrategy, trade: Any) -> bool:
    return s.confirm_trade_exit(PAIR, trade, "market", 5.0, RATE, "GTC", "max_hold", NOW)


# -- modes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["reduce", "halt", "request_flatten"])
def test_entry_when_a_person_or_a_guard_has_said_stop_then_the_next_one_is_refused(
    make: Any, word: str
) -> None:
    s = make()
    assert confirm(s) is True
    assert stake(s) > 0
    getattr(s.control.store, word)(GuardActor("loss_day"), "lost 2 %")
    assert confirm(s) is False  # no loop has passed in between
    assert stake(s) == 0.0
    s.control.store.resume(ANN)
    assert confirm(s) is True
    assert stake(s) > 0


def test_entry_when_the_halt_file_is_dropped_then_it_is_refused_and_exits_pass(
    make: Any, tmp_path: Path
) -> None:
    s, trade = make(), OpenTrade()
    assert s.check_entry_timeout(PAIR, trade, Filled("buy"), NOW) is False
    (tmp_path / DRY_RUN_HOME / "control" / "HALT").touch()
    assert confirm(s) is False
    assert s.check_entry_timeout(PAIR, trade, Filled("buy"), NOW) is True  # a waiting entry goes
    assert leave(s, trade) is True
    assert s.custom_exit(PAIR, trade, OPENED + timedelta(hours=24), RATE, 0.0) == "max_hold"


def test_entry_when_the_lock_that_keeps_a_second_bot_out_is_removed_then_it_is_refused(
    make: Any, tmp_path: Path
) -> None:
    s = make()
    assert confirm(s) is True
    (tmp_path / DRY_RUN_HOME / "control" / "bot.lock").unlink()
    assert confirm(s) is False
    assert "cannot be looked at" in told(s, "entry.refused")[-1][1]["rules"][-1]
    assert leave(s, OpenTrade()) is True


def test_bot_when_the_folder_is_anothers_then_freqtrade_is_told_and_nothing_has_changed(
    make: Any, tmp_path: Path
) -> None:
    class Another(BitcoinCrossMargin):
        """Another strategy in the same user directory."""

    make()
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(OperationalException, match="belongs to BitcoinCrossMargin, dry-run"):
        Another(config(user_data_dir=tmp_path))
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("mode", [RunMode.BACKTEST, RunMode.HYPEROPT, RunMode.OTHER])
def test_control_when_the_run_does_not_trade_then_there_is_none_and_nothing_is_written(
    make: Any, tmp_path: Path, mode: RunMode
) -> None:
    s = make(runmode=mode)
    assert s.control is None
    (tmp_path / DRY_RUN_HOME / "control").mkdir(parents=True)
    (tmp_path / DRY_RUN_HOME / "control" / "HALT").touch()
    loop(s)
    assert confirm(s) is True  # a backtest obeys nobody
    assert leave(s, OpenTrade()) is True
    assert list(tmp_path.rglob("*.jsonl")) == []


def test_control_when_a_trading_run_has_no_user_directory_then_it_does_not_start(
    make: Any,
) -> None:
    with pytest.raises(OperationalException, match="expected a user directory"):
        BitcoinCrossMargin(config(user_data_dir=None))


# -- every loop ---------------------------------------------------------------------------------


def test_loop_when_it_starts_then_a_heartbeat_tells_feed_and_account(
    make: Any, tmp_path: Path
) -> None:
    s = make()
    loop(s)
    loop(s)
    beat = last_beat(tmp_path / DRY_RUN_HOME / "control")
    assert beat is not None
    assert beat.loop == 2
    assert beat.feed_ms == int((OPENED.timestamp() + 3600) * 1000)
    assert beat.candle_ms == 3_600_000
    assert beat.numbers["equity"] == 10_000.0


@pytest.mark.parametrize(
    ("kind", "frame", "why"),
    [
        (BitcoinCrossMargin, {"do_predict": 0}, "no trusted forecast: "),
        (VolatilityTarget, {"do_predict": 0}, "no trusted forecast: "),
        (BitcoinCrossMargin, {"do_predict": 0}, "FreqAI's first answer after a start"),
        (BitcoinCrossMargin, {"do_predict": 2}, "older than freqai.expiration_hours"),
        (BitcoinCrossMargin, {columns.ABSTAIN: 1.0, columns.NOVELTY: 1.5}, "(novelty 1.50, limit"),
        (BitcoinAgent, {"do_predict": 0}, "no trusted forecast: "),
        (VolatilityTarget, {columns.FALSE_ALARMS_DOWN: 0.0}, "the hazard of a cascade"),
        (BitcoinCrossMargin, {"date": OPENED - timedelta(hours=3)}, "the last analysed candle"),
    ],
)
def test_risk_when_there_is_no_forecast_then_the_pair_says_so_and_no_room_is_shown(
    tmp_path: Path, kind: type[ForecastStrategy], frame: dict[str, Any], why: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(PairLocks, "use_db", False)  # nothing is locked
    s: Any = kind(config(user_data_dir=tmp_path))
    s.dp, s.wallets = LiveProvider(analysed()), Wallets(10_000.0)
    loop(running(s))
    assert "room for new longs in BTC: " in s.control.commands.risk().text
    s.dp.frame = analysed(**frame)
    loop(s)
    shown = s.control.commands.risk().text
    (line,) = [
        one for one in shown.splitlines() if one.startswith(f"nothing is opened in {PAIR}: ")
    ]
    assert why in line
    assert "room for new" not in shown


SPOT = "BTC/USDT"


def following(s: Any, *followed: str, configured: list[str]) -> str:
    """Return what risk shows after two loops of a bot with that whitelist."""
    s.config["exchange"] = {"pair_whitelist": configured}
    s.dp._exchange.markets = {PAIR: {"swap": True}, SPOT: {"swap": False}}
    s.dp._exchange.market_is_tradable = lambda market: market["swap"]
    s.dp.current_whitelist = lambda: list(followed)
    loop(s)
    loop(s)
    return str(s.control.commands.risk().text)


def test_whitelist_when_it_has_no_pair_left_then_the_bot_says_so_with_the_near_name(
    make: Any,
) -> None:
    s = make()
    shown = following(s, configured=[SPOT])
    assert shown.startswith("ACTIVE, but nothing is opened: the bot follows no pair. BTC/USDT: ")
    assert f"{PAIR} is how the exchange has it" in shown.splitlines()[0]
    assert "room for new" not in shown
    assert s.dp.said == []  # an obstacle: told by the news, once
    assert following(s, PAIR, configured=[PAIR]).startswith("ACTIVE: new positions are allowed")


def test_whitelist_when_a_pair_of_it_is_lost_then_risk_says_so_and_a_person_is_told_once(
    make: Any,
) -> None:
    s = make()
    shown = following(s, PAIR, configured=[PAIR, "GONE/USDT:USDT"])
    assert "nothing is opened in GONE/USDT:USDT: it is in exchange.pair_whitelist, and" in shown
    assert "ACTIVE: new positions are allowed" in shown
    (said,) = s.dp.said
    assert said.startswith("Not followed. GONE/USDT:USDT: ")


def test_whitelist_when_a_name_is_a_broken_pattern_then_the_bot_says_so_and_goes_on(
    make: Any,
) -> None:
    shown = following(make(), configured=["*/USDT:USDT"])
    assert "the bot follows no pair. */USDT:USDT: it is in exchange.pair_whitelist" in shown
    assert "it is no name, and no pattern of names: nothing to repeat" in shown


@pytest.mark.parametrize("configured", [[PAIR], [".*/USDT:USDT"], []])
def test_whitelist_when_every_name_of_it_is_followed_then_nothing_is_said(
    make: Any, configured: list[str]
) -> None:
    s = make()
    assert "not followed" not in following(s, PAIR, configured=configured)
    s.config["pairlists"] = [{"method": "VolumePairList"}]
    assert "not followed" not in following(s, PAIR, configured=["OLD/USDT:USDT"])
    assert s.dp.said == []


def test_loop_when_the_mode_has_changed_then_the_journal_says_so_once(make: Any) -> None:
    s = make()
    loop(s)
    s.control.store.reduce(GuardActor("margin"), "margin ratio 0.5")
    loop(s)
    loop(s)
    assert [(r["before"], r["after"], r["by"]) for _, r in told(s, "control.mode")] == [
        ("start", "ACTIVE", ""),
        ("ACTIVE", "REDUCING", "guard margin"),
    ]


def test_flatten_when_the_books_are_empty_then_it_is_done_when_the_exchange_says_so(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = make()
    s.control.store.request_flatten(ANN, "out")
    answers = [("BTC/USDT:USDT 0.3",), ("BTC/USDT:USDT 0.3",), None, ()]
    for held, said in zip(
        answers,
        ["still holds BTC/USDT:USDT 0.3: close it there", "still holds BTC/USDT:USDT 0.3",
         "does not answer, so whether it holds more is not known", "the exchange holds none"],
        strict=True,
    ):  # fmt: skip
        monkeypatch.setattr(s.guarding, "held", lambda held=held: held)
        loop(s)
        assert said in s.control.store.read().notices[-1].reason
        assert (s.control.store.read().flatten is None) is (held == ())
    assert [kind for kind, _ in told(s, "control") if "flatten" in kind] == [
        "control.flattening", "control.flattening", "control.flattened",
    ]  # fmt: skip
    assert s.control.store.read().mode is ControlMode.HALTED


def test_loop_when_a_guard_adds_a_reason_then_it_is_journalled_though_the_mode_stays(
    make: Any,
) -> None:
    s = make()
    s.control.store.halt(GuardActor("loss_day"), "lost 2 %")
    loop(s)
    s.control.store.halt(GuardActor("margin"), "margin ratio 0.8")
    loop(s)
    loop(s)
    assert [r["what"].partition(": ")[2] for _, r in told(s, "control.heard")] == [
        "HALTED by guard margin: margin ratio 0.8",
    ]


def test_reload_when_a_halt_has_found_no_disk_then_the_new_strategy_is_halted_too(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = make()

    def full(*_: object, **__: object) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("models.operate.control.state_file.write_atomic", full)
        broken.setattr("models.operate.control.state_file.open_regular", full)
        s.control.store.halt(GuardActor("loss_day"), "lost 2 %")
        assert s.control.store.unwritten  # not even as the file HALT
    again = make()
    assert confirm(again) is False
    loop(again)  # the disk is back: written down now, for a restart too
    assert again.control.store.unwritten == ()
    assert "lost 2 %" in again.control.store.on_disk().reason


def test_loop_when_flattening_is_done_then_the_request_is_dropped_and_the_halt_stays(
    make: Any, open_trades: list[Any]
) -> None:
    s = make()
    open_trades.append(OpenTrade(open_rate=RATE))
    s.control.store.request_flatten(ANN, "out")
    loop(s)
    assert s.control.store.read().flatten is not None
    open_trades.clear()
    loop(s)
    assert s.control.store.read().flatten is None
    assert s.control.store.read().mode is ControlMode.HALTED
    assert len(told(s, "control.flattened")) == 1


def test_loop_when_no_heartbeat_can_be_written_then_no_risk_is_added_until_one_can(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    s = make()
    with monkeypatch.context() as broken:
        broken.setattr("strategies.human.control.beat", full)
        loop(s)
        assert confirm(s) is False
        assert leave(s, OpenTrade()) is True
    loop(s, 1)  # the losses contain what left
    assert confirm(s) is True


# -- journal ------------------------------------------------------------------------------------


def test_journal_when_a_trade_lives_and_dies_then_why_tells_the_whole_story(make: Any) -> None:
    s, trade = make(), OpenTrade()
    assert confirm(s) is True
    s.order_filled(PAIR, trade, Filled("buy"), NOW)
    assert leave(s, trade) is True
    trade.is_open = False
    s.order_filled(PAIR, trade, Filled("sell"), NOW + timedelta(hours=1))
    story = s.control.journal.why(3)
    assert [e.kind for e in story] == [
        "entry.accepted", "order.filled", "exit", "order.filled", "trade.closed",
    ]  # fmt: skip
    entered, bought, left, sold, closed = (e.record for e in story)
    assert entered["forecast"]["sigma"] == 0.02
    assert entered["candle_ms"] == int(OPENED.timestamp() * 1000)
    assert entered["notional_quote"] == 500.0
    assert entered["inputs"]["equity"] == 10_000.0
    assert (bought["decision"], bought["opens"]) == (story[0].n, True)
    assert (left["reason"], sold["decision"], sold["opens"]) == ("max_hold", story[2].n, False)
    assert (closed["profit_quote"], closed["held_s"]) == (12.5, 3602.0 + 3600.0)
    assert s.control.journal.verify().fault == ""


def fills(s: ForecastStrategy) -> list[tuple[str, float]]:
    return [(r["side"], r["amount_base"]) for _, r in told(s, "order.filled")]


def test_journal_when_fills_are_repeated_then_each_is_written_once_over_restarts_too(
    make: Any,
) -> None:
    s, trade = make(), OpenTrade()
    for _ in range(3):
        s.order_filled(PAIR, trade, Filled("buy"), NOW)
    s = make()
    s.order_filled(PAIR, trade, Filled("buy"), NOW)
    trade.is_open = False
    for _ in range(2):
        for side in ("sell", "buy"):
            s.order_filled(PAIR, trade, Filled(side), NOW)
    make().order_filled(PAIR, trade, Filled("sell"), NOW)
    assert fills(s) == [("buy", 5.0), ("sell", 5.0)]
    assert len(told(s, "trade.closed")) == 1
    s.order_filled(PAIR, trade, Filled("sell", 5.5), NOW)  # more of it has been executed
    assert fills(s)[2:] == [("sell", 5.5)]


def test_journal_when_killed_between_a_fill_and_the_end_of_its_trade_then_the_end_is_written(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    s, trade = make(), OpenTrade(is_open=False)
    with monkeypatch.context() as killed:
        killed.setattr("strategies.human.decisions.outcome", lambda *_: 1 / 0)
        s.order_filled(PAIR, trade, Filled("sell"), NOW)
    assert [kind for kind, _ in told(s)] == ["order.filled"]
    for _ in range(2):
        make().order_filled(PAIR, trade, Filled("sell"), NOW)
    assert [kind for kind, _ in told(s)] == ["order.filled", "trade.closed"]


def test_journal_when_an_entry_is_refused_again_and_again_then_it_says_so_once_per_reason(
    make: Any,
) -> None:
    s = make()
    for _ in range(3):
        assert confirm(s, amount=201.0) is False
    assert confirm(s, amount=float("nan")) is False
    reasons = [r["rules"] for kind, r in told(s) if kind == "entry.refused"]
    assert len(reasons) == 2
    assert "net_within: net exposure limited to 2 x usable equity" in reasons[0][0]
    assert "expected finite numbers" in reasons[1][0]


def test_journal_when_it_cannot_be_written_then_nothing_is_entered_and_everything_may_leave(
    make: Any, tmp_path: Path
) -> None:
    s, trade = make(), OpenTrade()
    (tmp_path / DRY_RUN_HOME / "journal").touch()  # a file where the folder should be
    assert confirm(s) is False
    assert stake(s) == 0.0
    assert leave(s, trade) is True
    s.order_filled(PAIR, trade, Filled("buy"), NOW)
    assert trade.kept  # the stop's distance is noted all the same
    (tmp_path / DRY_RUN_HOME / "journal").unlink()
    loop(s, 1)
    assert confirm(s) is True
    assert told(s)[0][0] == "journal.back"


def test_journal_when_damaged_then_nothing_is_entered(make: Any, tmp_path: Path) -> None:
    s = make()
    assert confirm(s) is True
    (path,) = (tmp_path / DRY_RUN_HOME / "journal").glob("*.jsonl")
    path.write_bytes(b"")
    assert confirm(s) is False
    assert leave(s, OpenTrade()) is True


def test_journal_when_the_config_holds_keys_then_none_of_them_is_ever_in_it(
    make: Any, tmp_path: Path
) -> None:
    keys = {
        "exchange": {"key": "KEY1", "secret": "KEY2", "password": "KEY3"},
        "telegram": {"token": "KEY4", "chat_id": "1"},
        "api_server": {"jwt_secret_key": "KEY5", "password": "KEY6", "ws_token": ["KEY7"]},
    }
    s = make(original_config=keys)  # the bot has wiped them from the rest
    assert secrets_of(s.config) == ["KEY1", "KEY2", "KEY3", "KEY4", "KEY6", "KEY5", "KEY7"]
    s.control.store.halt(ANN, "because KEY2")
    loop(s)
    confirm(s, side="KEY7")
    written = "".join(p.read_text() for p in (tmp_path / DRY_RUN_HOME / "journal").glob("*.jsonl"))
    assert "because ***" in written
    assert "KEY" not in written


# -- review -------------------------------------------------------------------------------------


def test_review_when_enabled_then_an_entry_waits_for_a_person_and_happens_once(make: Any) -> None:
    s = make(breakwater={"review": {"enabled": True}})
    assert confirm(s) is False
    assert confirm(s) is False
    (proposal,) = s.control.store.read().proposals
    assert (proposal.side, proposal.notional_quote) == ("long", 500.0)
    assert proposal.note == "up 1%, flat 1%, down 1%, edge +100.0 bps (lower bound)"
    s.control.store.approve(ANN, proposal.id)
    assert confirm(s, amount=6.0) is False  # larger than what was approved
    assert confirm(s) is True
    assert confirm(s) is False
    assert [kind for kind, _ in told(s)].count("entry.accepted") == 1


def test_review_when_denied_or_halted_meanwhile_then_nothing_is_entered(make: Any) -> None:
    s = make(breakwater={"review": {"enabled": True}})
    confirm(s)
    s.control.store.approve(ANN, "r1")
    s.control.store.halt(GuardActor("loss"), "loss")
    assert confirm(s) is False
    s.control.store.resume(ANN)
    assert confirm(s) is True
    confirm(s, side="short")
    s.control.store.deny(ANN, "r2")
    assert confirm(s, side="short") is False


@pytest.mark.parametrize("review", [{"expire_s": 0}, {"enabled": 1}, {"expire": 5}])
def test_review_when_its_settings_are_wrong_then_the_bot_does_not_start(
    make: Any, review: dict[str, Any]
) -> None:
    with pytest.raises(OperationalException, match=r"breakwater\.review"):
        make(breakwater={"review": review})


# -- acknowledgement ----------------------------------------------------------------------------


def test_live_start_when_nobody_has_acknowledged_the_risk_then_nothing_is_entered(
    make: Any,
) -> None:
    s = make(runmode=RunMode.LIVE)
    assert confirm(s) is False
    assert stake(s) == 0.0
    assert leave(s, OpenTrade()) is True
    loop(s, 10)  # the exchange is asked for the account, which contains what left
    desk = Commands(s.control.store.folder.parent)  # another process on the machine
    assert desk.risk().text.startswith("ACTIVE, but nothing is opened: nobody has acknowledged")
    assert desk.resume(ANN).text.startswith("ACTIVE, but nothing is opened")
    s.control.store.acknowledge(ANN, leverage_digest(s.config))
    assert confirm(s) is True
    loop(s)
    assert desk.risk().text.startswith("ACTIVE: new positions are allowed")
    more = make(runmode=RunMode.LIVE, breakwater={"limits": {"max_leverage": 4.0}})
    assert confirm(more) is False  # another risk
    assert confirm(make()) is True  # dry-run risks nothing


# -- stops --------------------------------------------------------------------------------------


def test_stops_when_a_position_has_shrunk_then_its_old_stop_is_cancelled(
    make: Any, open_trades: list[Any]
) -> None:
    sound = OpenTrade(open_rate=RATE)
    sound.open_sl_orders = [SimpleNamespace(order_id="1", safe_amount=5.0)]
    shrunk = OpenTrade(amount=2.0, open_rate=RATE)
    shrunk.open_sl_orders = [SimpleNamespace(order_id="2", safe_amount=5.0)]
    open_trades += [sound, shrunk]
    s = make()
    loop(s)
    assert s.dp._exchange.cancelled == [("2", PAIR)]
    assert [r["what"] for _, r in told(s, "stop.resized")] == [
        f"{PAIR}: stop of 5 for a position of 2"
    ]


def test_stops_when_one_cannot_be_cancelled_then_the_others_are() -> None:
    exchange, trades = Exchange(), [OpenTrade(amount=2.0), OpenTrade(amount=3.0)]
    trades[0].open_sl_orders = [SimpleNamespace(order_id="gone", safe_amount=5.0)]
    trades[1].open_sl_orders = [SimpleNamespace(order_id="2", safe_amount=5.0)]
    assert len(cancel_outgrown(trades, exchange)) == 1
    assert exchange.cancelled == [("2", PAIR)]


def test_journal_when_the_bot_restarts_then_the_chain_goes_on(make: Any, tmp_path: Path) -> None:
    confirm(make())
    confirm(make())
    assert Journal(tmp_path / DRY_RUN_HOME / "journal").verify().lines == 2


def test_bot_when_freqtrade_is_paused_then_it_never_reads_as_one_that_trades(
    make: Any,
) -> None:
    s = make()
    s.control.is_paused = lambda: True
    loop(s)
    assert obstacles_told(s) == ["Freqtrade is paused, until /start"]
    assert s.control.refusal() == ""  # a hedge's legs are adjusted all the same
    s.control.is_paused = lambda: False
    loop(s)
    assert not obstacles_told(s)


def obstacles_told(s: ForecastStrategy) -> list[str]:
    assert s.control is not None
    beat = last_beat(s.control.store.folder)
    assert beat is not None
    return list(beat.obstacles)


def test_sign_of_life_when_it_can_be_written_again_then_it_no_longer_says_that_it_cannot(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = make()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "no space left")

    with monkeypatch.context() as patch:
        patch.setattr("strategies.human.control.beat", full)
        loop(s)
        assert "no heartbeat can be written" in s.control.refusal()
    loop(s)
    assert not obstacles_told(s)


def test_reload_when_it_begins_then_the_last_sign_of_life_says_so_and_no_person_reads_it_as_stopped(
    make: Any,
) -> None:
    s = make()
    loop(s)
    s.control.reloading()
    beat = last_beat(s.control.store.folder)
    assert beat is not None
    assert beat.stopped == "/reload_config"
    said = str(s.control.commands.risk())
    assert "loads a new configuration since 0 s" in said
    assert "stopped by a person" not in said
    loop(s)
    assert "alive" in str(s.control.commands.risk())
