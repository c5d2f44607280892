"""A published or pulled collection that is opened from Python: everything but working on it."""

import hashlib
import os
import weakref
from collections.abc import Iterable, Sequence
from typing import cast

from naturalist import consume
from naturalist.api.groups import clusters_of, map_of
from naturalist.api.opened import Opened, as_text
from naturalist.api.results import Clusters, Map, Picture, Pictures, Predictions, Status
from naturalist.consume.reading import cache_folder
from naturalist.dashboard.collection import Collection, open_published
from naturalist.dashboard.context import open_context
from naturalist.dashboard.studies import champion_of, clustering, clusterings
from naturalist.document_keys import printed
from naturalist.errors import ConfigError
from naturalist.features import open_features
from naturalist.layout import Layout
from naturalist.pipeline.predicting import Prediction, PredictRequest, predict_inputs
from naturalist.pipeline.similar import similar_elsewhere
from naturalist.progress import SILENT, Progress
from naturalist.stores import S3Options


class Published(Opened):
    """A published or pulled collection; nothing is written to its place.

    The index of similar pictures that `similar` makes is in the user's cache.

    Attributes:
        snapshot: id of the snapshot.
    """

    def __init__(
        self,
        collection: Collection,
        address: str,
        options: S3Options | None = None,
        progress: Progress = SILENT,
    ) -> None:
        self._collection = collection
        self._options = options
        self._progress = progress
        self.name = collection.name
        self.place = address
        self.snapshot = collection.snapshot
        self._context = open_context(collection)
        weakref.finalize(self, self._context.close)

    @classmethod
    def at(
        cls,
        address: str,
        snapshot: str | None = None,
        options: S3Options | None = None,
        progress: Progress = SILENT,
    ) -> "Published":
        """The collection at an address; see `naturalist.open`."""
        return cls(open_published(address, snapshot, options), address, options, progress)

    def __repr__(self) -> str:
        return f"Published({self.place!r}, snapshot {self.snapshot!r})"

    def load(
        self, *, columns: Sequence[str] | None = None, categories: Sequence[str] | None = None
    ) -> consume.Collection:
        """See `Opened.load`."""
        return consume.load(
            self.place,
            columns=columns,
            categories=categories,
            snapshot=self.snapshot,
            options=self._options,
        )

    def status(self) -> Status:
        """See `Opened.status`; the counts are those of the snapshot."""
        about = self._collection.about
        counts = {one["name"]: int(one["table_rows"]) for one in about["categories"]}
        report = {"collection": self.name, "snapshot": self.snapshot, **about}
        return Status(report, counts, ("category", "pictures"), tuple(counts.items()))

    def similar(self, picture: str | os.PathLike[str], k: int = 10) -> Pictures:
        """See `Opened.similar`; only pictures of the collection can be asked for."""
        (asked,) = as_text([picture])
        digest = hashlib.sha256(f"{self.place}\0{self.name}".encode()).hexdigest()
        index = Layout(cache_folder().parent / "indexes" / digest[:24])
        files = open_features(self.place, snapshot=self.snapshot, options=self._options)
        found = similar_elsewhere(files, index, asked, k, self._progress)
        pictures = tuple(
            Picture(hit["picID"], hit["category"], hit["source"], hit["cosine"])
            for hit in found["rows"]
        )
        return Pictures(f"similar to {asked}", pictures, printed(found), (), self.thumbnails)

    def map(self, name: str = "", *, dims: int = 2, rebuild: bool = False) -> Map:
        """See `Opened.map`."""
        if rebuild:
            self._needs_workspace("map", rebuild)
        there = self._context.maps.names()
        chosen = name or next((one for one in there if one.endswith(f"-{dims}d")), f"tsne-{dims}d")
        if chosen not in there:
            raise _absent("map", chosen, there, self.place)
        folder = self._collection.layout.map(chosen)
        found = self._context.maps.get(chosen)
        return map_of(folder, found.meta if found else {})

    def clusters(self, name: str = "default", *, rebuild: bool = False) -> Clusters:
        """See `Opened.clusters`."""
        if rebuild:
            self._needs_workspace("clusters", rebuild)
        found = clustering(self._collection, name)
        if found is None:
            raise _absent("clustering", name, clusterings(self._collection), self.place)
        folder = self._collection.layout.clustering(name)
        return clusters_of(folder, found, self.thumbnails)

    def predict(self, *inputs: str | os.PathLike[str], model: str = "") -> Predictions:
        """See `Opened.predict`; without `model`, the published classifier is used."""
        chosen = model or champion_of(self._collection)
        if not chosen:
            raise ConfigError(f"{self.place} has no classifier: pass one with model=")
        folder = self._collection.layout.model(chosen)
        request = PredictRequest(model=model or str(folder / "model.onnx"))
        rows = predict_inputs(None, as_text(inputs), request, self._progress)
        return Predictions(tuple(cast("Iterable[Prediction]", rows)), self.thumbnails)

    def thumbnails(self, pic_ids: Iterable[str]) -> dict[str, bytes]:
        """See `Opened.thumbnails`; previews are fetched one shard at a time, where published."""
        found = {one: self._context.thumbnails.get(one) for one in pic_ids}
        return {pic_id: jpeg for pic_id, jpeg in found.items() if jpeg is not None}


def _absent(what: str, name: str, there: Sequence[str], place: str) -> ConfigError:
    known = f"there are {', '.join(there)}" if there else "there is none"
    return ConfigError(f"{place} has no {what} {name!r}: {known}")
