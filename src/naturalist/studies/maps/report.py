"""What `map.json` and `sample.json` hold; the dashboard's types are checked against them."""

from typing import Any, NotRequired

from typing_extensions import TypedDict


class MapVerdict(TypedDict):
    """Whether all measures reach their thresholds, and in words."""

    good: bool
    words: list[str]


class MapMetrics(TypedDict):
    """What was measured on the layout; `kl_divergence` is of t-SNE alone.

    The keys that may be absent are of the points of the layout and of those placed among them, and
    the measures in all features, which maps of earlier versions do not have.
    """

    trustworthiness: float
    continuity: float
    knn_recall: dict[str, float]
    density_correlation: float
    queries: int
    trustworthiness_features: NotRequired[float]
    continuity_features: NotRequired[float]
    knn_recall_features: NotRequired[dict[str, float]]
    density_correlation_features: NotRequired[float]
    knn_recall_sampled: NotRequired[float]
    knn_recall_placed: NotRequired[float]
    kl_divergence: float | None
    neighbour_recall: float
    explained_variance: float
    confidence: float


class Measured(TypedDict):
    """Of how many pictures the measures were taken, and in which spaces, in words."""

    pictures: int
    space: str
    space_features: str


class SampleMeasures(TypedDict):
    """What a sample keeps of the whole."""

    categories: dict[str, float]
    category_share: float
    clusters: int
    rare_clusters: int
    rare_cluster_recall: float | None
    clusters_without_members: int
    cluster_share: dict[str, float]
    kl_divergence: float
    ari: float
    nmi: float
    hausdorff: float
    robust_hausdorff: float
    mean_distance: float
    density_correlation: float
    knn_recall: dict[str, float]
    trustworthiness: float
    continuity: float


class SampleIntegrity(TypedDict):
    """A sample beside random samples of its size.

    `uniform` has `seeds`, their number, and for each measure its mean and 95 % interval.
    """

    sample: SampleMeasures
    uniform: dict[str, Any]


class PlacedBatch(TypedDict):
    """New pictures that were placed among those of the layout."""

    rows: int
    at: str
    far_share: float
    distance_ks: float
    confidence: float
    trustworthiness: float | None
    knn_recall: float | None
    remake: bool
    words: list[str]


class Moved(TypedDict):
    """How far points moved when the map was rebuilt, as shares of the old map's size."""

    median: float
    p95: float
    unit: str
    at: str
    because: PlacedBatch | None


class Placed(TypedDict):
    """What the layout was made with, and what was placed on it later."""

    made_with: int
    batches: list[PlacedBatch]
    moved: Moved | None
    stays: NotRequired[str]


class MapReport(TypedDict):
    """A map."""

    name: str
    dims: int
    method: str
    seed: int
    rows: int
    sampled: int
    made_at: str
    updated_at: str
    fingerprint: str
    made_by: str
    program: str
    backbone: str
    options: dict[str, Any]
    metrics: MapMetrics
    measured: NotRequired[Measured]
    integrity: SampleIntegrity
    durations_s: dict[str, float]
    placed: Placed
    withdrawn: NotRequired[int]
    verdict: MapVerdict
    duration_s: float
    peak_memory_mb: int


class SampleReport(TypedDict):
    """A sample."""

    name: str
    method: str
    seed: int
    rows: int
    of: int
    cells: int
    made_at: str
    program: str
    fingerprint: str
    backbone: str
    options: dict[str, Any]
    measured: NotRequired[dict[str, str]]
    integrity: SampleIntegrity
    verdict: MapVerdict
    duration_s: float
    peak_memory_mb: int
