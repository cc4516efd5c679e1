"""What several dialects share: JSON decoding, tool arguments, media parts, and the words of refusals."""

from __future__ import annotations

import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from msgflux_like._json import as_list, as_mapping
from msgflux_like.errors import InvalidMessagesError, UnsupportedError
from msgflux_like.events import Failed, Logprobs, TokenLogprob
from msgflux_like.request import REASONING_TEXT, Change, ChatRequest, Quirks, ToolChoice

EMPTY_SCHEMA: Final[Mapping[str, Any]] = {"type": "object", "properties": {}}
"""The parameters of a function that names none, for dialects that demand them."""

_any = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()


def json_object(text: str, place: str) -> dict[str, Any]:
    """Tool arguments as the object that a dialect with structured calls wants; none at all is `{}`."""
    try:
        value: Any = _any.decode(text) if text.strip() else {}
    except msgspec.DecodeError:
        value = None
    if not isinstance(value, dict):
        raise InvalidMessagesError(f"{place}.arguments is not a JSON object, which this dialect demands: give one")
    return cast("dict[str, Any]", value)


def json_text(value: Any) -> str:
    """`value` as compact JSON text."""
    return _encoder.encode(value).decode()


def data_url(url: str) -> tuple[str, str] | None:
    """Media type (without its parameters) and base64 text of a `data:` URL; None for any other URL."""
    if not url.startswith("data:"):
        return None
    head, _, data = url[5:].partition(",")
    if not head.endswith(";base64"):
        from urllib.parse import unquote_to_bytes  # noqa: PLC0415  rare, and dear to import

        data = b2a_base64(unquote_to_bytes(data), newline=False).decode()
    return head.partition(";")[0] or "text/plain", data


def base64_text(data: str) -> str:
    """The text in base64 `data`; bytes that are no UTF-8 are replaced."""
    return a2b_base64(data).decode(errors="replace")


def unsupported_part(
    part: Mapping[str, Any], place: str, dialect: str, remedy: str = "leave it out, or ask a model of another dialect"
) -> UnsupportedError:
    """For a part of a message that the dialect has no words for; names the place and the type."""
    return UnsupportedError(f"{place} is of type {part.get('type')!r}, which {dialect} has no way to take: {remedy}")


def refuse_parameters(request: ChatRequest, names: frozenset[str], quirks: Quirks, dialect: str) -> None:
    """UnsupportedError for parameters that the dialect has no words for, or that the provider answers with an error."""
    if refused := sorted(request.parameters.keys() & names.union(quirks.refuses)):
        raise UnsupportedError(
            f"{', '.join(refused)}: {dialect} has no such parameter. Leave it out, "
            f"or give the provider's own field in extra_body="
        )


def note_unknown(
    fields: Mapping[str, Any], known: frozenset[str], place: str, changes: list[Change], what: str = "a message"
) -> None:
    """Record the fields of a message, a part or a tool that a dialect which has no words for them has to leave out."""
    changes.extend(
        Change("dropped", f"{place}.{name}", f"{what} has no such field here")
        for name in fields
        if name not in known and fields[name] is not None
    )


def note_marks(part: Mapping[str, Any], place: str, changes: list[Change], *known: str) -> None:
    """Record what stands beside the content of a part, such as `cache_control`, and is not of the `known` fields."""
    if len(part) > 2:
        note_unknown(part, frozenset({"type", part["type"], *known}), place, changes, "a part")


def note_detail(part: Mapping[str, Any], place: str, changes: list[Change]) -> None:
    """Record that an image was to be looked at in a certain detail; "auto" is what happens anyway."""
    if as_mapping(part["image_url"]).get("detail") not in (None, "auto"):
        changes.append(Change("dropped", f"{place}.image_url.detail", "images have no such field here"))


def note_tool(tool: Mapping[str, Any], changes: list[Change]) -> None:
    """Record what stands beside the function of a tool, such as `cache_control`."""
    place = f"tools.{as_mapping(tool.get('function')).get('name')}"
    note_unknown(tool, frozenset({"type", "function"}), place, changes, "a tool")


def effort_word(fields: dict[str, Any], dialect: str) -> str | None:
    """How much to reason, taken out of `fields`, in a dialect that takes words alone; no tokens at all are "none"."""
    effort, budget = fields.pop("reasoning_effort", None), fields.pop("reasoning_budget", None)
    if budget:
        raise UnsupportedError(f"reasoning_budget: {dialect} takes no number of tokens. Give a reasoning_effort")
    return "none" if budget == 0 else effort


def system_role(role: str, place: str, changes: list[Change]) -> str:
    """The role, in a dialect that has no developers: what they say is a system text, and that is recorded."""
    if role != "developer":
        return role
    changes.append(Change("renamed", f"{place}.role", "developer texts are system texts here"))
    return "system"


def own_state(
    message: Mapping[str, Any], request: ChatRequest, place: str, changes: list[Change]
) -> dict[int, list[tuple[str, Any]]]:
    """The opaque state that an earlier answer came with: kinds and values, by how many pieces stand before them.

    The pieces of an answer are its text, where it has one, and then its calls. State of another family is dropped,
    and recorded: nobody else can read it. So is reasoning in plain text, where the model does not want it back.
    """
    found: dict[int, list[tuple[str, Any]]] = {}
    foreign: set[str] = set()
    unwanted = False
    for entry in message.get("provider_state") or ():
        if entry["family"] == request.family:
            found.setdefault(entry["after"], []).append((entry["kind"], entry["raw"]))
        elif entry["family"] != REASONING_TEXT:
            foreign.add(entry["family"])
        elif not request.reasoning_field:
            unwanted = True
    changes.extend(
        Change("dropped", f"{place}.provider_state", f"state of {family}, which this model cannot read")
        for family in sorted(foreign)
    )
    if unwanted:
        changes.append(Change("dropped", f"{place}.provider_state", "reasoning, which this model does not want back"))
    return found


def reasoning_text(message: Mapping[str, Any]) -> str:
    """What the model thought before an earlier answer, where that was kept as plain text; whoever the model was."""
    kept = message.get("provider_state") or ()
    return "".join(entry["raw"] for entry in kept if entry["family"] == REASONING_TEXT)


def with_state(
    pieces: Sequence[Sequence[Any]], state: Mapping[int, list[tuple[str, Any]]], place: str, changes: list[Change]
) -> list[Any]:
    """The pieces of an answer in one list, and before each the state of `own_state` that belongs there, as it came.

    State that nothing follows is dropped, and recorded: an answer that was cut short, or emptied since.
    """
    found: list[Any] = []
    for index, piece in enumerate(pieces):
        found += [raw for _, raw in state.get(index, ())]
        found += piece
    if any(after >= len(pieces) for after in state):
        changes.append(Change("dropped", f"{place}.provider_state", "state that nothing follows, which is refused"))
    return found


def offered_tools(
    request: ChatRequest, quirks: Quirks, changes: list[Change]
) -> tuple[tuple[Mapping[str, Any], ...], ToolChoice | None]:
    """The tools and the choice among them, in other words where the server does not understand the ones given."""
    tools, choice = request.tools, request.tool_choice if request.tools else None
    if tools and choice in (None, "auto") and not quirks.auto_tool_choice:
        choice = "none" if request.messages[-1].get("role") == "tool" else "required"
        changes.append(Change("emulated", "tool_choice", f"{choice} is sent: this server cannot let the model choose"))
    elif isinstance(choice, str) and choice not in ("auto", "required", "none") and not quirks.named_tool_choice:
        changes.append(Change("emulated", "tool_choice", f"only {choice} is offered, and a call is required"))
        tools = tuple(tool for tool in tools if as_mapping(tool.get("function")).get("name") == choice)
        choice = "required"
    return tools, choice


def prefill_text(request: ChatRequest, quirks: Quirks) -> str:
    """The prefill, or UnsupportedError where the model would not go on from it."""
    if not request.prefill:
        return ""
    known = request.model.startswith(quirks.prefill) and not request.model.startswith(quirks.prefill_refused)
    if not known:
        raise UnsupportedError(
            f"prefilling: {request.model} does not continue a last assistant message. "
            f"Ask for the beginning in the system prompt instead"
        )
    return request.prefill


def logprobs(tokens: Sequence[Any]) -> Logprobs:
    """OpenAI's list of tokens and their probabilities; each may have alternatives of the same form."""
    return Logprobs(tuple(_token(as_mapping(token)) for token in tokens))


def _token(fields: Mapping[str, Any]) -> TokenLogprob:
    utf8 = fields.get("bytes")
    return TokenLogprob(
        str(fields.get("token") or ""),
        float(fields.get("logprob") or 0.0),
        None if utf8 is None else bytes(utf8),
        tuple(_token(as_mapping(other)) for other in as_list(fields.get("top_logprobs"))),
    )


_TOO_LONG: Final = re.compile(
    r"prompt is too long|exceed context limit"  # Anthropic
    r"|input is too long|input tokens exceeded"  # Amazon
    r"|input token count .*(exceeds|only supports)"  # Google
    r"|max(imum)? context length|input length exceeds the context"  # DeepSeek, Mistral, vLLM, OpenRouter, Ollama
    r"|maximum prompt length is|length of all messages is too long"  # xAI, Perplexity
    r"|exceeded model token limit|context window exceeds limit"  # Moonshot, MiniMax
    r"|greater than the context length|range of input length should be",  # LM Studio, Alibaba
    re.IGNORECASE,
)


def failure_in(body: bytes) -> Failed:
    """What a provider says in the body of a refusal, in any of the shapes that are about.

    `{"error": {"message", "type", "code"}}` is the common one; `error` may be a text, the fields may lie at the top,
    and FastAPI hosts say `detail`. Text that is no JSON is the message itself. That a conversation is too long is said
    in words only by most: it gets the code that OpenAI has for it.
    """
    try:
        said = _any.decode(body)
    except msgspec.DecodeError:
        return Failed(" ".join(body.decode(errors="replace").split())[:500] or "the provider gave no reason")
    if isinstance(said, list) and said:
        said = cast("list[Any]", said)[0]
    return failure_from(cast("Any", said))


def failure_from(said: Any) -> Failed:
    """As `failure_in`, for JSON that is decoded already."""
    if not isinstance(said, Mapping):
        return Failed(str(said)[:500] or "the provider gave no reason")
    outer = cast("Mapping[str, Any]", said)
    error = outer.get("error", outer)
    fields: Mapping[str, Any] = (
        cast("Mapping[str, Any]", error) if isinstance(error, Mapping) else {**outer, "message": error}
    )
    message = fields.get("message") or fields.get("detail") or outer.get("message") or "the provider gave no reason"
    message = message if isinstance(message, str) else json_text(message)
    code = "context_length_exceeded" if _TOO_LONG.search(message) else fields.get("code")
    kind = fields.get("type") or fields.get("status")
    status = fields.get("code") if isinstance(fields.get("code"), int) else outer.get("status_code")
    return Failed(
        message,
        type=str(kind or ""),
        code="" if code is None else str(code),
        status=status if isinstance(status, int) and 400 <= status < 600 else None,
    )
