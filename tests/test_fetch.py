"""One GET or POST, and the refresh of the profiles that it serves."""

from __future__ import annotations

import gzip
import itertools
import os
import socket
import ssl
import subprocess
import sys
import threading
import zlib
from datetime import UTC, datetime

import msgspec
import pytest
import trustme

from msgflux_like._http.fetch import fetch
from msgflux_like._paths import cache_folder
from msgflux_like.catalog import profiles
from msgflux_like.catalog.active_snapshot import CURRENT, RefreshedSnapshot
from msgflux_like.catalog.profiles import get_model_profile, snapshot_info
from msgflux_like.catalog.snapshot import write_snapshot
from msgflux_like.errors import (
    APIConnectionError,
    APITimeoutError,
    BadReplyError,
    InvalidRequestError,
    RedirectError,
    SnapshotError,
)
from msgflux_like.models.profiles import refresh_profiles
from tests.profiles import small_catalogues
from tests.provider import Provider, Reply

OLDER = small_catalogues.api(small_catalogues.provider("openai", small_catalogues.model("gpt-4o", name="GPT-4o")))
NEWER = OLDER.replace(b'"name":"GPT-4o"', b'"name":"GPT-4o, renamed"')


@pytest.fixture(autouse=True)
def own_settings(monkeypatch, tmp_path):
    """No proxies, and a cache folder of the test's own."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MSGFLUX_LIKE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("MSGFLUX_LIKE_PROFILES_URL", raising=False)
    profiles.reload_profiles()
    yield
    profiles.reload_profiles()


def answer(*pieces, status=200, framing="length", **headers) -> Reply:
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, pieces, framing=framing)


def packed(*pieces, **more) -> Reply:
    return answer(*pieces, content_encoding="gzip", **more)


# ---- one GET


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_status_headers_and_body_come_back_however_the_body_is_framed(provider, framing):
    server = provider(answer(b"some ", b"text", framing=framing, ETag='"1"'))
    status, headers, body = fetch(f"{server.base_url}/api.json?a=b", {"accept": "text/plain"})
    assert (status, headers["etag"], body) == (200, '"1"', b"some text")
    sent = server.requests[0]
    assert (sent.path, sent.raw, sent.headers["accept"]) == ("/v1/api.json?a=b", b"", "text/plain")
    assert not {"content-length", "authorization", "cookie"} & sent.headers.keys()


def test_a_body_is_posted(provider):
    server = provider(answer(b"done"))
    headers = {"content-type": "application/json"}
    assert fetch(server.base_url, headers, body=b'{"name": 1}')[::2] == (200, b"done")
    [sent] = server.requests
    assert (sent.body, sent.headers["content-length"], sent.headers["content-type"]) == (
        {"name": 1},
        "11",
        "application/json",
    )
    assert fetch(server.base_url, {}, body=b"")[0] == 200
    assert server.requests[1].headers["content-length"] == "0"


@pytest.mark.parametrize("status", [304, 404, 500])
def test_any_other_status_is_an_answer_too(provider, status):
    server = provider(answer(status=status, etag='"1"'))
    assert fetch(server.base_url, {"if-none-match": '"1"'})[::2] == (status, b"")
    assert server.requests[0].headers["if-none-match"] == '"1"'


def test_a_packed_body_is_unpacked(provider):
    text = b"some text" * 100_000
    server = provider(packed(gzip.compress(text)))
    assert fetch(server.base_url, {})[2] == text
    assert server.requests[0].headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (answer(b"a" * 101), "the reply is longer than 100 bytes"),
        (answer(b"a" * 101, framing="close"), "the reply is longer than 100 bytes"),
        (answer(*[b"a"] * 101, framing="chunked"), "the reply is longer than 100 bytes"),
        (answer(framing="close", content_length="9" * 15), "the reply is longer than 100 bytes"),
        (packed(gzip.compress(bytes(50_000_000))), "the reply is longer than 100 bytes"),
        (packed(gzip.compress(b"text")[:-3]), "the reply cannot be decompressed: it is cut short"),
        (packed(gzip.compress(b"text") + b"more"), "the reply cannot be decompressed: something follows its end"),
        (packed(b"text"), "the reply cannot be decompressed: Error -3"),
        (packed(zlib.compress(b"text")), "the reply cannot be decompressed: Error -3"),
        (answer(b"text", content_encoding="br"), "the reply is compressed with 'br', which was not asked for"),
    ],
)
def test_a_body_too_long_or_packed_badly_is_refused(provider, reply, message):
    with pytest.raises(BadReplyError, match=message):
        fetch(provider(reply).base_url, {}, max_bytes=100)


def test_a_body_without_an_end_is_not_read_to_it(provider):
    server = provider(Reply(pieces=itertools.repeat(b"a" * 1000)))
    with pytest.raises(BadReplyError, match="longer than 5000 bytes"):
        fetch(server.base_url, {}, max_bytes=5000)
    assert server.hung_up.wait(20)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "place"),
    [
        ("https://elsewhere.example/a.json?token=sesame", "https://elsewhere.example/a.json"),
        ("/b.json", "http://127.0.0.1/b.json"),
        ("http://[", "an invalid URL"),
    ],
)
def test_a_redirect_is_not_followed_and_its_place_is_told(provider, status, location, place):
    server = provider(answer(b"", status=status, location=location))
    with pytest.raises(RedirectError) as caught:
        fetch(server.base_url, {})
    assert str(caught.value) == (
        f"127.0.0.1 redirects to {place}, and redirects are not followed: use the final address "
        f"(127.0.0.1, HTTP {status})"
    )
    assert len(server.requests) == 1


@pytest.mark.parametrize("pieces", [[threading.Event()], [b"a", threading.Event()]], ids=["at once", "in the middle"])
def test_a_server_that_falls_silent_is_left(provider, pieces):
    server = provider(Reply(pieces=pieces))
    with pytest.raises(APITimeoutError, match=r"longer than 0\.1 s") as caught:
        fetch(server.base_url, {}, timeout_s=0.1)
    assert caught.value.phase == "total"
    assert server.hung_up.wait(20)


def test_a_server_that_never_answers_is_left():
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        pytest.raises(APITimeoutError, match=r"longer than 0\.1 s"),
    ):
        fetch(f"http://127.0.0.1:{listener.getsockname()[1]}/", {}, timeout_s=0.1)


def test_the_time_is_for_the_whole_body_and_not_for_each_piece(provider):
    server = provider(Reply(pieces=itertools.repeat(b"a")))
    with pytest.raises(APITimeoutError, match=r"longer than 0\.2 s"):
        fetch(server.base_url, {}, timeout_s=0.2)
    assert server.hung_up.wait(20)


def test_the_time_is_for_the_whole_head_as_well():
    """One letter of the head after the other, and never its end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(0.02)  # the pace: a read that nothing will answer
                connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
                while True:
                    try:
                        connection.sendall(b"a")
                        if not connection.recv(1000):
                            return
                    except TimeoutError:
                        continue
                    except OSError:
                        return

        server = threading.Thread(target=drip)
        server.start()
        with pytest.raises(APITimeoutError, match=r"longer than 0\.2 s"):
            fetch(f"http://127.0.0.1:{listener.getsockname()[1]}/", {}, timeout_s=0.2)
        server.join(20)
        assert not server.is_alive()


def test_a_body_that_breaks_off_is_no_body(provider):
    server = provider(Reply(pieces=[b"some"], cut=True))
    with pytest.raises(APIConnectionError, match="the connection failed"):
        fetch(server.base_url, {})


def test_nobody_listening_is_a_failure_of_the_connection():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(APIConnectionError, match="the connection failed"):
        fetch(f"http://127.0.0.1:{port}/", {})


@pytest.mark.parametrize(
    "url",
    ["", "x", "/x", "ftp://h/x", "file:///etc/passwd", "https://", "https://h:x/", "https://h/ä", "https://h/a b"],
)
def test_what_is_no_url_is_not_fetched(url):
    with pytest.raises(InvalidRequestError, match="only an http or https URL can be fetched"):
        fetch(url, {})


def test_a_password_in_a_url_is_refused_and_not_repeated():
    with pytest.raises(InvalidRequestError) as caught:
        fetch("https://me:sesame@h.example/", {})
    assert str(caught.value) == "a URL to fetch must not hold a user name or a password"


def test_the_proxy_of_the_environment_is_asked(provider, monkeypatch):
    proxy = provider(answer(b"by proxy"))
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    assert fetch("http://profiles.example/api.json", {})[2] == b"by proxy"
    assert proxy.requests[0].path == "http://profiles.example/api.json"
    assert proxy.requests[0].headers["host"] == "profiles.example"


def test_tls_is_used_and_checked(tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    source = "import sys\nfrom msgflux_like._http.fetch import fetch\nprint(fetch(sys.argv[1], {})[2])"
    with Provider(answer(b"text"), tls=context) as server:
        trusting, doubting = (
            subprocess.run(
                [sys.executable, "-X", "dev", "-W", "error", "-c", source, server.base_url],
                env={**os.environ, "SSL_CERT_FILE": str(tmp_path / file)},
                capture_output=True,
                text=True,
                check=False,
            )
            for file in ("ca.pem", "other.pem")
        )
    assert (trusting.stderr, trusting.stdout) == ("", "b'text'\n")
    assert "certificate verify failed" in doubting.stderr
    assert len(server.requests) == 1, "nothing is sent to a server that is not trusted"


# ---- the refresh


@pytest.fixture
def catalogue(provider, monkeypatch):
    """Serve these replies where profiles are fetched from by default; `OLDER` was fetched before."""
    folder = cache_folder() / "profiles"
    written = folder / ("0" * 16)
    write_snapshot(OLDER, written, source="https://older.example/api.json")
    current = RefreshedSnapshot(written.name, datetime.now(UTC).date(), "https://older.example/api.json")
    (folder / CURRENT).write_bytes(msgspec.json.encode(current))

    def start(*replies):
        server = provider(*replies)
        monkeypatch.setenv("MSGFLUX_LIKE_PROFILES_URL", f"{server.base_url}/api.json")
        return server

    return start


def test_a_refresh_needs_no_arguments_and_asks_for_newer_ones_only(catalogue):
    server = catalogue(packed(gzip.compress(NEWER), etag='"1"'), answer(status=304))
    assert refresh_profiles().changed is True
    assert get_model_profile("gpt-4o", "openai").name == "GPT-4o, renamed"
    assert refresh_profiles().changed is False
    assert [request.headers.get("if-none-match") for request in server.requests] == [None, '"1"']
    assert get_model_profile("gpt-4o", "openai").name == "GPT-4o, renamed"


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (answer(b"<html>Welcome to the hotel</html>"), SnapshotError),
        (answer(NEWER[:-10]), SnapshotError),
        (packed(gzip.compress(NEWER)[:-10]), BadReplyError),
        (answer(status=500), SnapshotError),
        (answer(status=302, location="https://elsewhere.example/"), RedirectError),
        (Reply(pieces=[NEWER[:100]], cut=True), APIConnectionError),
    ],
    ids=["no catalogue", "cut short", "packed and cut short", "status", "redirect", "broken off"],
)
def test_what_is_bad_is_refused_and_what_was_fetched_before_stays(catalogue, bad, error):
    catalogue(answer(NEWER, etag='"1"'), bad)
    refresh_profiles()
    with pytest.raises(error):
        refresh_profiles()
    assert snapshot_info().refreshed is True
    assert get_model_profile("gpt-4o", "openai").name == "GPT-4o, renamed"


def test_looking_something_up_brings_no_network_along():
    source = (
        "import sys\nfrom msgflux_like.models import profiles as p\np.get_model_profile('gpt-4o')\nprint(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", source], check=True, capture_output=True, text=True)
    assert not {"socket", "ssl", "httpcore2", "msgflux_like._http"} & set(done.stdout.split())
