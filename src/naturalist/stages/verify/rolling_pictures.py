"""Reading a share of the stored pictures in each run, in turn, so that rot is found by itself.

Pictures are gone through in the order of the ledger, a number of bytes and of batches in each run;
where a run stopped, the next one goes on. What is read in its source is none of the workspace's
files.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from naturalist import artifacts, ledger
from naturalist.errors import PictureError, SourceError
from naturalist.layout import Layout
from naturalist.ledger import BatchSummary
from naturalist.reasons import Reason
from naturalist.stages.pictures import advice_on, placed_path, read_picture
from naturalist.stages.verify.rolling import Rolled
from naturalist.stages.verify.verdicts import Verdict

Row = dict[str, Any]
Place = tuple[str, int, int]
"""Category, batch, and how many of its accepted pictures come before."""

_BEGIN: Place = ("", 0, 0)
_AT_ONCE = 4096
_MOST_BATCHES = 32
"""In one run: the ledgers of years of small daily batches take longer to open than pictures."""
_COLUMNS = [
    *("pic_id", "category", "source", "path", "path_text", "format", "image_root"),
    *("sha256", "size_bytes", "mtime_ns"),
]


def check_pictures(layout: Layout, keys: Iterable[str], most_bytes: int) -> Rolled:
    """Read the next stored pictures, up to a number of bytes, and note where to go on.

    Args:
        layout: the workspace.
        keys: the categories.
        most_bytes: begin no further picture after so many; 0 reads none. No more than 32 batches
            are looked at either.
    """
    if not most_bytes:
        return Rolled(0, 0, ())
    start = _begin(layout)
    files = size_bytes = batches = 0
    verdicts: list[Verdict] = []
    for place, row in _stored(layout, sorted(keys), start):
        batches += row is None
        if size_bytes >= most_bytes or batches > _MOST_BATCHES:
            artifacts.write_json(layout.rolling_pictures, list(place))
            break
        if row is None:
            continue
        verdicts += _check(layout, row)
        files, size_bytes = files + 1, size_bytes + row["size_bytes"]
    else:
        layout.rolling_pictures.unlink(missing_ok=True)
    return Rolled(files, size_bytes, tuple(verdicts))


def _begin(layout: Layout) -> Place:
    match artifacts.read_json(layout.rolling_pictures):
        case [str(key), int(batch), int(at)]:
            return key, batch, at
    return _BEGIN


def _stored(layout: Layout, keys: list[str], start: Place) -> Iterator[tuple[Place, Row | None]]:
    """Rows of the pictures from a place on that must be there; None where a batch begins."""
    for key in keys:
        if key < start[0]:
            continue
        gone = {*ledger.not_accepted(layout, key), *ledger.gone_with_source(layout, key)}
        for summary in ledger.batches(layout, key):
            if (key, summary.batch) < start[:2]:
                continue
            first = start[2] if (key, summary.batch) == start[:2] else 0
            yield (key, summary.batch, first), None
            lost = ledger.losses(layout, key, summary.batch)
            for at, row in _placed(layout, summary, first):
                if row["pic_id"] not in gone and row["pic_id"] not in lost:
                    yield (key, summary.batch, at), row


def _placed(layout: Layout, summary: BatchSummary, first: int) -> Iterator[tuple[int, Row]]:
    """Accepted rows of a batch with an image root, each with how many come before."""
    here = (summary.category, summary.batch)
    roots = ledger.batch_rows(layout, *here, ["image_root"])["image_root"]
    total = summary.shards[-1].stop if summary.shards else 0
    if roots.null_count == len(roots):
        return
    for begin in range(first, total, _AT_ONCE):
        stop = min(begin + _AT_ONCE, total)
        rows = ledger.accepted_rows(layout.batch(*here), begin, stop, _COLUMNS)
        for at, row in enumerate(rows.to_pylist(), begin):
            if row["image_root"] is not None:
                yield at, row


def _check(layout: Layout, row: Row) -> Iterator[Verdict]:
    try:
        read_picture(layout, None, row)
    except SourceError:
        # A drive that is away: whoever needs a picture of it says so.
        return
    except PictureError as error:
        if error.reason is Reason.CHANGED_AFTER_INGEST and _was_written_to(layout, row):
            return
        detail = f"{error}; {advice_on(row)}"
        yield Verdict("picture", "hard", detail, pic_id=row["pic_id"])


def _was_written_to(layout: Layout, row: Row) -> bool:
    """Whether a file that its source shares was written there; the next ingest deals with it."""
    status = placed_path(layout, row).stat()
    return status.st_nlink > 1 and status.st_mtime_ns != row["mtime_ns"]
