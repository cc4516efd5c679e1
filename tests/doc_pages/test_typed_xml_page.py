"""The typed XML example of the chat completion page, but for the name that is imported."""

from __future__ import annotations

from tests.provider import chat, whole

ANSWER = """```xml
<event dtype="dict">
  <name dtype="str">science fair</name>
  <date dtype="str">Friday</date>
  <participants dtype="list"><item>Alice</item><item>Bob</item></participants>
</event>
```"""

SNIPPET = '''
import msgflux_like as mf
from jinja2 import Template

# Get typed XML parser
typed_xml = mf.dsl.typed_parsers.typed_parser_registry["typed_xml"]

# Define instructions
instructions = """Extract the event information:
name: str
date: str
participants: list[str]
"""

# Create system prompt
template = Template(typed_xml.template)
system_prompt = template.render({"instructions": instructions}).strip()

# Generate with XML output
model = mf.Model.chat_completion("openai/gpt-4o")

response = model(
    messages="Alice and Bob are going to a science fair on Friday.",
    system_prompt=system_prompt,
    typed_parser="typed_xml"
)

# Automatically parsed to dict
result = response.consume()
print(result)
'''


def test_using_typed_xml(provider, monkeypatch, capsys):
    server = provider(whole(chat(ANSWER)))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    exec(compile(SNIPPET, "the page", "exec", dont_inherit=True), {})
    assert capsys.readouterr().out == "{'name': 'science fair', 'date': 'Friday', 'participants': ['Alice', 'Bob']}\n"
    assert "participants: list[str]" in server.requests[0].body["messages"][0]["content"]
