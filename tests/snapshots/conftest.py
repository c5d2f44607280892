"""The published collections that the tests of this folder use."""

from consume.conftest import (
    aws_chain,
    cache,
    collection,
    here,
    local,
    made_once,
    on_s3,
    s3_options,
    shared_bucket,
)

__all__ = [
    "aws_chain",
    "cache",
    "collection",
    "here",
    "local",
    "made_once",
    "on_s3",
    "s3_options",
    "shared_bucket",
]
