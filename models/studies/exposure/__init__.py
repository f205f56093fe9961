"""Exposure scaled by forecast, trailing and no volatility, at the same mean exposure."""
