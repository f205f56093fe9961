"""Cascade timing, measured: simple hazards and networks on the same folds of several coins."""
