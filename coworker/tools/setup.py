"""Set a workspace up again after its lock files changed. It does not know who allows it."""

from __future__ import annotations

from coworker.errors import ToolError
from coworker.protocols import Tool, ToolContext
from coworker.repos.text import fenced
from coworker.tools import shell
from coworker.tools.base import Args, bound_repo, tool
from coworker.tools.workplace import Workplace
from coworker.types import ToolResult

_CARD = (
    "They run with network, among all files of this workspace, also those that git ignores. "
    "Changed since set-up was last allowed:"
)


class Setup(Args):
    """Nothing to choose: the commands are the configuration's."""

    def describe(self) -> str:
        """What happens."""
        return "runs the repository's set-up again, with network"


def tools(workplace: Workplace) -> tuple[Tool, ...]:
    """Set-up, in the workspaces of `workplace`."""

    async def would_run(_: Setup, context: ToolContext) -> str:
        commands = [f"$ {command}" for command in bound_repo(context).setup]
        changed = await workplace.ask_for_setup(context) or "nothing"
        return "\n".join([fenced("\n".join(commands)), _CARD, fenced(changed)])

    @tool(effect="world", rerun="safe", preview=would_run)
    async def setup(args: Setup, context: ToolContext) -> ToolResult:
        """Run the configured set-up commands again, with network, after a lock file changed. \
A person is asked first."""
        results = await workplace.set_up_again(context)
        if not results:
            name = bound_repo(context).name
            raise ToolError(f"{name} has no set-up commands. An owner sets repos.{name}.setup.")
        command, last = results[-1]
        text = "\n\n".join(f"$ {each}\n{shell.told(finished)}" for each, finished in results)
        receipt = shell.receipt(command, last) | {"kind": "setup"}
        return ToolResult(text, is_error=bool(last.exit_code), receipt=receipt)

    return (setup,)
