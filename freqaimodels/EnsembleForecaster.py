"""`--freqaimodel EnsembleForecaster`: see models/learn/trees/ensemble.py."""

from freqaimodels.base.pack_model import PackModel


class EnsembleForecaster(PackModel):
    network = "ensemble"
