"""The indexes that words are searched in, and the columns that come from them."""

from functools import partial

from naturalist import backbones
from naturalist.config import Config
from naturalist.features import open_features
from naturalist.metadata import ComputedColumns
from naturalist.progress import Progress
from naturalist.studies.similar.study import IndexStudy
from naturalist.studies.study import bring_up_to_date
from naturalist.studies.words.column_words import word_columns
from naturalist.studies.words.columns import write_columns
from naturalist.studies.words.heads import has_head, head_of
from naturalist.studies.words.study import WordStudy


def index(config: Config, progress: Progress) -> IndexStudy:
    """The index of similar pictures.

    Raises:
        ConfigError: there are no tables.
    """
    backbone = backbones.describe(config.extract.backbone).id
    return IndexStudy(open_features(config.layout.root), config.layout, backbone, progress)


def words(config: Config, progress: Progress) -> WordStudy:
    """The index of words: classes of the network, words of paths and of metadata columns.

    Raises:
        ConfigError: there are no tables.
    """
    spec = backbones.describe(config.extract.backbone)
    make_head = partial(head_of, spec.name) if has_head(spec.name) else None
    files, layout = open_features(config.layout.root), config.layout
    held = word_columns(layout, config.publish.columns)
    return WordStudy(files, layout, spec.id, make_head, progress, held)


def has_words(config: Config) -> bool:
    """Whether there is an index of words, which then is to be as new as that of pictures."""
    backbone = backbones.describe(config.extract.backbone).id
    return (config.layout.words(backbone) / "words.json").exists()


def update(config: Config, progress: Progress) -> None:
    """Bring both indexes up to date; only for the one writer.

    Raises:
        ConfigError: there are no tables.
    """
    bring_up_to_date(index(config, progress))
    bring_up_to_date(words(config, progress))


def columns(config: Config, progress: Progress) -> list[ComputedColumns]:
    """The columns of `[words]`, brought up to date; none if none are configured or possible."""
    tables = config.layout.tables
    if not config.words.columns or not any(tables.glob("*/*.parquet")):
        return []
    update(config, progress)
    backbone = backbones.describe(config.extract.backbone).id
    result = write_columns(config.layout, backbone, config.words)
    return [result] if result else []
