"""A wrong condition of `--where` is explained with the columns that exist."""

from collections.abc import Iterator

import pytest

import tiny
from naturalist.config import Config
from naturalist.curation.conditions import meeting
from naturalist.errors import ConfigError


@pytest.fixture(scope="module")
def config() -> Iterator[Config]:
    with tiny.in_memory() as folder:
        made = tiny.collection(folder, tiny.make_sources(folder, {"plant": [1, 2, 3]}))
        tiny.ingest(made)
        yield made


def test_the_pictures_that_meet_a_condition_are_found(config: Config) -> None:
    assert len(meeting(config.layout, "width > 0 AND category = 'plant'")) == 3
    assert len(meeting(config.layout, "width < 0")) == 0


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("nonsense = 1", "there is no column 'nonsense': choose one of category, "),
        ("widht > 100", "did you mean width?"),
        ('source = "owls"', "there is no column 'owls' (text goes in single quotes: 'owls')"),
        ("width = = 3", 'is not a valid SQL condition: syntax error at or near "=". Write'),
        ("source = 'owls", "is not a valid SQL condition: unterminated string literal. Write"),
        ("largest(width)", "Scalar Function with name largest does not exist. Write"),
        ("source + 1 > 3", "The columns are category, "),
        ("source::int > 3", "is not a valid SQL condition: Could not convert string 'photos'"),
    ],
)
def test_a_wrong_condition_is_explained(config: Config, where: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        meeting(config.layout, where)
    text = str(raised.value)
    assert said in text
    assert "width" in text
    assert "Error" not in text


@pytest.mark.parametrize("source", ["'gone.parquet'", "read_csv('gone.csv')"])
def test_a_file_that_a_condition_names_in_vain_is_no_fault_of_the_ledger(
    config: Config, source: str
) -> None:
    with pytest.raises(ConfigError, match=r"a file that it names cannot be read: No files.*gone"):
        meeting(config.layout, f"pic_id IN (SELECT pic_id FROM {source})")
