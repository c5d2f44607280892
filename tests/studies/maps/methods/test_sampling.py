from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.numeric.mixtures import mixture, with_rare

from naturalist.studies.maps.methods import integrity, sampling
from naturalist.studies.maps.methods.sampling import Blocks, Method, SampleOptions

METHODS = get_args(Method)


def in_blocks(points: np.ndarray, size: int = 700) -> Blocks:
    return lambda: (points[k : k + size] for k in range(0, len(points), size))


@given(
    sizes=st.lists(st.integers(0, 60), min_size=1, max_size=40),
    keep=st.integers(0, 20),
    share=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_shares_of_cells_add_up_and_never_exceed_the_cells(
    sizes: list[int], keep: int, share: float, seed: int
) -> None:
    counts = np.array(sizes)
    total = int(share * counts.sum())
    strengths = counts ** np.random.default_rng(seed).random()
    shares = sampling.fill(counts, strengths, total, keep)
    assert shares.sum() == total
    assert ((shares >= 0) & (shares <= counts)).all()
    least = np.minimum(counts, keep)
    if least.sum() <= total:
        assert (shares >= least).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_sample_has_its_size_its_weights_and_repeats_whatever_the_blocks(method: str) -> None:
    points, _ = mixture(3000)
    options = SampleOptions(400, method)  # type: ignore[arg-type]
    one = sampling.choose(in_blocks(points), 3000, options)
    other = sampling.choose(in_blocks(points), 3000, options)
    assert len(np.unique(one.rows)) == 400
    assert one.weights.sum() == pytest.approx(3000, rel=1e-4)
    assert np.array_equal(one.rows, other.rows)
    if method != "aware":
        # Sums in blocks round in other ways, so that k-means may differ.
        whole = sampling.choose(lambda: [points], 3000, options)
        assert np.array_equal(one.rows, whole.rows)


def test_rare_clusters_survive_where_uniform_sampling_loses_them() -> None:
    points, cluster = with_rare(20_000, rare=10, members=20)
    kept = {}
    for method in METHODS:
        options = SampleOptions(600, method)
        sample = sampling.choose(in_blocks(points, 5000), len(points), options)
        kept[method] = np.bincount(cluster[sample.rows], minlength=18)[8:]
    assert kept["aware"].min() >= 10
    assert kept["uniform"].mean() < 2


def test_dense_clusters_are_thinned_most() -> None:
    points, cluster = mixture(8000)
    sample = sampling.choose(in_blocks(points), 8000, SampleOptions(800))
    sizes, kept = np.bincount(cluster), np.bincount(cluster[sample.rows])
    assert kept[0] / sizes[0] > 1.2 * kept[-1] / sizes[-1]


@settings(max_examples=20)
@given(rows=st.integers(1, 40), size=st.integers(1, 60), method=st.sampled_from(METHODS))
def test_small_and_degenerate_tables_are_sampled_too(rows: int, size: int, method: str) -> None:
    points = np.zeros((rows, 3), np.float32)
    sample = sampling.choose(lambda: [points], rows, SampleOptions(size, method))  # type: ignore[arg-type]
    assert len(sample.rows) == min(rows, size)


def test_a_sample_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        sampling.choose(list, 10, SampleOptions(0))


def test_the_report_tells_a_careful_sample_from_a_careless_one() -> None:
    points, cluster = with_rare(20_000, rare=10, members=20)
    blocks, rows = in_blocks(points, 5000), len(points)
    categories = (cluster % 3).astype(np.int32)
    whole = integrity.survey(blocks, categories, 600, clusters=cluster.astype(np.int32))
    aware = integrity.compare(whole, blocks, sampling.choose(blocks, rows, SampleOptions(600)))
    uniform = integrity.uniform_samples(whole, blocks, 600, seeds=3)
    assert aware["rare_clusters"] == 10
    assert aware["rare_cluster_recall"] == 1
    _, high = uniform["rare_cluster_recall"]["interval"]
    assert high < 0.5
    assert aware["robust_hausdorff"] < uniform["robust_hausdorff"]["mean"]
    assert aware["clusters_without_members"] == 0
    assert set(aware["categories"]) == {"0", "1", "2"}
    assert 0.3 < aware["knn_recall"]["10"] < aware["knn_recall"]["100"] < 1
    assert 0.9 < aware["trustworthiness"] < 1
    assert set(uniform["knn_recall"]) == {"10", "30", "100"}


def test_a_sample_that_leaves_clusters_out_stands_badly_for_them() -> None:
    points, cluster = mixture(3000)
    few = np.flatnonzero(cluster == np.bincount(cluster).argmax())
    spread = np.sort(np.random.default_rng(0).choice(3000, len(few), replace=False))
    blocks = in_blocks(points)
    whole = integrity.survey(blocks, (cluster % 2).astype(np.int32), len(few))
    bad, good = (
        integrity.compare(
            whole, blocks, sampling.Sample(rows, np.full(len(few), 3000 / len(few), np.float32), 1)
        )
        for rows in (few, spread)
    )
    for word in ("trustworthiness", "continuity"):
        assert bad[word] < good[word] - 0.02
    assert bad["knn_recall"]["10"] < good["knn_recall"]["10"] - 0.1


def test_the_whole_as_a_sample_of_itself_keeps_everything() -> None:
    points, cluster = mixture(2500)
    blocks = in_blocks(points)
    whole = integrity.survey(blocks, (cluster % 2).astype(np.int32), 2500)
    found = integrity.compare(whole, blocks, sampling.choose(blocks, 2500, SampleOptions(2500)))
    assert set(found["categories"].values()) == {1.0}
    assert found["cluster_share"]["least"] == 1
    assert found["hausdorff"] == found["mean_distance"] == 0
    assert found["density_correlation"] == pytest.approx(1)
    assert found["kl_divergence"] == 0
    assert found["ari"] == found["nmi"] == 1
    assert set(found["knn_recall"].values()) == {1.0}
    assert found["trustworthiness"] == found["continuity"] == 1


def test_groups_of_their_own_are_found_without_knowing_the_clusters() -> None:
    points, _ = with_rare(20_000, rare=10, members=20)
    whole = integrity.survey(in_blocks(points, 5000), np.zeros(len(points), np.int32), 600)
    found = integrity.compare(
        whole,
        in_blocks(points, 5000),
        sampling.choose(in_blocks(points), len(points), SampleOptions(600)),
    )
    assert 5 <= found["rare_clusters"] <= 12
    assert found["rare_cluster_recall"] > 0.9
