"""`--freqaimodel HedgeForecaster`: see models/learn/nets/hedge.py."""

from freqaimodels.base.pack_model import PackModel


class HedgeForecaster(PackModel):
    network = "hedge"
