"""`--freqaimodel WaveNetForecaster`: see models/learn/nets/wavenet.py."""

from freqaimodels.base.pack_model import PackModel


class WaveNetForecaster(PackModel):
    network = "wavenet"
