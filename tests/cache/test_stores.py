"""Stores that are full, damaged, foreign, old or gone: no answer is lost by it, and no wrong one is given."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import msgflux_like as mf
from msgflux_like.cache import Entry, answers
from msgflux_like.cache.entry import seal, unseal
from msgflux_like.cache.sqlite import SqliteStore
from msgflux_like.errors import CacheWarning, InvalidRequestError, NotInstalledError, StoreError
from msgflux_like.events import (
    Citation,
    Finished,
    Logprobs,
    Media,
    ProviderState,
    ReasoningDelta,
    RefusalDelta,
    Replied,
    ServerTool,
    Started,
    TextDelta,
    TokenLogprob,
    TokenUsage,
    ToolCallDelta,
)
from tests.provider import chat, whole

PATIENCE_S = 20.0
KILLS = int(os.environ.get("MSGFLUX_LIKE_TEST_KILLS", "40"))
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


def echo(request):
    return whole(chat(request.body["messages"][-1]["content"].upper()))


def stored(path: Path, **options) -> mf.ResponseCache:
    return mf.ResponseCache(store=path, **options)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "cache.sqlite"


@pytest.fixture
def asks(provider, model_of):
    """A model with that cache, its provider, and whether a question was answered from the cache."""

    def make(cache):
        server = provider(echo)
        model = model_of(server, cache=cache)
        return model, server, lambda text: model(text).metadata.cached

    return make


# ---- entries and answers as bytes

ENTRY = Entry("chat/1", 5.0, "openai", "gpt-4o", b"value")
KEY = bytes(range(32))


def test_an_entry_comes_back():
    assert unseal(KEY, seal(KEY, ENTRY)) == ENTRY


@pytest.mark.parametrize("at", range(len(seal(KEY, ENTRY))))
def test_an_entry_with_any_byte_changed_is_none(at):
    sealed = bytearray(seal(KEY, ENTRY))
    sealed[at] ^= 1
    assert unseal(KEY, bytes(sealed)) is None


def test_an_entry_that_is_torn_or_of_another_key_is_none():
    sealed = seal(KEY, ENTRY)
    assert [cut for cut in range(len(sealed)) if unseal(KEY, sealed[:cut]) is not None] == []
    assert unseal(bytes(32), sealed) is None
    assert unseal(KEY, sealed + b"\0") is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
COUNT = st.none() | st.integers(0, 2**40)
TOKEN = st.builds(
    TokenLogprob, st.text(), st.floats(-100, 0), st.none() | st.binary(), st.just((TokenLogprob("a", -1.0),))
)
EVENTS = st.lists(
    st.one_of(
        st.builds(Replied, st.text(), st.integers(1, 9)),
        st.builds(Started, st.text(), st.text()),
        st.builds(TextDelta, st.text()),
        st.builds(ReasoningDelta, st.text()),
        st.builds(RefusalDelta, st.text()),
        st.builds(ToolCallDelta, st.integers(0, 9), st.text(), st.text(), st.text()),
        st.builds(Logprobs, st.lists(TOKEN, max_size=2).map(tuple)),
        st.builds(TokenUsage, *[COUNT] * 6, st.none() | st.floats(0, 9), COUNT, COUNT),
        st.builds(Citation, st.text(), st.text(), JSON),
        st.builds(Media, st.sampled_from(["image", "audio"]), st.text(), st.text(), st.text()),
        st.builds(ServerTool, st.text(), JSON),
        st.builds(ProviderState, st.text(), JSON),
        st.builds(Finished, st.sampled_from(["stop", "length", "tool_calls"]), st.text()),
    ),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(EVENTS)
def test_all_events_come_back_in_their_order_as_what_they_were(events):
    found = answers.unpack(answers.pack(events))
    assert found == events
    assert [type(event) for event in found] == [type(event) for event in events]
    assert [event for batch in answers.pieces(events) for event in batch] == events


def test_an_answer_that_bytes_cannot_hold_is_not_kept():
    assert answers.pack([ProviderState("x", object())]) is None
    assert answers.pack([ProviderState("x", 2**70)]) is None


# ---- a file


def test_a_file_is_shared_by_caches_and_kept(provider, model_of, path):
    server = provider(echo)
    first, other = stored(path), stored(path)
    model_of(server, cache=first)("a")
    first.close()
    assert model_of(server, cache=other)("a").metadata.cached
    assert len(server.requests) == 1
    assert other.cache_info() == {"hits": 1, "misses": 0, "maxsize": 100_000, "currsize": 1}
    other.close()


def test_a_file_is_its_owners_alone(asks, path):
    _, _, ask = asks(stored(path / "deeper" / "c.sqlite"))
    ask("a")
    assert (path / "deeper" / "c.sqlite").stat().st_mode & 0o777 == 0o600
    assert {file.name for file in (path / "deeper").iterdir()} <= {"c.sqlite", "c.sqlite-wal", "c.sqlite-shm"}


def test_a_file_is_its_owners_alone_behind_a_link_too(asks, tmp_path):
    link, target = tmp_path / "link.sqlite", tmp_path / "far" / "c.sqlite"
    link.symlink_to(target)
    cache = stored(link)
    _, _, ask = asks(cache)
    assert [ask("a"), ask("a")] == [False, True]
    cache.close()
    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_file_can_lie_where_there_are_no_links(asks, path, monkeypatch):
    def link(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    cache = stored(path)
    _, _, ask = asks(cache)
    assert [ask("a"), ask("a")] == [False, True]
    cache.close()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_file_is_bounded_by_the_bytes_of_its_entries(path, clock):
    store = SqliteStore(path, None, None, clock, max_bytes=1000)
    for number in range(50):
        store.put(number.to_bytes(32, "big"), bytes(100))
    assert [int.from_bytes(key, "big") for key, _ in store.entries()] == list(range(40, 50))
    store.put(b"x" * 32, bytes(1001))
    assert store.get(b"x" * 32) is None
    assert store.count() == 10
    store.close()


def test_what_was_read_counts_as_used_in_the_file_too(path, clock):
    store = SqliteStore(path, 3, None, clock)
    for name in b"abc":
        store.put(bytes([name]) * 32, b"x")
    store.get(b"a" * 32)
    store.close()
    store = SqliteStore(path, 3, None, clock)
    store.put(b"d" * 32, b"x")
    assert [key[:1] for key, _ in store.entries()] == [b"c", b"a", b"d"]
    store.close()


def test_many_reads_are_one_write_now_and_then(path, clock):
    store = SqliteStore(path, None, None, clock)
    for number in range(300):
        store.put(number.to_bytes(32, "big"), b"x")
    for number in range(300):
        store.get(number.to_bytes(32, "big"))
    assert len(store._state().touched) == 300 - 256
    store.close()


def test_the_totals_are_right_whatever_is_done(path, clock):
    store = SqliteStore(path, 20, None, clock)
    choose = random.Random(1)
    for _ in range(300):
        key = bytes([choose.randrange(30)]) * 32
        choose.choice([lambda k: store.put(k, bytes(choose.randrange(50))), store.get, store.drop])(key)
    with sqlite3.connect(path) as db:
        counted = db.execute("SELECT count(*), coalesce(sum(bytes), 0) FROM entries_1").fetchone()
        assert db.execute("SELECT entries, bytes FROM total_1").fetchone() == counted
        assert db.execute("SELECT sum(length(data)) FROM entries_1").fetchone()[0] == counted[1]
    db.close()
    store.close()


def test_threads_share_a_file(path):
    cache = stored(path)
    errors = []

    def work(number):
        try:
            for each in range(50):
                key = bytes([number, each]) * 16
                cache._engine.put(key, "k", bytes([number]), "p", "m")
                assert cache._engine.get(key, "k") == bytes([number])
        except BaseException as error:  # noqa: BLE001  told below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert errors == []
    assert cache.cache_info().currsize == 400
    cache.close()


# ---- a file that is wrong


@pytest.mark.parametrize("damage", ["no database", "half of it", "zeros in the middle"])
def test_a_damaged_file_is_moved_aside_with_one_warning(asks, path, damage):
    cache = stored(path)
    _, _, ask = asks(cache)
    for number in range(100):
        cache._engine.put(number.to_bytes(32, "big"), "k", bytes(500), "p", "m")
    cache.close()
    content = path.read_bytes()
    if damage == "no database":
        path.write_bytes(b"what is this" * 1000)
    elif damage == "half of it":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.write_bytes(content[:4096] + bytes(8 * 4096) + content[9 * 4096 :])
    with pytest.warns(CacheWarning) as told:
        found = [ask("a"), ask("a")]
    assert found == [False, True]
    assert len(told) == 1
    aside = list(path.parent.glob("cache.sqlite.corrupt-*[0-9a-f]"))
    assert len(aside) == 1
    assert str(told[0].message) == (
        f"the cache file {path} is damaged: it was renamed to {aside[0]}, and a new one was created"
    )
    cache.close()


def test_somebodys_notes_are_not_moved(asks, tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("buy milk")
    _, server, ask = asks(stored(notes))
    with pytest.raises(InvalidRequestError, match="is not an SQLite file and was left alone"):
        ask("a")
    assert (notes.read_text(), server.requests) == ("buy milk", [])


def test_somebodys_database_is_not_written_to(asks, path):
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE customers (name TEXT)")
    db.close()
    before = path.read_bytes()
    _, server, ask = asks(stored(path))
    with pytest.raises(InvalidRequestError, match="is a database of another program"):
        ask("a")
    assert (path.read_bytes(), server.requests) == (before, [])


def test_an_entry_that_is_damaged_in_the_file_is_asked_for_anew(asks, path):
    cache = stored(path)
    _, _, ask = asks(cache)
    ask("a")
    with sqlite3.connect(path) as db:
        db.execute("UPDATE entries_1 SET data = substr(data, 1, length(data) - 1) || x'00'")
    db.close()
    assert [ask("a"), ask("a")] == [False, True]
    cache.close()


@pytest.mark.parametrize("kind", ["chat/00000000", "embedding/1", answers.KIND])
def test_an_entry_of_another_version_is_asked_for_anew(asks, cache_in, kind):
    """`answers.KIND` with a value that is none is what a mistake would leave."""
    cache = cache_in()
    model, _, ask = asks(cache)
    key = bytes.fromhex(model.plan("a").cache_key)
    cache._engine.put(key, kind, b"\x93\x01\x02\x03", "openai", "gpt-4o")
    assert [ask("a"), ask("a")] == [False, True]
    info = cache.cache_info()
    assert (info.hits, info.misses) == (1, 1)


def test_tables_of_another_version_are_left_alone(asks, path):
    cache = stored(path)
    _, _, ask = asks(cache)
    ask("a")
    with sqlite3.connect(path) as db:
        for name in ("entries", "salt", "total"):
            db.execute(f"ALTER TABLE {name}_1 RENAME TO {name}_2")
    db.close()
    cache.close()
    assert [ask("a"), ask("a")] == [False, True]
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM entries_2").fetchone() == (1,)
    db.close()
    cache.close()


def test_a_file_that_is_removed_is_begun_anew(asks, path):
    cache = stored(path)
    _, _, ask = asks(cache)
    ask("a")
    for file in path.parent.iterdir():
        file.unlink()
    assert [ask("a"), ask("a")] == [False, True]
    cache.close()


def test_a_full_disk_costs_no_answer(asks, path):
    cache = stored(path)
    model, _server, ask = asks(cache)
    ask("a")
    db = cache._store._state().file.db
    db.execute(f"PRAGMA max_page_count = {db.execute('PRAGMA page_count').fetchone()[0]}")
    with pytest.warns(CacheWarning, match="the cache is not used for now: .*database or disk is full") as told:
        assert model("b" * 50_000).consume() == "B" * 50_000
    assert len(told) == 1
    cache._engine._paused_until = 0.0
    assert ask("a")
    cache.close()


def test_a_folder_that_cannot_be_written_costs_no_answer(asks, tmp_path):
    (tmp_path / "file").write_text("")
    cache = stored(tmp_path / "file" / "c.sqlite")
    model, _, _ = asks(cache)
    with pytest.warns(CacheWarning, match="file/c.sqlite: File exists"):
        assert model("a").consume() == "A"


def test_a_file_that_becomes_somebodys_notes_in_between_costs_no_answer(path, provider, model_of):
    def reply(request):
        path.write_text("buy milk")
        return echo(request)

    path = path.with_suffix("")
    cache = stored(path)
    model = model_of(provider(reply), cache=cache)
    assert model("a").consume() == "A"
    with pytest.raises(InvalidRequestError, match="is not an SQLite file"):
        model("a")
    assert path.read_text() == "buy milk"
    cache.close()


# ---- a server


def test_a_server_keeps_answers_for_all_and_forgets_those_that_are_old(asks, redis):
    cache = mf.ResponseCache(store=redis.url, ttl_s=3600)
    model, _, ask = asks(cache)
    assert [ask("a"), ask("a")] == [False, True]
    name = b"msgflux-like:1:entry:" + model.plan("a").cache_key.encode()
    assert 3_500_000 < int(redis.ask(b"PTTL", name).strip()[1:]) <= 3_600_000
    redis.ask(b"SET", b"somebody", b"else")
    cache.cache_clear()
    assert redis.ask(b"EXISTS", b"somebody") == b":1\r\n"
    assert cache.cache_info() == {"hits": 0, "misses": 0, "maxsize": None, "currsize": 0}
    cache.close()


def test_all_users_of_a_server_have_one_salt(redis):
    caches = [mf.ResponseCache(store=redis.url) for _ in range(3)]
    assert len({cache._store.salt() for cache in caches}) == 1
    for cache in caches:
        cache.close()


def test_a_salt_that_the_server_let_go_of_comes_back_with_the_next_answer(asks, redis):
    """Salt is used less often than any entry: a server that is full takes it first."""
    here, elsewhere = (mf.ResponseCache(store=redis.url) for _ in range(2))
    _, _, ask = asks(here)
    ask("a")
    redis.ask(b"DEL", b"msgflux-like:1:salt")
    ask("b")
    assert elsewhere._store.salt() == here._store.salt()
    redis.empty()
    salt = mf.ResponseCache(store=redis.url)._store.salt()
    assert here._store.salt() != salt
    ask("c")
    assert here._store.salt() == salt  # another was first
    for cache in (here, elsewhere):
        cache.close()


def test_a_server_that_is_down_costs_no_answer_and_is_left_alone_for_a_while(asks, clock, colour):
    cache = mf.ResponseCache(store="redis://:hush@127.0.0.1:1/0", clock=clock)
    model, server, _ = asks(cache)
    with pytest.warns(CacheWarning) as told:
        said = [colour.ask(model, "a").consume() for clock.now in (0.0, 1.0, 9.0, 11.0)]
    assert said == ["A"] * 4
    assert [str(each.message) for each in told] == [
        "the cache is not used for now: redis://127.0.0.1:1/0: ConnectionError"
    ]
    assert len(server.requests) == 4
    assert cache.cache_info().currsize is None
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:1"):
        cache.cache_clear()


def test_a_server_needs_its_client(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(NotInstalledError, match=r"pip install \"msgflux-like\[redis\]\""):
        mf.ResponseCache(store="redis://127.0.0.1:1")


# ---- a store of one's own


class Own:
    blocks = False
    maxsize = None
    location = ""
    ttl_s = None

    def __init__(self) -> None:
        self.kept = {}
        self.broken = False

    def salt(self):
        return bytes(32)

    def get(self, key):
        return self.kept.get(key)

    def put(self, key, data):
        if self.broken:
            raise OSError("no space left on device")
        self.kept[key] = data

    def drop(self, key):
        self.kept.pop(key, None)

    def clear(self):
        self.kept.clear()

    def count(self):
        return len(self.kept)

    def entries(self):
        return iter(self.kept.items())

    def close(self):
        pass


def test_a_store_of_ones_own_keeps_answers(asks):
    store = Own()
    cache = mf.ResponseCache(store=store)
    _, _, ask = asks(cache)
    assert [ask("a"), ask("a")] == [False, True]
    assert cache.cache_info() == {"hits": 1, "misses": 1, "maxsize": None, "currsize": 1}
    with pytest.raises(InvalidRequestError, match="the store's own"):
        mf.ResponseCache(5, store=store)


def test_an_answer_that_cannot_be_kept_is_given_also_where_warnings_are_errors(asks, clock):
    """It is paid for: the warning comes with the next call, before that sends anything."""
    store = Own()
    store.broken = True
    model, server, _ = asks(mf.ResponseCache(store=store, clock=clock))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model("a").consume() == "A"
        with pytest.raises(CacheWarning, match="the cache is not used for now: OSError"):
            model("a")
        assert len(server.requests) == 1
        assert model("a").consume() == "A"


# ---- processes


@forks
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of a process with threads: it is what is tested
def test_a_forked_child_has_connections_and_locks_of_its_own(asks, cache_in):
    cache = cache_in()
    _model, _server, ask = asks(cache)
    ask("a")
    flying = cache._engine.flights.join(b"k" * 32, None, may_wait=True)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                role = cache._engine.flights.join(b"k" * 32, None, may_wait=True)
                seen = [ask("a"), ask("b"), ask("b"), role == flying]
            os.write(writing, repr(seen).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == b"[True, False, True, True]"
    os.waitpid(child, 0)
    assert ask("a")


WRITER = """
import sys
import msgflux_like as mf
cache = mf.ResponseCache(maxsize=200, store=sys.argv[1])
print(flush=True)
number = int(sys.argv[2])
while True:
    number += 1
    cache._engine.put(number.to_bytes(32, "big"), "k", (number % 251).to_bytes(1, "big") * 5000, "p", "m")
"""


def test_whatever_moment_a_writer_is_killed_at_only_whole_entries_are_there(path):
    """Two writers at once, killed and replaced; every entry that is found is what was written."""
    choose = random.Random(5)
    writers: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        command = [sys.executable, "-c", textwrap.dedent(WRITER), str(path), str(choose.randrange(10**6))]
        writers.append(subprocess.Popen(command, stdout=subprocess.PIPE))

    cache = stored(path, maxsize=200)
    start()
    start()
    for _ in range(KILLS):
        writer = writers.pop(0)
        assert writer.stdout.readline() == b"\n"
        before = cache.cache_info().currsize
        for _ in range(choose.randrange(400)):  # so long as it takes to look around
            cache._engine.get(bytes(32), "k")
        writer.send_signal(signal.SIGKILL)
        writer.wait(PATIENCE_S)
        writer.stdout.close()
        start()
        assert cache.cache_info().currsize >= min(before, 1)
        for key, entry in cache.entries():
            assert entry.value == (int.from_bytes(key, "big") % 251).to_bytes(1, "big") * 5000
    for writer in writers:
        writer.kill()
        writer.communicate()
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        total = db.execute("SELECT entries FROM total_1").fetchone()[0]
        assert total == db.execute("SELECT count(*) FROM entries_1").fetchone()[0] <= 200
        assert total > 0
    db.close()
    assert sorted(file.name for file in path.parent.glob("*.corrupt*")) == []
    cache.close()


def test_processes_that_begin_a_file_at_once_all_use_it(path):
    code = """
    import sys, warnings
    warnings.simplefilter("error")
    import msgflux_like as mf
    cache = mf.ResponseCache(store=sys.argv[1])
    sys.stdin.readline()
    cache._engine.put(bytes([int(sys.argv[2])]) * 32, "k", b"x", "p", "m")
    print(cache._store.salt().hex())
    """
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), str(path), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(8)
    ]
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    salts = {process.communicate(timeout=PATIENCE_S)[0] for process in processes}
    assert len(salts) == 1
    cache = stored(path)
    assert cache.cache_info().currsize == 8
    cache.close()


def test_an_event_loop_is_free_while_a_store_is_asked(provider, model_of):
    """The store answers only when something else of the loop has run."""
    free = threading.Event()

    class Slow(Own):
        blocks = True

        def get(self, key):
            assert free.wait(PATIENCE_S)
            return super().get(key)

        put = Own.put

    model = model_of(provider(echo), cache=mf.ResponseCache(store=Slow()))

    async def main():
        call = asyncio.ensure_future(model.acall("hi"))
        await asyncio.sleep(0)
        free.set()
        return (await call).consume()

    assert asyncio.run(main()) == "HI"
