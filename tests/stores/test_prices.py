"""Prices: a small table that can be edited, and sums made from it."""

from pathlib import Path

import pytest

from naturalist.errors import ConfigError
from naturalist.stores import S3Options
from naturalist.stores.prices import guess_table, load_prices, prices_for, put_requests

MINE = """
[mine]
storage_gb_month = 2
put_1000 = 0
get_1000 = 1
egress_gb = 3
upload_mb_s = 10
requests_s = 50
"""


def test_the_table_that_comes_along_has_prices_for_the_common_stores() -> None:
    assert load_prices("aws").month(100 * 10**9) == pytest.approx(2.3)
    assert load_prices("aws").writing(10_000) == pytest.approx(0.05)
    assert load_prices("r2").reading(0, 10**12) == 0
    assert load_prices("own").month(10**12) == 0


def test_an_own_table_is_read(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(MINE)
    prices = load_prices("mine", path)
    assert prices.reading(1_000, 10**9) == 4
    assert prices.duration_s(500, 20 * 10**6) == 10 + 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[other]\n", "no prices for 'mine': choose one of other"),
        ("[mine]\nstorage = 1\n", "must be exactly storage_gb_month, put_1000"),
        (MINE.replace("month = 2", "month = -1"), "storage_gb_month is -1"),
        (MINE.replace("requests_s = 50", "requests_s = 0"), "must be more than 0"),
        ("not toml", "cannot be read"),
    ],
)
def test_a_table_that_is_wrong_says_how(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_prices("mine", path)


def test_the_table_follows_from_the_endpoint() -> None:
    assert guess_table("https://s3.amazonaws.com") == "aws"
    assert guess_table("https://s3.eu-west-1.amazonaws.com") == "aws"
    assert guess_table("https://account.r2.cloudflarestorage.com") == "r2"
    assert guess_table("http://127.0.0.1:9000") == "own"


def test_the_endpoint_that_counts_is_the_one_of_the_aws_chain(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    assert prices_for("s3://bucket", S3Options()) == load_prices("aws")
    assert prices_for("/a/folder", S3Options()) == load_prices("own")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    assert prices_for("s3://bucket", S3Options()) == load_prices("own")


def test_large_files_cost_a_request_for_each_part() -> None:
    assert put_requests(1_000, 5_000) == 1
    assert put_requests(10_001, 5_000) == 3 + 4
