"""Wrong credentials, no bucket, no permission: exit code 7, what to do, and no secret anywhere."""

import json
from pathlib import Path

import pytest

from publishing.conftest import OnS3
from s3_server import SECRET_KEY, S3Server

WRONG = "AN-ENTIRELY-WRONG-SECRET"


def assert_refused(made: OnS3, said: str) -> None:
    """Publishing ends with 7 and these words; no secret is printed or written."""
    ended = made.publish("--json")
    assert ended.code == 7
    assert said in ended.err
    assert "Traceback" not in ended.err
    assert ended.json["error"]["exit_code"] == 7
    for secret in (WRONG, SECRET_KEY):
        assert secret not in ended.out + ended.err
        for path in made.folder.rglob("*"):
            assert not path.is_file() or secret.encode() not in path.read_bytes(), path


def ledger_files(made: OnS3) -> list[Path]:
    """Files of the ledger, without what a run remembers of having read it."""
    files = sorted(made.folder.rglob("ledger/**/*"))
    return [path for path in files if "read-before" not in path.parts]


def assert_a_run_reads_nothing(made: OnS3, said: str) -> None:
    """A run ends with 7 and these words before the first file is read."""
    made.add("plant", range(500, 501))
    before = ledger_files(made)
    ended = made.collection.call("run")
    assert (ended.code, said in ended.err, "ingest" in ended.err) == (7, True, False)
    assert ledger_files(made) == before


def test_a_wrong_secret(made: OnS3, aws_chain: pytest.MonkeyPatch) -> None:
    aws_chain.setenv("AWS_SECRET_ACCESS_KEY", WRONG)
    assert_refused(made, "the secret key is wrong: check the credentials")


def test_an_unknown_key(made: OnS3, aws_chain: pytest.MonkeyPatch) -> None:
    aws_chain.setenv("AWS_ACCESS_KEY_ID", "NOBODY")
    aws_chain.setenv("AWS_SECRET_ACCESS_KEY", WRONG)
    assert_refused(made, "the access key is not known there: check the credentials")


def test_no_credentials_at_all(made: OnS3, aws_chain: pytest.MonkeyPatch) -> None:
    aws_chain.delenv("AWS_ACCESS_KEY_ID")
    aws_chain.delenv("AWS_SECRET_ACCESS_KEY")
    assert_refused(made, "no credentials were found: check the credentials")
    assert "--anonymous" not in made.publish().err


def test_a_missing_bucket(made: OnS3) -> None:
    made = made.move_to("s3://there-is-no-such-bucket/prefix")
    assert_refused(made, "or create it with `naturalist bucket create`")


def test_credentials_that_may_read_but_not_write(
    made: OnS3, bucket: str, s3_server: S3Server
) -> None:
    made = made.move_to(f"s3://{bucket}/prefix")
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:PutObject"],
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    s3_server.client().put_bucket_policy(Bucket=bucket, Policy=policy)
    assert_refused(made, "these credentials do not allow that: ask the owner of the bucket")
    assert_a_run_reads_nothing(made, "checking that objects can be written")
    s3_server.client().delete_bucket_policy(Bucket=bucket)
    assert made.publish().code == 0
    made.check()


def test_a_server_that_is_not_there(made: OnS3, aws_chain: pytest.MonkeyPatch) -> None:
    aws_chain.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert_refused(made, "the server does not answer: check the endpoint")
    assert_a_run_reads_nothing(made, "the server does not answer: check the endpoint")
