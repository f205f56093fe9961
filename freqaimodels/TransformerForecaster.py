"""`--freqaimodel TransformerForecaster`: see models/nets/transformer.py."""

from freqaimodels.base.pack_model import PackModel


class TransformerForecaster(PackModel):
    network = "transformer"
