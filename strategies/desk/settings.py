"""`breakwater doctor --config`: the settings a live bot would start with, judged as it does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from freqtrade.configuration import Configuration
from freqtrade.enums import RunMode
from freqtrade.resolvers.strategy_resolver import StrategyResolver

from models.base.errors import ConfigError
from strategies.account.safety_rules import Cure, Judged
from strategies.account.safety_table import SETTINGS
from strategies.bot.guarded import GuardedStrategy


def judge_settings(configs: Sequence[Path], name: str) -> int:
    """Print what a live bot of these configs would refuse or override; return how much it refuses.

    Raises
    ------
    ConfigError
        If the strategy is none of the pack's.
    """
    config = Configuration.from_files([str(path) for path in configs])
    config["strategy"] = name or config.get("strategy")
    strategy = StrategyResolver.load_strategy(config)
    if not isinstance(strategy, GuardedStrategy):
        raise ConfigError(
            f"expected a strategy of the pack, got {config['strategy']}",
            cure="nothing guards another one's orders; see README.md",
        )
    live = {**config, "runmode": RunMode.LIVE}
    faults = Judged(kind=strategy.kind, strategy=strategy, config=live).faults(SETTINGS)
    print(f"\n{len(SETTINGS)} settings judged for {config['strategy']}, live")
    for fault in faults:
        print(f"- {fault.setting.cure}: {fault}\n    cure: {fault.cure}")
    refused = sum(fault.setting.cure is Cure.REFUSE for fault in faults)
    print("safety can rely on all of them" if not faults else f"{refused} refused")
    return refused
