"""How it thinks: the pure fold, the one loop, and what the model is shown."""
