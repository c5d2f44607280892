"""Pictures that look alike: the nearest in feature space, to a stored picture or to a new one."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from naturalist import backbones, images, ledger
from naturalist.config import Config
from naturalist.dashboard.catalogue import Catalogue
from naturalist.dashboard.collection import Collection
from naturalist.dashboard.decoders import Decoders
from naturalist.errors import ConfigError
from naturalist.features import FeatureTable, fingerprint_of, open_features
from naturalist.ledger import Outcome
from naturalist.stages.extract import decode_for
from naturalist.stages.pictures import Row, read_picture
from naturalist.studies.similar.study import Index, index_of

Vector = NDArray[np.float32]
_LARGE_SIDE = 1280
_DECODED_AT_ONCE = 2
_MOST_HIDDEN = 1_000
"""Pictures taken down since the last run that are looked past, at most."""
_READING_WAIT_S = 15.0
"""How long a question waits for tables that others are reading."""


class Busy(Exception):
    """As many pictures are being read as may be at once; the message is for who asked for more."""

    def __init__(self) -> None:
        super().__init__("Other pictures are being read: try again in a moment.")


@dataclass(eq=False)
class Similar:
    """Looks for the nearest pictures in the index, and in the tables that it does not have yet."""

    place: Collection
    catalogue: Catalogue
    # One lock each: whoever looks for a stored picture never waits for one that is decoded.
    _tables_lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _network_lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _decoders_lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _decoding: threading.BoundedSemaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(_DECODED_AT_ONCE), repr=False
    )
    # Reading tables takes seconds and memory: one question after the other.
    _reading: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _showing: threading.BoundedSemaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(_DECODED_AT_ONCE), repr=False
    )
    _known_tables: FeatureTable | None = field(default=None, repr=False)
    _made_decoders: Decoders | None = field(default=None, repr=False)

    @property
    def offered(self) -> bool:
        """Whether the tables are here to look in."""
        return self.place.kind != "published" and self.place.layout.tables.is_dir()

    def to_picture(self, pic_id: str, k: int) -> list[dict[str, Any]]:
        """The `k` nearest to a stored picture, itself left out; none if it is in no table."""
        if pic_id in self.catalogue.withheld():
            return []
        opened = self._open()
        vector = opened.vector(pic_id)
        if vector is None:
            return []
        near = self._nearest(opened, vector, k + 1)
        return [one for one in near if one["pic_id"] != pic_id][:k]

    def to_bytes(self, data: bytes, k: int) -> list[dict[str, Any]]:
        """The `k` nearest to an encoded picture.

        Raises:
            PictureError: it cannot be read, or not in time.
            ConfigError: this place does not say which network its features came from.
            Busy: as many pictures as may be decoded at once are under way.
        """
        config = self.place.config
        if config is None:
            raise ConfigError("a new picture can only be compared in the workspace")
        spec = backbones.describe(config.extract.backbone)
        with self._one_of_few():
            decode = self._decoders(config).decode
            pixels = decode_for(spec, data, config.picture_limits, decode).pixels
        with self._network_lock:
            network = backbones.load(config.extract.backbone)
            vector = network.features(network.prepare(pixels)[np.newaxis])[0]
        return self._nearest(self._open(), vector, k)

    @contextlib.contextmanager
    def _one_of_few(self) -> Iterator[None]:
        if not self._decoding.acquire(blocking=False):
            raise Busy
        try:
            yield
        finally:
            self._decoding.release()

    def _decoders(self, config: Config) -> Decoders:
        with self._decoders_lock:
            if self._made_decoders is None:
                self._made_decoders = Decoders(config.dashboard.decode_timeout_s)
            return self._made_decoders

    def close(self) -> None:
        """End the processes that decode."""
        if self._made_decoders is not None:
            self._made_decoders.close()

    def large(self, pic_id: str) -> bytes | None:
        """A stored picture as a JPEG for looking at, without metadata; None where it is not kept.

        Raises:
            PictureError: it can no longer be read.
        """
        config = self.place.config
        if config is None or pic_id in self.catalogue.withheld():
            return None
        known = self.catalogue.picture(pic_id)
        if known is None or known["outcome"] not in (Outcome.ACCEPTED, Outcome.CONFLICT):
            return None
        row = ledger.row_of(self.place.layout, known["category"], known["batch"], pic_id)
        if row is None:
            return None
        source = config.source_paths.get(row["category"], {}).get(row["source"])
        return self._decoded(config, read_picture(self.place.layout, source, row))

    def large_of_bytes(self, digest: bytes) -> bytes | None:
        """Files in conflict with certain bytes, as one JPEG; None where none can be read.

        Raises:
            PictureError: it can no longer be read.
        """
        config = self.place.config
        if config is None:
            return None
        with ledger.connect(self.place.layout) as connection:
            query = "SELECT * FROM ledger WHERE sha256 = ? AND outcome = 'conflict'"
            result = connection.execute(query, [digest])
            names = [column[0] for column in result.description or ()]
            rows: list[Row] = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
        for row in rows:
            source = config.source_paths.get(row["category"], {}).get(row["source"])
            # Members of archives without an id are not kept anywhere.
            if row["pic_id"] is not None or (source is not None and b"\0" not in row["path"]):
                return self._decoded(config, read_picture(self.place.layout, source, row))
        return None

    def _decoded(self, config: Config, data: bytes) -> bytes:
        # It was accepted: the larger it is decoded, the more its damage may seem.
        limits = replace(config.picture_limits, damaged="accept")
        decode = self._decoders(config).decode
        with self._showing:
            picture = decode(data, limits, longer=_LARGE_SIDE)
        return _jpeg(picture.pixels)

    def _nearest(self, opened: "_Opened", vector: Vector, k: int) -> list[dict[str, Any]]:
        """The `k` nearest; pictures that were taken down since the tables were written are not."""
        hidden = self.catalogue.withheld()
        near = opened.nearest(vector, k + min(len(hidden.pictures), _MOST_HIDDEN))
        return [one for one in near if one["pic_id"] not in hidden][:k]

    def _open(self) -> "_Opened":
        table = self._tables()
        files = {(file.name, file.sha256): file for file in table.files}
        index = index_of(self.place.layout, files.keys(), table.dim)
        held = set() if index is None else set(index.tables)
        rest = tuple(file for key, file in files.items() if key not in held)
        return _Opened(index, replace(table, files=rest), self._reading)

    def _tables(self) -> FeatureTable:
        # Kept while the tables are the same, so that their checksums are compared once.
        root = self.place.layout.root
        now = fingerprint_of(root)
        with self._tables_lock:
            known = self._known_tables
            if known is None or known.fingerprint != now:
                known = self._known_tables = open_features(root, sources=False)
            return known


@dataclass(frozen=True, eq=False)
class _Opened:
    """Where one question is answered.

    Attributes:
        index: what it has of the tables as they are now; None if there is none.
        rest: the tables that it does not have: those of the last days, or all.
        reading: held while the rest is read.
    """

    index: Index | None
    rest: FeatureTable
    reading: threading.Lock

    def vector(self, pic_id: str) -> Vector | None:
        """The features of a stored picture; None if it is in no table."""
        found = None if self.index is None else self.index.vector(pic_id)
        if found is not None:
            return found[0]
        if not self.rest.files:
            return None
        with self._alone():
            return _vector_in_tables(self.rest, pic_id)

    def nearest(self, vector: Vector, k: int) -> list[dict[str, Any]]:
        """The `k` nearest rows."""
        found = [] if self.index is None else _nearest_in_index(self.index, vector, k)
        if self.rest.files:
            with self._alone():
                found += _nearest_in_tables(self.rest, vector, k)
        return sorted(found, key=lambda one: -one["cosine"])[:k]

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        # Whoever waits holds a thread of the server: all of them must not end up here.
        if not self.reading.acquire(timeout=_READING_WAIT_S):
            raise Busy
        try:
            yield
        finally:
            self.reading.release()


def _nearest_in_index(index: Index, vector: Vector, k: int) -> list[dict[str, Any]]:
    rows, cosines = index.search(vector[np.newaxis], min(k, index.rows))
    named = zip(index.names(rows[0]), cosines[0].tolist(), strict=True)
    return [{"pic_id": row["picID"], "cosine": round(cosine, 4)} for row, cosine in named]


def _vector_in_tables(table: FeatureTable, pic_id: str) -> Vector | None:
    """Reads tables of the picture's category until one has it."""
    category = pic_id.rpartition("_id_")[0]
    for file in table.files:
        if file.name.split("/")[1] != category:
            continue
        rows = file.read()
        at = np.flatnonzero(rows.pic_ids == pic_id)
        if len(at):
            return np.asarray(rows.features[at[0]], np.float32)
    return None


def _nearest_in_tables(table: FeatureTable, vector: Vector, k: int) -> list[dict[str, Any]]:
    """Reads the tables once: exact, in flat memory."""
    expected = vector / (np.linalg.norm(vector) or 1.0)
    best: list[tuple[float, str]] = []
    for rows in table.rows():
        norms = np.linalg.norm(rows.features, axis=1)
        cosines = rows.features @ expected / np.where(norms, norms, 1.0)
        top = np.argsort(-cosines, kind="stable")[:k]
        best += zip(cosines[top].tolist(), rows.pic_ids[top].tolist(), strict=True)
        best = sorted(best, key=lambda pair: (-pair[0], pair[1]))[:k]
    return [{"pic_id": name, "cosine": round(cosine, 4)} for cosine, name in best]


def _jpeg(pixels: images.Pixels) -> bytes:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
