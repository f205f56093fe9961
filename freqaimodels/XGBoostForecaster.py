"""`--freqaimodel XGBoostForecaster`: see models/trees/boosted.py."""

from freqaimodels.base.pack_model import PackModel


class XGBoostForecaster(PackModel):
    network = "boosted"
