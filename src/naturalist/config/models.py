"""The shape of `naturalist.toml`, with defaults, and the option values made from it."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    PrivateAttr,
    field_validator,
    model_validator,
)

from naturalist import backbones, categories
from naturalist.archives import ArchiveLimits
from naturalist.catalogue.records import kept_folder, read_released
from naturalist.categories import Categories
from naturalist.config import patterns
from naturalist.config.dashboard import DashboardSection
from naturalist.config.executor import ExecutorKind, ExecutorSection, usable_ray_address
from naturalist.config.s3 import S3Section
from naturalist.config.sources import (
    CategorySection,
    Endpoint,
    Flag,
    ImageRoots,
    Name,
    Section,
    SharedSourceSection,
    SourceSection,
    StoreAddress,
    UserPath,
)
from naturalist.errors import ConfigError
from naturalist.images import PictureLimits
from naturalist.layout import Layout
from naturalist.metadata import SourceRules
from naturalist.schedule import AirflowSection, AnalyseSection
from naturalist.schemas import MAX_ROWS_PER_TABLE
from naturalist.stages.extract import ExtractOptions
from naturalist.stages.ingest import matched_sources
from naturalist.stages.ingest.options import FileLimits, IngestOptions, Mode, Routing, Source
from naturalist.stages.packing import Form
from naturalist.stages.pictures import Location
from naturalist.stages.verify.features import FeatureCheckOptions
from naturalist.stores import S3Options
from naturalist.stores.remote import RemoteFolder
from naturalist.studies.classifier.options import ClassifierOptions
from naturalist.studies.clusters.options import ClusterOptions
from naturalist.studies.drift.options import DriftOptions
from naturalist.studies.duplicates.options import NearDuplicateOptions
from naturalist.studies.maps.options import MapOptions
from naturalist.studies.words.options import WordOptions
from naturalist.suggestions import choose_one_of

# TOML tells a number from a text: what is quoted, or true, is not a number.
Positive = Annotated[int, Field(gt=0, strict=True)]
Workers = Annotated[int, Field(ge=0, strict=True)]
Share = Annotated[float, Field(ge=0, le=1, strict=True)]


class ImagesSection(Section):
    """How and where pictures are kept."""

    mode: Mode = Mode.AUTO
    roots: Annotated[ImageRoots, Field(min_length=1)] = ("images",)


class IngestSection(Section):
    """How much is done at once."""

    files_per_batch: Positive = 100_000
    files_per_task: Positive = 500
    removed: Literal["keep", "retire"] = "keep"
    unchanged_folders: Literal["look", "trust"] = "look"


class LimitsSection(Section):
    """What is refused; every refusal names its limit."""

    max_file_bytes: Positive = FileLimits.max_file_bytes
    max_pixels: Positive = PictureLimits.max_pixels
    max_whole_pixels: Positive = PictureLimits.max_whole_pixels
    max_metadata_bytes: Positive = PictureLimits.max_metadata_bytes
    max_scans: Positive = PictureLimits.max_scans
    damaged: Literal["refuse", "accept"] = PictureLimits.damaged
    max_archive_bytes: Positive = ArchiveLimits.max_archive_bytes
    max_archive_ratio: Annotated[float, Field(gt=1)] = ArchiveLimits.max_archive_ratio
    max_archive_depth: Positive = ArchiveLimits.max_archive_depth
    max_archive_members: Positive = ArchiveLimits.max_archive_members
    decode_timeout_s: Annotated[float, Field(gt=0)] = 120.0


class ExtractSection(Section):
    """The network, and how the work is cut."""

    backbone: str = backbones.DEFAULT
    shard_size: Positive = 1000
    workers: Workers = 0
    network_batch: Positive = 16

    @field_validator("backbone")
    @classmethod
    def _check_backbone(cls, name: str) -> str:
        try:
            return backbones.resolve(name)
        except ConfigError as error:
            raise ValueError(str(error)) from error


class VerifySection(Section):
    """How features are verified."""

    sample_share: Share = FeatureCheckOptions.sample_share
    min_cosine: Share = FeatureCheckOptions.min_cosine
    rolling_mb: Workers = 256


class TablesSection(Section):
    """How tables are cut."""

    rows_per_table: Annotated[int, Field(gt=0, le=MAX_ROWS_PER_TABLE, strict=True)] = 10_001
    csv: Flag = True
    """Write each table as CSV too."""


class PublishSection(Section):
    """Where the tables go; an empty address publishes nothing."""

    url: StoreAddress = ""
    pictures: Form = Form.NONE
    sent_by: Literal["workers", "driver"] = "workers"
    """Who sends pictures from a Ray cluster; workers need credentials of the bucket."""
    keep_metadata: Flag = False
    thumbnails: Flag = True
    columns: tuple[str, ...] = ("*",)
    endpoint_url: Endpoint = ""
    region: str = ""
    addressing: Literal["auto", "path", "virtual"] = "auto"
    requester_pays: Flag = False


class Config(Section):
    """A whole `naturalist.toml`."""

    format: Annotated[int, Field(ge=1, le=1)] = 1
    name: Name
    workspace: UserPath = Path()
    failure_budget: Share = 0.01
    withdrawal_budget: Share = 0.05
    category: tuple[CategorySection, ...]
    source: tuple[SharedSourceSection, ...] = ()
    images: ImagesSection = ImagesSection()
    ingest: IngestSection = IngestSection()
    limits: LimitsSection = LimitsSection()
    extract: ExtractSection = ExtractSection()
    verify: VerifySection = VerifySection()
    tables: TablesSection = TablesSection()
    analyse: AnalyseSection = AnalyseSection()
    classifier: ClassifierOptions = ClassifierOptions()
    clusters: ClusterOptions = ClusterOptions()
    drift: DriftOptions = DriftOptions()
    duplicates: NearDuplicateOptions = NearDuplicateOptions()
    map: MapOptions = MapOptions()
    words: WordOptions = WordOptions()
    publish: PublishSection = PublishSection()
    airflow: AirflowSection = AirflowSection()
    executor: ExecutorSection = ExecutorSection()
    s3: S3Section = S3Section()
    dashboard: DashboardSection = DashboardSection()
    _folder: Path = PrivateAttr(default=Path())
    _day: dt.date | None = PrivateAttr(default=None)
    _new_images: str = PrivateAttr(default="")
    _sources: tuple[Source, ...] | None = PrivateAttr(default=None)
    _categories: Categories = PrivateAttr(default=Categories())

    @model_validator(mode="after")
    def _check_removed(self) -> Self:
        if self.ingest.removed == "retire" and self.images.mode is Mode.MOVE:
            raise ValueError(
                'ingest.removed = "retire" would retire every picture that images.mode = "move" '
                "takes out of its source: change one of the two"
            )
        return self

    @field_validator("category")
    @classmethod
    def _check_count(cls, found: tuple[CategorySection, ...]) -> tuple[CategorySection, ...]:
        # A minimum in the type would be reported, too, when the only one has a mistake.
        if not found:
            raise ValueError(
                "at least one category is required (two for a classifier): add a "
                "section [[category]]"
            )
        return found

    @model_validator(mode="after")
    def _check_categories(self) -> Self:
        names = Counter(category.name.lower() for category in self.category)
        labels = Counter(category.label for category in self.category)
        twice = [name for name, k in names.items() if k > 1]
        if twice:
            raise ValueError(
                f"two categories are named {twice[0]!r} (names ignore case): rename one"
            )
        same = [label for label, k in labels.items() if k > 1]
        if same:
            raise ValueError(f"two categories have label {same[0]}: change one")
        return self

    @model_validator(mode="after")
    def _check_shared_sources(self) -> Self:
        named = {category.name for category in self.category}
        taken = Counter(s.name for s in self.source)
        taken.update({s.name for category in self.category for s in category.source})
        for source in self.source:
            if taken[source.name] > 1:
                raise ValueError(
                    f"source {source.name}: the name is taken; a source that feeds several "
                    "categories needs a unique name"
                )
            unknown = [name for name in source.categories.values() if name not in named]
            if unknown:
                raise ValueError(
                    f"source {source.name}: categories lists {unknown[0]!r}, which is not a "
                    f"category of this configuration: {choose_one_of(unknown[0], sorted(named))}"
                )
        return self

    def in_folder(self, folder: Path) -> "Config":
        """The same configuration, its relative paths standing for paths below `folder`."""
        self._folder = folder
        self._categories = categories.read(self.layout)
        return self

    @property
    def layout(self) -> Layout:
        """Paths of the workspace."""
        return Layout(self._folder / self.workspace)

    @property
    def active(self) -> dict[str, CategorySection]:
        """The section of each category that is not retired, by the key of the category."""
        retired = self._categories.retired_keys
        keyed = {self.key_of(section.name): section for section in self.category}
        return {key: section for key, section in keyed.items() if key not in retired}

    @property
    def remembered(self) -> Categories:
        """The categories of the workspace, as they were when the configuration was read."""
        return self._categories

    def key_of(self, name: str) -> str:
        """The key of a category: prefix of its pictures' ids, name of its folders."""
        return self._categories.key_of(name)

    @property
    def labels(self) -> dict[str, int]:
        """The label of each category that is not retired, by key."""
        return {key: section.label for key, section in self.active.items()}

    @property
    def names(self) -> dict[str, str]:
        """The name of each category that is not retired, by key."""
        return {key: section.name for key, section in self.active.items()}

    @property
    def keys_by_any_name(self) -> dict[str, str]:
        """The key of each category that is not retired, by every name that it has or had."""
        return self._categories.keys_by_any_name | {name: key for key, name in self.names.items()}

    @property
    def image_roots(self) -> tuple[str, ...]:
        """Every image root, of all categories."""
        return self.ingest_options.all_roots

    def on_day(self, day: dt.date | None, new_images: str = "") -> "Config":
        """The same configuration for a run of a certain day; None is today.

        Args:
            day: the last day that `{ds}` in source paths matches.
            new_images: folder with a folder for each category, instead of the sources; may be
                empty.
        """
        copy = self.model_copy()
        copy._day, copy._new_images, copy._sources = day, new_images, None
        return copy

    def with_sources(self, sources: tuple[Source, ...]) -> "Config":
        """The same configuration for a run that looks through some of its sources only."""
        copy = self.model_copy()
        copy._sources = sources
        return copy

    def worked_on_by(self, kind: str | None, ray_address: str) -> "Config":
        """The same configuration with another executor; None and "" leave what is configured.

        Raises:
            ConfigError: the address is of no cluster.
        """
        changes: dict[str, object] = {}
        if kind is not None:
            changes["kind"] = ExecutorKind(kind)
        if ray_address:
            try:
                changes["ray_address"] = usable_ray_address(ray_address)
            except ValueError as error:
                raise ConfigError(f"--ray-address {error}") from error
        return self.model_copy(update={"executor": self.executor.model_copy(update=changes)})

    @property
    def sources(self) -> tuple[Source, ...]:
        """Every source of every category that is to be looked through, patterns resolved once.

        Fetched sets that were released are none: their pictures are in the collection already.

        Raises:
            ConfigError: two sources of a category have the same name.
        """
        if self._sources is None:
            found = self._new_sources() if self._new_images else self._named_sources()
            every = _all_different(tuple(found))
            self._sources = tuple(one for one in every if not _is_released(one.path))
        return self._sources

    def _new_sources(self) -> Iterator[Source]:
        folder = (self._folder / Path(self._new_images).expanduser()).resolve()
        keys = {name: key for key, name in self.names.items()}
        for name, match in patterns.new_images(folder, tuple(keys)).items():
            yield Source(keys[name], match.name, match.path)

    def _named_sources(self) -> Iterator[Source]:
        day = self._day or dt.datetime.now(self.airflow.zone).date()
        for key, category in self.active.items():
            for source in category.source:
                for name, location in self._places_of(source, day):
                    yield Source(key, name, location, source.selection)
        for shared in self.source:
            for name, location in self._places_of(shared, day):
                yield from self._shared(shared, name, location)

    def _shared(
        self, section: SharedSourceSection, name: str, location: Location
    ) -> Iterator[Source]:
        """A source of each category that a section feeds; none if all of those are retired."""
        keys = {word: self.key_of(category) for word, category in section.categories.items()}
        fed = [key for key in self.labels if key in keys.values()]
        home = min(fed, key=lambda key: self.labels[key], default=None)
        if home is None:
            return
        others = tuple(key for key in fed if key != home)
        rules = self._rules_of(section, home, name, location, others)
        mapping = tuple((word, key if key in fed else "") for word, key in keys.items())
        routing = Routing(home, section.category_from, mapping, rules)
        for key in fed:
            yield Source(key, name, location, section.selection, routing)

    def _rules_of(
        self,
        section: SourceSection,
        category: str,
        name: str,
        location: Location,
        others: tuple[str, ...] = (),
    ) -> SourceRules:
        files = tuple(one.rule for one in section.metadata)
        if _is_released(location) and isinstance(location, Path):
            location = kept_folder(location)
        return SourceRules(
            category, name, location, files, section.folders, self._folder, others, section.exif
        )

    def _places_of(self, source: SourceSection, day: dt.date) -> Iterator[tuple[str, Location]]:
        """Name and location of each source that a section stands for."""
        if isinstance(source.path, str):
            yield source.name, self.s3.folder(source.path)
            return
        path = self._folder / source.path
        if not patterns.is_pattern(path):
            yield source.name, path
            return
        for match in patterns.matches(source.name, path, day):
            yield match.name, match.path

    @property
    def matched_sources(self) -> tuple[Source, ...]:
        """Those of the sources that the configuration does not name one by one."""
        named = {(key, s.name) for key, c in self.active.items() for s in c.source}
        named |= {(key, s.name) for key in self.active for s in self.source}
        return tuple(s for s in self.sources if (s.category, s.name) not in named)

    @property
    def known_sources(self) -> tuple[Source, ...]:
        """All sources, and those that earlier runs found: pictures may be read in any of them."""
        known = {(s.category, s.name): s for s in matched_sources.recall(self.layout)}
        known |= {(s.category, s.name): s for s in self._named_sources()}
        known |= {(s.category, s.name): s for s in self.sources}
        return tuple(known.values())

    @property
    def source_paths(self) -> dict[str, dict[str, Location]]:
        """The path of each known source, by category; categories without sources are there too."""
        paths: dict[str, dict[str, Location]] = {name: {} for name in self.labels}
        for source in self.known_sources:
            paths.setdefault(source.category, {})[source.name] = source.path
        return {category: paths[category] for category in self.labels}

    @property
    def metadata_rules(self) -> tuple[SourceRules, ...]:
        """Where the metadata of each source are, for those that have some."""
        sections = {(key, s.name): s for key, c in self.active.items() for s in c.source}
        rules = []
        for source in self.known_sources:
            if source.routing is not None:
                rules += [source.routing.rules] if source.is_listed else []
                continue
            section = sections.get((source.category, source.name)) or self._pattern_of(source)
            if section is not None and (section.metadata or section.folders or section.exif):
                rules.append(self._rules_of(section, source.category, source.name, source.path))
        return tuple(rules)

    def _pattern_of(self, source: Source) -> SourceSection | None:
        """The section whose wildcards matched a source."""
        result = [
            section
            for key, category in self.active.items()
            for section in category.source
            if key == source.category
            and source.name.startswith(f"{section.name}-")
            and isinstance(section.path, Path)
            and patterns.is_pattern(section.path)
        ]
        return max(result, key=lambda section: len(section.name), default=None)

    @property
    def publish_url(self) -> str:
        """The address to publish to; relative folders are beside the configuration file."""
        url = self.publish.url
        if not url or "://" in url:
            return url
        folder = self._folder / url
        # Links are kept: what is published is known by the address.
        return str(folder.resolve() if ".." in folder.parts else folder)

    @property
    def s3_options(self) -> S3Options:
        """How to reach the bucket of publish.url."""
        publish = self.publish
        return S3Options(
            endpoint_url=publish.endpoint_url or None,
            region=publish.region or None,
            addressing=publish.addressing,
            requester_pays=publish.requester_pays,
        )

    @property
    def exchange(self) -> RemoteFolder | None:
        """Where nodes without the workspace leave what they make; None if they have it."""
        return self.s3.folder(self.executor.exchange) if self.executor.exchange else None

    @property
    def picture_limits(self) -> PictureLimits:
        """Limits on single pictures."""
        limits = self.limits
        return PictureLimits(
            limits.max_pixels,
            limits.max_whole_pixels,
            limits.max_metadata_bytes,
            limits.max_scans,
            limits.damaged,
        )

    @property
    def ingest_options(self) -> IngestOptions:
        """Options of the ingest stage."""
        limits = self.limits
        archives = ArchiveLimits(
            max_member_bytes=limits.max_file_bytes,
            max_archive_bytes=limits.max_archive_bytes,
            max_archive_ratio=limits.max_archive_ratio,
            max_archive_depth=limits.max_archive_depth,
            max_archive_members=limits.max_archive_members,
        )
        return IngestOptions(
            mode=self.images.mode,
            image_roots=self.images.roots,
            category_roots=tuple((key, c.roots) for key, c in self.active.items() if c.roots),
            limits=FileLimits(limits.max_file_bytes, self.picture_limits, archives),
            files_per_batch=self.ingest.files_per_batch,
            files_per_task=self.ingest.files_per_task,
            shard_size=self.extract.shard_size,
            trust_folders=self.ingest.unchanged_folders == "trust",
            categories=tuple(self.labels),
        )

    @property
    def extract_options(self) -> ExtractOptions:
        """Options of the extract stage."""
        return ExtractOptions(
            self.extract.backbone, self.picture_limits, self.extract.network_batch
        )

    @property
    def feature_check_options(self) -> FeatureCheckOptions:
        """Options of feature verification."""
        return FeatureCheckOptions(self.verify.sample_share, self.verify.min_cosine)


def _is_released(location: Location) -> bool:
    return isinstance(location, Path) and read_released(location) is not None


def _all_different(sources: tuple[Source, ...]) -> tuple[Source, ...]:
    counted = Counter((source.category, source.name) for source in sources)
    for (category, name), times in counted.items():
        if times > 1:
            raise ConfigError(
                f"category {category}: {times} sources are named {name!r}, including those "
                "matched by patterns: rename the patterns"
            )
    return sources
