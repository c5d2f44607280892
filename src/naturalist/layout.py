"""Every path inside a workspace, and the folder for caches. No other module joins such paths.

::

    <workspace>/
      workspace.json                      format version, collection name
      lock                                held by the one writer
      lease.json                          the run of many processes that it belongs to
      sources.json                        sources that patterns have matched
      images/<category>/<prefix>/<pic_id>.<ext>
      images/.staging/<sha256>            unpacked archive members of the batch under way
      images/.incoming/                   pictures that are being copied
      ledger/<category>/<batch>.parquet, .json
      ledger/<category>/amendments/<name>.parquet
      ledger/<category>/touched/<fingerprint>.parquet
      ledger/<category>/folders/<source>.parquet  folders whose files are all known
      ledger/.open/<fingerprint>.parquet  findings of the batch under way
      ledger/.pending/                    the batch that has its ids and waits for its commit
      features/<backbone>/<category>/<batch>-<shard>.parquet, .json
      previews/<category>/<batch>-<shard>.parquet, .json
      checks/<backbone>/<category>/<batch>-<shard>.parquet, .json
      checks/<backbone>/collection.json   verdicts about all features together
      tables/<category>/image_df_<k>.csv, .parquet, .json, .check.json
      metadata/<category>/image_df_<k>.parquet  metadata columns, in the order of the table
      metadata/                           summary.json, problems.parquet
      exif/<category>/<source>.parquet    time, camera and place, of sources that ask for them
      duplicates/                         groups.parquet, sheet.png, steps/: near duplicates
      samples/<name>/                     which pictures stand for all
      maps/<name>/                        points.parquet, map.json, map.png
      clusters/<name>/                    members.parquet, clusters.json, sheets/<cluster>.png
      index/<backbone>/                   every vector, for similar pictures
      words/<backbone>/                   words.json and its parts: classes and words of paths
      concepts/<name>.json, .parquet      what a person means by a word, from examples
      models/<model>/                     model.onnx, card, evaluation, predictions
      read-before/                        copies of receipts as runs read them
      seals.json                          checksums of the files of studies
      reports/                            verification.json, verification.md, runs/<n>.json
      damaged/                            what a repair took away
      review/                             journal.jsonl, views.json, reviewers.json
      .scratch/                           files that nobody needs once the lock is free
      site/                               the dashboard, exported for publishing
      outbox/                             copies without private columns, for publishing
"""

import os
from dataclasses import dataclass
from pathlib import Path

PICTURES_PER_FOLDER = 10_000
OWN_FOLDERS = frozenset(
    (
        *(".scratch", "images", "ledger", "features", "previews", "checks", "tables", "metadata"),
        *("exif", "duplicates", "samples", "maps", "clusters", "index", "words", "concepts"),
        *("models", "read-before", "reports", "damaged", "review", "site", "outbox"),
    )
)
"""Names of the folders at the top of a workspace; nothing else may be written into them."""
REVIEW_JOURNAL_START = "naturalist review 1"
"""What the checksum of the first line of `Layout.review_journal` rests on."""
REVIEW_VIEWS_ADVICE = (
    "restore it from a backup, or delete it; only views of the map that were shared are in it"
)
"""What can be done about a damaged `Layout.review_views`."""


@dataclass(frozen=True)
class Layout:
    """Paths below one workspace folder."""

    root: Path

    def is_own(self, folder: Path) -> bool:
        """Whether a folder is the workspace, holds it, or is one of its folders or inside one."""
        root, folder = self.root.resolve(), folder.resolve()
        if root.is_relative_to(folder):
            return True
        return folder.is_relative_to(root) and folder.relative_to(root).parts[0] in OWN_FOLDERS

    @property
    def marker(self) -> Path:
        """The file that makes a folder a workspace."""
        return self.root / "workspace.json"

    @property
    def lock(self) -> Path:
        """The file whose lock the one writer holds."""
        return self.root / "lock"

    @property
    def lease(self) -> Path:
        """Which run of several processes the workspace belongs to, and until when."""
        return self.root / "lease.json"

    @property
    def matched_sources(self) -> Path:
        """Where the sources are that patterns in the configuration have matched."""
        return self.root / "sources.json"

    @property
    def selections(self) -> Path:
        """What the sources included and excluded when the ledger was last compared with it."""
        return self.root / "selections.json"

    @property
    def routings(self) -> Path:
        """By which labels sources that feed several categories were shared out last."""
        return self.root / "routings.json"

    @property
    def scratch(self) -> Path:
        """Files that may be thrown away whenever nobody holds the lock."""
        return self.root / ".scratch"

    @property
    def breadcrumbs(self) -> Path:
        """Where workers note the picture they are decoding."""
        return self.scratch / "breadcrumbs"

    @property
    def fetched(self) -> Path:
        """Objects of buckets that are being examined."""
        return self.scratch / "fetched"

    # ledger

    @property
    def ledger(self) -> Path:
        """The ledger of all categories."""
        return self.root / "ledger"

    @property
    def findings(self) -> Path:
        """Findings of the batch under way."""
        return self.ledger / ".open"

    @property
    def pending(self) -> Path:
        """The batch whose ids are fixed and whose pictures are being placed."""
        return self.ledger / ".pending"

    def batch(self, category: str, batch: int) -> Path:
        """Ledger rows of one batch; its summary is beside it as JSON."""
        return self.ledger / category / f"{batch:06d}.parquet"

    def touched(self, category: str) -> Path:
        """Folder of keys of known files whose time stamp changed and whose bytes did not."""
        return self.ledger / category / "touched"

    def folder_states(self, category: str, source: str) -> Path:
        """What the folders of a source held when all their files were known."""
        return self.ledger / category / "folders" / f"{source}.parquet"

    def amendments(self, category: str) -> Path:
        """Folder of later words about ledger rows of a category."""
        return self.ledger / category / "amendments"

    def losses(self, category: str, batch: int) -> Path:
        """Amendment with the pictures of a batch that were gone when they were to be placed."""
        return self.amendments(category) / f"{batch:06d}-losses.parquet"

    # pictures

    @property
    def staging(self) -> Path:
        """Archive members of the batch under way, named by their sha256."""
        return self.root / "images" / ".staging"

    def image_root(self, name: str) -> Path:
        """The folder of an image root; relative names are in the workspace."""
        return self.root / name

    def image_root_marker(self, name: str) -> Path:
        """The file by which an image root that is there is told from the empty place of a drive."""
        return self.image_root(name) / ".naturalist-root"

    def incoming(self, name: str) -> Path:
        """Pictures that are being copied into an image root."""
        return self.image_root(name) / ".incoming"

    def picture(self, image_root: str, category: str, number: int, extension: str) -> Path:
        """Where picture `number` of a category is kept."""
        name = picture_name(pic_id(category, number), extension)
        return self.picture_folder(image_root, category, picture_group(number)) / name

    def picture_folder(self, image_root: str, category: str, group: int) -> Path:
        """The folder that keeps the pictures of one group, so that no folder gets too full."""
        return self.root.joinpath(image_root, category, f"{group:06d}")

    # features and what is measured beside them

    def features(self, backbone_id: str, category: str, batch: int, shard: int) -> Path:
        """Feature vectors of one shard."""
        return self.root / "features" / backbone_id / category / part_name(batch, shard)

    def previews(self, category: str, batch: int, shard: int) -> Path:
        """Thumbnails, perceptual hashes and quality measures of one shard."""
        return self.root / "previews" / category / part_name(batch, shard)

    def previews_of(self, category: str) -> Path:
        """Folder of the previews of a category."""
        return self.root / "previews" / category

    def checks(self, backbone_id: str, category: str, batch: int, shard: int) -> Path:
        """Verdicts about one shard's features."""
        return self.root / "checks" / backbone_id / category / part_name(batch, shard)

    def collection_check(self, backbone_id: str) -> Path:
        """Verdicts about all of a backbone's features together."""
        return self.root / "checks" / backbone_id / "collection.json"

    def refusals(self, category: str, batch: int, shard: int) -> Path:
        """Amendment with the pictures of one shard that could not be decoded."""
        return self.amendments(category) / part_name(batch, shard)

    # tables

    @property
    def tables(self) -> Path:
        """Tables of all categories."""
        return self.root / "tables"

    def table(self, category: str, k: int) -> Path:
        """Table `k` (from 1) of a category, as Parquet; the CSV is beside it."""
        return self.tables / category / f"image_df_{k}.parquet"

    def exif(self, category: str, source: str) -> Path:
        """What the pictures of a source say in EXIF, by pic_id; never published as it is."""
        return self.root / "exif" / category / f"{source}.parquet"

    # metadata columns of pictures

    @property
    def metadata(self) -> Path:
        """Metadata of all categories."""
        return self.root / "metadata"

    def metadata_of(self, category: str, table: str) -> Path:
        """Metadata of the pictures of one table, by the file name of its Parquet file."""
        return self.metadata / category / table

    @property
    def metadata_summary(self) -> Path:
        """Which columns there are, and what became of the rows of each metadata file."""
        return self.metadata / "summary.json"

    @property
    def metadata_problems(self) -> Path:
        """Rows without a picture, pictures without a row, and what else was not matched."""
        return self.metadata / "problems.parquet"

    # studies

    @property
    def near_duplicates(self) -> Path:
        """Groups of near duplicates; what they were made from is beside them."""
        return self.root / "duplicates" / "groups.parquet"

    @property
    def near_duplicate_sheet(self) -> Path:
        """Contact sheet of groups of near duplicates."""
        return self.near_duplicates.with_name("sheet.png")

    @property
    def near_duplicate_steps(self) -> Path:
        """Folder of what each look for near duplicates added."""
        return self.near_duplicates.with_name("steps")

    def near_duplicate_step(self, number: int) -> Path:
        """Pictures that one look for near duplicates added; its pairs are beside them."""
        return self.near_duplicate_steps / f"{number:06d}.parquet"

    @property
    def samples(self) -> Path:
        """Folder with a folder for each sample."""
        return self.root / "samples"

    def sample(self, name: str) -> Path:
        """Folder of a sample: `members.parquet` and `sample.json`."""
        return self.samples / name

    @property
    def maps(self) -> Path:
        """Folder with a folder for each map."""
        return self.root / "maps"

    def map(self, name: str) -> Path:
        """Folder of a map: `points.parquet`, `map.json`, `map.png`."""
        return self.maps / name

    @property
    def clusterings(self) -> Path:
        """Folder with a folder for each clustering."""
        return self.root / "clusters"

    def clustering(self, name: str) -> Path:
        """Folder of a clustering: `members.parquet`, `clusters.json`, `sheets/`."""
        return self.clusterings / name

    @property
    def indexes(self) -> Path:
        """Folder with a folder for the index of each backbone."""
        return self.root / "index"

    def index(self, backbone_id: str) -> Path:
        """Folder of the index over the features of a backbone: `index.json` and its parts."""
        return self.indexes / backbone_id

    def words(self, backbone_id: str) -> Path:
        """Folder of the index of words over the features of a backbone."""
        return self.root / "words" / backbone_id

    def word_columns(self, backbone_id: str) -> Path:
        """The most probable class of each picture, and the concepts that it matches."""
        return self.words(backbone_id) / "columns" / "columns.parquet"

    @property
    def concepts(self) -> Path:
        """Folder with a file for each concept that a person made."""
        return self.root / "concepts"

    def concept(self, name: str) -> Path:
        """A concept: its examples, its model and what was measured of it."""
        return self.concepts / f"{name}.json"

    def concept_members(self, name: str) -> Path:
        """Which pictures show a concept, as it was applied last."""
        return self.concepts / f"{name}.parquet"

    @property
    def models(self) -> Path:
        """Folder with a folder for each classifier, and the history of the champions."""
        return self.root / "models"

    def model(self, name: str) -> Path:
        """Folder of a classifier: `model.onnx`, `card.md`, its evaluation and predictions."""
        return self.models / name

    @property
    def champion(self) -> Path:
        """Which classifier is the champion, and all that were before it."""
        return self.models / "champion.json"

    @property
    def label_issues(self) -> Path:
        """Pictures whose category is suspected to be wrong."""
        return self.reports / "label_issues.parquet"

    def drift(self, name: str) -> Path:
        """Report on the drift of a batch."""
        return self.reports / "drift" / f"{name}.json"

    @property
    def study_folders(self) -> tuple[Path, ...]:
        """Folders that hold nothing but what studies have made."""
        return (
            self.near_duplicates.parent,
            self.samples,
            self.maps,
            self.clusterings,
            self.indexes,
            self.root / "words",
            self.concepts,
            self.models,
            self.reports / "drift",
        )

    @property
    def seals(self) -> Path:
        """Checksums of all files of studies."""
        return self.root / "seals.json"

    @property
    def damaged(self) -> Path:
        """What a repair took away."""
        return self.root / "damaged"

    @property
    def rolling(self) -> Path:
        """Up to which file the last run read everything again."""
        return self.reports / "rolling.json"

    @property
    def rolling_pictures(self) -> Path:
        """Which stored picture the next run begins to read again with."""
        return self.reports / "rolling_pictures.json"

    @property
    def read_before(self) -> Path:
        """What runs keep of the small files that they read, so that the next one need not."""
        return self.root / "read-before"

    def compared_counts(self, category: str) -> Path:
        """Which files of a category's ledger had the counts of their rows when a run compared."""
        return self.read_before / "ledger" / f"{category}.counts.json"

    @property
    def unsealed(self) -> Path:
        """There while a writer is at work that will seal what it made."""
        return self.scratch / "unsealed"

    # reports and published things

    @property
    def reports(self) -> Path:
        """Reports for people and machines."""
        return self.root / "reports"

    @property
    def verification(self) -> Path:
        """What was checked and found, for machines."""
        return self.reports / "verification.json"

    @property
    def verification_page(self) -> Path:
        """The same for people."""
        return self.reports / "verification.md"

    @property
    def budget(self) -> Path:
        """Up to which batch a good run, or a person's decision, covers failures."""
        return self.reports / "budget.json"

    @property
    def runs(self) -> Path:
        """One report for each run."""
        return self.reports / "runs"

    @property
    def open_run(self) -> Path:
        """How the run under way found the workspace, if it is one of several processes."""
        return self.runs / "open.json"

    def picture_index(self, category: str, batch: int, shard: int) -> Path:
        """Index of one shard's pictures as they were packed for publishing."""
        return self.outbox / "picture_index" / category / part_name(batch, shard)

    @property
    def site(self) -> Path:
        """The dashboard as an exported folder, which is published with the next snapshot."""
        return self.root / "site"

    @property
    def review_journal(self) -> Path:
        """What reviewers decided in the dashboard, one line an entry; never published."""
        return self.root / "review" / "journal.jsonl"

    @property
    def review_views(self) -> Path:
        """Views of the map that reviewers share; never published."""
        return self.root / "review" / "views.json"

    @property
    def reviewers(self) -> Path:
        """Names of reviewers with the checksums of their tokens; never published."""
        return self.root / "review" / "reviewers.json"

    @property
    def outbox(self) -> Path:
        """Files that exist only to be published."""
        return self.root / "outbox"


def cache_folder() -> Path:
    """The user's folder for rebuildable files (XDG Base Directory Specification 0.8)."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(home) if Path(home).is_absolute() else Path.home() / ".cache"
    return base / "naturalist"


@dataclass(frozen=True)
class MapFolder:
    """The files of one map, in a workspace or in a folder of its own."""

    root: Path

    @property
    def points(self) -> Path:
        """Where each picture lies; its receipt is beside it."""
        return self.root / "points.parquet"

    @property
    def summary(self) -> Path:
        """How the map was made, and what was measured on it."""
        return self.root / "map.json"

    @property
    def picture(self) -> Path:
        """The map as a picture."""
        return self.root / "map.png"

    @property
    def model(self) -> Path:
        """What new pictures are placed by."""
        return self.root / "model.npz"


@dataclass(frozen=True)
class SampleFolder:
    """The files of one sample, in a workspace or in a folder of its own."""

    root: Path

    @property
    def members(self) -> Path:
        """Which pictures were chosen; its receipt is beside it."""
        return self.root / "members.parquet"

    @property
    def summary(self) -> Path:
        """How they were chosen, and what they keep of the whole."""
        return self.root / "sample.json"


def pic_id(category: str, number: int) -> str:
    """Name of picture `number` (from 1) of a category: ``plant_id_29679``."""
    return f"{category}_id_{number}"


def picture_name(pic_id: str, extension: str) -> str:
    """File name of a picture: ``plant_id_29679.jpg``."""
    return f"{pic_id}.{extension}"


def pic_number(pic_id: str) -> int:
    """Number in a pic_id."""
    return int(pic_id.rpartition("_")[2])


def picture_group(number: int) -> int:
    """The group of pictures that are in one folder."""
    return number // PICTURES_PER_FOLDER


def shard_name(batch: int, shard: int) -> str:
    """Name of a shard within its category: ``000012-00003``."""
    return f"{batch:06d}-{shard:05d}"


def part_name(batch: int, shard: int) -> str:
    """File name of the part of one shard."""
    return f"{shard_name(batch, shard)}.parquet"


def receipt_path(artifact: Path) -> Path:
    """Where the receipt of an artifact lies."""
    return artifact.with_name(receipt_name(artifact.name))


def receipt_name(artifact: str) -> str:
    """What the receipt of an artifact is called, beside it."""
    return f"{artifact.rpartition('.')[0]}.json"
