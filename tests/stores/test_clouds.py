"""A whole job in Google's storage: sources in a bucket, published to it, pulled and read."""

import os
import sys
from pathlib import Path

import pytest

import naturalist
import tiny
from naturalist.config.proposing import look_at, parse_category
from naturalist.config.s3 import S3Section
from naturalist.errors import ConfigError, MissingExtra, PictureError, StoreError
from naturalist.ledger import Outcome
from naturalist.stores import open_store
from naturalist.stores.keeping import forget_stores
from naturalist.stores.opening import is_bucket
from naturalist.stores.remote import RemoteFolder, read_remote
from own_certificate import tls

from . import gcs_server
from .gcs_server import GcsServer

SEEDS = {"animal": range(7), "plant": range(10, 19)}


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    forget_stores()


@pytest.fixture
def sources(google: GcsServer) -> dict[str, dict[str, str]]:
    """Pictures of two categories in the bucket."""
    store = open_store("gs://pictures/raw")
    for category, seeds in SEEDS.items():
        for seed in seeds:
            store.put_bytes(f"{category}/{seed:04d}.png", tiny.picture(seed))
    return {category: {"photos": f"gs://pictures/raw/{category}"} for category in SEEDS}


def test_a_collection_comes_from_a_bucket_and_goes_to_it(
    sources: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    published = "gs://pictures/published"
    config = tiny.collection(
        tmp_path / "work",
        sources,  # type: ignore[arg-type]
        images={"mode": "reference"},
        publish={"url": published},
    )
    tiny.make_all(config)
    assert {row["outcome"] for row in tiny.ledger_rows(config)} == {Outcome.ACCEPTED}
    assert len(naturalist.load(published)) == 16
    naturalist.load(published).numpy()


def test_init_looks_into_a_bucket(sources: dict[str, dict[str, str]]) -> None:
    proposal = look_at(["gs://pictures/raw"], S3Section(), ())
    assert proposal.counts == {
        ("animal", "gs://pictures/raw/animal"): 7,
        ("plant", "gs://pictures/raw/plant"): 9,
    }
    assert parse_category("plant=0:gs://pictures/raw/plant", S3Section()).label == 0


def test_a_picture_that_vanished_or_is_forbidden_is_trouble_with_that_picture(
    sources: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RemoteFolder("gs://pictures/raw/animal")
    with pytest.raises(PictureError, match="no longer"):
        read_remote(folder, "gone.png", 1, 1)
    monkeypatch.setenv("GOOGLE_BEARER_TOKEN", "wrong")
    other = RemoteFolder("gs://pictures/raw/plant")
    with pytest.raises(PictureError, match="no permission to read it"):
        read_remote(other, "0010.png", 1, 1)


@pytest.mark.parametrize(
    ("url", "expected"),
    [("gs://b/p", True), ("az://c", True), ("s3://b", True), ("gs:///p", False), ("/gs", False)],
)
def test_what_is_a_bucket(url: str, expected: bool) -> None:
    assert is_bucket(url) == expected


def test_without_obstore_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(MissingExtra, match=r"naturalist\[clouds\]"):
        open_store("gs://b")


def test_a_server_is_spoken_to_by_tls_if_its_certificate_is_trusted(
    google: GcsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, certificate = tls(tmp_path)
    for secure in gcs_server.serve("pictures", tls=context):
        monkeypatch.setenv("GOOGLE_BASE_URL", secure.base_url)
        with pytest.raises(StoreError, match="SSL_CERT_FILE"):
            open_store("gs://pictures").put_bytes("k", b"x")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        open_store("gs://pictures").put_bytes("k", b"x")
        assert list(secure.buckets["pictures"]) == ["k"]


def test_azure_without_an_account_names_the_variable_to_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in os.environ if name.startswith("AZURE_")]:
        monkeypatch.delenv(name)
    with pytest.raises(ConfigError, match="no storage account: set AZURE_STORAGE_ACCOUNT_NAME"):
        open_store("az://box/garden").check_writable()
