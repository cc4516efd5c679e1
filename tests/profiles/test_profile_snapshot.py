from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
import tomllib
from datetime import date

import msgspec
import pytest
from small_catalogues import api, model, provider

from msgflux_like._paths import data_folder
from msgflux_like.catalog.profiles import SnapshotError, all_profiles
from msgflux_like.catalog.snapshot import main, read_api, read_catalogue, write_snapshot
from msgflux_like.catalog.snapshot_diff import EntryChange, FieldChange, diff_profiles
from msgflux_like.catalog.snapshot_reader import MAX_BYTES, Snapshot

SHIPPED = Snapshot(data_folder("profiles"))

# Not the catalogue's, but added to each record.
OURS = {"provider_id", "retired_on", "gone_by", "source"}


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_shipped_files_hold_the_whole_catalogue_byte_for_byte():
    source = tomllib.loads((data_folder("profiles") / "SOURCE.toml").read_text())
    whole = read_api(SHIPPED)
    assert hashlib.sha256(whole).hexdigest() == source["sha256"] == SHIPPED.index.sha256
    assert len(whole) == source["bytes"]
    assert source["source"] == "https://models.dev/api.json"
    assert source["licence"] == "MIT"
    assert source["newest_entry"] == SHIPPED.index.newest_entry
    assert source["models"] == sum(1 for _ in SHIPPED.models())
    assert source["providers"] == len(SHIPPED.index.providers)
    assert source["retired_models"] == sum(1 for _ in SHIPPED.retired_models())


def test_decoding_and_encoding_every_model_gives_the_same_json():
    for profile in all_profiles(retired=True):
        encoded = msgspec.json.decode(msgspec.json.encode(profile))
        for name in OURS:
            encoded.pop(name, None)
        raw = profile.raw
        # Only a size of 0 is not kept: it means that the size is not known.
        raw["limit"] = {name: size for name, size in raw["limit"].items() if size}
        assert encoded == raw, profile


def test_the_shipped_files_stay_small():
    sizes = {name: len(content) for name, content in files_of(data_folder("profiles")).items()}
    assert sum(sizes.values()) < 1_200_000
    assert sizes["_index.json.gz"] < 100_000
    assert sizes["openai.json.gz"] < 10_000


def test_writing_what_was_read_gives_the_same_files(tmp_path):
    write_snapshot(read_api(SHIPPED), tmp_path, retired=SHIPPED.retired_table())
    written, shipped = files_of(tmp_path), files_of(data_folder("profiles"))
    assert written.keys() == shipped.keys() - {"rules.toml"}  # rules are written by hand
    for name, content in written.items():
        if name.endswith(".gz"):  # packed by another zlib they may differ
            assert gzip.decompress(content) == gzip.decompress(shipped[name]), name
        else:
            assert content == shipped[name]


def test_the_same_catalogue_gives_the_same_bytes_and_no_time_is_in_them(tmp_path):
    content = api(provider("lab", model("one"), model("two")))
    for name in ("a", "b"):
        write_snapshot(content, tmp_path / name)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")
    assert (tmp_path / "a" / "lab.json.gz").read_bytes()[4:8] == bytes(4)


def test_models_that_left_are_kept_with_the_days_they_were_last_seen_and_first_missed(tmp_path):
    def at(day, *names, price=1):
        return api(
            provider("lab", *(model(name, last_updated=day, cost={"input": price, "output": 2}) for name in names))
        )

    write_snapshot(
        at("2026-04-01", "stays"),
        tmp_path,
        older=[
            at("2026-03-01", "stays", "late"),
            at("2026-01-01", "stays", "early", "late"),
            at("2026-02-01", "stays", "late", "back", price=3),
        ],
    )
    found = {profile.id: profile for profile in Snapshot(tmp_path).retired_models()}
    assert {name: (profile.retired_on, profile.gone_by) for name, profile in found.items()} == {
        "early": (date(2026, 1, 1), date(2026, 2, 1)),
        "back": (date(2026, 2, 1), date(2026, 3, 1)),
        "late": (date(2026, 3, 1), date(2026, 4, 1)),
    }
    assert found["back"].cost.input_per_million == 3

    # What the folder held before is kept as well; a model that is listed again is no longer retired.
    write_snapshot(at("2026-05-01", "back"), tmp_path)
    again = {profile.id: profile for profile in Snapshot(tmp_path).retired_models()}
    assert again.keys() == {"early", "late", "stays"}
    assert (again["stays"].retired_on, again["stays"].gone_by) == (date(2026, 4, 1), date(2026, 5, 1))
    assert again["early"] == found["early"]


def test_a_provider_that_left_takes_its_file_along_and_leaves_its_models(tmp_path):
    write_snapshot(api(provider("stays", model()), provider("leaves", model())), tmp_path)
    write_snapshot(api(provider("stays", model(last_updated="2026-11-01"))), tmp_path)
    assert not (tmp_path / "leaves.json.gz").exists()
    assert Snapshot(tmp_path).provider("leaves") is None
    assert Snapshot(tmp_path).retired_model("leaves", "one").retired_on == date(2026, 10, 1)


def test_preference_is_the_lab_then_a_price_then_the_name(tmp_path):
    def listing(provider_id, **fields):
        return provider(provider_id, model("m", canonical_model_id="lab/m", **fields))

    write_snapshot(
        api(listing("zeta"), listing("alpha", cost={"input": 0, "output": 0}), listing("beta"), listing("lab")),
        tmp_path,
    )
    assert list(Snapshot(tmp_path).listings("m")) == ["lab", "beta", "zeta", "alpha"]
    assert list(Snapshot(tmp_path).same("lab/m")) == [(name, "m") for name in ("lab", "beta", "zeta", "alpha")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "does not have the form of the catalogue"),
        (b"<html>", "does not have the form of the catalogue"),
        (b"[]", "does not have the form of the catalogue"),
        (b"{}", "lists no models"),
        (b"[" * 100_000, "does not have the form of the catalogue"),
        (b'{"a":' * 100_000, "does not have the form of the catalogue"),
        (b" " * (MAX_BYTES + 1), "bytes long; the maximum is"),
        (api(provider("lab", model()))[:-9], "does not have the form of the catalogue"),
        (api(provider("lab", model(cost={"input": -1, "output": 1}))), r"lab/one does not have .*>= 0.*cost.input"),
        (api(provider("lab", model(cost={"input": "free", "output": 1}))), r"lab/one does not have .*cost.input"),
        (api(provider("lab", model(limit={"context": -1, "output": 1}))), r"lab/one does not have .*limit.context"),
        (api(provider("lab", model(tool_call="yes"))), r"lab/one does not have .*tool_call"),
        (api(provider("lab", model(last_updated="yesterday"))), "has no date"),
        (api(provider("../lab", model())), "does not have the form of the catalogue"),
        (api(provider("_index", model())), "does not have the form of the catalogue"),
        (api(provider("lab", model("a\nb"))), "invalid id"),
        (api(provider("lab", model("x" * 300))), "invalid id"),
        (api(provider("lab", model(name="\x1b[2J"))), "escape sequence"),
        (api(provider("lab", model(), models={"two": model("one")})), "lab/two in the catalogue has another id"),
        (msgspec.json.encode({"lab": provider("other", model())}), "'lab' in the catalogue has another id"),
    ],
)
def test_a_catalogue_that_cannot_be_right_is_refused_and_the_folder_stays_as_it_was(tmp_path, content, message):
    write_snapshot(api(provider("lab", model())), tmp_path)
    before = files_of(tmp_path)
    with pytest.raises(SnapshotError, match=message):
        write_snapshot(content, tmp_path)
    assert files_of(tmp_path) == before


def test_fields_that_are_not_known_yet_are_kept_and_do_no_harm(tmp_path):
    new = model(smell="roses", status="emeritus", reasoning_options=[{"type": "mood", "scale": [1, 2]}])
    write_snapshot(api(provider("lab", new, invented=True)), tmp_path)
    profile = Snapshot(tmp_path).model("lab", "one")
    assert profile.raw == new
    assert profile.status == "emeritus"
    assert profile.reasoning_options[0].type == "mood"


def test_a_difference_names_what_came_left_and_changed():
    old = api(provider("lab", model("a"), model("b")), provider("old", model("x")))
    new = api(
        provider(
            "lab", model("a", cost={"input": 3, "output": 2}, knowledge="2026"), model("c"), api="https://elsewhere"
        ),
        provider("new", model("y")),
    )
    diff = diff_profiles(old, new)
    assert diff.added == ("lab/c", "new/y")
    assert diff.removed == ("lab/b", "old/x")
    assert diff.changed == (
        EntryChange("lab/a", (FieldChange("cost.input", 1, 3), FieldChange("knowledge", None, "2026"))),
    )
    assert (diff.providers_added, diff.providers_removed) == (("new",), ("old",))
    assert diff.providers_changed == (
        EntryChange("lab", (FieldChange("api", "https://lab.example/v1", "https://elsewhere"),)),
    )
    assert bool(diff) is True
    assert not diff_profiles(old, old)


def test_a_snapshot_differs_from_itself_in_nothing():
    assert not diff_profiles(SHIPPED, read_api(SHIPPED))


def test_the_command_writes_a_snapshot_and_says_what_is_in_it(tmp_path, capsys):
    (tmp_path / "older").mkdir()
    (tmp_path / "older" / "2025.json").write_bytes(api(provider("lab", model("gone", last_updated="2025-01-01"))))
    (tmp_path / "api.json").write_bytes(api(provider("lab", model())))
    folder = tmp_path / "snapshot"
    call = [str(tmp_path / "api.json"), "--into", str(folder), "--retired", str(tmp_path / "older")]
    assert main(call) == 0
    assert capsys.readouterr().out.startswith(f"{folder}: 1 models of 1 providers up to 2026-10-01, 1 retired, ")
    assert Snapshot(folder).retired_model("lab", "gone").retired_on == date(2025, 1, 1)
    assert main([str(tmp_path / "older"), "--into", str(folder)]) == 1
    assert "Is a directory" in capsys.readouterr().err


def test_the_command_can_be_run_as_a_module():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "msgflux_like.catalog.snapshot", "--help"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "--into FOLDER" in done.stdout


def test_a_checked_catalogue_tells_the_day_it_is_of():
    found = read_catalogue(api(provider("lab", model("a", last_updated="2026-08-09"), model("b", last_updated="2027"))))
    assert found.newest_entry == date(2026, 8, 9)
