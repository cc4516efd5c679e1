"""The table of arguments: a wrong type or range is refused before sending, wherever the argument is given."""

from __future__ import annotations

import decimal
import fractions
import inspect
import math
import numbers

import pytest

import msgflux_like as mf
from msgflux_like.calls.arguments import ARGUMENTS, CALL, EMBEDDER, EMBEDDING_CALL, GATEWAY, GATEWAY_CALL, MODEL
from msgflux_like.errors import InvalidRequestError, UnknownParameterError, UnknownProviderError
from msgflux_like.models.profiles import search_profiles
from msgflux_like.testing import FakeProvider, FakeReply
from tests.parameters_page import PAGE, page
from tests.provider import chat

# Types that an argument must not be. A list may be a `stop`, a dict a `cache`.
WRONG = {
    "ModelProfile": ["openai/gpt-4o", 5],
    "float": ["1", True, [1], math.nan, math.inf, -math.inf],
    "int": ["1", True, 1.5, [1], math.nan],
    "bool": ["yes", 1, 0, []],
    "str": [5, True, b"text", ["text"], {}],
    "dict": [5, "text", [("a", "b")], {1: "a"}],
    "dict[str, str]": [5, "text", [("a", "b")], {1: "a"}, {"a": 1}],
    "dict[str, list[str]]": [5, "text", {"openai": "key"}, {"openai": []}],
    "str or list[str]": [5, True, {"a": 1}, [5]],
    "str, function or tuple[str, ...]": [5, True, {"a": 1}, (5,)],
    "float or Timeouts": ["1", True, 0, -1, math.nan, math.inf, mf.Timeouts(total_s=-1)],
    "Client or AsyncClient": [5, "client", {}],
    "ResponseCache, str, Path or bool": [5, 1.5],
    "callable or StreamHandler": [5, "print", {}],
    "list": [5, "now", {"a": 1}],
    "str or dict": [5, True, ["auto"]],
    "type or dict": [5, "City"],
    "list of models or paths": [5, [], [5], {}],
    "list[float]": [5, "1", [0], [-1.0], ["a"], [True], [1, 2]],
    "exception types": [5, "APIError", [5]],
    "function": [5, "clock"],
}
TOGETHER = {
    "tool_choice": {"tool_schemas": [print]},
    "stream_to": {"stream": True},
    "validation": {"generation_schema": dict[str, str]},
    "output_retries": {"generation_schema": dict[str, str]},
    "top_logprobs": {"logprobs": True},
    "weights": {"order": "weight"},
}


def wrong_values(argument):
    yield from WRONG[argument.type]
    if argument.low is not None:
        yield argument.low - 1
    if argument.high is not None:
        yield argument.high + 1
    if argument.words:
        yield "no such word"


def give(taker, name, value, provider):
    """Give one argument to what takes it, and send nothing unless it is accepted."""
    given = {**TOGETHER.get(name, {}), name: value}
    options = {"api_key": "k", "http_client": provider}
    if taker == "model":
        return mf.Model.chat_completion("openai/gpt-4o", **{**options, **given})
    if taker == "embedder":
        return mf.Model.text_embedder("openai/text-embedding-3-small", **{**options, **given})
    if taker == "gateway":
        return mf.ModelGateway(**{"models": [mf.Model.chat_completion("openai/gpt-4o", **options)], **given})
    if taker == "call":
        return mf.Model.chat_completion("openai/gpt-4o", **options)("Hello", **given)
    if taker == "embedding call":
        return mf.Model.text_embedder("openai/text-embedding-3-small", **options)("Hello", **given)
    return mf.ModelGateway([mf.Model.chat_completion("openai/gpt-4o", **options)])("Hello", **given)


@pytest.mark.parametrize("argument", ARGUMENTS, ids=lambda argument: argument.name)
def test_a_wrong_value_is_refused_by_name_before_anything_is_sent(argument):
    provider = FakeProvider(FakeReply.whole(chat()))
    for taker in argument.takers:
        for value in wrong_values(argument):
            with pytest.raises(InvalidRequestError) as raised:
                give(taker, argument.name, value, provider)
            assert argument.name in str(raised.value), (taker, value)
            assert provider.requests == []


@pytest.mark.parametrize("argument", [each for each in ARGUMENTS if each.low is not None], ids=lambda each: each.name)
def test_the_limits_of_a_range_are_accepted(argument):
    for limit in (argument.low, argument.high):
        if limit is not None:
            value = int(limit) if argument.type == "int" else limit
            assert argument.check(argument, value) == value


class Whole(int):
    """A whole number of another library."""


class Half(float):
    """A real number of another library."""


class Scalar:
    """A number that is no int or float, as numpy's are."""

    def __init__(self, value):
        self._value = value

    def __int__(self):
        return int(self._value)

    def __float__(self):
        return float(self._value)

    def __index__(self):
        return int(self._value)


class WholeScalar(Scalar):
    pass


class RealScalar(Scalar):
    pass


numbers.Integral.register(WholeScalar)
numbers.Real.register(RealScalar)


@pytest.mark.parametrize(
    ("name", "value", "sent"),
    [
        ("temperature", Half(0.5), 0.5),
        ("temperature", RealScalar(0.5), 0.5),
        ("temperature", WholeScalar(1), 1),
        ("temperature", decimal.Decimal("0.5"), 0.5),
        ("temperature", fractions.Fraction(1, 2), 0.5),
        ("seed", Whole(7), 7),
        ("seed", WholeScalar(7), 7),
        ("top_p", 1, 1),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_numbers_of_other_libraries_are_sent_as_numbers(name, value, sent):
    provider = FakeProvider(FakeReply.whole(chat()))
    mf.Model.chat_completion("openai/gpt-4o", api_key="k", http_client=provider)("Hello", **{name: value})
    assert provider.requests[0].body[name] == sent


def test_a_real_number_is_no_whole_number():
    with pytest.raises(InvalidRequestError, match="max_tokens must be a whole number of at least 1, not RealScalar"):
        mf.Model.chat_completion("openai/gpt-4o", api_key="k", max_tokens=RealScalar(5))


def test_no_error_shows_a_key():
    for options in ({"api_key": 123456}, {"extra_headers": {"x-key": 123456}}):
        with pytest.raises(InvalidRequestError) as raised:
            mf.Model.chat_completion("openai/gpt-4o", **{"api_key": "k", **options})
        assert "123456" not in str(raised.value)


# ---- names


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("response_format", "use generation_schema"),
        ("response_model", "use generation_schema"),
        ("output_type", "use generation_schema"),
        ("schema", "use generation_schema"),
        ("tools", "use tool_schemas"),
        ("functions", "use tool_schemas"),
        ("stop_sequences", "use stop"),
        ("instructions", "use system_prompt"),
        ("system", "use system_prompt"),
        ("thinking", "use reasoning_effort or reasoning_budget"),
        ("n", "use extra_body={'n': ...}"),
        ("fallbacks", r"use ModelGateway\("),
    ],
)
def test_a_keyword_of_another_library_is_answered_with_ours(name, meant):
    model = mf.Model.chat_completion("openai/gpt-4o", api_key="k")
    for ask in (model, mf.ModelGateway([model])):
        with pytest.raises(UnknownParameterError, match=f"there is no parameter '{name}': {meant}"):
            ask("Hello", **{name: 1})
    with pytest.raises(UnknownParameterError, match=meant):
        mf.Model.chat_completion("openai/gpt-4o", api_key="k", **{name: 1})


def test_an_argument_in_the_wrong_place_is_told_its_place():
    with pytest.raises(UnknownParameterError, match="give system_prompt to the call"):
        mf.Model.chat_completion("openai/gpt-4o", api_key="k", system_prompt="Be brief.")
    with pytest.raises(UnknownParameterError, match="give http_client to the model when it is made"):
        mf.Model.chat_completion("openai/gpt-4o", api_key="k")("Hello", http_client=None)


# ---- what editors, help() and the page show

TYPED = [
    (mf.ModelOptions, MODEL),
    (mf.CallOptions, {name: each for name, each in CALL.items() if name != "stream"}),
    (mf.EmbedderOptions, EMBEDDER),
    (mf.EmbeddingCallOptions, EMBEDDING_CALL),
]


@pytest.mark.parametrize(("typed", "known"), TYPED, ids=lambda each: getattr(each, "__name__", ""))
def test_the_types_of_the_options_have_the_names_of_the_table(typed, known):
    assert set(typed.__annotations__) == set(known)


def test_the_gateway_has_the_names_of_the_table():
    assert set(inspect.signature(mf.ModelGateway.__init__).parameters) - {"self"} == set(GATEWAY)
    assert set(GATEWAY_CALL) == {*CALL, "model_preference"} - {"api_key", "base_url"}


@pytest.mark.parametrize(
    ("documented", "known"),
    [
        (mf.Model.chat_completion, MODEL),
        (mf.Model.text_completion, MODEL),
        (mf.Model.text_embedder, EMBEDDER),
        (mf.ChatCompletion.__call__, CALL),
        (mf.TextEmbedder.__call__, EMBEDDING_CALL),
        (mf.ModelGateway, GATEWAY),
    ],
    ids=lambda each: getattr(each, "__qualname__", ""),
)
def test_help_lists_every_argument(documented, known):
    for name in known:
        assert name in documented.__doc__


def test_the_path_may_be_given_by_name():
    assert mf.Model.chat_completion(path="openai/gpt-4o", api_key="k").model_id == "gpt-4o"


def test_the_page_of_parameters_is_up_to_date():
    assert PAGE.read_text() == page(), "run: python -m tests.parameters_page"


# ---- functions


def tool(city: str) -> str:
    """Return the city."""
    return city


@pytest.mark.parametrize(
    "call",
    [
        lambda: mf.estimate_cost(5, "Hello"),
        lambda: mf.estimate_cost("openai/gpt-4o", "Hello", max_tokens="5"),
        lambda: mf.estimate_cost("openai/gpt-4o", "Hello", max_tokens=0),
        lambda: mf.estimate_cost("openai/gpt-4o", "Hello", system_prompt=5),
        lambda: mf.estimate_cost("openai/gpt-4o", "Hello", tool_schemas=5),
        lambda: mf.estimate_cost("openai/gpt-4o", 5),
        lambda: mf.count_tokens(5),
        lambda: mf.count_tokens("Hello", 5),
        lambda: mf.count_tokens("Hello", tool_schemas="now"),
        lambda: mf.count_tokens("Hello", system_prompt=5),
        lambda: mf.run_tools(5, "Hello", [tool]),
        lambda: mf.run_tools(print, "Hello", 5),
        lambda: mf.run_tools(print, "Hello", [5]),
        lambda: mf.run_tools(print, "Hello", [tool], max_rounds="5"),
        lambda: mf.run_tools(print, "Hello", [tool], max_rounds=0),
        lambda: mf.run_tools(print, 5, [tool]),
        lambda: mf.ResponseCache("5"),
        lambda: mf.ResponseCache(True),
        lambda: mf.ResponseCache(ttl_s="5"),
        lambda: mf.ResponseCache(ttl_s=math.inf),
        lambda: mf.ResponseCache(store=5),
        lambda: mf.ResponseCache(account=5),
        lambda: mf.ResponseCache(clock=5),
        lambda: mf.save({}, 5),
        lambda: mf.save({"a": object()}, "unused.json"),
        lambda: mf.load(None),
        lambda: mf.Model.from_serialized("openai", "chat_completion", 5),
        lambda: mf.ModelGateway.from_serialized(5),
        lambda: mf.ChatBlock(5, "Hello"),
        lambda: mf.ChatBlock.user(5),
        lambda: mf.ChatBlock.user("Hello", media=5),
        lambda: mf.ChatBlock.system(None),
        lambda: mf.ChatBlock.assistant(5),
        lambda: mf.ChatBlock.assistant("Hello", tool_calls="now"),
        lambda: mf.ChatBlock.tool(5, "18 C"),
        lambda: mf.ChatBlock.tool_call("1", 5, {}),
        lambda: mf.ChatBlock.text(5),
        lambda: mf.ChatBlock.image(5),
        lambda: mf.ChatBlock.video(None),
        lambda: mf.ChatBlock.audio(5),
        lambda: mf.ChatBlock.file(5),
        lambda: mf.ChatML(5),
        lambda: mf.ChatML(0),
        lambda: mf.ChatML().add_user_message(5),
        lambda: mf.ChatML().extend_history(5),
        lambda: search_profiles(5),
        lambda: search_profiles(sort="x"),
        lambda: search_profiles(status="stabel"),
        lambda: search_profiles(input_modalities="img"),
        lambda: search_profiles(output_modalities=5),
        lambda: search_profiles(provider="opnai"),
        lambda: search_profiles(provider=5),
        lambda: search_profiles(max_input_per_million="1"),
        lambda: search_profiles(min_context_tokens=-1),
        lambda: search_profiles(released_after="last year"),
    ],
)
def test_a_wrong_argument_of_a_function_is_an_error_of_the_library(call):
    with pytest.raises((InvalidRequestError, UnknownParameterError)):
        call()


def test_a_search_for_an_unknown_provider_suggests_one():
    with pytest.raises(UnknownProviderError, match="did you mean openai"):
        search_profiles(provider="opnai")


def test_tokens_are_counted_for_a_path_as_for_its_profile():
    profile = mf.models.profiles.get_model_profile("gpt-4o", "openai")
    assert mf.count_tokens("Hello!", "openai/gpt-4o") == mf.count_tokens("Hello!", profile)
    assert mf.estimate_cost(profile, "Hello!") == mf.estimate_cost("openai/gpt-4o", "Hello!")
