"""Models beside each other on the same walk-forward folds."""

from models.studies.compare.measure import measure_models
from models.studies.compare.records import ComparedModel, Trading, Truth

__all__ = ["ComparedModel", "Trading", "Truth", "measure_models"]
