"""`--freqaimodel GANForecaster`: see models/scenarios/gan.py."""

from freqaimodels.base.pack_model import PackModel


class GANForecaster(PackModel):
    network = "gan"
