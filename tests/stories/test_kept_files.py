"""What a rule keeps from changes is as before after every command, however it was changed."""

import shutil

import pytest

from coworker.settings import Rule
from tests.conftest import git
from tests.fakes.anthropic import call, say

pytestmark = pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed")

RULES = [
    Rule(then="deny", paths=["db/migrations/", "*.lock"], reason="the database team's"),
    Rule(then="ask", paths=["schema.sql"]),
]
KEPT = {"db/migrations/001.sql": "one\n", "uv.lock": "pinned\n", "schema.sql": "tables\n"}
CHANGES = {  # what a command does to them
    "write": "echo x >> db/migrations/001.sql",
    "in place": "sed -i s/one/two/ db/migrations/001.sql",
    "Python": 'python3 -c \'open("db/migrations/001.sql", "w").write("x")\'',
    "by a pattern": "cd db/mig* && echo x >> 0*.sql",
    "new file": "touch db/migrations/002.sql",
    "move": "mv db/migrations/001.sql README.md",
    "move the folder": "mv db/migrations db/old",
    "move what is above": "mv db bank",
    "remove what is above": "rm -rf db",
    "a link to it": "ln -s db/migrations here && echo x > here/003.sql; rm here",
    "a link in its place": "mv db bank && ln -s bank db && echo x > db/migrations/001.sql",
    "a file in its place": "rm -rf db && echo x > db",
    "a pipe in its place": "rm db/migrations/001.sql && mkfifo db/migrations/001.sql",
    "another date": 'F=db/migrations/001.sql; D=$(stat -c %y $F); echo two > $F; touch -d "$D" $F',
    "another name": "ln db/migrations/001.sql here && echo x >> here",
    "mode": "chmod 777 db/migrations/001.sql",
    "by extension": "rm uv.lock; mkdir -p sub; echo x > sub/new.lock",
    "to be asked": "echo x >> schema.sql",
    "past a filter": "echo '* filter=x' > .gitattributes; echo x >> db/migrations/001.sql",
}
AT_ONCE = 5


@pytest.fixture
def shop(shop):
    """The shop with files that rules are about."""
    for name, text in KEPT.items():
        (shop / name).parent.mkdir(parents=True, exist_ok=True)
        (shop / name).write_text(text)
    git(shop, "add", ".")
    git(shop, "commit", "-qm", "Add the database")
    return shop


def files(world):
    """The workspace's files that rules are about, with their modes."""
    tree = next((world.config.state / "workspaces").glob("t-*")) / "tree"
    found = [*tree.glob("db/migrations/*"), *tree.rglob("*.lock"), *tree.glob("schema.sql")]
    return {str(path.relative_to(tree)): (path.read_text(), path.stat().st_mode) for path in found}


@pytest.mark.parametrize("first", range(0, len(CHANGES), AT_ONCE))
async def test_what_a_command_changed_is_put_back_and_told(world, first):
    names = [*CHANGES][first : first + AT_ONCE]
    commands, seen = ["true", *(CHANGES[name] for name in names)], []

    def next_command(request):
        result = request["messages"][-1]["content"][0]
        if "content" in result:
            seen.append((files(w), result["content"]))
        return call("shell", command=commands.pop(0)) if commands else say("Nothing holds.")

    async with world(next_command, rules=RULES) as w:
        assert await w.ask("try everything") == "Nothing holds."
    (before, told), *rest = seen
    assert "Put back" not in told
    assert {name: text for name, (text, _) in before.items()} == KEPT
    for name, (after, told) in zip(names, rest, strict=True):
        assert after == before, name
        assert "Put back, for a command may not change it" in told, name
        rule = "ask before anything on schema.sql" if name == "to be asked" else "team's"
        assert rule in told, name


FOLDERS = ("db", "db/migrations", "shop")


async def test_a_folder_that_a_command_shut_is_open_again_and_told(world):
    shut = "chmod 000 db/migrations shop; chmod 000 db"
    script = [call("shell", command="true"), call("shell", command=shut), say("Shut.")]
    async with world(script, rules=RULES) as w:
        await w.ask("shut it")
        tree = next((w.config.state / "workspaces").glob("t-*")) / "tree"
        assert [(tree / name).stat().st_mode & 0o700 for name in FOLDERS] == [0o700] * 3
        told = w.model.requests[-1]["messages"][-1]["content"][0]["content"]
        assert "Put back, for a command may not change it: db/migrations (rule 1" in told


async def test_a_commit_beside_a_command_takes_nothing_of_what_is_put_back(world):
    command = "echo x >> db/migrations/001.sql; echo y > new.txt; sleep 1"
    script = [call("shell", command=command) + call("git_commit", message="Both"), say("Done.")]
    async with world(script, rules=RULES) as w:
        await w.ask("do both")
        workspace = next((w.config.state / "workspaces").glob("t-*"))
        assert git(workspace / "tree", "show", "HEAD:db/migrations/001.sql") == "one"
        assert git(workspace / "tree", "show", "HEAD:new.txt") == "y"


async def test_a_command_is_held_to_a_rule_said_in_chat(world):
    rule = call("remember", text="Never touch README.md.", kind="rule", path="README.md")
    change = call("shell", command="echo x > README.md; echo done")
    async with world([rule, say("Understood."), change, say("I may not.")]) as w:
        conversation = await w.says("never touch README.md")
        card = await w.hears()
        await w.link.call("answer", conversation=conversation, ask=card.ask, text="yes")
        await w.hears()
        assert await w.ask("change it") == "I may not."
        told = w.model.requests[-1]["messages"][-1]["content"][0]["content"]
        assert "done\n" in told
        assert "Put back, for a command may not change it: README.md (rule 1" in told
        tree = next((w.config.state / "workspaces").glob("t-*")) / "tree"
        assert "Sells things." in (tree / "README.md").read_text()
