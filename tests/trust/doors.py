"""Every file that a user or a stranger hands in, as a door: what reads it, and whole examples.

Whatever the bytes, a door ends with what it read or with a `NaturalistError`, whose message is for
people. Anything else would be a traceback on somebody's screen.
"""

import csv
import io
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from naturalist import snapshots
from naturalist.backbones.descriptors import read_descriptor
from naturalist.config import load_config
from naturalist.curation.decisions import read_decisions
from naturalist.features import open_file
from naturalist.metadata.finding import MetadataFile
from naturalist.metadata.reading import read_rows
from naturalist.metadata.rules import FileRule
from naturalist.pipeline.rates import load_rates
from naturalist.snapshots.documents import check_document
from naturalist.stores.prices import load_prices
from naturalist.studies.maps.own_coordinates import read_coordinates

ROOT = Path(__file__).resolve().parents[2]
TOKENS = (
    b"\0", b"\xff\xfe", b"\x1b[2J", b'"', b"'", b",", b";", b"\n", b"\r", b"[", b"]", b"{", b"}",
    b"=", b"-1", b"1e999", b"nan", b"99999999999999999999999", b"true", b"null", b"../../x",
    b"\xe2\x80\xae", b"[[x]]", b"a.b.c=1\n", b"=HYPERLINK(1)", b"<script>",
)  # fmt: skip
CATEGORIES = {"plant": "plant", "animal": "animal"}


@dataclass(frozen=True)
class Door:
    """A reader, the name of its file, and whole examples."""

    read: Callable[[Path], object]
    name: str
    examples: tuple[bytes, ...]

    def enter(self, data: bytes) -> object:
        """Read these bytes; raises what the reader raises."""
        with TemporaryDirectory(prefix="door-") as folder:
            path = Path(folder) / self.name
            path.write_bytes(data)
            return self.read(path)


def _metadata(path: Path) -> object:
    scratch = path.parent / "scratch"
    scratch.mkdir()
    with duckdb.connect() as connection:
        file = MetadataFile(path, path.name, "")
        return read_rows(connection, file, FileRule(file=path.name), scratch)


def _vectors(path: Path) -> object:
    table = open_file(path)
    return [file.read() for file in table.files]


def _parquet(**columns: object) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def _npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(12, dtype=np.float32).reshape(4, 3))
    return buffer.getvalue()


def _csv(*rows: tuple[object, ...]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


CONFIG = b"""\
name = "garden"
workspace = "work"
failure_budget = 0.01
[[category]]
name = "plant"
label = 0
[[category.source]]
name = "photos"
path = "in/*/{ds}"
licence = "CC0"
include = ["**/*.jpg"]
[extract]
backbone = "colour_histogram"
workers = 1
[publish]
url = "s3://bucket/prefix"
endpoint_url = "http://127.0.0.1:1"
pictures = "tars"
columns = ["species"]
[airflow]
schedule = "0 7 * * *"
time_zone = "Europe/Athens"
[analyse]
steps = ["map"]
[dashboard]
port = 8642
"""
NAMES = [f"plant_id_{k}" for k in range(1, 7)]
SNAPSHOT = {
    "format": 1, "snapshot": "000001", "collection": "x", "categories": [{"name": "a", "label": 0}],
    "files": [{"name": "a.md", "key": "a.1.md", "size_bytes": 1, "sha256": "0" * 64}],
}  # fmt: skip

DOORS: Mapping[str, Door] = {
    "configuration": Door(load_config, "naturalist.toml", (CONFIG,)),
    "decisions": Door(
        lambda path: read_decisions(path, CATEGORIES),
        "decisions.csv",
        (
            _csv(("picID", "decision", "note"), ("plant_id_1", "retire", "x"), ("", "", "")),
            b"picID;decision;category\nsha256:" + b"0" * 64 + b";relabel;plant\n",
        ),
    ),
    "metadata as CSV": Door(
        _metadata, "meta.csv", (_csv(("file", "species"), ("a.jpg", "Bellis"), ("b.jpg", "")),)
    ),
    "metadata as JSON": Door(
        _metadata, "meta.json", (json.dumps([{"file": "a.jpg", "n": 1}]).encode(),)
    ),
    "metadata as Parquet": Door(_metadata, "meta.parquet", (_parquet(file=["a"], n=[1]),)),
    "coordinates as CSV": Door(
        read_coordinates, "at.csv", (_csv(("picID", "x", "y"), *((n, 1, 2.5) for n in NAMES)),)
    ),
    "coordinates as Parquet": Door(
        read_coordinates, "at.parquet", (_parquet(picID=NAMES, x=[1.0] * 6, y=[2] * 6),)
    ),
    "vectors as npy": Door(_vectors, "v.npy", (_npy(),)),
    "vectors as Parquet": Door(
        _vectors,
        "v.parquet",
        (_parquet(picID=NAMES, category=["a", "b"] * 3, features=[[1.0, 2.0]] * 6),),
    ),
    "prices": Door(
        lambda path: load_prices("own", path),
        "prices.toml",
        ((ROOT / "src/naturalist/stores/prices.toml").read_bytes(),),
    ),
    "rates": Door(
        load_rates, "rates.toml", ((ROOT / "src/naturalist/pipeline/rates.toml").read_bytes(),)
    ),
    "a network's description": Door(
        read_descriptor,
        "network.toml",
        (b'name = "mine"\nfile = "m.onnx"\nside = 224\nlicence = "MIT"\noutput = "features"\n',),
    ),
    "snapshot": Door(
        lambda path: snapshots.parse("snapshots/000001.json", path.read_bytes()),
        "000001.json",
        (json.dumps(SNAPSHOT).encode(),),
    ),
    "document": Door(
        lambda path: check_document(path, "clusters/default/clusters.json"),
        "clusters.json",
        (b'{"rows": 3, "clusters": [{"cluster": 0, "size": 3, "purity": 0.5}], "metrics": {}}',),
    ),
}


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The bytes with some changed, moved, repeated or lost, and tokens put in."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(6):
            case 0:
                changed[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                changed[at:at] = chance.choice(TOKENS)
            case 2:
                changed[at : at + chance.choice((1, 2, 8, 64))] = b""
            case 3:
                end = at + chance.choice((2, 8, 64))
                changed[at:at] = changed[at:end] * chance.choice((1, 2, 50))
            case 4:
                changed[at : at + 4] = chance.choice((b"\0\0\0\0", b"\xff\xff\xff\xff"))
            case _:
                changed[at : at + chance.choice((1, 4, 9))] = chance.choice(TOKENS)
    return bytes(changed)
