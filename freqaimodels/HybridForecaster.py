"""`--freqaimodel HybridForecaster`: see models/hybrid/hybrid.py."""

from freqaimodels.base.pack_model import PackModel


class HybridForecaster(PackModel):
    network = "hybrid"
