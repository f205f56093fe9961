"""How good a hedge was: effectiveness, named crashes, liquidation, and the page that says so."""
