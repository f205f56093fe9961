"""Post-only orders against market orders, for the same signals."""
