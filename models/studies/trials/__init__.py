"""What was ever tried on this installation, and what may be looked at once only."""
