"""Small worlds for the crowd: one tier, a straight fall, nobody else."""

from __future__ import annotations

from typing import Any

from models.studies.crowding.background import FallRules, LeverageHistogram
from models.studies.crowding.crowd import PAIR, CopiedRules
from models.studies.crowding.fall import CrowdWorld
from models.studies.crowding.impact import ImpactRules
from models.trade.account.tiers import MarginTier, MarginTiers

TIERS = MarginTiers(
    PAIR,
    (MarginTier(floor_quote=0.0, cap_quote=1e12, maintenance_rate_frac=0.004,
                maintenance_amount_quote=0.0, max_leverage=125.0),),
)  # fmt: skip
RULES = CopiedRules(tiers=TIERS)


def bare(law: str = "linear", noise: bool = False, **impact: Any) -> CrowdWorld:
    """A world without other traders."""
    return CrowdWorld(
        rules=RULES,
        impact=ImpactRules(law=law, **impact),
        fall=FallRules(noise=noise, after_min=120),
        others=LeverageHistogram(open_interest=0.0),
    )


def crowded(law: str = "square-root", **fall: Any) -> CrowdWorld:
    """A world with others in it."""
    return CrowdWorld(
        rules=RULES,
        impact=ImpactRules(law=law),
        fall=FallRules(**{"after_min": 120, **fall}),
        others=LeverageHistogram(traders=200),
    )
