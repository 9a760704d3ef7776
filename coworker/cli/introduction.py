"""How `coworker setup` makes a coworker and the services it lives in known to each other.

Each token is tried at once; one that is wrong is asked for again, with the fix.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from coworker.cli.prompt import Prompt
from coworker.cli.show import diagnosis
from coworker.config import TOKENS, model_url, secret
from coworker.errors import CoworkerError, ModelError, Unavailable
from coworker.mistakes import is_url
from coworker.models import prices
from coworker.settings import Config, ModelConfig, Price
from coworker.types import Bill, Json

_SLACK = """
Slack
  1. api.slack.com/apps › Create New App › From a manifest: paste what
     `coworker setup --slack-manifest` prints, and install the app.
  2. OAuth & Permissions shows the bot token (xoxb-…).
  3. Basic Information › App-Level Tokens: make one with connections:write (xapp-…)."""
_TELEGRAM = """
Telegram
  1. Write /newbot to @BotFather and follow it; it answers with the token (4711:AA…).
  2. To be heard in groups without a mention: /setprivacy, Disable."""
_MODEL = """
Model
  Any server of the Anthropic Messages API. Without one the offline model answers."""
_ANTHROPIC = ModelConfig(model="claude-opus-5-5")
_MEMBER_ID = "Your member id: your picture › Profile › ⋮ › Copy member ID (Enter: skip)"
_HELLO = """
So that the bot knows you: write {code} to {bot} now, and wait here."""

Examine = Callable[[str], Awaitable[Sequence[Json]]]
"""What a service says to a token; the first finding is about the token itself."""


@dataclass
class Script:
    """What is being configured: the file as it was, the settings to be, and secrets by name."""

    file: Path
    before: str
    settings: Json
    config: Config
    typed: dict[str, str] = field(default_factory=dict)


class Introduction:
    """The steps that talk to a service. `ids` are the owner's, which grow."""

    def __init__(self, prompt: Prompt, script: Script, ids: list[str]) -> None:
        self._prompt = prompt
        self._script = script
        self._ids = ids

    async def model(self) -> None:
        """Anthropic by a key, or a server by its address."""
        self._prompt.say(_MODEL)
        current = self._script.config.models.large
        if current and await self._answers(current, secret(current.api_key_env)):
            return
        while url := await self._address():
            model = await self._described(url) if url != model_url(_ANTHROPIC) else _ANTHROPIC
            key = await self._prompt.secret("API key (Enter: none)")
            if not key and model is _ANTHROPIC:
                return
            if await self._answers(model, key):
                self._keep(model, key)
                return

    async def slack(self) -> None:
        """Both tokens, and who the owner is there."""
        from coworker.adapters.slack.platform import Slack
        from coworker.parts import SystemClock

        self._prompt.say(_SLACK)
        where, clock = self._script.config.slack, SystemClock()

        async def bot(token: str) -> Sequence[Json]:
            return (await Slack(where, token, "", clock).examine())[:2]

        async def app(token: str) -> Sequence[Json]:
            findings = await Slack(where, bot_token, token, clock).examine()
            return findings[2:4] or findings

        bot_name, app_name = TOKENS["slack"]
        if bot_token := await self._token(bot_name, "Bot token (Enter: skip Slack)", bot):
            await self._token(app_name, "App-level token (Enter: skip)", app)
            await self._member(bot_token)

    async def telegram(self) -> None:
        """The token, and who the owner is there."""
        from coworker.adapters.telegram import Telegram

        self._prompt.say(_TELEGRAM)
        where, found = self._script.config.telegram, list[Json]()

        async def bot(token: str) -> Sequence[Json]:
            found[:] = await Telegram(where, token).examine()
            return found

        (name,) = TOKENS["telegram"]
        if token := await self._token(name, "Bot's token (Enter: skip Telegram)", bot):
            await self._writer(token, str(found[0]["found"]))

    async def _token(self, name: str, question: str, examine: Examine) -> str:
        """A token that works, "" when it was skipped. One that is there already is tried first."""
        token = secret(name)
        if token:
            self._prompt.say(f"{name} is there already.")
        while token := token or await self._prompt.secret(question):
            findings = await examine(token)
            self._prompt.say(diagnosis(findings))
            if findings[0]["ok"]:
                if token != secret(name):
                    self._script.typed[name] = token
                return token
            token = ""
        return ""

    async def _member(self, bot_token: str) -> None:
        from coworker.adapters.slack import lookup

        while not self._knows("slack"):
            user = await self._prompt.line(_MEMBER_ID)
            if not user:
                return
            try:
                name = await lookup.person(self._script.config.slack, bot_token, user)
            except CoworkerError as error:
                self._prompt.say(str(error))
            else:
                if await self._prompt.yes(f"That is {name}. Is it you?"):
                    self._ids.append(f"slack:{user}")

    async def _writer(self, token: str, bot: str) -> None:
        from coworker.adapters.telegram import lookup

        if self._knows("telegram"):
            return
        code = f"{secrets.randbelow(1_000_000):06}"  # a stranger who writes meanwhile is not you
        self._prompt.say(_HELLO.format(code=code, bot=bot))
        seen = lookup.writer(self._script.config.telegram, token, code)
        try:
            found = await self._prompt.line_or("Or type your numeric id (Enter: skip)", seen)
        except Unavailable as error:
            self._prompt.say(f"\n{error}")
            found = await self._prompt.line("Your numeric id (Enter: skip)")
        if not isinstance(found, str):
            self._prompt.say(f"\nHello {found[1]}.")
            self._ids.append(f"telegram:{found[0]}")
        elif found.isdecimal():
            self._ids.append(f"telegram:{found}")

    def _knows(self, adapter: str) -> bool:
        return any(each.startswith(f"{adapter}:") for each in self._ids)

    async def _address(self) -> str:
        """The address of a server; Anthropic's unless another is typed."""
        default = model_url(_ANTHROPIC)
        while True:
            url = await self._prompt.line("Address of the model server", default)
            if is_url(url):
                return url
            self._prompt.say("Begin it with https:// or http://.")

    async def _described(self, url: str) -> ModelConfig:
        model = await self._prompt.line("Id of the model there", "default")
        question = "Is it Ollama, llama.cpp, vLLM, LM Studio or the like?"
        compatible = await self._prompt.yes(question)
        config = ModelConfig(model=model, base_url=url, compatible=compatible)
        price = None if prices.price_of(config) else await self._price()
        return ModelConfig(model=model, base_url=url, compatible=compatible, price=price)

    async def _price(self) -> Price:
        """What a budget cannot do without."""
        while True:
            typed = await self._prompt.line("Dollars per million tokens, in and out (such as 3 15)")
            try:
                dollars_in, dollars_out = map(float, typed.split())
            except ValueError:
                continue
            return Price(input=dollars_in, output=dollars_out)

    async def _answers(self, model: ModelConfig, key: str) -> bool:
        from coworker.models.client import MessagesClient
        from coworker.models.router import PROBE
        from coworker.parts import SystemClock

        client = MessagesClient(model, "large", SystemClock(), key=key)
        try:
            await client.respond(PROBE, lambda _: None, Bill())
        except ModelError as error:
            self._prompt.say(f"✗ {error}")
            return False
        finally:
            await client.aclose()
        self._prompt.say(f"✓ {model.model} at {client.host} answers.")
        return True

    def _keep(self, model: ModelConfig, key: str) -> None:
        """With a key alone, the usual models are used and nothing is configured."""
        if key:
            self._script.typed[model.api_key_env] = key
        if model is not _ANTHROPIC:
            large: Json = {"model": model.model, "base_url": model.base_url}
            large |= {"compatible": True} if model.compatible else {}
            if model.price:
                large["price"] = {"input": model.price.input, "output": model.price.output}
            self._script.settings["models"] = {"large": large}
