"""What it can do: one file per family of tools."""
