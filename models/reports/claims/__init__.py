"""The claims, what was found, and the verdicts."""
