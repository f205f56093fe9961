"""Confirmed, not confirmed, or contradicted: an interval held against what was claimed."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from models.evaluate.metrics.resampling import Estimate


class ClaimVerdict(StrEnum):
    """What the interval says of the claim."""

    CONFIRMED = "confirmed"
    OPEN = "not confirmed"
    CONTRADICTED = "contradicted"


def claim_verdict(found: Estimate, least: float, none: float) -> ClaimVerdict:
    """Return the verdict of a 95 % interval; the rule was fixed before any run.

    Parameters
    ----------
    found
        What was measured, larger being better for the claim.
    least
        The least that is claimed. A range that is claimed ("30 to 40 %") is claimed from its lower
        end on: more of it does not speak against the claim.
    none
        What no difference at all would be: 0 of a difference. For a ratio that is claimed below
        one ("85 % of the skill") it is `least` itself.

    Returns
    -------
    ClaimVerdict
        CONFIRMED where the whole interval is above `least`, CONTRADICTED where it is wholly below
        `none`, OPEN everywhere else, and where there is no interval.

    Examples
    --------
    >>> claim_verdict(Estimate(0.35, 0.31, 0.39), 0.30, 0.0).value
    'confirmed'
    >>> claim_verdict(Estimate(0.35, 0.20, 0.50), 0.30, 0.0).value
    'not confirmed'
    >>> claim_verdict(Estimate(-0.2, -0.3, -0.1), 0.30, 0.0).value
    'contradicted'
    """
    if not (np.isfinite(found.low) and np.isfinite(found.high)):
        return ClaimVerdict.OPEN
    if found.low > least:
        return ClaimVerdict.CONFIRMED
    return ClaimVerdict.CONTRADICTED if found.high < none else ClaimVerdict.OPEN
