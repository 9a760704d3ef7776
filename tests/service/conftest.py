"""The command line as processes, as in tests/cli."""

from tests.cli.conftest import shell

__all__ = ["shell"]
