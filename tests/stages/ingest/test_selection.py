"""Which files of a source are taken, in folders and in archives, and what a change does."""

import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.archives.packing_7z import seven_zip_of
from tests.tiny import collection, config_file, ingest, ledger_rows, picture, write_picture

from naturalist import ledger
from naturalist.config import Config, load_config
from naturalist.errors import ConfigError, WithdrawalBudgetExceeded
from naturalist.stages.ingest.selection import DEFAULT_EXCLUDE, TAKE_ALL, Selection, unusable


def taken(selection: Selection, *paths: str) -> list[str]:
    return [path for path in paths if not selection.leaves_out(path.replace("!/", "\0").encode())]


PATHS = (
    "1.jpg",
    "masks/1.png",
    "train/cat/1.jpg",
    "train/masks/1.png",
    "a.zip!/masks/1.png",
    "a.zip!/train/cat/2.jpg",
    "in/b.zip!/train/c.zip!/x/3.JPG",
    "masks.zip!/4.jpg",
    "unmasked/masks.txt/5.jpg",
)


@pytest.mark.parametrize(
    ("exclude", "left_out"),
    [
        (["masks"], {1, 3, 4}),
        (["MASKS"], {1, 3, 4}),
        (["masks*"], {1, 3, 4, 7, 8}),
        (["/masks"], {1, 4}),
        (["*.png"], {1, 3, 4}),
        (["*.jpg"], {0, 2, 5, 6, 7, 8}),
        (["train/"], {2, 3, 5, 6}),
        (["train/cat"], {2, 5}),
        (["train/cat/"], {2, 5}),
        (["train/*/1.*"], {2, 3}),
        (["train/**"], {2, 3, 5, 6}),
        (["**/cat/*.jpg"], {2, 5}),
        (["a.zip!/train"], {5}),
        (["a.zip/train"], {5}),
        (["b.zip"], {6}),
        (["?.jpg"], {0, 2, 5, 6, 7, 8}),
        (["[0-1].jpg"], {0, 2}),
        (["[!0-1].jpg"], {5, 6, 7, 8}),
        (["masks", "!masks/1.png"], {3}),
        (["*", "!*.jpg"], {1, 3, 4, 5, 6, 7}),
        (["nothing"], set()),
    ],
)
def test_patterns_are_those_of_gitignore_and_hold_inside_archives(exclude, left_out):
    found = taken(Selection(exclude=tuple(exclude)), *PATHS)
    assert set(PATHS) - set(found) == {PATHS[k] for k in left_out}


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        (["*.jpg"], {0, 2, 5, 6, 7, 8}),
        (["train"], {2, 3, 5, 6}),
        (["train/cat/*.jpg"], {2, 5}),
        (["a.zip"], {4, 5}),
        (["*.jpg", "!in/"], {0, 2, 5, 7, 8}),
    ],
)
def test_include_takes_what_matches_and_nothing_else(include, expected):
    assert set(taken(Selection(include=tuple(include)), *PATHS)) == {PATHS[k] for k in expected}


@pytest.mark.parametrize("folder", [name.replace("*", "1000") for name in DEFAULT_EXCLUDE])
def test_leftovers_of_systems_are_excluded_unless_they_are_asked_for(folder):
    path = f"deep/{folder}/x.jpg"
    assert taken(TAKE_ALL, path, f"a.zip!/{folder}/x.jpg", f"a{folder}b/x.jpg") == [
        f"a{folder}b/x.jpg"
    ]
    again = tuple("!" + name for name in DEFAULT_EXCLUDE)
    assert taken(Selection(exclude=again), path) == [path]


@pytest.mark.parametrize("pattern", ["", "!", "/", " ", "a\0b", "[z-a].jpg"])
def test_a_pattern_that_cannot_be_used_is_named(pattern):
    assert unusable(["masks", pattern])


def raw_zip(path: Path, names: dict[str, int]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as packed:
        for name, seed in names.items():
            packed.writestr(name, picture(seed))
    return path


def made(folder: Path, **source: Any) -> Config:
    """A collection of a folder with masks, beside and inside archives; and another category."""
    raw = folder / "raw"
    if not raw.exists():
        for seed, name in enumerate(["1.png", "2.png", "masks/3.png", "__MACOSX/4.png"]):
            write_picture(raw / name, seed)
        raw_zip(raw / "a.zip", {"5.png": 5, "masks/6.png": 6, "__MACOSX/7.png": 7})
        (raw / "b.7z").write_bytes(
            seven_zip_of([(b"8.png", picture(8)), (b"masks/9.png", picture(9))])
        )
        raw_zip(raw / "c.docx", {"word/media/10.png": 10})
        write_picture(folder / "zoo/0.png", 99)
    sources = [{"name": "raw", "path": str(raw), **source}]
    return collection(
        folder,
        {},
        category=[
            {"name": "plant", "label": 0, "source": sources},
            {"name": "animal", "label": 1, "source": [{"name": "z", "path": str(folder / "zoo")}]},
        ],
    )


def accepted(config: Config) -> set[str]:
    return {
        Path(row["path_text"]).name
        for row in ledger_rows(config)
        if row["outcome"] == "accepted" and row["category"] == "plant"
    }


def check_sums(config: Config) -> None:
    """Every file has one row."""
    rows = [row for row in ledger_rows(config) if row["category"] == "plant"]
    keys = [(row["path"], row["occurrence"]) for row in rows]
    assert len(set(keys)) == len(keys)
    seen = sum(row["outcome"] != "unpacked" for row in rows)
    assert ledger.counts(config.layout, "plant")["raw"].seen == seen


def test_what_is_excluded_has_a_row_and_is_not_looked_at_again(tmp_path: Path) -> None:
    config = made(tmp_path, exclude=["masks"])
    ingest(config)
    assert accepted(config) == {"1.png", "2.png", "5.png", "8.png"}
    rows = {row["path_text"]: row for row in ledger_rows(config)}
    assert rows["masks/3.png"]["reason"] == "excluded"
    assert rows["b.7z!/masks/9.png"]["detail"] == "exclude has 'masks'"
    assert rows["c.docx"]["reason"] == "document"
    check_sums(config)
    assert not ingest(config).batches


def test_include_opens_archives_and_takes_only_what_matches_in_them(tmp_path: Path) -> None:
    config = made(tmp_path, include=["[15].png", "masks"], exclude=["__MACOSX"])
    ingest(config)
    assert accepted(config) == {"1.png", "3.png", "5.png", "6.png", "9.png"}
    check_sums(config)


def test_documents_are_opened_when_asked(tmp_path: Path) -> None:
    config = made(tmp_path, documents="open")
    ingest(config)
    assert "10.png" in accepted(config)


@pytest.mark.parametrize("mode", ["hardlink", "rescan"])
def test_excluding_later_takes_pictures_out_and_including_brings_them_back(
    tmp_path: Path, mode: str
) -> None:
    first = made(tmp_path)
    ingest(first)
    everything = {"1.png", "2.png", "3.png", "5.png", "6.png", "8.png", "9.png"}
    assert accepted(first) == everything
    config = made(tmp_path, exclude=["masks"])
    ingest(config, rescan=mode == "rescan")
    assert accepted(config) == {"1.png", "2.png", "5.png", "8.png"}
    check_sums(config)
    assert not ingest(config).batches
    ingest(made(tmp_path), rescan=mode == "rescan")
    assert accepted(first) == everything
    check_sums(first)


def test_each_widening_takes_more_and_nothing_twice(tmp_path: Path) -> None:
    for source, name in (
        ({"include": ["1.png"]}, "1.png"),
        ({"exclude": ["masks"]}, "8.png"),
        ({}, "9.png"),
        ({"exclude": ["!__MACOSX"]}, "7.png"),
        ({"documents": "open"}, "10.png"),
    ):
        config = made(tmp_path, **source)
        ingest(config)
        assert name in accepted(config)
        check_sums(config)
    assert "7.png" not in accepted(config)


def test_a_picture_stays_while_another_file_has_its_bytes(tmp_path: Path) -> None:
    config = made(tmp_path)
    write_picture(tmp_path / "raw/zz/again.png", 2)  # as masks/3.png
    ingest(config)
    config = made(tmp_path, exclude=["masks"])
    ingest(config)
    assert "3.png" in accepted(config)


def test_patterns_that_would_empty_a_category_are_stopped_before_anything_changes(
    tmp_path: Path,
) -> None:
    config = made(tmp_path)
    for seed in range(100, 140):
        write_picture(tmp_path / f"raw/many/{seed}.png", seed)
    ingest(config)
    before = accepted(config)
    with pytest.raises(WithdrawalBudgetExceeded, match="include or exclude"):
        ingest(made(tmp_path, include=["nothing"]))
    assert accepted(config) == before
    ingest(made(tmp_path))
    assert accepted(config) == before


SHARING = [
    ("raw", "raw", [], [], "the path of both"),
    ("raw", "raw", ["1*"], [], "the path of both"),
    ("raw", "raw/masks", [], ["x"], "is in"),
    ("raw", "link", [], [], "the path of both"),
]


@pytest.mark.parametrize(("one", "other", "patterns", "others", "said"), SHARING)
def test_the_same_files_in_two_categories_are_refused_at_the_start(
    tmp_path: Path, one: str, other: str, patterns: list[str], others: list[str], said: str
) -> None:
    made(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "raw")
    path = shared_config(tmp_path, one, other, patterns, others)
    with pytest.raises(ConfigError, match=said) as caught:
        load_config(path)
    assert "include and exclude" in str(caught.value)


@pytest.mark.parametrize(
    ("one", "other", "patterns", "others"),
    [
        ("raw", "raw", ["1*"], ["2*"]),
        ("raw", "raw/masks", ["1*"], []),
        ("raw", "zoo", [], []),
        ("raw/masks", "raw/masks2", [], []),
    ],
)
def test_files_that_patterns_may_tell_apart_are_not(
    tmp_path: Path, one: str, other: str, patterns: list[str], others: list[str]
) -> None:
    made(tmp_path)
    load_config(shared_config(tmp_path, one, other, patterns, others))


def shared_config(
    folder: Path, one: str, other: str, patterns: list[str], others: list[str]
) -> Path:
    sources = [
        {"name": "s", "path": str(folder / name), "include": include}
        for name, include in ((one, patterns), (other, others))
    ]
    categories = [
        {"name": name, "label": k, "source": [source]}
        for k, (name, source) in enumerate(zip(("plant", "animal"), sources, strict=True))
    ]
    return config_file(folder, {}, category=categories, workspace="work")
