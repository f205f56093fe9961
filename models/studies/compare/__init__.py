"""Models beside each other on the same walk-forward folds."""

from models.reports.compare.page import write_comparison
from models.studies.compare.measure import ComparedModel, Trading, measure

__all__ = ["ComparedModel", "Trading", "measure", "write_comparison"]
