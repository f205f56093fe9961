"""Which past candles and which features drove a forecast, from the served graph alone."""

from models.evaluate.explain.forecast import (
    AGES,
    EVALUATIONS,
    TARGETS,
    Explanation,
    WindowForecaster,
    explain,
)
from models.evaluate.explain.importance import Importance, importance
from models.evaluate.explain.shapley import Attribution, shapley

__all__ = [
    "AGES",
    "EVALUATIONS",
    "TARGETS",
    "Attribution",
    "Explanation",
    "Importance",
    "WindowForecaster",
    "explain",
    "importance",
    "shapley",
]
