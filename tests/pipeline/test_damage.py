"""One flipped bit in any file is found by `verify`, and what can be made again is made again."""

import json
import os
import random
import shutil
from pathlib import Path

import pytest

import tiny
from dashboard.studied import add_studies
from naturalist import artifacts, seals, small_files
from naturalist.config import Config
from naturalist.curation.reviewing import people, views
from naturalist.errors import VerificationFailed, WorkspaceError
from naturalist.layout import Layout
from naturalist.pipeline import runner, status, studies, words
from naturalist.pipeline.runner import RunOptions
from naturalist.progress import Silent
from naturalist.running import workspace
from naturalist.stages.verify.review import check_review
from naturalist.stages.verify.rolling import check_share
from naturalist.stages.verify.studies import check_studies

pytestmark = pytest.mark.usefixtures("without_workers")

RNG = random.Random(0)


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection of 16 pictures with tables, an index, near duplicates and written studies."""
    folder = tmp_path_factory.mktemp("damage")
    config = collection(folder)
    tiny.make_all(config)
    studies.study(config, Silent(), words.index)
    studies.study(config, Silent(), studies.duplicates)
    with workspace.writing(config):
        add_studies(config)
    return folder


@pytest.fixture
def config(made_once: Path, tmp_path: Path) -> Config:
    """A copy of it, with its time stamps."""
    folder = shutil.copytree(made_once, tmp_path / "copy")
    return collection(folder)


def collection(folder: Path) -> Config:
    seeds = {"plant": range(7), "animal": range(100, 109), "human": range(200, 205)}
    return tiny.collection(folder, tiny.make_sources(folder / "sources", seeds))


def flip(path: Path) -> None:
    """Flip one bit, as a drive does: the time stamp stays."""
    status = path.stat()
    data = bytearray(path.read_bytes())
    bit = RNG.randrange(8 * len(data))
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def studied_files(layout: Layout) -> list[Path]:
    return [path for path in seals.sealed_files(layout) if path.stat().st_size]


def test_verify_finds_a_damaged_line_of_the_review_journal_and_repair_leaves_it(
    config: Config,
) -> None:
    path = config.layout.review_journal
    path.parent.mkdir()
    path.write_bytes(b"0123456789abcdef {}\n")
    for check in (runner.verify, runner.repair):
        with pytest.raises(VerificationFailed, match="1 check failed"):
            check(config, Silent())
        report = json.loads(config.layout.verification.read_text())
        (found,) = report["hard"]
        assert found["file"] == "review/journal.jsonl"
        assert "restore the file from a backup" in found["detail"]
        assert path.read_bytes() == b"0123456789abcdef {}\n"


def test_verify_finds_a_flipped_bit_in_shared_views_and_repair_leaves_them(config: Config) -> None:
    path = config.layout.review_views
    views.save(path, "birds of the pond", "#/map?c=cluster", "anna")
    assert not list(check_review(config.layout))
    good = path.read_bytes()
    path.write_bytes(good.replace(b"pond", b"pome"))
    with pytest.raises(VerificationFailed, match="1 check failed"):
        runner.repair(config, Silent())
    (found,) = json.loads(config.layout.verification.read_text())["hard"]
    assert found["file"] == "review/views.json"
    assert "or delete it" in found["detail"]
    assert path.read_bytes() != good
    path.unlink()


def test_verify_finds_a_damaged_list_of_reviewers(config: Config) -> None:
    path = config.layout.reviewers
    people.add(path, "anna")
    assert not list(check_review(config.layout))
    path.write_bytes(path.read_bytes()[:-3])
    (found,) = check_review(config.layout)
    assert found.file == "review/reviewers.json"
    path.unlink()


def test_a_flipped_bit_in_any_file_of_a_study_is_found(config: Config) -> None:
    layout = config.layout
    assert not list(check_studies(layout))
    files = studied_files(layout)
    tops = {path.relative_to(layout.root).parts[0] for path in files}
    assert {"maps", "clusters", "duplicates", "index", "models", "reports"} <= tops
    for path in files:
        good, status = path.read_bytes(), path.stat()
        flip(path)
        found = [verdict for verdict in check_studies(layout) if verdict.severity == "hard"]
        assert [one.file for one in found] == [str(path.relative_to(layout.root))]
        assert "again" in found[0].detail or "backup" in found[0].detail
        path.write_bytes(good)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_damage_is_still_found_after_another_command_has_run(config: Config) -> None:
    path = config.layout.map("tsne-2d") / "points.parquet"
    flip(path)
    studies.study(config, Silent(), words.index)
    with pytest.raises(VerificationFailed, match=r"maps/tsne-2d/points\.parquet"):
        runner.verify(config, Silent())


def test_a_file_that_another_program_wrote_is_found_too(config: Config) -> None:
    path = config.layout.map("tsne-2d") / "map.json"
    path.write_text(path.read_text().replace("synthetic", "made up"))
    studies.study(config, Silent(), words.index)
    assert [one.file for one in check_studies(config.layout)] == ["maps/tsne-2d/map.json"]


def test_what_a_command_makes_anew_is_no_damage(config: Config) -> None:
    tiny.write_picture(config.layout.root.parent / "sources/plant/0999.png", 999)
    tiny.make_all(config)
    studies.study(config, Silent(), words.index)
    studies.study(config, Silent(), studies.duplicates)
    assert not list(check_studies(config.layout))


def test_a_folder_that_was_removed_is_no_damage_and_a_file_is(config: Config) -> None:
    shutil.rmtree(config.layout.map("tsne-2d"))
    (config.layout.map("tsne-3d") / "map.json").unlink()
    found = [(one.check, one.file) for one in check_studies(config.layout)]
    assert found == [("missing", "maps/tsne-3d/map.json")]


def test_what_a_killed_writer_left_is_taken_for_what_it_is(config: Config) -> None:
    path = config.layout.map("tsne-2d") / "map.json"
    config.layout.scratch.mkdir(exist_ok=True)
    config.layout.unsealed.touch()
    path.write_text(path.read_text() + "\n")
    studies.study(config, Silent(), words.index)
    assert not list(check_studies(config.layout))


def test_repair_makes_features_tables_and_studies_again(config: Config) -> None:
    layout = config.layout
    feature_part = next((layout.root / "features").rglob("*.parquet"))
    table = layout.table("plant", 1)
    before = {path: path.read_bytes() for path in (feature_part, table, table.with_suffix(".csv"))}
    flip(feature_part)
    flip(table.with_suffix(".csv"))
    flip(layout.map("tsne-2d") / "points.parquet")
    with pytest.raises(VerificationFailed, match="verify --repair"):
        runner.verify(config, Silent())
    report = runner.repair(config, Silent())
    assert report["passed"]
    taken = report["repaired"]["taken_away"]
    assert "maps/tsne-2d" in taken
    assert "tables/plant/image_df_1.parquet" in taken
    assert report["repaired"]["left"] == []
    assert {path: path.read_bytes() for path in before} == before
    assert (layout.damaged / "maps/tsne-2d/points.parquet").exists()
    assert not layout.map("tsne-2d").exists()
    runner.verify(config, Silent())


def test_repair_leaves_what_people_decided_and_says_so(config: Config) -> None:
    layout = config.layout
    with workspace.writing(config):
        layout.concepts.mkdir(exist_ok=True)
        (layout.concepts / "boats.json").write_text('{"by": "a person"}')
    flip(layout.concepts / "boats.json")
    with pytest.raises(VerificationFailed, match="restore it from a backup"):
        runner.repair(config, Silent())
    assert (layout.concepts / "boats.json").exists()


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ('"last_number"', '"last_numbes"'),
        ('"start"', '"stast"'),
        ('"superseded"', '"supersedee"'),
        ('"accepted"', '"accepteg"'),
        ('"batch": 1', '"batch": "1"'),
        ('"shards": [', '"shards": [7, '),
    ],
)
def test_a_damaged_summary_of_the_ledger_is_an_error_that_names_it(
    config: Config, text: str, instead: str
) -> None:
    path = config.layout.batch("plant", 1).with_suffix(".json")
    assert text in path.read_text()
    path.write_text(path.read_text().replace(text, instead, 1))
    for command in (
        lambda: runner.verify(config, Silent()),
        lambda: runner.run(config, Silent(), RunOptions()),
    ):
        with pytest.raises(WorkspaceError, match=r"ledger/plant/000001\.json is damaged"):
            command()


@pytest.mark.parametrize("outcome", ["accepted", "duplicate", "relabelled"])
def test_a_count_that_changed_in_a_summary_of_the_ledger_is_found_by_every_command(
    config: Config, outcome: str
) -> None:
    path = config.layout.batch("plant", 1).with_suffix(".json")
    value = json.loads(path.read_text())
    value["counts"]["photos"][outcome] += 10
    path.write_text(json.dumps(value))
    for command in (
        lambda: runner.verify(config, Silent()),
        lambda: runner.run(config, Silent(), RunOptions()),
    ):
        with pytest.raises(WorkspaceError, match=r"000001\.json is damaged \(.*count.* backup"):
            command()


def test_status_says_that_a_summary_of_the_ledger_was_changed(config: Config) -> None:
    assert not any("damaged" in one for one in status.collection_status(config)["warnings"])
    path = config.layout.batch("plant", 1).with_suffix(".json")
    value = json.loads(path.read_text())
    value["counts"]["photos"]["duplicate"] += 10
    path.write_text(json.dumps(value))
    artifacts.forget_folders()
    warnings = status.collection_status(config)["warnings"]
    assert warnings[0].startswith(f"{path} is damaged (its counts do not match its rows)")


def test_a_first_batch_with_another_last_number_is_damaged_and_none_is_missing(
    config: Config,
) -> None:
    path = config.layout.batch("plant", 1).with_suffix(".json")
    value = json.loads(path.read_text())
    value["last_number"] += 3
    path.write_text(json.dumps(value))
    with pytest.raises(WorkspaceError, match=r"000001\.json is damaged \(its last number is"):
        workspace.writing(config).__enter__()


def test_counts_are_compared_with_rows_again_only_after_a_change(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = config.layout
    monkeypatch.setattr(small_files, "SETTLED_NS", 0)
    with workspace.writing(config):
        compared = json.loads(layout.compared_counts("plant").read_bytes())["value"]
    assert list(compared) == ["000001"]
    written = layout.compared_counts("plant").stat().st_mtime_ns
    with workspace.writing(config):
        assert layout.compared_counts("plant").stat().st_mtime_ns == written
    path = layout.batch("plant", 1).with_suffix(".json")
    path.write_text(path.read_text().replace('"duplicate": 0', '"duplicate": 9'))
    artifacts.forget_folders()
    with pytest.raises(WorkspaceError, match="its counts do not match its rows"):
        workspace.writing(config).__enter__()


def test_each_run_reads_a_share_again_and_all_in_turn(config: Config) -> None:
    layout = config.layout
    whole = check_share(layout, 1 << 40)
    assert not whole.verdicts
    assert not layout.rolling.exists()
    files, rounds = 0, 0
    # A few files at a time, however small they are.
    while (part := check_share(layout, 5 << 19)).files == 5:
        files, rounds = files + part.files, rounds + 1
        assert part.files < whole.files
    assert rounds > 1
    assert files + part.files == whole.files
    assert check_share(layout, 0).files == 0


@pytest.mark.parametrize("pattern", ["features", "previews", "tables", "ledger", "maps", "index"])
def test_a_run_without_anything_new_finds_damage(config: Config, pattern: str) -> None:
    path = next(p for p in sorted((config.layout.root / pattern).rglob("*.parquet")))
    flip(path)
    # What a stage has to read is an error of that stage.
    errors = (VerificationFailed, WorkspaceError)
    with pytest.raises(errors, match=str(path.relative_to(config.layout.root))):
        runner.run(config, Silent(), RunOptions())
