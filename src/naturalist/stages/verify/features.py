"""Verifying one features part: against the ledger, in itself, and by extracting a sample again."""

import base64
import hashlib
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from naturalist import artifacts, backbones, ledger
from naturalist.backbones import Backbone
from naturalist.errors import PictureError
from naturalist.images import PictureLimits
from naturalist.layout import Layout, part_name
from naturalist.ledger import Shard
from naturalist.schemas import CHECKS, features_schema
from naturalist.small_files import Look
from naturalist.stages import extract
from naturalist.stages.extract import Part
from naturalist.stages.pictures import Location, advice_on, read_picture
from naturalist.stages.verify.verdicts import Checked, Verdict, from_json, hard

FORMAT = 1
_GREATEST = np.finfo(np.float32).max
Vectors = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class FeatureCheckOptions:
    """Options of feature verification.

    Attributes:
        sample_share: share of each part's pictures that is extracted again.
        min_cosine: least cosine between a stored vector and the one extracted again.
    """

    sample_share: float = 0.005
    min_cosine: float = 0.999


@dataclass(frozen=True)
class FeatureCheckTask:
    """One features part to verify.

    With `pictures`, also the bytes of its stored pictures; with `deep`, every picture is extracted
    again, whatever share the options name.
    """

    root: Path
    backbone: str
    part: Part
    shard: Shard
    sources: Mapping[str, Location]
    limits: PictureLimits
    options: FeatureCheckOptions
    pictures: bool = False
    deep: bool = False

    @property
    def fingerprint(self) -> str:
        """What the verdicts depend on."""
        return artifacts.fingerprint(
            FORMAT,
            self.part.sha256,
            self.shard.fingerprint,
            self.options.sample_share,
            self.options.min_cosine,
        )

    @property
    def path(self) -> Path:
        """Where norms and hashes of the vectors are written."""
        spec = backbones.describe(self.backbone)
        part = self.part
        return Layout(self.root).checks(spec.id, part.category, part.batch, part.number)


def plan(
    layout: Layout,
    sources: Mapping[str, Mapping[str, Location]],
    backbone: str,
    limits: PictureLimits,
    options: FeatureCheckOptions,
    *,
    again: bool = False,
    deep: bool = False,
) -> list[FeatureCheckTask]:
    """List the parts that were not verified as they are now; with `again`, all and their pictures.

    Reading every stored picture takes the time that the drive takes, so only who asks for it gets
    it.
    """
    spec = backbones.describe(backbone)
    tasks = []
    for category in sorted(sources):
        checks = Look(layout.checks(spec.id, category, 0, 0).parent)
        shards = {
            (summary.batch, number): shard
            for summary in ledger.batches(layout, category)
            for number, shard in enumerate(summary.shards)
        }
        for part in extract.parts(layout, category, spec):
            task = FeatureCheckTask(
                layout.root,
                backbone,
                part,
                shards[part.batch, part.number],
                sources[category],
                limits,
                options,
                pictures=again,
                deep=deep,
            )
            if again or not _is_verified(task, checks):
                tasks.append(task)
    return tasks


def _is_verified(task: FeatureCheckTask, checks: Look) -> bool:
    receipt = artifacts.receipt_in(checks, part_name(task.part.batch, task.part.number))
    if receipt is None or receipt.fingerprint != task.fingerprint:
        return False
    # What was broken may have been made anew, with the same bytes as before: look again.
    return not hard(from_json(receipt.facts["verdicts"]))


def run(task: FeatureCheckTask) -> Checked:
    """Verify one part, and write norms, vector hashes and verdicts."""
    spec = backbones.describe(task.backbone)
    layout = Layout(task.root)
    try:
        # Once from the disk: what is checked below is what has the sha256.
        data = task.part.path.read_bytes()
        table = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
    except (OSError, pa.ArrowInvalid) as error:
        verdict = _verdict(task, "unreadable", f"cannot be read: {error}")
        return _finish(task, CHECKS.empty_table(), [verdict], {})
    digest = hashlib.sha256(data).hexdigest()
    del data
    part = task.part
    expected = ledger.shard_rows(layout, part.category, part.batch, task.shard)
    verdicts = list(_check_file(task, digest, table, _without_refused(layout, part, expected)))
    if any(v.check == "schema" for v in verdicts):
        return _finish(task, CHECKS.empty_table(), verdicts, {})
    names = table["pic_id"].to_pylist()
    vectors = table["features"].combine_chunks().flatten().to_numpy().reshape(-1, spec.dim)
    verdicts += check_vectors(names, vectors)
    verdicts += (Verdict(doubt, "soft", text, pic) for pic, doubt, text in part.remarks)
    verdicts += _extract_again(task, layout, expected, names, vectors)
    if task.pictures:
        verdicts += _check_pictures(task, layout, expected, names)
    return _finish(task, _measures(names, vectors), verdicts, _ranges(vectors))


def _verdict(task: FeatureCheckTask, check: str, detail: str, pic: str | None = None) -> Verdict:
    file = str(task.part.path.relative_to(task.root))
    return Verdict(check, "hard", detail, pic_id=pic, file=file)


def _check_file(
    task: FeatureCheckTask, result: str, table: pa.Table, expected: pa.Table
) -> Iterator[Verdict]:
    if result != task.part.sha256:
        yield _verdict(task, "checksum", f"sha256 is {result}, the receipt says {task.part.sha256}")
    if not table.schema.equals(features_schema(backbones.describe(task.backbone).dim)):
        yield _verdict(task, "schema", f"columns are {table.schema.names}, types differ")
        return
    if table.num_rows != task.part.expected_rows:
        detail = f"{table.num_rows} rows, the ledger says {task.part.expected_rows}"
        yield _verdict(task, "row_count", detail)
    if not table["pic_id"].equals(expected["pic_id"]):
        yield _verdict(task, "pic_ids", "its pictures are not those of the ledger, in order")


def _without_refused(layout: Layout, part: Part, rows: pa.Table) -> pa.Table:
    """Rows of the ledger without the pictures that extraction refused."""
    refusals = layout.refusals(part.category, part.batch, part.number)
    if not refusals.exists():
        return rows
    gone = pq.read_table(refusals, partitioning=None)["pic_id"]
    return rows.filter(pc.invert(pc.is_in(rows["pic_id"], gone.combine_chunks())))


def _check_pictures(
    task: FeatureCheckTask, layout: Layout, expected: pa.Table, names: list[str]
) -> Iterator[Verdict]:
    for row in expected.filter(pc.is_in(expected["pic_id"], pa.array(names))).to_pylist():
        try:
            read_picture(layout, task.sources.get(row["source"]), row)
        except PictureError as error:
            yield _overwritten(task, layout, row["pic_id"]) or Verdict(
                "picture", "hard", f"{error}; {advice_on(row)}", pic_id=row["pic_id"]
            )


def _overwritten(task: FeatureCheckTask, layout: Layout, pic: str) -> Verdict | None:
    """What is to be said of a picture whose source is known to have lost it; None of any other."""
    if pic not in ledger.gone_with_source(layout, task.part.category):
        return None
    detail = (
        "its bytes were overwritten in or removed from its source; its features are kept and "
        "not compared"
    )
    return Verdict("overwritten", "soft", detail, pic_id=pic)


def check_vectors(names: list[str], vectors: Vectors) -> Iterator[Verdict]:
    """Check vectors (N, dim) in themselves: finite, not all zero, not constant."""
    # The least and the greatest value tell all of it: either is NaN where any value is.
    least, greatest = vectors.min(axis=1), vectors.max(axis=1)
    finite = np.isfinite(least) & np.isfinite(greatest)
    zero = (least == 0) & (greatest == 0)
    constant = (least == greatest) & ~zero
    for at in np.flatnonzero(~finite):
        count = int((~np.isfinite(vectors[at])).sum())
        yield Verdict("not_finite", "hard", f"{count} values are NaN or infinite", names[at])
    for at in np.flatnonzero(zero):
        yield Verdict("all_zero", "hard", "every value is 0", names[at])
    for at in np.flatnonzero(constant & finite):
        yield Verdict("constant", "soft", f"every value is {vectors[at, 0]}", names[at])


def _extract_again(
    task: FeatureCheckTask, layout: Layout, expected: pa.Table, names: list[str], vectors: Vectors
) -> Iterator[Verdict]:
    share = 1.0 if task.deep else task.options.sample_share
    count = min(len(names), int(np.ceil(share * len(names))))
    if not count:
        return
    selected = random.Random(task.fingerprint).sample(range(len(names)), count)  # noqa: S311
    sampled = pa.array([names[at] for at in selected])
    rows = expected.filter(pc.is_in(expected["pic_id"], sampled))
    by_id = {row["pic_id"]: row for row in rows.to_pylist()}
    for at in sorted(selected):
        row = by_id.get(names[at])
        if row is None:
            continue
        try:
            data = read_picture(layout, task.sources.get(row["source"]), row)
            again = vector_of(extract.opened(task.backbone), data, task.limits)
        except PictureError as error:
            detail = f"could not be extracted again: {error}; {advice_on(row)}"
            yield _overwritten(task, layout, names[at]) or _verdict(
                task, "re_extraction", detail, names[at]
            )
            continue
        cosine = _cosine(again, vectors[at])
        if not cosine >= task.options.min_cosine:
            detail = f"cosine {cosine:.5f} to the stored vector, least is {task.options.min_cosine}"
            yield _verdict(task, "re_extraction", detail, names[at])


def vector_of(backbone: Backbone, data: bytes, limits: PictureLimits) -> Vectors:
    """Extract one picture: float32 (dim,).

    Raises:
        PictureError: the picture cannot be decoded.
    """
    picture = extract.decode_for(backbone.spec, data, limits)
    vector: Vectors = backbone.features(backbone.prepare(picture.pixels)[None])[0]
    return vector


def _cosine(a: Vectors, b: Vectors) -> float:
    a, b = a.astype(np.float64), b.astype(np.float64)
    product = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    return float(np.dot(a, b)) / product if product else 0.0


def _measures(names: list[str], vectors: Vectors) -> pa.Table:
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    # The norm of a finite vector is finite, so that it can be told to be an outlier.
    norms = np.where(np.isinf(norms), norms, np.minimum(norms, _GREATEST)).astype(np.float32)
    columns = [pa.array(names), pa.array(norms), pa.array(_hashes(vectors))]
    return pa.Table.from_arrays(columns, schema=CHECKS)


def _hashes(vectors: Vectors) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """64-bit hashes (N,) of the bytes of vectors (N, dim)."""
    digests = [hashlib.blake2b(vector, digest_size=8).digest() for vector in vectors]
    return np.frombuffer(b"".join(digests), "<u8")


def _ranges(vectors: Vectors) -> dict[str, Any]:
    if not len(vectors):
        return {}
    return {"least": packed(vectors.min(axis=0)), "greatest": packed(vectors.max(axis=0))}


def packed(vector: Vectors) -> str:
    """A vector as text that is short and fast to read: base64 of its little-endian float32."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def _finish(
    task: FeatureCheckTask, measures: pa.Table, verdicts: list[Verdict], ranges: dict[str, Any]
) -> Checked:
    artifacts.write_parquet(task.path, measures)
    facts = {"verdicts": [v.as_json() for v in verdicts], "ranges": ranges}
    digest = {task.path.name: artifacts.sha256_file(task.path)}
    receipt = artifacts.Receipt(task.fingerprint, measures.num_rows, digest, facts=facts)
    artifacts.write_receipt(task.path, receipt)
    return Checked(measures.num_rows, tuple(verdicts))
