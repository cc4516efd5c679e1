"""Failures: the reason that a provider, or a gateway in front of it, gives in the body of an error reply.

Theory of operation
    Envelopes. A body is JSON in one of many envelopes, a stream of one event, XML, or a page. `failure_in` opens them
    from the outside in, up to `_DEPTH` of them, also where an envelope is a string of JSON inside a message. The
    innermost message, code, type and status count, because gateways wrap the refusal of the host behind them.

    Words. Most hosts say only in words that a conversation is too long, a model is missing, a key is wrong or an
    account has no money. `cause_of` gives OpenAI's code for them. A conversation that is too long gets that code here,
    `context_length_exceeded`; for the other causes whoever makes the exception asks.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import msgspec

from msgflux_like._json import as_list, as_mapping
from msgflux_like._wire import sse
from msgflux_like.events import Failed

_NO_REASON: Final = "the provider gave no reason"
_DEPTH: Final = 8
_MAX_MESSAGE_CHARS: Final = 2000

_any = msgspec.json.Decoder()

# Fields that hold the failure or an envelope around it, from the outside in. Beside them: Cloudflare (errors),
# Apigee (fault), FastAPI (detail), MiniMax (base_resp), OpenRouter (metadata.raw), AWS (Error).
_INNER: Final = ("error", "Error", "errors", "fault", "detail", "base_resp", "metadata", "raw", "message")
_MESSAGE: Final = (
    "message",
    "Message",
    "msg",
    "error_message",
    "error_msg",
    "errorMessage",
    "error_description",
    "status_msg",
    "faultstring",
    "description",
    "detail",
    "reason",
    "title",
)
_CODE: Final = ("code", "Code", "error_code", "errorCode", "errorcode")
_TYPE: Final = ("type", "status", "__type")
_STATUS: Final = ("code", "status_code", "statusCode", "status", "http_status")
_SAYS_NOTHING: Final = frozenset(
    {
        "",
        "bad_request",
        "badrequesterror",
        "invalid_request_error",
        "invalid_request",
        "invalid_argument",
        "invalid_parameter_error",
        "internal_error",
        "server_error",
        "api_error",
        "error",
        "none",
        "null",
        "unknown",
    }
)
"""Codes that do not name the cause, in lower case; so do numbers that repeat the status."""

_CAUSES: Final[tuple[tuple[str, re.Pattern[str]], ...]] = (
    (
        "context_length_exceeded",
        re.compile(
            r"prompt is too long|exceeds? (the )?context limit"  # Anthropic
            r"|input is too long|input tokens exceeded|too many input tokens"  # Amazon
            r"|input token count .*(exceeds|only supports)|exceeds the maximum number of tokens"  # Google
            r"|max(imum)?( allowed)? context (length|window)|input length exceeds the context|max_model_len"  # vLLM
            r"|(exceed\w*|beyond|over|larger than|greater than|longer than) (the |its |this model'?s |model'?s )?"
            r"(\w+ )?(maximum |max )?context( length| window| size|$)"
            r"|exceeds the available context size|context size has been exceeded|\bn_ctx\b"  # llama.cpp
            r"|context the overflows|context length of only|not enough context"  # LM Studio
            r"|`?inputs`? tokens \+ `?max_new_tokens|inputs?`? must have less than \d+ tokens"  # TGI
            r"|maximum prompt length is|length of all messages is too long|prompt exceeds max length"  # xAI, Z.ai
            r"|exceeded model token limit|context[ _]window[ _]exceed|contextwindowexceeded"  # Moonshot, LiteLLM
            r"|range of input length should be|total length of the messages"  # Alibaba
            r"|too many tokens: total number of tokens|reduce the length of the (messages|prompt|input)"  # Cohere, Groq
            r"|(prompt|input|request|conversation|messages?) (is |has |are )?(too (long|large)|exceed\w*).{0,40}"
            r"(tokens|context)(?! per)",
            re.IGNORECASE,
        ),
    ),
    (
        "rate_limit_exceeded",
        re.compile(r"(tokens|requests) per (minute|day|hour|second)|rate limit (reached|exceeded)", re.IGNORECASE),
    ),
    (
        "insufficient_quota",
        re.compile(
            r"insufficient[_ ](quota|balance|credits?|funds)|(credit )?balance is (too low|not enough)"
            r"|exceeded your current quota(?!.*(ai\.google\.dev|retry in|per ?(minute|day)))"  # Google's passes
            r"|out of credits|no (remaining )?credits|requires more credits|credits? (limit|exhausted)|budget has been"
            r"|(spend|spending|usage|billing)( hard)? limit|quota (is )?exhausted|arrear|payment required"
            r"|overdue payment|free (tier|quota) .*(exhausted|used up)|account .*(not|isn't) active.*billing",
            re.IGNORECASE | re.DOTALL,
        ),
    ),
    (
        "model_not_found",
        re.compile(
            r"model[^.]{0,120}?(not found|does not exist|doesn'?t exist|not exist|is not available|not supported for"
            r"|is not supported|could not be found|isn'?t (found|available|supported)|is not a valid model"
            r"|has been (deprecated|decommissioned))"
            r"|(unknown|invalid|no such|unrecognized|unsupported|could not find|cannot find|can'?t find|no) "
            r"(the )?model\b(?! (output|request|response|token|settings))"
            r"|invalid model (name|id|identifier)|model identifier is invalid|is not a valid model id"
            r"|no endpoints found|no allowed providers|deployment .*(does not exist|not found)",
            re.IGNORECASE,
        ),
    ),
    (
        "invalid_api_key",
        re.compile(
            r"(incorrect|invalid|wrong|missing|expired|revoked|no|bad)( or (missing|expired|invalid))?"
            r" (api[ _-]?key|x-api-key|subscription key|access token|auth\w* token|auth\w* credentials|credentials)"
            r"|api[ _-]?key[^.]{0,30}(not valid|invalid|incorrect|expired|not found|missing|required|revoked)"
            r"|invalid (authentication|authorization)|authentication (failed|fails|required|error)|login fail"
            r"|security token included in the request is invalid|unauthenticated|not pass an authentication"
            r"|missing subscription key|no auth credentials|invalid x-api-key",
            re.IGNORECASE,
        ),
    ),
)


def cause_of(failed: Failed) -> str:
    """Return OpenAI's code of the cause that the words of a failure name; "" if they name none."""
    cause = next((code for code, words in _CAUSES if words.search(failed.message)), "")
    if cause == "insufficient_quota" and failed.type == "RESOURCE_EXHAUSTED":
        return "rate_limit_exceeded"  # Google has the same words for a minute's limit
    return cause


def names_cause(code: str) -> bool:
    """Return whether a provider's code names a cause, and does not just repeat the status or a class of errors."""
    return not code.isdigit() and code.lower() not in _SAYS_NOTHING


def failure_in(body: bytes) -> Failed:
    """Return the failure that the body of an error reply describes.

    `{"error": {"message", "type", "code"}}` is the common shape. Envelopes of gateways around it are opened; a body
    that is not JSON is the message itself, and of a page the title is.
    """
    for value in _values_in(body):
        return failure_from(value)
    return Failed(_text_of(body) or _NO_REASON)


def failure_from(reply: Any) -> Failed:
    """Return the failure that an error reply describes, given its decoded JSON; see `failure_in`."""
    failed = _read(reply, _DEPTH)
    message = failed.message[:_MAX_MESSAGE_CHARS] or _NO_REASON
    too_long = _CAUSES[0][1].search(message)
    return Failed(message, failed.type, _CAUSES[0][0] if too_long else failed.code, failed.status)


# ---- envelopes


def _values_in(body: bytes) -> Iterator[Any]:
    """Yield the JSON value of a body: all of it, or the data of its first event with a failure."""
    try:
        yield _any.decode(body)
    except UnicodeDecodeError:
        yield from _values_in(body.decode("latin-1").encode())
    except (msgspec.DecodeError, RecursionError):
        if body.lstrip()[:5] in (b"data:", b"event"):
            parser = sse.Parser()
            for data in (*parser.feed(body + b"\n\n"), *parser.close()):
                yield from _values_in(data)


def _text_of(body: bytes) -> str:
    """Return the words of a body that is not JSON."""
    text = body.decode(errors="replace")
    if code := re.search(r"<Code>(.*?)</Code>", text, re.DOTALL):  # XML of AWS
        words = re.search(r"<Message>(.*?)</Message>", text, re.DOTALL | re.IGNORECASE)
        return f"{code[1]}: {words[1]}" if words else code[1]
    if title := re.search(r"<title[^>]*>(.*?)</title>", text, re.DOTALL | re.IGNORECASE):
        return " ".join(html.unescape(title[1]).split())[:500]
    return " ".join(text.split())[:500]


def _read(value: Any, depth: int) -> Failed:
    """Return what a value of any shape says, from the innermost envelope."""
    if isinstance(value, str):
        inner = _json_inside(value) if depth else None
        return _merged(_read(inner, depth - 1), Failed(value)) if inner is not None else Failed(value)
    if isinstance(value, list):
        return _read_list(cast("list[Any]", value), depth)
    if isinstance(value, Mapping):
        return _read_mapping(cast("Mapping[str, Any]", value), depth)
    return Failed("" if value is None or isinstance(value, bool) else str(value))


def _read_list(values: list[Any], depth: int) -> Failed:
    """Return what the items say; FastAPI's have the place of what is wrong, `loc`."""
    found = [_read(each, depth - 1) for each in values[:10]] if depth else []
    if not found:
        return Failed("")
    places = [".".join(map(str, as_list(as_mapping(each).get("loc")))) for each in values]
    if any(places):
        found[0] = Failed(found[0].message)  # the type is one of the schema's, not of the failure
    texts = [f"{place}: {each.message}" if place else each.message for place, each in zip(places, found, strict=False)]
    return msgspec.structs.replace(found[0], message="; ".join(filter(None, texts)))


def _read_mapping(fields: Mapping[str, Any], depth: int) -> Failed:
    own = Failed(
        _first_text(fields, _MESSAGE),
        _first_text(fields, _TYPE),
        next((str(code) for name in _CODE if (code := fields.get(name)) and isinstance(code, (str, int))), "")
        or _code_beside_status(fields.get("status_code")),
        next((status for name in _STATUS if (status := _status(fields.get(name)))), None),
    )
    for name in _INNER if depth else ():
        inner = fields.get(name)
        if not inner or isinstance(inner, (bool, int, float)) or (name == "message" and own.message == ""):
            continue
        found = _read(inner, depth - 1)
        if isinstance(inner, str) and found.message == inner:  # plain words: those of a message say more than a title
            if name == "error":
                own = _with_title(own, inner)
            continue
        own = _merged(found, own)
    return own


def _first_text(fields: Mapping[str, Any], names: tuple[str, ...]) -> str:
    for name in names:
        text = fields.get(name)
        if isinstance(text, str) and text:
            return text
    return ""


def _with_title(own: Failed, title: str) -> Failed:
    """Return the failure with an `error` that is a string: the message itself, or a name beside one."""
    if own.message and " " not in title.strip():
        return msgspec.structs.replace(own, type=own.type or title)
    return msgspec.structs.replace(own, message=title)


def _merged(inner: Failed, outer: Failed) -> Failed:
    if not inner.message and not inner.code:
        return msgspec.structs.replace(outer, type=inner.type or outer.type, status=inner.status or outer.status)
    return Failed(
        inner.message or outer.message,
        inner.type or outer.type,
        inner.code or outer.code,
        inner.status or outer.status,
    )


def _code_beside_status(value: Any) -> str:
    """Return MiniMax's code, which has the name of a status; "" for a status."""
    return str(value) if type(value) is int and value and not 100 <= value < 600 else ""


def _status(value: Any) -> int | None:
    if isinstance(value, str) and value.isdecimal() and len(value) == 3:
        value = int(value)
    return value if type(value) is int and 400 <= value < 600 else None


def _json_inside(message: str) -> Any:
    """Return the JSON object that a message ends with or consists of, None without one.

    LiteLLM puts the reply of the host into its message: `litellm.BadRequestError: OpenAIException - {"error": ...}`.
    """
    start, end = message.find("{"), message.rfind("}")
    if start < 0 or end < start:
        return None
    for text in (message[start : end + 1], message[start : end + 1].replace("\\'", "'").replace("\\n", " ")):
        try:
            value = _any.decode(text)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            continue
        fields = as_mapping(value)
        return value if any(name in fields for name in (*_INNER, *_MESSAGE)) else None
    return None
