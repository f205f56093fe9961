"""`--freqaimodel A2CForecaster`: see models/learn/agents/a2c.py."""

from freqaimodels.base.pack_model import PackModel


class A2CForecaster(PackModel):
    network = "a2c"
