"""What goes wrong with S3, and that the message says what to do."""

import datetime
from dataclasses import replace

import botocore.auth
import pytest
from botocore.exceptions import ClientError

from naturalist.errors import StoreError
from naturalist.stores import S3Options
from naturalist.stores.s3 import S3Store
from naturalist.stores.s3_errors import explain
from s3_server import S3Server
from stores.conftest import MakeFile


def every_operation(store: S3Store, make_file: MakeFile) -> list[object]:
    file = make_file("file", b"x")
    return [
        lambda: store.put_bytes("k", b"x"),
        lambda: store.put_file(file.key, file.path, file.sha256),
        lambda: store.put_files([file]),
        lambda: store.get_bytes("k"),
        lambda: store.head("k"),
        lambda: list(store.list()),
        lambda: store.delete(["k"]),
        lambda: store.fetch("k", file.path.with_name("got")),
    ]


def assert_all_say(store: S3Store, make_file: MakeFile, said: str) -> None:
    for operation in every_operation(store, make_file):
        with pytest.raises(StoreError, match=said):
            operation()  # type: ignore[operator]


def test_a_wrong_secret_says_where_credentials_come_from(
    bucket: str, s3_options: S3Options, aws_chain: pytest.MonkeyPatch, make_file: MakeFile
) -> None:
    aws_chain.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    assert_all_say(S3Store(bucket, "", s3_options), make_file, "secret key is wrong.*AWS_PROFILE")


def test_an_unknown_key_says_where_credentials_come_from(
    bucket: str, s3_options: S3Options, aws_chain: pytest.MonkeyPatch, make_file: MakeFile
) -> None:
    aws_chain.setenv("AWS_ACCESS_KEY_ID", "nobody")
    assert_all_say(S3Store(bucket, "", s3_options), make_file, "not known there.*AWS_PROFILE")


def test_missing_credentials_are_said_to_be_missing(
    bucket: str, s3_options: S3Options, aws_chain: pytest.MonkeyPatch, make_file: MakeFile
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        aws_chain.delenv(name)
    store = S3Store(bucket, "", s3_options)
    assert_all_say(store, make_file, "no credentials were found")
    with pytest.raises(StoreError, match="a public bucket needs none: pass --anonymous"):
        store.get_bytes("k")
    for write in (store.check_writable, lambda: store.put_bytes("k", b"x")):
        with pytest.raises(StoreError, match=r"check the credentials[^;]*$"):
            write()


def test_a_profile_that_does_not_exist_is_named(
    bucket: str, s3_options: S3Options, aws_chain: pytest.MonkeyPatch
) -> None:
    aws_chain.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(StoreError, match="profile does not exist: check AWS_PROFILE"):
        S3Store(bucket, "", s3_options)


def test_a_missing_bucket_says_how_to_make_it(s3_options: S3Options, make_file: MakeFile) -> None:
    store = S3Store("no-such-bucket", "", s3_options)
    assert_all_say(store, make_file, "does not exist.*naturalist bucket create")


def test_a_name_that_no_bucket_can_have_says_what_is_allowed(
    s3_options: S3Options, make_file: MakeFile
) -> None:
    assert_all_say(S3Store("No_Bucket!", "", s3_options), make_file, "lower-case letters")


def test_no_permission_says_whom_to_ask(
    bucket: str, s3_options: S3Options, make_file: MakeFile
) -> None:
    store = S3Store(bucket, "", replace(s3_options, anonymous=True))
    assert_all_say(store, make_file, "do not allow that: ask the owner")


def test_a_wrong_clock_says_to_set_it(
    bucket: str, s3_options: S3Options, monkeypatch: pytest.MonkeyPatch, make_file: MakeFile
) -> None:
    real = botocore.auth.get_current_datetime
    monkeypatch.setattr(
        botocore.auth,
        "get_current_datetime",
        lambda *arguments, **options: real(*arguments, **options) + datetime.timedelta(hours=2),
    )
    assert_all_say(S3Store(bucket, "", s3_options), make_file, "15 minutes: set the clock")


def test_a_server_that_is_down_says_to_check_the_endpoint(
    aws_chain: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch, make_file: MakeFile
) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", _no_delay)
    options = S3Options("http://127.0.0.1:9", "us-east-1", "path")
    assert_all_say(S3Store("bucket", "", options), make_file, "does not answer: check the endpoint")


def _no_delay(*_arguments: object) -> float:
    return 0.0


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("AuthorizationHeaderMalformed", r"region is wrong \(expected eu-west-1\): set `region`"),
        ("PermanentRedirect", "another region.*AWS_REGION"),
        ("ExpiredToken", "log in again"),
        ("BucketAlreadyExists", "take another name"),
        ("SlowDown", "again later"),
        ("SomethingNew", "answered SomethingNew: what happened"),
    ],
)
def test_each_answer_of_a_server_has_its_advice(code: str, said: str) -> None:
    answer = {"Error": {"Code": code, "Message": "what happened"}}
    if code == "AuthorizationHeaderMalformed":
        answer["Error"]["Region"] = "eu-west-1"
    error = ClientError(answer, "PutObject")  # type: ignore[arg-type]
    with pytest.raises(StoreError, match=said) as caught:
        raise explain(error, "storing k", "s3://bucket")
    assert str(caught.value).startswith("storing k failed (s3://bucket): ")


def test_a_certificate_that_is_not_trusted_is_said_to_be(
    s3_server: S3Server, aws_chain: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", _no_delay)
    options = S3Options(s3_server.endpoint_url.replace("http:", "https:"), "us-east-1", "path")
    with pytest.raises(StoreError, match="AWS_CA_BUNDLE"):
        S3Store("bucket", "", options).head("k")
