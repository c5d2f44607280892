"""`naturalist publish --dry-run`: what it says comes true, and it changes nothing."""

import json
from pathlib import Path

import pytest

from cli.conftest import Naturalist
from publishing.conftest import OnS3
from stores.mangling_proxy import mangling_proxy

SNAPSHOT_POINTER_AND_COMMIT = 3


def sizes(made: OnS3, prefix: str = "") -> dict[str, int]:
    return {info.key: info.size_bytes for info in made.store.list(prefix)}


@pytest.mark.parametrize("form", ["none", "tars", "objects"])
def test_a_dry_run_sends_nothing_and_tells_what_publishing_then_sends(
    made: OnS3, naturalist: Naturalist, aws_chain: pytest.MonkeyPatch, form: str
) -> None:
    made.collection.set('pictures = "tars"', f'pictures = "{form}"')
    here = ["-c", str(made.folder)]
    told = naturalist("publish", *here, "--dry-run", "--json").json
    assert made.keys() == set()
    assert told["dry_run"]
    assert told["pictures"] == (0 if form == "none" else 50)

    with mangling_proxy(str(made.options.endpoint_url), lambda _: None) as proxy:
        aws_chain.setenv("AWS_ENDPOINT_URL", proxy.endpoint_url)
        published = naturalist("publish", *here, "--json").json
    sent = sizes(made)
    assert told["objects"] == len(sent)
    assert told["files"] == published["sent_files"]
    assert told["size_bytes"] == pytest.approx(sum(sent.values()), rel=0.2)
    reads = proxy.count("HEAD") + sum(
        e.method == "GET" and "list-type" not in e.path for e in proxy.exchanges
    )
    writes = len(proxy.exchanges) - reads
    assert told["write_requests"] == pytest.approx(writes, abs=4)
    assert told["read_requests"] == pytest.approx(reads, abs=4)


def test_tables_are_counted_to_the_byte_and_packed_pictures_nearly(
    made: OnS3, naturalist: Naturalist
) -> None:
    with_pictures = naturalist("publish", "-c", str(made.folder), "--dry-run", "--json").json
    made.collection.set('pictures = "tars"', 'pictures = "none"')
    without = naturalist("publish", "-c", str(made.folder), "--dry-run", "--json").json
    made.collection.set('pictures = "none"', 'pictures = "tars"')
    assert naturalist("publish", "-c", str(made.folder)).code == 0
    tars = sum(sizes(made, "pictures/").values()) + sum(sizes(made, "picture_index/").values())
    files = [file for file in made.snapshot.files if not file.part.startswith("picture")]
    assert without["objects"] == len(files) + SNAPSHOT_POINTER_AND_COMMIT
    guess = with_pictures["size_bytes"] - without["size_bytes"]
    assert guess == pytest.approx(tars, rel=0.2)


def test_once_published_a_dry_run_finds_nothing_to_send(made: OnS3, naturalist: Naturalist) -> None:
    here = ["-c", str(made.folder)]
    assert naturalist("publish", *here).code == 0
    told = naturalist("publish", *here, "--dry-run", "--json").json
    assert (told["objects"], told["size_bytes"], told["month_cost"]) == (0, 0, 0)
    assert told["files_there"] == len(made.snapshot.files) - sum(
        file.suffix == ".tar" for file in made.snapshot.files
    )
    assert "nothing would be uploaded" in naturalist("publish", *here, "--dry-run").out


def test_costs_and_time_follow_the_table_of_prices(
    made: OnS3, naturalist: Naturalist, tmp_path: Path
) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text(
        "[mine]\nstorage_gb_month = 1e9\nput_1000 = 1000\nget_1000 = 0\negress_gb = 0\n"
        "upload_mb_s = 1\nrequests_s = 1e12\n"
    )
    here = ["-c", str(made.folder), "--dry-run", "--prices", str(prices), "--price-table", "mine"]
    told = naturalist("publish", *here, "--json").json
    assert told["month_cost"] == pytest.approx(told["size_bytes"])
    assert told["requests_cost"] == pytest.approx(told["write_requests"])
    assert told["duration_s"] == pytest.approx(told["size_bytes"] / 1e6)
    said = naturalist("publish", *here).out
    for words in ("nothing was uploaded", "about", "sizes in the ledger", "assumed 1 MB/s"):
        assert words in said


def test_a_dry_run_into_a_folder_makes_no_folder(
    made: OnS3, naturalist: Naturalist, tmp_path: Path
) -> None:
    target = tmp_path / "not there yet"
    made.move_to(str(target))
    told = json.loads(naturalist("publish", "-c", str(made.folder), "--dry-run", "--json").out)
    assert told["objects"] > 0
    assert told["requests_cost"] == 0
    assert not target.exists()


def test_a_dry_run_of_a_missing_bucket_ends_with_7(made: OnS3, naturalist: Naturalist) -> None:
    made.move_to("s3://no-such-bucket-here")
    ended = naturalist("publish", "-c", str(made.folder), "--dry-run")
    assert ended.code == 7
    assert "naturalist bucket create" in ended.err


def test_an_unknown_price_table_stops_a_publication_before_anything_is_sent(
    made: OnS3, naturalist: Naturalist, tmp_path: Path
) -> None:
    target = tmp_path / "published"
    made.move_to(str(target))
    ended = naturalist("publish", "-c", str(made.folder), "--price-table", "awss")
    assert ended.code == 2
    assert "did you mean aws?" in ended.err
    assert not target.exists()
