"""`--freqaimodel PPOForecaster`: see models/learn/agents/ppo.py."""

from freqaimodels.base.pack_model import PackModel


class PPOForecaster(PackModel):
    network = "ppo"
