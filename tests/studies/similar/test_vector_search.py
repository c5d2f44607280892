import numpy as np
import pytest
from tests.numeric.mixtures import directions

from naturalist.numeric.reduction import fit_reduction, to_unit
from naturalist.studies.similar.methods import vector_search
from naturalist.studies.similar.methods.vector_search import Part

K = 10


@pytest.mark.parametrize("candidates", [K, 15, 40, 100, 250, 900])
def test_ranks_by_projection_say_what_a_search_with_any_number_of_candidates_finds(
    candidates: int,
) -> None:
    features, _ = directions([400, 300, 200], dim=64, spread=0.8)
    unit = to_unit(features)
    axes = fit_reduction([features], 8).axes
    parts = [
        Part(rows.astype(np.float16), rows @ axes)
        for rows in (unit[:350], unit[350:351], unit[351:])
    ]
    queries = unit[::30]
    true, _ = vector_search.search_exactly(parts, queries, K)
    ranks = vector_search.ranks_by_projection(parts, axes, queries, true)
    found, _ = vector_search.search(parts, axes, queries, K, candidates)
    assert [
        set(row) & set(all_) for row, all_ in zip(found.tolist(), true.tolist(), strict=True)
    ] == [set(row[rank < candidates].tolist()) for row, rank in zip(true, ranks, strict=True)]
    assert vector_search.recall(found, true) == pytest.approx((ranks < candidates).mean())


def test_of_rows_with_equal_projections_each_counts_as_the_last() -> None:
    unit = to_unit(np.repeat(np.eye(4, dtype=np.float32), 3, axis=0))
    parts = [Part(unit.astype(np.float16), unit)]
    ranks = vector_search.ranks_by_projection(
        parts, np.eye(4, dtype=np.float32), unit[:1], np.array([[0, 1, 2, 3]])
    )
    assert ranks.tolist() == [[2, 2, 2, 11]]
