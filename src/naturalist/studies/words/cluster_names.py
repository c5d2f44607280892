"""Names of the clusters of a clustering, kept beside it and brought up to date."""

from dataclasses import dataclass

from naturalist import artifacts
from naturalist.layout import Layout
from naturalist.progress import Progress, stage
from naturalist.studies.clusters import names
from naturalist.studies.study import Outgrown, Report, Result, WholeStudy
from naturalist.studies.words.concept_files import read_concepts
from naturalist.studies.words.groups import groups_of, named_groups
from naturalist.studies.words.opening import open_indexes


@dataclass(frozen=True, eq=False)
class ClusterNameStudy(WholeStudy):
    """Names of clusters, found again when clusters, words or concepts change.

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
        kept = names.read_report(self.layout.clustering(self.clustering))
        is_current = kept is not None and kept["made_from"] == self._made_from()
        return kept if is_current else None

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
        about = artifacts.read_json(self.layout.words(self.backbone) / "words.json")
        concepts = read_concepts(self.layout, self.backbone).values()
        taught = [[one.name, one.weights, one.threshold] for one in concepts]
        return artifacts.fingerprint(about, taught)
