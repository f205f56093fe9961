"""`breakwater doctor --config`: no setting, however wrong, ends it but in words; none slips by.

Every setting of the shipped configs is made wrong in every way, one at a time. What Freqtrade
itself would refuse at a start is asked of Freqtrade.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from freqtrade.configuration import Configuration, validate_config_consistency
from freqtrade.configuration.load_config import load_from_files
from freqtrade.enums import RunMode
from freqtrade.exceptions import FreqtradeException
from freqtrade.resolvers.strategy_resolver import StrategyResolver

from models.base.errors import ConfigError, PackError
from strategies.desk.cli import main
from strategies.desk.folder.settings import judge_settings
from tests.places import ROOT, USER_DATA

ABSENT = object()
# null, texts for numbers, numbers for texts, negative ones, lists for blocks, blocks for lists.
WRONG: tuple[Any, ...] = (
    ABSENT, None, "text", "", -1, 0, True, 1e99, [], ["x"], [None], {}, {"x": 1},
)  # fmt: skip
# What people add to the shipped configs.
ADDED: dict[str, Any] = {
    "db_url": "sqlite:///trades.sqlite",
    "telegram": {"enabled": True, "token": "1:token", "chat_id": "1",
                 "notification_settings": {"strategy_msg": "on"}},
    "api_server": {"enabled": True, "listen_ip_address": "127.0.0.1", "listen_port": 8080,
                   "username": "ann", "password": "long", "jwt_secret_key": "k" * 32},
}  # fmt: skip
Judge = Callable[[Path], int]
KeyPath = tuple[Any, ...]


@pytest.fixture(autouse=True)
def at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # the shipped configs name folders from there


def sound(name: str) -> dict[str, Any]:
    """Return a shipped config as one block that a live bot starts with."""
    config = load_from_files([str(USER_DATA / name)])
    config = {**deepcopy(ADDED), **config}
    for of_files in ("add_config_files", "config_files"):
        config.pop(of_files)
    if "hedge" in config["breakwater"]:
        config["breakwater"]["hedge"]["open_primary"] = False
    return config


def key_paths(block: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    if path:
        yield path
    inner = enumerate(block) if isinstance(block, list) else ()
    for key, value in block.items() if isinstance(block, dict) else inner:
        yield from key_paths(value, (*path, key))


def altered(config: dict[str, Any], path: KeyPath, value: Any) -> dict[str, Any]:
    changed = deepcopy(config)
    block: Any = changed
    for key in path[:-1]:
        block = block[key]
    if value is ABSENT:
        del block[path[-1]]
    else:
        block[path[-1]] = deepcopy(value)
    return changed


def judge(file: Path) -> int:
    return judge_settings([file], "")


def freqtrade_refuses(file: Path) -> bool:
    """Whether Freqtrade itself ends on it, as far as it comes without an exchange."""
    try:
        config = Configuration.from_files([str(file)])
        StrategyResolver.load_strategy(config)
        validate_config_consistency({**config, "runmode": RunMode.LIVE})
    except Exception:  # noqa: BLE001 - of any kind: the bot would not start
        return True
    return False


def faults(config: dict[str, Any], paths: list[KeyPath], asked: Judge, folder: Path) -> list[str]:
    """Return which wrong settings end the doctor otherwise than in words, or get past it."""
    found, file = [], folder / "config.json"
    for path in paths:
        for value in WRONG:
            file.write_text(json.dumps(altered(config, path, value)), encoding="utf-8")
            what = f"{'.'.join(map(str, path))} = {'(absent)' if value is ABSENT else repr(value)}"
            try:
                if asked(file) == 0 and freqtrade_refuses(file):
                    found.append(f"{what}: silent, and Freqtrade refuses it")
            except ConfigError as error:
                if not any(part in str(error) for part in path if isinstance(part, str)):
                    found.append(f"{what}: not named in {error}")
            except (PackError, FreqtradeException) as error:
                found += [] if str(error) else [f"{what}: no words"]
            except Exception as error:  # noqa: BLE001 - what this test is for
                found.append(f"{what}: {type(error).__name__}: {error}")
    return found


def test_doctor_when_any_setting_is_wrong_in_any_way_then_it_says_so_in_words(
    tmp_path: Path,
) -> None:
    bitcoin, hedge = sound("config_bitcoin.json"), sound("config_litecoin_hedge.json")
    served = sound("config_litecoin_hedge_model.json")
    seen = set(key_paths(bitcoin))
    own = [path for path in key_paths(hedge) if path not in seen or path[0] == "exchange"]
    learnt = [path for path in key_paths(served) if path not in {*seen, *own}]
    assert len(seen) > 90
    assert len(own) > 20
    assert ("freqai", "model_training_parameters", "training", "pool") in learnt
    assert faults(bitcoin, sorted(seen, key=str), judge, tmp_path) == []
    assert faults(hedge, own, judge, tmp_path) == []
    assert faults(served, learnt, judge, tmp_path) == []


def test_sweep_when_a_doctor_stumbles_or_says_nothing_then_it_is_found(tmp_path: Path) -> None:
    def stumbling(file: Path) -> int:
        return len(json.loads(file.read_text())["stake_currency"])

    def silent(file: Path) -> int:
        return 0

    def mumbling(file: Path) -> int:
        raise ConfigError("something is wrong")

    config, paths = sound("config_bitcoin.json"), [("stake_currency",)]
    assert "stake_currency = (absent): KeyError: 'stake_currency'" in faults(
        config, paths, stumbling, tmp_path
    )
    assert "stake_currency = -1: silent, and Freqtrade refuses it" in faults(
        config, paths, silent, tmp_path
    )
    assert len(faults(config, paths, mumbling, tmp_path)) == len(WRONG)


@pytest.mark.parametrize(
    "name",
    ["config_bitcoin.json", "config_litecoin_hedge.json", "config_litecoin_hedge_model.json"],
)
def test_doctor_when_a_shipped_config_is_made_ready_for_live_then_nothing_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(sound(name)), encoding="utf-8")
    assert judge(file) == 0
    assert "safety can rely on all of them" in capsys.readouterr().out


BITCOIN, HEDGE = "config_bitcoin.json", "config_litecoin_hedge.json"
PARAMETERS = ("freqai", "feature_parameters")
BTC, SPOT = "BTC/USDT:USDT", "BTC/USDT"


@pytest.mark.parametrize(
    ("name", "path", "value", "said"),
    [
        (HEDGE, ("breakwater", "hedge", "open_primary"), True, "refused: breakwater.hedge.open_p"),
        (HEDGE, ("proxy_coin",), "BNFCR", "refused: proxy_coin: expected collateral in USDT"),
        (BITCOIN, ("exchange", "pair_whitelist"), [SPOT, "ETH/USDT:USDT"],
         "refused: BTC/USDT: it is in exchange.pair_whitelist, and is not followed: that is a spot "
         "market's name; BTC/USDT:USDT is the perpetual's"),
        (BITCOIN, ("exchange", "pair_whitelist"), ["BTC/USDC:USDC"], "quoted in USDC, and stake_c"),
        (BITCOIN, ("exchange", "pair_whitelist"), ["*/USDT:USDT"], "no name, and no pattern of na"),
        (BITCOIN, ("exchange", "pair_whitelist"), ["BTCUSDT"], "it is no pair; one is written as"),
        (BITCOIN, ("exchange", "pair_blacklist"), ["BTC/.*"], "BTC/.* in exchange.pair_blacklist"),
        (BITCOIN, (*PARAMETERS, "include_corr_pairlist"), ["ETH/USDT"], "freqai's include_corr_p"),
        (BITCOIN, ("exchange", "ccxt_config", "options"), [], "refused: exchange.ccxt_config"),
        (BITCOIN, ("db_url",), "trades.sqlite", "refused: db_url: expected a database on disk"),
        (BITCOIN, ("telegram", "token"), "", "refused: telegram: expected a token and a chat_id"),
        (BITCOIN, ("api_server", "listen_ip_address"), "home", "refused: api_server: expected an"),
    ],
)  # fmt: skip
def test_doctor_when_a_bot_would_not_start_or_not_follow_then_it_is_told_beforehand(
    name: str, path: KeyPath, value: Any, said: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    file = tmp_path / "config.json"
    file.write_text(json.dumps(altered(sound(name), path, value)), encoding="utf-8")
    assert judge(file) == 1
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "expected files with a block of settings"),
        ('{"add_config_files": 3}', "add_config_files a list of files"),
        ('{"add_config_files": [null]}', "add_config_files a list of files"),
        ('{"exchange": "binance"}', "expected a block of settings for exchange, got 'binance'"),
        ("{}", "expected exchange, got nothing"),
    ],
)
@pytest.mark.parametrize("command", ["doctor", "acknowledge", "claim", "collect", "watchdog"])
def test_commands_when_a_config_is_no_config_then_each_says_what_was_expected(
    command: str, content: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.json"
    file.write_text(content, encoding="utf-8")
    assert main([command, "--config", str(file)]) == 2
    assert said in capsys.readouterr().err


def test_doctor_when_a_secret_stands_where_it_does_not_belong_then_it_is_not_repeated(
    tmp_path: Path,
) -> None:
    secret = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6"
    file = tmp_path / "config.json"
    wrong = altered(sound(BITCOIN), ("telegram", "token"), [secret])
    file.write_text(json.dumps(altered(wrong, ("api_server",), secret)), encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        judge(file)
    assert "a text for telegram.token" in str(refused.value)
    assert "a block of settings for api_server, got a text of 45 characters" in str(refused.value)
    assert secret not in str(refused.value)


def test_doctor_when_the_model_is_named_then_what_it_refuses_is_told(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    unsuitable = altered(sound(BITCOIN), (*PARAMETERS, "shuffle_after_split"), True)
    file.write_text(json.dumps(unsuitable), encoding="utf-8")
    assert judge(file) == 0  # nobody has said which model
    with pytest.raises(ConfigError, match="shuffle_after_split"):
        judge_settings([file], "", "VolatilityForecaster")
    network = ("freqai", "model_training_parameters", "network")
    file.write_text(json.dumps(altered(sound(BITCOIN), network, {"hiden": 8})), encoding="utf-8")
    with pytest.raises(ConfigError, match="hiden"):
        judge_settings([file], "", "LSTMForecaster")
    with pytest.raises(FreqtradeException, match="LSTMForecastr'; did you mean 'LSTMForecaster'"):
        judge_settings([file], "", "LSTMForecastr")
