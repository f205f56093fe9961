"""Why a real bot does not trade: the same answer on the machine and in `risk`, at each stage."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from models.operate.control.commands import Commands
from models.operate.control.home import home_of
from models.operate.control.owner import BotStage
from models.operate.control.state import Person
from strategies.bot.data_files import MARKER
from strategies.desk.cli import main
from tests.exchange.server import running_exchange
from tests.exchange.state import ExchangeState
from tests.test_integration.live_bot import BTC, ETH, running_bot, settings
from tests.test_integration.running import write_strategy

ANN = Person("ann", "test")

# The pack's hooks and decision; only the forecast is given, because training takes minutes.
STRATEGY = '''
from models.base import columns
from strategies.bot.forecast import ForecastStrategy


class LittleEdge(ForecastStrategy):
    """Of BTC a forecast that does not pay a round trip, of ETH none that is trusted."""

    timeframe = "1m"
    startup_candle_count = 10

    def populate_indicators(self, dataframe, metadata):
        forecast = dict.fromkeys(columns.FORECAST, 0.0) | {columns.SIGMA: 0.01}
        forecast |= {columns.FALSE_ALARMS_DOWN: 5.0, columns.FALSE_ALARMS_UP: 5.0}
        forecast |= {columns.P_UP: 0.5, columns.P_FLAT: 0.2, columns.P_DOWN: 0.3}
        forecast |= dict.fromkeys(columns.RETURN_QUANTILES, 0.00031)
        forecast |= {columns.EDGE: 0.0002, columns.EDGE_LOW: 0.00012}
        return dataframe.assign(**forecast, do_predict=int(metadata["pair"].startswith("BTC")))
'''


def configuration(url: str) -> dict[str, Any]:
    return {
        **settings(url, [BTC, ETH], dry_run=True),
        "breakwater": {"pacing": {"tick_s": 0.5, "look_s": 0.1}},
    }


def as_people_do(command: list[str], env: dict[str, str], **how: Any) -> subprocess.Popen[bytes]:
    """Start it without the filter of warnings that other tests give a bot."""
    told = {name: value for name, value in env.items() if name != "PYTHONWARNINGS"}
    return subprocess.Popen(command, env=told, **how)


def asked(userdir: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    capsys.readouterr()
    code = main([*words, "--userdir", str(userdir)])
    return code, capsys.readouterr().out


def rules(userdir: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the rule that `why` names of each pair."""
    try:
        _, out = asked(userdir, capsys, "why", "--json")
        return {told["pair"]: told for told in json.loads(out)["pairs"]}
    except ValueError:  # no bot has been there yet
        return {}


def test_why_when_a_dry_run_does_not_trade_then_the_one_rule_is_named_with_its_numbers(
    tmp_path: Path, state: ExchangeState, capsys: pytest.CaptureFixture[str]
) -> None:
    userdir = tmp_path / "user_data"
    arguments: Sequence[str] = write_strategy(tmp_path, STRATEGY)
    with (
        running_exchange(state, tls=True) as url,
        running_bot(
            tmp_path, configuration(url), *arguments, acknowledged=False, launch=as_people_do
        ) as bot,
    ):
        bot.wait_for(
            lambda: rules(userdir, capsys).get(BTC, {}).get("rule") == "edge", "its answer"
        )
        found = rules(userdir, capsys)
        assert found[ETH]["rule"] == "trusted"
        assert "no trusted forecast" in found[ETH]["why"]
        code, said = asked(userdir, capsys, "why")
        assert code == 0
        assert (
            f"nothing is opened in {BTC}: claims +3.1 bp for up, of which +1.2 bp is sure "
            "(lower bound): an entry needs 14 bp [edge]"
        ) in said
        assert "last forecast: up 50%, flat 20%, down 30%" in said
        _, shown = asked(userdir, capsys, "risk")
        assert f"nothing is opened in {BTC}: claims +3.1 bp" in shown
        Commands(home_of(userdir, BotStage.DRY_RUN)).halt(ANN, "storm")
        assert rules(userdir, capsys)[BTC]["why"] == "control is HALTED, by ann by test: storm"
        assert asked(userdir, capsys, "why", "7") == (1, "the journal has nothing about trade 7\n")
    assert rules(userdir, capsys)[""]["why"] == "the bot has ended"
    assert (userdir / "data" / "binance" / MARKER).is_file()  # what it downloads is a replay's
    assert bot.troubles() == []
    assert bot.log().count("InsecureRequestWarning") <= 3  # and not with each request
