"""A hook that breaks gives the safe answer, says so in the log, and hides nothing else."""

from __future__ import annotations

import inspect

import pytest

from models.base.errors import NoForecastError
from strategies.bot.fail_closed import on_error_return
from strategies.bot.forecast import ForecastStrategy


@on_error_return(False)
def confirm(amount: float, *, fails: BaseException | None = None) -> bool:
    """Approve."""
    if fails is not None:
        raise fails
    return amount > 0


@pytest.mark.parametrize(
    "fails", [ValueError("x"), KeyError("x"), ZeroDivisionError(), AssertionError()]
)
def test_hook_when_it_raises_then_the_safe_answer_comes_and_the_log_has_the_trace(
    fails: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    assert confirm(1.0, fails=fails) is False
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert "confirm raised exception; answering False" in record.message
    assert record.exc_info is not None
    assert record.exc_info[1] is fails


def test_hook_when_there_is_no_forecast_then_it_refuses_without_crying_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level("INFO"):
        assert confirm(1.0, fails=NoForecastError("the candle is old")) is False
    (record,) = caplog.records
    assert (record.levelname, record.exc_info) == ("INFO", None)
    assert record.message == "confirm: the candle is old; answering False"


def test_hook_when_it_works_then_its_own_answer_passes_in_silence(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert confirm(1.0) is True
    assert confirm(-1.0) is False
    assert caplog.records == []


def test_hook_when_it_is_called_wrongly_then_it_is_refused_too() -> None:
    assert confirm() is False  # type: ignore[call-arg]


@pytest.mark.parametrize("fails", [KeyboardInterrupt(), SystemExit(1)])
def test_hook_when_the_process_is_told_to_stop_then_that_is_not_swallowed(
    fails: BaseException,
) -> None:
    with pytest.raises(type(fails)):
        confirm(1.0, fails=fails)


def test_hook_when_decorated_then_freqtrade_still_sees_its_name_and_arguments() -> None:
    assert confirm.__name__ == "confirm"
    assert list(inspect.signature(confirm).parameters) == ["amount", "fails"]
    # Freqtrade asks this way whether a stop can be set at the moment of the fill.
    assert "after_fill" in inspect.getfullargspec(ForecastStrategy.custom_stoploss).args


@pytest.mark.parametrize("safe", [0.0, 1.0, None, True])
def test_hook_when_the_safe_answer_is_another_then_exactly_it_comes(safe: object) -> None:
    @on_error_return(safe)
    def broken() -> object:
        raise RuntimeError

    assert broken() is safe
