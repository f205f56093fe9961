"""What nobody answers: it stands in the state at once, is told, reduces, and is over by itself,
without a trace in what a person or another guard has set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.operate.control.commands import Commands
from models.operate.control.review import ReviewConfig
from models.operate.control.state import ControlMode, GuardActor, Person
from models.trade.risk.limits import GuardConfig
from models.trade.risk.verdict import Demand, RiskDecision, Verdict
from strategies.guard.causes import cause_of
from strategies.guard.consequences import Consequences
from strategies.guard.unknowns import Unknowns
from strategies.human.control import Control

PAIR, OTHER = "BTC/USDT:USDT", "LTC/USDT:USDT"
ANN = Person("ann", "command line")
WHAT = "the exchange's positions"


class Time:
    """Both clocks, moved by a test."""

    def __init__(self) -> None:
        self.s = 0.0

    def ms(self) -> int:
        return 1_700_000_000_000 + round(1000 * self.s)

    def monotonic(self) -> float:
        return self.s


class Desk:
    """Unknowns over a control folder."""

    def __init__(self, folder: Path) -> None:
        self.time = Time()
        self.folder = folder
        self.start()

    def start(self, **config: Any) -> None:
        self.control = Control(self.folder, review=ReviewConfig(), clock=self.time.ms)
        self.unknowns = Unknowns(self.control, GuardConfig(**config), self.time.monotonic)

    def at(self, seconds: float, *held: str, **broken: str) -> ControlMode:
        """Loop at this time: ask for everything, of which `broken` is not answered."""
        self.time.s = seconds
        for what, pair in SUBJECTS.items():
            answer = failing if what in broken.values() else bool
            self.unknowns.ask(what, answer, pair=pair)
        self.unknowns.settle(held)
        return self.mode

    @property
    def mode(self) -> ControlMode:
        return self.control.store.read().mode

    def told(self, kind: str) -> list[str]:
        return [e.record["what"] for e in self.control.journal.entries(kind=kind)]

    def shown(self) -> str:
        return Commands(self.folder, self.time.ms).risk().text


SUBJECTS = {
    WHAT: "", "the market of BTC": PAIR, "the orders of LTC": OTHER, "the losses": "",
}  # fmt: skip


def failing() -> bool:
    raise ConnectionError("GET https://x.y/z?signature=7 timed out")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_unknown_when_it_lasts_then_it_is_shown_at_once_told_after_a_minute_and_then_reduces(
    desk: Desk,
) -> None:
    assert desk.at(0, a=WHAT) is ControlMode.ACTIVE
    shown = desk.shown()
    assert f"unknown since 2023-11-14 22:13:20 UTC: {WHAT} (ConnectionError: GET (address)" in shown
    assert shown.startswith("ACTIVE: nothing new is opened that the unknown below concerns")
    assert "new positions are allowed" not in shown
    desk.at(59.9, a=WHAT)
    assert desk.told("unknown.lasts") == []
    desk.at(60, a=WHAT)
    (told,) = desk.told("unknown.lasts")
    assert told.startswith(f"{WHAT}: unknown for 1 min (ConnectionError")
    assert desk.at(179.9, a=WHAT) is ControlMode.ACTIVE
    assert desk.at(180, a=WHAT) is ControlMode.REDUCING
    assert len(desk.told("unknown.reduces")) == 1
    heard = [n.reason for n in desk.control.store.read().notices if n.what == "unknown"]
    assert [words.split("; ")[1] for words in heard] == [  # for Telegram, until it has accepted
        "no new risk that it concerns", "nothing but reducing until it is known again",
    ]  # fmt: skip
    assert desk.at(1800, a=WHAT) is ControlMode.REDUCING
    assert f"guard unknown: unknown: {WHAT}" in desk.shown()
    assert desk.at(1801) is ControlMode.ACTIVE
    assert desk.told("unknown.over") == [f"{WHAT}: known again after 30 min"]
    assert f"after 30 min: {WHAT}" in desk.shown()
    assert desk.shown().startswith("ACTIVE: new positions are allowed")
    assert (len(desk.told("unknown.lasts")), len(desk.told("unknown.reduces"))) == (1, 1)
    desk.at(1801 + 3599.999)
    assert "known again" in desk.shown()
    desk.at(1801 + 3600)
    assert "known again" not in desk.shown()


def test_unknown_when_it_passes_within_a_minute_then_nobody_is_told(desk: Desk) -> None:
    for when in range(0, 600, 20):
        desk.at(when, a=WHAT)
        assert desk.unknowns.concerning(PAIR) == (WHAT,)
        desk.at(when + 10)
        assert desk.unknowns.concerning(PAIR) == ()
        assert "unknown" not in desk.shown()
    assert desk.told("unknown.lasts") == desk.told("unknown.over") == []
    assert desk.mode is ControlMode.ACTIVE


@pytest.mark.parametrize("during", [False, True])
@pytest.mark.parametrize(
    ("act", "stays"),
    [
        (lambda store: store.halt(ANN, "enough"), ControlMode.HALTED),
        (lambda store: store.reduce(ANN, "slowly"), ControlMode.REDUCING),
        (lambda store: store.halt(GuardActor("reconciled"), "differs"), ControlMode.HALTED),
        (lambda store: store.reduce(GuardActor("margin"), "full"), ControlMode.REDUCING),
        (lambda store: store.resume(ANN), ControlMode.ACTIVE),
    ],
)
def test_unknown_when_it_is_over_then_what_others_set_before_or_meanwhile_stands_as_it_was(
    desk: Desk, act: Callable[[Any], Any], stays: ControlMode, during: bool
) -> None:
    store = desk.control.store
    if not during:
        act(store)
    before = store.read()
    for when in (0, 100, 200):
        desk.at(when, a=WHAT)
    least = max(stays, ControlMode.REDUCING, key=lambda m: m.severity)
    if during:
        act(store)
    else:
        assert desk.mode is least
    assert desk.at(201, a=WHAT) is least  # also where a person has resumed: it is not known yet
    assert desk.at(202) is stays
    if not during:
        after = store.read()
        assert (after.mode, after.by, after.reason, after.since_ms) == (
            before.mode, before.by, before.reason, before.since_ms,
        )  # fmt: skip


def test_unknown_of_one_pair_when_it_is_not_held_then_it_concerns_that_pair_only(
    desk: Desk,
) -> None:
    for when in (0, 100, 400):
        assert desk.at(when, PAIR, a="the orders of LTC") is ControlMode.ACTIVE
    assert desk.unknowns.concerning(PAIR) == ()
    assert desk.unknowns.concerning(OTHER) == ("the orders of LTC",)
    assert len(desk.told("unknown.lasts")) == 1
    assert desk.at(500, OTHER, a="the orders of LTC") is ControlMode.REDUCING  # held now
    assert desk.unknowns.concerning(PAIR) == ("the orders of LTC",)
    assert desk.at(501, PAIR, a="the orders of LTC") is ControlMode.ACTIVE


def test_unknown_of_a_pair_when_it_is_asked_for_no_more_then_it_is_dropped_and_that_is_told(
    desk: Desk,
) -> None:
    desk.unknowns.note("the model of ETH", "none", pair="ETH/USDT:USDT")
    desk.at(60)
    desk.at(120)
    assert "the model of ETH" in desk.shown()
    desk.at(120.1)
    assert desk.told("unknown.over") == ["the model of ETH: not asked for any more after 2 min"]
    desk.unknowns.note("the model of ETH", "none", pair="ETH/USDT:USDT")
    assert desk.at(400, "ETH/USDT:USDT") is ControlMode.REDUCING  # of what is held it never is


def test_unknown_when_the_bot_restarts_then_it_goes_on_and_is_over_once_it_is_answered(
    desk: Desk,
) -> None:
    desk.at(0, a=WHAT)
    desk.at(170, a=WHAT)
    desk.start()
    assert desk.mode is ControlMode.ACTIVE
    assert desk.at(180, a=WHAT) is ControlMode.REDUCING  # not counted anew
    desk.start()
    assert desk.mode is ControlMode.REDUCING  # before anybody has asked
    assert desk.at(181) is ControlMode.ACTIVE
    assert desk.told("unknown.over") == [f"{WHAT}: known again after 3 min"]


def test_unknown_when_a_new_start_never_asks_for_it_then_it_does_not_stand_for_ever(
    desk: Desk,
) -> None:
    desk.unknowns.note("another venue", "silent")
    desk.at(200)
    assert desk.mode is ControlMode.REDUCING
    desk.start()
    assert desk.at(320) is ControlMode.REDUCING
    assert desk.at(320.1) is ControlMode.ACTIVE


def test_unknown_when_a_new_start_has_not_asked_for_it_yet_then_it_does_not_reduce_before_its_time(
    desk: Desk,
) -> None:
    desk.unknowns.note("another venue", "silent")
    desk.at(100)
    desk.start()
    assert desk.at(179.9) is ControlMode.ACTIVE
    assert desk.at(180) is ControlMode.REDUCING


def test_unknown_when_the_clock_went_back_before_a_start_then_it_counts_from_the_start_on(
    desk: Desk,
) -> None:
    desk.at(0, a=WHAT)
    desk.time.s = -10.0
    desk.start()
    assert desk.at(169.9995, a=WHAT) is ControlMode.ACTIVE
    assert desk.at(170, a=WHAT) is ControlMode.REDUCING


def test_unknown_of_the_account_when_it_is_asked_for_no_more_then_it_stands_all_the_same(
    desk: Desk,
) -> None:
    for _ in range(2):
        desk.unknowns.note("another venue", "silent")
    assert desk.at(200) is ControlMode.REDUCING


def test_unknown_when_it_is_told_then_for_how_long_is_cut_to_whole_units(desk: Desk) -> None:
    desk.start(unknown_told_s=59.95)
    desk.at(0, a=WHAT)
    desk.at(59.95, a=WHAT)
    assert desk.told("unknown.lasts")[0].startswith(f"{WHAT}: unknown for 59 s (")
    desk.at(100)
    desk.start(unknown_told_s=5.0)
    desk.at(200, a=WHAT)
    desk.at(205, a=WHAT)
    desk.at(259.95)
    assert desk.told("unknown.over")[-1] == f"{WHAT}: known again after 59 s"


def test_thresholds_when_they_are_stricter_then_they_hold(desk: Desk) -> None:
    desk.start(unknown_told_s=5.0, unknown_reduce_s=10.0)
    desk.at(0, a=WHAT)
    desk.at(5, a=WHAT)
    assert len(desk.told("unknown.lasts")) == 1
    assert desk.at(10, a=WHAT) is ControlMode.REDUCING
    desk.at(11)
    desk.start(unknown_reduce_s=10.0)  # before the minute after which it would be told
    desk.at(20, a=WHAT)
    assert desk.at(30, a=WHAT) is ControlMode.REDUCING
    desk.at(31)
    assert len(desk.told("unknown.over")) == 2


def test_state_when_it_cannot_be_written_then_the_loop_goes_on_and_it_is_tried_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any) -> Any:
        raise OSError("no space")

    with monkeypatch.context() as m:
        m.setattr(desk.control.store, "note_unknown", full)
        desk.at(0, a=WHAT)
        assert "unknown since" not in desk.shown()
        assert desk.unknowns.concerning(PAIR) == (WHAT,)
    desk.at(1, a=WHAT)
    assert "unknown since" in desk.shown()


def test_state_when_nothing_has_changed_then_it_is_not_written_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = desk.control.store.note_unknown, list[Any]()

    def noted(now: Any, said: Any) -> None:
        written.append((now, list(said)))
        write(now, said)

    monkeypatch.setattr(desk.control.store, "note_unknown", noted)
    desk.at(0)
    assert written == []
    for when in (1, 2, 3):
        desk.at(when, a=WHAT)
    assert len(written) == 1
    desk.at(4)
    desk.at(5)
    assert len(written) == 2


def test_unknown_when_it_was_over_before_a_restart_then_it_is_shown_for_its_hour(
    desk: Desk,
) -> None:
    for when in (0, 60):
        desk.at(when, a=WHAT)
    desk.at(61)
    desk.start()
    desk.at(3660)
    assert "known again" in desk.shown()
    desk.at(3661)
    assert "known again" not in desk.shown()


def test_is_unknown_when_one_of_several_is_then_it_says_so(desk: Desk) -> None:
    desk.unknowns.note(WHAT, "none")
    assert desk.unknowns.is_unknown("the losses", WHAT)
    assert not desk.unknowns.is_unknown("the losses", "the market of BTC")
    assert not desk.unknowns.is_unknown()


def test_backtest_when_something_is_unknown_then_nothing_follows() -> None:
    quiet = Unknowns(None, GuardConfig())
    assert quiet.ask(WHAT, failing) is None
    assert quiet.ask("another", bool) is False
    quiet.settle(())
    assert quiet.concerning(PAIR) == (WHAT,)
    assert quiet.ask(WHAT, bool) is False
    assert quiet.concerning(PAIR) == ()


# -- one cause, one message -----------------------------------------------------------------------

REVOKED = 'AuthenticationError: binance {"code":-2015,"msg":"Invalid API-key, IP, or permissions'
# As Freqtrade says it: another sentence for each question, and cut off elsewhere.
BALANCE = f"TemporaryError: Could not get balance due to {REVOKED}".replace(
    "Error: b", "Error. Message: b"
)


def heard(desk: Desk) -> list[str]:
    """Return what people have been told, oldest first."""
    return [n.reason for n in desk.control.store.read().notices if n.what == "unknown"]


def loop(desk: Desk, seconds: float, **why: str) -> None:
    """Loop at this time: what is named is unknown, and everything else is known."""
    desk.time.s = seconds
    for what in ("positions", "balance", "orders", "fills"):
        if what in why:
            desk.unknowns.note(what, why[what])
        else:
            desk.unknowns.known(what)
    desk.unknowns.settle(())


def test_unknown_when_a_revoked_key_hides_much_then_each_step_is_one_message_that_names_it_all(
    desk: Desk,
) -> None:
    gone = {"positions": REVOKED, "balance": BALANCE}
    loop(desk, 0, **gone)
    loop(desk, 4, **gone, orders=REVOKED)
    loop(desk, 60, **gone, orders=REVOKED)
    loop(desk, 64, **gone, orders=REVOKED, fills="ReadTimeout")
    first = f"positions, balance, orders: unknown for 1 min ({REVOKED})"
    assert heard(desk) == [f"{first}; no new risk that it concerns"]
    for when in (130, 180, 184, 190):
        loop(desk, when, **gone, orders=REVOKED, fills="ReadTimeout")
    _, fills, reduces = heard(desk)
    assert fills == "fills: unknown for 1 min (ReadTimeout); no new risk that it concerns"
    assert reduces == (
        f"positions, balance, orders: unknown for 3 min ({REVOKED}); "
        "nothing but reducing until it is known again"
    )
    loop(desk, 200, balance=BALANCE, fills="ReadTimeout")
    assert len(heard(desk)) == 3  # not before all of it is
    loop(desk, 300)
    assert heard(desk)[3:] == [
        "positions, orders, balance: known again after 5 min; as it stood before",
        "fills: known again after 3 min; as it stood before",
    ]
    assert desk.mode is ControlMode.ACTIVE
    journalled = [text.partition(":")[0] for text in desk.told("unknown.reduces")]
    assert journalled == ["positions", "balance", "orders"]  # the journal has each


def test_unknown_of_a_pair_that_is_not_held_when_others_reduce_then_it_is_not_said_to(
    desk: Desk,
) -> None:
    for when in (0, 60, 180):
        desk.at(when, PAIR, **{w: w for w in (WHAT, "the orders of LTC")})
    lasts, reduces = heard(desk)
    assert lasts.startswith(f"{WHAT}, the orders of LTC: unknown for 1 min")
    assert reduces.startswith(f"{WHAT}: unknown for 3 min")


def test_unknown_when_it_is_named_early_with_others_then_its_end_is_told_with_theirs(
    desk: Desk,
) -> None:
    loop(desk, 0, positions=REVOKED)
    loop(desk, 60, positions=REVOKED, orders=REVOKED)
    assert heard(desk)[0].startswith("positions, orders: unknown for 1 min")
    loop(desk, 61)
    assert heard(desk)[1:] == ["positions, orders: known again after 1 min; as it stood before"]
    loop(desk, 70, orders=REVOKED)  # anew, and told anew
    loop(desk, 130, orders=REVOKED)
    assert heard(desk)[2:] == [
        f"orders: unknown for 1 min ({REVOKED}); no new risk that it concerns"
    ]


def test_unknown_of_an_earlier_run_when_it_is_over_then_that_waits_for_nothing_told_since(
    desk: Desk,
) -> None:
    for when in (0, 60):
        loop(desk, when, positions=REVOKED)
    desk.start()
    for when in (61, 121):
        loop(desk, when, positions=REVOKED, orders="ReadTimeout")
    loop(desk, 122, orders="ReadTimeout")
    assert heard(desk)[-1] == "positions: known again after 2 min; as it stood before"


def test_cause_when_reasons_are_alike_for_sixty_characters_then_it_is_one() -> None:
    assert cause_of("x" * 60 + "a") == cause_of("x" * 60 + "b")
    assert cause_of("x" * 59 + "a") != cause_of("x" * 59 + "b")


def test_unknown_when_it_comes_back_before_the_others_of_its_message_are_over_then_it_waits_too(
    desk: Desk,
) -> None:
    for when in (0, 60):
        loop(desk, when, positions=REVOKED, orders=REVOKED)
    loop(desk, 61, positions=REVOKED)
    loop(desk, 62, positions=REVOKED, orders=REVOKED)
    loop(desk, 125, positions=REVOKED, orders=REVOKED)
    assert len(heard(desk)) == 1
    loop(desk, 126)
    assert heard(desk)[1:] == ["orders, positions: known again after 2 min; as it stood before"]


# -- guards that cannot answer --------------------------------------------------------------------


def silent(guard: str, demand: Demand = Demand.WARN) -> RiskDecision:
    verdict = Verdict(limit_quote=0.0, reason="age unknown", demand=demand, guard=guard,
                      unknown=True)  # fmt: skip
    return RiskDecision(notional_quote=0.0, findings=(verdict,), demand=demand)


FINE = RiskDecision(notional_quote=0.0)


def test_guard_when_it_cannot_answer_then_it_is_unknown_until_it_answers_him_who_asked(
    desk: Desk,
) -> None:
    consequences = Consequences(desk.control, desk.unknowns)
    consequences.obey(silent("no_cascade"), PAIR, "loop")
    consequences.obey(silent("no_cascade"), PAIR, "entry")
    assert desk.unknowns.of(PAIR) == {f"an answer of no_cascade on {PAIR}"}
    consequences.obey(FINE, PAIR, "entry")
    assert desk.unknowns.of(PAIR) == {f"an answer of no_cascade on {PAIR}"}
    consequences.obey(FINE, PAIR, "loop")
    assert desk.unknowns.of(PAIR) == set()
    consequences.obey(silent("margin_ratio"), asked_for="loop")
    assert desk.unknowns.of("") == {"an answer of margin_ratio"}


def test_guard_when_what_it_lacks_is_noted_itself_then_it_is_not_said_twice(desk: Desk) -> None:
    consequences = Consequences(desk.control, desk.unknowns)
    desk.unknowns.ask("the model of BTC", failing, pair=PAIR)
    consequences.obey(silent("no_cascade"), PAIR, "loop")
    assert desk.unknowns.of(PAIR) == {"the model of BTC"}
    consequences.obey(silent("margin_ratio"), asked_for="loop")  # of the account: another matter
    assert desk.unknowns.of("") == {"an answer of margin_ratio"}


def test_prices_when_they_are_silent_for_long_already_then_it_reduces_at_once_and_comes_back(
    desk: Desk,
) -> None:
    consequences = Consequences(desk.control, desk.unknowns)
    consequences.obey(silent("price_fresh", Demand.REDUCING), PAIR, "loop")
    assert desk.at(0, PAIR) is ControlMode.REDUCING
    assert [e.record["what"] for e in desk.control.journal.entries(kind="guard.warned")] == [
        f"price_fresh {PAIR}: age unknown"
    ]
    consequences.obey(FINE, PAIR, "loop")
    assert desk.at(1, PAIR) is ControlMode.ACTIVE


# -- any order of things --------------------------------------------------------------------------

steps = st.lists(
    st.tuples(
        st.floats(0.1, 200.0),
        st.sets(st.sampled_from(sorted(SUBJECTS))),
        st.sets(st.sampled_from([PAIR, OTHER])),
        st.sampled_from(["", "", "", "halt", "reduce", "resume", "restart"]),
    ),
    min_size=1, max_size=25,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(steps=steps)
def test_mode_when_answers_come_and_go_in_any_order_then_it_is_the_persons_and_no_looser(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Any]
) -> None:
    desk, now, since = Desk(tmp_path_factory.mktemp("desk")), 0.0, dict[str, float]()
    wanted = ControlMode.ACTIVE
    for passed, broken, held, person in steps:
        now += passed
        desk.time.s = now
        if person == "restart":
            desk.start()
        elif person == "resume":
            desk.control.store.resume(ANN)
            wanted = ControlMode.ACTIVE
        elif person:
            getattr(desk.control.store, person)(ANN, "said so")
            said = ControlMode.HALTED if person == "halt" else ControlMode.REDUCING
            wanted = max(wanted, said, key=lambda m: m.severity)
        mode = desk.at(now, *held, **{w: w for w in broken})
        since = {w: since.get(w, now) for w in broken}
        lasting = [
            w for w, begun in since.items()
            if now - begun >= 180 and (not SUBJECTS[w] or SUBJECTS[w] in held)
        ]  # fmt: skip
        least = ControlMode.REDUCING if lasting else ControlMode.ACTIVE
        assert mode is max(wanted, least, key=lambda m: m.severity)
        assert {u.what for u in desk.control.store.read().unknown if u.lasts} == broken
