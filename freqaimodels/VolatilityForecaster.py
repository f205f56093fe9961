"""`--freqaimodel VolatilityForecaster`: see models/learn/volatility/volatility.py."""

from freqaimodels.base.pack_model import PackModel


class VolatilityForecaster(PackModel):
    network = "volatility"
