"""`--freqaimodel GANForecaster`: see models/learn/gan/gan.py."""

from freqaimodels.base.pack_model import PackModel


class GANForecaster(PackModel):
    network = "gan"
