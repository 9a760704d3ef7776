"""Work is pushed to one branch at one known address: never by force, and nothing is run."""

import asyncio
import base64
import stat

import pytest

from coworker.errors import Denied, ToolError, Unavailable
from coworker.repos.remote import Address, address
from coworker.types import Repo
from tests.conftest import running
from tests.repos import scene
from tests.repos.evil import Evil


@pytest.fixture
def origin(tmp_path):
    """A bare repository that the shop's checkout came from."""
    folder = tmp_path / "origin.git"
    scene.git(tmp_path, "clone", "-q", "--bare", str(scene.shop(tmp_path / "shop")), str(folder))
    scene.git(tmp_path / "shop", "remote", "add", "origin", str(folder))
    return folder


@pytest.fixture
async def workspace(origin, tmp_path, opened):
    """A workspace of the shop with one commit."""
    made = await opened(tmp_path / "shop")
    scene.write(made.tree, {"a.txt": "a\n"})
    await made.commit("Add a", call_id="1")
    return made


def refs(folder):
    return scene.git(folder, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()


async def test_one_branch_is_pushed_and_then_nothing_is_unpushed(
    tmp_path, origin, workspace, workspaces
):
    before = refs(origin)
    assert await workspace.has_unpushed()
    to = await workspaces.push_address(Repo("shop", tmp_path / "shop"))
    pushed = await workspace.push(to)
    assert pushed.ref == "refs/heads/coworker/c1"
    assert set(refs(origin)) - set(before) == {f"{pushed.ref} {await workspace.head()}"}
    assert not await workspace.has_unpushed()
    assert await workspace.push(to) == pushed  # again is harmless


async def test_more_work_is_unpushed_until_the_next_push(origin, workspace):
    await workspace.push(address(str(origin)))
    scene.write(workspace.tree, {"b.txt": "b\n"})
    await workspace.commit("Add b", call_id="2")
    assert await workspace.has_unpushed()
    pushed = await workspace.push(address(str(origin)))
    assert scene.git(origin, "rev-parse", "coworker/c1") == pushed.sha


async def test_what_somebody_else_wrote_is_never_overwritten(tmp_path, origin, workspace):
    scene.git(tmp_path / "shop", "push", "-q", "origin", "main~1:refs/heads/coworker/c1")
    await workspace.push(address(str(origin)))  # ours is ahead of theirs
    theirs = scene.git(
        tmp_path / "shop", "commit-tree", "-m", "Theirs", "-p", "main", "main^{tree}"
    )
    scene.git(tmp_path / "shop", "push", "-qf", "origin", f"{theirs}:refs/heads/coworker/c1")
    with pytest.raises(ToolError, match=r"refused coworker/c1.*delete it if nobody"):
        await workspace.push(address(str(origin)))
    assert scene.git(origin, "rev-parse", "coworker/c1") == theirs


async def test_a_refusal_is_told_in_the_words_of_the_other_side(origin, workspace):
    scene.git(origin, "branch", "coworker", "main")  # a branch where a folder is needed
    with pytest.raises(ToolError, match=r"refused coworker/c1"):
        await workspace.push(address(str(origin)))


async def test_a_hostile_origin_on_this_machine_runs_nothing(tmp_path, workspace, workspaces):
    shop, evil = tmp_path / "shop", Evil(tmp_path)
    scene.git(shop, "remote", "set-url", "origin", str(shop))
    evil.plant(shop / ".git")
    await workspace.push(await workspaces.push_address(Repo("shop", shop)))
    scene.write(workspace.tree, {"b.txt": "b\n"})
    await workspace.commit("Add b", call_id="2")
    head = scene.git(shop, "symbolic-ref", "HEAD")
    (shop / ".git" / "HEAD").write_text("ref: refs/heads/coworker/c1\n")  # checked out there
    with pytest.raises(ToolError, match="refused"):
        await workspace.push(address(str(shop)))
    (shop / ".git" / "HEAD").write_text(f"ref: {head.removeprefix('ref: ')}\n")
    await workspace.push(address(str(shop)))
    assert evil.ran == ""


async def test_the_configured_url_wins_over_the_origin(tmp_path, origin, workspaces):
    other = scene.empty(tmp_path / "other.git", "--bare")
    repo = Repo("shop", tmp_path / "shop")
    assert (await workspaces.push_address(repo)).url == str(origin)
    configured = Repo("shop", tmp_path / "shop", str(other))
    assert (await workspaces.push_address(configured)).url == str(other)


async def test_an_origin_with_another_address_for_pushing(tmp_path, origin, workspaces):
    scene.git(tmp_path / "shop", "config", "remote.origin.pushurl", "git@example.com:ann/shop.git")
    to = await workspaces.push_address(Repo("shop", tmp_path / "shop"))
    assert to == Address("git@example.com:ann/shop.git", "ssh")


async def test_without_an_origin_it_is_said_how_to_get_one(tmp_path, workspaces):
    repo = Repo("shop", scene.shop(tmp_path / "shop"))
    with pytest.raises(ToolError, match=r"git remote add origin.*\[repos.shop\]"):
        await workspaces.push_address(repo)


async def test_included_settings_are_not_read(tmp_path, workspaces):
    shop = scene.shop(tmp_path / "shop")
    scene.write(tmp_path, {"more": '[remote "origin"]\n\turl = /\n'})
    scene.git(shop, "config", "include.path", str(tmp_path / "more"))
    with pytest.raises(ToolError, match="has no origin"):
        await workspaces.push_address(Repo("shop", shop))


def test_a_token_in_place_of_a_name_leaves_the_address():
    token = "ghp_" + "aB3x" * 9
    found = address(f"https://{token}@example.com/shop")
    assert (found.url, found.login) == ("https://example.com/shop", f"{token}:")


@pytest.mark.parametrize(
    ("url", "protocol"),
    [
        ("https://example.com/ann/shop.git", "https"),
        ("https://ann@example.com:8443/shop", "https"),
        ("ssh://git@example.com:22/shop.git", "ssh"),
        ("git@example.com:ann/shop.git", "ssh"),
        ("example.com:shop", "ssh"),
    ],
)
def test_addresses_that_may_be_used(url, protocol):
    found = address(url)
    assert (found.url, found.protocol, found.login) == (url, protocol, "")


def test_name_and_password_are_taken_out_of_an_address():
    found = address("https://ann:s%40cret@example.com:8443/shop")
    assert (found.url, found.login) == ("https://example.com:8443/shop", "ann:s@cret")
    assert "cret" not in f"{found} {found.shown}"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "-oProxyCommand=touch x",
        "--upload-pack=touch x",
        "ext::sh -c touch% x",
        "fd::17",
        "http://example.com/shop",
        "git://example.com/shop",
        "ftp://example.com/shop",
        "file:///no/such/folder",
        "/no/such/folder",
        "../no/such/folder",
        "ssh://-oProxyCommand=x/shop",
        "-x@example.com:shop",
        "https://",
        "https://[",
        "https://exa mple.com/x",
        "https://example.com/\nx",
    ],
)
def test_addresses_that_may_not(url):
    with pytest.raises(ToolError, match=r"address|not allowed|no folder"):
        address(url)


async def test_who_cannot_be_reached_is_named_without_the_password(workspace):
    to = address("https://ann:secret@127.0.0.1:1/shop.git")
    with pytest.raises(
        Unavailable, match=r"https://127.0.0.1:1/shop.git cannot be reached"
    ) as told:
        await workspace.push(to)
    assert "secret" not in str(told.value)


async def test_a_server_that_wants_a_password_is_not_waited_for(workspace):
    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        head = b'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'
        writer.write(head)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        to = Address(f"http://127.0.0.1:{port}/shop.git", "http")
        with pytest.raises(Denied, match="does not let us in: could not read Username"):
            await workspace.push(to, {"HOME": "/nonexistent"})


async def test_a_password_reaches_its_server_and_no_list_of_processes(workspace):
    asked, lists = [], []

    async def answer(reader, writer):
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        lists.append((running("remote-http"), running("hidden-word")))
        writer.write(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        to = Address(f"http://127.0.0.1:{port}/shop.git", "http", "ann:hidden-word")
        with pytest.raises(Denied) as told:
            await workspace.push(to, {"HOME": "/nonexistent"})
    said = base64.b64encode(b"ann:hidden-word")
    assert b"Authorization: Basic " + said in asked[0]
    assert "hidden-word" not in str(told.value)
    (git_runs, shown), *_ = lists
    assert git_runs
    assert shown == []


async def test_ssh_gets_the_persons_agent_and_nothing_else_of_theirs(
    tmp_path, workspace, monkeypatch
):
    seen, home = tmp_path / "seen", tmp_path / "home"
    scene.write(tmp_path, {"ssh": f'#!/bin/sh\nenv > {seen}\necho "$@" >> {seen}\nexit 1\n'})
    (tmp_path / "ssh").chmod(stat.S_IRWXU)
    scene.write(home, {".gitconfig": f"[core]\n\tsshCommand = {tmp_path / 'ssh'}\n"})
    credentials = {"HOME": str(home), "SSH_AUTH_SOCK": "/run/agent"}
    monkeypatch.setenv("ANTHROPIC_API_KEY", "canary")
    with pytest.raises(Unavailable, match=r"git@example.com:shop.git cannot be reached"):
        await workspace.push(address("git@example.com:shop.git"), credentials)
    told = seen.read_text()
    assert "SSH_AUTH_SOCK=/run/agent" in told
    assert "git-receive-pack 'shop.git'" in told
    assert "canary" not in told
