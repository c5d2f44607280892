"""Thumbnails of single pictures, out of the previews of their shards."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from naturalist import artifacts, ledger
from naturalist.layout import Layout, pic_number


def read_thumbnails(layout: Layout, pic_ids: Iterable[str]) -> dict[str, bytes]:
    """JPEG bytes of each picture that has a preview; the parts that hold them are read once."""
    expected = defaultdict(list)
    for name in pic_ids:
        expected[name.rpartition("_id_")[0]].append(name)
    result: dict[str, bytes] = {}
    for category, names in expected.items():
        for path, here in _parts_with(layout, category, names):
            table = artifacts.read_parquet(path, ["pic_id", "thumbnail"])
            rows = table.filter(pc.is_in(table["pic_id"], pa.array(here, pa.string())))
            pairs = zip(rows["pic_id"].to_pylist(), rows["thumbnail"].to_pylist(), strict=True)
            result.update(pairs)
    return result


def _parts_with(
    layout: Layout, category: str, names: list[str]
) -> Iterator[tuple[Path, list[str]]]:
    ordered = sorted(names, key=pic_number)
    for summary in ledger.batches(layout, category):
        for number, shard in enumerate(summary.shards):
            here = list(ledger.between(ordered, *summary.numbers(shard)))
            path = layout.previews(category, summary.batch, number)
            if here and path.exists():
                yield path, here
