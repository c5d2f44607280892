"""A picture that takes its worker down, or holds it for ever, costs itself and nothing else."""

import os
import signal
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.pipeline.collections_of_pictures import SMALL, Sabotage, take, write_collection

from naturalist import breadcrumbs
from naturalist.errors import NaturalistError
from naturalist.reasons import Reason
from naturalist.running.executors import ProcessExecutor

pytestmark = pytest.mark.usefixtures("with_workers")

LIMITS = "[limits]\ndecode_timeout_s = {}"


def test_pictures_that_crash_or_hang_a_worker_are_refused_and_all_others_are_done(
    photos: Path, tmp_path: Path
) -> None:
    """One dies when it is examined, one when it is decoded, one never ends."""
    plants = take(photos, "plant", 20, tmp_path / "plants")
    first = min(p for p in plants.rglob("*.jpg"))
    first.rename(plants / "crash-me.jpg")
    sources = {
        "plant": {"garden": plants},
        "animal": {"zoo": take(photos, "animal", 20, tmp_path / "animals")},
    }
    collection = write_collection(
        tmp_path / "collection",
        sources,
        failure_budget=0.5,
        more=LIMITS.format(3),
        sizes=SMALL | {"workers": 2},
    )
    sabotage = Sabotage(
        files={"/crash-me.jpg": "crash", "/plant_id_7.": "crash", "/animal_id_3.": "hang"}
    )
    ran = collection.run(sabotage=sabotage)
    refused = {
        (row["category"], row["pic_id"] or row["path_text"]): row["reason"]
        for row in collection.ledger(outcome="refused")
    }
    assert refused == {
        ("plant", "crash-me.jpg"): "decoder_crashed",
        ("plant", "plant_id_7"): "decoder_crashed",
        ("animal", "animal_id_3"): "decoder_timed_out",
    }
    status = collection.status()
    assert [one["table_rows"] for one in status.values()] == [18, 19]
    assert ran.json["outcome"] == "done"
    assert collection.leftovers() == []
    # The refusals hold: the next run, without sabotage, does not try again.
    assert collection.run().json["changed"] is False


def test_an_archive_may_take_longer_than_one_picture_may(photos: Path, tmp_path: Path) -> None:
    """Every member has decode_timeout_s for itself: archives of gigabytes take hours."""
    packed = take(photos, "plant", 12, tmp_path / "packed")
    (tmp_path / "archives").mkdir()
    with zipfile.ZipFile(tmp_path / "archives/plants.zip", "w") as archive:
        for path in sorted(p for p in packed.rglob("*") if p.is_file()):
            archive.write(path, path.name)
    sources = {
        "plant": {"archives": tmp_path / "archives"},
        "animal": {"zoo": take(photos, "animal", 3, tmp_path / "animals")},
    }
    collection = write_collection(tmp_path / "collection", sources, more=LIMITS.format(2))
    collection.run(sabotage=Sabotage(files={"/.staging/": "slow"}))
    assert collection.status()["plant"]["table_rows"] == 12


@dataclass(frozen=True)
class Unlucky:
    """A task that dies at another item each time, as when memory is short."""

    folder: Path
    key: str = "unlucky"

    def suspect(self, index: int, reason: Reason) -> "Unlucky":
        raise AssertionError(f"item {index} is blamed for {reason}")


def die_anywhere(task: Unlucky) -> int:
    """Die at item 0, 1, 2, 0, ...; gives up dying after a while."""
    tries = len(list(task.folder.glob("try-*")))
    (task.folder / f"try-{tries}").touch()
    with breadcrumbs.trail(task.folder, task.key) as trail:
        trail.at(tries % 3)
        if tries < 40:
            os.kill(os.getpid(), signal.SIGKILL)
    return tries


def die_before_the_first_item(task: Unlucky) -> int:
    """Die at item 5 the first time, and later before any item is begun."""
    tries = len(list(task.folder.glob("try-*")))
    (task.folder / f"try-{tries}").touch()
    if tries == 0:
        with breadcrumbs.trail(task.folder, task.key) as trail:
            trail.at(5)
            os.kill(os.getpid(), signal.SIGKILL)
    if tries < 40:
        os.kill(os.getpid(), signal.SIGKILL)
    return tries


@pytest.mark.parametrize("run", [die_anywhere, die_before_the_first_item])
def test_workers_that_die_for_no_picture_end_the_run_and_no_picture_is_blamed(
    tmp_path: Path, run: "object"
) -> None:
    executor = ProcessExecutor(1, tmp_path, 60)
    with pytest.raises(NaturalistError, match="memory"):
        list(executor.map(run, [Unlucky(tmp_path)]))
    executor.close()
    assert len(list(tmp_path.glob("try-*"))) < 20
