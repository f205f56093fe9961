"""What to run here: a model, its candles and its limits, from what was measured and is needed."""
