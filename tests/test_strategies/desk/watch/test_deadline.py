"""One question to the exchange takes no longer than it may, and leaves no alarm behind."""

from __future__ import annotations

import signal

import ccxt
import pytest

from strategies.desk.watch.deadline import answered_in_time


@pytest.mark.parametrize(("bounds", "bound_s"), [((), 15.0), ((3.0,), 3.0)])
def test_question_when_it_is_asked_then_an_alarm_waits_for_it_and_none_afterwards(
    bounds: tuple[float, ...], bound_s: float
) -> None:
    before = signal.getsignal(signal.SIGALRM)
    with answered_in_time(*bounds):
        left_s, again_s = signal.getitimer(signal.ITIMER_REAL)
        assert 0 < left_s <= bound_s
        assert left_s == pytest.approx(bound_s, abs=1.0)
        assert again_s == 0.0
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before


def test_question_when_it_takes_too_long_or_fails_then_no_alarm_is_left() -> None:
    before = signal.getsignal(signal.SIGALRM)
    late = pytest.raises(ccxt.RequestTimeout, match=r"whole answer within 0\.01 s")
    with late, answered_in_time(0.01):
        signal.pause()
    with pytest.raises(KeyError), answered_in_time():
        raise KeyError("x")
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before
