"""Engines of scenarios judged as forecasts, on candles that none of them was fitted on."""
