"""A coworker that lives in your team's chat and in your repositories."""

__version__ = "0.1.0"
