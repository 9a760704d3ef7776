"""Whatever a path says and wherever links lead, nothing outside is read, and names are true."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coworker.errors import ToolError
from coworker.repos.root import Root

NAMES = st.sampled_from(["a", "b", "c", "d.txt", "e.txt"])
PARTS = st.one_of(
    NAMES,
    st.sampled_from(["..", ".", "", "~", "x" * 300, ".git", ".GIT ", "é", "e\u0301", "\\", "a\0b"]),
)
PATHS = st.builds(
    lambda start, parts: start + "/".join(parts),
    st.sampled_from(["", "/", "./", "{root}/", "{root}-evil/", "{outside}/", "/proc/self/root/"]),
    st.lists(PARTS, max_size=6),
)
TARGETS = st.builds(
    lambda start, parts: start + ("/".join(parts) or "."),
    st.sampled_from(["", "../", "../../", "{root}/", "{outside}/"]),
    st.lists(NAMES, max_size=3),
)
TREES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map("/".join),
    st.one_of(st.none(), st.just("file"), TARGETS),
    max_size=8,
)
"""What lies where: a folder, a file, or a link to somewhere."""
bounded = settings(derandomize=True, deadline=None, max_examples=100)


@pytest.fixture(scope="module")
def place():
    """A folder with a secret beside the ones that hypothesis builds."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(os.path.realpath(folder))


def built(place, tree):
    """A tree of its own, and the outside that its links may lead to."""
    here = Path(tempfile.mkdtemp(dir=place))
    root, outside = here / "root", here / "outside"
    for folder in (root, outside, here / "root-evil"):
        folder.mkdir()
        for name in ("a", "d.txt"):
            if folder is not root:
                (folder / name).write_text("canary")
    for path, what in tree.items():
        with suppress(OSError):  # a file or a link stands in the way
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            if what is None:
                (root / path).mkdir()
            elif what == "file":
                (root / path).write_text("inside")
            else:
                (root / path).symlink_to(what.format(root=root, outside=outside))
    return root, outside


@bounded
@given(TREES, st.lists(PATHS, max_size=5))
def test_what_is_read_lies_inside_and_is_what_the_path_names(place, tree, paths):
    root, outside = built(place, tree)
    opened = Root(root)
    for path in paths:
        with suppress(ToolError):
            relative = opened.inside(path.format(root=root, outside=outside))
            assert ".." not in relative.split("/")
            real = Path(os.path.realpath(root / relative))
            assert opened.read(relative, 100) == b"inside"
            assert (real.is_relative_to(root), real.read_text()) == (True, "inside")
            assert root / opened.resolved(relative) == real


@bounded
@given(TREES, st.lists(PATHS, max_size=5))
def test_what_is_written_lies_inside_and_where_it_was_said_to(place, tree, paths):
    root, outside = built(place, tree)
    opened = Root(root)
    for path in paths:
        with suppress(ToolError):
            relative = opened.inside(path.format(root=root, outside=outside))
            led_to = opened.leads_to(relative)
            assert root / led_to == Path(os.path.realpath(root / relative))
            with suppress(OSError):
                opened.put(relative, b"inside")
                assert (root / led_to).read_bytes() == b"inside"
    kept = [file.read_text() for file in outside.rglob("*") if file.is_file()]
    assert kept == ["canary", "canary"]
