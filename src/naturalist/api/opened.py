"""What every opened collection can do, and what those that are no workspace answer instead."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from naturalist.api.findings import Drift, Evaluation, Names
from naturalist.api.results import (
    Clusters,
    Duplicates,
    LedgerRows,
    Map,
    Pictures,
    Predictions,
    Reviewed,
    Run,
    Status,
)
from naturalist.consume import Collection
from naturalist.errors import ConfigError
from naturalist.studies.drift.options import Against
from naturalist.studies.words.groups import Kind


class Opened:
    """An opened collection; `naturalist.open` gives one.

    Results print as a short text, and in a notebook as a table or as pictures. Every result has
    `report`: the document that the command prints with `--json`, without its envelope.
    """

    name: str
    """Of the collection."""
    place: str
    """Folder or address."""

    def load(
        self, *, columns: Sequence[str] | None = None, categories: Sequence[str] | None = None
    ) -> Collection:
        """The tables as arrays and data frames, as `naturalist.load` gives them.

        Raises:
            ConfigError: there is no such column or category.
            StoreError: the store failed.
        """
        raise NotImplementedError

    def status(self) -> Status:
        """Counts per category, as `naturalist status` shows them.

        Raises:
            WorkspaceError: nothing has been made yet.
        """
        raise NotImplementedError

    def similar(self, picture: str | os.PathLike[str], k: int = 10) -> Pictures:
        """The `k` pictures most similar to one of the collection, or, in a workspace, to a file.

        Similarity is the cosine of the features, from -1 to 1; the picture itself is left out.

        Raises:
            ConfigError: there is no such picture, or the file is not a picture.
            StoreError: the store failed.
        """
        raise NotImplementedError

    def map(self, name: str = "", *, dims: int = 2, rebuild: bool = False) -> Map:
        """A map of all pictures in 2 or 3 dimensions.

        In a workspace it is made, or takes in new pictures; of a published collection it is read.

        Args:
            name: of the map; empty for the configured method and dimensions, as in tsne-2d.
            dims: 2 or 3.
            rebuild: lay it out from scratch. Workspaces only.

        Raises:
            ConfigError: there are fewer than 5 pictures, or no such map is published.
            MissingExtra: the extra `analysis` is not installed.
            WorkspaceLocked: another process is writing.
        """
        raise NotImplementedError

    def clusters(self, name: str = "default", *, rebuild: bool = False) -> Clusters:
        """The clusters of the features, the largest first.

        In a workspace they are made, or take in new pictures; of a published collection they are
        read.

        Raises:
            ConfigError: there are too few pictures, or no such clustering is published.
            MissingExtra: the extra `analysis` is not installed.
            WorkspaceLocked: another process is writing.
        """
        raise NotImplementedError

    def predict(self, *inputs: str | os.PathLike[str], model: str = "") -> Predictions:
        """What pictures show: files, folders and http(s) addresses.

        Args:
            inputs: the pictures; those of a folder at any depth.
            model: id of a model, a model.onnx or its folder; empty for the champion.

        Raises:
            SourceError: there is no such file or folder.
            ConfigError: there is no model yet.
            BackboneError: the network of the model is not on this machine.
        """
        raise NotImplementedError

    def thumbnails(self, pic_ids: Iterable[str]) -> dict[str, bytes]:
        """JPEG bytes, 128 pixels at the longer side, of each picture that has a preview here."""
        raise NotImplementedError

    def ledger(self, *, limit: int = 100, **conditions: str) -> LedgerRows:
        """Rows of the ledger: one for every file ever seen. Workspaces only.

        Args:
            limit: rows at most; 0 gives all.
            conditions: outcome, reason, category, source and pic_id that rows must have.

        Raises:
            ConfigError: there is no such condition, category or source.
        """
        self._needs_workspace("ledger", limit, conditions)

    def run(
        self,
        *,
        accept_failures: bool = False,
        accept_withdrawals: bool = False,
        accept_low_space: bool = False,
    ) -> Run:
        """Do every stage that has work to do, as `naturalist run`. Workspaces only.

        Args:
            accept_failures: go on although `failure_budget` is exceeded.
            accept_withdrawals: let more pictures leave the tables than `withdrawal_budget`.
            accept_low_space: begin although the drives seem to be too small for new files.

        Raises:
            FailureBudgetExceeded: too many files cannot be used; everything else was finished.
            VerificationFailed: a check failed; what it guards was not made.
            WorkspaceLocked: another process is writing.
            StoreError: the place to publish to failed.
            StorageFull: a drive is full, or too small for the new files.
        """
        self._needs_workspace("run", accept_failures, accept_withdrawals, accept_low_space)

    def search(
        self,
        query: str = "",
        k: int = 20,
        *,
        category: str = "",
        source: str = "",
        where: str = "",
        like: str = "",
    ) -> Pictures:
        """Pictures by words, without the internet, as `naturalist search`. Workspaces only.

        Args:
            query: words such as "owl on snow" or "owl not snow"; may be empty with `like`.
            k: pictures at most.
            category, source: only pictures of these.
            where: SQL condition on columns of the ledger and of metadata.
            like: id or file of a picture that the results should be like as well.

        Raises:
            ConfigError: the query says nothing, or a name or condition is wrong.
        """
        self._needs_workspace("search", query, k, category, source, where, like)

    def duplicates(self) -> Duplicates:
        """Groups of near duplicates, those that span categories first. Workspaces only.

        Raises:
            WorkspaceError: nothing has been made yet.
            WorkspaceLocked: another process is writing.
        """
        self._needs_workspace("duplicates")

    def suspects(self) -> Pictures:
        """Pictures whose label may be wrong, the most suspect first, as `naturalist label-issues`.

        Workspaces only. Pictures that a person decided about are not among them.

        Raises:
            ConfigError: there is nothing to compare labels with.
            MissingExtra: the extra `analysis` is not installed.
        """
        self._needs_workspace("suspects")

    def names(self, of: Kind = "clusters", name: str = "", *, level: int = 0) -> Names:
        """Names of clusters, map regions or near duplicates, as `naturalist names`.

        Workspaces only. A group without clear evidence has an empty name.

        Args:
            of: clusters, map or duplicates.
            name: of the clustering or map; empty for default and tsne-2d.
            level: zoom level of the regions of a map; 0 is the coarsest.

        Raises:
            ConfigError: there is no such clustering or map, or near duplicates were not grouped.
            WorkspaceLocked: another process is writing.
        """
        self._needs_workspace("names", of, name, level)

    def drift(
        self, batch: int | None = None, *, source: str = "", against: Against | None = None
    ) -> Drift:
        """How a batch differs from the pictures before it, as `naturalist drift`. Workspaces only.

        Args:
            batch: the newest one if None.
            source: only this source (NAME or CATEGORY/NAME).
            against: sources or everything; `drift.against` if None.

        Raises:
            ConfigError: there is no such batch or source.
            MissingExtra: the extra `analysis` is not installed.
            WorkspaceLocked: another process is writing.
        """
        self._needs_workspace("drift", batch, source, against)

    def evaluate(self) -> Evaluation:
        """How good the classifier is on sources it never saw, as `naturalist evaluate`.

        Workspaces only. Trains the classifier first if there is none.

        Raises:
            ConfigError: the tables have only one category.
            MissingExtra: the extra `analysis` is not installed.
            WorkspaceLocked: another process is writing.
        """
        self._needs_workspace("evaluate")

    def review(
        self,
        decisions: str | os.PathLike[str] | Iterable[Mapping[str, str]],
        *,
        by: str = "",
        dry_run: bool = False,
    ) -> Reviewed:
        """Apply decisions of a person: keep, relabel or retire pictures. Workspaces only.

        All are applied or none; the next `run` makes tables of them.

        Args:
            decisions: a CSV file, or rows with the keys pic_id, decision, and where needed category
                and note.
            by: who decided; your user name if empty. Never published.
            dry_run: only report what would change, and the effect on tables and budgets.

        Raises:
            ConfigError: a decision is wrong; all mistakes are named, nothing is changed.
            WorkspaceLocked: another process is writing.
        """
        self._needs_workspace("review", decisions, by, dry_run)

    def _needs_workspace(self, method: str, *_: Any) -> NoReturn:
        raise ConfigError(
            f"{method}() needs a workspace, but {self.place} is a published or downloaded "
            "collection: open the folder that contains its naturalist.toml"
        )


def as_text(paths: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Paths and addresses as text; `~` of paths is the home folder."""
    return [one if "://" in (one := os.fspath(p)) else str(Path(one).expanduser()) for p in paths]
