"""`cost`: what models charge for a prompt, a file, what is piped in, or numbers of tokens."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

import msgflux_like as mf
from msgflux_like.catalog.profiles import get_model_profile, search_profiles

GPT, OPUS, GEMINI = "openai/gpt-4o", "anthropic/claude-opus-4-5", "google/gemini-2.5-pro"


def compared(output: str) -> dict[str, dict]:
    """By model, in the order they were printed; prices with all their digits."""
    entries = [json.loads(line, parse_float=Decimal) for line in output.splitlines()]
    return {entry.pop("model"): entry for entry in entries}


@pytest.fixture
def cost(command):
    """What `cost --json ...` prints."""

    def run(*words, piped=""):
        status, output, errors = command("cost", "--json", *words, piped=piped)
        assert (status, errors) == (0, "")
        return compared(output)

    return run


def test_tokens_in_and_out_have_an_exact_price_and_the_cheapest_comes_first(cost):
    found = cost("--tokens", "1M/200k", "-m", OPUS, "-m", GEMINI, "-m", GPT)
    assert list(found) == [GPT, GEMINI, OPUS]
    assert (found[GPT]["low_usd"], found[GPT]["high_usd"]) == (Decimal("4.5"), Decimal("4.5"))
    assert (found[GPT]["input_tokens"], found[GPT]["basis"]) == (1_000_000, "given")
    for path, entry in found.items():
        provider, _, model = path.partition("/")
        price = get_model_profile(model, provider).cost.breakdown(1_000_000, 200_000).total
        assert entry["low_usd"] == entry["high_usd"] == price


@pytest.mark.parametrize("cached", ["80%", "800k", "800_000"])
def test_a_cached_part_of_the_input_has_its_own_price(cost, cached):
    found = cost("--tokens", "1M/200k", "--cached", cached, "-m", GPT)[GPT]
    assert (found["cached_tokens"], found["low_usd"]) == (800_000, Decimal("3.5"))


def test_tokens_in_alone_give_a_range_up_to_the_longest_answer(cost):
    found = cost("--tokens", "100k", "-m", GPT)[GPT]
    assert found["output_tokens"] == [0, 16384]
    assert (found["low_usd"], found["high_usd"]) == (Decimal("0.25"), Decimal("0.41384"))
    found = cost("--tokens", "100k", "--max-tokens", "1k", "-m", GPT)[GPT]
    assert (found["output_tokens"], found["high_usd"]) == ([0, 1000], Decimal("0.26"))


def test_an_answer_is_never_longer_than_the_model_writes(cost):
    assert cost("--tokens", "1k", "--max-tokens", "1M", "-m", GPT)[GPT]["output_tokens"] == [0, 16384]


def test_a_prompt_is_priced_as_the_library_estimates_it(cost):
    found = cost("Why is the sky blue?", "-m", GPT, "-m", OPUS, "--max-tokens", "100")
    for path, entry in found.items():
        estimate = mf.estimate_cost(path, "Why is the sky blue?", max_tokens=100)
        assert (entry["low_usd"], entry["high_usd"]) == (estimate.low, estimate.high)
        assert entry["input_tokens"] == estimate.input_tokens
        assert entry["basis"] == ("counted" if estimate.exact else "estimated")


def test_words_a_file_and_what_is_piped_in_are_one_text(cost, tmp_path):
    (tmp_path / "text").write_text("two", encoding="utf-8")
    tokens = [
        cost(*words, "-m", OPUS, piped=piped)[OPUS]["input_tokens"]
        for words, piped in [
            (["one", "--file", str(tmp_path / "text")], ""),
            (["one"], "two"),
            (["one\n\ntwo"], ""),
            ([], "one\n\ntwo"),
        ]
    ]
    assert len(set(tokens)) == 1


def test_the_table_says_whether_tokens_are_counted_or_estimated_and_what_to_know(command):
    _, output, _ = command("cost", "--tokens", "1M/200k", "-m", GPT, "-m", GEMINI)
    assert output == (
        "model                  US dollars  tokens in  basis  tokens out  note\n"
        "openai/gpt-4o                4.50  1,000,000  given     200,000  "
        "it takes 128,000 tokens; it writes 16,384 tokens\n"
        "google/gemini-2.5-pro        5.50  1,000,000  given     200,000  "
        "at its prices above 200,000 tokens; it writes 65,536 tokens\n"
    )
    _, output, _ = command("cost", "hello", "-m", OPUS)
    assert "estimated" in output
    assert "0.000045..1.600045" in output


def test_a_model_without_a_price_comes_last_and_says_so(cost):
    unknown = next(profile for profile in search_profiles() if profile.cost is None and profile.limits.output)
    found = cost("hi", "-m", f"{unknown.provider_id}/{unknown.id}", "-m", OPUS)
    assert next(iter(found)) == OPUS
    *_, last = found.values()
    assert (last["low_usd"], last["high_usd"], last["notes"][0]) == (None, None, "its price is not known")


def test_a_retired_model_has_its_last_price_and_says_that_it_left(cost):
    path = "anthropic/claude-3-5-sonnet-20241022"
    found = cost("--tokens", "1k/1k", "-m", path)[path]
    assert found["low_usd"] == Decimal("0.018")
    assert "left the catalogue after 2026-06-18" in found["notes"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-m", "openai/gtp-4o", "hi"], "no model 'gtp-4o' is known at openai: did you mean gpt-4o"),
        (["-m", "opnai/gpt-4o", "hi"], "there is no provider 'opnai': did you mean openai"),
        (["-m", GPT, "-m", "gpt-4o", "hi"], "'gpt-4o' does not name a model"),
        (["-m", GPT, "--file", "/no/such/file"], "/no/such/file: No such file or directory"),
    ],
)
def test_what_cannot_be_priced_is_one_line_and_status_1(command, words, message):
    status, output, errors = command("cost", *words)
    assert (status, output, errors.count("\n")) == (1, "", 1)
    assert errors.startswith(f"msgflux-like: {message}")


def test_a_file_must_be_text(command, tmp_path):
    (tmp_path / "picture").write_bytes(b"\xff\xd8\xff")
    status, _, errors = command("cost", "-m", GPT, "--file", str(tmp_path / "picture"))
    assert (status, errors) == (1, f"msgflux-like: {tmp_path}/picture is not UTF-8 text\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["hi"], "the following arguments are required: -m/--model"),
        (["-m", GPT], "pass a prompt, --file or --tokens, or pipe text in"),
        (["-m", GPT, "hi", "--tokens", "1k"], "--tokens cannot be combined with a prompt or a file"),
        (["-m", GPT, "--file", "x", "--tokens", "1k"], "--tokens cannot be combined with a prompt or a file"),
        (["-m", GPT, "--tokens", "1k/1k", "--max-tokens", "5"], "cannot be combined with --max-tokens"),
        (["-m", GPT, "--tokens", "1k/1k/1k"], "'1k/1k' is not a number of tokens"),
        (["-m", GPT, "--tokens", "-1"], "'-1' is not a number of tokens"),
        (["-m", GPT, "--tokens", "1k", "--cached", "101%"], "'101%' is not a share: write 0% to 100%"),
        (["-m", GPT, "--tokens", "1k", "--cached=-1%"], "'-1%' is not a share"),
        (["-m", GPT, "--tokens", "1k", "--cached", "2k"], "--cached 2000 is more than the 1000 tokens of the input"),
    ],
)
def test_arguments_that_do_not_go_together_are_one_line_and_status_2(command, words, message):
    status, output, errors = command("cost", *words)
    assert (status, output, errors.count("\n")) == (2, "", 1)
    assert errors.startswith("msgflux-like cost: error: ")
    assert message in errors
