"""Benchmarks: figures as distributions, and as ratios to a bare bot in the same run."""
