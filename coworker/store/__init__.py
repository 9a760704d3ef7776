"""What survives: the log and what is derived from it."""
