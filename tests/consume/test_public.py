"""A public bucket, used by somebody who has no credentials at all."""

import json
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

import naturalist
from naturalist import consume
from naturalist.errors import BundleMissing, StoreError
from naturalist.stores import S3Options, open_store, sharing
from published import PublishedCollection


@pytest.fixture
def public(
    local: PublishedCollection, s3_options: S3Options, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> PublishedCollection:
    """The collection in a bucket that everyone may read; from here on there are no credentials."""
    made = replace(local, url=f"s3://{bucket}/shared", options=s3_options)
    made.publish()
    sharing.grant_everyone(bucket, "shared", made.options)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    return replace(made, options=replace(made.options, anonymous=True))


def test_everyone_can_pull_load_and_verify_a_public_collection(
    public: PublishedCollection, here: Path, cache: Path
) -> None:
    public.pull(here)
    assert consume.check_pulled(here).passed
    assert consume.check_published(public.store).passed
    assert consume.check_published(public.store, quick=True).passed
    loaded = naturalist.load(public.url, options=public.options, cache=cache)
    assert loaded.numpy().features.tobytes() == naturalist.load(here).numpy().features.tobytes()


def test_everyone_can_look_at_it_in_a_notebook(
    public: PublishedCollection, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    try:
        shown = naturalist.show(public.url, options=public.options)
    except BundleMissing as error:
        pytest.skip(str(error))
    try:
        with urllib.request.urlopen(f"{shown.url}api/about") as answer:
            assert json.load(answer)["address"] == public.url
    finally:
        shown.close()


def test_without_anonymous_the_error_says_what_to_do(public: PublishedCollection) -> None:
    store = open_store(public.url, replace(public.options, anonymous=False))
    with pytest.raises(StoreError, match=r"no credentials were found.*--anonymous"):
        consume.check_published(store)
