"""`--freqaimodel XGBoostForecaster`: see models/learn/trees/boosted.py."""

from freqaimodels.base.pack_model import PackModel


class XGBoostForecaster(PackModel):
    network = "boosted"
