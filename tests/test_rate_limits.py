"""Rate limits in the headers of a reply, in every provider's spelling; `_wire/rate_limits.py` names the sources."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

import msgflux_like as mf
from msgflux_like._wire.rate_limits import RateLimit, RateLimits, rate_limits_from
from msgflux_like.testing import FakeProvider, FakeReply
from tests.conversations import unhurried
from tests.provider import chat

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp()
IN_A_MINUTE = "2026-11-28T12:01:00Z"


def limits(headers: dict[str, str]) -> set[RateLimit]:
    found = rate_limits_from(headers, NOW)
    return set(found.every) if found else set()


SPELLINGS: dict[str, tuple[dict[str, str], set[RateLimit]]] = {
    "OpenAI": (
        {
            "x-ratelimit-limit-requests": "60",
            "x-ratelimit-limit-tokens": "150000",
            "x-ratelimit-remaining-requests": "59",
            "x-ratelimit-remaining-tokens": "149984",
            "x-ratelimit-reset-requests": "120ms",
            "x-ratelimit-reset-tokens": "6m0s",
        },
        {RateLimit("requests", "", 60, 59, 0.12), RateLimit("tokens", "", 150000, 149984, 360)},
    ),
    "OpenAI, of the organization and of the project": (
        {
            "x-ratelimit-limit-tokens": "1000",
            "x-ratelimit-remaining-tokens": "900",
            "x-ratelimit-limit-project-tokens": "500",
            "x-ratelimit-remaining-project-tokens": "100",
            "x-ratelimit-limit-tokens_usage_based": "7",
        },
        {RateLimit("tokens", "", 1000, 900), RateLimit("tokens", "", 500, 100)},
    ),
    "Groq": (
        {
            "retry-after": "2",
            "x-ratelimit-limit-requests": "14400",
            "x-ratelimit-limit-tokens": "18000",
            "x-ratelimit-remaining-requests": "14370",
            "x-ratelimit-remaining-tokens": "17997",
            "x-ratelimit-reset-requests": "2m59.56s",
            "x-ratelimit-reset-tokens": "7.66s",
        },
        {RateLimit("requests", "", 14400, 14370, 179.56), RateLimit("tokens", "", 18000, 17997, 7.66)},
    ),
    "Azure": (
        {
            "x-ratelimit-limit-requests": "100",
            "x-ratelimit-remaining-requests": "99",
            "x-ratelimit-reset-requests": "10",
            "x-ratelimit-remaining-tokens": "99000",
        },
        {RateLimit("requests", "", 100, 99, 10), RateLimit("tokens", "", None, 99000)},
    ),
    "Anthropic": (
        {
            f"anthropic-ratelimit-{unit}-{fact}": value
            for unit in ("requests", "tokens", "input-tokens", "output-tokens")
            for fact, value in (("limit", "50"), ("remaining", "49"), ("reset", IN_A_MINUTE))
        },
        {RateLimit(unit, "", 50, 49, 60) for unit in ("requests", "tokens", "input_tokens", "output_tokens")},
    ),
    "Anthropic, of a subscription": (
        {"anthropic-ratelimit-unified-reset": str(int(NOW) + 60), "anthropic-ratelimit-unified-5h-reset": "1"},
        set(),
    ),
    "Mistral": (
        {
            "x-ratelimit-limit-req-minute": "60",
            "x-ratelimit-remaining-req-minute": "59",
            "x-ratelimit-limit-tokens-minute": "500000",
            "x-ratelimit-remaining-tokens-minute": "499000",
            "x-ratelimit-limit-tokens-month": "1000000000",
            "x-ratelimit-remaining-tokens-month": "999000000",
            "x-ratelimit-tokens-query-cost": "17",
        },
        {
            RateLimit("requests", "minute", 60, 59),
            RateLimit("tokens", "minute", 500000, 499000),
            RateLimit("tokens", "month", 1e9, 999e6),
        },
    ),
    "Mistral, older": (
        {
            "ratelimitbysize-limit": "500000",
            "ratelimitbysize-remaining": "499983",
            "ratelimitbysize-reset": "46",
            "ratelimitbysize-query-cost": "17",
            "x-ratelimitbysize-limit-minute": "500000",
            "x-ratelimitbysize-remaining-minute": "499983",
        },
        {RateLimit("tokens", "", 500000, 499983, 46), RateLimit("tokens", "minute", 500000, 499983)},
    ),
    "Cohere's trial keys": (
        {
            "x-trial-endpoint-call-limit": "40",
            "x-trial-endpoint-call-remaining": "39",
            "x-endpoint-monthly-call-limit": "1000",
        },
        {RateLimit("requests", "", 40, 39), RateLimit("requests", "month", 1000)},
    ),
    "OpenRouter": (
        {
            "x-ratelimit-limit": "20",
            "x-ratelimit-remaining": "19",
            "x-ratelimit-reset": str(int(NOW * 1000) + 30_000),
        },
        {RateLimit("requests", "", 20, 19, 30)},
    ),
    "seconds since 1970": ({"x-ratelimit-reset": str(int(NOW) + 30)}, {RateLimit("requests", "", None, None, 30)}),
    "Together": (
        {
            "x-ratelimit-limit": "10",
            "x-ratelimit-remaining": "9",
            "x-ratelimit-reset": "1",
            "x-tokenlimit-limit": "3000",
            "x-tokenlimit-remaining": "2900",
        },
        {RateLimit("requests", "", 10, 9, 1), RateLimit("tokens", "", 3000, 2900)},
    ),
    "Fireworks": (
        {
            "x-ratelimit-limit-requests": "600",
            "x-ratelimit-remaining-requests": "599",
            "x-ratelimit-limit-tokens-prompt": "60000",
            "x-ratelimit-remaining-tokens-prompt": "59990",
            "x-ratelimit-limit-tokens-generated": "6000",
            "x-ratelimit-remaining-tokens-generated": "5999",
            "x-ratelimit-over-limit": "no",
        },
        {
            RateLimit("requests", "", 600, 599),
            RateLimit("input_tokens", "", 60000, 59990),
            RateLimit("output_tokens", "", 6000, 5999),
        },
    ),
    "Cerebras": (
        {
            "x-ratelimit-limit-requests-day": "1000000000",
            "x-ratelimit-limit-tokens-minute": "1000000000",
            "x-ratelimit-remaining-requests-day": "999997455",
            "x-ratelimit-remaining-tokens-minute": "999998298",
            "x-ratelimit-reset-requests-day": "33011.382867097855",
            "x-ratelimit-reset-tokens-minute": "11.382867097854614",
        },
        {
            RateLimit("requests", "day", 1e9, 999997455, 33011.382867097855),
            RateLimit("tokens", "minute", 1e9, 999998298, 11.382867097854614),
        },
    ),
    "Nous": (
        {"x-ratelimit-limit-requests": "10", "x-ratelimit-limit-requests-1h": "100"},
        {RateLimit("requests", "", 10), RateLimit("requests", "hour", 100)},
    ),
    "IETF": (
        {"ratelimit-limit": "100, 100;w=60", "ratelimit-remaining": "50", "ratelimit-reset": "5"},
        {RateLimit("requests", "", 100, 50, 5)},
    ),
    "IETF, one field": ({"ratelimit": "limit=100, remaining=50, reset=5"}, {RateLimit("requests", "", 100, 50, 5)}),
    "IETF, structured": (
        {
            "ratelimit-policy": '"burst";q=100;w=60,"daily";q=1000;w=86400',
            "ratelimit": '"burst";r=50;t=30, "daily";r=900;t=4000',
        },
        {RateLimit("requests", "minute", 100, 50, 30), RateLimit("requests", "day", 1000, 900, 4000)},
    ),
    "IETF, structured, in the other order": (
        {"ratelimit": '"default";r=50;t=30', "ratelimit-policy": '"default";q=100;w=3600'},
        {RateLimit("requests", "hour", 100, 50, 30)},
    ),
    "Hugging Face": (
        {"ratelimit": '"api";r=489;t=189', "ratelimit-policy": '"fixed window";"api";q=500;w=300'},
        {RateLimit("requests", "", 500, 489, 189)},
    ),
    "none": ({"content-type": "application/json", "x-request-id": "9"}, set()),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_the_limits_of_a_provider_are_read(name: str):
    headers, expected = SPELLINGS[name]
    assert limits(headers) == expected
    assert limits(dict(reversed(headers.items()))) == expected


SPANS = {"1s": 1, "6m0s": 360, "1h2m3.5s": 3723.5, "120ms": 0.12, "5us": 5e-6, "5µs": 5e-6, "5Âµs": 5e-6, "2d": 172800}


@pytest.mark.parametrize("text", SPANS)
def test_a_span_is_read(text: str):
    (found,) = limits({"x-ratelimit-reset-tokens": text})
    assert found.reset_s == pytest.approx(SPANS[text])


DATES = ["2026-11-28T12:01:00Z", "2026-11-28T13:01:00+01:00", "2026-11-28T12:01:00", "2026-11-28T12:01:00.000000Z"]


@pytest.mark.parametrize("text", DATES)
def test_a_date_is_counted_from_the_reply(text: str):
    assert limits({"anthropic-ratelimit-requests-reset": text}) == {RateLimit("requests", "", None, None, 60)}


@pytest.mark.parametrize("text", ["2026-11-28T11:00:00Z", str(int(NOW) - 5), str(int(NOW * 1000) - 5)])
def test_what_is_over_is_full_now(text: str):
    assert limits({"x-ratelimit-reset-requests": text}) == {RateLimit("requests", "", None, None, 0.0)}


@pytest.mark.parametrize("text", [IN_A_MINUTE, str(int(NOW)), str(int(NOW * 1000))])
def test_a_point_in_time_is_left_out_when_the_time_of_the_reply_is_unknown(text: str):
    assert rate_limits_from({"x-ratelimit-reset-requests": text}) is None


WRONG = ["", " ", "-1", "-5s", "nan", "inf", "-inf", "Infinity", "many", "1_0", "٣", "9" * 400, "1e400", "1e30", "0x10"]
WRONG_RESETS = [
    "soon",
    "5 m",
    "in 5m",
    "5m!",
    "9" * 50 + "d",
    "9" * 400 + "s",
    "2026-13-45T00:00:00Z",
    "9999-12-31T23:59:59Z",
]


@pytest.mark.parametrize("fact", ["limit", "remaining", "reset"])
@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_number_is_left_out(text: str, fact: str):
    assert rate_limits_from({f"x-ratelimit-{fact}-requests": text}, NOW) is None
    assert limits({f"x-ratelimit-{fact}-requests": text, "x-ratelimit-limit-tokens": "7"}) == {
        RateLimit("tokens", "", 7)
    }


@pytest.mark.parametrize("text", WRONG_RESETS)
def test_a_wrong_reset_is_left_out(text: str):
    assert rate_limits_from({"x-ratelimit-reset-requests": text}, NOW) is None


@pytest.mark.parametrize("text", ["", '"a"', '"a";r=-1', '"a";r=1.2.3', ";;;,,,", '"a', "limit=", '"a";q=' + "9" * 400])
def test_a_wrong_structured_field_is_left_out(text: str):
    assert rate_limits_from({"ratelimit": text, "ratelimit-policy": text}, NOW) is None


def test_the_tightest_window_counts():
    found = rate_limits_from(
        {
            "x-ratelimit-remaining-tokens-day": "4",
            "x-ratelimit-remaining-tokens-minute": "100",
            "x-ratelimit-limit-tokens-month": "9",
        }
    )
    assert found is not None
    assert found.tokens == RateLimit("tokens", "day", None, 4)
    assert len(found.every) == 3
    assert (found.requests, found.input_tokens, found.output_tokens) == (None, None, None)


PARTS = [
    "x",
    "ratelimit",
    "rate",
    "limit",
    "anthropic",
    "reset",
    "remaining",
    "requests",
    "tokens",
    "input",
    "minute",
    "1h",
]
NAMES = st.sampled_from(
    ["ratelimit", "ratelimit-policy", *(name for headers, _ in SPELLINGS.values() for name in headers)]
)
ANY_NAME = NAMES | st.lists(st.sampled_from(PARTS), max_size=6).map("-".join) | st.text(max_size=20)
VALUES = (
    st.text(max_size=40)
    | st.text('0123456789.,;:="-+eEsmhdTZqrtw µ', max_size=40)
    | st.from_regex(r"[0-9]{1,30}[a-zµ]{0,3}")
)


@unhurried
@given(st.dictionaries(ANY_NAME, VALUES), st.floats(0, 2e9))
def test_any_headers_can_be_read(headers: dict[str, str], received_at: float):
    found = rate_limits_from(headers, received_at)
    if found is None:
        return
    assert isinstance(found, RateLimits)
    for each in found.every:
        numbers = [number for number in (each.limit, each.remaining, each.reset_s) if number is not None]
        assert numbers
        assert all(0 <= number <= 1e15 for number in numbers)
    assert found.requests or found.tokens or found.input_tokens or found.output_tokens


def test_a_response_counts_from_the_time_of_its_reply():
    headers = {"anthropic-ratelimit-requests-reset": datetime.fromtimestamp(2e9, UTC).isoformat()}
    model = mf.Model.chat_completion(
        "openai/gpt-4o", api_key="k", http_client=FakeProvider(FakeReply.whole(chat(), headers=headers))
    )
    before = time.time()
    limit = model("q").rate_limits.requests
    assert before - 1 <= 2e9 - limit.reset_s <= time.time() + 1
