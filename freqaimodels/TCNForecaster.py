"""`--freqaimodel TCNForecaster`: see models/learn/nets/tcn.py."""

from freqaimodels.base.pack_model import PackModel


class TCNForecaster(PackModel):
    network = "tcn"
