"""`naturalist bucket`: what it says and how it ends, on a real server."""

import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.conftest import Ended, Naturalist
from naturalist.stores import S3Options, open_store
from naturalist.stores.buckets import delete_bucket
from naturalist.stores.connection import connect
from s3_server import ACCESS_KEY, SECRET_KEY, S3Server

NEW = "made-from-the-command-line"
Command = Callable[..., Ended]


@pytest.fixture
def on_bucket(naturalist: Naturalist, s3_options: S3Options) -> Iterator[Command]:
    """Run `naturalist bucket COMMAND ...` on the test's server; the new bucket goes afterwards."""

    def call(*arguments: str) -> Ended:
        return naturalist("bucket", *arguments, "--endpoint-url", str(s3_options.endpoint_url))

    yield call
    if call("audit", NEW).code == 0:
        delete_bucket(NEW, s3_options, confirmed_name=NEW)


def test_create_says_what_was_made_and_what_the_server_does_not_know(on_bucket: Command) -> None:
    made = on_bucket("create", f"s3://{NEW}")
    assert made.code == 0
    assert (
        f"created {NEW}: naturalist's tag, versioning, default encryption, stale uploads"
        in made.out
    )
    assert "not supported by the server: public access blocked" in made.out
    assert f'url = "s3://{NEW}/PREFIX"' in made.out


def test_create_with_json_prints_one_document(on_bucket: Command) -> None:
    made = on_bucket("create", NEW, "--json", "--no-versioning", "--no-encryption")
    assert made.json["bucket"] == NEW
    assert made.json["settings"] == ["naturalist's tag", "stale uploads aborted"]


def test_create_twice_changes_nothing(on_bucket: Command) -> None:
    on_bucket("create", NEW)
    again = on_bucket("create", NEW)
    assert again.code == 7
    assert "already exists: nothing was changed" in again.err


def test_delete_of_a_full_bucket_shows_what_would_go_and_how_to_confirm(
    on_bucket: Command, s3_options: S3Options
) -> None:
    on_bucket("create", NEW)
    open_store(f"s3://{NEW}", s3_options).put_bytes("kept", b"kept")
    refused = on_bucket("delete", NEW)
    assert refused.code == 7
    assert "It holds 1 object (4 bytes)" in refused.err
    assert f"--confirm {NEW}" in refused.err
    assert on_bucket("delete", NEW, "--confirm", "another").code == 7
    gone = on_bucket("delete", NEW, "--confirm", NEW, "--json")
    assert gone.json["held"]["objects"] == 1
    assert on_bucket("audit", NEW).code == 7


def test_delete_of_an_empty_new_bucket_needs_no_confirmation(on_bucket: Command) -> None:
    on_bucket("create", NEW)
    assert on_bucket("delete", NEW).out.startswith(f"deleted {NEW}, which held 0 objects")


def test_policy_opens_and_shuts_what_audit_then_finds(
    on_bucket: Command, s3_options: S3Options
) -> None:
    on_bucket("create", NEW)
    open_store(f"s3://{NEW}", s3_options).put_bytes("tables/a.csv", b"a")
    assert "readers are now everyone" in on_bucket("policy", NEW, "--everyone").out
    opened = on_bucket("audit", NEW, "--json").json
    assert opened["is_public"]
    assert opened["anonymous_can_read"]
    assert "readers are now only the owner" in on_bucket("policy", NEW, "--revoke").out
    assert not on_bucket("audit", NEW, "--json").json["is_public"]


def test_audit_fails_where_anybody_can_write(on_bucket: Command, s3_options: S3Options) -> None:
    on_bucket("create", NEW)
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:PutObject"}
    policy = {
        "Version": "2012-10-17",
        "Statement": [statement | {"Resource": f"arn:aws:s3:::{NEW}/*"}],
    }
    client = connect(s3_options).client
    client.put_bucket_policy(Bucket=NEW, Policy=json.dumps(policy))
    audit = on_bucket("audit", NEW)
    client.delete_bucket_policy(Bucket=NEW)  # the test server keeps it for the next of this name
    assert audit.code == 4
    assert f"error: anybody can write to {NEW}" in audit.out
    assert re.search(r"anybody can write or delete +YES", audit.out)


def test_policy_for_accounts_does_not_make_it_public(on_bucket: Command) -> None:
    on_bucket("create", NEW)
    granted = on_bucket("policy", NEW, "--account", "123456789012", "--json")
    assert granted.json["readers"] == "123456789012"
    assert not on_bucket("audit", NEW, "--json").json["is_public"]


def test_links_open_what_they_name_and_show_no_secret(
    on_bucket: Command, s3_options: S3Options
) -> None:
    on_bucket("create", NEW)
    store = open_store(f"s3://{NEW}", s3_options)
    store.put_bytes("tables/a.csv", b"content")
    store.put_bytes("other", b"not asked for")
    printed = on_bucket("policy", NEW, "--links", "--prefix", "tables/", "--hours", "1")
    key, url = printed.out.strip().split("\t")
    assert key == "tables/a.csv"
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.read() == b"content"
    assert SECRET_KEY not in printed.out
    assert on_bucket("policy", NEW, "--links", "--json").json["rows"][0]["key"] == "other"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["policy", NEW], "exactly one of --everyone"),
        (["policy", NEW, "--everyone", "--links"], "exactly one of --everyone"),
        (["policy", NEW, "--revoke", "--prefix", "a"], "remove --prefix"),
        (["policy", NEW, "--account", "me"], "12 digits"),
        (["policy", NEW, "--links", "--hours", "200"], "--hours"),
        (["audit", "s3://bucket/prefix"], "pass the name only"),
        (["audit", NEW, "--price-table", "none"], "choose one of aws, r2, own"),
    ],
)
def test_a_wrong_argument_ends_with_2_and_says_what_to_take(
    on_bucket: Command, arguments: list[str], said: str
) -> None:
    ended = on_bucket(*arguments)
    assert ended.code == 2
    assert said in ended.err


def test_audit_tells_what_is_there_and_what_it_costs(
    on_bucket: Command, s3_options: S3Options, tmp_path: Path
) -> None:
    on_bucket("create", NEW)
    open_store(f"s3://{NEW}", s3_options).put_bytes("a", bytes(1000))
    prices = tmp_path / "prices.toml"
    prices.write_text(
        "[own]\nstorage_gb_month = 5e6\nput_1000 = 0\nget_1000 = 0\negress_gb = 1e6\n"
        "upload_mb_s = 1\nrequests_s = 1\n"
    )
    told = on_bucket("audit", NEW, "--prices", str(prices))
    assert told.code == 0
    for line in (
        r"holds .* 1 object \(1,000 bytes\)",
        "made by naturalist +yes",
        "public +no",
        "anybody can read +no",
        "opened by +nothing",
        "public access blocked +not supported by the server",
        "versioning +yes",
        "encryption +AES256",
        "a month +about 5.00",
        "downloading it once +about 1.00",
    ):
        assert re.search(line, told.out), line


def test_wrong_credentials_end_with_7_and_are_not_shown(
    on_bucket: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-wrong-secret")
    for command in ("create", "audit", "delete"):
        ended = on_bucket(command, NEW)
        assert ended.code == 7
        assert "check the credentials" in ended.err
        assert "a-wrong-secret" not in ended.out + ended.err


def test_the_server_of_the_aws_chain_is_taken_without_an_endpoint(
    naturalist: Naturalist, s3_server: S3Server, aws_chain: pytest.MonkeyPatch
) -> None:
    aws_chain.setenv("AWS_ENDPOINT_URL", s3_server.endpoint_url)
    aws_chain.setenv("AWS_REGION", "us-east-1")
    told = naturalist("bucket", "audit", "readiness", "--json")
    assert told.json["contents"]["objects"] == 1
    assert told.json["month"] == 0
    assert ACCESS_KEY not in told.out


@pytest.mark.parametrize("address", ["gs://pictures", "az://pictures/prefix"])
def test_buckets_of_others_are_refused_with_what_is_for_them(
    naturalist: Naturalist, address: str
) -> None:
    ended = naturalist("bucket", "audit", address)
    assert (ended.code, "is for S3 only" in ended.err) == (2, True)
