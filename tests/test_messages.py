"""What may be passed as messages, what is sent for it, and what is refused by its place."""

from __future__ import annotations

import base64
import copy
import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import msgflux_like as mf
from msgflux_like.errors import InvalidMessagesError
from msgflux_like.messages import media
from msgflux_like.messages.normalize import ROLES, normalize
from tests.conversations import conversations
from tests.provider import chat, whole

JPEG = b"\xff\xd8\xff\xe0 a photo"
PNG = b"\x89PNG\r\n\x1a\n a drawing"
WAV = b"RIFF\x00\x00\x00\x00WAVE a sound"
URL = "https://example.com/image.jpg"
CALL = {"id": "call_1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
USER = {"role": "user", "content": "Hello"}


def data_url(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def refusal_of(messages, **more) -> str:
    with pytest.raises(InvalidMessagesError) as raised:
        normalize(messages, **more)
    return str(raised.value)


# ---- what is accepted


@pytest.mark.parametrize(
    "messages",
    [
        "Hello",
        USER,
        [USER],
        (USER,),
        ["Hello"],
        lambda: iter([USER]),
        mf.ChatBlock.user("Hello"),
        [mf.ChatBlock.user("Hello")],
        mf.ChatML([USER]),
    ],
    ids=["text", "message", "list", "tuple", "texts", "iterator", "block", "blocks", "history"],
)
def test_one_question_may_be_written_in_many_ways(colour, provider, model_of, messages):
    server = provider(whole(chat("Hi")))
    messages = messages() if callable(messages) else messages
    assert colour.ask(model_of(server), messages).consume() == "Hi"
    assert server.requests[0].body["messages"] == [{"role": "user", "content": "Hello"}]


def test_a_generator_of_texts_and_messages_is_accepted(provider, model_of):
    server = provider(whole(chat()))
    model_of(server)(each for each in ["One", {"role": "assistant", "content": "Two"}, "Three"])
    assert server.requests[0].body["messages"] == [
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "Two"},
        {"role": "user", "content": "Three"},
    ]


def test_chatml_is_sent_unchanged_with_keys_that_nobody_knows(provider, model_of):
    server = provider(whole(chat()))
    messages = [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "developer", "content": "Be brief.", "x-own": {"a": [1, None]}},
        {"role": "user", "content": "Hello!", "name": "Ada"},
        {"role": "assistant", "content": "Hi! How can I help?", "refusal": None},
        {"role": "user", "content": [{"type": "hologram", "hologram": 1}, {"type": "text", "text": "?", "x": 2}]},
    ]
    model_of(server)(messages)
    assert server.requests[0].body["messages"] == messages


def test_a_message_that_needs_no_change_is_passed_on_as_it_is():
    messages = [USER, {"role": "user", "content": [{"type": "text", "text": "Hello"}]}]
    assert all(sent is given for sent, given in zip(normalize(messages), messages, strict=True))


def test_calls_without_a_text_and_their_results_are_sent_as_such(provider, model_of):
    server = provider(whole(chat()))
    messages = [
        USER,
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "12:00"},
    ]
    model_of(server)(messages)
    assert server.requests[0].body["messages"] == messages


def test_texts_among_the_parts_are_text_parts():
    assert normalize([{"role": "user", "content": ["Look:", {"type": "image_url", "image_url": URL}]}]) == (
        {
            "role": "user",
            "content": [{"type": "text", "text": "Look:"}, {"type": "image_url", "image_url": {"url": URL}}],
        },
    )


# ---- the system prompt


def test_the_system_prompt_is_a_system_message_in_front(colour, provider, model_of):
    server = provider(whole(chat()))
    colour.ask(model_of(server), "What is AI?", system_prompt="You are a helpful assistant.")
    assert server.requests[0].body["messages"] == [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "What is AI?"},
    ]


def test_a_system_prompt_stands_before_a_system_message_and_both_are_kept():
    kept = normalize([{"role": "system", "content": "second"}, USER], "first")
    assert [message["content"] for message in kept] == ["first", "second", "Hello"]


def test_an_empty_system_prompt_is_a_prompt():
    assert normalize("Hello", "")[0] == {"role": "system", "content": ""}


def test_a_system_prompt_that_is_no_text_is_refused():
    assert refusal_of("Hello", system_prompt=["Be brief"]) == "system_prompt must be a string, not list"


def test_calls_hold_no_conversation_between_them(provider, model_of):
    server = provider(whole(chat()))
    model = model_of(server)
    model("One", system_prompt="Be brief.")
    model("Two")
    assert server.requests[1].body["messages"] == [{"role": "user", "content": "Two"}]


def test_the_callers_objects_are_never_changed(colour, provider, model_of):
    tool = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}
    given = {
        "messages": [
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": JPEG}}, "What is it?"]},
            {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "now", "arguments": {"a": 1}}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": ["12:00"]},
        ],
        "tool_schemas": [tool],
        "extra_body": {"metadata": {"a": "b"}},
        "extra_headers": {"X-Own": "1"},
        "stop": ["\n"],
        "system_prompt": "Be brief.",
    }
    before = copy.deepcopy(given)
    server = provider(whole(chat()))
    colour.ask(model_of(server), **given, tool_choice="now")
    assert given == before
    assert len(server.requests[0].body["messages"]) == 4


# ---- pictures, sounds, films and files


def test_images_by_url_and_in_the_message_arrive_byte_for_byte(provider, model_of):
    server = provider(whole(chat()))
    inline = data_url("image/jpeg", bytes(range(256)) * 100)
    odd = "data:image/svg+xml;charset=utf-8,%3Csvg xmlns='x'/%3E"
    content = [
        {"type": "text", "text": "What's in this image?"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a b?c=%20&d=é#e"}},
        {"type": "image_url", "image_url": {"url": inline, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": odd}},
    ]
    model_of(server)([{"role": "user", "content": content}])
    assert server.requests[0].body["messages"][0]["content"] == content


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"GIF89a", "image/gif"),
        (b"BM", "image/bmp"),
        (b"RIFF\x10\x00\x00\x00WEBP", "image/webp"),
        (b"%PDF-1.7", "application/pdf"),
        (b"RIFF\x10\x00\x00\x00WAVE", "audio/wav"),
        (b"ID3", "audio/mpeg"),
        (b"\xff\xfb", "audio/mpeg"),
        (b"\xff\xf3", "audio/mpeg"),
        (b"OggS", "audio/ogg"),
        (b"fLaC", "audio/flac"),
        (b"\x00\x00\x00\x20ftypM4A ", "audio/mp4"),
        (b"\x00\x00\x00\x20ftypisom", "video/mp4"),
        (b"\x1aE\xdf\xa3", "video/webm"),
        (b"RIFF\x10\x00\x00\x00AVI ", "video/x-msvideo"),
        (b"RIFF\x10\x00\x00\x00none", "application/octet-stream"),
        (b"RIFF", "application/octet-stream"),
        (b"something else", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_the_media_type_is_seen_from_the_first_bytes(start, kind):
    assert media.media_type(start) == kind
    assert media.data_url(start) == data_url(kind, start)


def test_the_first_bytes_count_more_than_the_name_of_the_file(tmp_path):
    (tmp_path / "photo.png").write_bytes(JPEG)
    (tmp_path / "notes.html").write_bytes(b"<p>Hello</p>")
    (tmp_path / "unknown").write_bytes(b"?")
    assert media.data_url(tmp_path / "photo.png") == data_url("image/jpeg", JPEG)
    assert media.data_url(tmp_path / "notes.html") == data_url("text/html", b"<p>Hello</p>")
    assert media.data_url(tmp_path / "unknown") == data_url("application/octet-stream", b"?")


def mp4(brand: bytes) -> bytes:
    return b"\x00\x00\x00\x14ftyp" + brand + bytes(60)


def zipped(*names: str, first: bytes = b"") -> bytes:
    from io import BytesIO
    from zipfile import ZipFile

    made = BytesIO()
    with ZipFile(made, "w") as archive:
        if first:
            archive.writestr("mimetype", first)
        for name in names:
            archive.writestr(name, b"x")
    return made.getvalue()


DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(60)
ASF = b"\x30\x26\xb2\x75\x8e\x66\xcf\x11" + bytes(60)

FILES = [
    # the name decides
    ("notes.txt", b"BMW is a maker of cars.", "text/plain"),
    ("notes.txt", b"ID3 is a learner of decision trees.", "text/plain"),
    ("notes.md", b"OggS, and other words", "text/markdown"),
    ("data.csv", b"BM,ID3\n1,2\n", "text/csv"),
    ("data.tsv", b"a\tb\n", "text/tab-separated-values"),
    ("data.json", b"{}", "application/json"),
    ("page.html", b"<p>Hello</p>", "text/html"),
    ("page.xml", b"<?xml version='1.0'?><a/>", "text/xml"),
    ("code.py", b"print(1)", "text/x-python"),
    ("logo.svg", b"<svg/>", "image/svg+xml"),
    ("utf16.txt", b"\xff\xfeH\x00i\x00", "text/plain"),
    ("old.doc", OLE, "application/msword"),
    ("old.xls", OLE, "application/vnd.ms-excel"),
    ("old.ppt", OLE, "application/vnd.ms-powerpoint"),
    ("a.wma", ASF, "audio/x-ms-wma"),
    ("a.wmv", ASF, "video/x-ms-wmv"),
    ("a.m4a", mp4(b"isom"), "audio/mp4"),
    ("a.3gp", mp4(b"isom"), "video/3gpp"),
    ("a.ogv", b"OggS\x00" + bytes(60), "video/ogg"),
    ("a.weba", b"\x1aE\xdf\xa3" + bytes(60), "audio/webm"),
    ("a.docx", zipped("[Content_Types].xml"), DOCX),
    ("a.XLSX", zipped("[Content_Types].xml"), XLSX),
    ("a.bmp", b"BM\x46\x00\x00\x00\x00\x00\x00\x00", "image/bmp"),
    ("a.aac", b"\xff\xf1\x50\x80" + bytes(60), "audio/aac"),
    ("a.aac", b"ID3\x04" + bytes(60), "audio/aac"),
    # the first bytes decide
    ("a.txt", b"%PDF-1.7\n", "application/pdf"),
    ("a.png", b"\xff\xd8\xff\xe0" + bytes(60), "image/jpeg"),
    ("a.mp4", mp4(b"qt  "), "video/quicktime"),
    ("a.jpg", mp4(b"heic"), "image/heic"),
    ("a.bin", b"\xff\xfb\x90\x44" + bytes(60), "audio/mpeg"),
    ("", b"\xff\xe3\x18\xc4" + bytes(60), "audio/mpeg"),
    ("", b"\xff\xfa\x90\x44" + bytes(60), "audio/mpeg"),
    ("", b"\xff\xf2\x90\x44" + bytes(60), "audio/mpeg"),
    ("", b"\xff\xfd\x90\x44" + bytes(60), "audio/mpeg"),
    ("", b"\xff\xf9\x50\x80" + bytes(60), "audio/aac"),
    ("", b"\xff\xfeH\x00i\x00", "application/octet-stream"),
    ("", b"BMW is a maker of cars.", "application/octet-stream"),
    ("", b"II*\x00" + bytes(60), "image/tiff"),
    ("", b"MM\x00*" + bytes(60), "image/tiff"),
    ("", mp4(b"avif"), "image/avif"),
    ("", mp4(b"mif1"), "image/heif"),
    ("", mp4(b"mp42"), "video/mp4"),
    ("", b"FORM\x00\x00\x00\x10AIFF", "audio/aiff"),
    ("", b"OggS\x00" + bytes(20) + b"\x80theora", "video/ogg"),
    ("", b"\x1aE\xdf\xa3" + bytes(20) + b"matroska", "video/x-matroska"),
    ("", b"FLV\x01" + bytes(60), "video/x-flv"),
    ("", b"\x00\x00\x01\xba" + bytes(60), "video/mpeg"),
    ("", b"{\\rtf1 Hello}", "application/rtf"),
    ("", b"\x1f\x8b\x08" + bytes(60), "application/gzip"),
    ("", zipped("[Content_Types].xml", "word/document.xml"), DOCX),
    ("", zipped("[Content_Types].xml", "xl/workbook.xml"), XLSX),
    ("", zipped("[Content_Types].xml", "ppt/presentation.xml"), PPTX),
    ("", zipped("a", first=b"application/epub+zip"), "application/epub+zip"),
    ("", zipped("a", first=b"application/vnd.oasis.opendocument.text"), "application/vnd.oasis.opendocument.text"),
    ("", zipped("a"), "application/zip"),
    ("unknown.qqq", b"?", "application/octet-stream"),
]


@pytest.mark.parametrize(
    ("name", "content", "kind"), FILES, ids=[f"{name or 'bytes'}-{kind}" for name, _, kind in FILES]
)
def test_a_file_is_what_its_name_and_its_first_bytes_say_together(tmp_path, name, content, kind):
    source = tmp_path / name if name else content
    if name:
        source.write_bytes(content)
    assert media.data_url(source) == data_url(kind, content)


def test_an_empty_list_of_parts_is_no_content_of_an_answer_and_an_empty_result():
    calls = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    answer = {"role": "assistant", "content": [], "tool_calls": calls}
    given, result = normalize([answer, {"role": "tool", "tool_call_id": "c1", "content": []}])
    assert given == {**answer, "content": None}
    assert result["content"] == ""
    assert answer["content"] == []
    assert refusal_of([{"role": "user", "content": []}]) == (
        "messages[0].content is an empty list: give at least one part"
    )


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("refusal", 7, "messages[0].refusal must be a string, not int"),
        ("audio", "a", "messages[0].audio must be an object with the id of a recording, not str"),
        ("images", {}, "messages[0].images must be a list of image parts, not dict"),
        ("images", ["a"], "messages[0].images[0] must be a part of type image_url, as response.message has it"),
        (
            "images",
            [{"type": "image_url", "image_url": {"url": 7}}],
            "messages[0].images[0].image_url.url must be a URL, bytes or a pathlib.Path, not int",
        ),
    ],
)
def test_a_field_of_an_earlier_answer_is_checked(field, value, why):
    assert refusal_of([{"role": "assistant", "content": "Hi", field: value}]) == why


def test_the_fields_of_an_earlier_answer_are_passed_on():
    image = {"type": "image_url", "image_url": {"url": data_url("image/png", PNG)}}
    answer = {"role": "assistant", "content": "Hi", "refusal": None, "audio": {"id": "a"}, "images": [image]}
    assert normalize([answer])[0] is answer
    assert normalize([{**answer, "images": [{**image, "image_url": PNG}]}]) == (answer,)


@pytest.mark.parametrize("kind", ["image_url", "video_url"])
@pytest.mark.parametrize("inside", [True, False], ids=["{'url': ...}", "alone"])
def test_bytes_and_files_in_a_part_become_data_urls(tmp_path, kind, inside):
    path = tmp_path / "cat.png"
    path.write_bytes(PNG)
    for source in (PNG, path):
        part = {"type": kind, kind: {"url": source, "detail": "low"} if inside else source}
        (message,) = normalize([{"role": "user", "content": [part]}])
        more = {"detail": "low"} if inside else {}
        assert message["content"] == [{"type": kind, kind: {"url": data_url("image/png", PNG), **more}}]


def test_a_file_that_cannot_be_read_is_named_without_its_folder(tmp_path):
    part = {"type": "image_url", "image_url": {"url": tmp_path / "none.png"}}
    refusal = refusal_of([{"role": "user", "content": [part]}])
    assert refusal == "the file 'none.png' cannot be read: No such file or directory"


def test_a_file_name_that_no_system_takes_is_refused_like_any_other():
    part = {"type": "image_url", "image_url": {"url": Path("a\0b")}}
    assert refusal_of([{"role": "user", "content": [part]}]).startswith("the file 'a\\x00b' cannot be read")


def test_media_reach_the_provider(colour, provider, model_of, tmp_path):
    path = tmp_path / "cat.png"
    path.write_bytes(PNG)
    server = provider(whole(chat()))
    block = mf.ChatBlock.user("Compare", media=[mf.ChatBlock.image(path), mf.ChatBlock.audio(WAV)])
    colour.ask(model_of(server, "vllm/m"), block)
    assert server.requests[0].body["messages"][0]["content"] == [
        {"type": "text", "text": "Compare"},
        {"type": "image_url", "image_url": {"url": data_url("image/png", PNG)}},
        {"type": "input_audio", "input_audio": {"data": base64.b64encode(WAV).decode(), "format": "wav"}},
    ]


# ---- ChatBlock


def test_chat_blocks_are_plain_messages():
    block = mf.ChatBlock
    assert block.user("Hi") == {"role": "user", "content": "Hi"}
    assert block.system("Be brief") == {"role": "system", "content": "Be brief"}
    assert block.assistant("Hi") == block.assist("Hi") == {"role": "assistant", "content": "Hi"}
    assert block.text("Hi") == {"type": "text", "text": "Hi"}
    assert block.tool("call_1", "12:00") == {"role": "tool", "tool_call_id": "call_1", "content": "12:00"}
    assert block.assistant(tool_calls=[block.tool_call("call_1", "now", "{}")]) == {
        "role": "assistant",
        "content": None,
        "tool_calls": [CALL],
    }


@pytest.mark.parametrize(
    ("role", "sent"),
    [
        ("user", "user"),
        ("system", "system"),
        ("developer", "developer"),
        ("assistant", "assistant"),
        ("assist", "assistant"),
    ],
)
def test_a_chat_block_may_be_made_by_its_role(role, sent):
    assert mf.ChatBlock(role, "Hi", name="Ada") == {"role": sent, "content": "Hi", "name": "Ada"}


@pytest.mark.parametrize("role", ["robot", None, ["user"], {}])
def test_a_chat_block_of_no_role_is_refused(role):
    with pytest.raises(InvalidMessagesError) as raised:
        mf.ChatBlock(role, "Hi")
    assert str(raised.value) == f"role is {role!r}; it must be one of assistant, developer, system, tool, user"


def test_media_follow_the_text_in_their_order():
    image, other = mf.ChatBlock.image(URL), mf.ChatBlock.image("https://example.com/2.jpg")
    text = {"type": "text", "text": "Compare"}
    assert mf.ChatBlock.user("Compare", media=image) == {"role": "user", "content": [text, image]}
    assert mf.ChatBlock.user("Compare", media=[image, other])["content"] == [text, image, other]
    assert mf.ChatBlock.user("Compare", media=(each for each in [image, other]))["content"] == [text, image, other]
    assert mf.ChatBlock.user(media=image) == {"role": "user", "content": [image]}


@pytest.mark.parametrize("kind", ["image", "video"])
def test_pictures_and_films_are_made_of_a_url_bytes_or_a_path(tmp_path, kind):
    make, name = getattr(mf.ChatBlock, kind), f"{kind}_url"
    path = tmp_path / "x"
    path.write_bytes(PNG)
    assert make(URL) == {"type": name, name: {"url": URL}}
    assert make(URL, detail="low") == {"type": name, name: {"url": URL, "detail": "low"}}
    assert make(PNG) == make(path) == {"type": name, name: {"url": data_url("image/png", PNG)}}
    assert make([URL, PNG]) == [make(URL), make(PNG)]


@pytest.mark.parametrize("kind", ["image", "video"])
@pytest.mark.parametrize("source", ["cat.jpg", "/etc/passwd", ""])
def test_a_text_that_is_no_url_is_never_read_as_a_file(kind, source):
    with pytest.raises(InvalidMessagesError) as raised:
        getattr(mf.ChatBlock, kind)(source)
    assert str(raised.value) == (
        "a media source that is a str must be a URL (https://, data:): give a local file as a pathlib.Path"
    )


@pytest.mark.parametrize(
    ("source", "format_"),
    [
        (WAV, "wav"),
        (b"ID3", "mp3"),
        (b"fLaC", "flac"),
        (b"OggS", "ogg"),
        (data_url("audio/mpeg", b"x"), "mp3"),
        (data_url("audio/aac", b"x"), "aac"),
    ],
)
def test_a_sound_says_its_format(source, format_):
    content = source if isinstance(source, bytes) else b"x"
    part = mf.ChatBlock.audio(source)
    assert part == {
        "type": "input_audio",
        "input_audio": {"data": base64.b64encode(content).decode(), "format": format_},
    }
    assert mf.ChatBlock.audio(source, format="pcm16")["input_audio"]["format"] == "pcm16"


@pytest.mark.parametrize("source", [URL, "sound.wav", "data:audio/wav,raw", "x;base64,eA=="])
def test_a_sound_is_no_link(source):
    with pytest.raises(InvalidMessagesError) as raised:
        mf.ChatBlock.audio(source)
    assert (
        str(raised.value)
        == "audio must be bytes, a pathlib.Path or a base64 data URL: chat formats do not support links"
    )


def test_a_file_is_held_here_there_or_behind_a_link(tmp_path):
    path = tmp_path / "a.pdf"
    path.write_bytes(b"%PDF-1.7")
    inline = data_url("application/pdf", b"%PDF-1.7")

    def held(*source, **named):
        return mf.ChatBlock.file(*source, **named)["file"]

    assert mf.ChatBlock.file("file-1")["type"] == "file"
    assert held(path) == {"file_data": inline, "filename": "a.pdf"}
    assert held(path, filename="b.pdf") == {"file_data": inline, "filename": "b.pdf"}
    assert held(b"%PDF-1.7") == {"file_data": inline}
    assert held(inline, filename="a.pdf") == {"file_data": inline, "filename": "a.pdf"}
    assert held("https://example.com/a.pdf") == {"file_url": "https://example.com/a.pdf"}
    assert held("file-1") == {"file_id": "file-1"}


# ---- ChatML


def test_a_history_grows_by_texts_parts_and_messages():
    history = mf.ChatML("Hello")
    history.add_assist_message("Hi!")
    history.add_user_message([mf.ChatBlock.text("Look:"), mf.ChatBlock.image(URL)])
    history.add_assistant_message({"role": "assistant", "content": None, "tool_calls": [CALL]})
    history.extend_history([mf.ChatBlock.tool("call_1", "12:00"), "Thanks"])
    assert history.get_messages() == [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi!"},
        {"role": "user", "content": [mf.ChatBlock.text("Look:"), mf.ChatBlock.image(URL)]},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "12:00"},
        {"role": "user", "content": "Thanks"},
    ]
    assert len(history) == 6
    history.clear()
    assert history.get_messages() == []


def test_a_message_that_is_added_is_there_once():
    history = mf.ChatML()
    history.add_user_message({"role": "user", "content": "Hello"})
    history.add_assist_message({"role": "assistant", "content": "Hi"})
    assert [message["content"] for message in history.get_messages()] == ["Hello", "Hi"]


def test_the_list_of_a_history_is_the_callers_own():
    history = mf.ChatML("Hello")
    history.get_messages().append({"role": "user", "content": "more"})
    assert len(history) == 1


def test_a_history_that_grows_is_the_conversation(colour, provider, model_of):
    server = provider(whole(chat("Hi!")), whole(chat("Fine.")))
    model, history = model_of(server), mf.ChatML()
    for question in ("Hello", "How are you?"):
        history.add_user_message(question)
        history.add_assist_message(colour.ask(model, history).consume())
    assert [m["content"] for m in server.requests[1].body["messages"]] == ["Hello", "Hi!", "How are you?"]
    assert len(history) == 4


def test_a_history_refuses_what_a_call_refuses_and_stays_as_it_was():
    history = mf.ChatML("Hello")
    with pytest.raises(InvalidMessagesError, match="must be a string or a list of parts"):
        history.add_user_message(5)
    assert len(history) == 1
    assert repr(history) == "ChatML(1 messages)"


# ---- what is refused, and where


@pytest.mark.parametrize(
    "messages",
    [[], (), iter([]), mf.ChatML()],
    ids=["list", "tuple", "iterator", "history"],
)
def test_no_message_at_all_is_refused(messages):
    assert refusal_of(messages) == "messages is empty: give at least one message"


@pytest.mark.parametrize("messages", [None, 5, b"Hello", bytearray(b"Hello"), object()])
def test_what_holds_no_messages_is_refused_with_what_is_accepted(messages):
    assert refusal_of(messages) == (
        "messages must be a string, a message, ChatML, or any iterable of strings and messages "
        f"({{'role': ..., 'content': ...}}), not {type(messages).__name__}"
    )


ROLE_LIST = "it must be one of assistant, developer, system, tool, user"


@pytest.mark.parametrize(
    ("message", "refusal"),
    [
        (None, " must be a string or a message with role and content, not None"),
        (5, " must be a string or a message with role and content, not int"),
        ([USER], " must be a string or a message with role and content, not list"),
        ({"content": "Hi"}, f".role is missing; {ROLE_LIST}"),
        ({"role": "robot", "content": "Hi"}, f".role is 'robot'; {ROLE_LIST}"),
        ({"role": 5, "content": "Hi"}, f".role is of type int; {ROLE_LIST}"),
        ({"role": ["user"], "content": "Hi"}, f".role is of type list; {ROLE_LIST}"),
        ({"role": {}, "content": "Hi"}, f".role is of type dict; {ROLE_LIST}"),
        ({"role": "user"}, ".content is missing: a user message needs a string or parts"),
        ({"role": "system", "content": None}, ".content is missing: a system message needs a string or parts"),
        ({"role": "user", "content": 5}, ".content must be a string or a list of parts, not int"),
        ({"role": "user", "content": {"type": "text"}}, ".content must be a string or a list of parts, not dict"),
        ({"role": "user", "content": []}, ".content is an empty list: give at least one part"),
        ({"role": "user", "content": [None]}, ".content[0] must be a part with a type, not None"),
        ({"role": "user", "content": ["a", 5]}, ".content[1] must be a part with a type, not int"),
        (
            {"role": "user", "content": [{"text": "a"}]},
            ".content[0].type is missing: text, image_url, input_audio, video_url or file",
        ),
        ({"role": "user", "content": [{"type": "text"}]}, ".content[0].text must be a string, not None"),
        ({"role": "user", "content": [{"type": "text", "text": 5}]}, ".content[0].text must be a string, not int"),
        (
            {"role": "user", "content": [{"type": "image_url"}]},
            ".content[0].image_url.url must be a URL, bytes or a pathlib.Path, not None",
        ),
        (
            {"role": "user", "content": [{"type": "video_url", "video_url": {"url": 5}}]},
            ".content[0].video_url.url must be a URL, bytes or a pathlib.Path, not int",
        ),
        (
            {"role": "user", "content": [{"type": "file", "file": "a.pdf"}]},
            ".content[0].file must be an object, not str",
        ),
        (
            {"role": "user", "content": [{"type": "input_audio"}]},
            ".content[0].input_audio must be an object, not None",
        ),
        (
            {"role": "tool", "content": "12:00"},
            ".tool_call_id is missing: it names the call that the message answers",
        ),
        (
            {"role": "tool", "content": "12:00", "tool_call_id": 5},
            ".tool_call_id must be a string, not int",
        ),
        ({"role": "assistant", "tool_calls": "now"}, ".tool_calls must be a list of calls, not str"),
        ({"role": "assistant", "tool_calls": {"id": "a"}}, ".tool_calls must be a list of calls, not dict"),
        ({"role": "assistant", "tool_calls": [CALL, None]}, ".tool_calls[1].function.name is missing"),
        ({"role": "assistant", "tool_calls": [{"id": "a"}]}, ".tool_calls[0].function.name is missing"),
        (
            {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": 5}}]},
            ".tool_calls[0].function.name must be a string, not int",
        ),
        (
            {"role": "assistant", "tool_calls": [{"function": {"name": "now"}}]},
            ".tool_calls[0].id is missing: the tool message refers to it",
        ),
        (
            {"role": "assistant", "tool_calls": [{"id": 5, "function": {"name": "now"}}]},
            ".tool_calls[0].id must be a string, not int",
        ),
        (
            {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "now", "arguments": [1]}}]},
            ".tool_calls[0].function.arguments must be JSON text or an object, not list",
        ),
    ],
)
def test_what_is_wrong_with_a_message_is_said_with_its_place(provider, model_of, message, refusal):
    server = provider(whole(chat()))
    with pytest.raises(InvalidMessagesError) as raised:
        model_of(server)([USER, message])
    assert str(raised.value) == f"messages[1]{refusal}"
    assert isinstance(raised.value, ValueError)
    assert server.requests == []


@pytest.mark.parametrize(
    ("value", "why"),
    [({1j}, "is of type set"), (object(), "is of type object"), ("\ud800", "holds half a surrogate pair")],
)
def test_what_json_cannot_hold_is_named_by_its_place_and_not_shown(provider, model_of, value, why):
    server = provider(whole(chat()))
    with pytest.raises(ValueError, match="JSON cannot hold") as raised:
        model_of(server)([{**USER, "x": {"deep": [0, value]}}])
    assert str(raised.value) == f"messages[0].x.deep[1] {why}, which JSON cannot hold"
    assert server.requests == []


# ---- anything at all

junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=10)
    | st.binary(max_size=10)
    | st.sampled_from([*ROLES, "text", "image_url", "video_url", "input_audio", "file", "id", "function", "name"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=5)
            | st.sampled_from(["role", "content", "tool_calls", "tool_call_id", "type", "text", "image_url", "url"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
messages_of_junk = junk | st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(sorted(ROLES)) | junk},
        optional={
            "content": junk | st.lists(st.fixed_dictionaries({"type": junk}, optional={"image_url": junk}), max_size=3),
            "tool_calls": junk
            | st.lists(st.fixed_dictionaries({"id": junk, "function": st.fixed_dictionaries({"name": junk})})),
            "tool_call_id": junk,
        },
    ),
    max_size=4,
)


@given(messages_of_junk, st.none() | st.text(max_size=5) | junk)
def test_whatever_is_given_is_accepted_or_refused_and_never_changed(messages, system_prompt):
    before = copy.deepcopy((messages, system_prompt))
    with suppress(InvalidMessagesError):
        kept = normalize(messages, system_prompt)
        assert kept
        assert all(message["role"] in ROLES for message in kept)
    assert (messages, system_prompt) == before


def with_objects(message):
    """The message with the arguments of its calls as objects, which go out as JSON text."""
    calls = copy.deepcopy(message.get("tool_calls") or [])
    for call in calls:
        arguments = call["function"].get("arguments")
        if isinstance(arguments, str):
            with suppress(ValueError):
                call["function"]["arguments"] = json.loads(arguments)
        else:
            call["function"]["arguments"] = arguments or {}
    return {**message, "tool_calls": calls} if calls else message


@given(conversations)
def test_any_conversation_is_kept_message_for_message(conversation):
    before = json.dumps(conversation)
    kept = normalize(conversation)
    assert [with_objects(message) for message in kept] == [with_objects(message) for message in conversation]
    assert normalize(kept) == kept
    assert json.dumps(conversation) == before
