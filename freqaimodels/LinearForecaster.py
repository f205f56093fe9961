"""`--freqaimodel LinearForecaster`: see models/learn/nets/linear.py."""

from freqaimodels.base.pack_model import PackModel


class LinearForecaster(PackModel):
    network = "linear"
