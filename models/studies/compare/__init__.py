"""Models beside each other on the same walk-forward folds."""

from models.reports.compare.page import write_comparison
from models.studies.compare.measure import Entry, Trading, measure

__all__ = ["Entry", "Trading", "measure", "write_comparison"]
