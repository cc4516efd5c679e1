"""Some five hundred conversations with the traps that the dialects have for each other, the same in every run."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgflux_like.messages.chat_block import ChatBlock
from tests.dialects import call_arguments
from tests.dialects.builders import (
    AGAIN,
    HELLO,
    LINK,
    PDF,
    PNG,
    TOOLS,
    Conversation,
    Message,
    answer,
    call,
    file,
    image,
    result,
    system,
    text,
    tool,
    user,
)

# ------------------------------------------------------------------------------------------------ roles and their order

ROLES: Final[Mapping[str, list[Message]]] = {
    "user alone": [HELLO],
    "system first": [system("Be kind."), HELLO],
    "developer first": [{"role": "developer", "content": "Be kind."}, HELLO],
    "system and developer": [system("One."), {"role": "developer", "content": "Two."}, HELLO],
    "several system texts": [system("One."), system("Two."), system("Three."), HELLO],
    "system of parts": [system([text("One."), text("Two.")]), HELLO],
    "system in the middle": [HELLO, answer("Hi"), system("Be brief now."), AGAIN],
    "developer in the middle": [HELLO, {"role": "developer", "content": "Be brief."}, AGAIN],
    "system first and in the middle": [system("One."), HELLO, answer("Hi"), system("Two."), AGAIN],
    "system in the middle of calls": [HELLO, answer(None, call("call_1")), result("call_1"), system("Now."), AGAIN],
    "two users": [HELLO, AGAIN],
    "four users": [user("One"), user("Two"), user([text("Three")]), user("Four")],
    "two answers": [HELLO, answer("Hi."), answer("How are you?"), AGAIN],
    "answers around a system text": [HELLO, answer("Hi."), system("Go on."), answer("So."), AGAIN],
    "first an answer": [answer("I am here."), HELLO],
    "first a system text and an answer": [system("Be kind."), answer("I am here."), HELLO],
    "first a call": [answer(None, call("call_1")), result("call_1"), HELLO],
    "answer of parts": [HELLO, answer([text("One. "), text("Two.")]), AGAIN],
    "an empty answer": [HELLO, answer(""), AGAIN],
    "an answer of nothing": [HELLO, answer(None), AGAIN],
    "an empty user": [HELLO, answer("Yes?"), user(""), user("Go on.")],
    "long": [message for n in range(30) for message in (user(f"Question {n}"), answer(f"Answer {n}"))] + [HELLO],
    "last a tool": [HELLO, answer(None, call("call_1")), result("call_1")],
    "last a system text": [HELLO, answer("Hi"), system("Say more.")],
    "last a developer": [HELLO, answer("Hi"), {"role": "developer", "content": "Say more."}],
}


def _roles() -> Iterator[Conversation]:
    for name, messages in ROLES.items():
        tools = TOOLS if any("tool_calls" in message for message in messages) else {}
        last = {"last system"} if messages[-1]["role"] in ("system", "developer") else set()
        yield Conversation(name, frozenset(last), messages, tools)
    yield Conversation("system text alone", frozenset({"system alone"}), [system("Be kind.")])
    yield Conversation("last an answer", frozenset({"last answer"}), [HELLO, answer("Hi, I")])
    yield Conversation("last an answer with blanks", frozenset({"last answer"}), [HELLO, answer("Hi, I \n")])
    yield Conversation("last a call", frozenset({"last call"}), [HELLO, answer(None, call("call_1"))], TOOLS)
    yield Conversation("system prompt", frozenset(), [HELLO], {"system_prompt": "Be kind."})
    yield Conversation(
        "system prompt and system texts", frozenset(), [system("Two."), HELLO], {"system_prompt": "One."}
    )
    for prefill in ("The answer is", "The answer is \n"):
        beginning = Conversation(f"prefill {prefill!r}", frozenset({"prefill"}), [HELLO], {"prefilling": prefill})
        yield beginning
        yield beginning._replace(name=f"answer and {beginning.name}", messages=[HELLO, answer("So."), AGAIN])
    for who, named in {
        "user": [user("Hello", name="ann"), AGAIN],
        "answer": [HELLO, answer("Hi", name="bot"), AGAIN],
        "system": [{**system("Be kind."), "name": "boss"}, HELLO],
        "tool": [HELLO, answer(None, call("call_1")), result("call_1", name="get_weather")],
    }.items():
        traps = {"name on tool"} if who == "tool" else set()
        yield Conversation(f"name on {who}", frozenset(traps), named, TOOLS)


# ---------------------------------------------------------------------------------------------------------------- texts

TEXTS: Final = {
    "a blank": " ",
    "line ends": "\n\n",
    "a tab": "\t",
    "blanks around": "  in the middle \n",
    "an emoji of many": "👩‍👩‍👧‍👦 🇫🇷 👍🏽",
    "right to left": "שלום \u202eabc\u202c عالم",
    "combining marks": "Z\u0351\u036b\u0343a\u0301",
    "a byte order mark": "\ufeffHello",
    "line separators": "one\u2028two\u2029three\u0085four",
    "a null": "a\x00b",
    "control characters": "\x07\x1b[31mred\x1b[0m\x7f",
    "no characters": "\uffff\ufffe\U0010ffff",
    "quotes and backslashes": '"\'\\ \\n \\u0041 \\\\"',
    "what looks like JSON": '{"role": "system", "content": "no"}',
    "what looks like a template": "{{ 7 * 7 }} <|im_start|>system\n</s> [INST] %s ${HOME}",
    "what looks like a stream": "data: [DONE]\n\nevent: error",
    "what looks like XML": "<function_calls><invoke name='x'/></function_calls>",
    "two hundred kilobytes": "All work and no play. " * 10_000,
}


def _texts() -> Iterator[Conversation]:
    for name, words in TEXTS.items():
        yield Conversation(f"user says {name}", frozenset(), [HELLO, answer("Hi"), user(words), AGAIN])
        yield Conversation(f"answer says {name}", frozenset(), [HELLO, answer(words), AGAIN])
        yield Conversation(f"system says {name}", frozenset(), [system(words), system("Be kind."), HELLO])
        yield Conversation(
            f"tool says {name}", frozenset(), [HELLO, answer("So", call("call_1")), result("call_1", words)], TOOLS
        )
        yield Conversation(
            f"a part says {name}", frozenset(), [user([text("One"), text(words), text("")]), answer("Hi"), AGAIN]
        )


# ---------------------------------------------------------------------------------------------------------------- calls

IDS: Final = {
    "of OpenAI": "call_Ab12Cd34Ef56Gh78Ij90Kl12",
    "of Anthropic": "toolu_01A09q90qw90lq917835lq9",
    "of Bedrock": "tooluse_kZJMlvQmRJ6eAyJE5GIl7Q",
    "of Mistral": "D681PevKs",
    "of Kimi": "functions.get_weather:0",
    "of vLLM": "chatcmpl-tool-f2a1b3c4d5e6f708192a3b4c5d6e7f80",
    "of a UUID": "7f1c9d2e-1111-4222-8333-944455556666",
    "a digit": "0",
    "very long": "call_" + "x" * 400,
    "unicode": "appel_é_日本_🙂",
    "blanks and slashes": "get weather/1\n2",
    "signs at its end": "call_1|fc_2=+.~",
}

ARGUMENTS: Final = {
    "empty text": "",
    "a blank": " ",
    "nothing": None,
    "an empty object": "{}",
    "an object": {"city": "Zürich", "days": [1, 2.5, None, True], "at": {"lat": 0, "lon": -0.0}},
    "spaces in JSON": '{ "city" : "Paris" ,\n"days":3}',
    "escapes": '{"city":"\\u00e9 \\"quoted\\" \\\\ \\n"}',
    "unicode keys": '{"ville_é":"日本","🙂":1,"":0}',
    "large numbers": '{"n":12345678901234567890,"x":1e300,"y":-0.000001}',
    "deep": json.dumps({"a": {"b": {"c": {"d": [[[[{"e": 1}]]]]}}}}),
    "a hundred kilobytes": json.dumps({"code": "print('hi')\n" * 8_000}),
}

RESULTS: Final[Mapping[str, tuple[Any, set[str]]]] = {
    "a text": ("22 C", set()),
    "an empty text": ("", set()),
    "a JSON object": ('{"temperature":22,"unit":"C"}', set()),
    "a JSON list": ("[1,2,3]", set()),
    "a JSON number": ("22", set()),
    "an object with result": ('{"result":"22"}', set()),
    "one part": ([text("22 C")], set()),
    "parts": ([text("22"), text(" C")], set()),
    "an empty part": ([text("")], set()),
    "a text and an empty part": ([text("22"), text("")], set()),
    "an image": ([image()], {"image in result"}),
    "a text and an image": ([text("See:"), image()], {"image in result"}),
    "an image and a text": ([image(), text("That was it.")], {"image in result"}),
    "a linked image": ([image(LINK)], {"image in result", "image link"}),
    "a document": ([file(file_data=PDF, filename="a.pdf")], {"pdf in result"}),
}


def _calls() -> Iterator[Conversation]:
    for name, id_ in IDS.items():
        other = f"{id_}b"
        once = [HELLO, answer(None, call(id_)), result(id_)]
        both = [HELLO, answer("Both", call(id_), call(other, name="search")), result(other, "two"), result(id_, "one")]
        yield Conversation(f"id {name}", frozenset(), once, TOOLS)
        yield Conversation(f"ids {name} in another order", frozenset(), [*both, answer("So."), AGAIN], TOOLS)
        yield Conversation(f"id {name} twice", frozenset(), [*once, answer("Hm"), *once, AGAIN], TOOLS)
    for name, arguments in ARGUMENTS.items():
        for said in (None, "Let me see."):
            messages = [HELLO, answer(said, call("call_1", arguments)), result("call_1"), answer("22 C."), AGAIN]
            yield Conversation(f"arguments of {name}{' after a text' if said else ''}", frozenset(), messages, TOOLS)
    for broken in ("{", "[1]", '"text"', "None"):
        yield Conversation(
            f"arguments {broken}",
            frozenset({"arguments are no object"}),
            [HELLO, answer(None, call("call_1", broken)), result("call_1")],
            TOOLS,
        )
    for name, (content, traps) in RESULTS.items():
        alone = [HELLO, answer(None, call("call_1")), result("call_1", content)]
        first = [HELLO, answer("So", call("call_1"), call("call_2")), result("call_1", content), result("call_2")]
        yield Conversation(f"result of {name}", frozenset(traps), alone, TOOLS)
        yield Conversation(f"first result of {name}", frozenset(traps), [*first, AGAIN], TOOLS)
    yield from _orders()


def _orders() -> Iterator[Conversation]:
    three = answer(None, *(call(f"call_{n}", f'{{"n":{n}}}') for n in range(3)))
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        results = [result(f"call_{n}", f"result {n}") for n in order]
        yield Conversation(f"three calls, results {order}", frozenset(), [HELLO, three, *results], TOOLS)
    answered = [result(f"call_{n}", f"result {n}") for n in range(3)]
    orders = {
        "a user between results": [answered[0], user("Wait."), *answered[1:]],
        "a user before the results": [user("Quick!"), *answered],
        "a user after the results": [*answered, AGAIN],
        "a system text between results": [answered[0], system("Be brief."), *answered[1:]],
    }
    for name, messages in orders.items():
        yield Conversation(name, frozenset(), [HELLO, three, *messages], TOOLS)
    near = answer(None, call("a b"), call("a/b"), call("a_b"))
    results = [result("a/b", "slash"), result("a_b", "line"), result("a b", "blank")]
    yield Conversation("ids that are nearly the same", frozenset(), [HELLO, near, *results], TOOLS)
    long = ["x" * 80 + "a", "y" * 80 + "x" * 80 + "a", "x" * 81]
    yield Conversation(
        "long ids that end alike",
        frozenset(),
        [HELLO, answer(None, *map(call, long)), *(result(id_, id_[0]) for id_ in long)],
        TOOLS,
    )
    yield Conversation("no such call", frozenset({"no such call"}), [HELLO, answer("Hm"), result("call_9")], TOOLS)
    history = [HELLO, answer(None, call("call_1")), result("call_1"), answer("22 C"), AGAIN]
    yield Conversation("calls and no tools", frozenset(), history)
    yield Conversation("calls and other tools", frozenset(), history, {"tool_schemas": [tool("other")]})
    for n in (5, 20):
        steps = [(answer(f"{i}", call(f"c{i}")), result(f"c{i}", f"{i} C")) for i in range(n)]
        yield Conversation(f"{n} steps", frozenset(), [HELLO, *(each for step in steps for each in step)], TOOLS)


# ---------------------------------------------------------------------------------------------------------------- media

MEDIA: Final[Mapping[str, tuple[Any, set[str]]]] = {
    "a PNG": (image(), {"image"}),
    "a JPEG": (image("data:image/jpeg;base64,/9j/4AAQ"), {"image"}),
    "a GIF": (image("data:image/gif;base64,R0lGODdh"), {"image"}),
    "a WebP": (image("data:image/webp;base64,UklGRg=="), {"image"}),
    "a linked image": (image(LINK), {"image", "image link"}),
    "a linked image without an ending": (image("https://example.org/i?id=1&w=2#x"), {"image", "image link"}),
    "an image in low detail": (image(detail="low"), {"image"}),
    "an image in high detail": (image(detail="high"), {"image"}),
    "an image of parameters": (image("data:image/png;name=a.png;base64,iVBORw0KGgo="), {"image"}),
    "a WAV": ({"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}, {"audio"}),
    "an MP3": ({"type": "input_audio", "input_audio": {"data": "SUQz", "format": "mp3"}}, {"audio"}),
    "a video": ({"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}}, {"video"}),
    "a linked video": (
        {"type": "video_url", "video_url": {"url": "https://example.org/a.mp4"}},
        {"video", "video link"},
    ),
    "a PDF": (file(file_data=PDF, filename="report.pdf"), {"pdf"}),
    "a PDF without a name": (file(file_data=PDF), {"pdf"}),
    "a PDF with an odd name": (file(file_data=PDF, filename="Übersicht_2026 (final).v2.pdf"), {"pdf"}),
    "a text file": (file(file_data="data:text/plain;base64,SGVsbG8=", filename="a.txt"), {"text file"}),
    "a text file of percents": (file(file_data="data:text/plain,Hello%20there", filename="a.txt"), {"text file"}),
    "a CSV": (file(file_data="data:text/csv;base64,YSxiCg==", filename="a.csv"), {"text file"}),
    "a ZIP": (file(file_data="data:application/zip;base64,UEs=", filename="a.zip"), {"zip"}),
    "an image as a file": (file(file_data=PNG, filename="a.png"), {"image file"}),
    "a held file": (file(file_id="file-abc123"), {"file id"}),
    "a linked file": (file(file_url="https://example.org/a.pdf", filename="a.pdf"), {"file link"}),
    "a hologram": ({"type": "hologram", "hologram": 1}, {"unknown part"}),
}


def _media() -> Iterator[Conversation]:
    for name, (part, traps) in MEDIA.items():
        yield Conversation(f"user gives {name}", frozenset(traps), [user([part])])
        yield Conversation(
            f"user gives {name} among texts",
            frozenset(traps),
            [system("See."), user([text("Here:"), part, text("What is it?")]), answer("A thing."), AGAIN],
        )
    many = [text("Two:"), image(), text("and"), image("data:image/gif;base64,R0lGODdh")]
    yield Conversation("images among texts", frozenset({"image"}), [user(many), user([image()])])
    same = [file(file_data=PDF, filename="a.pdf"), file(file_data=PDF, filename="a.pdf")]
    yield Conversation("two PDFs of one name", frozenset({"pdf"}), [user([*same, text("Compare.")])])
    yield Conversation("an image in an answer", frozenset({"image of assistant"}), [HELLO, answer([image()]), AGAIN])
    yield Conversation("an image of the system", frozenset({"image of system"}), [system([image()]), HELLO])
    with_media = ChatBlock.user("Look", media=[ChatBlock.image(b"\x89PNG\r\n\x1a\n"), ChatBlock.audio(b"RIFF....WAVE")])
    yield Conversation("a ChatBlock of bytes", frozenset({"image", "audio"}), [with_media])


# ----------------------------------------------------------------------------------------------------- state and marks

EPHEMERAL: Final = {"type": "ephemeral"}


def _state() -> Iterator[Conversation]:
    shapes = {
        "a text": [HELLO, answer("Hi"), AGAIN],
        "a call": [HELLO, answer(None, call("call_1")), result("call_1")],
        "a text and calls": [HELLO, answer("So", call("call_1"), call("call_2")), result("call_2"), result("call_1")],
        "two answers": [HELLO, answer("Hi"), answer("So", call("call_1")), result("call_1"), AGAIN],
    }
    for name, messages in shapes.items():
        for whose in ("own", "foreign", "text"):
            yield Conversation(f"{whose} state before {name}", frozenset(), messages, TOOLS, whose)


def _marks() -> Iterator[Conversation]:
    marked = text("A long text.", cache_control=EPHEMERAL)
    calls = [HELLO, answer(None, call("call_1"))]
    on_tool = {"tool_schemas": [{**tool(), "cache_control": EPHEMERAL}]}
    for name, messages, arguments in (
        ("the system text", [system([marked]), HELLO], {}),
        ("a user's text", [user([marked, text("So?")])], {}),
        ("an image", [user([{**image(), "cache_control": EPHEMERAL}])], {}),
        ("an answer", [HELLO, answer([marked]), AGAIN], {}),
        ("a result", [*calls, result("call_1", [marked])], TOOLS),
        ("a tool", [HELLO], on_tool),
    ):
        yield Conversation(f"a mark on {name}", frozenset({"cache mark"}), messages, arguments)


# ------------------------------------------------------------------------------------------------------------- mixtures


def _round(dice: random.Random, number: int) -> list[Message]:
    """A user's turn, and what the model and its tools made of it."""
    words = list(TEXTS.values())[3:-1]
    asked: Any = dice.choice(words)
    if dice.random() < 0.3:
        asked = [text(f"Part {number}"), text(dice.choice(words)), text("")]
    found = [user(asked)]
    if dice.random() < 0.2:
        found.insert(dice.randrange(2), {"role": dice.choice(("system", "developer")), "content": f"Rule {number}"})
    for step in range(dice.randrange(4)):
        ids = [f"{dice.choice(list(IDS.values()))}{number}.{step}.{n}" for n in range(dice.randint(1, 4))]
        calls = [call(id_, dice.choice(list(ARGUMENTS.values())[:-1]), dice.choice(("search", "now"))) for id_ in ids]
        found.append(answer(dice.choice((None, "", f"Step {step}")), *calls))
        dice.shuffle(ids)
        plain = [content for content, traps in RESULTS.values() if not traps]
        found += [result(id_, dice.choice(plain)) for id_ in ids]
        if dice.random() < 0.15:
            found.insert(-1, user("Are you there?"))
    if dice.random() < 0.8:
        found.append(answer(dice.choice(("Done.", "", [text("Well, "), text("done.")]))))
    return found


def _mixtures(count: int = 120) -> Iterator[Conversation]:
    for number in range(count):
        dice = random.Random(number)
        messages = [message for n in range(dice.randint(1, 5)) for message in _round(dice, n)]
        arguments = {"temperature": dice.choice((0, 0.5, 1)), "max_tokens": 20_000, "stream": dice.random() < 0.3}
        if dice.random() < 0.5:
            messages.insert(0, system("Be kind."))
        state = dice.choice(("", "", "own", "foreign"))
        yield Conversation(f"mixture {number}", frozenset(), [*messages, AGAIN], {**TOOLS, **arguments}, state)


def all_of_them() -> tuple[Conversation, ...]:
    """Every conversation, in the same order in every run."""
    beside = (call_arguments.tools, call_arguments.parameters, call_arguments.schemas)
    makers = (_roles, _texts, _calls, _media, *beside, _state, _marks, _mixtures)
    return tuple(conversation for make in makers for conversation in make())
