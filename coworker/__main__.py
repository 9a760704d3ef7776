"""`python -m coworker` and the `coworker` command."""

import sys


def main() -> None:
    """Run the command line and exit with its status."""
    from coworker.cli.main import main as run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
