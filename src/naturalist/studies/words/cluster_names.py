"""Names of the clusters of a clustering, kept beside it and brought up to date."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from naturalist import artifacts, ledger
from naturalist.layout import Layout
from naturalist.progress import Progress, stage
from naturalist.studies.clusters import names
from naturalist.studies.study import Outgrown, Report, Result, WholeStudy
from naturalist.studies.words.column_words import fingerprints, word_columns
from naturalist.studies.words.concept_files import read_concepts
from naturalist.studies.words.groups import groups_of, named_groups
from naturalist.studies.words.methods.concepts import folded_name
from naturalist.studies.words.opening import open_indexes
from naturalist.studies.words.study import TABLES


@dataclass(frozen=True, eq=False)
class ClusterNameStudy(WholeStudy):
    """Names of clusters, found again when clusters, words, concepts or what is withheld change.

    Attributes:
        layout: the workspace; its index of words must be up to date.
        backbone: id of the backbone of its features.
        progress: hears how far it is.
        clustering: name of the clustering.
    """

    layout: Layout
    backbone: str
    progress: Progress
    clustering: str = "default"

    @property
    def name(self) -> str:
        """What a run calls it: `names`, or `names of` another clustering than the usual one."""
        return "names" if self.clustering == "default" else f"names of {self.clustering}"

    def current(self) -> Report | None:
        """The names that are kept, if they were found for what is there now."""
        kept = names.names_of(self.layout.clustering(self.clustering))
        return kept.read_current(self._made_from())

    def make(self, outgrown: Outgrown[None] | None) -> Report:
        """Name the clusters.

        Raises:
            ConfigError: there is no such clustering, or no index of words.
        """
        del outgrown
        groups = groups_of(self.layout, "clusters", self.clustering)
        with stage(self.progress, "names", len(groups[2]), "clusters") as advance:
            words = open_indexes(self.layout, self.backbone)
            result = named_groups(self.layout, words, self.backbone, groups)
            advance(len(groups[2]))
        report = {"of": "clusters", "name": self.clustering, **result}
        made_from = self._made_from()
        return names.write(self.layout.clustering(self.clustering), report, made_from)

    def summary(self, result: Result) -> Report:
        """Clusters, how many have a name, and whether anything changed."""
        return {"changed": result.changed, **{k: result.report[k] for k in ("groups", "named")}}

    def _made_from(self) -> str:
        return found_from(self.layout, self.backbone)


def hold_what_is_there(path: Path, layout: Layout, backbone: str, published: Sequence[str]) -> bool:
    """Whether every name of a file comes from what is there and may be published now.

    Names from columns must have been found in the values that published columns have now, names
    from concepts must be those of concepts that were not dropped.

    Args:
        path: the file of names.
        layout: the workspace.
        backbone: id of the backbone of its features.
        published: the setting `publish.columns`.
    """
    kept = artifacts.read_json(path)
    if not isinstance(kept, dict) or "entries" not in kept:
        return False
    found = {(one.get("by"), one["name"]) for entry in kept["entries"] for one in entry["names"]}
    if any(by is None for by, _ in found):
        return False
    taught = {folded_name(name) for by, name in found if by == "concept"}
    if not taught <= read_concepts(layout).keys():
        return False
    if all(by != "column" for by, _ in found):
        return True
    is_of_index = kept.get("made_from") == found_from(layout, backbone)
    return is_of_index and _has_columns_of_now(layout, backbone, published)


def were_found_without(path: Path, layout: Layout, backbone: str) -> bool:
    """Whether the names of a file were found after everything that is withheld now was.

    Args:
        path: the file of names.
        layout: the workspace.
        backbone: id of the backbone of its features.
    """
    kept = artifacts.read_json(path)
    return isinstance(kept, dict) and kept.get("made_from") == found_from(layout, backbone)


def found_from(layout: Layout, backbone: str) -> str:
    """Fingerprint of what names come from, but for the groups: words, concepts, what is withheld.

    Args:
        layout: the workspace.
        backbone: id of the backbone of its features.
    """
    concepts = read_concepts(layout, backbone).values()
    taught = [[one.name, one.weights, one.threshold] for one in concepts]
    gone = ledger.withheld(layout)
    left_out = [[sorted(gone.pictures), sorted(gone.retired)]] if gone else []
    return artifacts.fingerprint(_index(layout, backbone), taught, *left_out)


def _index(layout: Layout, backbone: str) -> Any:
    return artifacts.read_json(layout.words(backbone) / "words.json")


def _has_columns_of_now(layout: Layout, backbone: str, published: Sequence[str]) -> bool:
    """Whether the index of words has no words but those of published columns as they are."""
    held = fingerprints(layout, word_columns(layout, published))
    now = {f"{TABLES}{name}": one for name, one in held.items()}
    parts = (_index(layout, backbone) or {"parts": []})["parts"]
    return all(one.get("columns", "") in ("", now.get(one["name"])) for one in parts)
