"""Studies of a workspace: which there are, what each is made of, and the one way to run them.

A study follows from the configuration by a function here; `study` runs one as a command does, under
the lock, and `step` runs those of a step of a run. What a study does is in `studies/`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from naturalist import backbones, categories, ledger
from naturalist.config import Config
from naturalist.config.sources import NAME
from naturalist.errors import ConfigError
from naturalist.features import FeatureTable, open_features
from naturalist.features.blocks import BlockMapper
from naturalist.layout import Layout, MapFolder
from naturalist.pipeline import runner, words
from naturalist.pipeline.steps import Job
from naturalist.progress import Progress
from naturalist.running import workspace
from naturalist.schedule import AnalysisStep
from naturalist.studies.classifier.study import ChampionStudy
from naturalist.studies.classifier.training_rows import TrainingRows, open_rows
from naturalist.studies.clusters.options import ClusterOptions
from naturalist.studies.clusters.study import LEAST_ROWS, ClusterStudy
from naturalist.studies.drift.options import DriftOptions
from naturalist.studies.drift.predictions import covering_model, held_out_predictions
from naturalist.studies.drift.rows import Subject
from naturalist.studies.drift.study import DriftStudy
from naturalist.studies.duplicates.options import NearDuplicateOptions
from naturalist.studies.duplicates.study import DuplicateStudy
from naturalist.studies.labels.options import LabelIssueOptions
from naturalist.studies.labels.study import LabelStudy
from naturalist.studies.maps.options import MapOptions
from naturalist.studies.study import Divisible, Result, Study, bring_up_to_date
from naturalist.studies.words.cluster_names import ClusterNameStudy
from naturalist.studies.words.region_names import RegionNameStudy

if TYPE_CHECKING:
    from naturalist.studies.maps.own_coordinates import OwnCoordinates
    from naturalist.studies.maps.study import MapStudy

MakeStudy = Callable[[Config, Progress], Study[Any]]


@dataclass(frozen=True)
class Step:
    """A step of a run.

    Attributes:
        studies: gives its studies; none where there is nothing to study yet.
        many: whether they are reported by name; else only the first is reported.
        nothing: what is reported where there is nothing to study.
    """

    studies: Callable[[Config, Progress], Iterator[Study[Any]]]
    many: bool = False
    nothing: tuple[tuple[str, Any], ...] = ()

    def __call__(self, job: Job) -> dict[str, Any]:
        """Bring the studies up to date; what each did and whether it `changed`, as JSON values.

        Raises:
            MissingExtra: a package that a study needs is not installed.
        """
        done = {}
        for study in self.studies(job.config, job.progress):
            result = bring_up_to_date(divided(study, job))
            if warning := study.warning(result.report):
                job.progress.note(warning)
            done[study.name] = study.summary(result) | {"changed": result.changed}
        if self.many:
            return done
        return next(iter(done.values()), dict(self.nothing))


def study(config: Config, progress: Progress, make: MakeStudy, *, rebuild: bool = False) -> Result:
    """Bring one study of a workspace up to date, as its one writer.

    Raises:
        WorkspaceError: nothing has been made yet.
        WorkspaceLocked: another process is writing.
        And as the study.
    """
    workspace.reading(config.layout)
    with runner.opened(config, progress) as job:
        return bring_up_to_date(divided(make(config, progress), job), rebuild=rebuild)


def indexes(config: Config, progress: Progress) -> Result:
    """Bring the index of similar pictures up to date, and that of words where there is one.

    Raises:
        As `study`.
    """
    result = study(config, progress, words.index)
    if words.has_words(config):
        study(config, progress, words.words)
    return result


def divided(study: Study[Any], job: Job) -> Study[Any]:
    """A study whose blocks of rows, if it has any, are given to the workers of a job."""
    if not isinstance(study, Divisible):
        return study
    blocks = BlockMapper(job.executor, job.config.layout.scratch)
    return cast("Study[Any]", replace(cast("Any", study), blocks=blocks))


def clusters(
    config: Config,
    progress: Progress,
    *,
    options: ClusterOptions | None = None,
    name: str = "default",
) -> ClusterStudy:
    """A clustering of the tables.

    Raises:
        ConfigError: there are no tables.
    """
    layout = config.layout
    how = options or config.clusters
    return ClusterStudy(open_features(layout.root), layout, how, progress, name, pictures=layout)


def duplicates(
    config: Config, progress: Progress, *, options: NearDuplicateOptions | None = None
) -> DuplicateStudy:
    """Near duplicates among all pictures; by the section [duplicates] without options."""
    spec, names = backbones.describe(config.extract.backbone), sorted(config.labels)
    return DuplicateStudy(config.layout, spec, names, options or config.duplicates, progress)


def cluster_names(config: Config, progress: Progress, *, name: str) -> ClusterNameStudy:
    """Names of the clusters of a clustering."""
    backbone = backbones.describe(config.extract.backbone).id
    return ClusterNameStudy(config.layout, backbone, progress, name)


def region_names(config: Config, progress: Progress, *, name: str) -> RegionNameStudy:
    """Names of the regions of a map."""
    backbone = backbones.describe(config.extract.backbone).id
    return RegionNameStudy(config.layout, backbone, progress, name)


def label_issues(config: Config, progress: Progress, *, options: LabelIssueOptions) -> LabelStudy:
    """Suspects of a wrong category; pictures that a person decided about are none."""
    layout = config.layout
    return LabelStudy(layout, _decided(layout), options, config.classifier, progress)


def _decided(layout: Layout) -> list[str]:
    with ledger.connect(layout) as connection:
        rows = connection.execute(
            "SELECT pic_id FROM ledger SEMI JOIN decisions USING (pic_id) "
            "WHERE outcome = 'accepted'"
        ).fetchall()
    return [row[0] for row in rows]


def training_rows(config: Config) -> TrainingRows:
    """The rows that the classifier of a workspace is made of.

    Raises:
        ConfigError: the tables cannot be learnt from.
    """
    return open_rows(config.layout.root, config.classifier, layout=config.layout)


def champion(config: Config, progress: Progress) -> ChampionStudy:
    """The classifier in use, against a challenger of the newest tables.

    Raises:
        ConfigError: the tables cannot be learnt from.
    """
    return ChampionStudy(training_rows(config), config.classifier, config.layout, progress)


def newest_batch(config: Config) -> int | None:
    """The newest batch that accepted a picture; None if none did."""
    batches = [
        summary.batch
        for category in config.labels
        for summary in ledger.batches(config.layout, category)
        if any(counts.accepted for counts in summary.counts.values())
    ]
    return max(batches, default=None)


def drift(
    config: Config,
    progress: Progress,
    *,
    batch: int | None = None,
    source: str = "",
    options: DriftOptions | None = None,
) -> DriftStudy:
    """Drift of a batch (the newest by default), of a source, or of a source in a batch.

    Raises:
        ConfigError: no picture was accepted yet.
    """
    layout = config.layout
    if batch is None and not source:
        batch = newest_batch(config)
        if batch is None:
            known = categories.read(layout)
            if known.all_retired:
                raise ConfigError(categories.all_retired_message(known))
            raise ConfigError("no pictures have been accepted yet: start with `naturalist run`")
    model = covering_model(layout, batch)
    return DriftStudy(
        layout,
        backbones.describe(config.extract.backbone),
        list(config.labels),
        Subject(batch, source),
        options or config.drift,
        progress,
        partial(held_out_predictions, layout.model(model)) if model else None,
        model,
    )


def _one(make: MakeStudy) -> Callable[[Config, Progress], Iterator[Study[Any]]]:
    return lambda config, progress: iter([make(config, progress)])


def _clusters(config: Config, progress: Progress) -> Iterator[Study[Any]]:
    made = clusters(config, progress)
    files = made.files.files
    if len(files) < LEAST_ROWS and sum(len(file.outline()) for file in files) < LEAST_ROWS:
        progress.note(f"no clusters yet: they need {LEAST_ROWS} pictures")
        return
    yield made


def _indexes(config: Config, progress: Progress) -> Iterator[Study[Any]]:
    """The index of similar pictures, which is reported, and that of words where there is one."""
    yield words.index(config, progress)
    if words.has_words(config):
        yield words.words(config, progress)


def _words(config: Config, progress: Progress) -> Iterator[Study[Any]]:
    """The indexes that words are searched in, and names of the clusters and maps that there are.

    Names of maps wait for the step `map`, which comes later, where a run has it.
    """
    yield words.index(config, progress)
    yield words.words(config, progress)
    for members in sorted(config.layout.clusterings.glob("*/members.parquet")):
        yield cluster_names(config, progress, name=members.parent.name)
    if "map" not in config.analyse.steps:
        yield from _region_names(config, progress)


def _region_names(config: Config, progress: Progress) -> Iterator[Study[Any]]:
    for points in sorted(config.layout.maps.glob("*/points.parquet")):
        yield region_names(config, progress, name=points.parent.name)


@dataclass(frozen=True)
class MapRequest:
    """Which map to make.

    Attributes:
        options: how it is laid out, and what it must reach.
        dims: 2 or 3.
        name: of the map; empty for method and dimensions, as in tsne-2d.
        own: where pictures lie, instead of a layout that is made; it has its own dims.
    """

    options: MapOptions
    dims: int = 2
    name: str = ""
    own: "OwnCoordinates | None" = None


def map_of(
    table: FeatureTable, request: MapRequest, progress: Progress, *, maps: Path, out: Path | None
) -> "MapStudy":
    """A map of features, wherever they are.

    Args:
        table: the features.
        request: which map.
        progress: hears how far it is.
        maps: folder in which the map gets a folder of its name.
        out: folder of the map itself, instead; None for none.

    Raises:
        ConfigError: the name cannot name a folder.
    """
    # Imported here: what makes maps takes a second to load, and most runs make none.
    from naturalist.studies.maps.study import MapStudy, default_name

    how, own = request.options.drawing(request.dims), request.own
    name = request.name or (f"own-{own.dims}d" if own else default_name(how))
    check_name(name)
    return MapStudy(table, MapFolder(out or maps / name), name, how, request.options, own, progress)


def check_name(name: str) -> None:
    """Check the name of a map, sample or clustering.

    Raises:
        ConfigError: it cannot name a folder.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"--name {name}: use at most 100 letters, digits and . _ + - (start with a letter or "
            "digit)"
        )


def one_map(config: Config, progress: Progress, *, request: MapRequest) -> "MapStudy":
    """A map of the tables of a workspace.

    Raises:
        ConfigError: there are no tables, or the name cannot name a folder.
    """
    table = open_features(config.layout.root, sources=False)
    return map_of(table, request, progress, maps=config.layout.maps, out=None)


def _maps(config: Config, progress: Progress) -> Iterator[Study[Any]]:
    """The configured maps, and names of their regions where a run has an index of words.

    Raises:
        ConfigError: there are fewer than 5 pictures.
        MissingExtra: a package that the method needs is not installed.
    """
    for dims in dict.fromkeys(config.map.dims):
        yield one_map(config, progress, request=MapRequest(config.map, dims))
    if "words" in config.analyse.steps:
        yield from _region_names(config, progress)


def _champion(config: Config, progress: Progress) -> Iterator[Study[Any]]:
    tables = config.layout.tables
    if sum(any(tables.glob(f"{name}/*.parquet")) for name in config.labels) < 2:
        progress.note("classifier: fewer than two categories have rows; nothing to train yet")
        return
    yield champion(config, progress)


def _drift(config: Config, progress: Progress) -> Iterator[Study[Any]]:
    if newest_batch(config) is not None:
        yield drift(config, progress)


STEPS: dict[AnalysisStep, Step] = {
    "duplicates": Step(_one(duplicates)),
    "index": Step(_indexes),
    "clusters": Step(_clusters, nothing=(("changed", False),)),
    "words": Step(_words, many=True),
    "map": Step(_maps, many=True),
    "classifier": Step(_champion),
    "drift": Step(_drift),
}
"""What each step of the analyse stage studies."""
