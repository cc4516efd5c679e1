"""`models`, `models show` and `providers`, and what holds for every command."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from msgflux_like.catalog.profiles import get_model_profile, search_profiles, snapshot_info
from msgflux_like.cli import _join_models_show, _parser

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def names(output: str) -> list[str]:
    """The first column, without its title."""
    return [line.split()[0] for line in output.splitlines()[1:]]


# ---- models


def test_what_is_listed_is_all_that_was_asked_for(command):
    asked = ("--tools", "--input", "image", "--max-output-price", "5", "--sort", "price")
    status, output, errors = command("models", *asked)
    found = search_profiles(tools=True, input_modalities="image", max_output_per_million=5, sort="price")
    assert (status, errors) == (0, "")
    assert names(output) == [f"{profile.provider_id}/{profile.id}" for profile in found]


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["haiku"], {"text": "haiku"}),
        (["claude", "haiku"], {"text": "claude haiku"}),
        (["--provider", "groq"], {"provider": "groq"}),
        (["--provider", "groq", "--provider", "xai"], {"provider": ["groq", "xai"]}),
        (["--provider", "together"], {"provider": "togetherai"}),
        (["--reasoning", "--provider", "xai"], {"reasoning": True, "provider": "xai"}),
        (["--structured-output", "--provider", "xai"], {"structured_output": True, "provider": "xai"}),
        (["--input", "image", "--input", "video"], {"input_modalities": ["image", "video"]}),
        (["--output", "audio"], {"output_modalities": "audio"}),
        (["--open-weights", "qwen", "--provider", "groq"], {"open_weights": True, "text": "qwen", "provider": "groq"}),
        (["--max-input-price", ".5", "grok"], {"max_input_per_million": 0.5, "text": "grok"}),
        (["--max-input-price", "0", "mini"], {"max_input_per_million": 0, "text": "mini"}),
        (["--min-context", "1.5M"], {"min_context_tokens": 1_500_000}),
        (["--min-context", "200k", "gpt"], {"min_context_tokens": 200_000, "text": "gpt"}),
        (["--released-after", "2026-09-15"], {"released_after": "2026-09-15"}),
        (["--released-after", "2026-08"], {"released_after": "2026-08-31"}),
        (["--released-after", "2025", "claude"], {"released_after": "2025-12-31", "text": "claude"}),
        (["--status", "beta"], {"status": "beta"}),
        (["--retired", "haiku"], {"retired": True, "text": "haiku"}),
        (["--sort", "date", "opus"], {"sort": "date", "text": "opus"}),
        (["--sort", "context", "opus"], {"sort": "context", "text": "opus"}),
        (["--json", "show"], {"text": "show"}),
    ],
)
def test_every_filter_is_the_one_of_the_library(command, words, asked):
    status, output, _ = command("models", *words, *([] if "--json" in words else ["--json"]))
    found = [(entry["provider_id"], entry["id"]) for entry in map(json.loads, output.splitlines())]
    assert found == [(profile.provider_id, profile.id) for profile in search_profiles(**asked)]
    assert status == (0 if found else 1)


def test_a_row_holds_what_is_asked_most_and_fits_its_titles(command):
    _, output, _ = command("models", "gpt-4o", "--provider", "openai", "--limit", "1")
    assert output == (
        "model          context  output  in $/M  out $/M  takes           can           released\n"
        "openai/gpt-4o     128k   16.4k    2.50    10.00  text image pdf  tools schema  2024-05-13\n"
    )


def test_the_first_few_are_said_to_be_a_few_beside_the_table(command):
    status, output, errors = command("models", "--provider", "groq", "--limit", "2")
    assert (status, len(names(output)), errors) == (0, 2, "2 of 16 models\n")


def test_a_model_that_left_or_is_deprecated_is_marked(command):
    _, output, _ = command("models", "claude-3-5-sonnet-20241022", "--provider", "anthropic", "--retired")
    assert output.splitlines()[1].endswith("left after 2026-06-18")
    _, output, _ = command("models", "--status", "deprecated", "--limit", "1")
    assert output.splitlines()[1].endswith("deprecated")


def test_what_is_not_known_is_left_empty_and_never_a_zero(command):
    unknown = next(profile for profile in search_profiles(sort="context") if profile.cost is None)
    _, output, _ = command("models", unknown.id, "--provider", unknown.provider_id)
    assert "0.00" not in next(line for line in output.splitlines() if unknown.id in line)


def test_json_is_the_catalogues_entry_with_its_provider(command):
    _, output, _ = command("models", "gpt-4o", "--provider", "openai", "--limit", "1", "--json")
    assert json.loads(output) == {"provider_id": "openai", **get_model_profile("gpt-4o", "openai").raw}
    _, output, _ = command("models", "claude-3-5-sonnet-20241022", "--provider", "anthropic", "--retired", "--json")
    assert json.loads(output)["retired_on"] == "2026-06-18"


def test_nothing_found_is_a_failure_with_a_sentence(command):
    assert command("models", "no-such-model") == (
        1,
        "",
        "msgflux-like models: no model of the catalogue matches\n",
    )
    status, _, errors = command("models", "claude-3-5-sonnet-20241022", "--provider", "anthropic")
    assert (status, "--retired finds 1 that left the catalogue" in errors) == (1, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["models", "--provider", "opnai"], "there is no provider 'opnai': did you mean openai"),
        (["models", "--provider", "local"], "the catalogue does not list what local serves"),
        (["models", "show", "opnai/gpt-4o"], "there is no provider 'opnai': did you mean openai"),
        (["models", "show", "openai/gtp-4o"], "no model 'gtp-4o' is known at openai: did you mean gpt-4o"),
        (["models", "show", "gpt-4o"], "'gpt-4o' does not name a model: write provider/model: did you mean openai/g"),
        (["models", "show", "groq/gpt-4o"], "no model 'gpt-4o' is known at groq"),
    ],
)
def test_a_name_that_is_not_known_is_answered_with_near_ones(command, words, message):
    status, output, errors = command(*words)
    assert (status, output) == (1, "")
    assert errors.startswith(f"msgflux-like: {message}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--max-output-price", "-5"], "argument --max-output-price: '-5' is not a price: write US dollars"),
        (["--max-input-price", "nan"], "'nan' is not a price"),
        (["--max-input-price", "1e999"], "'1e999' is not a price"),
        (
            ["--min-context", "200q"],
            "argument --min-context: '200q' is not a number of tokens: write 128000, 200k or 1.5M",
        ),
        (["--min-context", "-1"], "'-1' is not a number of tokens"),
        (["--min-context", "1.5"], "'1.5' is not a number of tokens"),
        (["--limit", "0"], "argument --limit: must be 1 or more"),
        (["--released-after", "yesterday"], "'yesterday' is not a date: write YYYY-MM-DD, YYYY-MM or YYYY"),
        (["--released-after", "2026-13"], "'2026-13' is not a date"),
        (["--input", "smell"], "argument --input: invalid choice: 'smell'"),
        (["--sort", "size"], "argument --sort: invalid choice: 'size'"),
        (["--status", "old"], "argument --status: invalid choice: 'old'"),
        (["--no-such-option"], "unrecognized arguments: --no-such-option"),
    ],
)
def test_a_wrong_argument_is_one_line_and_status_2(command, words, message):
    status, output, errors = command("models", *words)
    assert (status, output, errors.count("\n")) == (2, "", 1)
    assert message in errors


# ---- models show


def test_a_card_shows_all_that_is_known(command):
    status, output, errors = command("models", "show", "anthropic/claude-opus-4-5")
    assert (status, errors) == (0, "")
    facts = {line[:13].strip(): line[13:] for line in output.splitlines() if line[:13].strip()}
    assert facts["model"] == "anthropic/claude-opus-4-5"
    assert facts["context"] == "200,000 tokens"
    assert facts["takes"] == "text image pdf"
    assert facts["can"] == "tool call, structured output, reasoning, attachment, temperature"
    assert facts["reasoning"] == "effort: low, medium, high"
    assert facts["price"].startswith("input 5.00, output 25.00, cache read 0.50, cache write 6.25")
    assert facts["dialect"] == "anthropic_messages"
    assert facts["base URL"] == "https://api.anthropic.com/v1"
    assert facts["key"] == "ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN not set"
    assert "openrouter/anthropic/claude-opus-4.5" in output
    assert all(len(line) <= 110 for line in output.splitlines())


def test_a_card_shows_the_prices_of_long_contexts(command):
    _, output, _ = command("models", "show", "google/gemini-2.5-pro")
    assert "above 200,000 tokens of context: input 2.50, output 15.00, cache read 0.25" in output


def test_a_card_says_why_a_model_is_out_of_reach_and_who_else_has_it(command):
    status, output, _ = command("models", "show", "sap-ai-core/anthropic--claude-4.5-opus")
    assert status == 0
    assert "sap-ai-core is not supported: SAP AI Core has a proprietary protocol" in " ".join(output.split())


def test_a_card_names_what_came_after_a_retired_model(command):
    status, output, _ = command("models", "show", "anthropic/claude-3-5-sonnet-20241022")
    assert status == 0
    assert "left the catalogue after 2026-06-18; anthropic/claude-sonnet-" in " ".join(output.split())


def test_the_json_of_a_card_is_the_catalogues_entry(command):
    _, output, _ = command("models", "show", "openai/gpt-4o", "--json")
    assert json.loads(output) == get_model_profile("gpt-4o", "openai").raw


# ---- providers


def test_every_provider_is_listed_with_its_way_or_what_stands_in_it(command):
    _, output, _ = command("providers")
    rows = {line.split()[0]: line.split(maxsplit=2)[2] for line in output.splitlines()[1:]}
    assert rows["groq"].split() == ["openai_chat", "GROQ_API_KEY", "not", "set", "https://api.groq.com/openai/v1"]
    assert rows["sap-ai-core"].startswith("sap-ai-core is not supported: SAP AI Core has a proprietary")
    assert "${AZURE_RESOURCE_NAME}" in rows["azure"]
    assert "none needed" in output


def test_providers_whose_key_is_set_are_ready_and_the_key_is_not_shown(command, monkeypatch):
    assert "groq" not in names(command("providers", "--ready")[1])
    monkeypatch.setenv("GROQ_API_KEY", "gsk-sesame")
    status, output, errors = command("providers", "groq", "--ready")
    assert (status, names(output), errors) == (0, ["groq"], "")
    assert "GROQ_API_KEY set" in output
    assert "sesame" not in output
    _, output, _ = command("providers", "groq", "--json")
    assert json.loads(output) | {"models": 0} == {
        "provider": "groq",
        "name": "Groq",
        "models": 0,
        "dialect": "openai_chat",
        "base_url": "https://api.groq.com/openai/v1",
        "api_key_env": ["GROQ_API_KEY"],
        "key_required": True,
        "ready": True,
        "problem": None,
        "docs": "https://console.groq.com/docs/openai",
    }


def test_a_provider_that_is_not_there_is_a_failure(command):
    status, output, errors = command("providers", "no-such")
    assert (status, output, errors) == (1, "", "msgflux-like providers: no provider has that name\n")


def test_a_broken_row_is_one_row_of_the_table(command, write_row):
    write_row("mine", "name = 3")
    status, output, _ = command("providers", "mine")
    assert status == 0
    assert "mine.toml is not a provider row" in output


# ---- all commands


def test_control_characters_of_the_catalogue_and_of_arguments_do_not_reach_the_terminal(command, write_row):
    write_row("mine", 'name = "mine"\ndialect = "openai_chat"\nbase_url = "https://x.example/\\u001b[31m\\u202e"')
    outputs = [
        command("providers", "mine"),
        command("providers", "mine", "--json"),
        command("models", "--x\x1b[31m"),
        command("models", "--provider", "\x1b[31m"),
        command("\x9b31m"),
        command("doctor", "mine", "\x1b]0;x\x07"),
        command("cost", "-m", "openai/\x1b[31m", "--tokens", "1"),
        command("cost", "-m", "openai/gpt-4o", "--file", "/no/such\x1b[31m"),
    ]
    for _, output, errors in outputs:
        assert not set(output + errors) & set("\x1b\x07\x9b\u202e")


def test_every_example_of_the_page_is_a_command_and_every_command_has_one():
    lines = re.findall(r"^\$ .*?msgflux-like ([^|\n]*)", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    places = {_parser().parse_args(_join_models_show(shlex.split(line))).name for line in lines}
    assert places == {
        *("run", "models", "models show", "providers", "cost", "doctor", "local setup"),
        *("profiles refresh", "profiles diff", "profiles info", "cache stats", "cache clear", "cache export"),
    }


# Those whose output is the same everywhere: no file, no server, no other program in a pipe.
EXAMPLES = [
    (line, printed)
    for line, printed in re.findall(
        r"^\$ ([^|\n]*)\n((?:(?!```|\$ ).*\n)+)", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    if re.search(r"msgflux-like (models|providers|cost (?!--file)|run .*--dry-run)", line)
]


@pytest.mark.parametrize(("line", "printed"), EXAMPLES, ids=[line for line, _ in EXAMPLES])
def test_an_example_of_the_page_prints_what_the_page_says(line, printed, command, monkeypatch):
    """Where the catalogue is that of the page."""
    if f"of {snapshot_info().newest_entry}, " not in PAGE.read_text(encoding="utf-8"):
        pytest.skip("the page shows an older catalogue")
    words = shlex.split(line)
    at = words.index("msgflux-like")
    for setting in words[:at]:
        monkeypatch.setenv(*setting.split("=", 1))
    _, output, errors = command(*words[at + 1 :])
    assert output + errors == printed


def test_most_examples_of_the_page_are_compared():
    assert len(EXAMPLES) >= 10


def modules_after(*words: str) -> set[str]:
    """What a fresh process has imported when the command is done."""
    code = (
        "import sys\nfrom msgflux_like.cli import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit:\n    pass\n"
        "sys.stderr.write(' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(done.stderr.split())


def test_a_command_imports_what_it_needs_and_no_more():
    assert not {"msgspec", "asyncio", "httpcore2", "msgflux_like.models"} & modules_after("--help")
    searching = modules_after("models", "--limit", "1")
    assert not {"asyncio", "httpcore2", "jinja2", "subprocess", "msgflux_like.models.chat_completion"} & searching
    pricing = modules_after("cost", "--tokens", "1", "-m", "openai/gpt-4o")
    assert not {"asyncio", "httpcore2", "msgflux_like.models.chat_completion"} & pricing


def test_a_reader_that_has_enough_ends_it_without_a_word():
    command = [sys.executable, "-m", "msgflux_like", "models"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        running.stdout.read(1)
        running.stdout.close()
        assert (running.wait(), running.stderr.read()) == (0, b"")
