from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn import metrics
from tests.numeric.mixtures import directions

from naturalist.studies.clusters.methods import quality
from naturalist.studies.clusters.methods import tree as cluster_tree
from naturalist.studies.clusters.methods.clustering import (
    NOISE,
    Model,
    assign,
    make_model,
    reduce_rows,
    renumber,
)
from naturalist.studies.clusters.options import ClusterOptions

SIZES = [120, 100, 80, 60, 40, 20]
OPTIONS = ClusterOptions(axes=16, max_count=24)


def clustered(
    features: np.ndarray, options: ClusterOptions, count: int = 6
) -> tuple[Model, np.ndarray]:
    reduction = reduce_rows(features, options)
    points = reduction(features)
    return make_model(points, reduction, options, count), points


@pytest.mark.parametrize("method", ["kmeans", "hdbscan"])
def test_groups_that_lie_apart_are_found_and_found_again_with_the_same_seed(method: str) -> None:
    features, groups = directions(SIZES)
    options = replace(OPTIONS, method=method)
    model, points = clustered(features, options)
    found = assign(model, points)
    assert quality.rand_index(found.cluster, groups) > 0.95
    again, _ = clustered(features, options)
    assert np.array_equal(assign(again, points).cluster, found.cluster)
    assert ((found.strength >= 0) & (found.strength <= 1)).all()


@pytest.mark.parametrize("method", ["kmeans", "hdbscan"])
def test_rows_unlike_all_clusters_are_noise_and_rows_like_them_are_not(method: str) -> None:
    features, groups = directions(SIZES)
    model, _ = clustered(features[50:], replace(OPTIONS, method=method))
    strange = -features[:50].mean(axis=0, keepdims=True)
    found = assign(model, model.reduction(np.concatenate([features[:50], strange])))
    assert found.cluster[-1] == NOISE
    assert found.strength[-1] == 0
    assert quality.rand_index(found.cluster[:50], groups[:50]) > 0.9


def test_hdbscan_finds_a_group_of_a_hundredth_that_kmeans_drowns() -> None:
    features, groups = directions([800, 700, 15])
    model, points = clustered(features, replace(OPTIONS, method="hdbscan"))
    rare = assign(model, points).cluster[groups == 2]
    assert (rare != NOISE).mean() > 0.8
    assert set(rare[rare != NOISE]).isdisjoint(assign(model, points).cluster[groups < 2])


def test_the_chosen_count_is_the_one_that_the_features_have() -> None:
    features, _ = directions([100] * 6)
    reduction = reduce_rows(features, OPTIONS)
    points = reduction(features)
    heard: list[int] = []
    count, tried = quality.choose_count(
        points,
        lambda rows, k, seed: make_model(rows, reduction, replace(OPTIONS, seed=seed), k),
        replace(OPTIONS, floor=0.95),
        heard.append,
    )
    assert count == 6
    assert max(tried, key=lambda one: one.stability).count == 6
    assert len(heard) == len(tried) == quality.counts_to_try(len(points), OPTIONS)


def test_clusters_of_groups_are_stable_and_those_of_a_cloud_are_not() -> None:
    features, _ = directions([100] * 6)
    model, points = clustered(features, OPTIONS)
    assert quality.stability(points, OPTIONS, model).overall > 0.95
    cloud = np.random.default_rng(0).normal(size=(600, 32)).astype(np.float32)
    model, points = clustered(cloud, OPTIONS)
    loose = quality.stability(points, OPTIONS, model)
    assert loose.overall < 0.5
    assert (loose.by_cluster < 0.7).all()


labels = st.lists(st.tuples(st.integers(-1, 4), st.integers(0, 3)), min_size=2, max_size=60)


THREE_GROUPS_BESIDE_ONE = [(0, 1), (0, 1), (0, 1), (1, 1), (1, 1), (2, 1)]


@given(labels)
@example(THREE_GROUPS_BESIDE_ONE)
@example([(group, cluster) for cluster, group in THREE_GROUPS_BESIDE_ONE])
def test_indices_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    clusters, groups = (np.array(column, np.int32) for column in zip(*pairs, strict=True))
    found = quality.agreement(clusters, groups)
    expected = {
        "ari": metrics.adjusted_rand_score(groups, clusters),
        "nmi": metrics.normalized_mutual_info_score(groups, clusters),
        "completeness": metrics.completeness_score(groups, clusters),
        "homogeneity": metrics.homogeneity_score(groups, clusters),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-9), name
    if (clusters < 0).all():
        assert found["purity"] is None
    else:
        assert 0 <= found["purity"] <= 1


def test_silhouette_is_none_where_there_is_one_cluster() -> None:
    points = directions([20])[0]
    assert quality.silhouette(points, np.zeros(20, np.int32), 0) is None


@given(st.permutations(range(5)))
def test_clusters_that_are_made_anew_keep_the_ids_of_those_they_share_rows_with(
    order: list[int],
) -> None:
    before = np.repeat(np.arange(5), [9, 7, 5, 3, 2]).astype(np.int32)
    now = np.array(order, np.int32)[before]
    now[0] = order[1]
    names = cluster_tree.match(before, now, 4)
    assert {order[k]: k for k in range(5)} == names


def test_a_cluster_without_a_partner_gets_a_number_that_was_never_used() -> None:
    before = np.array([0, 0, 3, 3, NOISE], np.int32)
    now = np.array([1, 1, 0, 0, 2], np.int32)
    assert cluster_tree.match(before, now, 7) == {1: 0, 0: 3, 2: 8}


def test_the_tree_joins_close_clusters_first_and_everything_last() -> None:
    centres = np.array([[0, 0], [0, 1], [9, 0], [9, 2]], np.float32)
    merges = cluster_tree.tree(np.arange(4, dtype=np.int32), centres, np.array([5, 5, 5, 5]))
    assert [merge.children for merge in merges] == [(0, 1), (2, 3), (4, 5)]
    assert [merge.size for merge in merges] == [10, 10, 20]
    assert merges[0].distance < merges[1].distance < merges[2].distance


def test_renumbered_clusters_are_the_same_under_other_ids() -> None:
    features, _ = directions(SIZES)
    model, points = clustered(features, OPTIONS)
    names = {k: 10 - k for k in range(6)}
    renamed = assign(renumber(model, names), points)
    was = assign(model, points)
    expected = np.array([names.get(k, NOISE) for k in was.cluster.tolist()])
    assert np.array_equal(renamed.cluster, expected)
    assert np.allclose(renamed.strength, was.strength, atol=1e-5)
