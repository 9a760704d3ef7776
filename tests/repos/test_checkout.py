"""A trusted view of every odd kind of checkout, and nothing of theirs is ever written."""

import os
import subprocess
from pathlib import Path

import pytest

from coworker.errors import NotFound
from coworker.repos.checkout import Checkout, Checkouts, locate
from coworker.types import Repo
from tests.repos import scene


@pytest.fixture
def opened(tmp_path):
    """`await opened(folder)` is our view of it."""

    async def opened(folder: Path) -> Checkout:
        return await Checkout.open(folder, tmp_path / "state")

    return opened


async def subjects(checkout: Checkout) -> list[str]:
    output = await checkout.git.run("log", "--format=%s", "--")
    assert output.status == 0, output.err
    return output.out.decode().split("\n")[:-1]


async def status(checkout: Checkout) -> list[str]:
    output = await checkout.git.run("status", "--porcelain=v1", "-z", "--ignore-submodules=all")
    assert output.status == 0, output.err
    return output.out.decode(errors="replace").split("\0")[:-1]


async def test_history_and_state_are_those_of_the_checkout(tmp_path, opened):
    checkout = await opened(scene.shop(tmp_path / "shop"))
    assert await subjects(checkout) == ["Say hello", "Count lines", "Add the cart"]
    assert await status(checkout) == [" M src/cart.py", "?? src/new.py"]
    assert checkout.branch == "main"


async def test_new_commits_and_branches_are_seen_after_a_refresh(tmp_path, opened):
    folder = scene.shop(tmp_path / "shop")
    checkout = await opened(folder)
    scene.git(folder, "checkout", "-q", "-b", "topic")
    scene.commit(folder, "More", {"more.txt": "x\n"})
    scene.git(folder, "pack-refs", "--all")
    await checkout.refresh()
    assert (await subjects(checkout))[0] == "More"
    assert checkout.branch == "topic"


async def test_nothing_of_theirs_is_written(tmp_path, opened):
    folder = scene.shop(tmp_path / "shop")
    scene.git(folder, "status")
    os.utime(folder / "README.md", (1.5e9, 1.5e9))  # the index would be refreshed by plain git

    def everything():
        paths = [path for path in folder.rglob("*") if path.is_file()]
        return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}

    before = everything()
    checkout = await opened(folder)
    await status(checkout)
    await checkout.git.run("diff", "HEAD", "--")
    await checkout.refresh()
    assert everything() == before


async def test_a_repository_without_commits(tmp_path, opened):
    folder = scene.empty(tmp_path / "new")
    scene.write(folder, {"a.txt": "a\n"})
    checkout = await opened(folder)
    assert await checkout.head() == ""
    assert await status(checkout) == ["?? a.txt"]


async def test_a_detached_head(tmp_path, opened):
    folder = scene.shop(tmp_path / "shop")
    scene.git(folder, "stash", "-qu")
    scene.git(folder, "checkout", "-q", "HEAD~1")
    checkout = await opened(folder)
    assert await subjects(checkout) == ["Count lines", "Add the cart"]
    assert checkout.branch == ""


async def test_a_linked_worktree_has_its_own_head_and_index(tmp_path, opened):
    folder = scene.shop(tmp_path / "shop")
    scene.git(folder, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"), "HEAD~1")
    scene.write(tmp_path / "side", {"side.txt": "x\n"})
    checkout = await opened(tmp_path / "side")
    assert await subjects(checkout) == ["Count lines", "Add the cart"]
    assert await status(checkout) == ["?? side.txt"]
    assert checkout.branch == "side"


async def test_a_submodule(tmp_path, opened):
    inner, outer = scene.shop(tmp_path / "inner"), scene.shop(tmp_path / "outer")
    allow = ("-c", "protocol.file.allow=always")
    scene.git(outer, *allow, "submodule", "add", "-q", str(inner), "lib")
    checkout = await opened(outer / "lib")
    assert checkout.root == outer / "lib"
    assert (await subjects(checkout))[0] == "Say hello"


async def test_a_folder_inside_a_checkout(tmp_path, opened):
    checkout = await opened(scene.shop(tmp_path / "shop") / "src")
    assert checkout.root == tmp_path / "shop"
    assert checkout.below("cart.py") == "src/cart.py"
    assert checkout.below(".") == "src"


async def test_a_bare_repository_has_history_and_no_files(tmp_path, opened):
    folder = scene.shop(tmp_path / "shop")
    scene.git(tmp_path, "clone", "-q", "--bare", str(folder), str(tmp_path / "shop.git"))
    checkout = await opened(tmp_path / "shop.git")
    assert checkout.is_bare
    assert (await subjects(checkout))[0] == "Say hello"


async def test_a_sha256_repository(tmp_path, opened):
    folder = scene.empty(tmp_path / "new", "--object-format=sha256")
    scene.commit(folder, "Long ids", {"a.txt": "a\n"})
    checkout = await opened(folder)
    assert await subjects(checkout) == ["Long ids"]
    assert len(await checkout.head()) == 64


async def test_a_shallow_clone(tmp_path, opened):
    folder = scene.shop(tmp_path / "shop")
    source = f"file://{folder}"
    scene.git(tmp_path, "clone", "-q", "--depth=2", source, str(tmp_path / "shallow"))
    assert await subjects(await opened(tmp_path / "shallow")) == ["Say hello", "Count lines"]


async def test_a_clone_that_borrows_objects(tmp_path, opened):
    folder = scene.shop(tmp_path / "shop")
    scene.git(tmp_path, "clone", "-q", "--shared", str(folder), str(tmp_path / "borrower"))
    assert (await subjects(await opened(tmp_path / "borrower")))[0] == "Say hello"


async def test_a_split_index(tmp_path, opened):
    folder = scene.shop(tmp_path / "shop")
    scene.git(folder, "update-index", "--split-index")
    [base] = (folder / ".git").glob("sharedindex.*")
    os.utime(base, (1, 1))
    assert await status(await opened(folder)) == [" M src/cart.py", "?? src/new.py"]
    assert base.stat().st_mtime == 1


async def test_line_ends_are_judged_by_their_settings(tmp_path, opened):
    folder = scene.empty(tmp_path / "windows")
    scene.git(folder, "config", "core.autocrlf", "true")
    scene.commit(folder, "Add", {"a.txt": "a\r\n"})
    os.utime(folder / "a.txt", (1, 1))
    assert await status(await opened(folder)) == []


@pytest.mark.parametrize(
    "name",
    [
        "with space",
        'quo"te',
        "back\\slash",
        "new\nline",
        "größe-☃",
        "-dash",
        b"not-utf8-\xff",
        "#h",
    ],
)
async def test_a_folder_of_any_name(tmp_path, opened, name):
    folder = scene.shop(tmp_path / os.fsdecode(name))
    checkout = await opened(folder)
    assert (await subjects(checkout))[0] == "Say hello"
    assert await status(checkout) == [" M src/cart.py", "?? src/new.py"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
async def test_a_checkout_of_another_user(tmp_path, opened):
    folder = scene.shop(tmp_path / "shop")
    subprocess.run(["chown", "-R", "65534:65534", folder], check=True)
    assert (await subjects(await opened(folder)))[0] == "Say hello"


async def test_an_exclude_file_is_obeyed(tmp_path, opened):
    folder = scene.shop(tmp_path / "shop")
    scene.write(folder, {".git/info/exclude": "src/new.py\n"})
    assert await status(await opened(folder)) == [" M src/cart.py"]


async def test_what_is_no_checkout_is_refused_in_words(tmp_path, opened):
    (tmp_path / "plain").mkdir()
    scene.write(tmp_path, {"moved/.git": "gitdir: /nowhere/.git/worktrees/x\n"})
    folder = scene.shop(tmp_path / "shop")
    scene.write(folder, {".git/HEAD": "nonsense"})
    for path, words in {
        tmp_path / "missing": "There is no",
        tmp_path / "plain": "is no git repository",
        tmp_path / "moved": "git worktree repair",
        tmp_path / "shop": "damaged",
        folder / ".git" / "refs": "git's own folder",
        Path("a\0b"): "cannot be read",
    }.items():
        with pytest.raises(NotFound, match=words):
            await opened(path)


async def test_a_repository_inside_the_files_is_not_mistaken_for_the_checkout(tmp_path):
    folder = scene.shop(tmp_path / "shop")
    scene.git(tmp_path, "clone", "-q", "--bare", str(folder), str(folder / "src" / "trap"))
    assert locate(folder / "src" / "trap" / "objects").root == folder


async def test_a_checkout_that_went_away_is_refused_and_found_again(tmp_path):
    folder = scene.shop(tmp_path / "shop")
    checkouts, repo = Checkouts(tmp_path / "state", fresh_s=0), Repo("shop", folder)
    await checkouts.open(repo)
    folder.rename(tmp_path / "away")
    with pytest.raises(NotFound, match="There is no"):
        await checkouts.open(repo)
    (tmp_path / "away").rename(folder)
    assert (await subjects(await checkouts.open(repo)))[0] == "Say hello"


async def test_checkouts_look_at_most_once_in_a_while(tmp_path):
    folder = scene.shop(tmp_path / "shop")
    checkouts, repo = Checkouts(tmp_path / "state", fresh_s=3600), Repo("shop", folder)
    first = await checkouts.open(repo)
    scene.git(folder, "checkout", "-q", "-b", "topic")
    assert await checkouts.open(repo) is first
    assert first.branch == "main"
