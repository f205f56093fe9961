"""`breakwater doctor --config`: the settings a live bot would start with, judged as it does."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import ccxt
from freqtrade.config_schema.config_schema import SCHEMA_TRADE_REQUIRED
from freqtrade.enums import RunMode
from freqtrade.exceptions import FreqtradeException, OperationalException

from models.base.config import shown
from models.base.errors import ConfigError, PackError
from strategies.account.config_files import config_of_files, refuse_wrong_kinds
from strategies.account.safety_rules import Cure, Fault, Judged
from strategies.account.safety_table import SETTINGS
from strategies.bot.followed import misnamed, misnamed_pairs
from strategies.bot.guarded import GuardedStrategy
from strategies.desk.terminal.places import FREQAIMODELS, STRATEGIES, USER_DATA
from strategies.seams.resolvers import try_loading

# A strategy brings these, where the config has none.
_BROUGHT: Final = frozenset({"timeframe", "stoploss", "minimal_roi", "max_open_trades"})
_REQUIRED: Final = [name for name in SCHEMA_TRADE_REQUIRED if name not in _BROUGHT]


def judge_settings(configs: Sequence[Path], name: str, model: str = "") -> int:
    """Print what a live bot of these configs would refuse or override; return how much it refuses.

    No exchange is asked: what only it can tell (keys, markets, balances) is not judged.

    Parameters
    ----------
    name, model
        Of the strategy and of the FreqAI model; as configured where empty.

    Raises
    ------
    ConfigError
        If the strategy is none of the pack's, or cannot be made with these settings.
    """
    judged = judged_settings(configs, name, model)
    print(f"\n{len(SETTINGS)} settings judged for {judged.strategy}, live")
    print("\n".join(judged.lines), end="\n" * bool(judged.lines))
    if judged.unjudged:
        print(f"not judged: {judged.unjudged}")
    refused = judged.refused
    print(f"{refused} refused" if judged.lines else "safety can rely on all of them")
    return refused


@dataclass(frozen=True, kw_only=True)
class JudgedSettings:
    """What a bot makes of its settings: a line for each that does not hold, with its cure."""

    strategy: str
    lines: tuple[str, ...]
    refused: int
    unjudged: str  # what nobody could tell, empty if all was


def judged_settings(
    configs: Sequence[Path], name: str, model: str = "", mode: RunMode = RunMode.LIVE
) -> JudgedSettings:
    """Return what a bot of these configs would refuse or override when it starts.

    Raises
    ------
    ConfigError
        If the strategy is none of the pack's, or cannot be made with these settings.
    """
    config = _read(configs)
    for setting, folder in (("strategy_path", STRATEGIES), ("freqaimodel_path", FREQAIMODELS)):
        # What the shipped configs say holds in a checkout only.
        if config.get(setting) == folder.name and not Path(folder.name).is_dir():
            config[setting] = str(folder)
    config["strategy"] = name or config.get("strategy")
    config["freqaimodel"] = model or config.get("freqaimodel")
    refuse_wrong_kinds(config["original_config"], _REQUIRED)
    _require_timeframes(config)
    strategy = _made({**config, "runmode": mode})
    live = {**strategy.config, "runmode": mode}
    faults = Judged(kind=strategy.kind, strategy=strategy, config=live).faults(SETTINGS)
    others = [*_refusals(strategy, live), *_lost(live)]
    unnamed = _forecasts(live) and not config["freqaimodel"]
    return JudgedSettings(
        strategy=str(config["strategy"]), lines=(*map(_line, faults), *others),
        refused=sum(fault.setting.cure is Cure.REFUSE for fault in faults) + len(others),
        unjudged="what the FreqAI model would refuse; name it, --freqaimodel" if unnamed else "",
    )  # fmt: skip


def _read(configs: Sequence[Path]) -> dict[str, Any]:
    """Return the configuration, also where its user directory is of another working directory."""
    try:
        return config_of_files(configs)
    except OperationalException as error:
        if f"`{USER_DATA}`" not in str(error):  # the shipped configs', of another directory
            raise
        with tempfile.TemporaryDirectory() as scratch:  # no state is looked at
            return config_of_files(configs, Path(scratch))


def _made(config: dict[str, Any]) -> GuardedStrategy:
    """Return the strategy, made as a run that does not trade makes it; no state is held."""
    try:
        strategy = try_loading(config, model=bool(config["freqaimodel"]))
    except FreqtradeException as error:
        # The first line is all a chat is told at a reload; who is at the machine reads the rest.
        raise error.__cause__ if _is_told(error.__cause__) else error from error
    if not isinstance(strategy, GuardedStrategy):
        raise ConfigError(
            f"expected a strategy of the pack, got {config['strategy']}",
            cure="nothing guards another one's orders; see user_data/docs/control.md",
        )
    return strategy


def _is_told(error: BaseException | None) -> bool:
    return isinstance(error, PackError | FreqtradeException)


def _refusals(strategy: GuardedStrategy, live: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the strategy itself refuses when it trades."""
    try:
        strategy.require_settings(live)
    except PackError as error:
        where = f"{error.where}: " if error.where else ""
        yield f"- refused: {where}{error.problem}\n    cure: {error.cure}"


def _lost(live: Mapping[str, Any]) -> Iterator[str]:
    """Yield the pairs the bot would not follow, and those FreqAI would find no candles of."""
    names = misnamed_pairs(live)
    if _forecasts(live):
        also = live["freqai"]["feature_parameters"].get("include_corr_pairlist") or []
        found = {shown(p): misnamed(p, live) if isinstance(p, str) else ": no text" for p in also}
        names |= {p: f"it is in freqai's include_corr_pairlist{w}" for p, w in found.items() if w}
    for pair, why in names.items():
        yield f"- refused: {pair}: {why}\n    cure: name it as the exchange does, or take it out"


def _forecasts(config: Mapping[str, Any]) -> bool:
    return bool((config.get("freqai") or {}).get("enabled"))


def _line(fault: Fault) -> str:
    return f"- {fault.setting.cure}: {fault}\n    cure: {fault.cure}"


def _require_timeframes(config: Mapping[str, Any]) -> None:
    """Refuse candles Binance does not have; nothing can be counted in them."""
    parameters = (config.get("freqai") or {}).get("feature_parameters") or {}
    asked = {
        **({"timeframe": [config["timeframe"]]} if "timeframe" in config else {}),
        "freqai.feature_parameters.include_timeframes": parameters.get("include_timeframes") or [],
    }
    wrong = [
        f"expected a timeframe of Binance's for {name}, got {shown(one)}"
        for name, given in asked.items() for one in given if one not in _timeframes()
    ]  # fmt: skip
    if wrong:
        raise ConfigError("; ".join(wrong), cure=f"one of {', '.join(_timeframes())}")


@cache
def _timeframes() -> tuple[str, ...]:
    return tuple(ccxt.binance().timeframes)
