"""Fetching sets from a server that behaves like Kaggle, and what is done with its refusals."""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import naturalist as package
import tiny
from catalogue.hosts import Host, serving, zipped
from cli.conftest import Naturalist, naturalist
from naturalist import catalogue
from naturalist.catalogue import FetchOptions
from naturalist.config import load_config
from naturalist.errors import ConfigError, StoreError
from own_certificate import tls

__all__ = ["naturalist"]

HANDLE = "alessiocorrado99/animals10"
PATIENCE = {"pause_s": 0.0}


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Host]:
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "no-kaggle"))
    pictures = tmp_path / "pictures"
    for seed in range(4):
        tiny.write_picture(
            pictures / "raw-img" / ("cane" if seed % 2 else "gatto") / f"{seed}.png", seed
        )
    with serving() as server:
        server.sets[HANDLE] = [zipped(pictures)]
        monkeypatch.setenv("KAGGLE_API_ENDPOINT", server.url)
        yield server


def fetch(tmp_path: Path, name: str = "animals10", *, newest: bool = False):
    options = FetchOptions(tmp_path / "sets", newest=newest, pause_s=0)
    return catalogue.fetch(catalogue.resolve(name, "animal"), options)


def test_a_set_comes_as_its_archive_with_a_record_of_what_it_is(host: Host, tmp_path: Path) -> None:
    done = fetch(tmp_path)
    assert done.path == tmp_path / "sets" / "animal" / "alessiocorrado99+animals10.zip"
    assert done.path.read_bytes() == host.sets[HANDLE][0]
    record = json.loads((done.path.parent / f"{done.path.name}.json").read_text())
    assert record["sha256"] == hashlib.sha256(host.sets[HANDLE][0]).hexdigest()
    assert (record["version"], record["licence"]) == ("1", "CC0-1.0")


def test_what_is_here_is_not_fetched_again(host: Host, tmp_path: Path) -> None:
    fetch(tmp_path)
    asked = len(host.asked)
    assert not fetch(tmp_path).is_new
    assert len(host.asked) == asked
    assert not fetch(tmp_path, newest=True).is_new
    assert len(host.paths("/storage/")) == 1


def test_a_new_version_takes_the_place_of_the_old_one(host: Host, tmp_path: Path) -> None:
    before = fetch(tmp_path)
    tiny.write_picture(tmp_path / "pictures" / "raw-img" / "cane" / "9.png", 9)
    host.sets[HANDLE].append(zipped(tmp_path / "pictures"))
    after = fetch(tmp_path, newest=True)
    assert (after.is_new, after.record.version, after.path) == (True, "2", before.path)
    assert after.path.read_bytes() == host.sets[HANDLE][1]


def test_a_download_that_breaks_off_goes_on_where_it_was(host: Host, tmp_path: Path) -> None:
    host.cuts = [100, 200]
    fetch(tmp_path)
    ranges = [h.get("Range") for path, h in host.asked if "/storage/" in path]
    assert ranges == [None, "bytes=100-", "bytes=300-"]


def test_a_busy_server_is_asked_again(host: Host, tmp_path: Path) -> None:
    host.statuses = [429, 503]
    assert fetch(tmp_path).is_new
    assert len(host.paths("/storage/")) == 3


def test_a_busy_server_is_asked_again_for_the_description_too(host: Host, tmp_path: Path) -> None:
    host.busy = ["0", "0"]
    assert fetch(tmp_path).is_new
    assert len(host.paths("/view/")) == 3
    host.busy = ["3600"]
    with pytest.raises(StoreError, match="asks to wait 3,600 s"):
        fetch(tmp_path, newest=True)


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        ("token", "401 .*KAGGLE_API_TOKEN"),
        ("gated", "403 .*accept its rules first"),
        ("gone", "404 .*renamed, withdrawn"),
    ],
)
def test_refusals_say_what_to_do(host: Host, tmp_path: Path, trouble: str, message: str) -> None:
    if trouble == "token":
        host.token = "Bearer right"
    elif trouble == "gated":
        host.gated.add(HANDLE)
    else:
        host.sets.clear()
    with pytest.raises(StoreError, match=message):
        fetch(tmp_path)
    assert catalogue.records(tmp_path / "sets") == []


def test_a_token_is_sent_to_kaggle_and_not_to_its_storage(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.token = "Bearer secret"
    monkeypatch.setenv("KAGGLE_API_TOKEN", "secret")
    fetch(tmp_path)
    assert all("Authorization" not in h for path, h in host.asked if "/storage/" in path)


def test_a_key_is_found_where_kaggle_puts_it(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.token = "Basic " + base64.b64encode(b"me:key").decode()
    (tmp_path / "kaggle.json").write_text('{"username": "me", "key": "key"}')
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path))
    assert fetch(tmp_path).is_new


def test_white_space_around_a_token_is_not_sent(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.token = "Bearer secret"
    monkeypatch.setenv("KAGGLE_API_TOKEN", " secret\n")
    assert fetch(tmp_path).is_new


@pytest.mark.parametrize("variable", ["KAGGLE_API_TOKEN", "KAGGLE_KEY"])
@pytest.mark.parametrize("secret", ["hid\nden", "hid\u00e9den", "hid\x7fden"])
def test_a_token_that_cannot_be_sent_is_refused_and_not_shown(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, secret: str
) -> None:
    monkeypatch.setenv("KAGGLE_USERNAME", "me")
    monkeypatch.setenv(variable, secret)
    with pytest.raises(ConfigError, match=variable) as caught:
        fetch(tmp_path)
    assert "hid" not in str(caught.value)
    assert host.asked == []


@pytest.mark.parametrize("endpoint", ["garbage", "http://[::1", "http://h:port", "ftp://h", "//h"])
def test_an_endpoint_that_is_no_address_is_named(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setenv("KAGGLE_API_ENDPOINT", endpoint)
    with pytest.raises(ConfigError, match="KAGGLE_API_ENDPOINT"):
        fetch(tmp_path)


@pytest.mark.parametrize(
    ("instead", "message"),
    [
        (b"<!doctype html><title>Sign in</title>" * 20, "a web page"),
        (b"hello", "no archive"),
        (None, "a broken zip"),
    ],
)
def test_what_is_no_archive_is_not_kept(
    host: Host, tmp_path: Path, instead: bytes | None, message: str
) -> None:
    host.instead = instead or host.sets[HANDLE][0][:-30]
    with pytest.raises(StoreError, match=message):
        fetch(tmp_path)
    folder = tmp_path / "sets" / "animal"
    assert [path.name for path in folder.iterdir() if not path.name.endswith(".fetching")] == []


def test_any_set_and_any_archive_is_fetched_by_its_address(host: Host, tmp_path: Path) -> None:
    host.sets["some/body"] = host.sets[HANDLE]
    assert fetch(tmp_path, "kaggle:some/body").path.name == "some+body.zip"
    done = fetch(tmp_path, f"{host.url}/storage/{HANDLE}/1")
    assert (done.path.name, done.record.version) == ("1", "")
    assert not fetch(tmp_path, f"{host.url}/storage/{HANDLE}/1", newest=True).is_new


def test_another_set_of_the_same_name_is_not_taken_for_the_one_that_is_here(
    host: Host, tmp_path: Path
) -> None:
    host.sets["other/set"] = host.sets[HANDLE]
    fetch(tmp_path, f"{host.url}/storage/{HANDLE}/1")
    for newest in (False, True):
        with pytest.raises(ConfigError, match=f"another data set.*{HANDLE}/1: .*--category"):
            fetch(tmp_path, f"{host.url}/storage/other/set/1", newest=newest)
    assert len(host.paths("/storage/")) == 1


@pytest.mark.parametrize("newest", [False, True])
def test_what_is_here_is_compared_with_the_sha256(host: Host, tmp_path: Path, newest: bool) -> None:
    entry = catalogue.resolve("animals10")
    sha256 = fetch(tmp_path).record.sha256
    same = FetchOptions(tmp_path / "sets", sha256.upper(), newest, pause_s=0)
    assert not catalogue.fetch(entry, same).is_new
    with pytest.raises(ConfigError, match=f"has the SHA-256 {sha256}, not 0000"):
        catalogue.fetch(entry, FetchOptions(tmp_path / "sets", "0" * 64, newest, pause_s=0))


@pytest.mark.parametrize(
    ("name", "sha256", "message"),
    [("animals10", "abc", "64 digits"), ("hf:org/name", "0" * 64, "leave out --sha256")],
)
def test_a_sha256_that_cannot_be_is_refused_before_the_download(
    naturalist: Naturalist, host: Host, name: str, sha256: str, message: str
) -> None:
    ended = naturalist("sources", "fetch", name, "--sha256", sha256, "--to", "sets")
    assert (ended.code, host.asked) == (2, [])
    assert message in " ".join(ended.err.split())


@pytest.mark.parametrize("text", ['{"a": 1}', '{"released_at": "2026"}', "[]", "3", '"x"', "null"])
def test_a_damaged_record_is_none_and_the_set_is_fetched_again(
    naturalist: Naturalist, host: Host, tmp_path: Path, text: str
) -> None:
    path = fetch(tmp_path).path
    for damaged in (path, path.with_name("foo.zip")):
        path.with_name(f"{damaged.name}.json").write_text(text)
    asked = naturalist("sources", "status", "--to", str(tmp_path / "sets"), "--json")
    assert (asked.code, asked.json["rows"]) == (0, [])
    assert fetch(tmp_path).is_new
    assert len(catalogue.records(tmp_path / "sets")) == 1


def test_the_catalogue_has_the_37_sets() -> None:
    entries = catalogue.known_sets()
    assert len({entry.name for entry in entries}) == len({e.handle for e in entries}) == 37
    by_category = [sum(e.category == c for e in entries) for c in ("animal", "plant", "human")]
    assert by_category == [14, 14, 9]


@pytest.mark.parametrize(
    ("text", "host_and_handle"),
    [
        ("animals10", ("kaggle", HANDLE)),
        (HANDLE, ("kaggle", HANDLE)),
        (f"https://www.kaggle.com/datasets/{HANDLE}", ("kaggle", HANDLE)),
        (f"https://www.kaggle.com/{HANDLE}?select=x", ("kaggle", HANDLE)),
        ("hf:org/name", ("huggingface", "org/name")),
        ("https://huggingface.co/datasets/org/name", ("huggingface", "org/name")),
        ("https://example.org/a.tar.gz", ("web", "https://example.org/a.tar.gz")),
    ],
)
def test_sets_are_named_in_many_ways(text: str, host_and_handle: tuple[str, str]) -> None:
    entry = catalogue.resolve(text)
    assert (entry.host, entry.handle) == host_and_handle


def test_what_names_no_set_is_refused() -> None:
    with pytest.raises(ConfigError, match="sources list"):
        catalogue.resolve("no-such-set")


# the commands


def test_from_the_catalogue_to_a_published_collection_with_its_classes_as_a_column(
    naturalist: Naturalist, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = naturalist("sources", "show", "animals10", "--json").json
    assert shown["licence"] == "unknown: look it up at the source"
    fetched = naturalist("sources", "fetch", "animals10", "-q")
    assert (fetched.code, fetched.err) == (0, "")
    (held,) = naturalist("sources", "status", "--json").json["rows"]
    assert held["handle"] == HANDLE
    made = naturalist(
        "init", "c", "--from-catalogue", "animal", "--publish", "out", "--backbone",
        "colour_histogram",
    )  # fmt: skip
    assert made.code == 0
    assert "naturalist sources fetch" in made.out
    config = load_config(tmp_path / "c")
    assert len(config.sources) == 14
    first = next(s for s in config.category[0].source if s.name == "animals10")
    assert (first.licence, first.origin) == ("CC0-1.0", f"https://www.kaggle.com/datasets/{HANDLE}")
    keep_only(tmp_path / "c" / "naturalist.toml", "animals10")
    done = naturalist("run", "-c", "c", "-q")
    assert done.code == 0, done.err
    table = package.load(tmp_path / "out", columns=["class"]).arrow()
    assert sorted(table["class"].to_pylist()) == ["cane", "cane", "gatto", "gatto"]


def keep_only(path: Path, name: str) -> None:
    """Leave one source in a configuration, its folders' names as a column."""
    head, *sections = path.read_text().split("  [[category.source]]\n")
    last, brace, settings = sections[-1].partition("[images]")
    kept = next(s for s in sections if f'name = "{name}"' in s).partition("[images]")[0]
    folders = '  folders = "*/{class}"\n'
    path.write_text(f"{head}  [[category.source]]\n{kept}{folders}{brace}{settings}")
    assert last


def test_a_set_that_cannot_be_had_does_not_stop_the_others(
    naturalist: Naturalist, host: Host, tmp_path: Path
) -> None:
    ended = naturalist(
        "sources", "fetch", "caavo", "animals10", "--to", str(tmp_path / "sets"), "-q"
    )
    assert ended.code == 7
    assert "caavo: not downloaded" in ended.out
    assert "animals10: fetched, version 1" in ended.out
    assert "1 of 2 data sets could not be downloaded" in ended.err


def test_a_failed_set_is_told_in_the_one_json_document(
    naturalist: Naturalist, host: Host, tmp_path: Path
) -> None:
    ended = naturalist(
        "sources", "fetch", "caavo", "animals10", "--to", str(tmp_path / "sets"), "--json", "-q"
    )
    value = json.loads(ended.out)
    assert (ended.code, value["ok"], value["error"]["exit_code"]) == (7, False, 7)
    assert ["error" in one for one in value["rows"]] == [True, False]


def test_a_set_that_is_named_twice_is_fetched_once(
    naturalist: Naturalist, host: Host, tmp_path: Path
) -> None:
    ended = naturalist(
        "sources", "fetch", "animals10", f"kaggle:{HANDLE}", "--to", str(tmp_path / "sets"),
        "--json", "-q",
    )  # fmt: skip
    assert (ended.code, len(ended.json["rows"])) == (0, 1)
    assert len(host.paths("/storage/")) == 1


def test_two_sets_of_one_name_are_not_fetched_to_one_place(
    naturalist: Naturalist, host: Host, tmp_path: Path
) -> None:
    urls = [f"{host.url}/storage/{one}/1" for one in (HANDLE, "other/set")]
    ended = naturalist("sources", "fetch", *urls, "--to", str(tmp_path / "sets"))
    assert (ended.code, host.asked) == (2, [])
    assert "would both be" in " ".join(ended.err.split())


def test_the_seed_collection_has_three_categories_and_their_labels(
    naturalist: Naturalist, tmp_path: Path
) -> None:
    naturalist("init", str(tmp_path / "c"), "--from-catalogue", "all", "--sets", str(tmp_path))
    config = load_config(tmp_path / "c")
    assert config.labels == {"plant": 0, "animal": 1, "human": 2}
    assert len(config.sources) == 37
    assert config.tables.rows_per_table == 10_001
    assert config.airflow.schedule == "0 7 * * *"


def test_a_server_is_spoken_to_by_tls_if_its_certificate_is_trusted(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, certificate = tls(tmp_path)
    with serving(context) as secure:
        secure.sets = host.sets
        monkeypatch.setenv("KAGGLE_API_ENDPOINT", secure.url)
        with pytest.raises(StoreError, match=r"(?i)certificate"):
            fetch(tmp_path)
        assert secure.asked == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert fetch(tmp_path).path.read_bytes() == host.sets[HANDLE][0]
        assert len(secure.paths("/storage/")) == 1


def test_a_category_that_the_catalogue_has_not_is_said_with_those_it_has(
    naturalist: Naturalist,
) -> None:
    ended = naturalist("sources", "list", "--category", "birds")
    assert (ended.code, "choose one of plant, animal, human" in ended.err) == (2, True)
