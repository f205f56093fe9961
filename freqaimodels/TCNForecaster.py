"""`--freqaimodel TCNForecaster`: see models/nets/tcn.py."""

from freqaimodels.base.pack_model import PackModel


class TCNForecaster(PackModel):
    network = "tcn"
