"""`--freqaimodel LSTMAttentionForecaster`: see models/learn/nets/lstm_attention.py."""

from freqaimodels.base.pack_model import PackModel


class LSTMAttentionForecaster(PackModel):
    network = "lstm_attention"
