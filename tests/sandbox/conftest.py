"""Who runs the commands, and where."""

import dataclasses
import os
import subprocess

import pytest

from tests.sandbox.place import Place
from tests.sandbox.runner import Crew

NOBODY = 65534


@pytest.fixture(scope="session")
def bubblewrap():
    """Skips where bubblewrap itself does not work, whatever we make of it."""
    try:
        argv = ["bwrap", "--unshare-all", "--unshare-user", "--ro-bind", "/", "/", "true"]
        subprocess.run(argv, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"bubblewrap does not work here: {error}")


@pytest.fixture(scope="session", params=["root", "user"])
def crew(request, bubblewrap):
    """Runs commands as root and as an ordinary user; only root can do both."""
    is_root = os.geteuid() == 0
    if request.param == "root" and not is_root:
        pytest.skip("only root can be root")
    crew = Crew(NOBODY if is_root and request.param == "user" else os.geteuid())
    yield crew
    crew.close()


@pytest.fixture
def place(crew):
    """A machine with secrets, and a box in it."""
    place = Place(crew.uid)
    yield place
    place.close()


@pytest.fixture
def sh(crew, place):
    """`sh(command, **changes to the box)` runs it as the crew does."""

    def sh(command, **changes):
        return crew.run(dataclasses.replace(place.box, **changes), command)

    return sh
