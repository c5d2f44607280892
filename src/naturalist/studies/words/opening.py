"""The indexes that words are searched in, opened together."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from naturalist.errors import WorkspaceError
from naturalist.layout import Layout
from naturalist.studies.similar.study import Index, open_index
from naturalist.studies.words.index import WordIndex, open_word_index


@dataclass(frozen=True, eq=False)
class Words:
    """The open indexes of a workspace: words and vectors of the same pictures in the same order."""

    index: WordIndex
    vectors: Index

    def part(self, number: int) -> NDArray[np.float16]:
        """(rows, dim) unit vectors of a part."""
        return self.vectors.parts[number].vectors


def open_indexes(layout: Layout, backbone: str) -> Words:
    """Open both indexes as they are.

    Raises:
        ConfigError: one of them is not there.
        WorkspaceError: one is damaged, or they are of different tables.
    """
    words = Words(open_word_index(layout, backbone), open_index(layout, backbone=backbone))
    if [_key(part) for part in words.index.about["parts"]] != [
        _key(part) for part in words.vectors.about["parts"]
    ]:
        raise WorkspaceError(
            "the index of words is older than the index of similar pictures: run "
            "`naturalist search WORDS` once, which updates both, or wait if another run is under "
            "way"
        )
    return words


def _key(part: dict[str, Any]) -> tuple[str, str]:
    return part["name"], part["sha256"]
