"""Ctrl-C and SIGTERM, swallowed by what runs at that moment: the bot ends all the same."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from types import FrameType

import pytest
from freqtrade.enums import State
from freqtrade.worker import Worker

from strategies.bot import end_signals
from strategies.bot.end_signals import end_if_told_to, keep_words_to_end
from strategies.seams import worker
from strategies.seams.worker import before_each_loop


def end(number: int, frame: FrameType | None) -> None:
    """As Freqtrade's own for SIGTERM."""
    raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Freqtrade's at its start, and the test's own again afterwards."""
    monkeypatch.setattr(Worker, "_worker", vars(Worker)["_worker"])
    before = {word: signal.getsignal(word) for word in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, end)
    yield
    for word, handler in before.items():
        signal.signal(word, handler)
    end_signals._heard.clear()
    end_signals._before.clear()
    worker._workers.clear()
    worker._each_loop.clear()


class Swallowing:
    """What is told to end while it is finalized: Python prints that exception and goes on."""

    def __init__(self, word: signal.Signals) -> None:
        self.word = word

    def __del__(self) -> None:
        signal.raise_signal(self.word)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("word", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("state", [State.RUNNING, State.STOPPED])
def test_bot_when_a_word_to_end_is_swallowed_then_its_next_loop_ends_it_and_says_why(
    word: signal.Signals,
    state: State,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    loops = list[State]()

    def loop(bot: Worker, old_state: State | None) -> State:
        loops.append(state)
        if len(loops) == 2:
            del [Swallowing(word)][:]
        assert len(loops) < 10
        return state

    monkeypatch.setattr(worker, "_WORKER", loop)
    keep_words_to_end()
    before_each_loop(end_if_told_to)
    with pytest.raises(KeyboardInterrupt):
        Worker.run(object.__new__(Worker))
    assert len(loops) == 2
    assert f"{word.name} was caught by what ran at that moment" in caplog.text


@pytest.mark.parametrize("word", [signal.SIGINT, signal.SIGTERM])
def test_word_to_end_when_nothing_swallows_it_then_it_is_heard_at_once_as_before(
    word: signal.Signals,
) -> None:
    keep_words_to_end()
    keep_words_to_end()  # a configuration is reloaded: another strategy, the same process
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(word)


def test_loop_when_nobody_said_to_end_then_it_goes_on() -> None:
    keep_words_to_end()
    end_if_told_to()


def test_word_to_end_when_nobody_listens_to_it_then_it_stays_the_systems() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_words_to_end()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_bot_when_it_runs_in_another_thread_then_signals_are_left_to_the_main_one() -> None:
    thread = threading.Thread(target=keep_words_to_end)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
