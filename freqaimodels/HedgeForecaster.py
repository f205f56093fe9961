"""`--freqaimodel HedgeForecaster`: see models/nets/hedge.py."""

from freqaimodels.base.pack_model import PackModel


class HedgeForecaster(PackModel):
    network = "hedge"
