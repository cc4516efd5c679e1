"""`run --schema` and `run --xml`: an answer of a type, as one line of JSON."""

from __future__ import annotations

import io
import json

import pytest

from msgflux_like.cli import main
from tests.provider import chat, whole

EVENT = {"name": "science fair", "date": "Friday", "participants": ["Alice", "Bob"]}
PROMPT = "Alice and Bob are going to a science fair on Friday."


@pytest.fixture
def ask(provider, monkeypatch, capsys):
    """Runs the command against a provider that gives this answer; status, output, errors, what was sent."""

    def run(answer, *options):
        server = provider(whole(chat(answer)))
        monkeypatch.setattr("sys.stdin", io.StringIO())
        monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        try:
            status = main(["run", "-m", "openai/gpt-4o", *options, PROMPT])
        except SystemExit as ended:
            status = ended.code
        said = capsys.readouterr()
        return status, said.out, said.err, server.requests

    return run


def test_fields_on_the_command_line_are_a_type(ask):
    status, out, _, requests = ask(json.dumps(EVENT), "--schema", "name: str, date: str, participants: list[str]")
    assert (status, json.loads(out)) == (0, EVENT)
    assert out.count("\n") == 1
    schema = requests[0].body["response_format"]["json_schema"]["schema"]
    assert list(schema["properties"]) == list(EVENT)


def test_a_type_in_a_file_is_used(ask, tmp_path):
    file = tmp_path / "types_of_mine.py"
    file.write_text(
        "from msgspec import Struct\nclass Event(Struct):\n    name: str\n    date: str\n", encoding="utf-8"
    )
    status, out, _, _ = ask('{"name": "fair", "date": "Friday"}', "--schema", f"{file}:Event")
    assert (status, json.loads(out)) == (0, {"name": "fair", "date": "Friday"})


def test_a_json_schema_in_a_file_is_used(ask, tmp_path):
    file = tmp_path / "event.json"
    file.write_text('{"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}')
    status, out, _, _ = ask('{"name": "fair"}', "--schema", str(file))
    assert (status, json.loads(out)) == (0, {"name": "fair"})


def test_xml_becomes_json(ask):
    xml = '<event dtype="dict"><name>fair</name><year dtype="int">2026</year></event>'
    status, out, _, _ = ask(xml, "--xml")
    assert (status, json.loads(out)) == (0, {"name": "fair", "year": 2026})


def test_an_answer_of_another_type_is_an_error(ask):
    status, out, err, _ = ask('{"name": 3}', "--schema", "name: str")
    assert (status, out) == (1, "")
    assert "$.name" in err


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("name: string", "'name: string' is not a type: write file.py:Type"),
        ("name: __import__('os').system('x')", "is not a type: write file.py:Type"),
        ("no/such.py:Event", "there is no Python file no/such.py"),
        ("no-such.json", "no-such.json cannot be read: No such file or directory"),
    ],
)
def test_what_names_no_type_is_a_wrong_argument(ask, schema, message):
    status, _, err, requests = ask("{}", "--schema", schema)
    assert status == 2
    assert message in err
    assert requests == []
