"""Models beside each other on the same walk-forward folds."""

from models.studies.compare.measure import ComparedModel, Trading, measure_models

__all__ = ["ComparedModel", "Trading", "measure_models"]
