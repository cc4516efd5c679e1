"""The structured, nested and planning examples of the chat completion page, but for the name that is imported."""

from __future__ import annotations

import json

import pytest

from tests.provider import chat, whole

EVENT = {"name": "science fair", "date": "Friday", "participants": ["Alice", "Bob"]}
PERSON = {"name": "John Doe", "age": 30, "address": {"street": "123 Main St", "city": "New York", "country": "USA"}}
THOUGHTS = {"reasoning": "25 * 4 is 100, and 17 more are 117.", "final_answer": "117"}

BASIC = """
import msgflux_like as mf
from msgspec import Struct

class CalendarEvent(Struct):
    name: str
    date: str
    participants: list[str]

model = mf.Model.chat_completion("openai/gpt-4o")

response = model(
    messages="Alice and Bob are going to a science fair on Friday.",
    system_prompt="Extract the event information.",
    generation_schema=CalendarEvent
)

event = response.consume()
print(event)
"""

NESTED = """
import msgflux_like as mf
from msgspec import Struct

class Address(Struct):
    street: str
    city: str
    country: str

class Person(Struct):
    name: str
    age: int
    address: Address

model = mf.Model.chat_completion("openai/gpt-4o")

response = model(
    messages="John Doe, 30 years old, lives at 123 Main St, New York, USA.",
    system_prompt="Extract person information.",
    generation_schema=Person
)

person = response.consume()
print(person)
"""

PLANNING = """
import msgflux_like as mf

# Access built-in planning schemas
ChainOfThoughts = mf.generation.plan.ChainOfThoughts
ReAct = mf.generation.plan.ReAct
SelfConsistency = mf.generation.plan.SelfConsistency

model = mf.Model.chat_completion("openai/gpt-4o")

# Use Chain of Thoughts
response = model(
    messages="What is 25 * 4 + 17?",
    generation_schema=ChainOfThoughts
)

result = response.consume()
print(result)
"""


@pytest.mark.parametrize(("code", "answer"), [(BASIC, EVENT), (NESTED, PERSON), (PLANNING, THOUGHTS)])
def test_the_example_prints_the_plain_dict(code, answer, provider, monkeypatch, capsys):
    server = provider(whole(chat(json.dumps(answer))))
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    space = {"__name__": "__main__"}
    exec(compile(code, "page", "exec", dont_inherit=True), space)
    assert capsys.readouterr().out == f"{answer}\n"
    wanted = server.requests[0].body["response_format"]["json_schema"]
    assert wanted["strict"] is True
    assert list(wanted["schema"]["properties"]) == list(answer)
    if code is NESTED:
        assert space["person"].address.city == space["person"]["address"]["city"] == "New York"
