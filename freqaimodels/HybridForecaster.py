"""`--freqaimodel HybridForecaster`: see models/learn/hybrid/hybrid.py."""

from freqaimodels.base.pack_model import PackModel


class HybridForecaster(PackModel):
    network = "hybrid"
