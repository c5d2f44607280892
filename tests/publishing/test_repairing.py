"""An object damaged in the store is found by `verify` and repaired by `publish --repair`."""

from collections.abc import Callable

import pytest

from cli.conftest import Naturalist
from naturalist.snapshots import LATEST, delta, maintenance, with_pictures
from publishing.conftest import OnS3
from s3_server import S3Server

Damage = Callable[[OnS3, S3Server, str], None]


def overwrite(made: OnS3, server: S3Server, key: str) -> None:
    """Somebody put other bytes there."""
    made.store.put_bytes(key, b"something else")


def rot(made: OnS3, server: S3Server, key: str) -> None:
    """One bit is another, and what was recorded of the object says nothing of it."""
    bucket, _, prefix = made.url.removeprefix("s3://").partition("/")
    client = server.client()
    whole = client.get_object(Bucket=bucket, Key=f"{prefix}/{key}")
    data = bytearray(whole["Body"].read())
    data[len(data) // 2] ^= 1
    client.put_object(
        Bucket=bucket, Key=f"{prefix}/{key}", Body=bytes(data), Metadata=whole["Metadata"]
    )


def remove(made: OnS3, server: S3Server, key: str) -> None:
    """It is gone."""
    made.store.delete([key])


@pytest.mark.parametrize(
    ("form", "damage"),
    [("tars", rot), ("objects", overwrite), ("objects", remove)],
)
def test_what_is_damaged_is_found_and_repaired_and_nothing_else_is_sent(
    made: OnS3, naturalist: Naturalist, s3_server: S3Server, damage: Damage, form: str
) -> None:
    made.collection.set('pictures = "tars"', f'pictures = "{form}"')
    here = ["-c", str(made.folder)]
    assert naturalist("publish", *here).code == 0
    files = list(with_pictures(made.store, made.snapshot.files))
    table = next(f for f in files if f.part == "tables" and f.suffix == ".csv")
    picture = next(f for f in files if f.part == "pictures")
    before = {info.key: info.version for info in made.store.list()}
    for file in (table, picture):
        damage(made, s3_server, file.key)
    assert naturalist("verify", made.url).code == 4

    repaired = naturalist("publish", *here, "--repair", "--json").json
    assert repaired["repaired_files"] == 2
    assert not repaired["changed"]
    assert naturalist("verify", made.url).code == 0
    after = {info.key: info.version for info in made.store.list()}
    del after[maintenance.KEY]
    assert after == before | {key: after[key] for key in (table.key, picture.key)}
    said = naturalist("publish", *here, "--repair", "--json").json
    assert (said["repaired_files"], said["sent_files"]) == (0, 0)


def test_an_ordinary_publish_names_a_key_with_other_bytes_and_the_way_out(
    made: OnS3, naturalist: Naturalist, s3_server: S3Server
) -> None:
    here = ["-c", str(made.folder)]
    assert naturalist("publish", *here).code == 0
    key = next(f.key for f in made.snapshot.files if f.part == "tables")
    overwrite(made, s3_server, key)
    ended = naturalist("publish", *here)
    assert ended.code == 7
    assert key in ended.err
    assert f"naturalist publish -c {made.folder} --repair" in ended.err
    assert "repaired 1 object" in naturalist("publish", *here, "--repair").out


@pytest.mark.parametrize(
    ("what", "damage"),
    [("snapshot", rot), ("snapshot", remove), ("pointer", overwrite)],
)
def test_a_damaged_snapshot_is_followed_by_a_new_one(
    made: OnS3, naturalist: Naturalist, s3_server: S3Server, damage: Damage, what: str
) -> None:
    here = ["-c", str(made.folder)]
    assert naturalist("publish", *here).code == 0
    files = made.check()
    damage(made, s3_server, made.snapshot.key if what == "snapshot" else LATEST)
    assert naturalist("verify", made.url).code == 7
    assert naturalist("publish", *here, "--repair").code == 0
    assert naturalist("verify", made.url).code == 0
    assert made.check() == files


def test_mending_what_was_never_published_publishes_it(made: OnS3, naturalist: Naturalist) -> None:
    repaired = naturalist("publish", "-c", str(made.folder), "--repair", "--json").json
    assert repaired["repaired_files"] == 0
    assert repaired["changed"]
    assert made.check()


@pytest.mark.parametrize("damage", [overwrite, remove])
def test_a_damaged_delta_log_is_found_by_verify_and_repaired(
    made: OnS3, naturalist: Naturalist, s3_server: S3Server, damage: Damage
) -> None:
    here = ["-c", str(made.folder)]
    assert naturalist("publish", *here).code == 0
    key = f"{delta.LOG}{0:020d}.json"
    made.store.put_bytes(f"{delta.LOG}{1:020d}.json", made.store.get_bytes(key)[0])
    damage(made, s3_server, key)
    found = naturalist("verify", made.url, "--quick", "--json")
    assert found.code == 4
    assert "naturalist publish --repair" in found.json["rows"][0]["detail"]
    repaired = naturalist("publish", *here, "--repair", "--json").json
    assert (repaired["repaired_files"], repaired["changed"]) == (1, False)
    assert naturalist("verify", made.url, "--quick").code == 0
