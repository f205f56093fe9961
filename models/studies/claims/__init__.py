"""What articles promise of models, each with its measure and the rule of its verdict."""
