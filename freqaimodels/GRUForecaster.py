"""`--freqaimodel GRUForecaster`: see models/learn/nets/gru.py."""

from freqaimodels.base.pack_model import PackModel


class GRUForecaster(PackModel):
    network = "gru"
