"""Every Arrow schema, with one sentence a column; the data dictionary is made from these."""

import pyarrow as pa

FEATURE_PREFIX = "img_feature_"
CSV_DELIMITER = ";"
MAX_ROWS_PER_TABLE = 1_000_000
"""Who reads a table has all of it in memory; larger ones are refused as made up."""


def _field(name: str, kind: pa.DataType, description: str, *, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=nullable, metadata={"description": description})


LEDGER = pa.schema(
    [
        _field("category", pa.string(), "Category that the source belongs to."),
        _field("batch", pa.int32(), "Batch that first saw the file, counting from 1."),
        _field("source", pa.string(), "Name of the source."),
        _field(
            "path",
            pa.binary(),
            "Path inside the source, the exact bytes; a zero byte stands between an archive and "
            "the path inside it.",
        ),
        _field(
            "path_text",
            pa.string(),
            "The path for people: UTF-8, other bytes as \\xNN, '!/' between an archive and the "
            "path inside it.",
        ),
        _field(
            "occurrence",
            pa.int32(),
            "0, or n for the n-th further member of the same name in one archive; -1 for a picture "
            "that came from another category by relabelling.",
        ),
        _field(
            "outcome",
            pa.string(),
            "accepted, duplicate, conflict, refused, unpacked (archives), or relabelled (counted "
            "in the category that the picture has now).",
        ),
        _field(
            "reason",
            pa.string(),
            "Why the file was refused; see the reasons. changed_after_ingest of an accepted "
            "picture: its stored bytes were overwritten, its features are kept.",
            nullable=True,
        ),
        _field("detail", pa.string(), "What exactly was found.", nullable=True),
        _field("pic_id", pa.string(), "Id of the accepted picture.", nullable=True),
        _field(
            "same_as",
            pa.string(),
            "The picture or file with the same bytes: of a duplicate or a conflict, the new id of "
            "a relabelled picture, the old id of one that came by relabelling.",
            nullable=True,
        ),
        _field("size_bytes", pa.int64(), "Size of the file."),
        _field(
            "mtime_ns", pa.int64(), "Time of last change, ns since 1970; archives' for members."
        ),
        _field("sha256", pa.binary(32), "SHA-256 of the bytes; null if not read.", nullable=True),
        _field("format", pa.string(), "Format by content, such as jpeg.", nullable=True),
        _field("width", pa.int32(), "Width of the upright picture in pixels.", nullable=True),
        _field("height", pa.int32(), "Height of the upright picture in pixels.", nullable=True),
        _field(
            "image_root",
            pa.string(),
            "Image root that keeps the picture; null if it is read in its source.",
            nullable=True,
        ),
        _field(
            "seen_key",
            pa.binary(16),
            "Hash of source, path, size and mtime by which a file is known; null for members.",
            nullable=True,
        ),
    ]
)

PRIVATE_LEDGER_COLUMNS = ("mtime_ns", "image_root", "seen_key")
PUBLIC_LEDGER = pa.schema([f for f in LEDGER if f.name not in PRIVATE_LEDGER_COLUMNS])

AMENDMENT = pa.schema(
    [
        _field("pic_id", pa.string(), "Picture whose ledger row this amends."),
        _field("source", pa.string(), "Name of the source that the picture came from."),
        _field("outcome", pa.string(), "The outcome that holds from now on."),
        _field("reason", pa.string(), "The reason that holds from now on.", nullable=True),
        _field("detail", pa.string(), "What exactly was found.", nullable=True),
        _field("same_as", pa.string(), "The file with the same bytes.", nullable=True),
        _field("by", pa.string(), "Stage or person that decided."),
        _field("at_ns", pa.int64(), "When, in ns since 1970; the latest word holds."),
    ]
)

PRIVATE_AMENDMENT_COLUMNS = ("by",)
PUBLIC_AMENDMENT = pa.schema([f for f in AMENDMENT if f.name not in PRIVATE_AMENDMENT_COLUMNS])

FOLDER_STATES = pa.schema(
    [
        _field("path", pa.binary(), "Path of a folder inside its source, with a slash at its end."),
        _field("digest", pa.binary(16), "Hash of names, sizes and times of the files in it."),
        _field("inode", pa.uint64(), "Inode of the folder."),
        _field("mtime_ns", pa.int64(), "When it changed last, ns since 1970; -1 if just then."),
        _field("folders", pa.list_(pa.binary()), "Names of the folders in it."),
    ]
)

FINDINGS = pa.schema(
    [
        *(LEDGER.field(n) for n in ("source", "path", "occurrence")),
        _field(
            "kind",
            pa.string(),
            "picture, refused, unpacked (an opened archive), or moved.",
        ),
        *(LEDGER.field(n) for n in ("reason", "detail", "size_bytes", "mtime_ns", "sha256")),
        *(LEDGER.field(n) for n in ("format", "width", "height", "seen_key")),
        _field("staged", pa.bool_(), "Whether the bytes lie in the staging folder."),
    ]
)

PREVIEWS = pa.schema(
    [
        _field("pic_id", pa.string(), "Id of the picture."),
        _field("thumbnail", pa.binary(), "JPEG of at most 128 pixels a side, no metadata."),
        _field(
            "perceptual_hash",
            pa.uint64(),
            "64-bit perceptual hash; close pictures differ in few bits.",
        ),
        _field("blur", pa.float32(), "Variance of the Laplacian; small is blurred."),
        _field("brightness", pa.float32(), "Mean luma, 0 to 1."),
        _field("contrast", pa.float32(), "Standard deviation of luma, 0 to 0.5."),
        _field("damage", pa.float32(), "Share that the file lost, estimated, 0 to 1; 0 is sound."),
    ]
)

PICTURE_INDEX = pa.schema(
    [
        _field("pic_id", pa.string(), "Id of the picture."),
        _field("name", pa.string(), "Name of the member in the tar, or of the object."),
        _field("offset", pa.int64(), "Where its bytes begin in the tar.", nullable=True),
        _field("size_bytes", pa.int64(), "Size as published."),
        _field("sha256", pa.binary(32), "SHA-256 of the bytes as published."),
    ]
)

CHECKS = pa.schema(
    [
        _field("pic_id", pa.string(), "Id of the picture."),
        _field("norm", pa.float32(), "Euclidean norm of the feature vector."),
        _field("vector_hash", pa.uint64(), "64-bit hash of the vector's bytes."),
    ]
)

VERDICTS = pa.schema(
    [
        _field("pic_id", pa.string(), "Picture that the verdict is about.", nullable=True),
        _field("file", pa.string(), "File that the verdict is about.", nullable=True),
        _field("check", pa.string(), "Name of the check."),
        _field("severity", pa.string(), "hard (stops the run) or soft (reported)."),
        _field("detail", pa.string(), "What was found, and what was expected."),
    ]
)


NEAR_DUPLICATES = pa.schema(
    [
        _field("picID", pa.string(), "Id of the picture; only pictures of groups of two or more."),
        _field("group", pa.string(), "First picture of its group in the order of ids."),
        _field("distance", pa.int32(), "Bits of the perceptual hash that differ from the nearest."),
        _field("cosine", pa.float32(), "Cosine of its features to those of the nearest."),
    ]
)

NEAR_DUPLICATE_PICTURES = pa.schema(
    [
        _field("number", pa.int64(), "Number of the picture in its category."),
        _field("row", pa.int32(), "Row of its vector in its features part."),
        _field("source", pa.string(), "Name of the source."),
        _field("perceptual_hash", pa.uint64(), "Its perceptual hash."),
        _field(
            "trimmed_hash",
            pa.uint64(),
            "The hash of what a plain border surrounds; null without a border, and where none was "
            "looked for.",
            nullable=True,
        ),
    ]
)

NEAR_DUPLICATE_PAIRS = pa.schema(
    [
        _field("first", pa.int64(), "Place of a picture among those of all steps, from 0."),
        _field("second", pa.int64(), "Place of a picture near it; greater."),
        _field("distance", pa.int32(), "Bits in which their perceptual hashes differ."),
        _field("cosine", pa.float32(), "Cosine of their feature vectors."),
    ]
)

SAMPLE = pa.schema(
    [
        _field("picID", pa.string(), "Id of a picture that was chosen."),
        _field("weight", pa.float32(), "Pictures of the whole that it stands for."),
    ]
)

CONCEPT_MEMBERS = pa.schema(
    [
        _field("picID", pa.string(), "Id of the picture."),
        _field("score", pa.float32(), "How much the picture shows the concept, from 0 to 1."),
        _field("match", pa.bool_(), "Whether the score reaches the threshold of the concept."),
    ]
)

MAP_PICTURES = pa.schema(
    [
        _field("picID", pa.string(), "Id of a picture that stands for its part of the map."),
        _field("thumbnail", pa.binary(), "JPEG of at most 128 pixels a side, no metadata."),
    ]
)

CLUSTER_MEMBERS = pa.schema(
    [
        _field("picID", pa.string(), "Id of the picture."),
        _field("cluster", pa.int32(), "Number of its cluster, from 0; -1 is noise."),
        _field("strength", pa.float32(), "How surely it belongs there, 0 to 1."),
        _field("distance", pa.float32(), "Distance of its features to the cluster's middle."),
    ]
)

PREDICTIONS = pa.schema(
    [
        _field("picID", pa.string(), "Id of the picture."),
        _field("category", pa.string(), "Category that the picture is filed under."),
        _field("predicted", pa.string(), "Category that the classifier finds most probable."),
        _field("probability", pa.float32(), "Its calibrated probability."),
        _field("given_probability", pa.float32(), "Probability of the category it is filed under."),
        _field("outlier_score", pa.float32(), "0 to 1: how unlike the training pictures it is."),
        _field("known", pa.bool_(), "False if it is unlike anything seen in training."),
        _field("sure", pa.bool_(), "False if the probability is too low to rely on."),
        _field(
            "held_out",
            pa.bool_(),
            "Whether the classifier that predicted was trained without the picture's source.",
        ),
    ]
)

LABEL_ISSUES = pa.schema(
    [
        _field("picID", pa.string(), "Id of the picture."),
        _field("category", pa.string(), "Category that it is filed under."),
        _field("suggested", pa.string(), "Category that it seems to belong to."),
        _field("score", pa.float32(), "Estimated probability that the category is wrong."),
        _field("rank", pa.int32(), "1 for the most suspect picture."),
        _field("is_suspect", pa.bool_(), "Whether it should be looked at; suspects come first."),
    ]
)


def map_schema(dims: int) -> pa.Schema:
    """Schema of a map's points: coordinates `x`, `y` and, with 3 dimensions, `z`."""
    axes = [_field(axis, pa.float32(), f"Coordinate {axis}.") for axis in "xyz"[:dims]]
    return pa.schema(
        [
            _field("picID", pa.string(), "Id of the picture."),
            *axes,
            _field(
                "sampled",
                pa.bool_(),
                "Whether the layout was made with it, or it was placed later.",
            ),
            _field(
                "confidence", pa.float32(), "0 to 1: how well its neighbours agree on its place."
            ),
            _field("density", pa.float32(), "0 to 1: rank of the density of features around it."),
        ]
    )


def features_schema(dim: int) -> pa.Schema:
    """Schema of a features part: float32 vectors of `dim` values."""
    return pa.schema(
        [
            _field("pic_id", pa.string(), "Id of the picture."),
            _field("source", pa.string(), "Name of the source."),
            _field("features", pa.list_(pa.float32(), dim), f"Feature vector of {dim} values."),
        ]
    )


def table_schema(dim: int) -> pa.Schema:
    """Schema of a table's Parquet file."""
    return pa.schema(
        [
            _field("picID", pa.string(), "Id of the picture."),
            _field("category_label", pa.int32(), "Label of the category."),
            _field("source", pa.string(), "Name of the source."),
            _field("features", pa.list_(pa.float32(), dim), f"Feature vector of {dim} values."),
        ]
    )


def csv_columns(dim: int) -> list[str]:
    """Column names of a table's CSV file: picID, the features, category_label."""
    features = [f"{FEATURE_PREFIX}{i}" for i in range(1, dim + 1)]
    return ["picID", *features, "category_label"]


def data_dictionary(dim: int) -> str:
    """Markdown that explains every column of every published file."""
    sections = [
        ("Tables, Parquet", table_schema(dim)),
        ("Ledger", PUBLIC_LEDGER),
        ("Amendments to the ledger", PUBLIC_AMENDMENT),
        ("Previews", PREVIEWS),
        ("Index of pictures", PICTURE_INDEX),
        ("Verdicts", VERDICTS),
        ("Groups of near duplicates", NEAR_DUPLICATES),
        ("Samples", SAMPLE),
        ("Maps (`z` with 3 dimensions)", map_schema(3)),
        ("Pictures of maps", MAP_PICTURES),
        ("Clusters", CLUSTER_MEMBERS),
        ("Predictions", PREDICTIONS),
        ("Label issues", LABEL_ISSUES),
    ]
    csv_note = (
        "## Tables, CSV\n\n"
        f"The same rows, separated by `{CSV_DELIMITER}`, with the columns `picID`, "
        f"`{FEATURE_PREFIX}1` to `{FEATURE_PREFIX}{dim}`, `category_label`. "
        "Every number reads back to the same float32.\n"
    )
    body = "\n".join(_section(title, schema) for title, schema in sections)
    return f"# Data dictionary\n\n{csv_note}\n{body}"


def _section(title: str, schema: pa.Schema) -> str:
    rows = [
        f"| `{field.name}` | {field.type} | {'yes' if field.nullable else 'no'} "
        f"| {field.metadata[b'description'].decode()} |"
        for field in schema
    ]
    head = f"## {title}\n\n| column | type | may be null | meaning |\n|---|---|---|---|\n"
    return head + "\n".join(rows) + "\n"
