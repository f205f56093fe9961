"""Several exchanges whose liquidations move each other's mark price: when the loop runs away."""
