"""Models beside each other on the same walk-forward folds."""

from models.validation.compare.measure import Entry, Trading, measure
from models.validation.compare.page import write_comparison

__all__ = ["Entry", "Trading", "measure", "write_comparison"]
