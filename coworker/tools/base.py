"""How a tool is declared, its arguments checked and its output bounded.

It knows no single tool, and not who may call one.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import re
import typing
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from coworker.errors import Denied, DiskFull, NotFound, ToolError, TryLater, Unavailable, UsageError
from coworker.protocols import ToolContext
from coworker.repos.text import exact, one_line, visible
from coworker.types import Effect, Json, Parked, Repo, Rerun, ToolResult

LIMIT = 20_000
"""Characters of one tool result that the model is shown, about 6,000 tokens."""
_MARK = 300
_NEAR = 1_000
"""A cut is moved this far to the end of a line."""
_FAULT = re.compile(r"Expected `(.+?)`(.*?)(?:, got `(.+?)`)?(?: - at `\$\.?(.*?)`)?$")
_MISSING = re.compile(r"Object missing required field `(.+?)`(?: - at `\$\.?(.*?)`)?$")
_NOISE = ("title", "default", "minimum", "maximum")
_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "string": "text",
    "integer": "whole number",
}


class Args(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The arguments of a tool; an optional one is `None` by default."""

    def describe(self) -> str:
        """The call in a few words for a person: `reads src/shop/cart.py`."""
        raise NotImplementedError

    def effect(self, words: str) -> Effect | None:
        """What this very call touches, given what people said; None for the tool's usual effect."""
        return None

    def lasting(self) -> Json | None:
        """The arguments that a permission for ever would be bound to; None for no such thing."""
        return None


A = TypeVar("A", bound=Args)
Body = Callable[[A, ToolContext], Awaitable[ToolResult | Parked | str]]
Probe = Callable[[A, ToolContext], Awaitable[ToolResult | None]]
Preview = Callable[[A, ToolContext], Awaitable[str]]
Touching = Callable[[A, ToolContext], Awaitable[Sequence[str]]]


def tool(
    *,
    effect: Effect,
    rerun: Rerun,
    probe: Probe[A] | None = None,
    preview: Preview[A] | None = None,
    touching: Touching[A] | None = None,
    card: Sequence[str] = (),
) -> Callable[[Body[A]], Declared[A]]:
    """Declare `async def name(args: SomeArgs, context: ToolContext)` as a tool.

    The name is the function's, the description its docstring, the schema that of its arguments.
    `probe`, `preview` and `touching` take the same arguments; see protocols.Tool, also for `card`.
    """

    def declare(body: Body[A]) -> Declared[A]:
        kind = next(iter(typing.get_type_hints(body).values()))
        return Declared(
            name=body.__name__,
            description=" ".join((inspect.getdoc(body) or "").split()),
            effect=effect,
            rerun=rerun,
            schema=_schema(kind),
            kind=kind,
            body=body,
            probing=probe,
            previewing=preview,
            touching=touching,
            card=card,
        )

    return declare


@dataclass(slots=True)
class Declared(Generic[A]):
    """A tool made from an async function; satisfies `protocols.Tool`."""

    name: str
    description: str
    effect: Effect
    rerun: Rerun
    schema: Json
    kind: type[A]
    body: Body[A]
    probing: Probe[A] | None = None
    previewing: Preview[A] | None = None
    touching: Touching[A] | None = None
    card: Sequence[str] = ()

    def parse(self, raw: object) -> A:
        """Arguments as this tool's own type. Raises ToolError that says what to mend."""
        try:
            self._refuse_unknown(raw)
            msgspec.json.encode(raw)
            return msgspec.convert(raw, self.kind, strict=True)
        except msgspec.ValidationError as error:
            raise self._refused(_fault_in_words(str(error))) from None
        except UnicodeEncodeError:
            raise self._refused("half a character (a lone surrogate) is in the text") from None

    def describe(self, args: A) -> str:
        """The call in a few words for a person, in one line without invisible characters."""
        return one_line(exact(args.describe()))

    async def run(self, args: A, context: ToolContext) -> ToolResult | Parked:
        """Do it; the result's text is bounded and shows every control character.

        Raises ToolError for a failure the model can act on.
        """
        with _told_to_the_model(self.name):
            result = await self.body(args, context)
        match result:
            case Parked():
                return result
            case ToolResult():
                return dataclasses.replace(result, text=bounded(result.text))
        return ToolResult(bounded(result))

    def effect_of(self, args: A, words: str) -> Effect:
        """What this very call touches."""
        return args.effect(words) or self.effect

    def lasting(self, args: A) -> Json | None:
        """The arguments that a rule for this call is bound to."""
        return args.lasting()

    async def touched(self, args: A, context: ToolContext) -> Sequence[str]:
        """The files it would change: by default the one that it names."""
        if self.touching:
            with _told_to_the_model(self.name):
                return await self.touching(args, context)
        path = getattr(args, "path", None)
        return [path] if path and self.effect == "write" else []

    async def probe(self, args: A, context: ToolContext) -> ToolResult | None:
        """Whether a call that was cut short took effect after all."""
        with _told_to_the_model(self.name):
            return await self.probing(args, context) if self.probing else None

    async def preview(self, args: A, context: ToolContext) -> str:
        """What a person should see before deciding."""
        with _told_to_the_model(self.name):
            return await self.previewing(args, context) if self.previewing else ""

    def _refuse_unknown(self, raw: object) -> None:
        known = self.kind.__struct_fields__
        for name in raw if isinstance(raw, dict) else ():  # what else it is, convert says
            if name not in known:
                near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
                mend = f"; did you mean {near[0]}?" if near else ""
                raise self._refused(f"there is no argument {one_line(str(name), 60)}{mend}")

    def _refused(self, reason: str) -> ToolError:
        properties, required = self.schema["properties"], self.schema.get("required", ())
        known = [
            f"{name}{'' if name in required else '?'} ({_kind_in_words(node)})"
            for name, node in properties.items()
        ]
        return ToolError(f"{self.name}: {reason}. Arguments: {', '.join(known) or 'none'}.")


@contextmanager
def _told_to_the_model(name: str) -> Iterator[None]:
    """Failures that the model can act on become ToolErrors; a full disk is waited for elsewhere."""
    try:
        yield
    except DiskFull:
        raise
    except (UsageError, NotFound, Unavailable, TryLater, Denied) as error:
        raise ToolError(str(error)) from None
    except OSError as error:
        raise ToolError(f"{name} failed: {error.strerror or error}.") from None


def bounded(text: str, limit: int = LIMIT, more: str = "Ask for less to see them.") -> str:
    """Text for the model: nothing in it invisible, head and tail kept when it is too long.

    `more` says how to get at what is left out.
    """
    text = visible(text)
    if len(text) <= limit:
        return text
    room = limit - _MARK
    end, start = room * 2 // 3, len(text) - room // 3
    end = text.rfind("\n", max(end - _NEAR, 0), end) + 1 or end
    start = text.find("\n", start, start + _NEAR) + 1 or start
    left = text[end:start]
    size = len(left.encode(errors="replace"))
    mark = f"[… {left.count(chr(10)):,} lines ({size:,} bytes) are left out here. {more} …]"
    return f"{text[:end].rstrip(chr(10))}\n{mark}\n{text[start:]}"


def bound_repo(context: ToolContext) -> Repo:
    """The repository of this conversation. Raises ToolError when there is none."""
    if context.repo is None:
        raise ToolError(
            "This conversation is not bound to a repository, so there are no files and no history "
            "to look at. Ask the person to bind it: !repo NAME."
        )
    return context.repo


def _schema(kind: type[Args]) -> Json:
    """The JSON schema in the few words a model needs."""
    full = msgspec.json.schema(kind)
    return _compact(full, full.get("$defs", {}))


def _compact(node: Json, known: Json) -> Json:
    if "$ref" in node:
        node = known[node["$ref"].rpartition("/")[2]]
    if "anyOf" in node:
        options = [option for option in node["anyOf"] if option != {"type": "null"}]
        node = {**options[0], **{key: node[key] for key in ("description",) if key in node}}
        return _compact(node, known)
    if "properties" in node:
        inner = {name: _compact(value, known) for name, value in node["properties"].items()}
        required = {"required": node["required"]} if node["required"] else {}
        return {"type": "object", "properties": inner, **required}
    if "items" in node:
        node = {**node, "items": _compact(node["items"], known)}
    return {key: value for key, value in node.items() if key not in _NOISE}


def _fault_in_words(fault: str) -> str:
    if match := _MISSING.fullmatch(fault):
        return f"{'.'.join(part for part in (match[2], match[1]) if part)} is missing"
    if match := _FAULT.fullmatch(fault):
        wanted, condition, got, place = match.groups()
        first = wanted.split(" | ")[0]
        not_this = f", not {_WORDS.get(got, got)}" if got else ""
        return f"{place or 'the whole'} must be {_WORDS.get(first, first)}{condition}{not_this}"
    return fault[0].lower() + fault[1:]


def _kind_in_words(node: Json) -> str:
    if node.get("type") == "array":
        return f"list of {_kind_in_words(node['items'])}"
    if "enum" in node:
        return " | ".join(str(value) for value in node["enum"])
    kind: Any = node.get("type", "anything")
    return _WORDS.get(kind, str(kind))
