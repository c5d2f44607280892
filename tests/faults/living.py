"""A collection with daily runs, some of them killed, and what people do between them."""

import json
import random
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import naturalist
import tiny
from faults.forking import run_forked, start
from faults.starts import COLLECTION, config_of
from faults.striking import PROGRAM, Ended, run_under
from faults.year import NEW_NAME, RENAMED, RETIRED, Day, Sources
from naturalist import artifacts, ledger, snapshots
from naturalist.snapshots import maintenance
from naturalist.stores import open_store

ON = ["-c", COLLECTION, "-q"]
PUBLISHED = "published"
BACKBONES = ("colour_histogram", "efficientnet_lite0_int8")
FILES_OF = {"plant": "photos", "animal": "garden", "human": "photos"}
"""Name of the source of each category."""
_NEW_SOURCE = "meadow"
_KILLS = 0.12
_KILLS_IN_A_ROW = 3
_BEFORE = "2026-11-28"
"""Workspaces of programs before this day have no remembered categories, and other vectors."""

Pictures = dict[bytes, tuple[int, bytes]]
"""Label and vector of each picture of the tables, by the checksum of its bytes."""


def write_config(folder: Path, backbone: str) -> None:
    """The configuration of a collection whose sources lie beside it."""
    sources = {
        category: {name: Path("../sources") / category} for category, name in FILES_OF.items()
    }
    more: dict[str, Any] = {
        "publish": {"url": f"../{PUBLISHED}"},
        "images": {"mode": "copy"},
        "extract": {"backbone": backbone, "shard_size": 50, "workers": 1},
        "tables": {"rows_per_table": 60},
    }
    tiny.config_file(folder / COLLECTION, sources, **more)


@dataclass
class Collection:
    """A collection in a folder.

    Attributes:
        folder: of sources, collection and what is published.
        rng: draws what is killed, studied and taken down.
        old_program: modules of an older program, that is used until the upgrade; None if the
            history of this clone has none.
        sources: what lies in the sources, and what must be there.
        kills: how many commands were killed.
        done: how often each event was.
        ids: the id of each picture, by category and checksum, as it was seen first.
    """

    folder: Path
    rng: random.Random
    old_program: Path | None
    sources: Sources
    kills: int = 0
    done: dict[str, int] = field(default_factory=dict)
    ids: dict[tuple[str, bytes], str] = field(default_factory=dict)
    _usual_s: dict[str, float] = field(default_factory=dict)
    _is_old: bool = True

    def live(self, day: Day) -> None:
        """One day: what people do, then new pictures, then a run."""
        for name in day.events:
            self.done[name] = self.done.get(name, 0) + 1
            ACTS[name](self)
        self.sources.next_day(day.number)
        if self._is_old and self.old_program:
            before = ["env", f"PYTHONPATH={self.old_program}"]
            must(run_under(before, ["run", *ON], self.folder, PROGRAM))
        else:
            self.do("run", *ON)
        self.sources.note_seen()

    def do(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> Ended:
        """A command, perhaps killed a few times before it may end."""
        name = arguments[0]
        for _ in range(_KILLS_IN_A_ROW):
            if self.rng.random() < _KILLS and name in self._usual_s:
                self._kill(list(arguments), self._usual_s[name])
        began = time.monotonic()
        ended = must(run_forked(list(arguments), self.folder), *codes)
        self._usual_s[name] = time.monotonic() - began
        return ended

    def _kill(self, arguments: list[str], usual_s: float) -> None:
        running = start(arguments, self.folder)
        running.has_ended(self.rng.uniform(0, usual_s))
        running.send(signal.SIGKILL)
        self.kills += running.wait().was_killed
        self._wait_for_lease()

    def _wait_for_lease(self) -> None:
        """A prune or rollback that was killed keeps others away for a quarter of an hour: wait."""
        path = self.folder / PUBLISHED / maintenance.KEY
        value = json.loads(path.read_bytes()) if path.exists() else {}
        if value.get("lease"):
            value["lease"]["until_s"] = 0.0
            path.write_text(json.dumps(value))

    def upgrade(self) -> None:
        """From here on today's program; without an older one, what it remembers is taken away."""
        self._is_old = False
        layout = config_of(self.folder).layout
        if self.old_program:
            self._rebuild_tables()
        else:
            marker = artifacts.read_json(layout.marker)
            marker.pop("categories", None)
            artifacts.write_json(layout.marker, marker)
            layout.seals.unlink(missing_ok=True)

    def change_backbone(self) -> None:
        """Another network: the run says what to do, and it is done."""
        self._replace_in_config(*BACKBONES)
        self._rebuild_tables()

    def _rebuild_tables(self) -> None:
        refused = must(run_forked(["run", *ON], self.folder), 0, 5)
        assert refused.code == 0 or "--rebuild" in refused.err, refused.err
        self.do("tables", "--rebuild", *ON)

    def rename_source(self) -> None:
        """The same files come from a source of another name."""
        self._replace_in_config(FILES_OF["animal"], _NEW_SOURCE)

    def retire(self) -> None:
        """A category is left out from now on."""
        self.do("category", "retire", RETIRED, "-c", COLLECTION)
        self.sources.waiting.add(RETIRED)

    def restore(self) -> None:
        """It comes back."""
        self.do("category", "restore", RETIRED, "-c", COLLECTION)
        self.sources.waiting.discard(RETIRED)

    def roll_back(self) -> None:
        """Readers are pointed to the snapshot before, unless that shows what was taken down."""
        store = open_store(str(self.folder / PUBLISHED))
        ended = self.do(
            "snapshots", "rollback", snapshots.ids(store)[-2], "-c", COLLECTION, codes=(0, 2)
        )
        assert ended.code == 0 or "taken down" in ended.err, ended.err

    def study(self) -> None:
        """One of the studies is brought up to date."""
        self.do(self.rng.choice(["map", "cluster", "duplicates", "train", "index"]), *ON)

    def take_down(self) -> None:
        """Somebody asks for a picture to be removed."""
        with ledger.connect(config_of(self.folder).layout) as connection:
            rows = connection.execute(
                "SELECT pic_id, sha256 FROM ledger WHERE outcome = 'accepted' "
                "AND category NOT IN (SELECT unnest(?)) ORDER BY pic_id",
                [sorted(self.sources.waiting)],
            ).fetchall()
        name, digest = self.rng.choice(rows)
        self.do("takedown", name, "--why", "asked for", "-c", COLLECTION)
        self.sources.taken_down.add(bytes(digest))

    def note_ids(self) -> None:
        """No picture that was seen before has another id now, and no two have the same."""
        rows = [row for row in tiny.ledger_rows(config_of(self.folder)) if row["pic_id"]]
        assert len({row["pic_id"] for row in rows}) == len(rows)
        now = {(row["category"], bytes(row["sha256"])): row["pic_id"] for row in rows}
        assert {key: now.get(key) for key in self.ids} == self.ids
        self.ids = now

    def _replace_in_config(self, old: str, new: str) -> None:
        path = self.folder / COLLECTION / "naturalist.toml"
        text = path.read_text()
        assert f'"{old}"' in text
        path.write_text(text.replace(f'"{old}"', f'"{new}"'))


ACTS: dict[str, Callable[[Collection], object]] = {
    "upgrade": Collection.upgrade,
    "rename": lambda one: one.do("category", "rename", RENAMED, NEW_NAME, "-c", COLLECTION),
    "rename source": Collection.rename_source,
    "retire": Collection.retire,
    "restore": Collection.restore,
    "rollback": Collection.roll_back,
    "release": lambda one: one.do("snapshots", "release", "-c", COLLECTION),
    "backbone": Collection.change_backbone,
    "study": Collection.study,
    "prune": lambda one: one.do(
        "snapshots", "prune", "--keep", "5", "--grace-days", "0", "--yes", *ON
    ),
    "takedown": Collection.take_down,
}


def must(ended: Ended, *codes: int) -> Ended:
    """What ended with one of the codes, 0 if none is given."""
    assert ended.code in (codes or (0,)), f"{ended.code}: {ended.err}"
    assert "Traceback" not in ended.err, ended.err
    return ended


def pictures(place: Path, folder: Path) -> Pictures:
    """The tables of a place, by what the ledger of the collection in the folder says of ids."""
    rows = tiny.ledger_rows(config_of(folder))
    digests = {row["pic_id"]: bytes(row["sha256"]) for row in rows if row["pic_id"]}
    features, labels, names = naturalist.load(str(place)).numpy()
    assert len(set(names)) == len(names)
    vectors = np.asarray(features, np.float32)
    found = {
        digests[name]: (int(label), vector.tobytes())
        for name, label, vector in zip(names, labels, vectors, strict=True)
    }
    assert len(found) == len(names)
    return found


def old_program(target: Path) -> Path | None:
    """Modules of the program as it was on a day, out of this clone's history, if it has one."""
    root = Path(__file__).resolve().parents[2]
    history = ["git", "-C", str(root)]
    found = subprocess.run(
        [*history, "log", "-1", f"--before={_BEFORE}", "--format=%H"],
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode or not found.stdout.strip():
        return None
    archive = subprocess.run(
        [*history, "archive", found.stdout.strip(), "src"], capture_output=True, check=True
    )
    target.mkdir(parents=True)
    subprocess.run(["tar", "-x", "-C", str(target)], input=archive.stdout, check=True)
    return target / "src"
