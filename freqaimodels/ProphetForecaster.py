"""`--freqaimodel ProphetForecaster`: see models/learn/prophet/prophet.py."""

from freqaimodels.base.pack_model import PackModel


class ProphetForecaster(PackModel):
    network = "prophet"
