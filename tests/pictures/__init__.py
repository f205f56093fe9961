"""The pictures of README, drawn from what a run has written: `python -m tests.pictures`."""
