"""`--freqaimodel EnsembleForecaster`: see models/trees/ensemble.py."""

from freqaimodels.base.pack_model import PackModel


class EnsembleForecaster(PackModel):
    network = "ensemble"
