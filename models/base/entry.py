"""The rules an entry has to pass, by the names that reports and people are given."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class EntryRule(StrEnum):
    """What an entry has to pass, in the order in which it is asked; the first no is the reason."""

    STOPPED = "stopped"  # a bot runs
    CONTROL = "control"  # nobody has halted it or lets it only reduce
    OBSTACLE = "obstacle"  # the risk is acknowledged, the journal can be written, it is not paused
    PAIR = "pair"  # the pair is followed, and not locked
    HELD = "held"  # nothing is open in the pair, and the bot may hold one more
    FORECAST = "forecast"  # the model has answered for the candle
    TRUSTED = "trusted"  # it is fresh, vouched for, and like what was trained on
    DIRECTION = "direction"  # one side leads
    EDGE = "edge"  # the lower bound of the edge pays the costs
    HAZARD = "hazard"  # no alarm of a cascade stands against the side
    GUARDS = "guards"  # limits of the account, market and model
    STAKE = "stake"  # what is left is no smaller than the exchange's smallest order
    REVIEW = "review"  # a person has approved, in review mode
    NOTHING = "nothing"  # no rule says no


@dataclass(frozen=True, kw_only=True)
class EntryStop:
    """The one rule that stops an entry."""

    rule: EntryRule
    why: str  # with numbers: "the lower bound of the edge is +3.1 bp, an entry needs 14 bp"
    change: str  # what would let it through
