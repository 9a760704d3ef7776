"""How people reach it: one file per platform."""
