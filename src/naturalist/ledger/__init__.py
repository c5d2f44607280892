"""Reading the ledger: one row for every file ever seen, and the amendments that came later.

Ledger files never change. A batch adds one file to each category that saw something new, with a
summary beside it, so that counts and plans need not read rows. What is learnt later about an
accepted picture (it cannot be decoded, its bytes turn up in another category, a person retired it)
is an *amendment*; the latest one holds. A refused row is *superseded* when a later batch sees the
same path again (a picture that could not be read yesterday and can be read today), and a file
without an id when a person decides about its bytes (see `ingest.resolve`).
"""

from naturalist.ledger.known_files import (
    Known,
    KnownAnywhere,
    KnownFiles,
    LazilyKnownFiles,
)
from naturalist.ledger.outcomes import (
    Outcome,
    SourceCounts,
    count_rows,
    merge_counts,
)
from naturalist.ledger.rows import (
    BatchSummary,
    Shard,
    accepted_rows,
    amendment_time_ns,
    amendments,
    batch_counts,
    batch_rows,
    batches,
    between,
    categories,
    counts,
    gone_with_source,
    last_batch,
    losses,
    not_accepted,
    overwritten,
    row_of,
    shard_rows,
    summarise,
    withdrawn_fingerprint,
    write_batch,
)
from naturalist.ledger.views import (
    BY_STAGES,
    add_views,
    bound_memory,
    connect,
    files,
    query,
)
from naturalist.ledger.whole import check_whole, faults, summary_faults
from naturalist.ledger.withheld import Withheld, of_category, withheld

__all__ = [
    "BY_STAGES",
    "BatchSummary",
    "Known",
    "KnownAnywhere",
    "KnownFiles",
    "LazilyKnownFiles",
    "Outcome",
    "Shard",
    "SourceCounts",
    "Withheld",
    "accepted_rows",
    "add_views",
    "amendment_time_ns",
    "amendments",
    "batch_counts",
    "batch_rows",
    "batches",
    "between",
    "bound_memory",
    "categories",
    "check_whole",
    "connect",
    "count_rows",
    "counts",
    "faults",
    "files",
    "gone_with_source",
    "last_batch",
    "losses",
    "merge_counts",
    "not_accepted",
    "of_category",
    "overwritten",
    "query",
    "row_of",
    "shard_rows",
    "summarise",
    "summary_faults",
    "withdrawn_fingerprint",
    "withheld",
    "write_batch",
]
