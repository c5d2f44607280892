"""Refusals are looked at again when somebody asks, and only those."""

import zipfile
from pathlib import Path

import pytest
from tests.images.making import encoded, photo
from tests.tiny import collection, job, ledger_rows, make_sources, picture, steps, write_picture

from naturalist.config import Config
from naturalist.errors import ConfigError, PictureError
from naturalist.pipeline.steps import IngestResult
from naturalist.reasons import Reason
from naturalist.stages import extract
from naturalist.stages.ingest import examine, retrying


@pytest.fixture
def config(tmp_path: Path) -> Config:
    sources = make_sources(tmp_path / "sources", {"plant": [1, 2, 3], "animal": [9]})
    with zipfile.ZipFile(tmp_path / "sources/plant/z.zip", "w") as packed:
        packed.writestr("4.png", picture(4))
        packed.writestr("5.png", picture(5))
    return collection(tmp_path, sources)


def ingest(config: Config, *words: str) -> IngestResult:
    with job(config) as held:
        return steps.ingest(held, retry=retrying.parse(words))


def refused(config: Config) -> dict[str, str]:
    return {
        row["path_text"]: row["reason"]
        for row in ledger_rows(config)
        if row["outcome"] == "refused"
    }


@pytest.fixture
def with_an_old_version(config: Config, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Ingested by a program that could not read two of the pictures."""
    read_header = examine.images.read_header
    unread = {picture(2), picture(5)}

    def older(data: bytes, limits: object) -> object:
        if data in unread:
            raise PictureError(Reason.BROKEN_HEADER, "of a kind that is not known yet")
        return read_header(data, limits)

    with monkeypatch.context() as patched:
        patched.setattr(examine.images, "read_header", older)
        ingest(config)
    assert refused(config) == {"0002.png": "broken_header", "z.zip!/5.png": "broken_header"}
    return config


def test_without_a_word_nothing_is_looked_at_again(with_an_old_version: Config) -> None:
    assert not ingest(with_an_old_version).batches
    assert len(refused(with_an_old_version)) == 2


@pytest.mark.parametrize("word", ["broken_header", "all"])
def test_what_can_be_read_now_is_accepted_in_folders_and_archives(
    with_an_old_version: Config, word: str
) -> None:
    result = ingest(with_an_old_version, word)
    assert refused(with_an_old_version) == {}
    assert result.counts["plant"]["photos"].accepted == 2
    assert not ingest(with_an_old_version, word).batches


def test_other_reasons_are_left_alone(with_an_old_version: Config) -> None:
    assert not ingest(with_an_old_version, "truncated").batches
    assert len(refused(with_an_old_version)) == 2


def test_what_is_still_refused_keeps_its_row(config: Config) -> None:
    path = write_picture(config.source_paths["plant"]["photos"] / "bad.png", 7)
    path.write_bytes(path.read_bytes()[:40])
    ingest(config)
    before = ledger_rows(config)
    assert not ingest(config, "all").batches
    assert ledger_rows(config) == before


def test_pictures_refused_by_extraction_are_extracted_again(config: Config) -> None:
    ingest(config)
    with job(config) as held:
        steps.extract_features(held)
    stored = next((config.layout.root / "images/plant").rglob("plant_id_2.png"))
    stored.rename(stored.with_suffix(".away"))
    retry = lambda *words: ingest(config, *words)  # noqa: E731
    features = next((config.layout.root / "features").rglob("plant/*.json"))
    features.unlink()
    with job(config) as held:
        steps.extract_features(held)
    assert refused(config) == {"0002.png": "vanished"}
    stored.with_suffix(".away").rename(stored)
    retry("truncated")
    assert not extract.plan(config.layout, config.source_paths, config.extract_options)
    retry("vanished")
    with job(config) as held:
        assert steps.extract_features(held).pictures == 4
    assert refused(config) == {}


def test_a_damaged_picture_is_accepted_when_the_limit_changed_and_it_is_asked_for(
    config: Config,
) -> None:
    sound = encoded(photo(), "JPEG")
    hole = len(sound) // 3
    path = config.source_paths["plant"]["photos"] / "torn.jpg"
    path.write_bytes(sound[:hole] + bytes(512) + sound[hole + 512 :])

    def extracted(config: Config) -> int:
        with job(config) as held:
            return steps.extract_features(held).pictures

    ingest(config)
    extracted(config)
    assert refused(config) == {"torn.jpg": "damaged"}
    accepting = config.model_copy(
        update={"limits": config.limits.model_copy(update={"damaged": "accept"})}
    )
    ingest(accepting)
    assert extracted(accepting) == 0
    ingest(accepting, "damaged")
    assert extracted(accepting) > 0
    assert refused(accepting) == {}


@pytest.mark.parametrize("word", ["taken_down", "excluded", "sunday", ""])
def test_what_cannot_be_decided_otherwise_is_no_reason_to_retry(word: str) -> None:
    with pytest.raises(ConfigError, match="choose one of all, "):
        retrying.parse([word])
