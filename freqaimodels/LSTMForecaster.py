"""`--freqaimodel LSTMForecaster`: see models/learn/nets/lstm.py."""

from freqaimodels.base.pack_model import PackModel


class LSTMForecaster(PackModel):
    network = "lstm"
