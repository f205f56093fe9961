"""Trained on one machine, served on another that has no torch: the same forecasts, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from strategies.desk.loopback.venue import LoopbackVenue
from tests.base_install import elsewhere, trading_machine
from tests.exchange.state import ExchangeState
from tests.test_integration.live_bot import BTC, LiveBot, running_bot
from tests.test_integration.served_bot import (
    Machines,
    answers,
    both,
    configuration,
    forecasts,
    venue_of_minutes,
)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trading_machine(tmp_path_factory.mktemp("machine"))


@pytest.fixture
def venue(tmp_path: Path) -> LoopbackVenue:
    return venue_of_minutes(tmp_path)


def unused(bot: LiveBot) -> list[str]:
    """Return what a bot holds of the libraries that Freqtrade may load and it has no use for."""
    held = Path(f"/proc/{bot.process.pid}/maps").read_text(encoding="utf-8")
    assert "/onnxruntime/" in held  # links are followed in there
    return [name for name in ("sklearn", "pyarrow/_dataset", "scipy/signal") if f"/{name}" in held]


def numbers(row: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in row.items() if name != "date"}


@pytest.mark.slow
def test_base_install_when_it_serves_a_bundle_then_its_forecasts_are_the_trainers_own(
    tmp_path: Path, url: str, programs: Path, state: ExchangeState
) -> None:
    machines = Machines.of(tmp_path, programs)
    config = machines.config(url)
    with running_bot(machines.there, configuration(url, machines.there)) as trainer:
        machines.export(trainer)
        said = machines.take("first.bundle")
        assert f"{BTC} is trusted until" in said
        with running_bot(machines.here, config, launch=elsewhere(machines.programs)) as trader:
            trader.wait_for(lambda: len(both(trainer, trader)) >= 3, "the same candles answered")
            same = both(trainer, trader)
            firsts = {min(forecasts(bot)) for bot in (trainer, trader)}
            assert unused(trader) == []
            machines.dated("second.bundle", 60)
            machines.take("second.bundle")
            trader.wait_for(lambda: "another model serves now" in trader.log(), "the newer model")
            newest = max(answers(trader))
            trader.wait_for(lambda: max(forecasts(trader)) > newest, "its forecast")
            machines.dated("old.bundle", -80 * 3600)
            with pytest.raises(AssertionError, match="older than those that serve"):
                machines.take("old.bundle")
            assert f"{BTC} is too old since" in machines.take("old.bundle", "--older")
            newest = max(answers(trader))
            trader.wait_for(lambda: max(answers(trader)) > newest, "a candle without trust")
            last = answers(trader)[max(answers(trader))]
            assert (last["do_predict"], last["abstain"]) == (2, "1.0")
            troubles = trader.troubles()
        for candle in same:
            here, there = forecasts(trader)[candle], forecasts(trainer)[candle]
            if candle in firsts:  # one of them has it from its context, the other carried on
                assert numbers(here) == pytest.approx(
                    numbers(there), rel=1e-4, abs=1e-7, nan_ok=True
                )
            else:
                assert here == there
    assert "nothing is trained here" in trader.log()
    assert "spent training pairlist" not in trader.log()
    assert troubles == []
    assert state.unknown == []
