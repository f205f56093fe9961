"""A new configuration for a running bot: refused before the old one ends, if it cannot be used."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from freqtrade.configuration import Configuration
from freqtrade.enums import RunMode, State
from freqtrade.rpc import RPC, RPCException
from freqtrade.worker import Worker

from models.base.errors import ConfigError
from strategies.bot.reload import check_reload
from strategies.seams import worker
from strategies.seams.worker import is_paused, try_before_reloading
from tests.test_integration.live_bot import settings

MINE = """
from freqtrade.strategy import IStrategy

class Mine(IStrategy):
    timeframe = "1h"
    minimal_roi = {"0": 100.0}
    stoploss = -0.5
    can_short = True

    def populate_indicators(self, dataframe, metadata): return dataframe
    def populate_entry_trend(self, dataframe, metadata): return dataframe
    def populate_exit_trend(self, dataframe, metadata): return dataframe
"""
MODEL = """
from freqtrade.freqai.freqai_interface import IFreqaiModel

class Model(IFreqaiModel):
    @staticmethod
    def try_settings(config): assert config["freqai"]["purge_old_models"] == 2, "purged"
"""
FREQAI = {
    "enabled": True, "purge_old_models": 2, "train_period_days": 30, "identifier": "one",
    "feature_parameters": {"include_timeframes": ["1h"], "include_corr_pairlist": []},
    "data_split_parameters": {"test_size": 0.0},
}  # fmt: skip


@pytest.fixture
def strategy(tmp_path: Path) -> Path:
    path = tmp_path / "strategies" / "Mine.py"
    path.parent.mkdir()
    path.write_text(MINE)
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.json"


@pytest.fixture
def good(tmp_path: Path) -> dict[str, Any]:
    return {
        **settings("https://127.0.0.1:1", ["BTC/USDT:USDT"], dry_run=False),
        "user_data_dir": str(tmp_path), "strategy": "Mine", "stake_amount": "unlimited",
        "exit_pricing": {"price_side": "other", "use_order_book": True, "order_book_top": 1},
    }  # fmt: skip


@pytest.fixture
def bot(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The bot of a worker in its second loop."""
    for owner, name in ((Worker, "_worker"), (Worker, "_reconfigure"), (RPC, "_rpc_reload_config")):
        monkeypatch.setattr(owner, name, vars(owner)[name])
    monkeypatch.setattr(worker, "_WORKER", lambda at, old_state: at.freqtrade.state)
    yield SimpleNamespace(state=State.RUNNING)
    worker._workers.clear()
    worker._checks.clear()
    worker._judges.clear()
    worker._begun.clear()


@pytest.fixture
def begun() -> list[str]:
    return []


@pytest.fixture
def reload(
    begun: list[str], bot: Any, file: Path, good: dict[str, Any], tmp_path: Path, strategy: Path
) -> Callable[[str | dict[str, Any]], Any]:
    """Write a configuration and say /reload_config."""
    file.write_text(json.dumps(good), encoding="utf-8")
    args = {"config": [str(file)], "user_data_dir": str(tmp_path)}
    running = Configuration(args, RunMode.LIVE).get_config()
    bot.config = {**running, "timeframe": "1h", "stoploss": -0.5, "minimal_roi": {"0": 100.0}}

    def judge(config: dict[str, Any], loaded: Any) -> None:
        if config["stake_amount"] == 13:
            raise ConfigError(f"{type(loaded).__name__} would not start")

    try_before_reloading(partial(check_reload, running), judge, lambda: begun.append("reload"))
    one = SimpleNamespace(freqtrade=bot, _args=args)
    Worker._worker(one, old_state=None)

    def said(content: str | dict[str, Any]) -> Any:
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        return RPC._rpc_reload_config(SimpleNamespace(_freqtrade=bot))

    return said


def test_reload_when_the_configuration_can_be_used_then_freqtrade_reloads_it(
    bot: Any, good: dict[str, Any], reload: Any
) -> None:
    assert reload({**good, "bot_name": "other"}) == {"status": "Reloading config ..."}
    assert bot.state == State.RELOAD_CONFIG


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stoploss": "far"}, "'far' is not of type"),
        ({"breakwater": {"limitz": {}}}, "limits"),
        ({"breakwater": {"limits": {"max_leverage": 50.0}}}, "max_leverage"),
        ({"dry_run": True}, "what is open would be left alone"),
        ({"strategy": "Another"}, "what is open would be left alone"),
        ({"trading_mode": "spot", "margin_mode": ""}, "trading_mode, margin_mode cannot change"),
        ({"db_url": "sqlite:///other.sqlite"}, "db_url cannot change"),
        ({"stake_currency": "USDC"}, "what is open would be left alone"),
        ({"exchange": {"name": "nowhere"}}, "nowhere"),
        ({"stake_amount": 13}, "Mine would not start"),
    ],
)
def test_reload_when_the_bot_would_end_or_be_another_then_it_goes_on_and_the_caller_hears_why(
    bot: Any, good: dict[str, Any], reload: Any, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(RPCException, match="goes on with the settings it has") as refused:
        reload(good | change)
    assert said in str(refused.value)
    assert bot.state == State.RUNNING


@pytest.mark.parametrize("name", ["key", "secret", "password", "walletAddress"])
def test_reload_when_a_key_is_another_then_the_bot_goes_on_with_the_one_it_has(
    bot: Any, good: dict[str, Any], reload: Any, name: str
) -> None:
    with pytest.raises(RPCException, match=f"exchange.{name} cannot change") as refused:
        reload({**good, "exchange": {**good["exchange"], name: "typed-wrong"}})
    assert "typed-wrong" not in str(refused.value)
    assert bot.state == State.RUNNING


def test_reload_when_the_file_cannot_be_parsed_then_no_line_of_it_is_repeated(
    bot: Any, good: dict[str, Any], reload: Any
) -> None:
    text = json.dumps({**good, "secret": "hunter2"}, indent=1)
    with pytest.raises(RPCException) as refused:
        reload(text.replace('"secret": "hunter2"', '"secret": "hunter2'))
    assert "goes on with the settings it has" in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert bot.state == State.RUNNING


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (MINE.replace("    can_short = True", "    can_short = "), "Mine.py"),
        ("import notinstalledanywhere\n" + MINE, "No module named 'notinstalledanywhere'"),
        ("1 / 0\n" + MINE, "division by zero"),
        (MINE.replace("class Mine", "class Other"), "'Mine'. This class does not exist"),
        (MINE.replace("populate_exit_trend", "leave"), "populate_exit_trend"),
        (MINE.replace("can_short = True", "order_types = {}"), "Order-types mapping"),
        (MINE + "    def __init__(self, config): raise ValueError('far too large')", "far too"),
        (MINE + "    def informative_pairs(self: return []", "Mine.py"),
    ],
)
def test_reload_when_the_strategy_cannot_be_loaded_then_the_bot_goes_on_and_the_caller_hears_why(
    bot: Any, good: dict[str, Any], reload: Any, strategy: Path, code: str, said: str
) -> None:
    strategy.write_text(code)
    with pytest.raises(RPCException, match="goes on with the settings it has") as refused:
        reload(good)
    assert said in str(refused.value)
    assert bot.state == State.RUNNING
    strategy.write_text(MINE)
    assert reload(good) == {"status": "Reloading config ..."}


def test_reload_when_the_strategys_parameter_file_is_of_another_then_the_bot_goes_on(
    bot: Any, good: dict[str, Any], reload: Any, strategy: Path
) -> None:
    strategy.with_suffix(".json").write_text('{"strategy_name": "Another", "params": {}}')
    with pytest.raises(RPCException, match=r"settings it has: Invalid parameter file"):
        reload(good)
    assert bot.state == State.RUNNING


@pytest.mark.parametrize(
    ("code", "freqai", "said"),
    [
        (MODEL.replace("IFreqaiModel)", "IFreqaiModel"), {}, "Model.py"),
        ("import notinstalledanywhere\n" + MODEL, {}, "No module named 'notinstalledanywhere'"),
        (MODEL.replace("class Model", "class Other"), {}, "FreqaiModel 'Model'"),
        (MODEL, {"purge_old_models": 1}, "purged"),
    ],
)
def test_reload_when_the_model_cannot_be_loaded_then_the_bot_goes_on_and_the_caller_hears_why(
    bot: Any, good: dict[str, Any], reload: Any, tmp_path: Path, code: str,
    freqai: dict[str, Any], said: str,
) -> None:  # fmt: skip
    model = tmp_path / "freqaimodels" / "Model.py"
    model.write_text(code)
    config = {**good, "freqai": FREQAI | freqai, "freqaimodel": "Model"}
    with pytest.raises(RPCException, match="goes on with the settings it has") as refused:
        reload(config)
    assert said in str(refused.value)
    assert bot.state == State.RUNNING
    model.write_text(MODEL)
    assert reload({**config, "freqai": FREQAI}) == {"status": "Reloading config ..."}


def test_reload_when_a_strategy_is_tried_then_it_is_made_as_one_that_does_not_trade(
    good: dict[str, Any], reload: Any, strategy: Path, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    strategy.write_text(
        MINE + "    def __init__(self, config):\n"
        f"        open({str(seen)!r}, 'a').write(str(config['runmode']))\n"
        "        super().__init__(config)\n"
    )
    reload(good)
    assert seen.read_text() == str(RunMode.OTHER)


def test_reload_when_it_begins_then_it_is_told_of_and_goes_on_whatever_comes_of_that(
    monkeypatch: pytest.MonkeyPatch, reload: Any, begun: list[str]
) -> None:
    monkeypatch.setattr(worker, "_RECONFIGURE", lambda at: begun.append(f"carried out by {at}"))
    Worker._reconfigure("one")
    assert begun == ["reload", "carried out by one"]
    worker._begun[:] = [lambda: 1 / 0]
    Worker._reconfigure("another")
    assert begun[2:] == ["carried out by another"]


def test_worker_when_paused_then_that_is_known_and_without_one_nothing_is(
    bot: Any, reload: Any
) -> None:
    assert not is_paused()
    bot.state = State.PAUSED
    assert is_paused()
    worker._workers.clear()
    assert not is_paused()
