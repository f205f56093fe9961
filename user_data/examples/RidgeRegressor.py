"""An own FreqAI model: ridge regression on whatever its strategy asks, see RidgeStrategy.py."""

from typing import Any

from freqtrade.freqai.base_models.BaseRegressionModel import BaseRegressionModel
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from sklearn.linear_model import Ridge


class RidgeRegressor(BaseRegressionModel):
    def fit(self, data_dictionary: dict, dk: FreqaiDataKitchen, **kwargs: Any) -> Ridge:
        model = Ridge(**self.model_training_parameters)
        return model.fit(data_dictionary["train_features"], data_dictionary["train_labels"])
