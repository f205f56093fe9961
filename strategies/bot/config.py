"""The `breakwater` block of a Freqtrade config: parsed once, every block within it too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from models.base.config import from_mapping
from models.data.feeds.catalog import CollectConfig
from models.data.labels.settings import LabelSettings
from models.learn.training.settings import ModelSettings
from models.operate.control.review import ReviewConfig
from models.operate.control.watch import WatchdogConfig
from models.serve.retraining import RetrainingConfig
from models.trade.decision.execution import ExecutionConfig
from models.trade.decision.signals import DecisionConfig
from models.trade.decision.sizing import SizingConfig
from models.trade.decision.volatility_target import VolatilityTargetConfig
from models.trade.risk.limits import GuardConfig, HardLimits
from strategies.account.hedge_config import HedgeConfig
from strategies.bot.consumed import ConsumerConfig
from strategies.bot.outlook_request import OutlookConfig
from strategies.bot.styles import Style, require_own_candles
from strategies.fast.pacing import PacingConfig
from strategies.guard.second_source import SecondSourceConfig
from strategies.seams.fast_mode import FastMode
from strategies.seams.training_place import TrainingPlace


@dataclass(frozen=True, kw_only=True)
class PackConfig:
    """All settings of the pack; each block's own are described at its class."""

    decision: DecisionConfig = field(default_factory=DecisionConfig)
    sizing: SizingConfig = field(default_factory=SizingConfig)
    execution: ExecutionConfig = field(default_factory=ExecutionConfig)
    limits: HardLimits = field(default_factory=HardLimits)
    guards: GuardConfig = field(default_factory=GuardConfig)
    review: ReviewConfig = field(default_factory=ReviewConfig)
    watchdog: WatchdogConfig = field(default_factory=WatchdogConfig)
    retraining: RetrainingConfig = field(default_factory=RetrainingConfig)
    outlook: OutlookConfig = field(default_factory=OutlookConfig)
    pacing: PacingConfig = field(default_factory=PacingConfig)
    volatility_target: VolatilityTargetConfig = field(default_factory=VolatilityTargetConfig)
    hedge: HedgeConfig | None = None  # has no defaults: what is hedged has to be said
    second_source: SecondSourceConfig = field(default_factory=SecondSourceConfig)
    collect: CollectConfig = field(default_factory=CollectConfig)
    consumer: ConsumerConfig = field(default_factory=ConsumerConfig)
    style: Style = Style.NONE  # whose candles the config's numbers are for; strategies.bot.styles
    fast: FastMode = FastMode.AUTO  # what shortens the time to an order; strategies.seams.fast_mode
    training: TrainingPlace = TrainingPlace.HERE  # "elsewhere": only imported bundles are served
    slippage_frac: float = 0.0002  # per fill, charged by the audit; the engine fills at the open

    def __post_init__(self) -> None:
        if not 0 <= self.slippage_frac < 0.05:
            raise ValueError(f"expected 0 <= slippage_frac < 0.05, got {self.slippage_frac}")


def pack_config(config: Mapping[str, Any]) -> PackConfig:
    """Return the pack's settings of a Freqtrade config.

    Raises
    ------
    ConfigError
        If a setting of any block is unknown, missing, of a wrong type or out of range, or the
        config's candles are not those of its style.
    """
    block = config.get("breakwater")
    pack = from_mapping(PackConfig, {} if block is None else block, where="breakwater")
    require_own_candles(pack.style, config)
    return pack


def asked_labels(config: Mapping[str, Any]) -> LabelSettings:
    """Return what a model of the pack is asked, as its own block of a Freqtrade config has it."""
    return ModelSettings.from_blocks(
        (config.get("freqai") or {}).get("model_training_parameters") or {},
        where="freqai.model_training_parameters",
    ).labels
