"""The `breakwater` block of a Freqtrade config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class PackConfig:
    """Blocks of settings, each read by the dataclass named behind it."""

    decision: Mapping[str, Any] = field(default_factory=dict)  # models.trade.decision.signals
    sizing: Mapping[str, Any] = field(default_factory=dict)  # models.trade.decision.sizing
    limits: Mapping[str, Any] = field(default_factory=dict)  # models.trade.risk.limits, HardLimits
    guards: Mapping[str, Any] = field(default_factory=dict)  # models.trade.risk.limits, GuardConfig
    review: Mapping[str, Any] = field(default_factory=dict)  # models.operate.control.review
    watchdog: Mapping[str, Any] = field(default_factory=dict)  # models.operate.control.watch
    pacing: Mapping[str, Any] = field(default_factory=dict)  # strategies.fast.pacing
    hedge: Mapping[str, Any] = field(default_factory=dict)  # strategies.bot.hedge_config
    second_source: Mapping[str, Any] = field(default_factory=dict)  # strategies.guard.second_source
    collect: Mapping[str, Any] = field(default_factory=dict)  # models.data.feeds.catalog
    slippage_frac: float = 0.0002  # per fill, charged by the audit; the engine fills at the open

    def __post_init__(self) -> None:
        if not 0 <= self.slippage_frac < 0.05:
            raise ValueError(f"expected 0 <= slippage_frac < 0.05, got {self.slippage_frac}")
