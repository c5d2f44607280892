"""Fixtures of collections on a real S3 server, as the tests of publishing have them."""

from publishing.conftest import (
    aws_chain,
    bucket,
    done_once,
    made,
    naturalist,
    place,
    s3_options,
    server_in_chain,
    shared_bucket,
)

__all__ = [
    "aws_chain",
    "bucket",
    "done_once",
    "made",
    "naturalist",
    "place",
    "s3_options",
    "server_in_chain",
    "shared_bucket",
]
