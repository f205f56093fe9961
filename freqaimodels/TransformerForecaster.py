"""`--freqaimodel TransformerForecaster`: see models/learn/nets/transformer.py."""

from freqaimodels.base.pack_model import PackModel


class TransformerForecaster(PackModel):
    network = "transformer"
