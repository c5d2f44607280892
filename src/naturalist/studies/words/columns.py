"""Columns of pictures that come from the network and from concepts, for the metadata of tables."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from naturalist import artifacts
from naturalist.layout import Layout
from naturalist.metadata import ComputedColumns
from naturalist.studies.words.concept_files import read_concepts
from naturalist.studies.words.index import WordPart
from naturalist.studies.words.methods.nouns import read_nouns
from naturalist.studies.words.opening import Words, open_indexes
from naturalist.studies.words.options import WordOptions

CLASS = "network_class"
_SOURCE = "network and concepts"


def write_columns(layout: Layout, backbone: str, options: WordOptions) -> ComputedColumns | None:
    """Write the configured columns of all pictures; nothing if they are as they were.

    Args:
        layout: the workspace, whose index of words is up to date.
        backbone: id of the backbone of its features.
        options: which columns.

    Returns:
        Where they are; None if there are none, as for a network without classes.

    Raises:
        ConfigError: there is no index of words.
        WorkspaceError: it is damaged.
    """
    words = open_indexes(layout, backbone)
    concepts = read_concepts(layout, backbone) if "concepts" in options.columns else {}
    has_class = "class" in options.columns and words.index.has_classes
    names = [*([CLASS] if has_class else []), *(_column(name) for name in concepts)]
    if not names:
        return None
    taught = [[one.name, one.weights, one.bias, one.threshold] for one in concepts.values()]
    least = options.least_probability
    expected = artifacts.fingerprint(_without_columns(words), taught, has_class, least)
    path = layout.word_columns(backbone)
    if not artifacts.is_done(path, expected):
        models = [(one.concept, one.threshold) for one in concepts.values()]
        columns = []
        if has_class:
            columns.append(pa.concat_arrays(list(_classes(words, least))))
        for concept, threshold in models:
            matches = [concept.scores(words.part(k)) >= threshold for k in _parts(words)]
            columns.append(pa.array(np.concatenate(matches)))
        ids = pa.concat_tables([part.names.select(["picID"]) for part in words.index.parts])
        table = pa.table([ids["picID"], *columns], names=["pic_id", *names])
        artifacts.write_parquet(path, table)
        digest = {path.name: artifacts.sha256_file(path)}
        artifacts.write_receipt(path, artifacts.Receipt(expected, table.num_rows, digest))
    return ComputedColumns(_SOURCE, path, tuple(names), expected)


def _without_columns(words: Words) -> dict[str, Any]:
    """What classes and concepts depend on: all of the index but the words of these columns."""
    about = words.index.about
    parts = [{k: v for k, v in one.items() if k != "columns"} for one in about["parts"]]
    return about | {"parts": parts}


def _column(concept: str) -> str:
    return "concept_" + concept.replace(" ", "_").replace("-", "_")


def _parts(words: Words) -> range:
    return range(len(words.index.parts))


def _classes(words: Words, least: float) -> Iterator[pa.Array]:
    nouns = read_nouns()
    named = np.array([nouns.name(int(synset)) for synset in nouns.classes])
    for part in words.index.parts:
        classes, is_sure = _best(part, least)
        yield pa.array(named[classes].tolist(), pa.string(), mask=~is_sure)


def _best(part: WordPart, least: float) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(rows,) the most probable class of each picture, and whether it is probable enough."""
    if part.top is None:
        raise AssertionError("the index has classes")
    probabilities = np.asarray(part.top.probabilities[:, 0], np.float32)
    return np.asarray(part.top.classes[:, 0], np.int64), probabilities >= least
