"""A repository that plants a program in every place git knows: nothing of it may run."""

import os
import stat
import subprocess
from contextlib import suppress

import pytest

from coworker.errors import ToolError
from coworker.repos import map as repo_map
from coworker.repos.checkout import Checkout
from tests.repos import scene

_CALLS = [
    ("git_status", {}),
    ("git_log", {}),
    ("git_log", {"path": "a.txt", "since": "2020-01-01"}),
    ("git_diff", {}),
    ("git_diff", {"range": "HEAD~1..HEAD"}),
    ("git_diff", {"range": "HEAD~1"}),
    ("git_show", {"rev": "HEAD"}),
    ("git_show", {"rev": "HEAD:a.txt"}),
    ("git_show", {"rev": "HEAD", "path": "a.x"}),
    ("git_blame", {"path": "a.txt"}),
    ("list_files", {}),
    ("list_files", {"glob": "*.txt"}),
    ("search", {"pattern": "a"}),
    ("read_file", {"path": "a.txt"}),
]

_CONFIG = """
[core]
    fsmonitor = {evil} fsmonitor
    hooksPath = {hooks}
    pager = {evil} pager
    editor = {evil} editor
    sshCommand = {evil} ssh
    askPass = {evil}
    attributesFile = {attributes}
    alternateRefsCommand = {evil} alternates
    worktree = {elsewhere}
[include]
    path = {included}
[diff]
    external = {evil} external
[diff "x"]
    textconv = {evil} textconv
    command = {evil} command
[filter "x"]
    clean = {evil} clean
    smudge = {evil} smudge
    process = {evil} process
    required = true
[log]
    showSignature = true
[gpg]
    program = {evil}
[alias]
    log = !{evil} alias
    status = !{evil} alias
[credential]
    helper = !{evil} helper
[blame]
    ignoreRevsFile = /etc/passwd
[extensions]
    partialClone = origin
[remote "origin"]
    url = ext::{evil} ext
    promisor = true
    uploadpack = {evil} upload
[submodule "inner"]
    update = !{evil} submodule
[trace2]
    eventTarget = {trace}
"""


@pytest.fixture
def hostile(tmp_path):
    """The repository, and the file that exists once anything of it has run."""
    folder, canary = scene.empty(tmp_path / "hostile"), tmp_path / "canary"
    evil = tmp_path / "evil"
    evil.write_text(f'#!/bin/sh\necho "$0 $@" >> {canary}\ncat\n')
    evil.chmod(evil.stat().st_mode | stat.S_IXUSR)
    inner = scene.empty(folder / "inner")
    scene.commit(inner, "inner", {"inner.txt": "a\n", ".gitattributes": "* filter=x diff=x\n"})
    modules = '[submodule "inner"]\npath = inner\nurl = ./inner\nupdate = !touch x\nignore = none\n'
    scene.commit(folder, "first", {"a.txt": "a\n", "a.x": "a\n", ".gitmodules": modules})
    _sign(folder)
    scene.write(folder, {".gitattributes": "* filter=x diff=x\n", "a.txt": "a changed\n"})
    (folder / "a.x").touch()
    for git_dir in (folder / ".git", inner / ".git"):
        _plant(git_dir, evil, tmp_path)
    scene.write(folder, {"inner/inner.txt": "changed\n", "nested/x": "x\n"})
    return folder, canary


def _sign(folder):
    """A commit with a signature, which makes git want to call gpg."""
    tree = scene.git(folder, "write-tree")
    parent = scene.git(folder, "rev-parse", "HEAD")
    who = "ann <ann@example.com> 1790000000 +0000"
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n abc\n -----END PGP SIGNATURE-----"
    text = f"tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n{signature}\n\nsigned\n"
    made = scene.git(folder, "hash-object", "-t", "commit", "-w", "--stdin", stdin=text)
    scene.git(folder, "update-ref", "HEAD", made)


def _plant(git_dir, evil, tmp_path):
    hooks, included = tmp_path / "hooks", tmp_path / "included"
    hooks.mkdir(exist_ok=True)
    included.write_text(f"[core]\n\tfsmonitor = {evil} included\n")
    for name in ("post-index-change", "pre-commit", "post-checkout", "reference-transaction"):
        for place in (hooks, git_dir / "hooks"):
            place.mkdir(exist_ok=True)
            (place / name).unlink(missing_ok=True)
            (place / name).symlink_to(evil)
    values = {
        "evil": evil,
        "hooks": hooks,
        "included": included,
        "attributes": tmp_path / "attributes",
        "elsewhere": tmp_path,
        "trace": tmp_path / "canary",
    }
    (tmp_path / "attributes").write_text("* diff=x filter=x\n")
    with (git_dir / "config").open("a") as config:
        config.write(_CONFIG.format(**values))
    (git_dir / "info").mkdir(exist_ok=True)
    (git_dir / "info" / "attributes").write_text("* diff=x filter=x\n")


async def test_no_program_of_a_hostile_repository_runs(hostile, toolbox, tmp_path):
    folder, canary = hostile
    box = toolbox(folder)
    for name, arguments in _CALLS:
        text = await box.call(name, **arguments)
        assert text, name
        assert not canary.exists(), f"{name} {arguments} ran {canary.read_text()}"
    checkout = await Checkout.open(folder, tmp_path / "state")
    assert "signed" in await repo_map.describe(box.repo, checkout)
    assert not canary.exists()


async def test_the_same_repository_runs_its_programs_under_plain_git(hostile):
    folder, canary = hostile
    subprocess.run(["git", "-C", folder, "status"], capture_output=True, timeout=20)
    assert canary.exists()


async def test_the_tools_see_a_hostile_repository_as_it_is(hostile, toolbox):
    folder, _ = hostile
    box = toolbox(folder)
    assert "M a.txt" in await box.call("git_status")
    assert "+a changed" in await box.call("git_diff")
    assert "signed" in await box.call("git_log")


async def test_a_pipe_for_an_include_or_an_exclude_file_stops_nothing(hostile, toolbox):
    folder, _ = hostile
    (folder / ".git/info/exclude").unlink(missing_ok=True)
    os.mkfifo(folder / ".git/info/exclude")
    os.mkfifo(folder / ".git/shallow")
    assert "signed" in await toolbox(folder).call("git_log")


@pytest.mark.parametrize("value", ["--output=CANARY", "-O/bin/sh", "--upload-pack=touch CANARY"])
@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("git_log", "range"),
        ("git_log", "since"),
        ("git_log", "path"),
        ("git_diff", "range"),
        ("git_diff", "path"),
        ("git_show", "rev"),
        ("git_blame", "path"),
    ],
)
async def test_no_value_is_taken_for_an_option(shop, folder, tmp_path, name, argument, value):
    value = value.replace("CANARY", str(tmp_path / "canary"))
    required = {"rev": "HEAD"} if name == "git_show" else {}
    words = await shop.fails(name, **{**required, argument: value})
    assert 'may not begin with "-"' in words
    assert not (tmp_path / "canary").exists()


async def test_search_takes_no_value_for_an_option(shop, tmp_path, searcher):
    canary = tmp_path / "canary"
    for value in (
        f"--pre=touch {canary}",
        f"--open-files-in-pager=touch {canary}",
        "-f/etc/passwd",
    ):
        assert (await shop.call("search", pattern=value)).startswith("No matches")
        for more in ({"glob": value}, {"path": value}):
            with suppress(ToolError):
                assert "root:" not in await shop.call("search", pattern="total", **more)
    assert not canary.exists()
