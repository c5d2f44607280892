"""Buckets: safe from the start, deleted without accidents, shared on purpose, audited."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from naturalist.errors import ConfigError, StoreError
from naturalist.stores import S3Options
from naturalist.stores.audit import audit_bucket
from naturalist.stores.buckets import BucketOptions, create_bucket, delete_bucket, survey
from naturalist.stores.connection import connect
from naturalist.stores.prices import Prices
from naturalist.stores.s3 import S3Store
from naturalist.stores.sharing import (
    grant_accounts,
    grant_everyone,
    links,
    public_writes,
    revoke,
)
from s3_server import S3Server
from stores.mangling_proxy import Exchange, mangling_proxy

PRICES = Prices(1.0, 1.0, 1.0, 1.0, upload_mb_s=1.0, requests_s=1.0)
NEW = "made-by-the-test"


@pytest.fixture
def new(s3_server: S3Server, s3_options: S3Options) -> Iterator[str]:
    """The name of a bucket that does not exist yet; whatever is made of it goes afterwards."""
    yield NEW
    if NEW in names(s3_server):
        delete_bucket(NEW, s3_options, confirmed_name=NEW)


def names(server: S3Server) -> list[str]:
    return [bucket["Name"] for bucket in server.client().list_buckets()["Buckets"]]


def opens(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=30):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return False


def test_a_new_bucket_is_versioned_encrypted_and_aborts_stale_uploads(
    new: str, s3_server: S3Server, s3_options: S3Options
) -> None:
    created = create_bucket(new, s3_options, BucketOptions(stale_upload_days=3))
    client = s3_server.client()
    assert client.get_bucket_versioning(Bucket=new)["Status"] == "Enabled"
    rules = client.get_bucket_lifecycle_configuration(Bucket=new)["Rules"]
    assert [rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] for rule in rules] == [3]
    encryption = client.get_bucket_encryption(Bucket=new)["ServerSideEncryptionConfiguration"]
    assert encryption["Rules"][0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert created.not_supported == ("public access blocked",)  # this server answers 501
    assert set(created.settings) == {
        "naturalist's tag",
        "versioning",
        "default encryption",
        "stale uploads aborted",
    }


def test_settings_that_are_not_wanted_are_left_out(
    new: str, s3_server: S3Server, s3_options: S3Options
) -> None:
    wanted = BucketOptions(versioning=False, encryption=False, block_public_access=False)
    created = create_bucket(new, s3_options, wanted)
    assert created.settings == ("naturalist's tag", "stale uploads aborted")
    assert "Status" not in s3_server.client().get_bucket_versioning(Bucket=new)


def test_the_region_is_asked_for(new: str, s3_server: S3Server, s3_options: S3Options) -> None:
    bodies: list[Exchange] = []
    with mangling_proxy(s3_server.endpoint_url, bodies.append) as proxy:
        options = replace(s3_options, endpoint_url=proxy.endpoint_url, region="eu-west-1")
        assert create_bucket(new, options).region == "eu-west-1"
    made = next(e for e in bodies if e.method == "PUT" and e.path.rstrip("/") == f"/{new}")
    assert b"<LocationConstraint>eu-west-1</LocationConstraint>" in made.request_body


def test_a_bucket_that_exists_is_not_touched(bucket: str, s3_options: S3Options) -> None:
    with pytest.raises(StoreError, match="already exists: nothing was changed"):
        create_bucket(bucket, s3_options)
    assert not survey(bucket, s3_options).made_by_naturalist


def test_an_empty_bucket_of_ours_goes_without_asking(
    new: str, s3_server: S3Server, s3_options: S3Options
) -> None:
    create_bucket(new, s3_options)
    assert delete_bucket(new, s3_options).is_empty
    assert new not in names(s3_server)


def test_a_bucket_of_others_goes_only_by_name(
    bucket: str, s3_server: S3Server, s3_options: S3Options
) -> None:
    for confirmed in (None, "another-name"):
        with pytest.raises(StoreError, match="not created by naturalist"):
            delete_bucket(bucket, s3_options, confirmed_name=confirmed)
    delete_bucket(bucket, s3_options, confirmed_name=bucket)
    assert bucket not in names(s3_server)


def test_a_full_bucket_shows_what_it_holds_and_goes_only_by_name(
    new: str, s3_server: S3Server, s3_options: S3Options
) -> None:
    create_bucket(new, s3_options)
    store = S3Store(new, "", s3_options)
    for data in (b"first", b"second!"):
        store.put_bytes("latest", data)
    store.put_bytes("gone", b"x")
    store.delete(["gone"])
    s3_server.client().create_multipart_upload(Bucket=new, Key="unfinished")

    held = r"1 object \(7 bytes\), 3 old versions \(6 bytes\), 1 unfinished upload"
    with pytest.raises(StoreError, match=held):
        delete_bucket(new, s3_options)
    assert store.get_bytes("latest")[0] == b"second!"
    delete_bucket(new, s3_options, confirmed_name=new)
    assert new not in names(s3_server)


def test_what_naturalist_keeps_for_itself_does_not_count(new: str, s3_options: S3Options) -> None:
    create_bucket(new, s3_options)
    S3Store(new, "prefix", s3_options).put_bytes("k", b"x", if_absent=True)
    S3Store(new, "prefix", s3_options).delete(["k"])
    contents = survey(new, s3_options)
    assert (contents.objects, contents.old_versions) == (0, 2)


def without_tags(exchange: Exchange) -> None:
    if "tagging" in exchange.path:
        exchange.status = 501
        exchange.body = b"<Error><Code>NotImplemented</Code><Message>no</Message></Error>"


def test_without_tags_an_object_marks_the_bucket(
    new: str, s3_server: S3Server, s3_options: S3Options
) -> None:
    s3_server.client().create_bucket(Bucket="unmarked")
    with mangling_proxy(s3_server.endpoint_url, without_tags) as proxy:
        options = replace(s3_options, endpoint_url=proxy.endpoint_url)
        create_bucket(new, options, BucketOptions(versioning=False))
        assert survey(new, options).made_by_naturalist
        assert not survey("unmarked", options).made_by_naturalist
        assert delete_bucket(new, options).is_empty
    s3_server.client().delete_bucket(Bucket="unmarked")


def without_versions(exchange: Exchange) -> None:
    if "versions" in exchange.path:
        exchange.status = 501
        exchange.body = b"<Error><Code>NotImplemented</Code><Message>no</Message></Error>"


def test_a_server_without_versions_is_emptied_too(
    bucket: str, s3_server: S3Server, s3_options: S3Options
) -> None:
    S3Store(bucket, "", s3_options).put_bytes("k", b"x")
    with mangling_proxy(s3_server.endpoint_url, without_versions) as proxy:
        options = replace(s3_options, endpoint_url=proxy.endpoint_url)
        contents = delete_bucket(bucket, options, confirmed_name=bucket)
    assert contents.objects == 1
    assert bucket not in names(s3_server)


def test_everyone_reads_below_the_prefix_until_it_is_revoked(
    bucket: str, s3_server: S3Server, s3_options: S3Options
) -> None:
    store = S3Store(bucket, "", s3_options)
    store.put_bytes("open/k", b"x")
    store.put_bytes("shut/k", b"x")
    grant_everyone(bucket, "open", s3_options)
    assert opens(f"{s3_server.endpoint_url}/{bucket}/open/k")
    assert not opens(f"{s3_server.endpoint_url}/{bucket}/shut/k")
    revoke(bucket, s3_options)
    assert not opens(f"{s3_server.endpoint_url}/{bucket}/open/k")
    revoke(bucket, s3_options)


def policy(server: S3Server, bucket: str) -> list[dict[str, Any]]:
    text = server.client().get_bucket_policy(Bucket=bucket)["Policy"]
    statements: list[dict[str, Any]] = json.loads(text)["Statement"]
    return statements


def test_accounts_are_granted_and_what_others_granted_is_kept(
    bucket: str, s3_server: S3Server, s3_options: S3Options
) -> None:
    other = {
        "Sid": "Others",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:DeleteObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    text = json.dumps({"Version": "2012-10-17", "Statement": [other]})
    s3_server.client().put_bucket_policy(Bucket=bucket, Policy=text)
    role = "arn:aws:iam::123456789012:role/reader"
    grant_everyone(bucket, "", s3_options)
    grant_accounts(bucket, ["210987654321", role], "", s3_options)
    statements = policy(s3_server, bucket)
    assert [statement["Sid"] for statement in statements] == [
        "Others",
        "NaturalistRead",
        "NaturalistList",
    ]
    expected = {"AWS": [role, "arn:aws:iam::210987654321:root"]}
    assert all(statement["Principal"] == expected for statement in statements[1:])
    revoke(bucket, s3_options)
    assert [statement["Sid"] for statement in policy(s3_server, bucket)] == ["Others"]


@pytest.mark.parametrize("account", ["12345", "*", "arn:aws:s3:::bucket", "me@example.com"])
def test_what_is_no_account_is_refused(account: str, s3_options: S3Options) -> None:
    with pytest.raises(ConfigError, match="12 digits"):
        grant_accounts("bucket", [account], "", s3_options)
    with pytest.raises(ConfigError, match="at least one"):
        grant_accounts("bucket", [], "", s3_options)


def test_a_link_opens_one_object_and_shows_no_secret(
    bucket: str, s3_options: S3Options, aws_chain: pytest.MonkeyPatch
) -> None:
    S3Store(bucket, "", s3_options).put_bytes("a b/ü+1", b"linked")
    (link,) = links(bucket, ["a b/ü+1"], 60, s3_options)
    with urllib.request.urlopen(link.url, timeout=30) as answer:
        assert answer.read() == b"linked"
    assert "naturalist-test-secret" not in link.url
    assert not opens(link.url.replace("a%20b", "other"))


@pytest.mark.parametrize("expires_s", [0, -1, 7 * 24 * 3600 + 1])
def test_links_live_at_most_a_week(expires_s: int, s3_options: S3Options) -> None:
    with pytest.raises(ConfigError, match="7 days"):
        list(links("bucket", ["k"], expires_s, s3_options))


def test_links_into_aws_name_the_region(aws_chain: pytest.MonkeyPatch) -> None:
    (link,) = links("bucket", ["k"], 60, S3Options(region="eu-central-1"))
    assert link.url.startswith("https://bucket.s3.eu-central-1.amazonaws.com/k?")


def test_an_audit_tells_what_is_public_and_what_it_costs(
    bucket: str, s3_options: S3Options
) -> None:
    S3Store(bucket, "", s3_options).put_bytes("k", bytes(1_000_000))
    before = audit_bucket(bucket, PRICES, s3_options)
    assert not before.is_public
    assert (before.public_by, before.blocked, before.versioning) == ((), None, False)
    assert (before.encryption, before.aborts_stale_uploads) == (None, False)
    assert before.month == pytest.approx(0.001)
    assert before.read_all_once == pytest.approx(0.001 + 0.001)
    grant_everyone(bucket, "", s3_options)
    after = audit_bucket(bucket, PRICES, s3_options)
    assert after.is_public
    assert (after.anonymous_can_list, after.anonymous_can_read) == (True, True)
    assert len(after.public_by) == 2
    assert "NaturalistRead: s3:GetObject" in after.public_by[0]


def public(*actions: str, **more: object) -> dict[str, object]:
    """A policy statement for everyone."""
    everything = ["arn:aws:s3:::bucket", "arn:aws:s3:::bucket/*"]
    allowed = {"Effect": "Allow", "Principal": "*", "Action": list(actions)}
    return allowed | {"Resource": everything} | more


@pytest.mark.parametrize(
    "action", ["s3:PutObject", "s3:DeleteObject", "s3:DeleteBucket", "s3:Put*", "s3:*"]
)
def test_an_audit_finds_that_anybody_can_write_or_delete(
    bucket: str, s3_options: S3Options, action: str
) -> None:
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    policy = {"Version": "2012-10-17", "Statement": [public(action, Resource=resources)]}
    connect(s3_options).client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    audit = audit_bucket(bucket, PRICES, s3_options)
    assert (audit.is_public, audit.anyone_can_write) == (True, True)
    assert audit.public_writes == (f"{action} on {', '.join(resources)}",)


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([public("s3:GetObject", "s3:ListBucket")], ()),
        ([public("*", Resource="b")], ("* on b",)),
        ([public("s3:PutObject", Principal={"AWS": "123456789012"})], ()),
        ([public("s3:PutObject"), public("s3:Put*", Effect="Deny")], ()),
        (
            [public("s3:PutObject", Resource="b/*"), public("s3:*", Effect="Deny", Resource="b/x")],
            ("s3:PutObject on b/*",),
        ),
        (
            [public("s3:PutObject", Resource="b", Condition={"x": 1})],
            ("s3:PutObject on b, on conditions",),
        ),
        (
            [
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": ["*"]},
                    "NotAction": "s3:Get*",
                    "Resource": "b",
                }
            ],
            ("everything but s3:Get* on b",),
        ),
    ],
)
def test_what_everyone_may_do_besides_reading_is_told_by_the_policy(
    statements: list[dict[str, object]], expected: tuple[str, ...]
) -> None:
    assert public_writes(statements) == expected


def test_an_audit_finds_an_empty_bucket_and_a_folder_that_a_policy_opens(
    bucket: str, s3_options: S3Options
) -> None:
    grant_everyone(bucket, "shared", s3_options)
    empty = audit_bucket(bucket, PRICES, s3_options)
    assert (empty.is_public, empty.anonymous_can_read) == (True, None)
    store = S3Store(bucket, "", s3_options)
    for key in ("a", "private/a", "shared/a"):
        store.put_bytes(key, b"x")
    assert audit_bucket(bucket, PRICES, s3_options).anonymous_can_read
    store.delete(["shared/a"])
    assert not audit_bucket(bucket, PRICES, s3_options).anonymous_can_read


def test_an_audit_of_a_new_bucket_of_ours_finds_it_in_order(
    new: str, s3_options: S3Options
) -> None:
    create_bucket(new, s3_options)
    audit = audit_bucket(new, PRICES, s3_options)
    assert not audit.is_public
    assert audit.anonymous_can_read is None
    assert (audit.versioning, audit.encryption, audit.aborts_stale_uploads) == (
        True,
        "AES256",
        True,
    )


def blocked_and_listed(exchange: Exchange) -> None:
    if exchange.method == "GET" and "publicAccessBlock" in exchange.path:
        exchange.status = 200
        exchange.body = (
            b"<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls>"
            b"<BlockPublicPolicy>false</BlockPublicPolicy></PublicAccessBlockConfiguration>"
        )
    if exchange.method == "GET" and exchange.path.endswith("?acl"):
        exchange.body = (
            b'<AccessControlPolicy xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
            b"<AccessControlList><Grant><Grantee "
            b'xsi:type="Group"><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee>'
            b"<Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>"
        )


def test_an_audit_reads_access_lists_and_the_block_where_the_server_has_them(
    bucket: str, s3_server: S3Server, s3_options: S3Options
) -> None:
    with mangling_proxy(s3_server.endpoint_url, blocked_and_listed) as proxy:
        audit = audit_bucket(bucket, PRICES, replace(s3_options, endpoint_url=proxy.endpoint_url))
    assert audit.blocked == ("BlockPublicAcls",)
    assert audit.public_by == ("access list: READ to everyone",)


@pytest.mark.parametrize(
    "call",
    [
        lambda options: survey("no-such-bucket", options),
        lambda options: delete_bucket("no-such-bucket", options),
        lambda options: audit_bucket("no-such-bucket", PRICES, options),
        lambda options: grant_everyone("no-such-bucket", "", options),
        lambda options: revoke("no-such-bucket", options),
    ],
)
def test_a_bucket_that_does_not_exist_is_said_to_be_missing(
    call: Callable[[S3Options], object], s3_options: S3Options
) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        call(s3_options)


def test_the_wrong_key_cannot_make_a_bucket(
    new: str, s3_options: S3Options, aws_chain: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    aws_chain.setenv("AWS_ACCESS_KEY_ID", "nobody")
    with pytest.raises(StoreError, match="access key is not known"):
        create_bucket(new, s3_options)
    aws_chain.setenv("AWS_ACCESS_KEY_ID", "naturalist-test-key")
