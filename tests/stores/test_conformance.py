"""What every store promises (`naturalist.stores.testing`), run over each of them."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from naturalist.errors import AccessDenied, ConfigError, StoreError
from naturalist.stores import S3Options, Store, open_store
from naturalist.stores.testing import StoreContract
from s3_server import ACCESS_KEY, SECRET_KEY, S3Server

from . import azurite, gcs_server

Reopen = Callable[[], Store]


class TestFolder(StoreContract):
    @pytest.fixture
    def reopen(self, tmp_path: Path) -> Reopen:
        # As docs/extending.md shows it: files of the contract lie elsewhere.
        return lambda: open_store(str(tmp_path))


class TestS3(StoreContract):
    @pytest.fixture
    def reopen(self, s3_options: S3Options, shared_bucket: str) -> Reopen:
        url = f"s3://{shared_bucket}/{uuid.uuid4().hex[:8]} with space"
        return lambda: open_store(url, s3_options)


class TestMemoryByObstore(StoreContract):
    @pytest.fixture
    def reopen(self) -> Reopen:
        obstore = pytest.importorskip("obstore.store", reason="needs naturalist[clouds]")
        from naturalist.stores.cloud import CloudStore

        memory = obstore.MemoryStore()
        return lambda: CloudStore(lambda _outage_s: memory, "memory://")


class TestS3ByObstore(StoreContract):
    @pytest.fixture
    def reopen(self, s3_server: S3Server, shared_bucket: str) -> Reopen:
        obstore = pytest.importorskip("obstore.store", reason="needs naturalist[clouds]")
        from naturalist.stores.cloud import CloudStore

        prefix = f"{uuid.uuid4().hex[:8]} with space"

        def client(_outage_s: float) -> object:
            return obstore.S3Store(
                shared_bucket,
                prefix=prefix,
                endpoint=s3_server.endpoint_url,
                region="us-east-1",
                access_key_id=ACCESS_KEY,
                secret_access_key=SECRET_KEY,
                client_options={"allow_http": True},
                retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=10)},
            )

        return lambda: CloudStore(client, f"s3://{shared_bucket}/{prefix}")


class TestGoogle(StoreContract):
    @pytest.fixture
    def reopen(self, google: gcs_server.GcsServer) -> Reopen:
        return lambda: open_store("gs://pictures/a prefix/below")

    def test_a_listing_goes_over_pages(self, store: Store) -> None:
        keys = [f"many/{n:03}" for n in range(gcs_server.PAGE * 2 + 1)]
        for key in keys:
            store.put_bytes(key, b"x")
        assert [info.key for info in store.list("many/")] == keys

    def test_a_put_whose_answer_was_lost_is_no_conflict(
        self, store: Store, google: gcs_server.GcsServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answer = gcs_server._Handler._answer

        def lose_first(handler: gcs_server._Handler, status: int, *rest: object) -> None:
            if handler.command == "PUT" and status == 200 and len(google.puts) == 1:
                status = 503
            answer(handler, status, *rest)  # type: ignore[arg-type]

        monkeypatch.setattr(gcs_server._Handler, "_answer", lose_first)
        store.put_bytes("k", b"x", if_absent=True)
        assert google.puts == ["a prefix/below/k"] * 2

    def test_a_wrong_token_is_said_to_be_one(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GOOGLE_BEARER_TOKEN", "wrong")
        with pytest.raises(AccessDenied, match="GOOGLE_APPLICATION_CREDENTIALS"):
            store.check_writable()

    def test_a_bucket_that_is_not_there_is_said_to_be_missing(
        self, google: gcs_server.GcsServer
    ) -> None:
        other = open_store("gs://other/prefix")
        for call in (lambda: other.head("k"), other.check_writable, lambda: list(other.list())):
            with pytest.raises(StoreError, match="the bucket of gs://other/prefix does not exist"):
                call()

    def test_settings_of_s3_are_refused(self, google: gcs_server.GcsServer) -> None:
        with pytest.raises(ConfigError, match="GOOGLE_BASE_URL"):
            open_store("gs://pictures", S3Options(endpoint_url="http://127.0.0.1:9"))


class TestAzure(StoreContract):
    @pytest.fixture
    def container(self, azure_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
        name = f"pictures-{uuid.uuid4().hex[:8]}"
        azurite.send(azure_endpoint, "PUT", name, "restype=container")
        monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", azure_endpoint)
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", azurite.ACCOUNT)
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", azurite.KEY)
        return name

    @pytest.fixture
    def reopen(self, container: str) -> Reopen:
        return lambda: open_store(f"az://{container}/a prefix/below")

    def test_a_container_that_is_not_there_is_said_to_be_missing(self, container: str) -> None:
        other = open_store("az://not-there/prefix")
        with pytest.raises(StoreError, match="the bucket of az://not-there/prefix does not exist"):
            other.head("k")
        with pytest.raises(StoreError, match="the bucket of az://not-there/prefix does not exist"):
            other.check_writable()

    def test_a_key_that_obstore_cannot_read_is_said_to_be_in_the_way(
        self, container: str, azure_endpoint: str
    ) -> None:
        azurite.send(azure_endpoint, "PUT", f"{container}/x//y", body=b"1")
        with pytest.raises(StoreError, match="rename"):
            list(open_store(f"az://{container}").list())
