"""The profile, cost and selection examples of the chat completion page, in a fresh process, offline."""

from __future__ import annotations

import os
import subprocess
import sys

PROFILE = """
import msgflux_like as mf
from msgflux_like.models.profiles import get_model_profile

# Get profile for a model
profile = get_model_profile("gpt-4o", provider_id="openai")

if profile:
    # Check capabilities
    print(f"Tool calling: {profile.capabilities.tool_call}")
    print(f"Structured output: {profile.capabilities.structured_output}")
    print(f"Reasoning: {profile.capabilities.reasoning}")

    # Check modalities
    print(f"Input: {profile.modalities.input}")   # ['text', 'image']
    print(f"Output: {profile.modalities.output}") # ['text']

    # Check limits
    print(f"Context window: {profile.limits.context}")  # 128000
    print(f"Max output: {profile.limits.output}")       # 16384

    # Check pricing
    print(f"Input: ${profile.cost.input_per_million}/M tokens")
    print(f"Output: ${profile.cost.output_per_million}/M tokens")
"""

COST = """
from msgflux_like.models.profiles import get_model_profile

profile = get_model_profile("gpt-4o", provider_id="openai")

if profile:
    # Calculate cost for a request
    cost = profile.cost.calculate(
        input_tokens=1000,
        output_tokens=500
    )
    print(f"Estimated cost: ${cost:.4f}")
"""

SELECTION = '''
import msgflux_like as mf
from msgflux_like.models.profiles import get_model_profile

def select_model_by_budget(max_cost_per_million_output):
    """Select cheapest model within budget that supports tools."""
    models = [
        ("gpt-4o", "openai"),
        ("claude-3-5-sonnet-20241022", "anthropic"),
        ("gemini-2.0-flash-exp", "google")
    ]

    for model_id, provider in models:
        profile = get_model_profile(model_id, provider_id=provider)
        if profile:
            if (profile.capabilities.tool_call and
                profile.cost.output_per_million <= max_cost_per_million_output):
                return f"{provider}/{model_id}"

    return None

# Select model under $5 per million output tokens
model_path = select_model_by_budget(5.0)
if model_path:
    model = mf.Model.chat_completion(model_path)
print(model_path, select_model_by_budget(10.0))
'''

# Whoever opens a socket ends the process.
OFFLINE = "import sys\nsys.addaudithook(lambda event, _: event.startswith('socket.') and sys.exit(event))\n"


def run(source):
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", OFFLINE + source], capture_output=True, text=True, check=False,
        env={**os.environ, "OPENAI_API_KEY": "sk-x"}, timeout=60,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def test_getting_profile_information():
    assert run(PROFILE).splitlines() == [
        "Tool calling: True",
        "Structured output: True",
        "Reasoning: False",
        "Input: ['text', 'image', 'pdf']",
        "Output: ['text']",
        "Context window: 128000",
        "Max output: 16384",
        "Input: $2.5/M tokens",
        "Output: $10.0/M tokens",
    ]


def test_cost_calculation():
    assert run(COST) == "Estimated cost: $0.0075\n"


def test_profile_based_model_selection():
    assert run(SELECTION) == "None openai/gpt-4o\n"
