"""Decisions of a person on tiny collections: what they change, that sums hold, and kills."""

import shutil
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import tiny

from naturalist import artifacts, ledger
from naturalist.config import Config
from naturalist.curation.decisions import Decision
from naturalist.curation.questions import conflicts_between, write_template
from naturalist.curation.review import Reviewed, review
from naturalist.curation.takedown import take_down
from naturalist.errors import ConfigError
from naturalist.ledger import SourceCounts
from naturalist.pipeline.describing import describe
from naturalist.progress import Silent
from naturalist.schemas import CLUSTER_MEMBERS, LABEL_ISSUES
from naturalist.stages.ingest import batches
from naturalist.stages.ingest.resolve import Kind
from naturalist.stages.pictures import read_picture

CATEGORIES = ("animal", "human", "plant")
KEEP, RELABEL, RETIRE = Kind.KEEP, Kind.RELABEL, Kind.RETIRE


def _config(root: Path, **more: Any) -> Config:
    sources = {
        category: {"one": root / category / "one", "two": root / category / "two"}
        for category in CATEGORIES
    }
    return tiny.collection(root, sources, **more)


def _files(root: Path) -> None:
    """Six plants and animals, a human; a duplicate of plant 1; a conflict and another one."""
    for category in CATEGORIES:
        for name in ("one", "two"):
            (root / category / name).mkdir(parents=True)
    for seed in range(6):
        tiny.write_picture(root / f"plant/one/{seed}.png", seed)
        tiny.write_picture(root / f"animal/one/{seed}.png", 100 + seed)
    tiny.write_picture(root / "human/one/0.png", 200)
    tiny.write_picture(root / "plant/two/again.png", 1)
    tiny.write_picture(root / "plant/two/both.png", 50)
    tiny.write_picture(root / "animal/two/both.png", 50)
    (root / "plant/one/notes.txt").write_text("no picture")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection with its tables; then one more conflict, found later: plant 2."""
    root = tmp_path_factory.mktemp("review")
    _files(root)
    tiny.make_all(_config(root))
    tiny.write_picture(root / "animal/two/plant.png", 2)
    tiny.make_all(_config(root))
    return root


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder where flushing is free."""
    with tiny.in_memory() as folder:
        yield folder


@pytest.fixture
def config(base: Path, memory: Path) -> Config:
    """A copy of it."""
    return _config(shutil.copytree(base, memory / "copy"))


def _decide(config: Config, *said: tuple[str, Kind, str], dry_run: bool = False) -> Reviewed:
    decisions = [Decision(k, *one) for k, one in enumerate(said, start=2)]
    return review(config, Silent(), decisions, "ada", dry_run=dry_run)


def _bytes_of(config: Config, file: str) -> str:
    (row,) = [r for r in tiny.ledger_rows(config) if _file(r) == file]
    return f"sha256:{row['sha256'].hex()}"


def _file(row: dict[str, Any]) -> str:
    return f"{row['category']}/{row['source']}/{row['path_text']}"


def _states(config: Config) -> dict[str, tuple[str, str | None]]:
    """Outcome and same_as of each picture that has an id, and of each file that has none."""
    return {
        row["pic_id"] or _file(row): (row["outcome"], row["same_as"])
        for row in tiny.ledger_rows(config)
    }


def _accepted(config: Config) -> set[str]:
    return {r["pic_id"] for r in tiny.ledger_rows(config) if r["outcome"] == "accepted"}


def _tables(config: Config) -> set[str]:
    names: set[str] = set()
    for path in config.layout.tables.glob("*/*.parquet"):
        held = artifacts.read_parquet(path, ["picID"])["picID"].to_pylist()
        assert {name.rpartition("_id_")[0] for name in held} <= {path.parent.name}
        names |= set(held)
    return names


def _check(config: Config, seen: int) -> None:
    """What must hold after any decisions."""
    rows = tiny.ledger_rows(config)
    counted = Counter(
        (row["category"], row["source"], row["outcome"], row["reason"])
        for row in rows
        if row["outcome"] not in ("unpacked", "relabelled")
    )
    totals = SourceCounts()
    for category in ledger.categories(config.layout):
        for source, counts in ledger.counts(config.layout, category).items():
            mine = {k: n for k, n in counted.items() if k[:2] == (category, source)}
            assert counts.seen == sum(mine.values())
            assert counts.accepted == mine.get((category, source, "accepted", None), 0)
            assert min(vars(counts).get(k, 0) for k in ("accepted", "duplicate", "conflict")) >= 0
            totals += counts
    assert totals.seen == seen
    files = [(*_file(r).split("/", 2), r["occurrence"]) for r in rows if r["occurrence"] >= 0]
    assert len(files) == len(set(files))
    accepted = [row for row in rows if row["outcome"] == "accepted"]
    assert len({row["sha256"] for row in accepted}) == len(accepted)
    for row in accepted:
        source = config.source_paths[row["category"]].get(row["source"])
        read_picture(config.layout, source, row)


def _seen(config: Config) -> int:
    return sum(
        counts.seen
        for category in ledger.categories(config.layout)
        for counts in ledger.counts(config.layout, category).values()
    )


def test_a_relabelled_picture_gets_an_id_and_a_row_in_the_right_category(config: Config) -> None:
    seen = _seen(config)
    done = _decide(config, ("plant_id_1", RELABEL, "animal"))
    assert done.new_ids == {"plant_id_1": "animal_id_7"}
    states = _states(config)
    assert states["plant_id_1"] == ("relabelled", "animal_id_7")
    assert states["animal_id_7"] == ("accepted", "plant_id_1")
    _check(config, seen)
    tiny.make_all(config)
    assert _tables(config) == _accepted(config)
    assert "animal_id_7" in _tables(config)
    with ledger.connect(config.layout) as connection:
        said = connection.execute('SELECT "by", outcome FROM amendments WHERE "by" = \'ada\'')
        assert sorted(said.fetchall()) == [("ada", "accepted"), ("ada", "relabelled")]


def test_going_back_gives_the_old_id_again_and_forth_the_new_one(config: Config) -> None:
    before = _states(config)
    _decide(config, ("plant_id_1", RELABEL, "animal"))
    _decide(config, ("plant_id_1", KEEP, ""))
    after = _states(config)
    assert after.pop("animal_id_7") == ("relabelled", "plant_id_1")
    assert after == before
    _decide(config, ("plant_id_1", RELABEL, "animal"))
    assert _states(config)["animal_id_7"][0] == "accepted"
    _decide(config, ("animal_id_7", RELABEL, "human"))
    states = _states(config)
    assert states["human_id_2"] == ("accepted", "plant_id_1")
    assert states["animal_id_7"] == ("relabelled", "human_id_2")
    _check(config, _seen(config))


def test_a_retired_picture_leaves_its_table_and_can_be_kept_after_all(config: Config) -> None:
    before = _tables(config)
    _decide(config, ("animal_id_3", RETIRE, ""))
    tiny.make_all(config)
    assert _tables(config) == before - {"animal_id_3"}
    # Its bytes do not come back under another name.
    tiny.write_picture(config.source_paths["animal"]["two"] / "back.png", 102)
    tiny.make_all(config)
    assert _states(config)["animal/two/back.png"] == ("duplicate", "animal_id_3")
    _decide(config, ("animal_id_3", KEEP, ""))
    tiny.make_all(config)
    assert _tables(config) == before


def test_a_conflict_that_no_table_ever_had_is_decided_for_one_side(config: Config) -> None:
    seen, key = _seen(config), _bytes_of(config, "plant/two/both.png")
    done = _decide(config, (key, KEEP, "plant"))
    assert done.new_ids == {"plant/two/both.png": "plant_id_7"}
    states = _states(config)
    assert states["plant_id_7"] == ("accepted", None)
    assert states["animal/two/both.png"] == ("duplicate", "plant_id_7")
    _check(config, seen)
    tiny.make_all(config)
    assert "plant_id_7" in _tables(config)
    # The other way round.
    _decide(config, (key, RELABEL, "animal"))
    states = _states(config)
    assert states["plant_id_7"] == ("duplicate", "animal_id_7")
    assert states["animal_id_7"] == ("accepted", None)
    _check(config, seen)
    assert ledger.counts(config.layout, "animal")["two"].accepted == 1


def test_a_conflict_is_kept_in_the_category_that_had_it_first(config: Config) -> None:
    key = _bytes_of(config, "animal/two/plant.png")
    done = _decide(config, (key, KEEP, ""))
    assert (done.decided, done.new_ids) == (1, {})
    assert _states(config)["plant_id_3"] == ("accepted", None)
    assert _states(config)["animal/two/plant.png"] == ("duplicate", "plant_id_3")
    _check(config, _seen(config))
    before = _states(config)
    with pytest.raises(ConfigError, match="none came first: name the category"):
        _decide(config, (_bytes_of(config, "plant/two/both.png"), KEEP, ""))
    assert _states(config) == before


def test_a_decided_picture_stays_decided_when_its_bytes_turn_up_again(config: Config) -> None:
    key = _bytes_of(config, "animal/two/plant.png")
    _decide(config, (key, KEEP, "plant"))
    assert _states(config)["plant_id_3"] == ("accepted", None)
    assert _states(config)["animal/two/plant.png"] == ("duplicate", "plant_id_3")
    for category in CATEGORIES:
        tiny.write_picture(config.source_paths[category]["one"] / "again.png", 2)
    tiny.make_all(config)
    states = _states(config)
    assert {states[f"{c}/one/again.png"] for c in CATEGORIES} == {("duplicate", "plant_id_3")}
    assert states["plant_id_3"] == ("accepted", None)
    _check(config, _seen(config))


def test_a_retired_conflict_is_no_open_question_any_more(config: Config, tmp_path: Path) -> None:
    seen, key = _seen(config), _bytes_of(config, "plant/two/both.png")
    _decide(config, (key, RETIRE, ""))
    states = _states(config)
    assert states["plant/two/both.png"] == states["animal/two/both.png"] == ("refused", None)
    _check(config, seen)
    asked = write_template(config, tmp_path / "open.csv", 10)
    assert asked["conflict"] == 1
    _decide(config, (key, KEEP, "animal"))
    assert _states(config)["animal_id_7"] == ("accepted", None)
    _check(config, seen)


def test_two_sources_whose_paths_were_swapped_are_put_right_at_once(tmp_path: Path) -> None:
    root = tmp_path
    sources = tiny.make_sources(root / "in", {"plant": range(4), "animal": range(10, 15)})
    tiny.make_all(tiny.collection(root, sources))
    swapped = {"plant": sources["animal"], "animal": sources["plant"]}
    wrong = tiny.collection(root, swapped)
    tiny.make_all(wrong)
    assert _accepted(wrong) == set()
    right = tiny.collection(root, sources)
    decisions = conflicts_between(right, "plant/photos", "animal/photos", "earlier")
    assert len(decisions) == 9
    review(right, Silent(), decisions, "ada")
    tiny.make_all(right)
    wanted = {f"plant_id_{n}" for n in range(1, 5)} | {f"animal_id_{n}" for n in range(1, 6)}
    assert _accepted(right) == wanted == _tables(right)
    _check(right, 18)
    with pytest.raises(ConfigError, match="no open conflict"):
        conflicts_between(right, "plant/photos", "animal/photos", "earlier")


def test_of_two_files_of_one_batch_none_was_there_earlier(config: Config) -> None:
    with pytest.raises(ConfigError, match="none came first"):
        conflicts_between(config, "plant/two", "animal/two", "earlier")
    (decision,) = conflicts_between(config, "plant/two", "animal/two", "plant")
    assert (decision.kind, decision.category) == (KEEP, "plant")
    with pytest.raises(ConfigError, match="choose one of earlier, animal, human, plant"):
        conflicts_between(config, "plant/two", "animal/two", "fungus")


def test_the_same_decisions_again_change_nothing(config: Config) -> None:
    said = [("plant_id_1", RELABEL, "animal"), ("animal_id_3", RETIRE, "")]
    said += [("plant_id_4", KEEP, ""), (_bytes_of(config, "plant/two/both.png"), KEEP, "animal")]
    first = _decide(config, *said)
    assert (first.decided, first.unchanged) == (4, 0)
    states, batch = _states(config), ledger.last_batch(config.layout)
    again = _decide(config, *said)
    assert (again.decided, again.unchanged, again.changes) == (4, 4, [])
    assert (_states(config), ledger.last_batch(config.layout)) == (states, batch)


def test_a_dry_run_tells_the_same_and_changes_nothing(config: Config) -> None:
    said = [("plant_id_1", RELABEL, "animal"), ("animal_id_3", RETIRE, "")]
    before = _states(config)
    told = _decide(config, *said, dry_run=True)
    assert _states(config) == before
    done = _decide(config, *said)
    assert told.as_json() | {"dry_run": False} == done.as_json()
    assert {c.what: (c.was, c.now) for c in done.changes} == {
        "animal_id_7": ("", "accepted"),
        "plant_id_1": ("accepted", "relabelled (animal_id_7)"),
        "animal_id_3": ("accepted", "refused retired"),
    }


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (("plant_id_99", RETIRE, ""), "line 2: picture 'plant_id_99' is not in the ledger"),
        (("sha256:" + "0" * 64, RETIRE, ""), "the ledger knows no file"),
        (("plant_id_6", KEEP, ""), "plant_id_6 was taken down, and a takedown cannot be undone"),
    ],
)
def test_a_decision_that_cannot_be_followed_stops_all_of_them(
    config: Config, said: tuple[str, Kind, str], why: str
) -> None:
    take_down(config, ["plant_id_6"], "asked", "ada")
    before = _states(config)
    with pytest.raises(ConfigError, match=why):
        _decide(config, said, ("plant_id_1", RETIRE, ""))
    assert _states(config) == before


def test_lines_that_contradict_each_other_are_named(config: Config) -> None:
    both = _bytes_of(config, "plant/two/both.png")
    with pytest.raises(ConfigError, match="line 3: line 2 decides differently"):
        _decide(config, ("plant_id_1", RETIRE, ""), ("plant_id_1", KEEP, ""))
    with pytest.raises(ConfigError, match="accept one of animal, plant first"):
        _decide(config, (both, RELABEL, "human"))


@pytest.mark.parametrize("stage", ["ingest", "extract", "removal", " "])
def test_a_stage_is_not_a_person(config: Config, stage: str) -> None:
    with pytest.raises(ConfigError, match="not a person"):
        review(config, Silent(), [], stage)


def test_a_takedown_takes_every_id_of_a_relabelled_picture(config: Config) -> None:
    _decide(config, ("plant_id_1", RELABEL, "animal"))
    assert take_down(config, ["plant_id_1"], "asked", "ada") == ["animal_id_7"]
    assert "animal_id_7" not in _accepted(config)


def test_a_picture_in_conflict_inside_an_archive_is_unpacked_again(tmp_path: Path) -> None:
    _files(tmp_path)
    with zipfile.ZipFile(tmp_path / "plant/two/more.zip", "w") as packed:
        packed.writestr("inside.png", tiny.picture(77))
        packed.writestr("other.png", tiny.picture(78))
    tiny.write_picture(tmp_path / "animal/two/inside.png", 77)
    config = _config(tmp_path)
    tiny.make_all(config)
    seen = _seen(config)
    done = _decide(config, (_bytes_of(config, "animal/two/inside.png"), KEEP, "plant"))
    assert done.new_ids == {"plant/two/more.zip!/inside.png": "plant_id_8"}
    _check(config, seen)
    assert not config.layout.staging.exists()


def test_a_file_that_changed_since_is_not_taken_for_the_picture(config: Config) -> None:
    tiny.write_picture(config.source_paths["plant"]["two"] / "both.png", 51)
    before = _states(config)
    with pytest.raises(ConfigError, match=r"plant/two/both\.png is missing from its source"):
        _decide(config, (_bytes_of(config, "animal/two/both.png"), KEEP, "plant"))
    assert _states(config) == before


def test_pictures_read_in_their_sources_can_be_relabelled_too(tmp_path: Path) -> None:
    _files(tmp_path)
    config = _config(tmp_path, images={"mode": "reference"})
    tiny.make_all(config)
    _decide(config, ("plant_id_1", RELABEL, "animal"))
    tiny.make_all(config)
    assert _tables(config) == _accepted(config)
    _check(config, _seen(config))


def test_a_relabelled_picture_is_not_taken_for_removed_and_keeps_its_licence(
    tmp_path: Path,
) -> None:
    _files(tmp_path)
    config = _config(tmp_path, ingest={"removed": "retire"})
    config.category[2].source[0].__dict__["licence"] = "CC0"
    tiny.make_all(config)
    _decide(config, ("plant_id_1", RELABEL, "human"))
    tiny.make_all(config)
    assert "human_id_2" in _accepted(config)
    (told,) = [
        one
        for one in describe(config)["sources"]
        if (one["category"], one["name"]) == ("human", "one")
    ]
    assert told["pictures"] == 2


@pytest.mark.parametrize("at", [1, 3, 5, 8])
def test_a_kill_at_any_step_leaves_all_or_nothing_and_the_next_run_finishes(
    config: Config, base: Path, memory: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    said = [("plant_id_1", RELABEL, "animal"), ("animal_id_3", RETIRE, "")]
    said += [(_bytes_of(config, "plant/two/both.png"), KEEP, "plant")]
    before = _states(config)
    twin = _config(shutil.copytree(base, memory / "twin"))
    _decide(twin, *said)
    kept = _killing(monkeypatch, at)
    with pytest.raises(KeyboardInterrupt):
        _decide(config, *said)
    monkeypatch.undo()
    assert kept
    tiny.ingest(config)
    after = _states(config)
    assert after in (before, _states(twin))
    _check(config, _seen(twin))
    _decide(config, *said)
    assert _states(config) == _states(twin)


def _killing(monkeypatch: pytest.MonkeyPatch, at: int) -> list[str]:
    """Interrupt the `at`-th of the steps that write: copying, journal, placing, commit."""
    steps: list[str] = []

    def kill_in(module: Any, name: str) -> None:
        real: Callable[..., Any] = getattr(module, name)

        def step(*arguments: Any, **more: Any) -> Any:
            steps.append(name)
            if len(steps) == at:
                raise KeyboardInterrupt
            return real(*arguments, **more)

        monkeypatch.setattr(module, name, step)

    kill_in(batches, "write_decided")
    kill_in(batches, "place_tasks")
    kill_in(batches, "commit")
    kill_in(batches, "_replace")
    return steps


DECISIONS = st.lists(
    st.tuples(
        st.integers(0, 30),
        st.sampled_from([KEEP, RELABEL, RETIRE]),
        st.sampled_from(CATEGORIES),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=4)
@given(rounds=st.lists(DECISIONS, min_size=1, max_size=3), copies=st.booleans())
def test_sums_hold_whatever_is_decided(
    base: Path, rounds: list[list[tuple[int, Kind, str]]], copies: bool
) -> None:
    with tiny.in_memory() as folder:
        config = _config(shutil.copytree(base, folder / "copy"))
        seen = _seen(config)
        issued: set[str] = set()
        for number, decisions in enumerate(rounds):
            for at, kind, category in decisions:
                _try(config, at, kind, category)
                named = {r["pic_id"] for r in tiny.ledger_rows(config)} - {None}
                assert issued <= named
                issued = named
            if copies:
                for category in CATEGORIES:
                    path = config.source_paths[category]["two"] / f"copy-{number}.png"
                    tiny.write_picture(path, number)
                tiny.ingest(config)
                seen += len(CATEGORIES)
            _check(config, seen)
        tiny.make_all(config)
        assert _tables(config) == _accepted(config)


def _try(config: Config, at: int, kind: Kind, category: str) -> None:
    """Decide about some picture or file; a decision that cannot be followed changes nothing."""
    rows = [r for r in tiny.ledger_rows(config) if r["sha256"] is not None]
    row = rows[at % len(rows)]
    key = row["pic_id"] or f"sha256:{row['sha256'].hex()}"
    if kind is KEEP and row["pic_id"]:
        category = ""
    before = _states(config)
    try:
        _decide(config, (key, kind, category))
    except ConfigError:
        assert _states(config) == before


def test_the_template_asks_what_is_open_and_its_answers_are_read(
    config: Config, tmp_path: Path
) -> None:
    path = tmp_path / "open.csv"
    assert write_template(config, path, 10) == {"conflict": 2, "label": 0, "cluster": 0}
    text = path.read_text()
    assert "animal/two/both.png | plant/two/both.png" in text
    with pytest.raises(ConfigError, match="already exists"):
        write_template(config, path, 10)


def test_odd_pictures_of_mixed_clusters_and_suspects_are_asked_about_once(
    config: Config, tmp_path: Path
) -> None:
    layout = config.layout
    folder = layout.clustering("default")
    mixed = {"cluster": 0, "category": "animal", "mixed": True}
    pure = {"cluster": 1, "category": "plant", "mixed": False}
    artifacts.write_json(folder / "clusters.json", {"clusters": [mixed, pure]})
    names = ["animal_id_1", "plant_id_1", "plant_id_2", "plant_id_3", "animal_id_2"]
    members = [
        {"picID": name, "cluster": cluster, "strength": 1.0, "distance": 0.0}
        for name, cluster in zip(names, [0, 0, 0, 0, 1], strict=True)
    ]
    table = pa.Table.from_pylist(members, CLUSTER_MEMBERS)
    artifacts.write_parquet(folder / "members.parquet", table)
    suspect = {"picID": "plant_id_2", "category": "plant", "suggested": "animal", "score": 0.9}
    table = pa.Table.from_pylist([suspect | {"rank": 1, "is_suspect": True}], LABEL_ISSUES)
    artifacts.write_parquet(layout.label_issues, table)
    path = tmp_path / "open.csv"
    # plant_id_3 is in conflict, and asked about as such.
    asked = write_template(config, path, 10)
    assert asked == {"conflict": 2, "label": 1, "cluster": 1}
    assert "plant_id_1,,,,cluster,plant,animal,cluster 0 of default" in path.read_text()
    _decide(config, ("plant_id_1", KEEP, ""))
    path.unlink()
    assert write_template(config, path, 1) == {"conflict": 1, "label": 1, "cluster": 0}
