import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naturalist import backbones
from naturalist.archives import ArchiveLimits
from naturalist.config import CONFIG_NAME, Config, NewCategory, load_config, render_config
from naturalist.config.sources import CATEGORY_NAME, NAME
from naturalist.config.writing import source_names
from naturalist.errors import ConfigError
from naturalist.images import PictureLimits
from naturalist.layout import OWN_FOLDERS
from naturalist.stages.extract import ExtractOptions
from naturalist.stages.ingest.options import FileLimits, IngestOptions
from naturalist.stages.verify.features import FeatureCheckOptions
from naturalist.stores import open_store
from tiny import in_memory

TWO = """
name = "garden"
[[category]]
name = "plant"
label = 0
  [[category.source]]
  name = "flowers"
  path = "../flowers"
[[category]]
name = "animal"
label = 1
  [[category.source]]
  name = "cats"
  path = "/data/cats"
  [[category.source]]
  name = "dogs"
  path = "~/dogs"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / CONFIG_NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def mistakes(folder: Path, text: str) -> list[str]:
    """The lines of the error, after the one that names the file."""
    path = write(folder, text)
    with pytest.raises(ConfigError) as raised:
        load_config(path)
    first, *lines = str(raised.value).splitlines()
    assert str(path) in first
    assert "Traceback" not in str(raised.value)
    assert "pydantic" not in str(raised.value)
    return [line.strip() for line in lines]


# what is read


def test_the_steps_that_a_new_file_has_in_a_comment_can_be_switched_on(tmp_path: Path) -> None:
    text = render_config("garden", [NewCategory("plant", 0, ()), NewCategory("animal", 1, ())])
    assert load_config(write(tmp_path, text)).analyse.steps == ()
    for line in ("[analyse]", "steps ="):
        assert f"# {line}" in text
        text = text.replace(f"# {line}", line)
    steps = load_config(write(tmp_path, text)).analyse.steps
    names = {"duplicates", "index", "clusters", "words", "map", "classifier", "drift"}
    assert set(steps) == names


def test_relative_paths_are_those_of_the_files_folder(tmp_path: Path) -> None:
    config = load_config(write(tmp_path / "c", TWO))
    assert config.layout.root == tmp_path / "c"
    assert config.source_paths["plant"]["flowers"].resolve() == tmp_path / "flowers"
    assert config.source_paths["animal"]["cats"] == Path("/data/cats")


def test_home_folders_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    text = f'workspace = "~/work"\n{TWO}[publish]\nurl = "~/out"\n[images]\nroots = ["~/pics"]\n'
    config = load_config(write(tmp_path / "c", text))
    assert config.source_paths["animal"]["dogs"] == tmp_path / "home" / "dogs"
    assert config.publish_url == str(tmp_path / "home" / "out")
    assert config.layout.root == tmp_path / "home" / "work"
    assert config.layout.image_root(config.images.roots[0]) == tmp_path / "home" / "pics"


def test_a_folder_stands_for_the_file_in_it(tmp_path: Path) -> None:
    path = write(tmp_path, TWO)
    assert load_config(tmp_path) == load_config(path)


def test_the_folder_is_that_of_the_file_and_not_of_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "c", TWO)
    monkeypatch.chdir(tmp_path)
    assert load_config(Path("c")).layout.root == tmp_path / "c"


def test_labels_are_those_of_the_categories(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, TWO)).labels == {"plant": 0, "animal": 1}


def test_publishing_may_go_nowhere_to_a_folder_or_to_an_address(tmp_path: Path) -> None:
    for url, expected in (
        ("", ""),
        ("out", str(tmp_path / "out")),
        ("/mnt/out", "/mnt/out"),
        ("s3://bucket/prefix", "s3://bucket/prefix"),
    ):
        config = load_config(write(tmp_path, f'{TWO}[publish]\nurl = "{url}"\n'))
        assert config.publish_url == expected


OF_ITS_OWN = "publish to a folder that holds nothing else, such as .*published"


@pytest.mark.parametrize(
    ("url", "what"),
    [
        (".", "the workspace .* keeps its own files"),
        ("..", "the workspace .* keeps its own files"),
        ("file://{folder}", "the workspace .* keeps its own files"),
        *((name, "the workspace .* keeps its own files") for name in sorted(OWN_FOLDERS)),
        ("tables/mine", "the workspace .* keeps its own files"),
        ("../drive", "image root .*drive/pictures lies"),
        ("../drive/pictures/mine", ".*drive/pictures keeps pictures"),
        ("../sets", "source 'flowers', .*, lies"),
    ],
)
def test_what_is_published_lies_apart_from_all_else(tmp_path: Path, url: str, what: str) -> None:
    text = TWO.replace("../flowers", "../sets/flowers")
    text += '[images]\nroots = ["images", "../drive/pictures"]\n[publish]\nurl = "{}"\n'
    folder = tmp_path / "c"
    with pytest.raises(ConfigError, match=f"publish.url is .*, where {what}: {OF_ITS_OWN}"):
        load_config(write(folder, text.format(url.format(folder=folder))))
    for allowed in ("published", "../out", "../sets-out", f"file://{folder}/out"):
        load_config(write(folder, text.format(allowed)))


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("s3:/pictures/x", "s3://pictures/x"),
        ("S3:pictures/x", "s3://pictures/x"),
        ("file:/mnt/out", "file:///mnt/out"),
        ("https:/host/x", "https://host/x"),
    ],
)
def test_an_address_that_lacks_a_slash_is_no_folder(tmp_path: Path, url: str, meant: str) -> None:
    (line,) = mistakes(tmp_path, f'{TWO}[publish]\nurl = "{url}"\n')
    assert f"did you mean {meant}?" in line
    load_config(write(tmp_path, f'{TWO}[publish]\nurl = "./{url}"\n'))
    with pytest.raises(ConfigError, match="did you mean"):
        open_store(url)


def test_a_source_that_is_not_there_yet_is_no_mistake(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, TWO)).sources


def test_a_category_may_have_no_source(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, TWO + '[[category]]\nname = "human"\nlabel = 2\n'))
    assert config.source_paths["human"] == {}


def test_defaults_are_those_of_the_stages(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, TWO))
    limits = FileLimits(archives=ArchiveLimits(max_member_bytes=FileLimits.max_file_bytes))
    names = tuple(config.labels)
    assert config.ingest_options == IngestOptions(limits=limits, categories=names)
    assert config.extract_options == ExtractOptions(config.extract.backbone, PictureLimits())
    assert config.feature_check_options == FeatureCheckOptions()
    assert config.tables.rows_per_table == 10_001
    assert config.failure_budget == 0.01


def test_every_limit_reaches_the_stage_that_keeps_it(tmp_path: Path) -> None:
    names = {
        "max_file_bytes": 11,
        "max_pixels": 12,
        "max_whole_pixels": 13,
        "max_metadata_bytes": 14,
        "max_scans": 19,
        "max_archive_bytes": 15,
        "max_archive_ratio": 16.5,
        "max_archive_depth": 17,
        "max_archive_members": 18,
    }
    text = "\n".join(f"{name} = {value}" for name, value in names.items())
    text += '\ndamaged = "accept"'
    limits = load_config(write(tmp_path, f"{TWO}[limits]\n{text}\n")).ingest_options.limits
    assert limits == FileLimits(
        11,
        PictureLimits(12, 13, 14, 19, "accept"),
        ArchiveLimits(
            max_member_bytes=11,
            max_archive_bytes=15,
            max_archive_ratio=16.5,
            max_archive_depth=17,
            max_archive_members=18,
        ),
    )


# what is refused


def test_an_address_instead_of_a_workspace_is_told_from_a_missing_file() -> None:
    with pytest.raises(ConfigError, match=r"is a URL.*naturalist pull"):
        load_config(Path("s3://pictures/garden"))


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "other.toml"):
        with pytest.raises(ConfigError, match=r"does not exist: .*naturalist init"):
            load_config(path)


@pytest.mark.parametrize(
    "path", ["x" * 300, "file/below", "\0"], ids=["too long", "below a file", "null"]
)
def test_a_path_that_can_be_no_file_is_a_clear_error(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError):
        load_config(tmp_path / path)


@pytest.mark.parametrize(
    "data", [b"name = ", b"[[category]\n", b"a = 1\na = 2\n", b"\xff\xfe", b"name = 'a'\x00"]
)
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / CONFIG_NAME
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=re.escape(str(path))) as raised:
        load_config(path)
    assert len(str(raised.value).splitlines()) == 1


SECOND = 'name = "animal"\nlabel = 1'

MISTAKES = [
    # setting that is named, what is written instead of what, a word of the explanation
    ("name", 'name = "garden"', 'name = "gar den"', "letters, digits"),
    ("name", 'name = "garden"', 'name = ""', "letters, digits"),
    ("name", 'name = "garden"', 'name = "../up"', "letters, digits"),
    ("name", 'name = "garden"', "", "missing"),
    ("name", 'name = "garden"', "name = 5", "text in quotes"),
    ("nmae", 'name = "garden"', 'name = "garden"\nnmae = "x"', "unknown setting"),
    ("format", 'name = "garden"', 'name = "garden"\nformat = 2', "1"),
    ("workspace", 'name = "garden"', 'name = "garden"\nworkspace = 3', "path"),
    ("workspace", 'name = "garden"', 'name = "garden"\nworkspace = "a\\u0000"', "null"),
    ("workspace", 'name = "garden"', 'name = "garden"\nworkspace = "~nobody-here/x"', "home"),
    ("failure_budget", 'name = "garden"', 'name = "garden"\nfailure_budget = 1.5', "1"),
    ("failure_budget", 'name = "garden"', 'name = "garden"\nfailure_budget = -0.1', "0"),
    ("failure_budget", 'name = "garden"', 'name = "garden"\nfailure_budget = nan', "1"),
    ("failure_budget", 'name = "garden"', 'name = "garden"\nfailure_budget = "1 %"', "number"),
    ("category.plant seeds.name", SECOND, 'name = "plant seeds"\nlabel = 1', "start with a letter"),
    ("category.1animal.name", SECOND, 'name = "1animal"\nlabel = 1', "start with a letter"),
    ("category.../x.name", SECOND, 'name = "../x"\nlabel = 1', "start with a letter"),
    ("category.animal.label", SECOND, 'name = "animal"\nlabel = -1', "0"),
    ("category.animal.label", SECOND, 'name = "animal"\nlabel = 1.5', "whole number"),
    ("category.animal.label", SECOND, 'name = "animal"\nlabel = true', "whole number"),
    ("category.animal.label", SECOND, 'name = "animal"\nlabel = "1"', "whole number"),
    ("category.animal.label", SECOND, 'name = "animal"\nlabel = 4294967296', "2147483647"),
    ("category.animal.label", SECOND, 'name = "animal"', "missing"),
    ("category.animal.sources", SECOND, f'{SECOND}\nsources = ["x"]', "unknown setting"),
    ("category.plant.source.a/b.name", 'name = "flowers"', 'name = "a/b"', "letters, digits"),
    ("category.plant.source.flowers.path", 'path = "../flowers"', "", "missing"),
    ("category.plant.source.flowers.path", 'path = "../flowers"', 'path = "~nobody-here"', "home"),
    ("category.plant.source.flowers.path", 'path = "../flowers"', 'path = "a\\u0000b"', "null"),
    (
        "category.plant.source.flowers.licence",
        'name = "flowers"',
        'name = "flowers"\nlicence = 4',
        "text in quotes",
    ),
    ("category.animal", 'name = "dogs"', 'name = "cats"', "two sources are named 'cats'"),
    ("the file as a whole", SECOND, 'name = "Plant"\nlabel = 1', "two categories are named"),
    ("the file as a whole", SECOND, 'name = "animal"\nlabel = 0', "two categories have label 0"),
]
SECTIONS = [
    ("images.mode", '[images]\nmode = "symlink"', "'copy'"),
    ("images.roots", "[images]\nroots = []", "at least 1"),
    ("images.roots", '[images]\nroots = "images"', "a list in [ ]"),
    ("images.roots", '[images]\nroots = [""]', "empty"),
    ("images.roots", '[images]\nroots = ["a", "a"]', "twice"),
    ("ingest.files_per_batch", "[ingest]\nfiles_per_batch = 0", "greater than 0"),
    ("extract.workers", "[extract]\nworkers = -1", "at least 0"),
    ("extract.workers", "[extract]\nworkers = true", "whole number"),
    ("extract.shard_size", '[extract]\nshard_size = "many"', "whole number"),
    ("extract.shard_size", '[extract]\nshard_size = "10"', "whole number"),
    ("extract.backbone", '[extract]\nbackbone = "resnet50000"', "colour_histogram"),
    ("extract.backbone", '[extract]\nbackbone = "colour_histgram"', "mean colour_histogram?"),
    ("extract.backbone", "[extract]\nbackbone = 3", "text in quotes"),
    ("verify.sample_share", "[verify]\nsample_share = 2", "at most 1"),
    ("tables.rows_per_table", "[tables]\nrows_per_table = 0", "greater than 0"),
    ("publish.url", "[publish]\nurl = 1", "text in quotes"),
    ("publish.url", '[publish]\nurl = "~nobody-here/x"', "home"),
    ("limits.max_archive_ratio", "[limits]\nmax_archive_ratio = 1", "greater than 1"),
    ("limits.decode_timeout_s", "[limits]\ndecode_timeout_s = 0", "greater than 0"),
    ("limits.max_pixel", "[limits]\nmax_pixel = 5", "unknown setting"),
    ("tabels", "[tabels]\nrows_per_table = 5", "unknown setting"),
    ("map.methodd", '[map]\nmethodd = "umap"', "unknown setting; did you mean method?"),
    ("drift.alhpa", "[drift]\nalhpa = 0.1", "unknown setting; did you mean alpha?"),
    ("words.colums", '[words]\ncolums = ["a"]', "unknown setting; did you mean columns?"),
    ("map.dims", "[map]\ndims = [4]", "must be 2 or 3, not 4"),
    ("map.dims", "[map]\ndims = []", "must be a list of at least 1, not an empty list"),
]


@pytest.mark.parametrize(("setting", "old", "new", "word"), MISTAKES)
def test_a_mistake_is_explained_in_a_line_that_names_the_setting(
    tmp_path: Path, setting: str, old: str, new: str, word: str
) -> None:
    assert TWO.count(old) == 1
    (line,) = mistakes(tmp_path, TWO.replace(old, new))
    assert line.startswith(f"{setting}: ")
    assert word in line


@pytest.mark.parametrize(("setting", "section", "word"), SECTIONS)
def test_a_mistake_in_a_section_is_explained_in_a_line_that_names_the_setting(
    tmp_path: Path, setting: str, section: str, word: str
) -> None:
    (line,) = mistakes(tmp_path, f"{TWO}{section}\n")
    assert line.startswith((f"{setting}: ", f"{setting}."))
    assert word in line


def test_a_mistake_is_told_with_its_line_its_value_and_the_likely_name(tmp_path: Path) -> None:
    text = TWO.replace('name = "garden"', 'name = "garden"\nfailure_bugdet = 0.1')
    text += '[executor]\nkind = "rya"\n[extract]\nshard_size = "many"\n'
    text = text.replace('path = "../flowers"', "path = 3")
    lines = [line.strip() for line in text.splitlines()]
    slips = [
        ("category.plant.source.flowers.path: must be a path in quotes, not 3", "path = 3"),
        ("executor.kind: must be 'processes' or 'ray', not \"rya\"; did you mean ray?", lines[-3]),
        ('extract.shard_size: must be a whole number, not "many"', lines[-1]),
        ("failure_bugdet: unknown setting; did you mean failure_budget?", "failure_bugdet = 0.1"),
    ]
    expected = [f"{told} (line {lines.index(line) + 1})" for told, line in slips]
    assert sorted(mistakes(tmp_path, text)) == expected


def test_a_category_without_a_name_is_numbered_from_one(tmp_path: Path) -> None:
    first, second = mistakes(
        tmp_path, TWO.replace('name = "flowers"', "").replace(SECOND, "label = 1")
    )
    assert first.startswith("category.plant.source.1.name: required, but missing (line ")
    assert second.startswith("category.2.name: required, but missing (line ")


def test_a_folder_to_publish_to_is_named_without_dots(tmp_path: Path) -> None:
    path = write(tmp_path, TWO + '[publish]\nurl = "../out"\n')
    assert load_config(path).publish_url == str(path.parent.parent.resolve() / "out")


@pytest.mark.parametrize("url", ["s3://", "s3:///x", "ftp://host/x"])
def test_what_is_no_store_is_refused_as_publish_url(tmp_path: Path, url: str) -> None:
    (line,) = mistakes(tmp_path, TWO + f'[publish]\nurl = "{url}"\n')
    assert "is not the URL of a store: expected s3://bucket/prefix" in line


@pytest.mark.parametrize("section", ["publish", "s3"])
@pytest.mark.parametrize("url", ["localhost:9000", "ftp://host", "https://"])
def test_what_is_no_server_is_refused_as_endpoint(tmp_path: Path, section: str, url: str) -> None:
    (line,) = mistakes(tmp_path, TWO + f'[{section}]\nendpoint_url = "{url}"\n')
    assert "must look like https://host" in line


def test_text_without_quotes_gets_a_hint(tmp_path: Path) -> None:
    path = write(tmp_path, TWO.replace('name = "garden"', "name = garden"))
    with pytest.raises(ConfigError, match='Put text in quotes: name = "garden"'):
        load_config(path)


@pytest.mark.parametrize(
    ("more", "advice"),
    [
        ("[tables]\ncsv = true\ncsv = false\n", "csv is set twice: remove one of the two lines"),
        ("[category]\n[category]\n", r"several of these: write each as \[\[category\]\]"),
        ("[tables]\n[tables]\n", r"\[tables\] is there twice: put its settings under one heading"),
    ],
)
def test_what_is_there_twice_is_not_taken_for_text_without_quotes(
    tmp_path: Path, more: str, advice: str
) -> None:
    (tmp_path / "naturalist.toml").write_text(f'name = "garden"\n{more}')
    with pytest.raises(ConfigError, match=advice) as refused:
        load_config(tmp_path)
    assert "quotes" not in str(refused.value)


@pytest.mark.parametrize("value", ['"no"', '"off"', "0", "1"])
@pytest.mark.parametrize(
    "setting", ["tables.csv", "publish.thumbnails", "s3.anonymous", "airflow.catchup"]
)
def test_only_true_and_false_are_true_or_false(tmp_path: Path, setting: str, value: str) -> None:
    (tmp_path / "naturalist.toml").write_text(f'name = "garden"\n{setting} = {value}\n')
    with pytest.raises(ConfigError, match=f"{setting}: must be true or false, not {value}"):
        load_config(tmp_path)


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("schedule", "0 7 * *", "it has 4 fields"),
        ("schedule", "0 0 7 * * *", "it has 6 fields"),
        ("schedule", "99 7 * * *", "minute: '99' is not from 0 to 59"),
        ("schedule", "0 24 * * *", "hour: '24' is not from 0 to 23"),
        ("schedule", "0 7 0 * *", "day of the month: '0' is not from 1 to 31"),
        ("schedule", "0 7 * 1-13 *", "month: '1-13' is not from 1 to 12"),
        ("schedule", "0 7 * * mon,", "day of the week: '' is not from 0 to 7"),
        ("schedule", "*/0 7 * * *", r"minute: '\*/0' is not"),
        ("schedule", "0, 7 * * *", "minute: '' is not from 0 to 59"),
        ("schedule", "@never", "it has 1 field\\)"),
        ("dag_id", "a b/c", "at most 250 letters, digits, '_', '-' and '.'"),
        ("dag_id", "x" * 251, "at most 250"),
        ("pool", "", "expected 1 to 256 characters, such as default_pool"),
        ("pool", " ", "expected 1 to 256"),
    ],
)
def test_what_airflow_cannot_run_is_refused_with_what_is_expected(
    tmp_path: Path, setting: str, value: str, expected: str
) -> None:
    (found,) = mistakes(tmp_path, TWO + f'[airflow]\n{setting} = "{value}"\n')
    assert found.startswith(f"airflow.{setting}: ")
    assert re.search(expected, found)


@pytest.mark.parametrize(
    "schedule",
    [
        "",
        "@daily",
        "@quarterly",
        "*/20 * * * *",
        "0 9-17/4 * * 1-5",
        "0,30 0 L JAN-mar Sun",
        "0 0 * * 5#2",
    ],
)
def test_schedules_that_airflow_understands_are_taken(tmp_path: Path, schedule: str) -> None:
    path = write(tmp_path, TWO + f'[airflow]\nschedule = "{schedule}"\n')
    assert load_config(path).airflow.schedule == schedule


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = TWO.replace("label = 1", "label = -1") + "[tables]\nrows_per_table = 0\n[x]\n"
    found = mistakes(tmp_path, text)
    assert [line.partition(":")[0] for line in found] == [
        "category.animal.label",
        "tables.rows_per_table",
        "x",
    ]


def test_one_category_is_enough_and_none_is_not(tmp_path: Path) -> None:
    text = TWO[: TWO.rindex("[[category]]")]
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / CONFIG_NAME).write_text(text)
    assert len(load_config(tmp_path / "one").labels) == 1
    (line,) = mistakes(tmp_path, "category = []\n" + text[: text.index("[[category]]")])
    assert line.startswith("category: ")
    assert "at least one" in line


@pytest.mark.parametrize("settings", ['workspace = "/data/cats/work"', 'workspace = "/data/cats"'])
def test_what_is_written_may_not_lie_in_a_source(tmp_path: Path, settings: str) -> None:
    with pytest.raises(ConfigError, match="'cats' of category 'animal'"):
        load_config(write(tmp_path, settings + TWO))


# what init writes

names = st.from_regex(NAME, fullmatch=True)
category_names = st.from_regex(CATEGORY_NAME, fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1)
paths = st.lists(texts.filter(lambda t: t not in (".", "..")), min_size=1, max_size=4).map(
    lambda parts: Path(*parts)
)


@given(
    names,
    st.lists(category_names, min_size=2, max_size=4, unique_by=str.lower),
    st.lists(paths, min_size=1, max_size=4, unique=True),
    texts,
)
@settings(max_examples=60)
def test_what_init_writes_loads_and_says_what_was_asked(
    name: str, categories: list[str], sources: list[Path], url: str
) -> None:
    # The same folder in two categories is refused.
    own = {
        category: [Path("/no-such-drive", category, path) for path in sources]
        for category in categories
    }
    asked = [
        NewCategory(category, label, tuple(own[category]))
        for label, category in enumerate(categories)
    ]
    text = render_config(name, asked, f"s3://{url}", "colour_histogram")
    with in_memory() as root:
        config = load_config(write(root, text))
    assert config.name == name
    assert config.labels == {category: label for label, category in enumerate(categories)}
    for category in config.category:
        assert [source.path for source in category.source] == own[category.name]
    assert config.publish_url == f"s3://{url}"
    assert config.extract.backbone == "colour_histogram"


@pytest.mark.parametrize("name", backbones.PRESETS)
def test_a_network_may_be_called_by_a_plain_name(tmp_path: Path, name: str) -> None:
    assert backbones.PRESETS[name] in backbones.names()
    source = tmp_path / "photos"
    source.mkdir()
    text = render_config("a", [NewCategory("plant", 0, (source,))], "", name)
    assert load_config(write(tmp_path, text)).extract.backbone == backbones.PRESETS[name]


ODD = ["sp ace", "quo\"te'", "bäckslash\\n", "com,ma;", "{brace}", "$HOME", "tab\t", "\x7f", "#[x]"]


def test_odd_folders_are_kept_to_the_letter(tmp_path: Path) -> None:
    sources = tuple(tmp_path / name for name in ODD)
    for source in sources:
        source.mkdir()
    asked = [NewCategory("plant", 0, sources), NewCategory("animal", 1, ())]
    config = load_config(write(tmp_path / "c", render_config("odd", asked)))
    assert [source.path for source in config.sources] == list(sources)
    assert all(source.path.is_dir() for source in config.sources)


def test_what_init_writes_holds_the_defaults(tmp_path: Path) -> None:
    asked = [NewCategory("plant", 0, ()), NewCategory("animal", 1, ())]
    config = load_config(write(tmp_path, render_config("garden", asked)))
    plain: dict[str, Any] = {
        "name": "garden",
        "category": [c.model_dump() for c in config.category],
    }
    assert config.model_dump() == Config.model_validate(plain).model_dump()


def test_what_init_writes_explains_itself(tmp_path: Path) -> None:
    text = render_config("garden", [NewCategory("plant", 0, ()), NewCategory("animal", 1, ())])
    assert text.count("#") > 15
    assert set(tomllib.loads(text)) >= {
        "images",
        "extract",
        "verify",
        "tables",
        "publish",
        "limits",
    }


@given(st.lists(paths, min_size=1, max_size=6))
def test_sources_get_different_names_that_a_configuration_takes(sources: list[Path]) -> None:
    given_names = source_names(sources)
    assert len(set(given_names)) == len(sources)
    assert all(NAME.fullmatch(name) for name in given_names)


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (["/data/flowers"], ["flowers"]),
        (["/data/trees.zip"], ["trees.zip"]),
        (["/a/train", "/b/train"], ["a-train", "b-train"]),
        (["/data/my flowers!"], ["my-flowers"]),
        (["/data/日本"], ["source"]),
        (["/x/a b", "/x/a-b"], ["a-b-1", "a-b-2"]),
    ],
)
def test_a_source_is_named_after_its_folder(sources: list[str], expected: list[str]) -> None:
    assert source_names([Path(path) for path in sources]) == expected
