"""Ctrl-C in a line that swallows it: a real bot ends at its next loop, as it would have at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from strategies.desk.cli import main
from tests.exchange.server import running_exchange
from tests.exchange.state import ExchangeState
from tests.test_integration.live_bot import BTC, running_bot, settings
from tests.test_integration.running import write_strategy

# Python prints what is raised in a finalizer, and goes on.
STRATEGY = '''
import signal

from strategies.bot.forecast import ForecastStrategy


class Finalized:
    """Something that is cleared away just when a person says Ctrl-C."""

    def __del__(self):
        signal.raise_signal(signal.SIGINT)


class Deaf(ForecastStrategy):
    timeframe = "1m"
    startup_candle_count = 10
    _loops = 0

    def populate_indicators(self, dataframe, metadata):
        return dataframe

    def bot_loop_start(self, current_time, **kwargs):
        super().bot_loop_start(current_time, **kwargs)
        self._loops += 1
        if self._loops == 2:
            Finalized()
'''


def test_bot_when_ctrl_c_is_swallowed_then_it_ends_by_itself_and_that_is_no_death(
    tmp_path: Path, state: ExchangeState, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = write_strategy(tmp_path, STRATEGY)
    with running_exchange(state, tls=True) as url:
        config = {
            **settings(url, [BTC], dry_run=True),
            "breakwater": {"pacing": {"tick_s": 0.5, "look_s": 0.1}},
        }
        with running_bot(tmp_path, config, *arguments) as bot:
            bot.process.wait(timeout=120)
    assert bot.process.returncode == 130  # as after any Ctrl-C
    assert "SIGINT was caught by what ran at that moment; the bot ends now" in bot.log()
    capsys.readouterr()
    main(["why", "--userdir", str(tmp_path / "user_data")])
    assert "the bot has ended" in capsys.readouterr().out
