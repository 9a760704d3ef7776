"""`coworker chat` at a terminal: a prompt that stays open while the coworker works.

It knows keys and the terminal, not what is said.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app, get_app_or_none
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import Condition, has_focus
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import FileHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import ColorDepth

from coworker import __version__
from coworker.cli import interrupt, words
from coworker.cli.conversation import NO_REPOSITORY, Conversation, Start
from coworker.cli.interrupt import Interrupts
from coworker.cli.link import linked
from coworker.cli.screen import Screen
from coworker.cli.talk import Talk
from coworker.config import color_allowed
from coworker.settings import Config

_KEYS = "Ctrl-C stops, twice leaves · Alt-Enter begins a new line · Ctrl-D leaves"


def chat(config: Config, start: Start) -> int:
    """Talk until the person leaves."""
    interrupts = Interrupts()
    return interrupt.run(_chat(config, start, interrupts), interrupts)


async def _chat(config: Config, start: Start, interrupts: Interrupts) -> int:
    screen = Screen(color=color_allowed())
    async with linked(config) as link:
        conversation = Conversation(link, start)
        open_asks = await conversation.resume()
        _write(screen.aside(f"{_fitting(_opening(config, start))}\n{_fitting(_KEYS)}"))
        talk = Talk(conversation, screen, _show)
        interrupts.pressed = talk.interrupt
        async with asyncio.TaskGroup() as group:
            talking = group.create_task(talk.run(open_asks))
            await _type(_prompt(config, talk), talk)
            await talk.all_sent()
            talking.cancel()
    if conversation.id:
        _write(screen.aside(f"Go on later: coworker chat --conversation {conversation.id}"))
    return 0


async def _type(prompt: PromptSession[str], talk: Talk) -> None:
    """Until Ctrl-D, or Ctrl-C twice."""
    with suppress(EOFError):
        while True:
            text = await prompt.prompt_async(set_exception_handler=False, handle_sigint=False)
            talk.submit(text)


def _prompt(config: Config, talk: Talk) -> PromptSession[str]:
    def before_input() -> StyleAndTextTuples:
        live = "" if get_app().is_done else talk.live_line()
        above = [("fg:ansibrightblack", f"{_fitting(live)}\n")] if live else []
        return [*above, ("bold", "› ")]

    return PromptSession(
        before_input,
        multiline=True,
        prompt_continuation="  ",
        key_bindings=_keys(talk),
        history=_History(_history_file(config.state)),
        color_depth=None if color_allowed() else ColorDepth.DEPTH_1_BIT,
        include_default_pygments_style=False,
        refresh_interval=0.5,
    )


def _keys(talk: Talk) -> KeyBindings:
    keys = KeyBindings()
    typing = has_focus(DEFAULT_BUFFER)

    @keys.add("enter", filter=typing)
    def submit(event: KeyPressEvent) -> None:
        if event.current_buffer.text.strip():
            event.current_buffer.validate_and_handle()

    @keys.add("escape", "enter", filter=typing)
    def new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @keys.add("c-c")
    def stop(event: KeyPressEvent) -> None:
        event.current_buffer.reset()
        if talk.interrupt():
            event.app.exit(exception=EOFError())

    for number in range(1, 10):
        keys.add(str(number), filter=typing & _picks(talk, number))(_pick)
    return keys


def _picks(talk: Talk, number: int) -> Condition:
    return Condition(lambda: talk.offers(number) and not get_app().current_buffer.text)


def _pick(event: KeyPressEvent) -> None:
    event.current_buffer.insert_text(event.data)
    event.current_buffer.validate_and_handle()


class _History(FileHistory):
    """What was typed, for the arrow keys; losing it must not hurt anybody."""

    def store_string(self, string: str) -> None:
        with suppress(OSError, UnicodeEncodeError):
            super().store_string(string)


def _history_file(state: Path) -> Path:
    """Readable by its owner alone, whatever the umask."""
    path = state / "chat_history"
    with suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        path.chmod(0o600)
    return path


def _opening(config: Config, start: Start) -> str:
    model = config.models.large or config.models.small
    who = model.model if model else "offline: no model is connected"
    where = start.conversation or start.repo or start.checkout() or NO_REPOSITORY
    return f"coworker {__version__} · {who} · {words.one_line(str(where))}"


def _fitting(line: str) -> str:
    return words.fit(line, shutil.get_terminal_size().columns - 1)


def _show(text: str) -> None:
    """Write above the prompt. The terminal stays as it is, so that no key is lost meanwhile."""
    app = get_app_or_none()
    if app is None or not app.is_running:
        _write(text)
    else:
        app.renderer.erase()
        _write(text)
        app.invalidate()


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
