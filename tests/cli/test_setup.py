"""naturalist init: from arguments to a configuration that loads."""

import os
from pathlib import Path

import pytest

from cli.conftest import Ended, Naturalist
from naturalist.config import CONFIG_NAME, load_config

ODD = ["sp ace", "quo\"te'", "back\\slash", "com,ma", "ünicode 日本", "a=b:c", "#[x]"]


def make_folders(root: Path, *names: str) -> list[Path]:
    for name in names:
        (root / name).mkdir(parents=True)
    return [root / name for name in names]


def init(naturalist: Naturalist, folder: Path, *more: str, sources: Path | None = None) -> Ended:
    plant, animal = ((sources or folder.parent / "sources") / n for n in ("plant", "animal"))
    plant.mkdir(parents=True, exist_ok=True)
    animal.mkdir(parents=True, exist_ok=True)
    return naturalist(
        "init", str(folder), "--category", f"plant=0:{plant}", "--category", f"animal=1:{animal}",
        *more,
    )  # fmt: skip


def test_init_writes_a_configuration_and_says_what_comes_next(
    naturalist: Naturalist, tmp_path: Path
) -> None:
    ended = init(naturalist, tmp_path / "garden")
    assert (ended.code, ended.err) == (0, "")
    assert f"naturalist run -c {tmp_path / 'garden'}" in ended.out
    config = load_config(tmp_path / "garden")
    assert config.name == "garden"
    assert config.labels == {"plant": 0, "animal": 1}


def test_init_answers_in_json(naturalist: Naturalist, tmp_path: Path) -> None:
    ended = init(naturalist, tmp_path / "garden", "--json")
    assert ended.json["config"] == str(tmp_path / "garden" / CONFIG_NAME)


@pytest.mark.parametrize("name", ODD)
def test_sources_with_odd_names_are_kept_to_the_letter(
    naturalist: Naturalist, tmp_path: Path, name: str
) -> None:
    one, other = make_folders(tmp_path, f"{name} 1", f"{name} 2")
    arguments = ["--category", f"plant=0:{one}", "--category", f"animal=1:{other}"]
    ended = naturalist("init", str(tmp_path / "c"), *arguments)
    assert (ended.code, ended.err) == (0, "")
    assert [source.path for source in load_config(tmp_path / "c").sources] == [one, other]


@pytest.mark.parametrize("name", [*ODD, "-dash", "日本", "."])
def test_a_collection_can_live_in_a_folder_of_any_name(
    naturalist: Naturalist, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = init(naturalist, tmp_path / "x" / name)
    assert (ended.code, ended.err) == (0, "")
    assert load_config(tmp_path / "x" / name).name


def test_several_sources_are_separated_by_commas(naturalist: Naturalist, tmp_path: Path) -> None:
    one, two, three = make_folders(tmp_path, "a/train", "b/train", "com,ma")
    category = f"plant=0:{one},{two}"
    ended = naturalist(
        "init", str(tmp_path / "c"), "--category", category, "--category", f"animal=1:{three}"
    )
    assert (ended.code, ended.err) == (0, "")
    sources = load_config(tmp_path / "c").sources
    assert [(s.name, s.path) for s in sources] == [
        ("a-train", one),
        ("b-train", two),
        ("com-ma", three),
    ]


def test_relative_paths_are_those_of_the_caller(
    naturalist: Naturalist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_folders(tmp_path, "p", "a")
    monkeypatch.chdir(tmp_path)
    naturalist(
        "init", "deep/garden", "--category", "plant=0:p", "--category", "animal=1:a",
        "--publish", "out",
    )  # fmt: skip
    config = load_config(tmp_path / "deep" / "garden")
    assert [source.path for source in config.sources] == [tmp_path / "p", tmp_path / "a"]
    assert config.publish_url == str(tmp_path / "out")


@pytest.mark.parametrize(
    ("publish", "advice"),
    [
        ("garden", "garden/published"),
        ("garden/ledger", "garden/published"),
        ("s3:/b/x", "s3://b/x"),
    ],
)
def test_init_refuses_to_publish_into_the_workspace_or_to_half_an_address(
    naturalist: Naturalist,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    publish: str,
    advice: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    refused(init(naturalist, tmp_path / "garden", "--publish", publish), advice)
    assert not (tmp_path / "garden" / CONFIG_NAME).exists()
    assert init(naturalist, tmp_path / "garden", "--publish", "garden/published").code == 0


def test_an_address_to_publish_to_is_kept_as_it_is(naturalist: Naturalist, tmp_path: Path) -> None:
    init(naturalist, tmp_path / "garden", "--publish", "s3://bucket/a b", "--name", "my-name")
    config = load_config(tmp_path / "garden")
    assert (config.publish_url, config.name) == ("s3://bucket/a b", "my-name")


def refused(ended: Ended, *words: str) -> None:
    assert ended.code == 2
    assert ended.out == ""
    assert all(word in ended.err for word in words), ended.err
    assert "Traceback" not in ended.err


def test_a_configuration_is_never_overwritten(naturalist: Naturalist, tmp_path: Path) -> None:
    init(naturalist, tmp_path / "garden")
    (tmp_path / "garden" / CONFIG_NAME).write_text("mine")
    refused(init(naturalist, tmp_path / "garden"), "already exists")
    assert (tmp_path / "garden" / CONFIG_NAME).read_text() == "mine"
    # Nothing is scanned and proposed first.
    pictures = str(tmp_path / "nowhere")
    refused(naturalist("init", str(tmp_path / "garden"), pictures, "--yes"), "already exists")


def test_a_folder_without_files_is_named(naturalist: Naturalist, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    ended = naturalist("init", str(tmp_path / "c"), "--category", f"plant=0:{tmp_path / 'empty'}")
    assert ended.code == 0
    assert f"{tmp_path / 'empty'} has no files: add pictures of plant to it" in ended.out


@pytest.mark.parametrize(
    "category",
    ["plant", "plant=0", "plant:0=x", "plant=zero:{}", "=0:{}", "plant=-1:{}", "plant=0:", ""],
)
def test_a_category_that_cannot_be_read_is_explained(
    naturalist: Naturalist, tmp_path: Path, category: str
) -> None:
    (source,) = make_folders(tmp_path, "s")
    arguments = ["--category", category.format(source), "--category", f"animal=1:{source}"]
    ended = naturalist("init", str(tmp_path / "c"), *arguments)
    refused(ended, "category.1.name" if category == "=0:{}" else "plant=0:/data/flowers")
    assert not (tmp_path / "c" / CONFIG_NAME).exists()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--category", "plant=0:gone", "--category", "animal=1:."], "gone"),
        (["--category", "plant=0:~no-such-user/x", "--category", "animal=1:."], "home folder"),
        (
            ["--category", "plant=0:.", "--category", "animal=1:.", "--publish", "~no-such-user"],
            "home",
        ),
        ([], "name folders to scan"),
        (
            ["--category", "plant=0:.", "--category", "animal=0:."],
            "--category: two categories have label 0",
        ),
        (["--category", "plant=0:.", "--category", "Plant=1:."], "two categories are named"),
        (["--category", "pl ant=0:.", "--category", "animal=1:."], "start with a letter"),
        (["--category", "plant=0:.", "--name", "a b"], "naturalist: --name: 'a b'"),
        (
            ["--category", "plant=0:.", "--category", "animal=1:."],
            "naturalist: sources 'here' of category 'animal' and",
        ),
        (["--category", "plant=0:.", "--publish", "s3://"], "--publish (publish.url): 's3://' is"),
        (["--category", "plant=0:.", "--endpoint-url", "host:1"], "must look like https://host"),
    ],
)
def test_what_no_configuration_allows_is_refused_and_leaves_no_file(
    naturalist: Naturalist,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    word: str,
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    refused(naturalist("init", str(tmp_path / "c"), *arguments), word)
    assert not (tmp_path / "c").exists()


def test_an_unknown_backbone_is_refused_with_the_known_ones(
    naturalist: Naturalist, tmp_path: Path
) -> None:
    ended = init(naturalist, tmp_path / "c", "--backbone", "resnet5000")
    refused(ended, "--backbone (extract.backbone): unknown backbone", "colour_histogram")
    assert "(line" not in ended.err
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("where", ["file", "file/below", "n" * 300])
def test_a_folder_that_cannot_be_made_is_named(
    naturalist: Naturalist, tmp_path: Path, where: str
) -> None:
    (tmp_path / "file").write_bytes(b"")
    ended = init(naturalist, tmp_path / where, sources=tmp_path / "sources")
    assert ended.code in (2, 5)
    assert where[:20] in ended.err
    assert "Traceback" not in ended.err


def test_a_folder_whose_name_is_no_text_is_refused(naturalist: Naturalist, tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    odd.mkdir()
    arguments = ["--category", f"plant=0:{odd}", "--category", f"animal=1:{tmp_path}"]
    refused(naturalist("init", str(tmp_path / "c"), *arguments), "UTF-8")


def test_demo_photos_in_odd_folders_make_a_collection(
    naturalist: Naturalist, tmp_path: Path
) -> None:
    refused(naturalist("demo", str(tmp_path / "d"), "--photos", str(tmp_path)), "no subfolders")
