"""`--freqaimodel ProphetForecaster`: see models/prophet/prophet.py."""

from freqaimodels.base.pack_model import PackModel


class ProphetForecaster(PackModel):
    network = "prophet"
