"""S3: paging, large files, killed uploaders and servers, damage, publishers that race."""

import hashlib
import logging
import random
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from naturalist.errors import ConfigError, Conflict, StoreError
from naturalist.stores import ObjectInfo, S3Options, Upload, open_store
from naturalist.stores.checksums import composite
from naturalist.stores.s3 import S3Store
from s3_server import SECRET_KEY, S3Server
from stores.conftest import MakeFile
from stores.mangling_proxy import Exchange, mangling_proxy

MIB = 1 << 20
CHUNK = 5 * MIB


@pytest.fixture
def options(s3_options: S3Options) -> S3Options:
    return replace(s3_options, multipart_chunk_bytes=CHUNK, max_concurrency=8)


@pytest.fixture
def store(bucket: str, options: S3Options) -> S3Store:
    return S3Store(bucket, "published", options)


@pytest.fixture
def sent_parts(store: S3Store) -> Iterator[list[int]]:
    """Numbers of the parts that the store sends."""
    parts: list[int] = []
    events = store._client.meta.events
    events.register(
        "provide-client-params.s3.UploadPart",
        lambda params, **_: parts.append(params["PartNumber"]),
    )
    return parts


def put(store: S3Store, upload: Upload) -> ObjectInfo:
    return store.put_file(upload.key, upload.path, upload.sha256)


def noise(size_bytes: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size_bytes)


def test_more_keys_than_one_page_are_put_listed_and_deleted(
    store: S3Store, make_file: MakeFile
) -> None:
    file = make_file("any", b"the same bytes")
    keys = [f"many/{n:05}" for n in range(1_100)]
    store.put_files(replace(file, key=key) for key in keys)
    assert [info.key for info in store.list("many/")] == keys
    store.delete(keys[:-1])
    assert [info.key for info in store.list()] == keys[-1:]


def test_a_second_run_over_many_keys_sends_nothing(
    store: S3Store, make_file: MakeFile, options: S3Options, s3_server: S3Server
) -> None:
    files = [make_file(f"a/{n}", noise(100, n)) for n in range(0, 300, 2)]
    store.put_files(files)
    more = [*files, *(make_file(f"a/{n}", noise(100, n)) for n in range(1, 300, 2))]
    sent: dict[str, bool] = {}
    with mangling_proxy(s3_server.endpoint_url, lambda _exchange: None) as proxy:
        again = S3Store(
            store._place.bucket, "published", replace(options, endpoint_url=proxy.endpoint_url)
        )
        again.put_files(more, lambda upload, _info, was_sent: sent.update({upload.key: was_sent}))
    assert sent == {upload.key: upload not in files for upload in more}
    assert proxy.count("PUT") == 150 + 1  # and the question whether conditions are kept


def test_uploads_are_taken_as_they_go(store: S3Store, make_file: MakeFile) -> None:
    file = make_file("any", b"x")
    taken = 0

    def endless() -> Iterator[Upload]:
        nonlocal taken
        for taken in range(1, 1_000_000):
            yield replace(file, key=f"k/{taken}")

    def enough(_upload: Upload, _info: ObjectInfo, _sent: bool) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.put_files(endless(), enough)
    assert taken < 3_000


def test_thirty_megabytes_go_in_parts_whose_checksums_the_server_verified(
    store: S3Store, make_file: MakeFile, sent_parts: list[int], s3_server: S3Server, tmp_path: Path
) -> None:
    data = noise(30 * MIB + 7)
    file = make_file("tables/big.parquet", data)
    info = put(store, file)
    assert sorted(sent_parts) == [1, 2, 3, 4, 5, 6, 7]
    assert (info.size_bytes, info.sha256) == (len(data), file.sha256)
    answer = s3_server.client().head_object(
        Bucket=store._place.bucket, Key="published/tables/big.parquet", ChecksumMode="ENABLED"
    )
    parts = [data[start : start + CHUNK] for start in range(0, len(data), CHUNK)]
    assert answer["ChecksumSHA256"] == composite([hashlib.sha256(p).hexdigest() for p in parts])
    store.fetch(file.key, tmp_path / "got", file.sha256)
    assert (tmp_path / "got").read_bytes() == data


def test_a_large_file_that_is_there_is_not_sent_again(
    store: S3Store, make_file: MakeFile, sent_parts: list[int]
) -> None:
    file = make_file("big", noise(11 * MIB))
    put(store, file)
    put(store, file)
    assert sorted(sent_parts) == [1, 2, 3]
    other = make_file("big", noise(11 * MIB, 1))
    with pytest.raises(StoreError, match="never change"):
        put(store, other)


def test_a_large_file_that_is_not_what_was_announced_leaves_nothing(
    store: S3Store, make_file: MakeFile, s3_server: S3Server
) -> None:
    file = replace(make_file("big", noise(11 * MIB)), sha256="0" * 64)
    with pytest.raises(StoreError, match="changed or is damaged"):
        put(store, file)
    assert store.head("big") is None
    uploads = s3_server.client().list_multipart_uploads(Bucket=store._place.bucket)
    assert uploads.get("Uploads", []) == []


@pytest.mark.parametrize("size_bytes", [100, 6 * MIB])
def test_bytes_that_are_damaged_on_the_way_are_refused_by_the_server(
    store: S3Store, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch, size_bytes: int
) -> None:
    wrong = "A" * 43 + "="
    for module in ("putting", "multipart"):
        monkeypatch.setattr(f"naturalist.stores.{module}.sha256_base64", lambda _digest: wrong)
    with pytest.raises(StoreError, match="arrived damaged"):
        put(store, make_file("k", noise(size_bytes)))
    assert store.head("k") is None


KILLED_UPLOADER = """
import os, signal, sys
from naturalist.stores import S3Options
from naturalist.stores.s3 import S3Store

endpoint, bucket, path, sha256 = sys.argv[1:]
options = S3Options(endpoint_url=endpoint, region="us-east-1", addressing="path",
                    multipart_chunk_bytes=5 << 20, max_concurrency=1)
store = S3Store(bucket, "published", options)
arrived = []
def count(**_):
    arrived.append(1)
    if len(arrived) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
store._client.meta.events.register("after-call.s3.UploadPart", count)
store.put_file("big", path, sha256)
"""


def kill_an_uploader(server: S3Server, store: S3Store, file: Upload) -> None:
    script = [sys.executable, "-c", KILLED_UPLOADER.replace("path, sha256)", "Path(path), sha256)")]
    script[2] = "from pathlib import Path\n" + script[2].replace(
        "bucket, Path(path)", "bucket, path"
    )
    ended = subprocess.run(
        [*script, server.endpoint_url, store._place.bucket, str(file.path), file.sha256],
        check=False,
        capture_output=True,
    )
    assert ended.returncode == -9, ended.stderr.decode()


def test_after_a_kill_only_missing_parts_are_sent(
    store: S3Store, make_file: MakeFile, sent_parts: list[int], s3_server: S3Server
) -> None:
    file = make_file("big", noise(28 * MIB))
    kill_an_uploader(s3_server, store, file)
    assert store.head("big") is None
    put(store, file)
    assert sorted(sent_parts) == [4, 5, 6]
    assert hashlib.sha256(store.get_bytes("big")[0]).hexdigest() == file.sha256
    uploads = s3_server.client().list_multipart_uploads(Bucket=store._place.bucket)
    assert uploads.get("Uploads", []) == []


def test_parts_of_other_bytes_under_the_same_key_are_not_used(
    store: S3Store, make_file: MakeFile, sent_parts: list[int], s3_server: S3Server
) -> None:
    kill_an_uploader(s3_server, store, make_file("big", noise(28 * MIB, 1)))
    file = make_file("big", noise(28 * MIB, 2))
    info = put(store, file)
    assert set(sent_parts) == {1, 2, 3, 4, 5, 6}
    assert info.sha256 == file.sha256
    assert store.head("big") == info
    assert store.get_bytes("big")[0] == file.path.read_bytes()


def test_a_server_that_dies_and_comes_back_loses_nothing(
    tmp_path: Path, aws_chain: pytest.MonkeyPatch, make_file: MakeFile
) -> None:
    server = S3Server(tmp_path / "server")
    server.start()
    try:
        server.client().create_bucket(Bucket="fragile")
        options = S3Options(server.endpoint_url, "us-east-1", "path", max_concurrency=4)
        store = S3Store("fragile", "", options)
        files = [make_file(f"f/{n}", noise(2_000, n)) for n in range(120)]
        done: list[str] = []

        def kill_once(upload: Upload, _info: ObjectInfo, _sent: bool) -> None:
            done.append(upload.key)
            if len(done) == 40:
                server.kill()
                server.restart()

        store.put_files(files, kill_once)
        assert sorted(done) == sorted(upload.key for upload in files)
        for upload in files:
            assert store.get_bytes(upload.key)[0] == upload.path.read_bytes()
    finally:
        server.stop()


def test_publishers_of_the_same_files_do_not_disturb_each_other(
    bucket: str, options: S3Options, make_file: MakeFile
) -> None:
    files = [make_file(f"f/{n}", noise(500, n)) for n in range(40)]
    files.append(make_file("big", noise(12 * MIB)))
    barrier = threading.Barrier(2)

    def publish() -> None:
        store = S3Store(bucket, "", options)
        barrier.wait()
        store.put_files(files)

    with ThreadPoolExecutor(2) as pool:
        for ended in [pool.submit(publish) for _ in range(2)]:
            ended.result()
    store = S3Store(bucket, "", options)
    assert {info.key for info in store.list()} == {upload.key for upload in files}
    assert store.get_bytes("big")[0] == files[-1].path.read_bytes()


def test_of_publishers_with_different_bytes_one_wins_and_the_other_is_told(
    bucket: str, options: S3Options, make_file: MakeFile, tmp_path: Path
) -> None:
    uploads = []
    for n in range(4):
        (tmp_path / str(n)).write_bytes(noise(1_000, n))
        sha256 = hashlib.sha256(noise(1_000, n)).hexdigest()
        uploads.append(Upload("contended", tmp_path / str(n), sha256))

    def publish(upload: Upload) -> str | None:
        try:
            return put(S3Store(bucket, "", options), upload).sha256
        except StoreError:
            return None

    with ThreadPoolExecutor(4) as pool:
        winners = [sha256 for sha256 in pool.map(publish, uploads) if sha256]
    found = S3Store(bucket, "", options).head("contended")
    assert found is not None
    assert winners == [found.sha256]


def test_a_corrupted_object_is_found_by_its_sha256(
    store: S3Store, make_file: MakeFile, s3_server: S3Server, tmp_path: Path
) -> None:
    file = make_file("k", b"good bytes")
    put(store, file)
    s3_server.client().put_object(
        Bucket=store._place.bucket,
        Key="published/k",
        Body=b"evil bytes",
        Metadata={"sha256": file.sha256},
    )
    with pytest.raises(StoreError, match="corrupted"):
        store.fetch("k", tmp_path / "got")
    with pytest.raises(StoreError, match="corrupted"):
        store.get_bytes("k")


def test_an_object_of_another_tool_is_compared_by_its_bytes(
    store: S3Store, make_file: MakeFile, s3_server: S3Server
) -> None:
    file = make_file("k", b"bytes")
    s3_server.client().put_object(Bucket=store._place.bucket, Key="published/k", Body=b"bytes")
    assert put(store, file).sha256 == file.sha256
    with pytest.raises(StoreError, match="never change"):
        put(store, make_file("k", b"other"))


def test_keys_of_other_tools_that_are_not_safe_are_not_listed(
    store: S3Store, s3_server: S3Server
) -> None:
    for key in ("published/folder/", "published/tab\there", "published/fine"):
        s3_server.client().put_object(Bucket=store._place.bucket, Key=key, Body=b"x")
    assert [info.key for info in store.list()] == ["fine"]


def test_a_download_is_taken_up_again_when_the_connection_breaks(
    store: S3Store, options: S3Options, make_file: MakeFile, s3_server: S3Server, tmp_path: Path
) -> None:
    file = make_file("k", noise(3 * MIB))
    put(store, file)
    ranges: list[str] = []

    def cut(exchange: Exchange) -> None:
        if exchange.method == "GET":
            ranges.append(exchange.request_headers["range"])
            if len(ranges) == 1:
                exchange.body = exchange.body[:MIB]

    with mangling_proxy(s3_server.endpoint_url, cut) as proxy:
        broken = S3Store(
            store._place.bucket, "published", replace(options, endpoint_url=proxy.endpoint_url)
        )
        broken.fetch("k", tmp_path / "got", file.sha256)
    assert ranges == ["bytes=0-", f"bytes={MIB}-"]
    assert (tmp_path / "got").read_bytes() == file.path.read_bytes()


def forget_checksums(exchange: Exchange) -> None:
    exchange.headers.pop("x-amz-checksum-sha256", None)


def test_a_server_that_ignores_checksums_is_believed_for_its_md5(
    bucket: str, options: S3Options, make_file: MakeFile, s3_server: S3Server
) -> None:
    with mangling_proxy(s3_server.endpoint_url, forget_checksums) as proxy:
        store = S3Store(bucket, "", replace(options, endpoint_url=proxy.endpoint_url))
        store.put_files([make_file(f"f/{n}", noise(100, n)) for n in range(5)])
        assert proxy.count("GET") == 1  # the listing; nothing was read back


@pytest.fixture
def proving_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no answer prove anything, as with encrypting servers that know no checksums."""
    for module in ("putting", "multipart", "s3"):
        monkeypatch.setattr(f"naturalist.stores.{module}.proves", lambda *_: False)


def show_damage(exchange: Exchange) -> None:
    if exchange.method == "GET" and "range" in exchange.request_headers:
        exchange.body = bytes([exchange.body[0] ^ 1]) + exchange.body[1:]


@pytest.mark.usefixtures("proving_nothing")
def test_a_server_that_proves_nothing_is_read_back(
    bucket: str, options: S3Options, make_file: MakeFile, s3_server: S3Server
) -> None:
    with mangling_proxy(s3_server.endpoint_url, lambda _exchange: None) as proxy:
        store = S3Store(bucket, "", replace(options, endpoint_url=proxy.endpoint_url))
        store.put_files([make_file("k", b"some bytes"), make_file("big", noise(6 * MIB))])
        store.put_bytes("latest", b"{}")
    read_back = {e.path for e in proxy.exchanges if e.method == "GET" and e.status == 206}
    assert read_back == {f"/{bucket}/k", f"/{bucket}/big", f"/{bucket}/latest"}


@pytest.mark.usefixtures("proving_nothing")
@pytest.mark.parametrize("size_bytes", [100, 6 * MIB])
def test_damage_that_no_checksum_shows_is_found_by_reading_back(
    bucket: str, options: S3Options, make_file: MakeFile, s3_server: S3Server, size_bytes: int
) -> None:
    with mangling_proxy(s3_server.endpoint_url, show_damage) as proxy:
        store = S3Store(bucket, "", replace(options, endpoint_url=proxy.endpoint_url))
        with pytest.raises(StoreError, match="arrived damaged"):
            put(store, make_file("k", noise(size_bytes)))
    assert S3Store(bucket, "", options).head("k") is None


def other_checksum_of_the_whole(exchange: Exchange) -> None:
    """Answer the completion of an upload in parts with the checksum of other bytes."""
    if exchange.method == "POST" and b"ChecksumSHA256" in exchange.body:
        wrong = composite(["0" * 64, "1" * 64]).encode()
        exchange.body = re.sub(
            rb"<ChecksumSHA256>[^<]*<", b"<ChecksumSHA256>" + wrong + b"<", exchange.body
        )


@pytest.mark.parametrize(
    ("mangle", "read"), [(lambda _exchange: None, False), (other_checksum_of_the_whole, True)]
)
def test_a_whole_whose_checksum_is_not_that_of_its_parts_is_read_back(
    bucket: str,
    options: S3Options,
    make_file: MakeFile,
    s3_server: S3Server,
    mangle: Callable[[Exchange], None],
    read: bool,
) -> None:
    with mangling_proxy(s3_server.endpoint_url, mangle) as proxy:
        store = S3Store(bucket, "", replace(options, endpoint_url=proxy.endpoint_url))
        put(store, make_file("big", noise(6 * MIB)))
    answers = [e.body for e in proxy.exchanges if e.method == "POST" and b"Checksum" in e.body]
    assert len(answers) == 1, "the server names no checksum of the whole"
    read_back = [e for e in proxy.exchanges if e.method == "GET" and e.status == 206]
    assert bool(read_back) == read


def without_conditions(exchange: Exchange) -> None:
    if "if-none-match" in exchange.request_headers and exchange.status == 412:
        exchange.status = 200
        exchange.body = b""
        exchange.headers["etag"] = '"d41d8cd98f00b204e9800998ecf8427e"'


def refusing_conditions(exchange: Exchange) -> None:
    if "if-none-match" in exchange.request_headers:
        exchange.status = 501
        exchange.body = b"<Error><Code>NotImplemented</Code><Message>no</Message></Error>"


@pytest.mark.parametrize("mangle", [without_conditions, refusing_conditions])
def test_a_server_without_conditional_writes_is_noticed(
    bucket: str,
    options: S3Options,
    make_file: MakeFile,
    s3_server: S3Server,
    mangle: object,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with mangling_proxy(s3_server.endpoint_url, mangle) as proxy:  # type: ignore[arg-type]
        store = S3Store(bucket, "", replace(options, endpoint_url=proxy.endpoint_url))
        put(store, make_file("k", b"bytes"))
        with pytest.raises(StoreError, match="never change"):
            put(store, make_file("k", b"other"))
        store.put_bytes("latest", b"1", if_absent=True)
        with pytest.raises(Conflict):
            store.put_bytes("latest", b"2", if_absent=True)
    assert "only one publisher" in caplog.text


def test_credentials_are_never_shown(
    store: S3Store,
    make_file: MakeFile,
    aws_chain: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    options: S3Options,
) -> None:
    caplog.set_level(logging.DEBUG, "naturalist")
    put(store, make_file("k", b"x"))
    aws_chain.setenv("AWS_SECRET_ACCESS_KEY", "wrong-but-secret")
    with pytest.raises(StoreError) as caught:
        S3Store(store._place.bucket, "", options).put_bytes("k", b"x")
    shown = f"{store!r} {options!r} {store._place!r} {caught.value} {caplog.text}"
    for secret in (SECRET_KEY, "wrong-but-secret", "Signature="):
        assert secret not in shown


def test_a_public_bucket_is_read_without_credentials(
    store: S3Store, options: S3Options, s3_server: S3Server, aws_chain: pytest.MonkeyPatch
) -> None:
    from naturalist.stores.sharing import grant_everyone

    store.put_bytes("k", b"for all")
    grant_everyone(store._place.bucket, "", options)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        aws_chain.delenv(name)
    anonymous = open_store(store.url, replace(options, anonymous=True))
    assert anonymous.get_bytes("k")[0] == b"for all"
    assert [info.key for info in anonymous.list()] == ["k"]
    with pytest.raises(StoreError, match="permission"):
        anonymous.put_bytes("k", b"y")


def test_a_requester_who_pays_says_so(
    bucket: str, options: S3Options, make_file: MakeFile, s3_server: S3Server, tmp_path: Path
) -> None:
    with mangling_proxy(s3_server.endpoint_url, lambda _exchange: None) as proxy:
        payer = replace(options, endpoint_url=proxy.endpoint_url, requester_pays=True)
        store = S3Store(bucket, "", payer)
        store.put_files([make_file("k", b"x"), make_file("big", noise(6 * MIB))])
        store.fetch("k", tmp_path / "got")
        list(store.list())
        store.delete(["k"])
    unpaid = [e for e in proxy.exchanges if "x-amz-request-payer" not in e.request_headers]
    # S3 knows no payer for the question whether a bucket exists.
    assert {(e.method, e.path) for e in unpaid} <= {("HEAD", f"/{bucket}")}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"endpoint_url": "ftp://host"}, "https://host"),
        ({"endpoint_url": "https://me:secret@host"}, "AWS chain"),
        ({"addressing": "sideways"}, "auto, path or virtual"),
        ({"max_concurrency": 0}, "at least 1"),
        ({"multipart_chunk_bytes": 1}, "no parts smaller"),
    ],
)
def test_wrong_options_say_what_is_allowed(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        S3Options(**wrong)  # type: ignore[arg-type]
    assert "secret" not in str(caught.value)


def test_an_address_without_a_bucket_is_refused() -> None:
    with pytest.raises(ConfigError, match="s3://bucket/prefix"):
        open_store("s3:///prefix")


def test_a_prefix_is_a_folder_whatever_its_slashes(bucket: str, options: S3Options) -> None:
    open_store(f"s3://{bucket}/a/b/", options).put_bytes("k", b"x")
    assert open_store(f"s3://{bucket}/a", options).get_bytes("b/k")[0] == b"x"
    assert open_store(f"s3://{bucket}/a/b", options).url == f"s3://{bucket}/a/b"
