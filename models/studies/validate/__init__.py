"""What a sceptic asks of a model before money is risked on it."""
